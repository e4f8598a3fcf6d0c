/* Rings, sending and delivering: what is checked, what lies in shared memory cannot do, and what withdrawal breaks. */
#include "packet.h"
#include <net.h>
#include <string.h>

enum { OWN_PORT = 7, A_FLOW = A_POSITIONS, A_VCPU_FRAME = A_FIRST + 12, PACKET = 100, STATION_OF_A = 3 };

static uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];

static struct exo_net_ring *ring_at(frame_name ring)
{
    return net_ring_page(ring);
}

static struct exo_context *context_of_a(void)
{
    return context_page(vcpu_at(A * VCPUS_PER_ENVIRONMENT)->context);
}

/* A packet from A's source pattern to the port, to this machine's station. */
static void packet_write(frame_name frame, uint8_t port, uint8_t host)
{
    uint8_t *bytes = data_page(frame);
    for (uint32_t i = 0; i < PACKET; i++)
        bytes[i] = i;
    memcpy(bytes, &machine.system.station, STATION_SIZE);
    memcpy(bytes + STATION_AT, &machine.system.station, STATION_SIZE);
    bytes[KIND_AT] = 8;
    bytes[HOST_AT] = host;
    bytes[PORT_AT] = port;
}

/* The root owns flow 0, which gets what goes to OWN_PORT, and sends as host STATION_OF_A only under A's flow. A reads its flow, and
 * has a ring; so has the root. */
static void net_setup(void)
{
    packet_setup();
    world_vcpu(A_SLOT, 0, 1, A_VCPU_FRAME, A_FIRST + 10);
    MUST(CALL_FOR(A_SLOT, NET_RING_CREATE, 1, ACTOR_RING, 0));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, ACTOR_FRAME, 2), 2);
    MUST(CALL(NET_RING_CREATE, ROOT_FRAMES, ROOT_RING, 0));
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, ROOT_FRAME, 2), 2);
    pattern_put(value, SHAPE_PORT, 8, 0, OWN_PORT);
    sender_put(source, STATION_OF_A);
    MUST(packet_claim_source(A_SLOT, A_FLOWS, A_FLOW, SHAPE_PORT, value, SHAPE_SENDER, source));
    MUST(packet_open_claimed(A_SLOT, A_FLOWS, A_FLOW));
    MUST(CALL_FOR(A_SLOT, FLOW_ATTACH, A_FLOWS, A_FLOW, ACTOR_RING));
    MUST(packet_open(0, SHAPE_PORT, 8, 0, 9));
    ring_at(ACTOR_RING)->receive[0] = (struct exo_net_receive){.frame = ACTOR_FRAME, .offset = 64};
    ring_at(ACTOR_RING)->receive_posted = 1;
    packet_write(ROOT_FRAME, OWN_PORT, 1);
    ring_at(ROOT_RING)->transmit[0] =
        (struct exo_net_transmit){.frame = ROOT_FRAME, .length = PACKET, .flow = 0, .capability = FLOWS_SLOT};
    ring_at(ROOT_RING)->transmit_posted = 1;
}

static struct exo_net_transmit *sent_entry(void)
{
    return &ring_at(ROOT_RING)->transmit[0];
}

/* What the first entry is refused with, or 0. */
static exo_result sent(void)
{
    GIVES(CALL(NET_SEND, ROOT_RING), 1);
    return -(exo_result)sent_entry()->status;
}

static bool has_arrived(void)
{
    return ring_at(ACTOR_RING)->receive_done == 1 && ring_at(ACTOR_RING)->receive[0].length == PACKET;
}

