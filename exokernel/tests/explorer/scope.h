/*
 * Scopes of exploration: a starting state, and every step that may be taken from any state: all calls with all values of the
 * scope's small domains as arguments, and what the machine and user code do by themselves.
 */
#pragma once
#include <state.h>

enum action {
    ACTION_CALL,
    ACTION_TOUCH,     /* what runs on the processor uses an address */
    ACTION_INTERRUPT, /* an interrupt from another processor arrives */
    ACTION_TIMER,     /* time passes until the processor's timer is over */
    ACTION_WAIT,      /* time passes, argument[0] ns, but no timer's */
    ACTION_ACCEPT,    /* the libOS that runs on the processor takes its events and its message off its context page */
    ACTION_ASK,       /* the libOS that runs on the processor writes a request into its disk ring, if the newest was taken up: argument[0] is
                         the operation, [1] the frame; slot 1 must hold its frames, DISK_EXTENT the blocks */
    ACTION_ANSWER,    /* the disk ends the request in place argument[0], well */
    ACTION_LIMIT,
};

enum { LATE = 1 << 8, DISK_EXTENT = 5, DISK_BLOCK = 1 };

struct step {
    uint8_t action;
    uint8_t processor;
    uint16_t number;  /* of the call */
    uint16_t subject; /* or LATE */
    uint64_t argument[6];
};

struct scope {
    const char *name;
    void (*build)(void); /* sets the machine's state */
    void (*list)(void);  /* lists the steps, by the functions of step.h */
};

extern const struct scope scopes[];
extern const uint32_t scope_count;

extern struct step *steps;
extern uint32_t step_count;
/* Steps of one kind lie together: kind k is [kind_first[k], kind_first[k + 1]). */
extern uint32_t kind_first[64 + ACTION_LIMIT + 1];
extern uint32_t kind_count;

/* Build the scope's starting state and its steps. */
void scope_enter(const struct scope *scope);

/* Take a step. Returns the call's result; OK for the others. *ret_must_stay is set to whether a call that fails here must leave
 * everything as it was. */
exo_result step_take(const struct step *step, bool *ret_must_stay);
/* Once in each state that steps are taken from: notes whom each actor may touch. Then, after a step that changed something: NULL, or
 * what it did to an environment that it has no business with. */
struct state;
void step_prepare(void);
const char *step_check(const struct step *step, const struct state *before);
void step_print(const struct step *step);
