/*
 * libFuzzer: bytes become what three environments do to disk rings (submissions of any content, indices that lie, submits, closing,
 * making anew, frames freed, taken back and taken, capabilities withdrawn, dying) and what a device does (answers in any order,
 * twice, never, for places it was not given, resets that take time), on a host machine of the sizes that ship. The invariants
 * say above all that nothing the device works on has changed hands.
 */
#include "loop.h"
#include "../snapshot.h"
#include "../world.h"
#include <call.h>
#include <device.h>
#include <disk.h>
#include <dispatch.h>
#include <stdio.h>
#include <string.h>

enum {
    FRAMES = 112, A = 20, A_CAPABILITIES = 21, B = 22, B_CAPABILITIES = 23, A_SLOT = 4, B_SLOT = 5, A_FIRST = 32, B_FIRST = 64,
    COUNT = 32, ROOT_FIRST = 96, EXTENT = 6, BLOCKS = 64, REQUESTS_WANTED = 10000,
};

_Static_assert((int)FRAMES <= (int)SNAPSHOT_FRAMES, "every input starts from the same state");

static uint64_t requests, completions, resets;

static void verdict_print(void)
{
    printf("%sok 1 - %llu requests handed to a device that does as it likes, %llu completions, %llu resets, %llu checks of the invariants\n1..1\n",
           requests >= REQUESTS_WANTED ? "" : "not ", (unsigned long long)requests, (unsigned long long)completions,
           (unsigned long long)resets, (unsigned long long)fuzz_checks);
}

static void actor_make(uint32_t slot, frame_name environment, frame_name first, uint32_t block)
{
    world_actor(slot, environment, environment + 1, first, COUNT);
    MUST(CALL(CAPABILITY_DERIVE, EXTENT, slot, EXTENT, EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, block, BLOCKS));
    MUST(CALL_FOR(slot, RING_CREATE, 0, 1, first, first + 1, 0));
    world_take(slot, 1, first + 8, 16);
}

static void world_make(void)
{
    world_reset(FRAMES, 1);
    machine.disk_device[0].present = 1;
    machine.disk_device[0].info = (struct exo_disk){
        .flags = EXO_DISK_PRESENT, .blocks = 3 * BLOCKS, .request_blocks = EXO_REQUEST_BLOCKS, .discard_blocks = 64, .zero_blocks = 64,
    };
    disk_start();
    world_hold(EXTENT, EXO_KIND_EXTENT, EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, 0, 3 * BLOCKS);
    actor_make(A_SLOT, A, A_FIRST, BLOCKS);
    actor_make(B_SLOT, B, B_FIRST, 2 * BLOCKS);
    MUST(CALL(RING_CREATE, 0, ROOT_FRAMES, ROOT_FIRST, ROOT_FIRST + 1, 0));
    world_take(0, ROOT_FRAMES, ROOT_FIRST + 2, 8);
    MUST(CALL(REVOKE, ROOT_FRAMES, A, 1, 20, 0));
    MUST(CALL(REVOKE, ROOT_FRAMES, A, 1, 20, 0));
}

static frame_name who(uint8_t byte)
{
    return (const frame_name[]){ROOT, A, B}[byte % 3];
}

/* The shared half of its ring, or NULL. */
static struct exo_ring *ring_of(frame_name environment)
{
    if (frame_at(environment)->kind != EXO_FRAME_ENVIRONMENT || !environment_page(environment)->ring[0])
        return NULL;
    return ring_page(queue_page(environment_page(environment)->ring[0])->ring);
}

/* Mostly what could be allowed. */
static void submission_put(const uint8_t bytes[STEP_BYTES])
{
    frame_name environment = who(bytes[1]);
    struct exo_ring *ring = ring_of(environment);
    if (!ring)
        return;
    uint32_t block = environment == A ? BLOCKS : environment == B ? 2 * BLOCKS : 0;
    frame_name first = environment == A ? A_FIRST + 8 : environment == B ? B_FIRST + 8 : ROOT_FIRST + 2;
    bool moves = bytes[2] % 5 <= EXO_DISK_WRITE;
    struct exo_submission submission = {
        .tag = bytes[3], .block = block + bytes[4] % (BLOCKS + 2) , .frame = moves ? first + bytes[5] % 18 : 0,
        .count = bytes[2] % 5 == EXO_DISK_FLUSH ? 0 : bytes[6] % 17, .extent = EXTENT, .frames = moves ? 1 : 0, .operation = bytes[2] % 5,
    };
    if (bytes[7] > 220)
        ((uint8_t *)&submission)[bytes[6] % sizeof submission] ^= bytes[7];
    ring->submission[ring->submitted++ % EXO_RING_ENTRIES] = submission;
    if (bytes[7] % 8)
        ring->reaped = ring->completed;
}

static void index_lie(const uint8_t bytes[STEP_BYTES])
{
    struct exo_ring *ring = ring_of(who(bytes[1]));
    uint32_t value = (uint32_t)bytes[3] << (bytes[4] % 32);
    if (ring)
        ((uint32_t *)ring)[(const uint32_t[]){0, 1, 2, 16, 17}[bytes[2] % 5]] += value;
}

