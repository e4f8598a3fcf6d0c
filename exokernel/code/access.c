#include <verify.h>
#include <opcode.h>
#include <scalar.h>

/* Loads and stores: where they reach, whether all of it is there, and what they leave in register or stack. */

struct place {
    uint8_t memory;             /* enum code_note_memory */
    uint8_t region;
    bool fixed;
    int64_t least, most;        /* of the offset: from the start of context or region, from r10 for the stack */
    uint64_t size;
};

static bool refuse(struct code_verifier *verifier, enum code_reason reason, uint32_t culprit)
{
    return verifier_refuse(verifier, reason, culprit);
}

static bool place_is_there(const struct code_state *state, const struct code_kind *kind, const struct code_value *value,
                           const struct place *place, int64_t distance)
{
    int64_t end = place->most + (int64_t)place->size;

    switch (place->memory) {
    case CODE_NOTE_CONTEXT:
        return place->least >= 0 && end <= kind->context_size;
    case CODE_NOTE_STACK:
        return place->least >= -CODE_STACK && end <= 0;
    default:
        if (place->least < 0)
            return false;
        return end <= state->region_min[place->region] ||
               (value->id && value->offset + distance + (int64_t)place->size <= value->range);
    }
}

/* The place that a register and a distance point to. */
static bool place_find(struct code_verifier *verifier, uint32_t name, int64_t distance, uint64_t size, struct place *ret_place)
{
    struct code_value value = state_register(&verifier->now, name);
    struct place place = { .region = value.region, .fixed = !value.id, .size = size };

    switch (value.type) {
    case CODE_NOTHING:
        return refuse(verifier, CODE_UNINITIALISED, name);
    case CODE_CONTEXT:
        place.memory = CODE_NOTE_CONTEXT;
        break;
    case CODE_STACK_POINTER:
        place.memory = CODE_NOTE_STACK;
        break;
    case CODE_POINTER:
        place.memory = CODE_NOTE_REGION;
        break;
    case CODE_POINTER_OR_NULL:
        return refuse(verifier, CODE_MAYBE_NULL, name);
    default:
        return refuse(verifier, CODE_NOT_POINTER, name);
    }
    place.least = place.most = value.offset + distance;
    if (!place.fixed) {
        place.least += value.scalar.least;
        place.most += value.scalar.most;
    }
    if (!place_is_there(&verifier->now, verifier->program->kind, &value, &place, distance))
        return refuse(verifier, CODE_OUT_OF_BOUNDS, name);
    *ret_place = place;
    return true;
}

/* The compiler's note: one memory for all visits, fixed if it is one place without any branch's help. */
static bool place_note(struct code_verifier *verifier, const struct place *place, uint32_t culprit)
{
    const struct code_kind *kind = verifier->program->kind;
    struct code_note *note = &verifier->program->notes[verifier->now.at];
    bool fixed = place->fixed;

    if (place->memory == CODE_NOTE_REGION)
        fixed = fixed && place->most + (int64_t)place->size <= kind->regions[place->region].size_min;
    if (note->memory == CODE_NOTE_NONE) {
        note->memory = place->memory;
        note->region = place->memory == CODE_NOTE_REGION ? place->region : 0;
        note->fixed = fixed;
        note->offset = fixed ? (int32_t)place->least : 0;
        return true;
    }
    if (note->memory != place->memory || (place->memory == CODE_NOTE_REGION && note->region != place->region))
        return refuse(verifier, CODE_MIXED_MEMORY, culprit);
    if (note->fixed && (!fixed || note->offset != place->least)) {
        if (place->memory == CODE_NOTE_CONTEXT)
            return refuse(verifier, CODE_MIXED_MEMORY, culprit);
        note->fixed = false;
        note->offset = 0;
    }
    return true;
}

/* ---- context */

static const struct code_field *field_find(const struct code_kind *kind, const struct place *place)
{
    for (uint32_t n = 0; n < kind->field_count; n++) {
        const struct code_field *field = &kind->fields[n];

        if (place->least >= field->offset && place->least + (int64_t)place->size <= field->offset + field->size)
            return field;
    }
    return NULL;
}

static bool context_load(struct code_verifier *verifier, const struct place *place, struct code_value *ret_value)
{
    const struct code_field *field = field_find(verifier->program->kind, place);

    if (!field || (field->type != CODE_FIELD_SCALAR && place->size != 8))
        return false;
    if (field->type != CODE_FIELD_SCALAR)
        *ret_value = (struct code_value) { .type = field->type == CODE_FIELD_END ? CODE_END : CODE_POINTER, .region = field->region };
    return true;
}

/* ---- stack */

static uint32_t stack_byte(int64_t offset)
{
    return (uint32_t)(offset + CODE_STACK);
}

/* Those of a slot's bytes that lie in [first, end): a bit each. */
static uint8_t slot_part(uint32_t slot, uint32_t first, uint32_t end)
{
    uint32_t from = slot * 8 < first ? first - slot * 8 : 0, to = end < slot * 8 + 8 ? end - slot * 8 : 8;

    return (uint8_t)(0xffu << from & 0xffu >> (8 - to));
}

