/*
 * Races about what lies in rings: the peer changes a packet's source, an entry or a submission while the kernel looks at it. What comes of
 * it must be what could have been asked for alone: packets that arrive have their sender's source, blocks that are read are its own.
 */
#include "peer.h"
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/net.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define NET_ADDRESS    0x24000000ull
#define RING_ADDRESS   0x25000000ull
#define BUFFER_ADDRESS 0x25001000ull
#define NEVER_NS       (exo_time() + 20000000000ull)

enum { ROUNDS = 300, ROUNDS_MOST = 30000, MET_LEAST = 5, HOLD = 400, OWN_PORT = 66, OTHER_PORT = 9, SOURCE_AT = 35, TARGET_AT = 37, DATA_AT = 42, LENGTH = 200, FILL = 0x5a };

static struct exo_net net;
static struct exo_disk_ring ring;
static const struct exo_start_capability *flows, *extent;
static volatile uint8_t *packet;
static volatile struct exo_net_transmit *entry;
static volatile struct exo_submission *submission;
static uint32_t foreign, buffer;

static void hold(uint32_t rounds)
{
    for (volatile uint32_t i = 0; i < rounds; i++)
        ;
}

/* How long after the beginning of the call. */
static void hold_somewhat(void)
{
    static uint32_t last;

    last = last * 1103515245 + 12345;
    hold((last >> 16) % HOLD);
}

/* ---- what the peer does */

static void source_spoil(void)
{
    hold_somewhat();
    packet[SOURCE_AT] = OTHER_PORT;
    hold(HOLD);
    packet[SOURCE_AT] = OWN_PORT;
}

static void frame_spoil(void)
{
    uint32_t own = entry->frame;

    hold_somewhat();
    entry->frame = foreign;
    hold(HOLD);
    entry->frame = own;
}

static void length_spoil(void)
{
    hold_somewhat();
    entry->length = UINT16_MAX;
    hold(HOLD);
    entry->length = LENGTH;
}

static void block_spoil(void)
{
    hold_somewhat();
    submission->block = extent->first + extent->count;
    hold(HOLD);
    submission->block = extent->first;
}

static void target_spoil(void)
{
    hold_somewhat();
    submission->frame = foreign;
    hold(HOLD);
    submission->frame = buffer;
}

/* Until calls met changes, or it does not happen here. */
static bool goes_on(uint32_t round, uint32_t done, uint32_t refused)
{
    return round < ROUNDS || (round < ROUNDS_MOST && (done < MET_LEAST || refused < MET_LEAST));
}

/* ---- packets, to itself */

static void packet_make(void)
{
    static const uint8_t fixed[] = { 0x08, 0x00, 0x45 };
    uint64_t station = exo_system_info()->station;
    uint8_t *bytes = net.transmit;

    memset(bytes, FILL, LENGTH);
    memset(bytes, 0, DATA_AT);
    memcpy(bytes, &station, 6);
    memcpy(bytes + 6, &station, 6);
    memcpy(bytes + 12, fixed, sizeof fixed);
    bytes[23] = 17;
    bytes[SOURCE_AT] = bytes[TARGET_AT] = OWN_PORT;
}

static bool arrivals_are_sound(void)
{
    uint32_t length, flow;
    bool fine = true;

    for (uint8_t *bytes; (bytes = exo_net_receive(&net, &length, &flow)); exo_net_done(&net)) {
        fine &= check_equal("source", bytes[SOURCE_AT], OWN_PORT) & check_equal("length", length, LENGTH);
        for (uint32_t at = DATA_AT; at < LENGTH && fine; at++)
            fine = check_equal("a byte of the packet", bytes[at], FILL);
    }
    return fine;
}

/* The next entry is always the first: the ring is taken up from there again after as many as it has. */
static bool sending_survives(void (*spoil)(void), int64_t refusal)
{
    uint32_t sent = 0, refused = 0;
    bool fine = true;

    packet_make();
    for (uint32_t i = 0; i < EXO_NET_RING_ENTRIES; i++) /* all entries mean the one packet */
        net.ring->transmit[i] = (struct exo_net_transmit){
            .frame = net.ring->transmit[0].frame, .offset = net.ring->transmit[0].offset, .length = LENGTH, .flow = flows->first, .capability = flows->slot,
        };
    for (uint32_t round = 0; goes_on(round, sent, refused) && fine; round++) {
        uint32_t n = net.ring->transmit_posted % EXO_NET_RING_ENTRIES;
        entry = &net.ring->transmit[n];
        peer_repeat(spoil);
        net.ring->transmit_posted++;
        check_must("net_send", exo_net_send(net.frame));
        peer_repeat(0);
        int64_t status = -(int64_t)entry->status;
        sent += status == EXO_OK;
        refused += status == refusal;
        fine = (status == EXO_OK || check_equal("status", status, refusal)) && arrivals_are_sound();
    }
    exo_print("  %u sent, %u refused", sent, refused);
    return fine & check_equal("changes before the look", refused >= MET_LEAST, true) & check_equal("and after it", sent >= MET_LEAST, true);
}