START_TEST(packet_to_the_own_station_arrives_in_the_receivers_frame)
{
    IS(sent(), OK);
    ck_assert(has_arrived());
    ck_assert_mem_eq(data_page(ACTOR_FRAME) + 64, data_page(ROOT_FRAME), PACKET);
    ck_assert_uint_eq(((uint8_t *)data_page(ACTOR_FRAME))[64 + PACKET], 0);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive[0].flow, A_FLOW);
    ck_assert_uint_eq(context_of_a()->pending & EXO_EVENT_IO, EXO_EVENT_IO);
    ck_assert_uint_eq(flow_at(A_FLOW)->received, 1);
    ck_assert_uint_eq(flow_at(A_FLOW)->bytes, PACKET);
    ck_assert_uint_eq(flow_at(0)->sent, 1);
    GIVES(CALL(NET_SEND, ROOT_RING), 0);
}
END_TEST

START_TEST(packet_without_a_place_is_dropped_and_counted)
{
    ring_at(ACTOR_RING)->receive_posted = 0;
    IS(sent(), OK);
    ck_assert_uint_eq(flow_at(A_FLOW)->dropped, 1);
    ck_assert_uint_eq(context_of_a()->pending & EXO_EVENT_IO, 0);
}
END_TEST

START_TEST(counts_that_lie_are_no_places)
{
    static const uint32_t lies[] = {EXO_NET_RING_ENTRIES + 1, 1000, 0x80000000, UINT32_MAX};
    for (uint32_t i = 0; i < 4; i++) {
        ring_at(ACTOR_RING)->receive_posted = lies[i];
        ring_at(ACTOR_RING)->receive_done = lies[i] - 1; /* which the kernel does not read */
        ring_at(ROOT_RING)->transmit_posted = i + 1;
        ring_at(ROOT_RING)->transmit[i] = *sent_entry();
        GIVES(CALL(NET_SEND, ROOT_RING), 1);
        ring_at(ROOT_RING)->transmit_posted = i + 1 + lies[i];
        GIVES(CALL(NET_SEND, ROOT_RING), 0);
    }
    ck_assert_uint_eq(flow_at(A_FLOW)->dropped, 4);
}
END_TEST

static void place_is_refused(frame_name frame, uint32_t offset)
{
    ring_at(ACTOR_RING)->receive[0] = (struct exo_net_receive){.frame = frame, .offset = offset, .length = 9};
    IS(sent(), OK);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 1);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive[0].length, 0);
    ck_assert_uint_eq(flow_at(A_FLOW)->dropped, 1);
}

START_TEST(packet_is_put_into_frames_of_the_receivers_capability_only)
{
    static const frame_name frames[] = {0, ROOT_FRAME + 1, ROOT, A, ACTOR_RING, ACTOR_RING + 1, A_VCPU_FRAME, A_FIRST + 9, NO_FRAME, UINT32_MAX};
    place_is_refused(frames[_i], 0);
}
END_TEST

START_TEST(packet_does_not_leave_its_frame)
{
    static const uint32_t offsets[] = {EXO_FRAME_SIZE - PACKET + 1, EXO_FRAME_SIZE - 1, EXO_FRAME_SIZE, UINT16_MAX};
    place_is_refused(ACTOR_FRAME, offsets[_i]);
}
END_TEST

START_TEST(packet_fits_at_the_end_of_its_frame)
{
    ring_at(ACTOR_RING)->receive[0].offset = EXO_FRAME_SIZE - PACKET;
    IS(sent(), OK);
    ck_assert(has_arrived());
    ck_assert_mem_eq(data_page(ACTOR_FRAME) + EXO_FRAME_SIZE - PACKET, data_page(ROOT_FRAME), PACKET);
}
END_TEST

