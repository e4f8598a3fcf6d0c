/* Claims of patterns, what they refuse each other, and finding whose a packet is: compared with bit-by-bit references. */
#include "packet.h"
#include "network.h"
#include <flow.h>
#include <stdlib.h>
#include <string.h>

static uint8_t value[EXO_HEADER_SIZE];

static struct header header_of(uint8_t kind, uint8_t host, uint8_t port)
{
    struct header header = {{0}};
    uint8_t *bytes = (uint8_t *)header.word;
    bytes[KIND_AT] = kind;
    bytes[HOST_AT] = host;
    bytes[PORT_AT] = port;
    return header;
}

static uint32_t found(uint8_t kind, uint8_t host, uint8_t port)
{
    struct header header = header_of(kind, host, port);
    struct exo_flow *flow = flow_find(&header);
    return flow ? (uint32_t)(flow - flow_at(0)) + 1 : 0;
}

/* It is in the way of a claim, which is given up then. */
static bool is_in_the_way(uint32_t other, uint32_t flow, uint32_t shape, uint8_t kind, uint8_t host, uint8_t port)
{
    exo_result result = packet_open(flow, shape, kind, host, port);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, flow));
    return result == other + 1;
}

static exo_result withdraw(frame_name victim, uint32_t slot)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 200 && result == EXO_AGAIN; i++) {
        result = CALL(CAPABILITY_WITHDRAW, victim == ROOT ? 0 : FLOWS_SLOT, victim, slot);
        world_interrupt(1);
    }
    return result;
}

START_TEST(packet_goes_to_the_flow_that_it_matches)
{
    MUST(packet_open(3, SHAPE_PORT, 8, 0, 7));
    MUST(packet_open(4, SHAPE_PORT, 8, 0, 9));
    ck_assert_uint_eq(found(8, 1, 7), 4);
    ck_assert_uint_eq(found(8, 1, 9), 5);
    ck_assert_uint_eq(found(8, 1, 8), 0);
    ck_assert_uint_eq(found(6, 1, 7), 0);
}
END_TEST

START_TEST(overlapping_patterns_are_refused_exactly)
{
    MUST(packet_open(0, SHAPE_PORT, 8, 0, 7));
    ck_assert(is_in_the_way(0, 1, SHAPE_PORT, 8, 0, 7)); /* the same */
    ck_assert(is_in_the_way(0, 1, SHAPE_BOTH, 8, 1, 7)); /* a part */
    ck_assert(is_in_the_way(0, 1, SHAPE_KIND, 8, 0, 0)); /* the whole */
    ck_assert(is_in_the_way(0, 1, SHAPE_HOST, 8, 1, 0)); /* neither: some packets match both */
    ck_assert(is_in_the_way(0, 1, SHAPE_ANY, 0, 0, 0));
    IS(packet_open(6, SHAPE_PORT, 8, 0, 8), OK);
    IS(packet_open(7, SHAPE_HOST, 6, 1, 0), OK);
    ck_assert(is_in_the_way(6, 8, SHAPE_BOTH, 8, 1, 8));
    IS(packet_open(9, SHAPE_BOTH, 8, 1, 9), OK);
}
END_TEST

START_TEST(refused_claim_is_opened_when_the_other_is_gone)
{
    MUST(packet_open(0, SHAPE_PORT, 8, 0, 7));
    GIVES(packet_open(1, SHAPE_PORT, 8, 0, 7), 1);
    ck_assert_uint_eq(flow_at(1)->state, EXO_FLOW_CLAIMED);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, 1), OK);
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, 1), WRONG_KIND);
    ck_assert_uint_eq(found(8, 0, 7), 2);
}
END_TEST

START_TEST(refused_claim_is_in_nobodys_way)
{
    MUST(packet_open(0, SHAPE_PORT, 8, 0, 7));
    GIVES(packet_open(1, SHAPE_ANY, 0, 0, 0), 1);
    IS(packet_open(2, SHAPE_PORT, 8, 0, 8), OK);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    GIVES(CALL(FLOW_OPEN, FLOWS_SLOT, 1), 3); /* and it began anew */
}
END_TEST

static void many_open(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        IS(packet_open(i, SHAPE_BOTH, 8, 1, i), OK);
}