static bool a_source_changed_during_the_call_is_not_sent(void)
{
    return sending_survives(source_spoil, EXO_WRONG_KIND);
}

static bool a_frame_changed_during_the_call_is_not_read(void)
{
    return sending_survives(frame_spoil, EXO_BAD_NAME);
}

static bool a_length_changed_during_the_call_is_not_believed(void)
{
    return sending_survives(length_spoil, EXO_BAD_ARGUMENT);
}

/* ---- blocks */

static uint64_t *words(void)
{
    return (uint64_t *)BUFFER_ADDRESS;
}

static void words_fill(uint64_t value)
{
    for (uint32_t i = 0; i < EXO_FRAME_SIZE / sizeof *words(); i++)
        words()[i] = value;
}

static bool words_are(uint64_t value)
{
    for (uint32_t i = 0; i < EXO_FRAME_SIZE / sizeof *words(); i++)
        if (words()[i] != value)
            return check_equal("a word that was read", (int64_t)words()[i], (int64_t)value);
    return true;
}

/* The first own block, which holds FILL, is read while the peer changes the submission. */
static bool reading_survives(void (*spoil)(void), int64_t refusal)
{
    struct exo_completion completion;
    uint32_t read = 0, refused = 0;
    bool fine = true;

    words_fill(FILL);
    check_must("write", exo_disk_run(&ring, EXO_DISK_WRITE, extent->first, buffer, 1));
    for (uint32_t round = 0; goes_on(round, read, refused) && fine; round++) {
        words_fill(0);
        submission = &ring.ring->submission[ring.ring->submitted % EXO_RING_ENTRIES];
        exo_disk_put(&ring, EXO_DISK_READ, round, extent->first, buffer, 1);
        peer_repeat(spoil);
        exo_disk_submit(ring.disk);
        peer_repeat(0);
        if (!exo_disk_wait(&ring, NEVER_NS, &completion))
            return check_equal("completed", false, true);
        read += completion.status == EXO_OK;
        refused += completion.status == refusal;
        fine = completion.status == EXO_OK ? words_are(FILL) : check_equal("status", completion.status, refusal) && words_are(0);
    }
    exo_print("  %u read, %u refused", read, refused);
    return fine & check_equal("changes before the look", refused >= MET_LEAST, true) & check_equal("and after it", read >= MET_LEAST, true);
}

static bool a_block_changed_during_the_call_is_not_read(void)
{
    return reading_survives(block_spoil, EXO_BAD_CAPABILITY);
}

static bool a_target_changed_during_the_call_is_not_written(void)
{
    return reading_survives(target_spoil, EXO_BAD_CAPABILITY);
}

int main(void)
{
    static const struct check_case cases[] = {
        CASE(a_source_changed_during_the_call_is_not_sent), CASE(a_frame_changed_during_the_call_is_not_read),
        CASE(a_length_changed_during_the_call_is_not_believed), CASE(a_block_changed_during_the_call_is_not_read),
        CASE(a_target_changed_during_the_call_is_not_written),
    };

    memory_open();
    fault_begin();
    flows = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, 0));
    extent = exo_disk_extent(0);
    foreign = memory_frames.first - 1;
    check_must("a ring for packets", exo_net_open(&net, &memory_space, NET_ADDRESS));
    check_must("a flow", exo_net_listen(&net, flows->slot, flows->first));
    packet = net.transmit;
    check_must("a ring to the disk", exo_disk_open(&ring, extent, &memory_space, RING_ADDRESS));
    buffer = exo_frame_alloc(&memory_frames);
    check_must("a buffer", exo_space_map(&memory_space, BUFFER_ADDRESS, buffer, 1, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
    peer_start();
    check_run(CASES(cases));
    return check_status();
}
