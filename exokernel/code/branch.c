#include <verify.h>
#include <opcode.h>
#include <scalar.h>

/* Conditional jumps: which ways are possible, and what is known on each. `now` goes past the jump, `other` jumps. */

static uint8_t opposite(uint8_t operation)
{
    switch (operation) {
    case JMP_JEQ:
        return JMP_JNE;
    case JMP_JNE:
        return JMP_JEQ;
    case JMP_JGT:
        return JMP_JLE;
    case JMP_JLE:
        return JMP_JGT;
    case JMP_JGE:
        return JMP_JLT;
    case JMP_JLT:
        return JMP_JGE;
    case JMP_JSGT:
        return JMP_JSLE;
    case JMP_JSLE:
        return JMP_JSGT;
    case JMP_JSGE:
        return JMP_JSLT;
    default:
        return JMP_JSGE;
    }
}

static void assume_bits(struct code_scalar *a, const struct code_scalar *b, bool wide, bool touch)
{
    uint64_t mask = wide ? b->low : b->low32;

    if (wide ? b->low != b->high : b->low32 != b->high32)
        return;
    if (touch)
        scalar_assume_touch(a, mask);
    else
        scalar_assume_clear(a, mask);
}

static void assume_wide(struct code_scalar *a, struct code_scalar *b, uint8_t operation)
{
    switch (operation) {
    case JMP_JEQ:
        return scalar_assume_equal(a, b);
    case JMP_JNE:
        return scalar_assume_unequal(a, b);
    case JMP_JGT:
        return scalar_assume_below(b, a, 1);
    case JMP_JGE:
        return scalar_assume_below(b, a, 0);
    case JMP_JLT:
        return scalar_assume_below(a, b, 1);
    case JMP_JLE:
        return scalar_assume_below(a, b, 0);
    case JMP_JSGT:
        return scalar_assume_less(b, a, 1);
    case JMP_JSGE:
        return scalar_assume_less(b, a, 0);
    case JMP_JSLT:
        return scalar_assume_less(a, b, 1);
    default:
        return scalar_assume_less(a, b, 0);
    }
}

static void assume_half(struct code_scalar *a, struct code_scalar *b, uint8_t operation)
{
    switch (operation) {
    case JMP_JEQ:
        return scalar_assume_equal32(a, b);
    case JMP_JNE:
        return scalar_assume_unequal32(a, b);
    case JMP_JGT:
        return scalar_assume_below32(b, a, 1);
    case JMP_JGE:
        return scalar_assume_below32(b, a, 0);
    case JMP_JLT:
        return scalar_assume_below32(a, b, 1);
    case JMP_JLE:
        return scalar_assume_below32(a, b, 0);
    case JMP_JSGT:
        return scalar_assume_less32(b, a, 1);
    case JMP_JSGE:
        return scalar_assume_less32(b, a, 0);
    case JMP_JSLT:
        return scalar_assume_less32(a, b, 1);
    default:
        return scalar_assume_less32(a, b, 0);
    }
}

static bool is_an_end(const struct code_scalar *s, uint64_t value)
{
    uint32_t half = (uint32_t)value;

    return value == s->low || value == s->high || value == (uint64_t)s->least || value == (uint64_t)s->most ||
           half == s->low32 || half == s->high32 || half == (uint32_t)s->least32 || half == (uint32_t)s->most32;
}

enum way { WAY_UNKNOWN, WAY_CLOSED, WAY_OPEN };

/* Is a number equal to a constant? The commonest question, answered without the work for the others: WAY_UNKNOWN leaves it to them. */
static enum way assume_constant(struct code_scalar *a, const struct code_scalar *b, uint8_t operation, bool wide, bool taken)
{
    uint64_t value = wide ? b->low : (uint32_t)b->low;

    if ((operation != JMP_JEQ && operation != JMP_JNE) || !scalar_is_constant(b) || (!wide && a->high > UINT32_MAX))
        return WAY_UNKNOWN;
    bool contains = scalar_contains(a, value);
    if ((operation == JMP_JEQ) == taken) {
        if (contains)
            scalar_set(a, value);
        return contains ? WAY_OPEN : WAY_CLOSED;
    }
    return contains && is_an_end(a, value) ? WAY_UNKNOWN : WAY_OPEN;
}

