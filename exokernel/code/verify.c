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

static bool state_is_covered(const struct code_verifier *verifier, const struct code_slot *slot, const struct code_state *state)
{
    for (uint32_t n = slot->first; n != STATE_NONE; n = verifier->states[n].next)
        if (state_covers(&verifier->states[n], state))
            return true;
    return false;
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

    verifier->states[n] = *state;
    verifier->states[n].next = slot->first;
    verifier->states[n].pending = false;
    verifier->states[n].merges = 0;
    verifier->targets_left -= slot->first == STATE_NONE;
    slot->first = n;
    slot->states++;
    return n;
}

/* A state reaches a target. True if the walk goes on with it; otherwise what it adds is kept and pending. */
static bool state_arrive(struct code_verifier *verifier, struct code_state *state, bool walks)
{
    struct code_slot *slot = &verifier->slots[state->at];
    uint32_t spare = verifier->state_count - verifier->states_used - verifier->targets_left;
    uint32_t n;

    state_forget(state, slot->live);
    if (state_is_covered(verifier, slot, state))
        return false;
    if (slot->first == STATE_NONE || (slot->states < states_max(verifier, slot) && spare)) {
        n = state_keep(verifier, slot, state);
        if (walks)
            return true;
    } else {
        n = slot->first;
        state_merge(verifier, &verifier->states[n], state);
    }
    make_pending(verifier, n);
    return false;
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

static void walk_to(struct code_verifier *verifier, uint32_t at)
{
    verifier->now.at = at;
    if (verifier->slots[at].flags & SLOT_TARGET)
        verifier->walking = state_arrive(verifier, &verifier->now, true);
}

static bool jump_step(struct code_verifier *verifier, struct code_instruction i)
{
    uint32_t at = verifier->now.at, target = instruction_target(i, at), ways;

    if (!instruction_is_conditional(i)) {
        walk_to(verifier, target);
        return true;
    }
    ways = branch_step(verifier, i);
    if (ways & BRANCH_TAKEN) {
        verifier->other.at = target;
        state_arrive(verifier, &verifier->other, false);
    }
    if (ways & BRANCH_PASSED)
        walk_to(verifier, at + 1);
    else
        verifier->walking = false;
    return verifier->reason == CODE_FINE;
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

    *state = (struct code_state) { .at = 0 };
    state->registers[1] = (struct code_value) { .type = CODE_CONTEXT };
    for (uint32_t region = 0; region < kind->region_count; region++)
        state->region_min[region] = kind->regions[region].size_min;
    verifier->walking = true;
    walk_to(verifier, 0);
}

static bool step_walk(struct code_verifier *verifier)
{
    if (!verifier->walking) {
        uint32_t n = verifier->pending;

        if (n == STATE_NONE) {
            verifier->phase = PHASE_DONE;
            return true;
        }
        verifier->pending = verifier->states[n].next_pending;
        verifier->states[n].pending = false;
        verifier->now = verifier->states[n];
        verifier->walking = true;
    }
    return walk_one(verifier);
}

/* ---- before the walk */

static bool step_check(struct code_verifier *verifier)
{
    uint32_t reason = program_check(verifier, verifier->cursor);

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
    verifier->passes++;
    if (verifier->changed && verifier->passes < LIVE_PASSES) {
        verifier->changed = false;
        return;
    }
    for (uint32_t at = 0; verifier->changed && at < verifier->program->count; at++)
        verifier->slots[at].live = UINT16_MAX;
    verifier->phase = PHASE_WALK;
    walk_start(verifier);
}

static bool step_live(struct code_verifier *verifier)
{
    uint32_t reason = program_check_jump(verifier, --verifier->cursor);

    verifier->now.at = verifier->cursor;
    if (reason)
        return verifier_refuse(verifier, reason, CODE_REGISTERS);
    program_live(verifier, verifier->cursor);
    if (verifier->cursor == 0)
        live_ends(verifier);
    return true;
}

static bool step(struct code_verifier *verifier)
{
    switch (verifier->phase) {
    case PHASE_CHECK:
        return step_check(verifier);
    case PHASE_LIVE:
        return step_live(verifier);
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

enum code_verdict code_verify_step(struct code_verifier *verifier, uint32_t steps, struct code_refusal *ret_refusal)
{
    for (; steps && !verifier->reason && verifier->phase != PHASE_DONE; steps--)
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
    *verifier = (struct code_verifier) { .program = program, .visits_max = visits, .pending = STATE_NONE };
    verifier->slots = (struct code_slot *)(verifier + 1);
    verifier->states = (struct code_state *)((uint8_t *)verifier->slots + slots_size(count));
    verifier->state_count = (uint32_t)((size - code_verify_size(count, 0)) / sizeof(struct code_state));
    for (uint32_t at = 0; at < count; at++) {
        verifier->slots[at] = (struct code_slot) { .first = STATE_NONE };
        program->notes[at] = (struct code_note) { .memory = CODE_NOTE_NONE };
    }
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
