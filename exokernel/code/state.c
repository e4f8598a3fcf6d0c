#include <verify.h>
#include <scalar.h>

/* Covering and merging. */

static bool type_is_pointer(uint8_t type)
{
    return type > CODE_SCALAR;
}

static bool type_moves(uint8_t type)
{
    return type == CODE_POINTER || type == CODE_STACK_POINTER;
}

const struct code_value *state_slot(const struct code_state *state, uint32_t slot)
{
    return state->spill[slot] ? &state->spills[state->spill[slot] - 1] : NULL;
}

void state_drop_slot(struct code_state *state, uint32_t slot)
{
    if (state->spill[slot])
        state->spills_used &= ~(1u << (state->spill[slot] - 1));
    state->spill[slot] = 0;
}

void state_copy(struct code_state *to, const struct code_state *from)
{
    __builtin_memcpy(to, from, offsetof(struct code_state, spills));
    for (uint32_t used = from->spills_used; used; used &= used - 1)
        to->spills[__builtin_ctz(used)] = from->spills[__builtin_ctz(used)];
}

void state_forget(struct code_state *state, uint16_t live)
{
    for (uint32_t name = 0; name < FRAME; name++)
        if (!(live & 1u << name))
            state->registers[name].type = CODE_NOTHING;
}

struct code_value state_register(const struct code_state *state, uint32_t name)
{
    if (name < FRAME)
        return state->registers[name];
    struct code_value value = { .type = CODE_STACK_POINTER };
    return value;
}

static uint8_t slot_bytes(const struct code_state *state, uint32_t slot)
{
    return (uint8_t)(state->initialised[slot / 8] >> slot % 8 * 8);
}

static void slot_clear(struct code_state *state, uint32_t slot)
{
    state->initialised[slot / 8] &= ~(0xffull << slot % 8 * 8);
}

/* ---- covering */

/* Every id of ours is one thing there, too. Numbers without an id there are equal to nothing. */
static bool pair_agrees(struct pairs *pairs, uint32_t id, uint32_t other, int32_t delta, bool names)
{
    for (uint32_t n = 0; n < pairs->count; n++) {
        const struct pair *pair = &pairs->pair[n];

        if (pair->id == id)
            return pair->other == other && pair->delta == delta && (other || !names);
    }
    pairs->pair[pairs->count++] = (struct pair) { .id = id, .other = other, .delta = delta };
    return true;
}

/* What is known of the region's size beyond the variable, as the other state would write it with an offset less `delta`. */
static int64_t range_of(const struct code_state *state, const struct code_value *value, int32_t delta)
{
    int64_t range = value->id ? value->range : (int64_t)state->region_min[value->region];

    return value->id && range == RANGE_NONE ? RANGE_NONE : range - delta;
}

static bool pointer_covers(struct pairs *pairs, const struct code_value *value, const struct code_state *in,
                           const struct code_value *part)
{
    int32_t delta = part->offset - value->offset;
    struct code_scalar variable = part->scalar, shift;

    if (!value->id)
        return !part->id && delta == 0;
    if (!part->id)
        scalar_set(&variable, 0);
    scalar_set(&shift, (uint64_t)(int64_t)delta);
    scalar_add(&variable, &shift);
    if (value->type == CODE_POINTER && value->range > range_of(in, part, delta))
        return false;
    return scalar_covers(&value->scalar, &variable) && pair_agrees(pairs, value->id, part->id, delta, false);
}

static bool value_covers(struct pairs *pairs, const struct code_value *value, const struct code_state *in,
                         const struct code_value *part)
{
    if (value->type == CODE_NOTHING)
        return true;
    if (value->type != part->type || value->region != part->region)
        return false;
    if (type_moves(value->type))
        return pointer_covers(pairs, value, in, part);
    if (value->offset != part->offset)
        return false;
    if (value->type == CODE_SCALAR && !scalar_covers(&value->scalar, &part->scalar))
        return false;
    return !value->id || pair_agrees(pairs, value->id, part->id, 0, true);
}

static bool slot_covers(struct pairs *pairs, const struct code_state *state, const struct code_state *part, uint32_t slot)
{
    const struct code_value *mine = state_slot(state, slot), *theirs = state_slot(part, slot);

    if (mine)
        return theirs && value_covers(pairs, mine, part, theirs);
    return !slot_bytes(state, slot) || !theirs || !type_is_pointer(theirs->type);
}