START_TEST(entry_to_be_sent_is_checked)
{
    static const struct {
        struct exo_net_transmit entry;
        exo_result status;
    } entries[] = {
        {{.frame = ROOT_FRAME, .length = EXO_PACKET_LEAST - 1, .capability = FLOWS_SLOT}, EXO_BAD_ARGUMENT},
        {{.frame = ROOT_FRAME, .length = EXO_PACKET_MOST + 1, .capability = FLOWS_SLOT}, EXO_BAD_ARGUMENT},
        {{.frame = ROOT_FRAME, .length = 0, .capability = FLOWS_SLOT}, EXO_BAD_ARGUMENT},
        {{.frame = ROOT_FRAME, .length = UINT16_MAX, .capability = FLOWS_SLOT}, EXO_BAD_ARGUMENT},
        {{.frame = ROOT_FRAME, .length = PACKET, .offset = EXO_FRAME_SIZE - PACKET + 1, .capability = FLOWS_SLOT}, EXO_BAD_ARGUMENT},
        {{.frame = ROOT_FRAME, .length = PACKET, .offset = UINT16_MAX, .capability = FLOWS_SLOT}, EXO_BAD_ARGUMENT},
        {{.frame = ACTOR_FRAME, .length = PACKET, .capability = FLOWS_SLOT}, EXO_BAD_NAME},
        {{.frame = ROOT_FRAME + 3, .length = PACKET, .capability = FLOWS_SLOT}, EXO_BAD_NAME}, /* free */
        {{.frame = NO_FRAME, .length = PACKET, .capability = FLOWS_SLOT}, EXO_BAD_NAME},
        {{.frame = ROOT, .length = PACKET, .capability = FLOWS_SLOT}, EXO_BAD_NAME},
        {{.frame = ROOT_FRAME, .length = PACKET, .flow = FLOW_LIMIT, .capability = FLOWS_SLOT}, EXO_BAD_NAME},
        {{.frame = ROOT_FRAME, .length = PACKET, .capability = ROOT_FRAMES}, EXO_BAD_CAPABILITY},
        {{.frame = ROOT_FRAME, .length = PACKET, .flow = 1, .capability = FLOWS_SLOT}, EXO_NO_RIGHT}, /* nobody's */
        {{.frame = ROOT_FRAME, .length = PACKET, .flow = A_FLOW, .capability = FLOWS_SLOT}, EXO_NO_RIGHT},
    };
    *sent_entry() = entries[_i].entry;
    ck_assert_int_eq(sent(), entries[_i].status);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 0);
}
END_TEST

/* A sends from its own ring, as its own host or not. */
static exo_result sent_by_a(uint8_t host)
{
    const uint64_t a[6] = {ACTOR_RING};
    packet_write(ACTOR_FRAME + 1, OWN_PORT, host);
    ring_at(ACTOR_RING)->transmit[0] =
        (struct exo_net_transmit){.frame = ACTOR_FRAME + 1, .length = PACKET, .flow = A_FLOW, .capability = A_FLOWS};
    ring_at(ACTOR_RING)->transmit_posted = 1;
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, A_SLOT, 9, RIGHTS_GIVEN, SLOTS_PER_PROCESSOR, SLOTS_PER_PROCESSOR));
    world_run(A_SLOT, 0, 9, 1);
    GIVES(unit_call(1, 0, EXO_CALL_NET_SEND, a), 1);
    return -(exo_result)ring_at(ACTOR_RING)->transmit[0].status;
}

START_TEST(sender_uses_its_own_source_only)
{
    IS(sent_by_a(STATION_OF_A + 1), WRONG_KIND);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 0);
}
END_TEST

START_TEST(sender_with_its_own_source_may_send)
{
    IS(sent_by_a(STATION_OF_A), OK);
    ck_assert(has_arrived());
}
END_TEST

START_TEST(short_packet_is_filled_up_with_zeros_for_its_pattern)
{
    MUST(packet_open(1, SHAPE_PORT, 8, 0, 0));
    MUST(CALL(FLOW_ATTACH, FLOWS_SLOT, 1, ROOT_RING));
    sent_entry()->length = PORT_AT; /* behind its end stands OWN_PORT */
    IS(sent(), OK);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 0);
    ck_assert_uint_eq(flow_at(1)->dropped, 1);
}
END_TEST

