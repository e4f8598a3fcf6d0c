#include <attack.h>
#include <check.h>
#include <memory.h>
#include <peer.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { SLOTS = 256, PACKET = 64, PATIENCE_NS = 20000000 };

static uint32_t own_port, victim_port, victim_flow, victim_frame;

/* The flow that gets what goes to the port: the tables are everybody's to read. */
static bool victim_find(void)
{
    for (uint32_t i = 0; i < EXO_FLOW_LIMIT; i++)
        if (exo_flow_info(i)->state == EXO_FLOW_OPEN && exo_flow_info(i)->value[PEER_PORT_AT] == victim_port >> 8 &&
            exo_flow_info(i)->value[PEER_PORT_AT + 1] == (victim_port & 0xff)) {
            victim_flow = i;
            victim_frame = exo_flow_info(i)->ring;
            return victim_frame != 0;
        }
    return false;
}

/* Whatever stands in the next entry: its status, or that of the call. */
static int64_t entry_send(const struct exo_net_transmit *entry)
{
    struct exo_net_ring *ring = peer_net.ring;
    struct exo_net_transmit *place = &ring->transmit[ring->transmit_posted % EXO_NET_RING_ENTRIES], kept = *place;

    *place = *entry;
    place->status = 0;
    ring->transmit_posted++;
    int64_t result = exo_net_send(peer_net.frame);
    result = result < 0 ? result : -(int64_t)place->status;
    kept.status = 0;
    *place = kept;
    return result;
}

static struct exo_net_transmit own_entry(void)
{
    struct exo_net_ring *ring = peer_net.ring;
    uint32_t n = ring->transmit_posted % EXO_NET_RING_ENTRIES;
    struct exo_net_transmit entry = ring->transmit[n];

    peer_make(peer_net.transmit + n * EXO_NET_BUFFER, own_port, victim_port, 0, PACKET);
    entry.length = PACKET;
    entry.flow = peer_flows->first;
    entry.capability = peer_flows->slot;
    return entry;
}

static bool a_packet_with_the_victims_source_is_refused(void)
{
    return check_equal("sent", peer_send(victim_port, own_port, 0, PACKET), EXO_WRONG_KIND);
}

/* All but the header's checked fields may be anything; each of them changed by a bit is refused. */
static bool each_field_of_the_source_is_enforced(void)
{
    static const uint8_t fields[] = { 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 23, 34, 35 };
    static uint8_t packet[PACKET];
    bool holds = true;

    for (uint32_t i = 0; i < sizeof fields; i++) {
        peer_make(packet, own_port, own_port, 0, PACKET);
        packet[fields[i]] ^= 1;
        holds &= check_equal("sent", exo_net_transmit(&peer_net, peer_flows->slot, peer_flows->first, packet, PACKET), EXO_WRONG_KIND);
    }
    return holds;
}

static bool no_capability_sends_under_the_victims_flow(void)
{
    bool holds = true;

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct exo_net_transmit entry = own_entry();
        entry.flow = victim_flow;
        entry.capability = (uint16_t)slot;
        holds &= check_refused("sent", entry_send(&entry));
    }
    return holds;
}

static bool no_frame_of_others_is_read(void)
{
    bool holds = true;

    for (uint32_t frame = 0; frame < exo_system_info()->frame_count + 4; frame++) {
        if (frame - memory_frames.first < memory_frames.count)
            continue;
        struct exo_net_transmit entry = own_entry();
        entry.frame = frame;
        holds &= check_equal("sent", entry_send(&entry), EXO_BAD_NAME);
    }
    return holds;
}

static bool sizes_and_places_that_lie_are_refused(void)
{
    static const struct { uint16_t offset, length; } lies[] = {
        { 0, 0 }, { 0, 13 }, { 0, 1515 }, { 0, 0xffff }, { 4096, 64 }, { 4033, 64 }, { 0xffff, 64 }, { 0xffc1, 64 }, { 2583, 1514 },
    };
    bool holds = true;

    for (uint32_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct exo_net_transmit entry = own_entry();
        entry.offset = lies[i].offset;
        entry.length = lies[i].length;
        holds &= check_equal("sent", entry_send(&entry), EXO_BAD_ARGUMENT);
    }
    return holds;
}

