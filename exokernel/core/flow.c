#include <flow.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <net.h>
#include <revoke.h>
#include <sweep.h>

enum { FLOW_DEPTH_MAX = 4, PAUSE_NS = SLOTS_PER_PROCESSOR * EXO_SLOT_NS }; /* flows within flows; see flow_is_in_the_way */

struct pattern {
    const uint64_t *mask, *value;
};

static const uint64_t *mask_of(uint32_t shape)
{
    return (const uint64_t *)shape_at(shape)->mask;
}

static struct pattern pattern_of(const struct exo_flow *flow)
{
    return (struct pattern){mask_of(flow->shape), (const uint64_t *)flow->value};
}

static struct pattern source_of(const struct exo_flow *flow)
{
    return (struct pattern){mask_of(flow->source_shape), (const uint64_t *)flow->source};
}

/* Is there a packet that matches both? */
static bool pattern_overlaps(struct pattern a, struct pattern b)
{
    for (uint32_t i = 0; i < HEADER_WORDS; i++)
        if ((a.value[i] ^ b.value[i]) & a.mask[i] & b.mask[i])
            return false;
    return true;
}

/* Does every packet that matches `inner` match `outer`? */
static bool pattern_contains(struct pattern outer, struct pattern inner)
{
    for (uint32_t i = 0; i < HEADER_WORDS; i++)
        if (outer.mask[i] & ~inner.mask[i] || (outer.value[i] ^ inner.value[i]) & outer.mask[i])
            return false;
    return true;
}

static bool pattern_matches(struct pattern pattern, const struct header *header)
{
    for (uint32_t i = 0; i < HEADER_WORDS; i++)
        if ((header->word[i] ^ pattern.value[i]) & pattern.mask[i])
            return false;
    return true;
}

/* Does the pattern say that a packet is from this machine's station (IEEE 802.3 3.2.4)? */
static bool pattern_names_station(struct pattern source)
{
    const uint64_t first = 0xffffull << 48, rest = UINT32_MAX, station = system_info()->station;

    return !(first & ~source.mask[0]) && !(rest & ~source.mask[1]) && (source.value[0] & first) == station << 48 &&
           (source.value[1] & rest) == station >> 16;
}

bool flow_may_send(const struct exo_flow *flow, const struct header *header)
{
    return pattern_matches(source_of(flow), header);
}

/* ---- the hash table. All words of a header are looked at, in a row: that is faster than to ask which ones matter. But most shapes
 * look at nothing behind the ports of IPv4. */

enum { SHORT_WORDS = 5 };

static bool shape_is_short(uint32_t shape)
{
    uint64_t behind = 0;

    for (uint32_t i = SHORT_WORDS; i < HEADER_WORDS; i++)
        behind |= mask_of(shape)[i];
    return !behind;
}

/* Sums of products with secret numbers, exact to 128 bits: two patterns share a bucket by chance only, wherever in them whoever chose
 * them let them differ. */
static inline __attribute__((always_inline)) uint16_t *bucket_among(uint32_t shape, const uint64_t *header, uint32_t words)
{
    const uint64_t *mask = mask_of(shape);
    unsigned __int128 sum = (unsigned __int128)shape * network.key[KEY_SHAPE];

#pragma GCC unroll 8
    for (uint32_t i = 0; i < words; i++)
        sum += (unsigned __int128)(header[i] & mask[i]) * network.key[i];
    return &network.bucket[((uint64_t)(sum >> 64) + (uint64_t)sum * network.key[KEY_LOW]) >> (64 - FLOW_BUCKETS_BITS)];
}

static uint16_t *bucket_of_flow(const struct exo_flow *flow)
{
    return bucket_among(flow->shape, (const uint64_t *)flow->value, HEADER_WORDS);
}

static inline __attribute__((always_inline)) struct exo_flow *flow_among(uint32_t shape, const struct header *header, uint32_t words)
{
    const uint64_t *mask = mask_of(shape);
    uint32_t next = *bucket_among(shape, header->word, words);

    for (uint32_t i = 0; next && i < EXO_FLOW_CHAIN_MAX; i++) {
        struct exo_flow *flow = flow_at(next - 1);
        const uint64_t *value = (const uint64_t *)flow->value;
        uint64_t differs = flow->shape ^ shape;

#pragma GCC unroll 8
        for (uint32_t w = 0; w < words; w++)
            differs |= (header->word[w] & mask[w]) ^ value[w];
        if (!differs)
            return flow;
        next = flow->next;
    }
    return NULL;
}