START_TEST(packet_to_elsewhere_goes_to_the_device)
{
    ((uint8_t *)data_page(ROOT_FRAME))[0] = 4;
    IS(sent(), BAD_NAME); /* there is none */
    machine_network = 1;
    ring_at(ROOT_RING)->transmit_posted = 3;
    ring_at(ROOT_RING)->transmit[1] = ring_at(ROOT_RING)->transmit[2] = *sent_entry();
    GIVES(CALL(NET_SEND, ROOT_RING), 1); /* its queue is full then */
    ck_assert_uint_eq(ring_at(ROOT_RING)->transmit[1].status, 0);
    ck_assert_uint_eq(machine_log.packet_length, PACKET);
    ck_assert_mem_eq(machine_log.packet, data_page(ROOT_FRAME), PACKET);
    IS(CALL(NET_SEND, ROOT_RING), AGAIN);
    machine_network = 1;
    GIVES(CALL(NET_SEND, ROOT_RING), 1);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 0);
    ck_assert_uint_eq(machine.system.strays, 0);
}
END_TEST

START_TEST(packet_to_a_group_goes_both_ways)
{
    machine_network = 1;
    memset(data_page(ROOT_FRAME), 0xff, STATION_SIZE);
    IS(sent(), OK);
    ck_assert(has_arrived());
    ck_assert_uint_eq(machine_log.packets, 1);
}
END_TEST

START_TEST(stray_packet_is_counted)
{
    ((uint8_t *)data_page(ROOT_FRAME))[PORT_AT] = 77;
    IS(sent(), OK);
    ck_assert_uint_eq(machine.system.strays, 1);
}
END_TEST

START_TEST(few_packets_are_sent_in_one_call)
{
    for (uint32_t i = 0; i < 10; i++)
        ring_at(ROOT_RING)->transmit[i] = *sent_entry();
    ring_at(ROOT_RING)->transmit_posted = 10;
    GIVES(CALL(NET_SEND, ROOT_RING), 4);
    GIVES(CALL(NET_SEND, ROOT_RING), 4);
    GIVES(CALL(NET_SEND, ROOT_RING), 2);
    GIVES(CALL(NET_SEND, ROOT_RING), 0);
    ck_assert_uint_eq(flow_at(A_FLOW)->received + flow_at(A_FLOW)->dropped, 10);
}
END_TEST

static void network_gives(uint32_t length, uint8_t port)
{
    packet_write(ROOT_FRAME + 1, port, 1);
    machine_log.coming = 1;
    machine_log.coming_length = length;
    machine_log.coming_bytes = data_page(ROOT_FRAME + 1);
    net_interrupted();
    ck_assert_uint_eq(machine_log.coming, 0);
    ck_assert_uint_eq(machine_log.is_heard, 1);
}

START_TEST(packet_from_the_network_arrives)
{
    network_gives(PACKET, OWN_PORT);
    ck_assert(has_arrived());
    ck_assert_mem_eq(data_page(ACTOR_FRAME) + 64, data_page(ROOT_FRAME + 1), PACKET);
}
END_TEST

START_TEST(lengths_that_no_packet_has_are_ignored)
{
    static const uint32_t lengths[] = {0, 1, EXO_PACKET_LEAST - 1, EXO_PACKET_MOST + 1, 4096, UINT32_MAX};
    for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        network_gives(lengths[i], OWN_PORT);
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 0);
    ck_assert_uint_eq(flow_at(A_FLOW)->dropped, 0);
}
END_TEST

