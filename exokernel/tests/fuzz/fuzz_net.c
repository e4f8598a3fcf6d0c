/*
 * libFuzzer: bytes become claims, openings, ends and attachments of flows by the root and by A, places and entries of their rings
 * with anything in them, packets sent and packets from the network. Whose a packet is, is compared with a linear search.
 */
#include "loop.h"
#include "../snapshot.h"
#include "../network.h"
#include "../world.h"
#include <flow.h>
#include <net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAMES = 96, A = 20, A_CAPABILITIES = 21, A_SLOT = 4, A_FIRST = 32, A_COUNT = 32, FLOWS_SLOT = 10, A_FLOWS = 2, A_READS = 3,
    ROOT_RING = 70, A_RING = A_FIRST + 8, SHAPES = 6, FLOWS = 24, PACKETS_WANTED = 20000,
};

static uint64_t packets, calls, matched;

static void verdict_print(void)
{
    printf("%sok 1 - %llu calls, %llu packets compared, %llu of them some flow's\n1..1\n", packets >= PACKETS_WANTED && matched ? "" : "not ",
           (unsigned long long)calls, (unsigned long long)packets, (unsigned long long)matched);
}

static uint8_t *batch(void)
{
    return (uint8_t *)context_page(vcpu_at(ROOT * VCPUS_PER_ENVIRONMENT)->context)->batch;
}

/* Shape i looks at the bytes 12 + 9k whose bit k of i is set; shape SHAPES + i at the sender's station, too, which is 0. */
static void shapes_make(void)
{
    for (uint32_t i = 0; i < 2 * SHAPES; i++) {
        memset(batch(), 0, EXO_HEADER_SIZE);
        memset(batch() + 6, i < SHAPES ? 0 : 0xff, 6);
        for (uint32_t k = 0; k < 3; k++)
            batch()[12 + 9 * k] = i % SHAPES >> k & 1 ? 0xff : 0;
        MUST(CALL(NET_SHAPE, FLOWS_SLOT, i));
    }
}

static void world_make(void)
{
    world_reset(FRAMES, 2);
    world_actor(A_SLOT, A, A_CAPABILITIES, A_FIRST, A_COUNT);
    world_vcpu(A_SLOT, 0, 1, A_FIRST + 1, A_FIRST + 2);
    world_hold(FLOWS_SLOT, EXO_KIND_FLOWS, RIGHTS_ALL, 0, FLOW_LIMIT);
    flow_begin(3);
    machine_network = 1 << 20;
    shapes_make();
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, A_FLOWS, RIGHTS_GIVEN, FLOWS / 2, FLOWS / 2));
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, A_READS, EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, 0, FLOWS));
    MUST(CALL(NET_RING_CREATE, ROOT_FRAMES, ROOT_RING, 0));
    MUST(CALL_FOR(A_SLOT, NET_RING_CREATE, 1, A_RING, 0));
    MUST(CALL(FRAME_TAKE, ROOT_FRAMES, ROOT_RING + 4, 4));
    MUST(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_RING + 4, 4));
}

static exo_result call(uint32_t subject, uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    calls++;
    return world_call(0, subject, number, (const uint64_t[6]){a, b, c, d, e});
}

static void pattern_write(uint8_t *value, uint32_t shape, const uint8_t bytes[3])
{
    memset(value, 0, EXO_HEADER_SIZE);
    for (uint32_t k = 0; k < 3; k++)
        value[12 + 9 * k] = shape % SHAPES >> k & 1 ? bytes[k] % 3 : 0;
}

