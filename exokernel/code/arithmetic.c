#include <verify.h>
#include <opcode.h>
#include <scalar.h>

/* Arithmetic on numbers, as the sets of scalar.h; and what little is allowed on pointers: a pointer plus or less a number,
   and the distance of two pointers into the same memory. */

static void shift(struct code_scalar *a, const struct code_scalar *b, uint8_t operation, uint32_t width)
{
    uint32_t by = (uint32_t)b->low & (width - 1);

    if (operation == ALU_ARSH && width == 32)
        scalar_extend_sign(a);
    if (!scalar_is_constant(b)) {
        if (operation == ALU_RSH)
            scalar_shift_right_somewhat(a);
        else
            scalar_any(a);
        return;
    }
    if (operation == ALU_LSH)
        scalar_shift_left(a, by);
    else if (operation == ALU_RSH)
        scalar_shift_right(a, by);
    else
        scalar_shift_signed(a, by);
}

static void divide(struct code_scalar *a, const struct code_scalar *b, uint8_t operation, bool is_signed)
{
    if (is_signed)
        scalar_any(a);
    else if (operation == ALU_DIV)
        scalar_divide(a, b);
    else
        scalar_remainder(a, b);
}

static void combine(struct code_scalar *a, const struct code_scalar *b, struct code_instruction i, uint32_t width)
{
    switch (OPCODE_OPERATION(i.opcode)) {
    case ALU_ADD:
        return scalar_add(a, b);
    case ALU_SUB:
        return scalar_subtract(a, b);
    case ALU_MUL:
        return scalar_multiply(a, b);
    case ALU_OR:
        return scalar_or(a, b);
    case ALU_AND:
        return scalar_and(a, b);
    case ALU_XOR:
        return scalar_xor(a, b);
    case ALU_DIV:
    case ALU_MOD:
        return divide(a, b, OPCODE_OPERATION(i.opcode), i.offset == 1);
    default:
        return shift(a, b, OPCODE_OPERATION(i.opcode), width);
    }
}

static void negate(struct code_scalar *a)
{
    struct code_scalar zero, b = *a;

    scalar_set(&zero, 0);
    scalar_subtract(&zero, &b);
    *a = zero;
}

void arithmetic_extend(struct code_scalar *a, uint32_t width)
{
    if (width == 32) {
        scalar_extend_sign(a);
        return;
    }
    scalar_shift_left(a, 64 - width);
    scalar_shift_signed(a, 64 - width);
}

/* To little-endian cuts; all others swap. */
static void convert(struct code_scalar *a, struct code_instruction i)
{
    bool swaps = OPCODE_CLASS(i.opcode) == CLASS_ALU64 || i.opcode & SOURCE_X;
    uint64_t high = i.immediate == 64 ? UINT64_MAX : (1ull << i.immediate) - 1;
    struct code_scalar mask;

    if (swaps)
        scalar_any(a);
    scalar_set(&mask, high);
    scalar_and(a, &mask);
}

static void operand_set(struct code_value *value, struct code_instruction i, uint32_t width)
{
    *value = value_scalar(UINT64_MAX);
    scalar_set(&value->scalar, width == 32 ? (uint32_t)i.immediate : (uint64_t)(int64_t)i.immediate);
}

/* ---- pointers */

static bool value_moves(const struct code_value *value)
{
    return value->type == CODE_POINTER || value->type == CODE_STACK_POINTER || value->type == CODE_CONTEXT;
}

static bool near(int64_t offset)
{
    return offset >= -CODE_REACH && offset <= CODE_REACH;
}

static bool pointer_move(struct code_verifier *verifier, uint32_t name, struct code_value pointer, struct code_scalar by, bool back)
{
    if (back)
        negate(&by);
    if (scalar_is_constant(&by)) {
        if (!near(by.least) || !near(pointer.offset + by.least))
            return verifier_refuse(verifier, CODE_POINTER_STRAYS, name);
        pointer.offset += (int32_t)by.least;
        verifier->now.registers[name] = pointer;
        return true;
    }
    if (pointer.type == CODE_CONTEXT)
        return verifier_refuse(verifier, CODE_POINTER_STRAYS, name);
    if (pointer.id)
        scalar_add(&by, &pointer.scalar);
    if (!near(by.least) || !near(by.most))
        return verifier_refuse(verifier, CODE_POINTER_STRAYS, name);
    pointer.id = ++verifier->ids;
    pointer.scalar = by;
    pointer.range = RANGE_NONE;
    verifier->now.registers[name] = pointer;
    return true;
}

/* A pointer's distance from the start of its memory. */
static void distance(const struct code_state *state, const struct code_region *regions, const struct code_value *value,
                     struct code_scalar *ret_distance)
{
    struct code_scalar variable;

    if (value->type == CODE_END) {
        scalar_limit(ret_distance, regions[value->region].size_max);
        ret_distance->low = state->region_min[value->region];
        scalar_reduce(ret_distance);
        return;
    }
    scalar_set(ret_distance, (uint64_t)(int64_t)value->offset);
    variable = value->scalar;
    if (value->id)
        scalar_add(ret_distance, &variable);
}