static void submit(frame_name environment)
{
    const struct caller caller = {.self = environment, .environment = environment, .vcpu = environment * VCPUS_PER_ENVIRONMENT};
    if (frame_at(environment)->kind == EXO_FRAME_ENVIRONMENT && environment_page(environment)->state == ENVIRONMENT_ALIVE)
        call_disk_submit(&caller, 0);
}

static void device_move(const uint8_t bytes[STEP_BYTES])
{
    struct machine_disk *device = &machine.disk_device[0];
    uint32_t place = bytes[2] % DISK_PLACES;
    if (bytes[1] > 250)
        device->nonsense = bytes[3];
    device->restart = bytes[4] % 16 ? RESTART_DONE : bytes[5] % 3;
    for (uint32_t i = 0, most = bytes[1] % 8; i < DISK_PLACES && most; i++, place = (place + 1) % DISK_PLACES) {
        if (!device->place[place].order || device->place[place].answer)
            continue;
        device->place[place].answer = ++device->answers;
        device->place[place].status = bytes[6] % 8 ? EXO_OK : EXO_DEVICE_FAILED;
        most--;
    }
}

static void interrupt(void)
{
    uint32_t before = machine.disk_device[0].restarts;
    uint64_t completed = disk_info(0)->requests;
    arch_lock();
    disk_interrupted(0);
    arch_unlock();
    completions += disk_info(0)->requests - completed;
    resets += machine.disk_device[0].restarts - before;
}

/* What takes things away, by the root or for A and B. */
static void change(const uint8_t bytes[STEP_BYTES])
{
    uint32_t subject = (const uint32_t[]){0, A_SLOT, B_SLOT}[bytes[1] % 3], frames = 1;
    frame_name first = subject == A_SLOT ? A_FIRST : subject == B_SLOT ? B_FIRST : ROOT_FIRST, frame = first + bytes[3] % COUNT;
    const struct disk_place *place = &kernel.disk[0].place[bytes[3] % DISK_PLACES];
    if (bytes[7] % 4 && place->state == PLACE_IN_DEVICE && place->queue) { /* rather one that the device works on */
        subject = queue_page(place->queue)->environment == A ? A_SLOT : queue_page(place->queue)->environment == B ? B_SLOT : 0;
        frame = place->frame + bytes[4] % 4;
    }
    switch (bytes[2] % 12) {
    case 0:
        CALL_FOR(subject, FRAME_FREE, frames, frame, 1 + bytes[4] % 8);
        CALL(FRAME_TAKE, ROOT_FRAMES, frame, 1);
        break;
    case 1: CALL_FOR(subject, FRAME_RETURN, frames, frame, 1 + bytes[4] % 8); break;
    case 2: CALL_FOR(subject, FRAME_TAKE, frames, frame, 1 + bytes[4] % 8); break;
    case 3:
        CALL(FRAME_RECLAIM, ROOT_FRAMES, frame);
        CALL(FRAME_TAKE, ROOT_FRAMES, frame, 1);
        break;
    case 4: CALL(FRAME_TAKE, ROOT_FRAMES, frame, 1 + bytes[4] % 8); break;
    case 5: CALL_FOR(subject, RING_FREE, 0); break;
    case 6: CALL_FOR(subject, RING_CREATE, 0, frames, frame, frame + 1, bytes[4]); break;
    case 7: if (bytes[5] > 200) CALL(CAPABILITY_WITHDRAW, bytes[4] % 2 ? EXTENT : ROOT_FRAMES, who(bytes[1]), bytes[4] % 2 ? EXTENT : 1); break;
    case 8: CALL(CAPABILITY_DERIVE, EXTENT, subject, EXTENT, EXO_RIGHT_READ | bytes[4], bytes[5], 1 + bytes[6] % BLOCKS); break;
    case 9: if (bytes[5] > 240) CALL(ENVIRONMENT_DESTROY, bytes[4] % 2 ? A_SLOT : B_SLOT); break;
    case 10: CALL(ENVIRONMENT_REAP, bytes[4] % 2 ? A : B); break;
    case 11: CALL_FOR(subject, CAPABILITY_WITHDRAW, 0, who(bytes[1]), EXTENT); break;
    }
}

static void step_take(const uint8_t bytes[STEP_BYTES])
{
    uint64_t begun = kernel.disk[0].begun;
    if (bytes[0] < 90)
        submission_put(bytes);
    else if (bytes[0] < 140)
        submit(who(bytes[1]));
    else if (bytes[0] < 160)
        device_move(bytes);
    else if (bytes[0] < 205)
        device_move(bytes), interrupt();
    else if (bytes[0] < 240)
        change(bytes);
    else if (bytes[0] < 246)
        index_lie(bytes);
    else if (kernel.watch)
        disk_watch(machine.time += (uint64_t)bytes[2] << (16 + bytes[3] % 12));
    requests += kernel.disk[0].begun - begun;
    machine.current = 0;
}

const struct fuzzer fuzzer = {.make = world_make, .step = step_take, .verdict = verdict_print, .check_every = 8};
