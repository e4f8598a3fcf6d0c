/* The verifier's own structures. It walks the program along all paths, with a state of what is known before the next
   instruction. At targets of jumps states are kept: a path that arrives with nothing new ends there; where many arrive, they
   are merged, loops widen, so that every walk ends. All of it lies in the memory that the loader gave. */
#ifndef CODE_VERIFY_H
#define CODE_VERIFY_H

#include <code.h>

enum {
    SPILLS = 16,                /* values followed on the stack */
    STACK_SLOTS = CODE_STACK / 8,
    JOIN_STATES = 4,            /* kept at a target before they are merged */
    LOOP_STATES = 64,
    HULL_MERGES = 2,            /* merges before bounds that move are given up */
    LIVE_PASSES = 32,
    FRAME = 10,                 /* r10 */
    RANGE_NONE = INT32_MIN / 2,
    STATE_NONE = UINT32_MAX,
};

struct code_state {
    struct code_value registers[FRAME];
    uint64_t initialised[STACK_SLOTS / 8];      /* a bit a byte, from the lowest address on */
    uint8_t spill[STACK_SLOTS];                 /* 1 + index, 0 if the slot is not followed */
    uint32_t region_min[CODE_REGIONS];          /* what branches have shown of the regions' sizes */
    uint32_t spills_used;                       /* a bit each */
    uint32_t at;
    uint32_t next;                              /* at the same target */
    uint32_t next_pending;
    uint16_t merges;
    bool pending;                               /* to be walked on from */
    struct code_value spills[SPILLS];           /* those in use; last, so that others need not be copied */
};

enum { SLOT_START = 1, SLOT_TARGET = 2, SLOT_LOOP = 4 };

struct code_slot {
    uint16_t live;              /* registers that are read before they are written */
    uint8_t flags;
    uint8_t states;
    uint32_t first;             /* state */
};

enum code_phase { PHASE_CLEAR, PHASE_CHECK, PHASE_LIVE, PHASE_GIVE_UP, PHASE_WALK, PHASE_DONE };

/* What pieces of the work cost at most, in machine instructions: no step is much longer than its caller wants. */
enum {
    COST_CLEAR = 16,        /* a slot */
    COST_CHECK = 110,
    COST_LIVE = 110,
    COST_GIVE_UP = 8,
    COST_WALK = 400,        /* an instruction, beside what follows */
    COST_BYTES = 24,        /* eight bytes of the stack looked at */
    COST_COPY = 320,        /* a state */
    COST_QUIET = 60,        /* a slot of the stack that is not followed */
    COST_COVER = 480,       /* a pointer in a register or on the stack; a third of that for a number */
    COST_MERGE = 1000,
};

/* Ids are names: two states may call the same thing otherwise. A pair says that what one calls `id` is `other` + delta in
   the other; all values with this id must agree on it. */
enum { PAIRS = FRAME + SPILLS };

struct pair {
    uint32_t id, other;
    int32_t delta;
    uint32_t merged;
};

struct pairs {
    struct pair pair[PAIRS];
    uint32_t count;
};

/* Two states that are compared or merged, piece by piece. */
struct code_meeting {
    struct pairs pairs;
    uint32_t item;              /* the next piece */
    bool widen;
};

enum code_arrival { ARRIVES_NOBODY, ARRIVES_NOW, ARRIVES_OTHER };

struct code_verifier {
    struct code_program *program;
    struct code_slot *slots;
    struct code_state *states;
    uint64_t visits, visits_max;
    uint32_t state_count, states_used;
    uint32_t targets_left;      /* without a state yet */
    uint32_t pending;
    uint32_t ids;               /* given so far */
    uint32_t cursor, passes_made;
    enum code_phase phase;
    bool changed;
    bool loops;                 /* a jump goes backwards */
    bool walking;               /* `now` is valid */
    bool passes;                /* while `other` arrives: `now` goes past the jump afterwards */
    bool merging;               /* what arrives is merged with state `met`, else compared with it */
    enum code_arrival arrival;  /* who reaches a target */
    uint32_t met;
    uint32_t spent, effort;     /* of this step, in machine instructions */
    uint32_t reason, culprit;
    struct code_meeting meeting;
    struct code_state now, other;
};