START_TEST(flow_that_is_being_opened_is_in_the_way_of_later_ones)
{
    many_open(200);
    pattern_put(value, SHAPE_PORT, 6, 0, 7);
    MUST(packet_claim(0, FLOWS_SLOT, 900, SHAPE_PORT, value, 0, 0));
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, 900), AGAIN);
    GIVES(packet_open(901, SHAPE_KIND, 6, 0, 0), 901);
    machine.time += 70 * EXO_SLOT_NS; /* but not for ever */
    IS(packet_open_claimed(0, FLOWS_SLOT, 901), OK);
    GIVES(packet_open_claimed(0, FLOWS_SLOT, 900), 902);
}
END_TEST

/* The root opens a wide flow at 0 and lets A claim in it. */
static void wide_open(uint32_t rights)
{
    MUST(packet_open(0, SHAPE_KIND, 8, 0, 0));
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, 3, rights, 0, 1));
}

static uint32_t leave = 3; /* A's slot */

static exo_result narrow_claim(uint32_t flow, uint32_t shape, uint8_t kind, uint8_t port)
{
    pattern_put(value, shape, kind, 1, port);
    return packet_claim(A_SLOT, A_FLOWS, flow, shape, value, leave, 0);
}

START_TEST(narrower_flow_is_claimed_with_its_owners_leave)
{
    wide_open(EXO_RIGHT_GRANT | EXO_RIGHT_READ);
    MUST(narrow_claim(A_POSITIONS, SHAPE_PORT, 8, 7));
    IS(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS), OK);
    ck_assert_uint_eq(found(8, 1, 7), A_POSITIONS + 1);
    ck_assert_uint_eq(found(8, 1, 8), 1);
    MUST(narrow_claim(A_POSITIONS + 1, SHAPE_BOTH, 8, 7)); /* within the wide one, but not within A's own */
    GIVES(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS + 1), A_POSITIONS + 1);
    MUST(CALL_FOR(A_SLOT, FLOW_FREE, A_FLOWS, A_POSITIONS + 1));
    pattern_put(value, SHAPE_BOTH, 8, 1, 7);
    MUST(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS + 1, SHAPE_BOTH, value, A_FLOWS, A_POSITIONS));
    IS(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS + 1), OK);
    ck_assert_uint_eq(found(8, 1, 7), A_POSITIONS + 2);
    ck_assert_uint_eq(found(8, 2, 7), A_POSITIONS + 1);
    ck_assert_uint_eq(found(8, 2, 9), 1);
}
END_TEST

START_TEST(leave_is_needed_and_means_a_part)
{
    wide_open(EXO_RIGHT_READ);
    IS(narrow_claim(A_POSITIONS, SHAPE_PORT, 8, 7), NO_RIGHT);
    leave = 4;
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, leave, EXO_RIGHT_GRANT, 0, 1));
    IS(narrow_claim(A_POSITIONS, SHAPE_PORT, 6, 7), WRONG_KIND);
    IS(narrow_claim(A_POSITIONS, SHAPE_KIND, 8, 7), WRONG_KIND); /* not narrower */
    IS(narrow_claim(A_POSITIONS, SHAPE_ANY, 8, 7), WRONG_KIND);
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    IS(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, 0, 1), BAD_ARGUMENT);
    MUST(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, 0, 0));
    GIVES(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS), 1);
    IS(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS + 1, SHAPE_PORT, value, A_FLOWS, A_POSITIONS), WRONG_KIND); /* which is not open */
}
END_TEST

START_TEST(withdrawn_leave_ends_what_was_claimed_with_it)
{
    wide_open(EXO_RIGHT_GRANT);
    MUST(narrow_claim(A_POSITIONS, SHAPE_PORT, 8, 7));
    MUST(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS));
    ck_assert_uint_eq(found(8, 1, 7), A_POSITIONS + 1);
    IS(withdraw(A, 3), OK);
    ck_assert_uint_eq(found(8, 1, 7), 1);
    GIVES(packet_open(1, SHAPE_PORT, 8, 0, 7), 1); /* it is the wide flow's again */
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    IS(packet_open_claimed(0, FLOWS_SLOT, 1), OK); /* and the dead one is in nobody's way */
    ck_assert_uint_eq(found(8, 1, 7), 2);
}
END_TEST

static exo_result root_claim(uint32_t flow, uint32_t shape, uint8_t port, uint32_t wider)
{
    pattern_put(value, shape, 8, 1, port);
    return packet_claim(0, FLOWS_SLOT, flow, shape, value, FLOWS_SLOT, wider);
}