START_TEST(storm_is_charged_to_its_ring_and_ends_with_its_share)
{
    struct net_queue *queue = net_queue_page(ACTOR_RING + 1);
    for (uint32_t i = 0; i < EXO_NET_RING_ENTRIES; i++)
        ring_at(ACTOR_RING)->receive[i] = (struct exo_net_receive){.frame = ACTOR_FRAME};
    ring_at(ACTOR_RING)->receive_posted = 64;
    machine.time = 5 * EXO_SLOT_NS;
    machine_tick = 100;
    network_gives(PACKET, OWN_PORT);
    ck_assert_uint_gt(vcpu_at(A * VCPUS_PER_ENVIRONMENT)->excess_ns, 0);
    queue->spent_ns = EXO_SLOT_NS / 4;
    network_gives(PACKET, OWN_PORT);
    ck_assert_uint_eq(flow_at(A_FLOW)->dropped, 1);
    machine.time += EXO_SLOT_NS;
    network_gives(PACKET, OWN_PORT);
    ck_assert_uint_eq(flow_at(A_FLOW)->received, 2);
}
END_TEST

START_TEST(interrupt_takes_a_few_packets_and_comes_back)
{
    network_gives(PACKET, OWN_PORT);
    machine_log.coming = 100;
    net_interrupted();
    ck_assert_uint_gt(machine_log.coming, 90);
    ck_assert_uint_lt(machine_log.coming, 100);
    ck_assert_uint_eq(machine_log.agains, 1);
}
END_TEST

START_TEST(network_is_not_heard_for_the_rest_of_a_slot_that_it_filled)
{
    machine.time = 5 * EXO_SLOT_NS;
    network_gives(PACKET, OWN_PORT);
    network.spent_ns = EXO_SLOT_NS / 2;
    machine_log.coming = 100;
    net_interrupted();
    ck_assert_uint_eq(machine_log.is_heard, 0);
    ck_assert_uint_eq(machine_log.agains, 0);
    uint32_t left = machine_log.coming;
    net_interrupted();
    ck_assert_uint_eq(machine_log.coming, left);
    machine.time += EXO_SLOT_NS;
    net_slot_began();
    ck_assert_uint_eq(machine_log.agains, 1);
    net_interrupted();
    ck_assert_uint_lt(machine_log.coming, left);
}
END_TEST

/* ---- rings come and go */

START_TEST(ring_needs_two_free_frames_in_a_row)
{
    IS(CALL(NET_RING_CREATE, ROOT_FRAMES, FREE_FRAME + 10, 8), BAD_ARGUMENT);
    IS(CALL(NET_RING_CREATE, ROOT_FRAMES, NO_FRAME, 0), BAD_NAME);
    IS(CALL(NET_RING_CREATE, ROOT_FRAMES, FRAMES - 1, 0), BAD_NAME);
    IS(CALL(NET_RING_CREATE, ROOT_FRAMES, ROOT_RING, 0), TAKEN);
    IS(CALL(NET_RING_CREATE, ROOT_FRAMES, ROOT_RING - 1, 0), TAKEN); /* its second */
    IS(CALL(NET_RING_CREATE, FLOWS_SLOT, FREE_FRAME + 10, 0), BAD_CAPABILITY);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 40, EXO_RIGHT_WRITE | EXO_RIGHT_TAKE, 0, FRAMES));
    IS(CALL(NET_RING_CREATE, 40, FREE_FRAME + 10, 0), NO_RIGHT);
    MUST(CALL(NET_RING_FREE, ROOT_RING));
    IS(CALL(NET_RING_CREATE, ROOT_FRAMES, ROOT_RING, 0), AGAIN); /* processor 1 has still to flush */
    world_interrupt(1);
    MUST(CALL(NET_RING_CREATE, ROOT_FRAMES, ROOT_RING, 0));
}
END_TEST