/* What is quick to see: nothing is taken as initialised, and no region as larger, than it is in the part. */
static bool plain_covers(const struct code_state *state, const struct code_state *part)
{
    for (uint32_t word = 0; word < STACK_SLOTS / 8; word++)
        if (state->initialised[word] & ~part->initialised[word])
            return false;
    for (uint32_t region = 0; region < CODE_REGIONS; region++)
        if (state->region_min[region] > part->region_min[region])
            return false;
    return true;
}

/* Pieces: the registers, what has no name, the slots of the stack. */
enum { ITEM_PLAIN = FRAME, ITEM_SLOTS, ITEMS = ITEM_SLOTS + STACK_SLOTS };

void meeting_start(struct code_verifier *verifier, bool widen)
{
    verifier->meeting.pairs.count = 0;
    verifier->meeting.item = 0;
    verifier->meeting.widen = widen;
}

/* The next piece, but registers of which `a` knows nothing and slots that neither state follows: nothing is to be said of them. */
static uint32_t item_next(const struct code_state *a, const struct code_state *b, uint32_t item)
{
    while (item < FRAME && a->registers[item].type == CODE_NOTHING)
        item++;
    if (item >= ITEM_SLOTS && !(a->spills_used | b->spills_used))
        return ITEMS;
    for (; item >= ITEM_SLOTS && (item - ITEM_SLOTS) % 8 == 0 && item < ITEMS; item += 8)
        if (*(const uint64_t *)&a->spill[item - ITEM_SLOTS] | *(const uint64_t *)&b->spill[item - ITEM_SLOTS])
            break;
    return item;
}

/* Pointers cost most: what they are less a distance is worked out. */
static uint32_t item_cost(const struct code_state *state, uint32_t item, uint32_t cost)
{
    const struct code_value *value = NULL;

    if (item < FRAME)
        value = &state->registers[item];
    else if (item >= ITEM_SLOTS)
        value = state_slot(state, item - ITEM_SLOTS);
    if (!value)
        return COST_QUIET;
    return type_moves(value->type) ? cost : cost / 3;
}

enum code_met state_covers(struct code_verifier *verifier, const struct code_state *state, const struct code_state *part)
{
    struct code_meeting *meeting = &verifier->meeting;
    struct pairs *pairs = &meeting->pairs;

    do {
        uint32_t item = meeting->item;
        bool covers;

        if (item < FRAME)
            covers = value_covers(pairs, &state->registers[item], part, &part->registers[item]);
        else if (item == ITEM_PLAIN)
            covers = plain_covers(state, part);
        else
            covers = slot_covers(pairs, state, part, item - ITEM_SLOTS);

        verifier_spend(verifier, item_cost(state, item, COST_COVER));
        if (!covers)
            return MEETS_NOT;
        meeting->item = item_next(state, part, item + 1);
    } while (meeting->item < ITEMS && !verifier_is_tired(verifier));
    return meeting->item < ITEMS ? MEETS_ON : MEETS;
}

/* ---- merging */

/* The id of what is `id` in one state and `other` + delta in the other. */
static uint32_t pair_merge(struct code_verifier *verifier, struct pairs *pairs, uint32_t id, uint32_t other, int32_t delta)
{
    bool taken = id == 0;

    for (uint32_t n = 0; n < pairs->count; n++) {
        const struct pair *pair = &pairs->pair[n];

        if (pair->id == id && pair->other == other && pair->delta == delta)
            return pair->merged;
        taken |= pair->id == id;
    }
    pairs->pair[pairs->count++] = (struct pair) { id, other, delta, taken ? ++verifier->ids : id };
    return pairs->pair[pairs->count - 1].merged;
}

static void scalar_grow(struct code_scalar *s, const struct code_scalar *other, bool widen)
{
    if (widen)
        scalar_widen(s, other);
    else
        scalar_join(s, other);
}

static bool variable_is_near(const struct code_scalar *s)
{
    return s->least >= -CODE_REACH && s->most <= CODE_REACH;
}

/* Widening may say anything; but neither set has anything beyond CODE_REACH. */
static void variable_bound(struct code_scalar *s)
{
    if (s->least < -CODE_REACH)
        s->least = -CODE_REACH;
    if (s->most > CODE_REACH)
        s->most = CODE_REACH;
    scalar_reduce(s);
}