static struct exo_flow *flow_probe(uint32_t shape, const struct header *header)
{
    return network.is_short >> shape & 1 ? flow_among(shape, header, SHORT_WORDS) : flow_among(shape, header, HEADER_WORDS);
}

struct exo_flow *flow_find(const struct header *header)
{
    for (uint32_t i = 0; i < SHAPE_LIMIT && i < network.order_count; i++) {
        struct exo_flow *flow = flow_probe(network.order[i], header);

        if (flow && flow_is_live(flow))
            return flow;
    }
    return NULL;
}

/* Its claim, and what allowed it. */
static bool flow_is_valid(const struct exo_flow *flow)
{
    return claim_is_live(flow->capability, flow->stamp) &&
           (!flow->within_capability || claim_is_live(flow->within_capability, flow->within_stamp));
}

bool flow_is_live(struct exo_flow *flow)
{
    uint64_t generation = __atomic_load_n(&kernel.generation, __ATOMIC_ACQUIRE) + 1; /* 0 is never */

    if (flow->generation == generation)
        return true;
    if (flow->state != EXO_FLOW_OPEN || !flow_is_valid(flow))
        return false;
    if (flow->ring && !claim_is_live(flow->reader, flow->reader_stamp))
        flow->ring = flow->handler_stamp = 0;
    flow->generation = generation;
    return true;
}

/* ---- shapes in use */

/* Where a shape stands in the order, or would. */
static uint32_t order_place(uint32_t shape)
{
    uint32_t place = 0;

    while (place < network.order_count && network.order[place] != shape &&
           shape_at(network.order[place])->bits >= shape_at(shape)->bits)
        place++;
    return place;
}

static void shape_opened(uint32_t shape)
{
    uint32_t place = order_place(shape);

    if (shape_at(shape)->open++)
        return;
    for (uint32_t i = network.order_count++; i > place; i--)
        network.order[i] = network.order[i - 1];
    network.order[place] = shape;
    network.is_short &= ~(1u << shape);
    network.is_short |= (uint32_t)shape_is_short(shape) << shape;
}

static void shape_closed(uint32_t shape)
{
    uint32_t place = order_place(shape);

    if (--shape_at(shape)->open)
        return;
    network.order_count--;
    for (uint32_t i = place; i < network.order_count; i++)
        network.order[i] = network.order[i + 1];
}

/* ---- claiming */

void flow_begin(uint64_t secret)
{
    for (uint32_t i = 0; i < KEYS; i++) { /* SplitMix64 (Steele, Lea, Flood 2014) */
        secret += 0x9e3779b97f4a7c15;
        uint64_t mixed = (secret ^ secret >> 30) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
        network.key[i] = (mixed ^ mixed >> 31) | 1;
    }
}

static struct exo_flow *flow_named(uint32_t flow)
{
    return flow < FLOW_LIMIT ? flow_at((uint32_t)arch_clamp(flow, FLOW_LIMIT)) : NULL;
}

exo_result flow_check(frame_name environment, uint32_t slot, uint32_t rights, uint32_t flow, struct exo_flow **ret_flow)
{
    struct exo_flow *info = flow_named(flow);

    if (!info)
        return EXO_BAD_NAME;
    exo_result result = capability_check(environment, slot, EXO_KIND_FLOWS, rights, flow, info->stamp);
    if (result < 0)
        return result;
    if (!info->owner)
        return EXO_NO_RIGHT;
    *ret_flow = info;
    return EXO_OK;
}

static void flow_unlink(struct exo_flow *flow, uint32_t name)
{
    uint16_t *bucket = bucket_of_flow(flow);
    uint32_t before = *bucket;

    for (uint32_t i = 0; before && flow_at(before - 1)->next != name + 1 && i < EXO_FLOW_CHAIN_MAX; i++)
        before = flow_at(before - 1)->next;
    if (*bucket == name + 1)
        *bucket = flow->next;
    else if (before)
        flow_at(before - 1)->next = flow->next;
    flow->state = EXO_FLOW_CLAIMED;
    shape_closed(flow->shape);
}

void flow_clear(uint32_t name)
{
    struct exo_flow *flow = flow_at(name);

    if (!flow->owner)
        return;
    if (flow->state == EXO_FLOW_OPEN)
        flow_unlink(flow, name);
    shape_at(flow->shape)->flows--;
    shape_at(flow->source_shape)->flows--;
    *flow = (struct exo_flow){0};
}

static void words_read(uint64_t *ret_words, uint32_t first)
{
    const volatile uint64_t *words = (const volatile uint64_t *)context_here()->batch + first;

    for (uint32_t i = 0; i < HEADER_WORDS; i++)
        ret_words[i] = words[i];
}