START_TEST(only_the_owner_uses_and_frees_a_ring)
{
    IS(CALL(NET_RING_FREE, NO_FRAME), BAD_NAME);
    IS(CALL(NET_RING_FREE, ROOT_RING + 1), WRONG_KIND);
    IS(CALL(NET_RING_FREE, ACTOR_RING), NO_RIGHT);
    IS(CALL(NET_SEND, NO_FRAME), BAD_NAME);
    IS(CALL(NET_SEND, ROOT_RING + 1), WRONG_KIND);
    IS(CALL(NET_SEND, ACTOR_RING), NO_RIGHT);
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST + 6, A_FIRST + 7, 1));
    GIVES(BIND(A_SLOT, .address = 0x9000, .table = A_FIRST + 6, .frame = ACTOR_RING, .capability = 1, .flags = WRITABLE), 1);
    IS(BIND(A_SLOT, .address = 0xa000, .table = A_FIRST + 6, .frame = ACTOR_RING + 1, .capability = 1, .flags = READ), WRONG_KIND);
    IS(CALL_FOR(A_SLOT, NET_RING_FREE, ACTOR_RING), BOUND);
    GIVES(UNBIND(A_SLOT, .address = 0x9000, .table = A_FIRST + 6), 1);
    MUST(CALL_FOR(A_SLOT, NET_RING_FREE, ACTOR_RING));
}
END_TEST

START_TEST(attaching_needs_the_right_to_read_and_an_own_ring)
{
    IS(CALL(FLOW_ATTACH, FLOWS_SLOT, FLOW_LIMIT, ROOT_RING), BAD_NAME);
    IS(CALL(FLOW_ATTACH, FLOWS_SLOT, 0, ROOT_FRAME), WRONG_KIND);
    IS(CALL(FLOW_ATTACH, FLOWS_SLOT, 0, ACTOR_RING), NO_RIGHT);
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, 3, EXO_RIGHT_WRITE, 0, 1));
    IS(CALL_FOR(A_SLOT, FLOW_ATTACH, 3, 0, ACTOR_RING), NO_RIGHT);
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, 4, EXO_RIGHT_READ, 0, 1));
    MUST(CALL_FOR(A_SLOT, FLOW_ATTACH, 4, 0, ACTOR_RING));
    IS(CALL(FLOW_ATTACH, FLOWS_SLOT, 0, ROOT_RING), TAKEN);
    MUST(CALL_FOR(A_SLOT, FLOW_ATTACH, 4, 0, 0));
    MUST(CALL(FLOW_ATTACH, FLOWS_SLOT, 0, ROOT_RING));
}
END_TEST

static void is_dropped(void)
{
    IS(sent(), OK);
    ck_assert_uint_eq(flow_at(A_FLOW)->dropped, 1);
    ck_assert_uint_eq(flow_at(A_FLOW)->received, 0);
}

START_TEST(freed_ring_gets_nothing_nor_does_its_successor)
{
    MUST(CALL_FOR(A_SLOT, NET_RING_FREE, ACTOR_RING));
    world_interrupt(1);
    MUST(CALL_FOR(A_SLOT, NET_RING_CREATE, 1, ACTOR_RING, 0)); /* the same frames, another ring */
    ring_at(ACTOR_RING)->receive[0] = (struct exo_net_receive){.frame = ACTOR_FRAME};
    ring_at(ACTOR_RING)->receive_posted = 1;
    is_dropped();
}
END_TEST

START_TEST(frames_taken_by_force_are_a_ring_no_more)
{
    unit_demand(3);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, ACTOR_RING + 1), WRONG_KIND);
    MUST(CALL(FRAME_RECLAIM, ROOT_FRAMES, ACTOR_RING));
    ck_assert_uint_eq(frame_at(ACTOR_RING + 1)->kind, EXO_FRAME_DATA);
    MUST(CALL(FRAME_RECLAIM, ROOT_FRAMES, ACTOR_RING + 1));
    is_dropped();
}
END_TEST

START_TEST(frame_given_back_gets_no_packet)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_FREE, 1, ACTOR_FRAME, 1), 1);
    place_is_refused(ACTOR_FRAME, 0);
}
END_TEST

