/*
 * Demultiplexing. It is a part of sending: a packet to this machine's own station is demultiplexed, one to another station on a
 * machine without a network is refused just before, and all else is the same. So the difference of the two is what it costs to find a
 * packet's flow, see that it is live, and count it (it has no ring). Each of the flows is measured; which of them share a bucket of the
 * kernel's hash table is a secret of each boot, so the figure is their median. The dearest is told, too.
 */
#include "io.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/net.h>
#include <exo/program.h>
#include <exo/text.h>

#define NET_ADDRESS 0x28000000ull

enum { SENDER_AT = 6, SOURCE_AT = 26, TARGET_AT = 30, SOURCE_PORT_AT = 34, PORT_AT = 36, LENGTH = 60, FEW = 10, MANY = 1000, TRIES = 5, TICKS_MOST = 2000 };

static struct exo_net net;
static const struct exo_start_capability *own, *positions;
static uint8_t packet[LENGTH];

/* The manifest's flow is a connection, so its shapes are those of connections. */
static const volatile struct exo_flow *example(void)
{
    return exo_flow_info(own->first);
}

/* What the n-th connection is known by. */
static void peer_put(uint8_t *value, uint32_t source_at, uint32_t port_at, uint32_t n)
{
    value[source_at + 2] = (uint8_t)(n >> 8);
    value[source_at + 3] = (uint8_t)n;
    value[port_at] = (uint8_t)(4 + n % 3);
}

static void connection_claim(uint32_t n)
{
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];

    memcpy(value, (const void *)example()->value, sizeof value);
    memcpy(source, (const void *)example()->source, sizeof source);
    peer_put(value, SOURCE_AT, SOURCE_PORT_AT, n);
    peer_put(source, TARGET_AT, PORT_AT, n);
    bench_must(exo_flow_make(positions->slot, positions->first + n, example()->shape, value, example()->source_shape, source, 0, 0),
               "a flow");
}

/* The other end of a connection. */
static void sender_claim(uint32_t flow, uint32_t target)
{
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];

    memcpy(source, (const void *)example()->value, sizeof source);
    memcpy(value, (const void *)example()->source, sizeof value);
    memset(value + SENDER_AT, 0, 6);
    peer_put(value, TARGET_AT, PORT_AT, target);
    peer_put(source, SOURCE_AT, SOURCE_PORT_AT, target);
    memcpy(source + SENDER_AT, &exo_system_info()->station, 6);
    memcpy(packet, source, LENGTH);
    bench_must(exo_flow_make(positions->slot, flow, example()->shape, value, example()->source_shape, source, 0, 0), "a sender");
}

/* Ticks of the call that sends it. */
static uint64_t sending_once(uint32_t flow, uint64_t station, int64_t expected)
{
    uint32_t n = net.ring->transmit_posted % EXO_NET_RING_ENTRIES;
    struct exo_net_transmit *place = &net.ring->transmit[n];

    memcpy(packet, &station, 6);
    memcpy(net.transmit + n * EXO_NET_BUFFER, packet, LENGTH);
    *place = (struct exo_net_transmit){
        .frame = place->frame, .offset = place->offset, .length = LENGTH, .flow = flow, .capability = positions->slot,
    };
    net.ring->transmit_posted++;
    uint64_t before = exo_ticks();
    int64_t result = exo_net_send(net.frame);
    uint64_t ticks = exo_ticks() - before - bench_empty;
    bench_must(result, "net_send");
    if (-(int64_t)place->status != expected)
        bench_fail(-(int64_t)place->status, "sending");
    return ticks;
}

static uint64_t sending_measure(uint32_t flow, uint64_t station, int64_t expected)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < TRIES; i++)
        bench_least(&least, sending_once(flow, station, expected));
    return least;
}

/* What it costs to find one flow, which its packets must have come to. */
static uint32_t finding_measure(uint32_t sender, uint32_t target)
{
    const volatile struct exo_flow *flow = exo_flow_info(positions->first + target);
    uint64_t station = exo_system_info()->station, dropped = flow->dropped;

    sender_claim(sender, target);
    uint64_t found = sending_measure(sender, station, EXO_OK), refused = sending_measure(sender, station ^ 0x10000000000, EXO_BAD_NAME);
    bench_must(exo_flow_free(0, positions->slot, sender), "flow_free");
    if (flow->dropped != dropped + TRIES || found < refused || found - refused >= TICKS_MOST)
        bench_fail(EXO_BAD_NAME, "demultiplexing to the flow");
    return (uint32_t)(found - refused);
}

static void demux_measure(const char *median, const char *worst, uint32_t count)
{
    static uint16_t cost[TICKS_MOST];
    uint32_t middle = 0, last = TICKS_MOST - 1;

    memset(cost, 0, sizeof cost);
    for (uint32_t target = 0; target < count; target++)
        cost[finding_measure(positions->first + MANY, target)]++;
    for (uint32_t below = cost[0]; below * 2 < count; below += cost[middle])
        middle++;
    while (!cost[last])
        last--;
    bench_print(median, middle, "instructions");
    bench_print(worst, last, "instructions");
}

void bench_net(void)
{
    own = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 0));
    positions = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 1));

    bench_must(exo_net_open(&net, &bench_space, NET_ADDRESS), "a ring");
    for (uint32_t n = 0; n < FEW; n++)
        connection_claim(n);
    demux_measure("demux_10", "demux_10_worst", FEW);
    for (uint32_t n = FEW; n < MANY; n++)
        connection_claim(n);
    demux_measure("demux_1000", "demux_1000_worst", MANY);
}
