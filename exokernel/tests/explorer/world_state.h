/*
 * The whole state of kernel and machine as one value: copied, compared and hashed. Of the context pages only what decides
 * anything is kept.
 */
#pragma once
#include <machine.h>

struct state_context {
    uint32_t pending, event_busy, repossessed_count, revoke_count;
    uint64_t inbox_full;
};

/* What decides anything of a disk ring's shared half: its counts, and the newest submission. */
struct state_ring {
    uint32_t submitted, completed, reaped, reserved; /* no holes: it is compared */
    struct exo_submission newest;
};

/* All of it but the packet that a handler looks at. */
enum { STATE_NETWORK = __builtin_offsetof(struct network, packet) };

struct state {
    struct kernel kernel;
    struct machine machine;
    uint8_t network[STATE_NETWORK];
    struct state_context context[MACHINE_FRAMES];
    struct state_ring ring[MACHINE_RING_FRAMES];
    struct net_queue net_queue[MACHINE_FRAMES];
    struct machine_note notes[PROCESSOR_LIMIT][MACHINE_NOTES]; /* kept, but neither compared nor hashed */
};

void state_save(struct state *state);
void state_load(const struct state *state);
/* After a step that changed nothing: what the processors noted meanwhile. */
void state_load_notes(const struct state *state);
/* Is this the state that the machine is in? */
bool state_is_present(const struct state *state);
/* Is it, but for translations that the processors have forgotten, interrupts that were sent and checks that are remembered? */
bool state_is_flushed(const struct state *state);
/* Of the present state, by what matters: ids only by what still refers to them, epochs by who has passed them, times by
 * how far away they are. Never 0. */
uint64_t state_hash(void);
/* The frames, capabilities and processors of the present state, for whoever looks into a violation. */
void state_print(void);