START_TEST(withdrawn_reader_gets_nothing)
{
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, 3, EXO_RIGHT_READ, 0, 1));
    MUST(CALL_FOR(A_SLOT, FLOW_ATTACH, 3, 0, ACTOR_RING));
    ((uint8_t *)data_page(ROOT_FRAME))[PORT_AT] = 9;
    IS(sent(), OK);
    ck_assert_uint_eq(flow_at(0)->received, 1);
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 100 && result == EXO_AGAIN; i++) {
        result = CALL(CAPABILITY_WITHDRAW, FLOWS_SLOT, A, 3);
        world_interrupt(1);
    }
    IS(result, OK);
    ring_at(ACTOR_RING)->receive_posted++;
    ring_at(ROOT_RING)->transmit[1] = *sent_entry();
    ring_at(ROOT_RING)->transmit_posted++;
    GIVES(CALL(NET_SEND, ROOT_RING), 1);
    ck_assert_uint_eq(flow_at(0)->received, 1);
    ck_assert_uint_eq(flow_at(0)->dropped, 1);
}
END_TEST

START_TEST(ring_whose_capability_ended_is_dead)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 40, RIGHTS_GIVEN, 0, FRAMES));
    MUST(CALL(NET_RING_CREATE, 40, FREE_FRAME + 10, 0));
    MUST(CALL(FLOW_ATTACH, FLOWS_SLOT, 0, FREE_FRAME + 10));
    CALL(CAPABILITY_WITHDRAW, 0, ROOT, 40);
    if (frame_at(FREE_FRAME + 10)->kind == EXO_FRAME_NET_RING)
        IS(CALL(NET_SEND, FREE_FRAME + 10), BAD_CAPABILITY);
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 100 && result == EXO_AGAIN; i++) {
        result = CALL(CAPABILITY_WITHDRAW, 0, ROOT, 40);
        world_interrupt(1);
    }
    IS(result, OK);
    ck_assert_uint_eq(frame_at(FREE_FRAME + 10)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(FREE_FRAME + 11)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(dying_receiver_gets_nothing)
{
    MUST(CALL(ENVIRONMENT_DESTROY, A_SLOT));
    IS(sent(), OK);
    ck_assert_uint_eq(machine.system.strays, 1); /* its flow is dead too */
    ck_assert_uint_eq(ring_at(ACTOR_RING)->receive_done, 0);
}
END_TEST

void suite_net(SRunner *runner);
void suite_net(SRunner *runner)
{
    const TTest *const tests[] = {
        packet_to_the_own_station_arrives_in_the_receivers_frame, packet_without_a_place_is_dropped_and_counted,
        counts_that_lie_are_no_places, packet_fits_at_the_end_of_its_frame, sender_uses_its_own_source_only,
        sender_with_its_own_source_may_send, short_packet_is_filled_up_with_zeros_for_its_pattern,
        packet_to_elsewhere_goes_to_the_device, packet_to_a_group_goes_both_ways, stray_packet_is_counted,
        few_packets_are_sent_in_one_call, packet_from_the_network_arrives, lengths_that_no_packet_has_are_ignored,
        storm_is_charged_to_its_ring_and_ends_with_its_share,
        interrupt_takes_a_few_packets_and_comes_back, network_is_not_heard_for_the_rest_of_a_slot_that_it_filled, ring_needs_two_free_frames_in_a_row,
        only_the_owner_uses_and_frees_a_ring, attaching_needs_the_right_to_read_and_an_own_ring,
        freed_ring_gets_nothing_nor_does_its_successor, frames_taken_by_force_are_a_ring_no_more, frame_given_back_gets_no_packet,
        withdrawn_reader_gets_nothing, ring_whose_capability_ended_is_dead, dying_receiver_gets_nothing, NULL,
    };
    unit_add(runner, "net", net_setup, tests);
    unit_add_loop(runner, "net_places", net_setup, packet_is_put_into_frames_of_the_receivers_capability_only, 10);
    unit_add_loop(runner, "net_offsets", net_setup, packet_does_not_leave_its_frame, 4);
    unit_add_loop(runner, "net_entries", net_setup, entry_to_be_sent_is_checked, 14);
}