static bool counts_that_lie_send_nothing(void)
{
    struct exo_net_ring *ring = peer_net.ring;
    uint32_t posted = ring->transmit_posted;
    bool holds = true;

    for (uint32_t shift = 7; shift < 32; shift++) {
        ring->transmit_posted = posted + (1u << shift);
        ring->transmit_done = posted + (1u << shift) - 1;
        holds &= check_equal("sent", exo_net_send(peer_net.frame), 0);
    }
    ring->transmit_posted = posted;
    return holds;
}

/* Places of the own ring that name others' frames: what is sent to oneself is lost, and written nowhere. */
static bool no_frame_of_others_is_written(void)
{
    struct exo_net_ring *ring = peer_net.ring;
    bool holds = true;

    for (uint32_t frame = 0; frame < exo_system_info()->frame_count + 4; frame++) {
        uint32_t n = peer_net.taken % EXO_NET_RING_ENTRIES;
        struct exo_net_receive kept = ring->receive[n];
        if (frame - memory_frames.first < memory_frames.count)
            continue;
        ring->receive[n] = (struct exo_net_receive){ .frame = frame, .length = 1 };
        holds &= check_equal("sent", peer_send(own_port, own_port, 0, PACKET), EXO_OK);
        holds &= check_equal("length", ring->receive[n].length, 0);
        ring->receive[n] = kept;
        exo_net_done(&peer_net);
    }
    return holds;
}

static bool rings_of_others_are_refused(void)
{
    bool holds = check_equal("net_send", exo_net_send(victim_frame), EXO_NO_RIGHT) &
                 check_equal("net_ring_free", exo_net_ring_free(0, victim_frame), EXO_NO_RIGHT) &
                 check_equal("its own half", exo_net_send(peer_net.frame + 1), EXO_WRONG_KIND) &
                 check_equal("flow_attach", exo_flow_attach(0, peer_flows->slot, peer_flows->first, victim_frame), EXO_NO_RIGHT);

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        holds &= check_refused("flow_attach", exo_flow_attach(0, (uint16_t)slot, victim_flow, peer_net.frame));
        holds &= check_refused("flow_free", exo_flow_free(0, (uint16_t)slot, victim_flow));
        holds &= check_refused("flow_open", exo_flow_open(0, (uint16_t)slot, victim_flow));
        holds &= check_refused("net_shape", exo_net_shape((uint16_t)slot, 15));
    }
    return holds;
}

static bool the_kernels_half_of_a_ring_is_never_bound(void)
{
    uint32_t table = exo_space_table(&memory_space, 0x21000000);

    return check_equal("readable", memory_bind(0x21000000, table, peer_net.frame + 1, memory_frames.capability, EXO_MAP_READ),
                       EXO_WRONG_KIND);
}

/* Claims of patterns: nothing that overlaps the victim's is opened, whatever else it asks for. */
static bool no_claim_takes_the_victims_packets(void)
{
    const struct exo_shape *shapes = (const struct exo_shape *)EXO_SHAPES_ADDRESS;
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE] = { 0 };
    uint32_t any = exo_flow_info(victim_flow)->source_shape;
    bool holds = true;

    memcpy(source, (const void *)exo_flow_info(peer_flows->first)->source, sizeof source);
    for (uint32_t i = 0; i < EXO_SHAPE_LIMIT; i++) {
        if (!shapes[i].set)
            continue;
        for (uint32_t at = 0; at < EXO_HEADER_SIZE; at++)
            value[at] = exo_flow_info(victim_flow)->value[at] & shapes[i].mask[at];
        for (uint32_t slot = 0; slot < 16; slot++) {
            int64_t result = exo_flow_make(peer_positions->slot, peer_positions->first, i, value, any, source, (uint16_t)slot,
                                           slot ? victim_flow : 0);
            holds &= result != EXO_OK || check_equal("opened", 0, 1);
            exo_flow_free(0, peer_positions->slot, peer_positions->first);
        }
    }
    return holds & check_refused("a claim at its position", exo_flow_make(peer_positions->slot, victim_flow, 0, value, any, source, 0, 0));
}