static bool slot_is_pointer(const struct code_state *state, uint32_t slot)
{
    const struct code_value *value = state_slot(state, slot);

    return value && value->type != CODE_SCALAR;
}

static bool place_is_slot(const struct place *place)
{
    return place->memory == CODE_NOTE_STACK && place->fixed && place->size == 8 && stack_byte(place->least) % 8 == 0;
}

/* All bytes that the place may reach are initialised, and no pointer's. */
static enum code_reason stack_readable(struct code_verifier *verifier, const struct place *place)
{
    const struct code_state *state = &verifier->now;
    uint32_t first = stack_byte(place->least), end = stack_byte(place->most + (int64_t)place->size);

    for (uint32_t slot = first / 8; first < end && slot <= (end - 1) / 8; slot++) {
        verifier_spend(verifier, COST_BYTES);
        if (slot_is_pointer(state, slot))
            return CODE_NOT_SCALAR;
        if (slot_part(slot, first, end) & ~(state->initialised[slot / 8] >> slot % 8 * 8))
            return CODE_UNINITIALISED;
    }
    return CODE_FINE;
}

static bool stack_load(struct code_verifier *verifier, const struct place *place, uint32_t culprit, struct code_value *ret_value)
{
    const struct code_value *value = place_is_slot(place) ? state_slot(&verifier->now, stack_byte(place->least) / 8) : NULL;
    enum code_reason reason;

    if (value) {
        *ret_value = *value;
        return true;
    }
    reason = stack_readable(verifier, place);
    return reason ? refuse(verifier, reason, culprit) : true;
}

/* What is left of a slot whose bytes are written one by one: never parts of a pointer. */
static void slot_break(struct code_state *state, uint32_t slot)
{
    if (slot_is_pointer(state, slot))
        state->initialised[slot / 8] &= ~(0xffull << slot % 8 * 8);
    state_drop_slot(state, slot);
}

static void stack_write_bytes(struct code_verifier *verifier, const struct place *place)
{
    struct code_state *state = &verifier->now;
    uint32_t first = stack_byte(place->least), end = stack_byte(place->most + (int64_t)place->size);

    for (uint32_t slot = first / 8; place->size && slot <= (end - 1) / 8; slot++) {
        verifier_spend(verifier, COST_BYTES);
        slot_break(state, slot);
        if (place->fixed)
            state->initialised[slot / 8] |= (uint64_t)slot_part(slot, first, end) << slot % 8 * 8;
    }
}

static bool stack_holds_pointer(struct code_verifier *verifier, const struct place *place)
{
    uint32_t first = stack_byte(place->least), end = stack_byte(place->most + (int64_t)place->size);

    for (uint32_t slot = first / 8; first < end && slot <= (end - 1) / 8; slot++) {
        verifier_spend(verifier, COST_BYTES);
        if (slot_is_pointer(&verifier->now, slot))
            return true;
    }
    return false;
}

static bool stack_spill(struct code_verifier *verifier, uint32_t slot, const struct code_value *value)
{
    struct code_state *state = &verifier->now;
    uint32_t unused = ~state->spills_used & ((1u << SPILLS) - 1);
    uint32_t index = unused ? (uint32_t)__builtin_ctz(unused) : SPILLS;

    if (index == SPILLS)
        return value->type == CODE_SCALAR;
    state->spills_used |= 1u << index;
    state->spills[index] = *value;
    state->spill[slot] = (uint8_t)(index + 1);
    return true;
}

static bool stack_store(struct code_verifier *verifier, const struct place *place, const struct code_value *value, uint32_t culprit)
{
    if (value->type != CODE_SCALAR && !place_is_slot(place))
        return refuse(verifier, CODE_NOT_ALIGNED, culprit);
    if (!place->fixed && stack_holds_pointer(verifier, place))
        return refuse(verifier, CODE_NOT_SCALAR, culprit);
    stack_write_bytes(verifier, place);
    if (place_is_slot(place) && !stack_spill(verifier, stack_byte(place->least) / 8, value))
        return refuse(verifier, CODE_TOO_MANY_SPILLS, culprit);
    return true;
}

/* ---- the instructions */

static bool region_writable(const struct code_verifier *verifier, const struct place *place)
{
    return verifier->program->kind->regions[place->region].flags & CODE_REGION_WRITE;
}