static bool pointers_subtract(struct code_verifier *verifier, uint32_t name, struct code_value a, struct code_value b)
{
    const struct code_region *regions = verifier->program->kind->regions;
    bool regional = (a.type == CODE_POINTER || a.type == CODE_END) && (b.type == CODE_POINTER || b.type == CODE_END);
    bool stacks = a.type == CODE_STACK_POINTER && b.type == CODE_STACK_POINTER;
    struct code_value value = value_scalar(UINT64_MAX);
    struct code_scalar other;

    if (!(regional && a.region == b.region) && !stacks)
        return verifier_refuse(verifier, CODE_NOT_SCALAR, name);
    if (a.type == b.type && a.id == b.id) {
        a.id = 0;
        b.id = 0;
    }
    distance(&verifier->now, regions, &a, &value.scalar);
    distance(&verifier->now, regions, &b, &other);
    scalar_subtract(&value.scalar, &other);
    verifier->now.registers[name] = value;
    return true;
}

static bool pointer_step(struct code_verifier *verifier, struct code_instruction i, struct code_value a, struct code_value b)
{
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    uint32_t name = code_destination(i);

    if (a.type == CODE_POINTER_OR_NULL || b.type == CODE_POINTER_OR_NULL)
        return verifier_refuse(verifier, CODE_MAYBE_NULL, a.type == CODE_POINTER_OR_NULL ? name : code_source(i));
    if (OPCODE_CLASS(i.opcode) == CLASS_ALU64 && operation == ALU_ADD) {
        if (value_moves(&a) && b.type == CODE_SCALAR)
            return pointer_move(verifier, name, a, b.scalar, false);
        if (a.type == CODE_SCALAR && value_moves(&b))
            return pointer_move(verifier, name, b, a.scalar, false);
    }
    if (OPCODE_CLASS(i.opcode) == CLASS_ALU64 && operation == ALU_SUB) {
        if (value_moves(&a) && b.type == CODE_SCALAR)
            return pointer_move(verifier, name, a, b.scalar, true);
        if (a.type != CODE_SCALAR && b.type != CODE_SCALAR)
            return pointers_subtract(verifier, name, a, b);
    }
    return verifier_refuse(verifier, CODE_NOT_SCALAR, a.type != CODE_SCALAR ? name : code_source(i));
}

/* ---- the instruction */

static bool move_step(struct code_verifier *verifier, struct code_instruction i, struct code_value b, uint32_t width)
{
    bool register_source = i.opcode & SOURCE_X;
    uint32_t source = code_source(i);

    if (b.type != CODE_SCALAR && (width == 32 || i.offset))
        return verifier_refuse(verifier, CODE_NOT_SCALAR, source);
    if (i.offset) {
        arithmetic_extend(&b.scalar, (uint32_t)i.offset);
        b.id = 0;
    }
    if (width == 32) {
        b.id = b.scalar.high > UINT32_MAX ? 0 : b.id;
        scalar_truncate(&b.scalar);
    } else if (register_source && b.type == CODE_SCALAR && !i.offset && !b.id && !scalar_is_constant(&b.scalar)) {
        b.id = ++verifier->ids;
        verifier->now.registers[source].id = b.id;
    }
    verifier->now.registers[code_destination(i)] = b;
    return true;
}

void arithmetic_numbers(struct code_value *a, struct code_value *b, struct code_instruction i, uint32_t width)
{
    if (OPCODE_OPERATION(i.opcode) == ALU_END) {
        convert(&a->scalar, i);
        return;
    }
    if (width == 32) {
        scalar_truncate(&a->scalar);
        scalar_truncate(&b->scalar);
    }
    if (OPCODE_OPERATION(i.opcode) == ALU_NEG)
        negate(&a->scalar);
    else
        combine(&a->scalar, &b->scalar, i, width);
    if (width == 32)
        scalar_truncate(&a->scalar);
}

bool arithmetic_step(struct code_verifier *verifier, struct code_instruction i)
{
    uint32_t width = OPCODE_CLASS(i.opcode) == CLASS_ALU64 ? 64 : 32;
    uint32_t name = code_destination(i), source = code_source(i);
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    bool alone = operation == ALU_END || operation == ALU_NEG;
    struct code_value a = state_register(&verifier->now, name), b;

    if (i.opcode & SOURCE_X && !alone)
        b = state_register(&verifier->now, source);
    else
        operand_set(&b, i, width);
    if (b.type == CODE_NOTHING)
        return verifier_refuse(verifier, CODE_UNINITIALISED, source);
    if (operation == ALU_MOV)
        return move_step(verifier, i, b, width);
    if (a.type == CODE_NOTHING)
        return verifier_refuse(verifier, CODE_UNINITIALISED, name);
    if (a.type != CODE_SCALAR || b.type != CODE_SCALAR)
        return pointer_step(verifier, i, a, b);
    arithmetic_numbers(&a, &b, i, width);
    a.id = 0;
    verifier->now.registers[name] = a;
    return true;
}
