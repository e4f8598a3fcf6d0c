#include <verify.h>
#include <opcode.h>
#include <scalar.h>

static const char *const reason_text[CODE_REASONS] = {
    [CODE_FINE] = "nothing is wrong",
    [CODE_BAD_COUNT] = "the program has no instruction, or too many",
    [CODE_BAD_OPCODE] = "unknown instruction, or a reserved field is set",
    [CODE_BAD_REGISTER] = "no such register, or r10 written",
    [CODE_BAD_JUMP] = "runs out of the program, or into the middle of an instruction",
    [CODE_BAD_CALL] = "no such helper",
    [CODE_UNINITIALISED] = "read before it is written",
    [CODE_NOT_SCALAR] = "a pointer where a number is needed",
    [CODE_NOT_POINTER] = "a number used as a pointer",
    [CODE_MAYBE_NULL] = "a pointer used that was not compared with 0",
    [CODE_POINTER_STORED] = "a pointer stored where others see it",
    [CODE_POINTER_STRAYS] = "a pointer moved by an unknown distance, or too far",
    [CODE_OUT_OF_BOUNDS] = "memory out of bounds",
    [CODE_NOT_WRITABLE] = "memory that may not be written",
    [CODE_NOT_ALIGNED] = "not aligned",
    [CODE_BAD_ARGUMENT] = "an argument that the helper does not take",
    [CODE_MIXED_MEMORY] = "one instruction for two kinds of memory",
    [CODE_TOO_LARGE] = "too little memory for the verifier",
    [CODE_TOO_COMPLEX] = "too many instructions to look at",
    [CODE_TOO_MANY_SPILLS] = "too many pointers on the stack",
};

const char *code_reason_text(uint32_t reason)
{
    return reason < CODE_REASONS ? reason_text[reason] : "unknown reason";
}

bool verifier_refuse(struct code_verifier *verifier, enum code_reason reason, uint32_t culprit)
{
    verifier->reason = reason;
    verifier->culprit = culprit;
    return false;
}

/* ---- where paths meet */

static uint32_t states_max(const struct code_verifier *verifier, const struct code_slot *slot)
{
    if (verifier->visits > verifier->visits_max / 2)
        return 1;
    return slot->flags & SLOT_LOOP ? LOOP_STATES : JOIN_STATES;
}

static void make_pending(struct code_verifier *verifier, uint32_t n)
{
    struct code_state *state = &verifier->states[n];

    if (state->pending)
        return;
    state->pending = true;
    state->next_pending = verifier->pending;
    verifier->pending = n;
}

static uint32_t state_keep(struct code_verifier *verifier, struct code_slot *slot, const struct code_state *state)
{
    uint32_t n = verifier->states_used++;

    state_copy(&verifier->states[n], state);
    verifier->states[n].next = slot->first;
    verifier->states[n].pending = false;
    verifier->states[n].merges = 0;
    verifier->targets_left -= slot->first == STATE_NONE;
    slot->first = n;
    slot->states++;
    return n;
}

static struct code_state *arriving(struct code_verifier *verifier)
{
    return verifier->arrival == ARRIVES_NOW ? &verifier->now : &verifier->other;
}

/* A state reaches a target: it is compared with those kept there, one after another. */
static void arrive(struct code_verifier *verifier, enum code_arrival who)
{
    verifier->arrival = who;
    struct code_state *state = arriving(verifier);
    const struct code_slot *slot = &verifier->slots[state->at];

    state_forget(state, slot->live);
    verifier->met = slot->first;
    verifier->merging = false;
    meeting_start(verifier, false);
}

static void walk_to(struct code_verifier *verifier, uint32_t at)
{
    verifier->now.at = at;
    verifier->walking = true;
    if (verifier->slots[at].flags & SLOT_TARGET)
        arrive(verifier, ARRIVES_NOW);
}

static void jump_ends(struct code_verifier *verifier)
{
    if (verifier->passes)
        walk_to(verifier, verifier->now.at + 1);
    else
        verifier->walking = false;
}