static bool bits_are_within(const uint64_t *value, const uint64_t *mask)
{
    uint64_t outside = 0;

    for (uint32_t i = 0; i < HEADER_WORDS; i++)
        outside |= value[i] & ~mask[i];
    return !outside;
}

/* Does the capability, which was checked, cover all flows? */
static bool network_is_whole(frame_name environment, uint32_t slot)
{
    const struct capability *held = capability_at(capability_lookup(environment, slot));

    return held->first == 0 && held->count == FLOW_LIMIT;
}

exo_result call_net_shape(const struct caller *caller, uint16_t capability, uint8_t index)
{
    struct capability held;
    uint64_t mask[HEADER_WORDS];

    if (index >= SHAPE_LIMIT)
        return EXO_BAD_NAME;
    exo_result result = capability_use(caller->environment, capability, EXO_KIND_FLOWS, EXO_RIGHT_TAKE, &held);
    if (result < 0)
        return result;
    if (!network_is_whole(caller->environment, capability))
        return EXO_BAD_CAPABILITY;
    struct exo_shape *shape = shape_at((uint32_t)arch_clamp(index, SHAPE_LIMIT));
    if (shape->flows)
        return EXO_TAKEN;

    words_read(mask, 0);
    *shape = (struct exo_shape){.set = 1};
    for (uint32_t i = 0; i < HEADER_WORDS; i++) {
        ((uint64_t *)shape->mask)[i] = mask[i];
        for (uint64_t left = mask[i]; left; left &= left - 1)
            shape->bits++;
    }
    return EXO_OK;
}

/* The wider flow, whose owner allows it. */
static exo_result wider_find(const struct caller *caller, uint32_t allowed, uint32_t name, const struct exo_flow *flow)
{
    struct exo_flow *wider;

    exo_result result = flow_check(caller->environment, allowed, EXO_RIGHT_GRANT, name, &wider);
    if (result < 0)
        return result;
    if (wider->state != EXO_FLOW_OPEN || !flow_is_valid(wider) || shape_at(flow->shape)->bits <= shape_at(wider->shape)->bits ||
        !pattern_contains(pattern_of(wider), pattern_of(flow)) || !pattern_contains(source_of(wider), source_of(flow)))
        return EXO_WRONG_KIND;
    return wider->depth >= FLOW_DEPTH_MAX ? EXO_TOO_DEEP : EXO_OK;
}

/* Read the patterns, and check them against their shapes. */
static exo_result flow_read(uint32_t shapes, struct exo_flow *ret_flow)
{
    uint32_t shape = shapes & 0xff, source = shapes >> 8;

    if (shape >= SHAPE_LIMIT || source >= SHAPE_LIMIT)
        return EXO_BAD_ARGUMENT;
    shape = (uint32_t)arch_clamp(shape, SHAPE_LIMIT);
    source = (uint32_t)arch_clamp(source, SHAPE_LIMIT);
    words_read((uint64_t *)ret_flow->value, 0);
    words_read((uint64_t *)ret_flow->source, HEADER_WORDS);
    ret_flow->shape = shape;
    ret_flow->source_shape = source;
    if (!shape_at(shape)->set || !shape_at(source)->set || !bits_are_within((uint64_t *)ret_flow->value, mask_of(shape)) ||
        !bits_are_within((uint64_t *)ret_flow->source, mask_of(source)))
        return EXO_BAD_ARGUMENT;
    return EXO_OK;
}

exo_result call_flow_claim(const struct caller *caller, uint16_t capability, uint32_t name, uint16_t shapes, uint16_t allowed,
                           uint32_t wider)
{
    struct exo_flow *flow = flow_named(name), claim = {.state = EXO_FLOW_CLAIMED};

    if (!flow)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_FLOWS, EXO_RIGHT_TAKE, name, 0);
    if (result < 0)
        return result;
    if (flow->owner && claim_is_live(flow->capability, flow->stamp))
        return EXO_TAKEN;
    result = flow_read(shapes, &claim);
    if (result == EXO_OK && allowed)
        result = wider_find(caller, allowed, wider, &claim);
    else if (result == EXO_OK && wider)
        result = EXO_BAD_ARGUMENT;
    else if (result == EXO_OK && !pattern_names_station(source_of(&claim)) && !network_is_whole(caller->environment, capability))
        result = EXO_WRONG_KIND;
    if (result < 0)
        return result;

    flow_clear(name);
    claim.owner = caller->environment;
    claim.capability = capability_lookup(caller->environment, capability);
    claim.stamp = capability_at(claim.capability)->id;
    if (allowed) {
        claim.within = wider + 1;
        claim.within_born = flow_at(wider)->born;
        claim.depth = flow_at(wider)->depth + 1;
        claim.within_capability = capability_lookup(caller->environment, allowed);
        claim.within_stamp = capability_at(claim.within_capability)->id;
    }
    shape_at(claim.shape)->flows++;
    shape_at(claim.source_shape)->flows++;
    if (name >= network.flow_end)
        network.flow_end = name + 1;
    *flow_at(name) = claim;
    return EXO_OK;
}