static inline void verifier_spend(struct code_verifier *verifier, uint32_t cost)
{
    verifier->spent += cost;
}

static inline bool verifier_is_tired(const struct code_verifier *verifier)
{
    return verifier->spent >= verifier->effort;
}

/* program.c: one instruction by itself. */
uint32_t program_check(struct code_verifier *verifier, uint32_t at);
uint32_t program_check_jump(const struct code_verifier *verifier, uint32_t at);
void program_live(struct code_verifier *verifier, uint32_t at);
bool instruction_is_jump(struct code_instruction instruction);
bool instruction_is_conditional(struct code_instruction instruction);
uint32_t instruction_target(struct code_instruction instruction, uint32_t at);
uint32_t instruction_size(struct code_instruction instruction);    /* bytes of memory it reaches */

/* state.c: one meeting after another, each begun by meeting_start. MEETS_ON: to be called again. */
enum code_met { MEETS_ON, MEETS_NOT, MEETS };

void state_copy(struct code_state *to, const struct code_state *from);
void meeting_start(struct code_verifier *verifier, bool widen);
enum code_met state_covers(struct code_verifier *verifier, const struct code_state *state, const struct code_state *part);
enum code_met state_merge(struct code_verifier *verifier, struct code_state *into, const struct code_state *other);
void state_forget(struct code_state *state, uint16_t live);
void state_drop_slot(struct code_state *state, uint32_t slot);
const struct code_value *state_slot(const struct code_state *state, uint32_t slot);
struct code_value state_register(const struct code_state *state, uint32_t name);

/* access.c, call.c: false is a refusal, noted in the verifier. */
bool access_load(struct code_verifier *verifier, struct code_instruction instruction);
bool access_store(struct code_verifier *verifier, struct code_instruction instruction);
bool access_atomic(struct code_verifier *verifier, struct code_instruction instruction);
bool access_range(struct code_verifier *verifier, uint32_t name, uint64_t size, bool write);
bool call_helper(struct code_verifier *verifier, struct code_instruction instruction);

/* arithmetic.c, branch.c */
bool arithmetic_step(struct code_verifier *verifier, struct code_instruction instruction);

enum { BRANCH_TAKEN = 1, BRANCH_PASSED = 2 };

/* Which ways are possible, or 0 as a refusal: `now` passes, `other` is the state that jumps. */
uint32_t branch_step(struct code_verifier *verifier, struct code_instruction instruction);

/* Parts of these steps, proved by tests/code/prove_step.py: what an instruction but a move makes of two numbers; the lower `width` bits with
   their sign; and what is known of two numbers if a jump is taken or not, where false is that it cannot go this way. */
void arithmetic_numbers(struct code_value *a, struct code_value *b, struct code_instruction instruction, uint32_t width);
void arithmetic_extend(struct code_scalar *a, uint32_t width);
bool branch_assume(struct code_scalar *a, struct code_scalar *b, struct code_instruction instruction, bool taken);

bool verifier_refuse(struct code_verifier *verifier, enum code_reason reason, uint32_t culprit);

static inline struct code_value value_scalar(uint64_t high)
{
    struct code_value value = { .type = CODE_SCALAR };

    if (high == UINT64_MAX)
        value.scalar = (struct code_scalar) { 0, UINT64_MAX, INT64_MIN, INT64_MAX, 0, UINT64_MAX, 0, UINT32_MAX, INT32_MIN, INT32_MAX };
    else
        value.scalar = (struct code_scalar) { 0, high, 0, (int64_t)high, 0, high, 0, (uint32_t)high,
                                              high > INT32_MAX ? INT32_MIN : 0, high > INT32_MAX ? INT32_MAX : (int32_t)high };
    return value;
}

#endif