/* What arrived is dealt with. The walk goes on with it if it came by itself and nothing there covers it. */
static void arrival_ends(struct code_verifier *verifier, bool walks)
{
    enum code_arrival who = verifier->arrival;

    verifier->arrival = ARRIVES_NOBODY;
    if (who == ARRIVES_NOW)
        verifier->walking = walks;
    else
        jump_ends(verifier);
}

/* Nothing there covers it: it is kept, or merged with one that is. */
static void arrival_stays(struct code_verifier *verifier)
{
    struct code_state *state = arriving(verifier);
    struct code_slot *slot = &verifier->slots[state->at];
    uint32_t spare = verifier->state_count - verifier->states_used - verifier->targets_left;

    if (slot->first != STATE_NONE && (slot->states >= states_max(verifier, slot) || !spare)) {
        verifier->merging = true;
        verifier->met = slot->first;
        meeting_start(verifier, verifier->states[slot->first].merges >= HULL_MERGES);
        return;
    }
    uint32_t n = state_keep(verifier, slot, state);
    verifier_spend(verifier, COST_COPY);
    if (verifier->arrival != ARRIVES_NOW)
        make_pending(verifier, n);
    arrival_ends(verifier, true);
}

static bool step_merge(struct code_verifier *verifier)
{
    if (state_merge(verifier, &verifier->states[verifier->met], arriving(verifier)) == MEETS_ON)
        return true;
    make_pending(verifier, verifier->met);
    arrival_ends(verifier, false);
    return true;
}

static bool step_arrive(struct code_verifier *verifier)
{
    if (verifier->merging)
        return step_merge(verifier);
    if (verifier->met == STATE_NONE) {
        arrival_stays(verifier);
        return true;
    }
    const struct code_state *kept = &verifier->states[verifier->met];
    enum code_met met = state_covers(verifier, kept, arriving(verifier));
    if (met == MEETS) {
        arrival_ends(verifier, false);
    } else if (met == MEETS_NOT) {
        verifier->met = kept->next;
        meeting_start(verifier, false);
    }
    return true;
}

/* ---- the walk */

static bool exit_step(struct code_verifier *verifier)
{
    uint8_t type = verifier->now.registers[0].type;

    if (type == CODE_NOTHING)
        return verifier_refuse(verifier, CODE_UNINITIALISED, 0);
    if (type != CODE_SCALAR)
        return verifier_refuse(verifier, CODE_NOT_SCALAR, 0);
    verifier->walking = false;
    return true;
}

static bool jump_step(struct code_verifier *verifier, struct code_instruction i)
{
    uint32_t at = verifier->now.at, target = instruction_target(i, at), ways;

    if (!instruction_is_conditional(i)) {
        walk_to(verifier, target);
        return true;
    }
    verifier_spend(verifier, COST_COPY);
    ways = branch_step(verifier, i);
    if (verifier->reason)
        return false;
    verifier->passes = ways & BRANCH_PASSED;
    if (ways & BRANCH_TAKEN) {
        verifier->other.at = target;
        arrive(verifier, ARRIVES_OTHER);
    } else {
        jump_ends(verifier);
    }
    return true;
}

static void wide_step(struct code_verifier *verifier, struct code_instruction i)
{
    uint32_t at = verifier->now.at;
    uint64_t upper = (uint32_t)verifier->program->instructions[at + 1].immediate;
    struct code_value value = value_scalar(0);

    scalar_set(&value.scalar, upper << 32 | (uint32_t)i.immediate);
    verifier->now.registers[code_destination(i)] = value;
    verifier->program->notes[at + 1].reached = true;
}