/* Was the flow claimed within the other one, or within one that was? A position may have been claimed anew since. */
static bool flow_is_within(const struct exo_flow *flow, uint32_t other)
{
    for (uint32_t depth = 0; flow->within && depth <= FLOW_DEPTH_MAX; depth++) {
        const struct exo_flow *wider = flow_at(flow->within - 1);

        if (wider->born != flow->within_born)
            return false;
        if (flow->within == other + 1)
            return true;
        flow = wider;
    }
    return false;
}

/* Is this one older, so that its pattern must not overlap, nor what may be sent under it, if it is another's? */
static bool flow_overlaps(const struct exo_flow *flow, uint32_t name)
{
    const struct exo_flow *other = flow_at(name);

    return other->born && other->born < flow->born &&
           (pattern_overlaps(pattern_of(other), pattern_of(flow)) ||
            (other->owner != flow->owner && pattern_overlaps(source_of(other), source_of(flow))));
}

/* It overlaps. One that began to be opened and was left so is in nobody's way for long. */
static bool flow_is_in_the_way(const struct exo_flow *flow, uint32_t name)
{
    struct exo_flow *other = flow_at(name);

    if (flow_is_within(flow, name) || !flow_is_valid(other))
        return false;
    if (other->state == EXO_FLOW_OPEN || flow->generation - other->generation < PAUSE_NS)
        return true;
    other->born = 0;
    return false;
}

/* OK: none of the older flows is in the way; else which, + 1. */
static exo_result flows_compare(struct exo_flow *flow)
{
    struct budget budget = {.rest = SWEEP_MAX};

    flow->generation = arch_time();
    if (!flow->born) {
        flow->born = ++network.born;
        flow->progress = 0;
    }

    for (uint32_t other = flow->progress; other < network.flow_end; other++) {
        bool overlaps = flow_overlaps(flow, other);

        if (!budget_spend(&budget, overlaps ? COST_COMPARE + 2 * COST_CLAIM : COST_COMPARE)) {
            flow->progress = other;
            return EXO_AGAIN;
        }
        if (overlaps && flow_is_in_the_way(flow, other)) {
            flow->born = 0;
            return other + 1;
        }
        budget.is_used = true;
    }
    return EXO_OK;
}

/* Room in its bucket? */
static bool chain_has_room(const struct exo_flow *flow)
{
    uint32_t length = 0;

    for (uint32_t next = *bucket_of_flow(flow); next && length < EXO_FLOW_CHAIN_MAX; length++)
        next = flow_at(next - 1)->next;
    return length < EXO_FLOW_CHAIN_MAX;
}

exo_result call_flow_open(const struct caller *caller, uint16_t capability, uint32_t name)
{
    struct exo_flow *flow;

    exo_result result = flow_check(caller->environment, capability, 0, name, &flow);
    if (result < 0)
        return result;
    if (flow->owner != caller->environment)
        return EXO_NO_RIGHT;
    if (flow->state != EXO_FLOW_CLAIMED)
        return EXO_WRONG_KIND;
    if (!chain_has_room(flow))
        return EXO_BUSY;
    result = flows_compare(flow);
    if (result != EXO_OK)
        return result;

    uint16_t *bucket = bucket_of_flow(flow);
    flow->next = *bucket;
    *bucket = name + 1;
    flow->state = EXO_FLOW_OPEN;
    flow->generation = 0;
    shape_opened(flow->shape);
    return EXO_OK;
}

exo_result call_flow_free(const struct caller *caller, uint16_t capability, uint32_t name)
{
    struct exo_flow *flow;

    exo_result result = flow_check(caller->environment, capability, 0, name, &flow);
    if (result < 0)
        return result;
    if (flow->owner != caller->environment || flow->capability != capability_lookup(caller->environment, capability))
        return EXO_NO_RIGHT;

    flow_clear(name);
    revoke_note_returned(caller->environment, capability, 1);
    return EXO_OK;
}