struct merge {
    struct code_verifier *verifier;
    struct code_state *into;
    const struct code_state *other;
    struct pairs *pairs;
    bool widen;
};

static void merge_pointer(struct merge *merge, struct code_value *value, const struct code_value *other)
{
    int32_t delta = other->offset - value->offset;
    int64_t mine = range_of(merge->into, value, 0), theirs = range_of(merge->other, other, delta);
    struct code_scalar variable, shift;

    if (!value->id && !other->id && delta == 0)
        return;
    scalar_set(&variable, 0);
    if (other->id)
        variable = other->scalar;
    if (!value->id)
        scalar_set(&value->scalar, 0);
    scalar_set(&shift, (uint64_t)(int64_t)delta);
    scalar_add(&variable, &shift);
    if (!variable_is_near(&variable)) {
        value->type = CODE_NOTHING;
        return;
    }
    scalar_grow(&value->scalar, &variable, merge->widen);
    variable_bound(&value->scalar);
    mine = mine < theirs ? mine : theirs;
    value->range = mine > RANGE_NONE ? (int32_t)mine : RANGE_NONE;
    value->id = pair_merge(merge->verifier, merge->pairs, value->id, other->id, delta);
}

static void merge_value(struct merge *merge, struct code_value *value, const struct code_value *other)
{
    if (value->type == CODE_NOTHING || value->type != other->type || value->region != other->region) {
        value->type = CODE_NOTHING;
        return;
    }
    if (type_moves(value->type)) {
        merge_pointer(merge, value, other);
        return;
    }
    if (value->offset != other->offset) {
        value->type = CODE_NOTHING;
        return;
    }
    if (value->type == CODE_SCALAR && !scalar_covers(&value->scalar, &other->scalar))
        scalar_grow(&value->scalar, &other->scalar, merge->widen);
    if (value->id && other->id)
        value->id = pair_merge(merge->verifier, merge->pairs, value->id, other->id, 0);
    else if (value->type == CODE_SCALAR)
        value->id = 0;
}

/* Bytes of a pointer are never left as if they were a number's. */
static void merge_slot(struct merge *merge, uint32_t slot)
{
    struct code_state *into = merge->into;
    const struct code_value *theirs = state_slot(merge->other, slot);
    bool pointer = theirs && type_is_pointer(theirs->type);

    if (into->spill[slot]) {
        struct code_value *mine = &into->spills[into->spill[slot] - 1];

        pointer |= type_is_pointer(mine->type);
        if (theirs)
            merge_value(merge, mine, theirs);
        if (theirs && mine->type != CODE_NOTHING)
            return;
        state_drop_slot(into, slot);
    }
    if (pointer)
        slot_clear(into, slot);
}

static void merge_rest(struct merge *merge)
{
    const struct code_region *regions = merge->verifier->program->kind->regions;
    struct code_state *into = merge->into;

    for (uint32_t region = 0; region < CODE_REGIONS; region++)
        if (into->region_min[region] > merge->other->region_min[region])
            into->region_min[region] = merge->widen ? regions[region].size_min : merge->other->region_min[region];
    into->merges += into->merges < UINT16_MAX;
}

static void merge_bytes(struct merge *merge)
{
    for (uint32_t word = 0; word < STACK_SLOTS / 8; word++)
        merge->into->initialised[word] &= merge->other->initialised[word];
}

static void merge_item(struct merge *merge, uint32_t item)
{
    if (item < FRAME)
        merge_value(merge, &merge->into->registers[item], &merge->other->registers[item]);
    else if (item == ITEM_PLAIN)
        merge_bytes(merge);
    else
        merge_slot(merge, item - ITEM_SLOTS);
}

enum code_met state_merge(struct code_verifier *verifier, struct code_state *into, const struct code_state *other)
{
    struct code_meeting *meeting = &verifier->meeting;
    struct merge merge = { .verifier = verifier, .into = into, .other = other, .pairs = &meeting->pairs, .widen = meeting->widen };

    do {
        verifier_spend(verifier, item_cost(into, meeting->item, COST_MERGE));
        merge_item(&merge, meeting->item);
        meeting->item = item_next(into, other, meeting->item + 1);
    } while (meeting->item < ITEMS && !verifier_is_tired(verifier));
    if (meeting->item < ITEMS)
        return MEETS_ON;
    merge_rest(&merge);
    return MEETS;
}