static void claim(uint32_t subject, const uint8_t *bytes)
{
    uint32_t shape = bytes[2] % SHAPES, source = (const uint32_t[]){0, shape, SHAPES + shape}[bytes[2] / SHAPES % 3];
    pattern_write(batch(), shape, bytes + 3);
    pattern_write(batch() + EXO_HEADER_SIZE, source, bytes + 3);
    uint64_t own = subject ? A_FLOWS : FLOWS_SLOT, allowed = bytes[6] & 1 ? (subject ? A_READS : FLOWS_SLOT) : 0;
    if (call(subject, EXO_CALL_FLOW_CLAIM, own, bytes[1] % FLOWS, shape | source << 8, allowed, allowed ? bytes[7] % FLOWS : 0) == EXO_OK)
        call(subject, EXO_CALL_FLOW_OPEN, own, bytes[1] % FLOWS, 0, 0, 0);
}

/* A header's owner by the hash table and by looking at all flows, if all claims are valid. */
static void packet_compare(const uint8_t *bytes)
{
    struct header header = {{0}};
    uint8_t *at = (uint8_t *)header.word;
    for (uint32_t k = 0; k < 3; k++)
        at[12 + 9 * k] = bytes[k] % 4;
    struct exo_flow *flow = flow_find(&header);
    uint32_t found = flow ? (uint32_t)(flow - flow_at(0)) + 1 : 0;
    packets++;
    matched += found != 0;
    if (found != network_find(at)) {
        fprintf(stderr, "a packet is flow %u's, but found for %u\n", network_find(at), found);
        abort();
    }
}

/* Anything at all in a place and the counts of a ring. */
static void ring_scribble(frame_name ring, const uint8_t *bytes)
{
    struct exo_net_ring *shared = net_ring_page(ring);
    uint32_t n = bytes[2] % EXO_NET_RING_ENTRIES, posted = bytes[7] < 200 ? bytes[7] % 70 : bytes[7] * 0x1010101u;
    uint32_t frame = bytes[3] < 200 ? bytes[3] % FRAMES : UINT32_MAX - bytes[3];
    shared->receive[n] = (struct exo_net_receive){.frame = frame, .offset = (uint16_t)(bytes[4] * 17)};
    shared->transmit[n] = (struct exo_net_transmit){
        .frame = frame, .offset = (uint16_t)(bytes[4] * 17), .length = (uint16_t)(bytes[5] * 7), .flow = bytes[6] % (FLOWS + 1),
        .capability = bytes[6] & 1 ? A_READS : FLOWS_SLOT,
    };
    shared->receive_posted = shared->receive_done + posted;
    shared->transmit_posted = shared->transmit_done + posted;
}

static void network_gives(const uint8_t *bytes)
{
    static uint8_t buffer[2048];
    for (uint32_t k = 0; k < 3; k++)
        buffer[12 + 9 * k] = bytes[k] % 4;
    machine_log.coming = 1;
    machine_log.coming_length = bytes[3] * 9;
    machine_log.coming_bytes = buffer;
    net_interrupted();
}

static void step_take(const uint8_t bytes[STEP_BYTES])
{
    uint32_t subject = bytes[0] & 1 ? A_SLOT : 0, own = subject ? A_FLOWS : FLOWS_SLOT, ring = subject ? A_RING : ROOT_RING;
    switch (bytes[0] >> 1 & 7) {
    case 0:
    case 1:
        claim(subject, bytes);
        break;
    case 2:
        call(subject, EXO_CALL_FLOW_FREE, own, bytes[1] % (FLOWS + 1), 0, 0, 0);
        break;
    case 3:
        call(subject, EXO_CALL_FLOW_ATTACH, subject ? A_READS : FLOWS_SLOT, bytes[1] % (FLOWS + 1), bytes[2] & 3 ? ring : bytes[3], 0, 0);
        break;
    case 4:
        ring_scribble(ring, bytes);
        break;
    case 5:
        call(0, EXO_CALL_NET_SEND, bytes[1] & 7 ? ROOT_RING : bytes[2], 0, 0, 0, 0);
        break;
    case 6:
        network_gives(bytes + 1);
        break;
    default:
        machine.time += bytes[1] * 10000;
    }
    packet_compare(bytes + 3);
}

const struct fuzzer fuzzer = {.make = world_make, .step = step_take, .verdict = verdict_print, .check_every = 64};
