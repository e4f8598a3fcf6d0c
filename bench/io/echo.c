/*
 * A UDP packet that comes from the network, answered by a handler: what the interrupt takes of the program that it interrupts, from
 * the trap to the return, with the device's queues, the packet's flow, the handler's run and the answer's checks in it. The packets are
 * error messages of the TFTP server in QEMU's user network, which answer requests of this program's; each is of one of 64
 * environments, which this program builds: they have a flow, a ring, memory and a loaded handler each, and never run.
 */
#include <measure.h>
#include <exo/calls.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/net.h>
#include <exo/program.h>
#include <exo/text.h>
#include "answer.h"

#define NET_ADDRESS 0x28000000ull
#define PLACE       0x30000000ull

enum {
    ENVIRONMENTS = 64, FIRST_SLOT = 40, WINDOW_SLOT = FIRST_SLOT + ENVIRONMENTS, FRAMES = 64, ROUNDS = 10,
    CODE_PAGES = 2, CODE_FRAMES = 40, VISITS = 100000,
    FLOW_ARP = 0, FLOW_EXAMPLE = 1, FIRST_PORT = 2000,
    SENDER_AT = 6, ARP_SIZE = 42, IP_AT = 14, SOURCE_AT = 26, TARGET_AT = 30, UDP_AT = 34, PORT_AT = 36, DATA_AT = 42,
    RIGHTS_MEMORY = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
};
#define WAIT_NS 1000000000ull

static const uint8_t own_address[] = {10, 0, 2, 15}, servers_address[] = {10, 0, 2, 2};
static uint8_t servers_station[6];
static struct exo_net net;
static const struct exo_start_capability *flows, *positions;

/* ---- environments */

/* A run of the child's frames with the program in it, and the program in the kernel. */
static void handler_load(struct exo_child *child, uint16_t window, uint32_t page)
{
    const struct exo_code_header header = {
        .kind = EXO_CODE_MESSAGE, .count = sizeof answer_code / sizeof *answer_code, .budget = EXO_MESSAGE_BUDGET, .visits = VISITS,
    };
    uint32_t frame = exo_frame_alloc_run(&child->frames, CODE_FRAMES, 1);
    int64_t result;

    bench_must(frame ? EXO_OK : EXO_TAKEN, "frames of a program");
    bench_must(exo_space_map(&bench_space, PLACE, frame + CODE_PAGES, 1, child->window, EXO_MAP_READ | EXO_MAP_WRITE), "a page");
    memcpy((void *)PLACE, &header, sizeof header);
    memcpy((uint8_t *)PLACE + sizeof header, answer_code, sizeof answer_code);
    bench_must(exo_space_unmap(&bench_space, PLACE, 1), "unmapping");
    bench_must(exo_program_load(child->slot, window, page, CODE_PAGES, child->frames.capability, frame, CODE_FRAMES), "loading");
    do
        result = exo_program_continue(child->slot, page);
    while (result == EXO_AGAIN);
    bench_must(result, "loading");
}

static void flow_claim(uint32_t n)
{
    const volatile struct exo_flow *example = exo_flow_info(flows->first + FLOW_EXAMPLE);
    uint8_t value[EXO_HEADER_SIZE], source[EXO_HEADER_SIZE];
    uint16_t port = FIRST_PORT + n;

    memcpy(value, (const void *)example->value, sizeof value);
    memcpy(source, (const void *)example->source, sizeof source);
    value[PORT_AT] = source[UDP_AT] = (uint8_t)(port >> 8);
    value[PORT_AT + 1] = source[UDP_AT + 1] = (uint8_t)port;
    bench_must(exo_flow_make(positions->slot, positions->first + n, example->shape, value, example->source_shape, source, 0, 0), "a flow");
}

static void environment_make(uint32_t n)
{
    static struct exo_child child;
    const struct exo_start_capability *programs = exo_start_capability(exo_start_slot(EXO_KIND_PROGRAMS, 0));
    uint32_t first = bench_frames.first + bench_frames.count - (n + 1) * FRAMES, ring = first + FRAMES - 2, flow = positions->first + n;
    uint32_t page = programs->first + n * CODE_PAGES;
    uint16_t memory, window, own;

    flow_claim(n);
    bench_must(exo_child_create(&child, &bench_space, (uint16_t)(FIRST_SLOT + n), WINDOW_SLOT, "echo"), "an environment");
    bench_must(exo_child_grant(&child, bench_frames.capability, EXO_KIND_FRAMES, RIGHTS_MEMORY, first, FRAMES, &memory), "memory");
    bench_must(exo_child_grant(&child, programs->slot, EXO_KIND_PROGRAMS, programs->rights, page, CODE_PAGES, &window), "pages");
    bench_must(exo_child_grant(&child, positions->slot, EXO_KIND_FLOWS, EXO_RIGHT_READ | EXO_RIGHT_WRITE, flow, 1, &own), "a flow");
    bench_must(exo_child_memory(&child, memory), "memory");
    bench_must(exo_net_ring_create(child.slot, memory, ring, 0), "a ring");
    bench_must(exo_flow_attach(child.slot, own, flow, ring), "flow_attach");
    handler_load(&child, window, page);
    bench_must(exo_flow_handler(child.slot, own, flow, (uint16_t)page, exo_frame_alloc(&child.frames), 1), "flow_handler");
    bench_must(exo_drop(child.window), "a window");
}