bool branch_assume(struct code_scalar *a, struct code_scalar *b, struct code_instruction i, bool taken)
{
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    bool wide = OPCODE_CLASS(i.opcode) == CLASS_JMP;
    enum way way = assume_constant(a, b, operation, wide, taken);

    if (way != WAY_UNKNOWN)
        return way == WAY_OPEN;
    if (operation == JMP_JSET)
        assume_bits(a, b, wide, taken);
    else if (wide)
        assume_wide(a, b, taken ? operation : opposite(operation));
    else
        assume_half(a, b, taken ? operation : opposite(operation));
    return !scalar_is_empty(a) && !scalar_is_empty(b);
}

/* ---- what a test of one shows of all that are the same */

typedef void change(struct code_value *value, const void *to);

static void state_each(struct code_state *state, uint8_t type, uint32_t id, change *change, const void *to)
{
    for (uint32_t name = 0; name < FRAME; name++)
        if (state->registers[name].type == type && state->registers[name].id == id)
            change(&state->registers[name], to);
    for (uint32_t index = 0; index < SPILLS; index++)
        if (state->spills_used >> index & 1 && state->spills[index].type == type && state->spills[index].id == id)
            change(&state->spills[index], to);
}

static void change_scalar(struct code_value *value, const void *to)
{
    value->scalar = *(const struct code_scalar *)to;
}

static void change_all(struct code_value *value, const void *to)
{
    *value = *(const struct code_value *)to;
}

static void change_range(struct code_value *value, const void *to)
{
    const struct code_value *known = to;

    if (value->range < known->range)
        value->range = known->range;
    value->scalar = known->scalar;
}

static void learn_scalar(struct code_state *state, uint32_t name, const struct code_scalar *scalar)
{
    const struct code_value *value = &state->registers[name];

    if (value->id)
        state_each(state, CODE_SCALAR, value->id, change_scalar, scalar);
    else
        state->registers[name].scalar = *scalar;
}

static void learn_both(struct code_state *state, struct code_instruction i, const struct code_scalar *a, const struct code_scalar *b)
{
    learn_scalar(state, code_destination(i), a);
    if (i.opcode & SOURCE_X)
        learn_scalar(state, code_source(i), b);
}

static uint32_t branch_scalars(struct code_verifier *verifier, struct code_instruction i, const struct code_scalar *a,
                               const struct code_scalar *b)
{
    struct code_scalar taken_a = *a, taken_b = *b, passed_a = *a, passed_b = *b;
    uint32_t ways = 0;

    if (branch_assume(&taken_a, &taken_b, i, true)) {
        ways |= BRANCH_TAKEN;
        state_copy(&verifier->other, &verifier->now);
        learn_both(&verifier->other, i, &taken_a, &taken_b);
    }
    if (branch_assume(&passed_a, &passed_b, i, false)) {
        ways |= BRANCH_PASSED;
        learn_both(&verifier->now, i, &passed_a, &passed_b);
    }
    return ways;
}

/* ---- pointers */

/* `value` + extra lies at most at the end of its region. False if no region is so large. */
static bool learn_end(struct code_verifier *verifier, struct code_state *state, struct code_value value, uint32_t extra)
{
    int64_t size_max = verifier->program->kind->regions[value.region].size_max, range = (int64_t)value.offset + extra;
    int64_t least = range + (value.id ? value.scalar.least : 0);

    if (least > size_max)
        return false;
    if (least > state->region_min[value.region])
        state->region_min[value.region] = (uint32_t)least;
    if (!value.id)
        return true;
    if (value.range < range)
        value.range = (int32_t)range;
    if (value.scalar.most > size_max - range)
        value.scalar.most = size_max - range;
    scalar_reduce(&value.scalar);
    if (scalar_is_empty(&value.scalar))
        return false;
    state_each(state, CODE_POINTER, value.id, change_range, &value);
    return true;
}

static uint8_t mirrored(uint8_t operation)
{
    switch (operation) {
    case JMP_JGT:
        return JMP_JLT;
    case JMP_JLT:
        return JMP_JGT;
    case JMP_JGE:
        return JMP_JLE;
    case JMP_JLE:
        return JMP_JGE;
    default:
        return operation;
    }
}