START_TEST(position_claimed_anew_is_not_the_old_flow)
{
    IS(packet_open(0, SHAPE_KIND, 8, 0, 0), OK);
    MUST(root_claim(1, SHAPE_PORT, 7, 0));
    IS(packet_open_claimed(0, FLOWS_SLOT, 1), OK);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    MUST(root_claim(0, SHAPE_BOTH, 7, 1)); /* where the wide one was, now within its part */
    IS(packet_open_claimed(0, FLOWS_SLOT, 0), OK);
    MUST(root_claim(2, SHAPE_BOTH, 7, 1));
    GIVES(packet_open_claimed(0, FLOWS_SLOT, 2), 1);
}
END_TEST

START_TEST(position_claimed_anew_before_an_opening_is_not_the_old_flow)
{
    IS(packet_open(0, SHAPE_KIND, 8, 0, 0), OK);
    MUST(root_claim(5, SHAPE_BOTH, 9, 0));
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    IS(packet_open(0, SHAPE_HOST, 8, 1, 0), OK);
    GIVES(packet_open_claimed(0, FLOWS_SLOT, 5), 1);
}
END_TEST

START_TEST(flows_are_nested_four_deep_at_most)
{
    uint8_t mask[EXO_HEADER_SIZE] = {0}, *batch = (uint8_t *)context_page(vcpu_at(ROOT * VCPUS_PER_ENVIRONMENT)->context)->batch;
    for (uint32_t depth = 0; depth < 7; depth++) {
        mask[depth] = 0xff;
        memcpy(batch, mask, sizeof mask);
        MUST(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_COUNT + depth));
    }
    memset(value, 0, sizeof value);
    MUST(packet_claim(0, FLOWS_SLOT, 0, SHAPE_COUNT, value, 0, 0));
    MUST(CALL(FLOW_OPEN, FLOWS_SLOT, 0));
    for (uint32_t depth = 1; depth < 5; depth++) {
        MUST(packet_claim(0, FLOWS_SLOT, depth, SHAPE_COUNT + depth, value, FLOWS_SLOT, depth - 1));
        MUST(CALL(FLOW_OPEN, FLOWS_SLOT, depth));
    }
    IS(packet_claim(0, FLOWS_SLOT, 5, SHAPE_COUNT + 5, value, FLOWS_SLOT, 4), TOO_DEEP);
}
END_TEST

START_TEST(claim_needs_a_capability_to_the_position)
{
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    IS(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS - 1, SHAPE_PORT, value, 0, 0), BAD_CAPABILITY);
    IS(packet_claim(A_SLOT, 1, A_POSITIONS, SHAPE_PORT, value, 0, 0), BAD_CAPABILITY);
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, A_FLOWS, 0, 5, EXO_RIGHT_READ, A_POSITIONS, 1));
    IS(packet_claim(A_SLOT, 5, A_POSITIONS, SHAPE_PORT, value, 0, 0), NO_RIGHT);
    IS(packet_claim(0, FLOWS_SLOT, FLOW_LIMIT, SHAPE_PORT, value, 0, 0), BAD_NAME);
    MUST(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, 0, 0));
    IS(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, 0, 0), TAKEN);
    IS(packet_claim(0, FLOWS_SLOT, A_POSITIONS, SHAPE_PORT, value, 0, 0), TAKEN);
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, A_POSITIONS), NO_RIGHT);
    IS(CALL(FLOW_FREE, FLOWS_SLOT, A_POSITIONS), NO_RIGHT);
    IS(CALL_FOR(A_SLOT, FLOW_FREE, 5, A_POSITIONS), NO_RIGHT);
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, 20), NO_RIGHT);
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, FLOW_LIMIT), BAD_NAME);
    IS(CALL(FLOW_FREE, FLOWS_SLOT, FLOW_LIMIT), BAD_NAME);
}
END_TEST

START_TEST(pattern_fits_its_shape)
{
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    value[0] = 1;
    IS(packet_claim(0, FLOWS_SLOT, 0, SHAPE_PORT, value, 0, 0), BAD_ARGUMENT);
    value[0] = 0;
    IS(packet_claim(0, FLOWS_SLOT, 0, SHAPE_COUNT, value, 0, 0), BAD_ARGUMENT); /* never set */
    IS(packet_claim(0, FLOWS_SLOT, 0, SHAPE_LIMIT, value, 0, 0), BAD_ARGUMENT);
    IS(packet_claim_source(0, FLOWS_SLOT, 0, SHAPE_PORT, value, SHAPE_LIMIT, value), BAD_ARGUMENT);
    IS(packet_claim_source(0, FLOWS_SLOT, 0, SHAPE_PORT, value, SHAPE_KIND, value), BAD_ARGUMENT);
    MUST(packet_claim_source(0, FLOWS_SLOT, 0, SHAPE_PORT, value, SHAPE_PORT, value));
}
END_TEST