static bool instruction_step(struct code_verifier *verifier, struct code_instruction i)
{
    switch (OPCODE_CLASS(i.opcode)) {
    case CLASS_LD:
        wide_step(verifier, i);
        return true;
    case CLASS_LDX:
        return access_load(verifier, i);
    case CLASS_ST:
        return access_store(verifier, i);
    case CLASS_STX:
        return OPCODE_MODE(i.opcode) == MODE_ATOMIC ? access_atomic(verifier, i) : access_store(verifier, i);
    case CLASS_ALU:
    case CLASS_ALU64:
        return arithmetic_step(verifier, i);
    default:
        return call_helper(verifier, i);
    }
}

static bool walk_one(struct code_verifier *verifier)
{
    uint32_t at = verifier->now.at;
    struct code_instruction i = verifier->program->instructions[at];

    if (++verifier->visits > verifier->visits_max)
        return verifier_refuse(verifier, CODE_TOO_COMPLEX, CODE_REGISTERS);
    verifier->program->notes[at].reached = true;
    if (i.opcode == OPCODE_EXIT)
        return exit_step(verifier);
    if (instruction_is_jump(i))
        return jump_step(verifier, i);
    if (!instruction_step(verifier, i))
        return false;
    walk_to(verifier, at + (i.opcode == OPCODE_LDDW ? 2 : 1));
    return true;
}

static void walk_start(struct code_verifier *verifier)
{
    const struct code_kind *kind = verifier->program->kind;
    struct code_state *state = &verifier->now;

    verifier_spend(verifier, COST_COPY);
    *state = (struct code_state) { .at = 0 };
    state->registers[1] = (struct code_value) { .type = CODE_CONTEXT };
    for (uint32_t region = 0; region < kind->region_count; region++)
        state->region_min[region] = kind->regions[region].size_min;
    walk_to(verifier, 0);
}

static bool step_walk(struct code_verifier *verifier)
{
    if (verifier->arrival)
        return step_arrive(verifier);
    if (!verifier->walking) {
        uint32_t n = verifier->pending;

        if (n == STATE_NONE) {
            verifier->phase = PHASE_DONE;
            return true;
        }
        verifier->pending = verifier->states[n].next_pending;
        verifier->states[n].pending = false;
        state_copy(&verifier->now, &verifier->states[n]);
        verifier->walking = true;
        verifier_spend(verifier, COST_COPY);
    }
    verifier_spend(verifier, COST_WALK);
    return walk_one(verifier);
}

/* ---- before the walk */

static bool step_clear(struct code_verifier *verifier)
{
    uint32_t at = verifier->cursor++;

    verifier_spend(verifier, COST_CLEAR);
    verifier->slots[at] = (struct code_slot) { .first = STATE_NONE };
    verifier->program->notes[at] = (struct code_note) { .memory = CODE_NOTE_NONE };
    if (verifier->cursor == verifier->program->count) {
        verifier->phase = PHASE_CHECK;
        verifier->cursor = 0;
    }
    return true;
}

static bool step_check(struct code_verifier *verifier)
{
    uint32_t reason = program_check(verifier, verifier->cursor);

    verifier_spend(verifier, COST_CHECK);
    verifier->now.at = verifier->cursor;
    if (reason)
        return verifier_refuse(verifier, reason, CODE_REGISTERS);
    if (verifier->cursor >= verifier->program->count) {
        verifier->phase = PHASE_LIVE;
        verifier->cursor = verifier->program->count;
        if (verifier->targets_left > verifier->state_count)
            return verifier_refuse(verifier, CODE_TOO_LARGE, CODE_REGISTERS);
    }
    return true;
}

static void live_ends(struct code_verifier *verifier)
{
    verifier->cursor = verifier->program->count;
    verifier->passes_made++;
    if (!verifier->changed || !verifier->loops) { /* without loops one pass settles it */
        verifier->phase = PHASE_WALK;
        walk_start(verifier);
    } else if (verifier->passes_made == LIVE_PASSES) {
        verifier->phase = PHASE_GIVE_UP;
    }
    verifier->changed = false;
}