/* ---- packets */

static void put(uint8_t *to, const uint8_t *bytes, uint32_t size)
{
    memcpy(to, bytes, size);
}

static void ethernet_put(uint8_t *packet, const uint8_t target[6], uint8_t kind)
{
    put(packet, target, 6);
    put(packet + SENDER_AT, (const uint8_t *)&exo_system_info()->station, 6);
    packet[12] = 8;
    packet[13] = kind;
}

/* Where the server is (RFC 826). */
static void server_find(void)
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, question[] = {0, 1, 8, 0, 6, 4, 0, 1};
    uint8_t packet[ARP_SIZE] = {0}, *answer;
    uint32_t length, flow;

    ethernet_put(packet, everybody, 6);
    put(packet + IP_AT, question, sizeof question);
    put(packet + 22, packet + SENDER_AT, 6);
    put(packet + 28, own_address, 4);
    put(packet + 38, servers_address, 4);
    bench_must(exo_net_listen(&net, flows->slot, flows->first + FLOW_ARP), "flow_attach");
    bench_must(exo_net_transmit(&net, flows->slot, flows->first + FLOW_ARP, packet, sizeof packet), "a question");
    exo_net_wait(&net, exo_time() + WAIT_NS);
    if (!(answer = exo_net_receive(&net, &length, &flow)))
        bench_fail(EXO_BAD_NAME, "no answer of the user network");
    put(servers_station, answer + SENDER_AT, 6);
    exo_net_done(&net);
}

/* RFC 1071. */
static void sum_put(uint8_t *header, uint32_t size, uint32_t at)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < size; i += 2)
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    header[at] = (uint8_t)(~sum >> 8);
    header[at + 1] = (uint8_t)~sum;
}

/* What is sent to the server (RFC 1350): a request to read a file, which it refuses, and, to compare, an error, which it ignores. */
static const uint8_t request[] = {0, 1, 'f', 0, 'o', 'c', 't', 'e', 't', 0}, error[sizeof request] = {0, 5};

/* Ticks of the call that sends it. */
static uint64_t message_send(uint32_t n, const uint8_t *message)
{
    uint8_t packet[DATA_AT + sizeof request] = {[IP_AT] = 0x45, [IP_AT + 3] = 20 + 8 + sizeof request, [22] = 64, [23] = 17};
    uint16_t port = FIRST_PORT + n;

    ethernet_put(packet, servers_station, 0);
    put(packet + SOURCE_AT, own_address, 4);
    put(packet + TARGET_AT, servers_address, 4);
    sum_put(packet + IP_AT, 20, 10);
    packet[UDP_AT] = (uint8_t)(port >> 8);
    packet[UDP_AT + 1] = (uint8_t)port;
    packet[PORT_AT + 1] = 69;
    packet[UDP_AT + 5] = 8 + sizeof request;
    put(packet + DATA_AT, message, sizeof request);
    uint64_t before = exo_ticks();
    int64_t result = exo_net_transmit(&net, positions->slot, positions->first + n, packet, sizeof packet);
    uint64_t ticks = exo_ticks() - before;
    bench_must(result, "a request");
    return ticks;
}

/* ---- measuring */

static const volatile struct exo_flow *measured;
static uint64_t received;

static bool has_come(void)
{
    return measured->received != received;
}

/* The interrupt comes as soon as the request is sent: then the call takes longer by just that. Or it comes later. */
static uint64_t answer_measure(uint32_t n, uint64_t sending)
{
    uint64_t sent = measured->sent;

    received = measured->received;
    uint64_t ticks = message_send(n, request);
    ticks = has_come() ? ticks - sending : bench_interruption(has_come);
    if (measured->received != received + 1 || measured->sent != sent + 2 || measured->dropped)
        bench_fail(EXO_BAD_NAME, "a request was not answered by the handler");
    return ticks ? ticks : UINT64_MAX;
}

static uint64_t echo_measure(uint32_t n)
{
    uint64_t least = UINT64_MAX, sending = UINT64_MAX;

    measured = exo_flow_info(positions->first + n);
    for (uint32_t i = 0; i < ROUNDS; i++)
        bench_least(&sending, message_send(n, error));
    for (uint32_t i = 0; i < ROUNDS; i++)
        bench_least(&least, answer_measure(n, sending));
    return least;
}

int main(void)
{
    uint64_t worst = 0;

    bench_open();
    flows = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 0));
    positions = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 1));
    bench_must(exo_net_open(&net, &bench_space, NET_ADDRESS), "a ring");
    server_find();
    environment_make(0);
    bench_print("ash_echo", echo_measure(0), "instructions");
    for (uint32_t n = 1; n < ENVIRONMENTS; n++)
        environment_make(n);
    for (uint32_t n = 0; n < ENVIRONMENTS; n++) {
        uint64_t ticks = echo_measure(n);
        worst = ticks > worst ? ticks : worst;
    }
    bench_print("ash_echo_64", worst, "instructions");
    return 0;
}