/* Its own packets, but sent as the victim, as all, or as another station. */
static bool no_claim_sends_as_another(void)
{
    const volatile struct exo_flow *own = exo_flow_info(peer_flows->first), *victim = exo_flow_info(victim_flow);
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];

    memcpy(value, (const void *)own->value, sizeof value);
    value[PEER_PORT_AT + 1]++; /* a port of nobody's */
    memcpy(source, (const void *)victim->source, sizeof source);
    int64_t as_victim = exo_flow_make(peer_positions->slot, peer_positions->first, own->shape, value, victim->source_shape, source, 0, 0);
    exo_flow_free(0, peer_positions->slot, peer_positions->first);
    memset(source + PEER_SENDER_AT, 0, 6);
    int64_t as_station = exo_flow_make(peer_positions->slot, peer_positions->first, own->shape, value, victim->source_shape, source, 0, 0);
    exo_flow_free(0, peer_positions->slot, peer_positions->first);
    int64_t as_all = exo_flow_make(peer_positions->slot, peer_positions->first, own->shape, value, own->shape, value, 0, 0);
    exo_flow_free(0, peer_positions->slot, peer_positions->first);
    return check_equal("as the victim", as_victim, victim_flow + 1) & check_equal("as another station", as_station, EXO_WRONG_KIND) &
           check_equal("as any station", as_all, EXO_WRONG_KIND);
}

static bool a_narrower_claim_in_an_own_flow_is_opened(void)
{
    const volatile struct exo_flow *own = exo_flow_info(peer_flows->first);
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];

    memcpy(value, (const void *)own->value, sizeof value);
    memcpy(source, (const void *)own->source, sizeof source);
    int64_t same = exo_flow_make(peer_positions->slot, peer_positions->first, own->shape, value, own->source_shape, source,
                                 peer_flows->slot, peer_flows->first);
    memcpy(value, (const void *)own->source, sizeof value); /* of the shape of sources, which has other fields */
    int64_t other = exo_flow_make(peer_positions->slot, peer_positions->first, own->source_shape, value, own->source_shape, source,
                                  peer_flows->slot, peer_flows->first);
    return check_equal("the same", same, EXO_WRONG_KIND) & check_equal("another", other, EXO_WRONG_KIND);
}

/* A frame that a packet is sent from or goes into may be freed meanwhile: there is no meanwhile. */
static bool a_ring_given_up_full_of_packets_is_gone(void)
{
    uint32_t frame = peer_net.frame;
    bool holds = true;

    for (uint32_t i = 0; i < 10; i++)
        holds &= check_equal("sent", peer_send(own_port, own_port, i, PACKET), EXO_OK);
    holds &= check_equal("bound", exo_net_ring_free(0, frame), EXO_BOUND);
    check_must("unmap", exo_space_unmap(&memory_space, (uint64_t)peer_net.ring, 1));
    holds &= check_equal("freed", exo_net_ring_free(0, frame), EXO_OK);
    return holds & check_equal("gone", exo_net_send(frame), EXO_WRONG_KIND);
}

void attack_run(uint32_t port, uint32_t victim)
{
    static const struct check_case cases[] = {
        CASE(a_packet_with_the_victims_source_is_refused), CASE(each_field_of_the_source_is_enforced),
        CASE(no_capability_sends_under_the_victims_flow), CASE(no_frame_of_others_is_read),
        CASE(sizes_and_places_that_lie_are_refused), CASE(counts_that_lie_send_nothing), CASE(no_frame_of_others_is_written),
        CASE(rings_of_others_are_refused), CASE(the_kernels_half_of_a_ring_is_never_bound),
        CASE(no_claim_takes_the_victims_packets), CASE(no_claim_sends_as_another), CASE(a_narrower_claim_in_an_own_flow_is_opened),
        CASE(a_ring_given_up_full_of_packets_is_gone),
    };

    own_port = port;
    victim_port = victim;
    while (!victim_find())
        exo_sleep(exo_time() + PATIENCE_NS, EXO_EVENT_TIMER, false);
    check_run(CASES(cases));
}
