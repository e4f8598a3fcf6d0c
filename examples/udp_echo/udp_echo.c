/*
 * Answers each datagram to its port with itself, until one says "end": it keeps what it needs of ARP, IP and UDP (RFC 826, 791, 768)
 * here; the kernel knows of packets only whose they are. After one that says "ash" a handler in the kernel answers (handler.c).
 */
#include <exo/calls.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/net.h>
#include <exo/program.h>
#include <exo/text.h>
#include "answer.h"

#define NET_ADDRESS 0x20000000ull
#define WINDOW_ADDRESS 0x21000000ull

enum {
    STATION_SIZE = 6, KIND_AT = 12, ARP_OPERATION_AT = 20, ARP_SENDER_AT = 22, ARP_TARGET_AT = 32, ARP_SIDE = 10, ARP_SIZE = 42,
    SOURCE_AT = 26, TARGET_AT = 30, PORTS_AT = 34, DATA_AT = 42, ADDRESS_SIZE = 4, PORT_SIZE = 2, PATIENCE_NS = 1000000000,
};

static struct exo_frames frames;
static struct exo_space space;
static struct exo_net net;

static void swap(uint8_t *a, uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* To who sent it, from this station. */
static void turn(uint8_t *packet)
{
    memcpy(packet, packet + STATION_SIZE, STATION_SIZE);
    memcpy(packet + STATION_SIZE, &exo_system_info()->station, STATION_SIZE);
}

/* A question for our address becomes its answer. */
static uint32_t arp_answer(uint8_t *packet, uint32_t length)
{
    if (length < ARP_SIZE || packet[ARP_OPERATION_AT + 1] != 1)
        return 0;
    turn(packet);
    packet[ARP_OPERATION_AT + 1] = 2;
    swap(packet + ARP_SENDER_AT, packet + ARP_TARGET_AT, ARP_SIDE);
    memcpy(packet + ARP_SENDER_AT, &exo_system_info()->station, STATION_SIZE);
    return ARP_SIZE;
}

/* Addresses and ports change places, so the checksums stay right. */
static uint32_t datagram_answer(uint8_t *packet, uint32_t length)
{
    if (length < DATA_AT)
        return 0;
    turn(packet);
    swap(packet + SOURCE_AT, packet + TARGET_AT, ADDRESS_SIZE);
    swap(packet + PORTS_AT, packet + PORTS_AT + PORT_SIZE, PORT_SIZE);
    return length;
}

static bool says(const uint8_t *packet, uint32_t length, const char *word)
{
    return length == DATA_AT + 3 && packet[KIND_AT] == 8 && packet[KIND_AT + 1] == 0 && !memcmp(packet + DATA_AT, word, 3);
}

/* From now on the kernel answers, with a frame of ours as its scratch page. */
static void handler_load(const struct exo_start_capability *flows)
{
    static struct exo_code code;
    static struct exo_refusal refusal;
    uint32_t window = exo_frame_alloc(&frames);
    int64_t result = exo_space_map(&space, WINDOW_ADDRESS, window, 1, frames.capability, EXO_MAP_READ | EXO_MAP_WRITE);

    if (result == EXO_OK)
        result = exo_code_load(&code, &space, &frames, exo_start_slot(EXO_KIND_PROGRAMS, 0), EXO_CODE_MESSAGE, EXO_MESSAGE_BUDGET,
                               answer_code, sizeof answer_code / sizeof *answer_code, &refusal);
    if (result == EXO_OK)
        result = exo_flow_handler(0, flows->slot, flows->first + 1, (uint16_t)code.page, window, 1);
    if (result == EXO_REFUSED)
        exo_refusal_print("answer", answer_places, &refusal);
    if (result != EXO_OK)
        exo_print("FAIL no handler: %s", exo_status_name(result));
}

/* The first flow is ARP's, the second one the datagrams'. */
static bool packet_answer(const struct exo_start_capability *flows, uint32_t *answered)
{
    uint32_t length, flow;
    uint8_t *packet = exo_net_receive(&net, &length, &flow);

    if (!packet)
        return true;
    bool goes_on = !says(packet, length, "end"), is_arp = flow == flows->first;
    if (says(packet, length, "ash"))
        handler_load(flows);
    length = is_arp ? arp_answer(packet, length) : datagram_answer(packet, length);
    int64_t result = length ? exo_net_transmit(&net, flows->slot, flow, packet, length) : EXO_OK;
    if (result != EXO_OK)
        exo_print("cannot send: %s", exo_status_name(result));
    *answered += !is_arp && goes_on && result == EXO_OK;
    exo_net_done(&net);
    return goes_on;
}

int main(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    const struct exo_start_capability *flows = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 0));
    uint32_t answered = 0;

    exo_frames_open(&frames, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&space, &exo_start, &frames);
    int64_t result = exo_net_open(&net, &space, NET_ADDRESS);
    for (uint32_t i = 0; i < flows->count && result == EXO_OK; i++)
        result = exo_net_listen(&net, flows->slot, flows->first + i);
    if (result != EXO_OK) {
        exo_print("no network: %s", exo_status_name(result));
        return 1;
    }
    while (packet_answer(flows, &answered))
        exo_net_wait(&net, exo_time() + PATIENCE_NS);
    exo_print("%u datagrams answered by the libOS, %u by its handler, %lu dropped", answered,
              *(const volatile uint32_t *)WINDOW_ADDRESS, exo_flow_info(flows->first + 1)->dropped);
    return 0;
}