START_TEST(narrower_flow_sends_no_more_than_the_wider)
{
    uint8_t source[EXO_HEADER_SIZE];
    pattern_put(value, SHAPE_KIND, 8, 0, 0);
    pattern_put(source, SHAPE_HOST, 8, 3, 0);
    MUST(packet_claim_source(0, FLOWS_SLOT, 0, SHAPE_KIND, value, SHAPE_HOST, source));
    MUST(CALL(FLOW_OPEN, FLOWS_SLOT, 0));
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    IS(packet_claim(0, FLOWS_SLOT, 1, SHAPE_PORT, value, FLOWS_SLOT, 0), WRONG_KIND); /* of another host */
}
END_TEST

START_TEST(nobody_claims_what_another_sends_as)
{
    uint8_t source[EXO_HEADER_SIZE];
    sender_put(source, 1);
    IS(packet_open(0, SHAPE_PORT, 8, 0, 7), OK); /* as host 1 */
    pattern_put(value, SHAPE_PORT, 8, 0, 9);
    MUST(packet_claim_source(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, SHAPE_SENDER, source));
    GIVES(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS), 1);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    IS(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS), OK);
    GIVES(packet_open(0, SHAPE_PORT, 8, 0, 7), A_POSITIONS + 1);
    value[PORT_AT] = 11; /* its own two flows may send the same */
    MUST(packet_claim_source(A_SLOT, A_FLOWS, A_POSITIONS + 1, SHAPE_PORT, value, SHAPE_SENDER, source));
    IS(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS + 1), OK);
}
END_TEST

START_TEST(who_has_not_the_whole_network_claims_only_what_its_station_sends)
{
    uint8_t source[EXO_HEADER_SIZE] = {0};
    pattern_put(value, SHAPE_PORT, 8, 0, 9);
    IS(packet_claim_source(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, SHAPE_ANY, source), WRONG_KIND);
    for (uint32_t at = STATION_AT; at < STATION_AT + STATION_SIZE; at++) {
        sender_put(source, 2);
        source[at] ^= 1;
        IS(packet_claim_source(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, SHAPE_SENDER, source), WRONG_KIND);
        IS(packet_claim_source(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, SHAPE_ALL, source), WRONG_KIND);
    }
    sender_put(source, 2);
    IS(packet_claim_source(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, SHAPE_ALL, source), OK);
    memset(source, 0, sizeof source);
    IS(packet_claim_source(0, FLOWS_SLOT, 0, SHAPE_PORT, value, SHAPE_ANY, source), OK);
}
END_TEST

START_TEST(shapes_are_set_by_who_has_the_whole_network)
{
    IS(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_LIMIT), BAD_NAME);
    IS(CALL_FOR(0, NET_SHAPE, ROOT_FRAMES, 0), BAD_CAPABILITY);
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, 0, 40, RIGHTS_ALL, 0, FLOW_LIMIT - 1));
    IS(CALL(NET_SHAPE, 40, 9), BAD_CAPABILITY);
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, 0, 41, EXO_RIGHT_READ, 0, FLOW_LIMIT));
    IS(CALL(NET_SHAPE, 41, 9), NO_RIGHT);
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    MUST(packet_claim(0, FLOWS_SLOT, 0, SHAPE_PORT, value, 0, 0));
    IS(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_PORT), TAKEN);
    IS(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_SENDER), TAKEN); /* the source pattern's */
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 0));
    MUST(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_PORT));
}
END_TEST

START_TEST(withdrawn_capability_ends_its_flows)
{
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    MUST(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS + 5, SHAPE_PORT, value, 0, 0));
    MUST(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS + 5));
    IS(withdraw(A, A_FLOWS), KEPT); /* it owns: it must be asked first */
    MUST(CALL(REVOKE, FLOWS_SLOT, A, A_FLOWS, 1, 0));
    MUST(CALL(REVOKE, FLOWS_SLOT, A, A_FLOWS, 1, 0));
    IS(CALL(CAPABILITY_WITHDRAW, FLOWS_SLOT, A, A_FLOWS), AGAIN);
    ck_assert_uint_eq(found(8, 0, 7), 0); /* at once */
    IS(withdraw(A, A_FLOWS), OK);
    ck_assert_uint_eq(flow_at(A_POSITIONS + 5)->owner, 0);
    IS(packet_open(0, SHAPE_PORT, 8, 0, 7), OK);
}
END_TEST

