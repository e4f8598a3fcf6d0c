/*
 * Flows and packets. Demultiplexing is a part of sending: a packet to this machine's own station is demultiplexed, one to another
 * station on a machine without a network is refused just before, and all else is the same. So the difference of the two is what it
 * costs to find a packet's flow, see that it is live, and count it (it has no ring). ash_echo is the whole call that sends a packet of
 * 60 bytes to a flow whose handler answers, up to the return to user mode with the answer in the sender's ring: the kernel's entry and
 * the sender's checks are in it, an interrupt of a network device is not.
 */
#include "io.h"
#include <exo/calls.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/net.h>
#include <exo/program.h>
#include <exo/text.h>
#include "answer.h"

#define NET_ADDRESS 0x28000000ull

enum { SENDER_AT = 6, SOURCE_AT = 26, TARGET_AT = 30, SOURCE_PORT_AT = 34, PORT_AT = 36, LENGTH = 60, FEW = 10, MANY = 1000, TARGET = 5, HANDLERS = 64 };

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

/* The other end of connection TARGET. */
static void sender_claim(uint32_t flow)
{
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];

    memcpy(source, (const void *)example()->value, sizeof source);
    memcpy(value, (const void *)example()->source, sizeof value);
    memset(value + SENDER_AT, 0, 6);
    peer_put(value, TARGET_AT, PORT_AT, TARGET);
    peer_put(source, SOURCE_AT, SOURCE_PORT_AT, TARGET);
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

    for (uint32_t i = 0; i < REPETITIONS; i++)
        bench_least(&least, sending_once(flow, station, expected));
    return least;
}

static void demux_measure(const char *row, uint32_t sender)
{
    uint64_t station = exo_system_info()->station, dropped = exo_flow_info(positions->first + TARGET)->dropped;
    uint64_t found = sending_measure(sender, station, EXO_OK), refused = sending_measure(sender, station ^ 0x10000000000, EXO_BAD_NAME);

    if (exo_flow_info(positions->first + TARGET)->dropped != dropped + REPETITIONS)
        bench_fail(EXO_BAD_NAME, "demultiplexing to the flow");
    bench_print(row, found - refused, "instructions");
}

static void handlers_attach(uint32_t first, uint32_t end, const struct exo_code *code, uint32_t window)
{
    for (uint32_t flow = positions->first + first; flow < positions->first + end; flow++) {
        bench_must(exo_net_listen(&net, positions->slot, flow), "flow_attach");
        bench_must(exo_flow_handler(0, positions->slot, flow, (uint16_t)code->page, window, 1), "flow_handler");
    }
}

/* Each answer comes into the ring, and is taken out between the measurements. */
static void echo_measure(const char *row, uint32_t sender)
{
    uint64_t least = UINT64_MAX, station = exo_system_info()->station;
    uint32_t length, flow, answers = 0;

    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t ticks = sending_once(sender, station, EXO_OK);
        bench_least(&least, ticks);
        for (; exo_net_receive(&net, &length, &flow); exo_net_done(&net))
            answers += length == LENGTH && flow == sender;
    }
    if (answers != REPETITIONS)
        bench_fail(EXO_BAD_NAME, "answers of the handler");
    bench_print(row, least, "instructions");
}

static void echoes_measure(uint32_t sender)
{
    static struct exo_code code;
    static struct exo_refusal refusal;
    uint32_t window = exo_frame_alloc(&bench_frames);

    bench_must(exo_code_load(&code, &bench_space, &bench_frames, exo_start_slot(EXO_KIND_PROGRAMS, 0), EXO_CODE_MESSAGE,
                             EXO_MESSAGE_BUDGET, answer_code, sizeof answer_code / sizeof *answer_code, &refusal), "the handler");
    bench_must(exo_net_listen(&net, positions->slot, sender), "flow_attach");
    handlers_attach(TARGET, TARGET + 1, &code, window);
    echo_measure("ash_echo", sender);
    handlers_attach(0, HANDLERS, &code, window);
    echo_measure("ash_echo_64", sender);
}

void bench_net(void)
{
    own = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 0));
    positions = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 1));
    uint32_t sender = positions->first + MANY;

    bench_must(exo_net_open(&net, &bench_space, NET_ADDRESS), "a ring");
    sender_claim(sender);
    for (uint32_t n = 0; n < FEW; n++)
        connection_claim(n);
    demux_measure("demux_10", sender);
    for (uint32_t n = FEW; n < MANY; n++)
        connection_claim(n);
    demux_measure("demux_1000", sender);
    echoes_measure(sender);
}