static bool learn_way(struct code_verifier *verifier, struct code_state *state, const struct code_value *pointer, uint8_t operation)
{
    if (operation == JMP_JLT)
        return learn_end(verifier, state, *pointer, 1);
    if (operation == JMP_JLE || operation == JMP_JEQ)
        return learn_end(verifier, state, *pointer, 0);
    return true;
}

static uint32_t branch_end(struct code_verifier *verifier, const struct code_value *pointer, uint8_t operation)
{
    uint32_t ways = 0;

    state_copy(&verifier->other, &verifier->now);
    if (learn_way(verifier, &verifier->other, pointer, operation))
        ways |= BRANCH_TAKEN;
    if (learn_way(verifier, &verifier->now, pointer, opposite(operation)))
        ways |= BRANCH_PASSED;
    return ways;
}

static uint32_t branch_null(struct code_verifier *verifier, struct code_instruction i, const struct code_value *value)
{
    bool equal = OPCODE_OPERATION(i.opcode) == JMP_JEQ;
    struct code_value null = value_scalar(0), pointer = { .type = CODE_POINTER, .region = value->region };

    state_copy(&verifier->other, &verifier->now);
    state_each(&verifier->other, CODE_POINTER_OR_NULL, value->id, change_all, equal ? &null : &pointer);
    state_each(&verifier->now, CODE_POINTER_OR_NULL, value->id, change_all, equal ? &pointer : &null);
    return BRANCH_TAKEN | BRANCH_PASSED;
}

static uint32_t branch_zero(struct code_verifier *verifier, struct code_instruction i, const struct code_value *value)
{
    uint8_t operation = OPCODE_OPERATION(i.opcode);

    if (operation != JMP_JEQ && operation != JMP_JNE)
        return verifier_refuse(verifier, CODE_NOT_SCALAR, code_destination(i));
    if (value->type == CODE_POINTER_OR_NULL)
        return branch_null(verifier, i, value);
    state_copy(&verifier->other, &verifier->now);
    return operation == JMP_JNE ? BRANCH_TAKEN : BRANCH_PASSED;
}

static bool is_zero(const struct code_value *value)
{
    return value->type == CODE_SCALAR && value->scalar.high == 0;
}

static uint32_t branch_pointers(struct code_verifier *verifier, struct code_instruction i, const struct code_value *a,
                                const struct code_value *b)
{
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    bool order = operation != JMP_JSET && (operation < JMP_JSGT || operation == JMP_JLT || operation == JMP_JLE);
    bool same = a->type == b->type && a->region == b->region;

    if (OPCODE_CLASS(i.opcode) == CLASS_JMP && is_zero(b))
        return branch_zero(verifier, i, a);
    if (OPCODE_CLASS(i.opcode) == CLASS_JMP && order && a->region == b->region) {
        if (a->type == CODE_POINTER && b->type == CODE_END)
            return branch_end(verifier, a, operation);
        if (a->type == CODE_END && b->type == CODE_POINTER)
            return branch_end(verifier, b, mirrored(operation));
        if (same && (a->type == CODE_POINTER || a->type == CODE_STACK_POINTER)) {
            state_copy(&verifier->other, &verifier->now);
            return BRANCH_TAKEN | BRANCH_PASSED;
        }
    }
    return verifier_refuse(verifier, CODE_NOT_SCALAR, a->type != CODE_SCALAR ? code_destination(i) : code_source(i));
}

uint32_t branch_step(struct code_verifier *verifier, struct code_instruction i)
{
    bool wide = OPCODE_CLASS(i.opcode) == CLASS_JMP;
    struct code_value a = state_register(&verifier->now, code_destination(i)), b = value_scalar(UINT64_MAX);

    if (i.opcode & SOURCE_X)
        b = state_register(&verifier->now, code_source(i));
    else
        scalar_set(&b.scalar, wide ? (uint64_t)(int64_t)i.immediate : (uint32_t)i.immediate);
    if (a.type == CODE_NOTHING || b.type == CODE_NOTHING)
        return verifier_refuse(verifier, CODE_UNINITIALISED, a.type == CODE_NOTHING ? code_destination(i) : code_source(i));
    if (a.type == CODE_SCALAR && b.type == CODE_SCALAR)
        return branch_scalars(verifier, i, &a.scalar, &b.scalar);
    return branch_pointers(verifier, i, &a, &b);
}