START_TEST(freed_flow_answers_the_revocation)
{
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    MUST(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, 0, 0));
    MUST(CALL(REVOKE, FLOWS_SLOT, A, A_FLOWS, 1, 0));
    MUST(CALL(REVOKE, FLOWS_SLOT, A, A_FLOWS, 1, 0));
    MUST(CALL_FOR(A_SLOT, FLOW_FREE, A_FLOWS, A_POSITIONS));
    IS(withdraw(A, A_FLOWS), KEPT);
}
END_TEST

START_TEST(dying_environment_loses_its_flows)
{
    pattern_put(value, SHAPE_PORT, 8, 0, 7);
    MUST(packet_claim(A_SLOT, A_FLOWS, A_POSITIONS, SHAPE_PORT, value, 0, 0));
    MUST(packet_open_claimed(A_SLOT, A_FLOWS, A_POSITIONS));
    MUST(CALL(ENVIRONMENT_DESTROY, A_SLOT));
    ck_assert_uint_eq(found(8, 0, 7), 0);
    MUST(packet_claim(0, FLOWS_SLOT, A_POSITIONS, SHAPE_PORT, value, 0, 0)); /* a dead claim's position, before it was swept */
    IS(packet_open_claimed(0, FLOWS_SLOT, A_POSITIONS), OK);
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 1000 && result == EXO_AGAIN; i++) {
        result = CALL(ENVIRONMENT_REAP, A);
        world_interrupt(1);
    }
    IS(result, OK);
    ck_assert_uint_eq(found(8, 0, 7), A_POSITIONS + 1);
}
END_TEST

START_TEST(bucket_takes_so_many_patterns)
{
    memset(network.key, 0, sizeof network.key); /* nothing is hashed any more */
    for (uint32_t i = 0; i < EXO_FLOW_CHAIN_MAX; i++)
        MUST(packet_open(i, SHAPE_PORT, 8, 0, i));
    IS(packet_open(20, SHAPE_PORT, 8, 0, 20), BUSY);
    for (uint32_t i = 0; i < EXO_FLOW_CHAIN_MAX; i++)
        ck_assert_uint_eq(found(8, 0, i), i + 1);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 3));
    ck_assert_uint_eq(found(8, 0, 3), 0);
    ck_assert_uint_eq(found(8, 0, 0), 1);
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, 20), OK);
    ck_assert_uint_eq(found(8, 0, 20), 21);
}
END_TEST

/* Words that differ in their last bytes only: the bits that a product of 64 bits loses. */
START_TEST(bytes_at_the_ends_of_words_spread_over_the_buckets)
{
    enum { SHAPE = SHAPE_COUNT, FIRST_AT = 31, SECOND_AT = 39, SIDE = 32, FLOWS = SIDE * SIDE };
    uint32_t used = 0;
    memset(value, 0, sizeof value);
    value[FIRST_AT] = value[SECOND_AT] = 0xff;
    memcpy(context_page(vcpu_at(ROOT * VCPUS_PER_ENVIRONMENT)->context)->batch, value, sizeof value);
    MUST(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE));
    for (uint32_t i = 0; i < FLOWS; i++) {
        value[FIRST_AT] = i / SIDE * 8;
        value[SECOND_AT] = i % SIDE * 8;
        MUST(packet_claim(0, FLOWS_SLOT, i, SHAPE, value, 0, 0));
        IS(packet_open_claimed(0, FLOWS_SLOT, i), OK);
    }
    for (uint32_t i = 0; i < FLOW_BUCKETS; i++)
        used += network.bucket[i] != 0;
    ck_assert_uint_gt(used, FLOWS * 3 / 4); /* of so many by chance: 906 */
}
END_TEST

START_TEST(many_flows_are_compared_in_steps)
{
    many_open(200);
    pattern_put(value, SHAPE_BOTH, 8, 1, 199);
    MUST(packet_claim(0, FLOWS_SLOT, 900, SHAPE_BOTH, value, 0, 0));
    IS(CALL(FLOW_OPEN, FLOWS_SLOT, 900), AGAIN);
    GIVES(packet_open_claimed(0, FLOWS_SLOT, 900), 200);
    MUST(CALL(FLOW_FREE, FLOWS_SLOT, 199));
    IS(packet_open_claimed(0, FLOWS_SLOT, 900), OK);
}
END_TEST

/* ---- at random, against references */

enum { RANDOM_STEPS = 100000, RANDOM_FLOWS = 300 };