static uint64_t size_max(uint64_t size)
{
    return size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

bool access_load(struct code_verifier *verifier, struct code_instruction i)
{
    uint32_t size = instruction_size(i), name = code_source(i);
    struct code_value value = value_scalar(size_max(size));
    struct place place;

    if (!place_find(verifier, name, i.offset, size, &place) || !place_note(verifier, &place, name))
        return false;
    if (place.memory == CODE_NOTE_CONTEXT && !context_load(verifier, &place, &value))
        return refuse(verifier, CODE_OUT_OF_BOUNDS, name);
    if (place.memory == CODE_NOTE_STACK && !stack_load(verifier, &place, name, &value))
        return false;
    if (OPCODE_MODE(i.opcode) == MODE_MEMSX)
        arithmetic_extend(&value.scalar, 8 * size);
    verifier->now.registers[code_destination(i)] = value;
    return true;
}

static bool context_store(struct code_verifier *verifier, const struct place *place, uint32_t culprit)
{
    const struct code_field *field = field_find(verifier->program->kind, place);

    if (!field)
        return refuse(verifier, CODE_OUT_OF_BOUNDS, culprit);
    return field->writable && field->type == CODE_FIELD_SCALAR ? true : refuse(verifier, CODE_NOT_WRITABLE, culprit);
}

bool access_store(struct code_verifier *verifier, struct code_instruction i)
{
    bool plain = OPCODE_CLASS(i.opcode) == CLASS_ST;
    uint32_t name = code_destination(i), source = plain ? CODE_REGISTERS : code_source(i);
    struct code_value value = value_scalar(UINT64_MAX);
    struct place place;

    if (plain)
        scalar_set(&value.scalar, (uint64_t)(int64_t)i.immediate);
    else
        value = state_register(&verifier->now, source);
    if (value.type == CODE_NOTHING)
        return refuse(verifier, CODE_UNINITIALISED, source);
    if (!place_find(verifier, name, i.offset, instruction_size(i), &place) || !place_note(verifier, &place, name))
        return false;
    if (place.memory == CODE_NOTE_STACK)
        return stack_store(verifier, &place, &value, source);
    if (value.type != CODE_SCALAR)
        return refuse(verifier, CODE_POINTER_STORED, source);
    if (place.memory == CODE_NOTE_CONTEXT)
        return context_store(verifier, &place, name);
    return region_writable(verifier, &place) ? true : refuse(verifier, CODE_NOT_WRITABLE, name);
}

static bool place_is_aligned(const struct code_verifier *verifier, const struct place *place, uint32_t name)
{
    struct code_value value = state_register(&verifier->now, name);
    uint64_t ones = value.id ? value.scalar.bits | value.scalar.unknown : 0;

    return ((ones | (uint64_t)(place->least - (value.id ? value.scalar.least : 0))) & (place->size - 1)) == 0;
}

static bool atomic_allowed(struct code_verifier *verifier, const struct place *place, uint32_t name)
{
    uint32_t needed = CODE_REGION_WRITE | CODE_REGION_ATOMIC;
    enum code_reason reason = CODE_FINE;

    if (place->memory == CODE_NOTE_CONTEXT)
        reason = CODE_NOT_WRITABLE;
    else if (place->memory == CODE_NOTE_STACK)
        reason = stack_readable(verifier, place);
    else if ((verifier->program->kind->regions[place->region].flags & needed) != needed)
        reason = CODE_NOT_WRITABLE;
    if (!reason && !place_is_aligned(verifier, place, name))
        reason = CODE_NOT_ALIGNED;
    return reason ? refuse(verifier, reason, name) : true;
}

bool access_atomic(struct code_verifier *verifier, struct code_instruction i)
{
    uint32_t name = code_destination(i), source = code_source(i);
    struct code_value value = state_register(&verifier->now, source);
    struct place place;

    if (value.type != CODE_SCALAR)
        return refuse(verifier, value.type == CODE_NOTHING ? CODE_UNINITIALISED : CODE_POINTER_STORED, source);
    if (i.immediate == ATOMIC_CMPXCHG && verifier->now.registers[0].type != CODE_SCALAR)
        return refuse(verifier, CODE_NOT_SCALAR, 0);
    if (!place_find(verifier, name, i.offset, instruction_size(i), &place) || !place_note(verifier, &place, name))
        return false;
    if (!atomic_allowed(verifier, &place, name))
        return false;
    if (place.memory == CODE_NOTE_STACK)
        stack_write_bytes(verifier, &place);
    if (i.immediate & ATOMIC_FETCH)
        verifier->now.registers[i.immediate == ATOMIC_CMPXCHG ? 0 : source] = value_scalar(size_max(place.size));
    return true;
}

bool access_range(struct code_verifier *verifier, uint32_t name, uint64_t size, bool write)
{
    struct code_value number = value_scalar(UINT64_MAX);
    struct place place;
    enum code_reason reason;

    if (!place_find(verifier, name, 0, size, &place))
        return false;
    if (place.memory == CODE_NOTE_CONTEXT)
        return refuse(verifier, CODE_BAD_ARGUMENT, name);
    if (place.memory == CODE_NOTE_REGION)
        return !write || region_writable(verifier, &place) ? true : refuse(verifier, CODE_NOT_WRITABLE, name);
    if (write)
        return stack_store(verifier, &place, &number, name);
    reason = stack_readable(verifier, &place);
    return reason ? refuse(verifier, reason, name) : true;
}