static bool step_live(struct code_verifier *verifier)
{
    uint32_t reason = program_check_jump(verifier, --verifier->cursor);

    verifier_spend(verifier, COST_LIVE);
    verifier->now.at = verifier->cursor;
    if (reason)
        return verifier_refuse(verifier, reason, CODE_REGISTERS);
    program_live(verifier, verifier->cursor);
    if (verifier->cursor == 0)
        live_ends(verifier);
    return true;
}

/* Liveness does not settle: every register counts as live. */
static bool step_give_up(struct code_verifier *verifier)
{
    verifier_spend(verifier, COST_GIVE_UP);
    verifier->slots[--verifier->cursor].live = UINT16_MAX;
    if (verifier->cursor == 0) {
        verifier->phase = PHASE_WALK;
        walk_start(verifier);
    }
    return true;
}

static bool step(struct code_verifier *verifier)
{
    switch (verifier->phase) {
    case PHASE_CLEAR:
        return step_clear(verifier);
    case PHASE_CHECK:
        return step_check(verifier);
    case PHASE_LIVE:
        return step_live(verifier);
    case PHASE_GIVE_UP:
        return step_give_up(verifier);
    default:
        return step_walk(verifier);
    }
}

static void refusal_write(const struct code_verifier *verifier, struct code_refusal *ret_refusal)
{
    ret_refusal->reason = verifier->reason;
    ret_refusal->instruction = verifier->now.at;
    ret_refusal->culprit = verifier->culprit;
    for (uint32_t name = 0; name < CODE_REGISTERS; name++)
        ret_refusal->registers[name] = state_register(&verifier->now, name);
}

enum code_verdict code_verify_step(struct code_verifier *verifier, uint32_t effort, struct code_refusal *ret_refusal)
{
    verifier->spent = 0;
    verifier->effort = effort;
    while (!verifier_is_tired(verifier) && !verifier->reason && verifier->phase != PHASE_DONE)
        step(verifier);
    if (verifier->reason) {
        refusal_write(verifier, ret_refusal);
        return CODE_REFUSED;
    }
    return verifier->phase == PHASE_DONE ? CODE_ACCEPTED : CODE_AGAIN;
}

/* ---- the work area: the verifier, its slots, its states */

static size_t slots_size(uint32_t count)
{
    return (count * sizeof(struct code_slot) + 7) & ~(size_t)7;
}

size_t code_verify_size(uint32_t count, uint32_t states)
{
    return sizeof(struct code_verifier) + slots_size(count) + states * sizeof(struct code_state);
}

enum code_verdict code_verify_start(struct code_verifier *verifier, size_t size, struct code_program *program,
                                    uint64_t visits, struct code_refusal *ret_refusal)
{
    uint32_t count = program->count;
    bool counted = count > 0 && count <= CODE_INSTRUCTIONS;

    if (!counted || size < code_verify_size(count, 0)) {
        *ret_refusal = (struct code_refusal) { .reason = counted ? CODE_TOO_LARGE : CODE_BAD_COUNT, .culprit = CODE_REGISTERS };
        return CODE_REFUSED;
    }
    __builtin_memset(verifier, 0, offsetof(struct code_verifier, now));
    __builtin_memset(&verifier->now, 0, sizeof(verifier->now));
    verifier->program = program;
    verifier->visits_max = visits;
    verifier->pending = STATE_NONE;
    verifier->slots = (struct code_slot *)(verifier + 1);
    verifier->states = (struct code_state *)((uint8_t *)verifier->slots + slots_size(count));
    verifier->state_count = (uint32_t)((size - code_verify_size(count, 0)) / sizeof(struct code_state));
    return CODE_AGAIN;
}

enum code_verdict code_verify(struct code_verifier *verifier, size_t size, struct code_program *program, uint64_t visits,
                              struct code_refusal *ret_refusal)
{
    enum code_verdict verdict = code_verify_start(verifier, size, program, visits, ret_refusal);

    while (verdict == CODE_AGAIN)
        verdict = code_verify_step(verifier, UINT32_MAX, ret_refusal);
    return verdict;
}