static uint32_t seed = 1;

static uint32_t any(uint32_t limit)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % limit;
}

static bool is_above(uint32_t flow, uint32_t other)
{
    for (; flow_at(flow)->within; flow = flow_at(flow)->within - 1u) {
        uint32_t wider = flow_at(flow)->within - 1u;
        if (flow_at(wider)->born != flow_at(flow)->within_born)
            return false;
        if (wider == other)
            return true;
    }
    return false;
}

/* Some open flow overlaps this one, and is none that it was claimed within. */
static bool must_be_refused(uint32_t name)
{
    for (uint32_t other = 0; other < RANDOM_FLOWS; other++)
        if (other != name && flow_at(other)->state == EXO_FLOW_OPEN && network_overlaps(flow_at(name), flow_at(other)) &&
            !is_above(name, other))
            return true;
    return false;
}

static void random_claim(uint32_t name)
{
    uint32_t shape = any(SHAPE_ALL), wider = any(RANDOM_FLOWS), allowed = any(2) ? FLOWS_SLOT : 0;
    const uint64_t a[6] = {FLOWS_SLOT, name, shape, allowed, allowed ? wider : 0};
    uint8_t *batch = (uint8_t *)context_page(vcpu_at(ROOT * VCPUS_PER_ENVIRONMENT)->context)->batch;
    pattern_put(batch, shape, any(6), any(6), any(40));
    memset(batch + EXO_HEADER_SIZE, 0, EXO_HEADER_SIZE);
    if (world_call(0, 0, EXO_CALL_FLOW_CLAIM, a) < 0)
        return;
    bool refused = must_be_refused(name);
    exo_result result = EXO_AGAIN;
    while (result == EXO_AGAIN)
        result = world_call(0, 0, EXO_CALL_FLOW_OPEN, a);
    ck_assert_int_eq(result > 0, refused);
    ck_assert_int_ge(result, EXO_OK);
    if (refused)
        MUST(world_call(0, 0, EXO_CALL_FLOW_FREE, a));
}

START_TEST(random_packets_and_claims_are_answered_as_a_linear_search_does)
{
    uint32_t matched = 0, opened = 0;
    for (uint32_t step = 0; step < RANDOM_STEPS; step++) {
        uint32_t name = any(RANDOM_FLOWS);
        const uint64_t a[6] = {FLOWS_SLOT, name};
        if (flow_at(name)->owner && any(4) == 0)
            MUST(world_call(0, 0, EXO_CALL_FLOW_FREE, a));
        else if (!flow_at(name)->owner)
            random_claim(name);
        opened += flow_at(name)->state == EXO_FLOW_OPEN;
        struct header header = header_of(any(7), any(7), any(41));
        uint32_t expected = network_find((const uint8_t *)header.word);
        struct exo_flow *flow = flow_find(&header);
        ck_assert_uint_eq(flow ? (uint32_t)(flow - flow_at(0)) + 1 : 0, expected);
        matched += expected != 0;
    }
    ck_assert_uint_gt(matched, RANDOM_STEPS / 10);
    ck_assert_uint_lt(matched, RANDOM_STEPS);
    ck_assert_uint_gt(opened, RANDOM_STEPS / 10);
}
END_TEST

UNIT_SUITE(flow, packet_setup, packet_goes_to_the_flow_that_it_matches, overlapping_patterns_are_refused_exactly,
           refused_claim_is_opened_when_the_other_is_gone, refused_claim_is_in_nobodys_way,
           flow_that_is_being_opened_is_in_the_way_of_later_ones,
           narrower_flow_is_claimed_with_its_owners_leave, leave_is_needed_and_means_a_part,
           withdrawn_leave_ends_what_was_claimed_with_it, position_claimed_anew_is_not_the_old_flow, position_claimed_anew_before_an_opening_is_not_the_old_flow,
           flows_are_nested_four_deep_at_most, claim_needs_a_capability_to_the_position, pattern_fits_its_shape,
           narrower_flow_sends_no_more_than_the_wider, nobody_claims_what_another_sends_as,
           who_has_not_the_whole_network_claims_only_what_its_station_sends, shapes_are_set_by_who_has_the_whole_network,
           withdrawn_capability_ends_its_flows, freed_flow_answers_the_revocation, dying_environment_loses_its_flows,
           bucket_takes_so_many_patterns, bytes_at_the_ends_of_words_spread_over_the_buckets,
           many_flows_are_compared_in_steps,
           random_packets_and_claims_are_answered_as_a_linear_search_does)
