/* Disks, with a device that does what the test says. The root, ANN and BOB each have an extent of disk 0 and a ring to it. */
#include "scene.h"
#include <disk.h>
#include <dispatch.h>
#include <device.h>
#include <flush.h>
#include <string.h>

enum {
    ROOT_DISK = 8, OWN_EXTENT = 3, EXTENT_COUNT = 1000, ANN_BLOCK = 1000, BOB_BLOCK = 2000,
    ROOT_RING = 100, /* and its other half */
    ROOT_DATA = 104, ROOT_DATA_COUNT = 8,
    RIGHTS_DISK = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT,
    UNFINISHED = 1, /* instead of a status */
    RING_AT = 16, DATA_AT = 20, DATA_COUNT = 8, /* of an actor's frames */
};

#define DEVICE  (&machine.disk_device[0])
#define PATIENT 11000000000ull

static struct exo_ring *ring_of(frame_name environment)
{
    return ring_page(queue_page(environment_page(environment)->ring[0])->ring);
}

static struct caller caller_of(frame_name environment)
{
    return (struct caller){.self = environment, .environment = environment, .vcpu = environment * VCPUS_PER_ENVIRONMENT};
}

static exo_result submit(frame_name environment)
{
    struct caller caller = caller_of(environment);
    return call_disk_submit(&caller, 0);
}

static void put(frame_name environment, struct exo_submission submission)
{
    struct exo_ring *ring = ring_of(environment);
    ring->submission[ring->submitted++ % EXO_RING_ENTRIES] = submission;
}

static struct exo_submission reading(frame_name environment, uint64_t tag)
{
    uint32_t block = environment == ANN ? ANN_BLOCK : environment == BOB ? BOB_BLOCK : 0;
    bool is_root = environment == ROOT;
    return (struct exo_submission){
        .tag = tag, .block = block, .frame = is_root ? ROOT_DATA : environment + DATA_AT, .count = 1,
        .extent = is_root ? ROOT_DISK : OWN_EXTENT, .frames = is_root ? ROOT_FRAMES : OWN_FRAMES, .operation = EXO_DISK_READ,
    };
}

/* What the ring's next completion says. */
static exo_result completed(frame_name environment, uint64_t tag)
{
    struct exo_ring *ring = ring_of(environment);
    if (ring->reaped == ring->completed)
        return UNFINISHED;
    const struct exo_completion *completion = &ring->completion[ring->reaped++ % EXO_RING_ENTRIES];
    ck_assert_uint_eq(completion->tag, tag);
    return completion->status;
}

static void interrupt(void)
{
    machine.current = 0;
    arch_lock();
    disk_interrupted(0);
    arch_unlock();
}

/* The device is done with the place, and says so. */
static void answer(uint32_t place, exo_result status)
{
    ck_assert(DEVICE->place[place].order);
    DEVICE->place[place].answer = ++DEVICE->answers;
    DEVICE->place[place].status = status;
}

static uint32_t in_device(void)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < DISK_PLACES; place++)
        count += DEVICE->place[place].order != 0;
    return count;
}

/* The one that was handed over first of those that it works on. */
static uint32_t eldest(void)
{
    uint32_t first = DISK_PLACES;
    for (uint32_t place = 0; place < DISK_PLACES; place++)
        if (DEVICE->place[place].order && (first == DISK_PLACES || DEVICE->place[place].order < DEVICE->place[first].order))
            first = place;
    ck_assert_uint_lt(first, DISK_PLACES);
    return first;
}

static frame_name user_of(uint32_t place)
{
    frame_name queue = kernel.disk[0].place[place].queue;
    return queue ? queue_page(queue)->environment : 0;
}

static void watch(uint64_t time)
{
    machine.time = time;
    machine.current = 0;
    disk_watch(time);
}

/* A call again and again, the other processor flushing meanwhile, as long as it answers AGAIN. */
static exo_result settle(uint32_t subject, uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 50 && result == EXO_AGAIN; i++) {
        result = unit_call(0, subject, number, (const uint64_t[6]){a, b, c});
        world_interrupt(1);
        machine.current = 0;
    }
    return result;
}

static void actor_open(uint32_t slot, frame_name environment, uint32_t block)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_DISK, slot, OWN_EXTENT, RIGHTS_DISK, block, EXTENT_COUNT));
    MUST(CALL_FOR(slot, RING_CREATE, 0, OWN_FRAMES, environment + RING_AT, environment + RING_AT + 1, 1));
    world_take(slot, OWN_FRAMES, environment + DATA_AT, DATA_COUNT);
}

static void setup(void)
{
    scene_setup();
    DEVICE->present = 1;
    DEVICE->info = (struct exo_disk){
        .flags = EXO_DISK_PRESENT | EXO_DISK_CAN_FLUSH | EXO_DISK_CAN_DISCARD, .blocks = 4000, .request_blocks = EXO_REQUEST_BLOCKS,
        .discard_blocks = 100,
    };
    disk_start();
    world_hold(ROOT_DISK, EXO_KIND_EXTENT, RIGHTS_DISK, 0, 4000);
    MUST(CALL(RING_CREATE, 0, ROOT_FRAMES, ROOT_RING, ROOT_RING + 1, 0));
    world_take(0, ROOT_FRAMES, ROOT_DATA, ROOT_DATA_COUNT);
    actor_open(ANN_SLOT, ANN, ANN_BLOCK);
    actor_open(BOB_SLOT, BOB, BOB_BLOCK);
    MUST(settle(0, EXO_CALL_SPACE_FLUSH, 0, 0, 0));
}

START_TEST(request_goes_to_the_device_and_back)
{
    put(ROOT, reading(ROOT, 77));
    GIVES(CALL(DISK_SUBMIT, 0), 1);
    ck_assert_uint_eq(ring_of(ROOT)->started, 1);
    ck_assert_uint_eq(DEVICE->kicks, 1);
    const struct disk_place *request = &DEVICE->place[0].request;
    ck_assert_uint_eq(request->block, 0);
    ck_assert_uint_eq(request->frame, ROOT_DATA);
    ck_assert_uint_eq(request->count, 1);
    ck_assert_uint_eq(request->operation, EXO_DISK_READ);
    GIVES(completed(ROOT, 77), UNFINISHED);
    answer(0, EXO_OK);
    interrupt();
    IS(completed(ROOT, 77), OK);
    ck_assert_uint_eq(events_take(root) & EXO_EVENT_IO, EXO_EVENT_IO);
    ck_assert_uint_eq(disk_info(0)->requests, 1);
    ck_assert_uint_eq(disk_info(0)->in_flight, 0);
}
END_TEST

START_TEST(ring_create_checks_its_arguments)
{
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, 112, 113, VCPUS_PER_ENVIRONMENT), BAD_NAME);
    IS(CALL(RING_CREATE, DISK_LIMIT, ROOT_FRAMES, 112, 113, 0), BAD_NAME);
    IS(CALL(RING_CREATE, 1, ROOT_FRAMES, 112, 113, 0), BAD_NAME);
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, 112, 113, 0), TAKEN);
    IS(CALL(RING_FREE, 1), BAD_NAME);
    IS(CALL(RING_FREE, 0), OK);
    IS(CALL(RING_FREE, 0), BAD_NAME);
    IS(CALL(DISK_SUBMIT, 0), BAD_NAME);
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, 112, 112, 0), BAD_ARGUMENT);
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, 112, NO_FRAME, 0), BAD_NAME);
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, ROOT_DATA, 112, 0), TAKEN);
    IS(CALL(RING_CREATE, 0, ROOT_DISK, 112, 113, 0), BAD_CAPABILITY);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 9, EXO_RIGHT_TAKE, 112, 4));
    IS(CALL(RING_CREATE, 0, 9, 112, 113, 0), NO_RIGHT);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_DATA, 1), 1);
    flush_begin();
    machine.frame[ROOT_DATA].link = machine.system.flush_epoch;
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, ROOT_DATA, 112, 0), AGAIN);
}
END_TEST

START_TEST(shared_half_is_bound_and_the_kernels_is_not)
{
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, 112, 113, 1));
    GIVES(BIND(0, .table = 112, .frame = ROOT_RING, .capability = ROOT_FRAMES, .flags = WRITABLE), 1);
    IS(BIND(0, .address = 4096, .table = 112, .frame = ROOT_RING + 1, .capability = ROOT_FRAMES, .flags = READ), WRONG_KIND);
    IS(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_RING, 1), WRONG_KIND);
    IS(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_RING + 1, 1), WRONG_KIND);
    put(ROOT, (struct exo_submission){.tag = 1, .block = 0, .frame = ROOT_RING, .count = 1, .extent = ROOT_DISK, .frames = ROOT_FRAMES});
    put(ROOT, (struct exo_submission){.tag = 2, .block = 0, .frame = ROOT_RING + 1, .count = 1, .extent = ROOT_DISK, .frames = ROOT_FRAMES});
    submit(ROOT);
    IS(completed(ROOT, 1), WRONG_KIND);
    IS(completed(ROOT, 2), WRONG_KIND);
}
END_TEST

/* Put it into ANN's ring: how it ends at once. */
static exo_result refused(struct exo_submission submission)
{
    submission.tag = 5;
    put(ANN, submission);
    ck_assert_int_eq(submit(ANN), 1);
    return completed(ANN, 5);
}
#define REFUSED(status, ...)                                                                                           \
    do {                                                                                                               \
        struct exo_submission s = reading(ANN, 5);                                                                     \
        __VA_ARGS__;                                                                                                   \
        IS(refused(s), status);                                                                                        \
    } while (0)

START_TEST(wrong_requests_end_at_once)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_DISK, ANN_SLOT, 40, EXO_RIGHT_READ, ANN_BLOCK, 8));
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_FRAMES, 0, 42, EXO_RIGHT_READ, ANN, 32));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, ANN_SLOT, 43, EXO_RIGHT_READ | EXO_RIGHT_WRITE, BOB, 32));
    REFUSED(BAD_ARGUMENT, s.operation = EXO_DISK_ZERO + 1);
    REFUSED(BAD_ARGUMENT, s.reserved0 = 1);
    REFUSED(BAD_ARGUMENT, s.reserved1 = 1);
    REFUSED(BAD_ARGUMENT, s.count = 0);
    REFUSED(BAD_ARGUMENT, s.count = EXO_REQUEST_BLOCKS + 1);
    REFUSED(BAD_ARGUMENT, s.operation = EXO_DISK_FLUSH);
    REFUSED(BAD_ARGUMENT, s.operation = EXO_DISK_FLUSH; s.count = 0);
    REFUSED(BAD_ARGUMENT, s.operation = EXO_DISK_DISCARD; s.frame = s.frames = 0; s.count = 101);
    REFUSED(UNSUPPORTED, s.operation = EXO_DISK_ZERO; s.frame = s.frames = 0);
    REFUSED(BAD_NAME, s.block = 1 << EXO_DISK_SHIFT);
    REFUSED(BAD_NAME, s.block = UINT32_MAX);
    REFUSED(BAD_NAME, s.frame = UINT32_MAX);
    REFUSED(BAD_NAME, s.frame = kernel.frame_count - 1; s.count = 2);
    REFUSED(BAD_CAPABILITY, s.block = ANN_BLOCK - 1);
    REFUSED(BAD_CAPABILITY, s.block = ANN_BLOCK + EXTENT_COUNT);
    REFUSED(BAD_CAPABILITY, s.block = ANN_BLOCK + EXTENT_COUNT - 1; s.count = 2);
    REFUSED(BAD_CAPABILITY, s.extent = OWN_FRAMES);
    REFUSED(BAD_CAPABILITY, s.extent = 0);
    REFUSED(BAD_CAPABILITY, s.extent = UINT16_MAX);
    REFUSED(BAD_CAPABILITY, s.frames = OWN_EXTENT);
    REFUSED(BAD_CAPABILITY, s.frame = ROOT_DATA);
    REFUSED(BAD_CAPABILITY, s.frame = ANN + 31; s.count = 2);
    REFUSED(NO_RIGHT, s.extent = 40; s.operation = EXO_DISK_WRITE);
    REFUSED(NO_RIGHT, s.frames = 42);
    REFUSED(NO_RIGHT, s.frames = 43; s.frame = BOB + DATA_AT);          /* and BOB's */
    REFUSED(NO_RIGHT, s.frame = ANN + DATA_AT + DATA_COUNT - 1; s.count = 2); /* the second is free */
    REFUSED(WRONG_KIND, s.frame = ANN + 4);                             /* its context page */
    REFUSED(WRONG_KIND, s.frame = ANN + 12);                            /* its page table */
    REFUSED(NO_RIGHT, s.frame = ANN);                                   /* itself, owned by the root */
    ck_assert_uint_eq(in_device(), 0);
    ck_assert_uint_eq(disk_info(0)->requests, 0);
}
END_TEST

/* A capability reaches frames of many claims; a request is of one. */
START_TEST(frames_of_two_claims_are_no_request)
{
    struct exo_submission submission = reading(ROOT, 3);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, ANN + DATA_AT - 1, 1), 1);
    submission.frame = ANN + DATA_AT - 1;
    put(ROOT, submission);
    submission.count = 2; /* the second is ANN's */
    put(ROOT, submission);
    ck_assert_int_eq(submit(ROOT), 2);
    IS(completed(ROOT, 3), NO_RIGHT);
    ck_assert_uint_eq(in_device(), 1);
}
END_TEST

START_TEST(read_only_disk_is_not_written)
{
    disk_info(0)->flags |= EXO_DISK_READ_ONLY;
    REFUSED(UNSUPPORTED, s.operation = EXO_DISK_WRITE);
    REFUSED(UNSUPPORTED, s.operation = EXO_DISK_DISCARD; s.frame = s.frames = 0);
    GIVES(refused(reading(ANN, 5)), UNFINISHED);
}
END_TEST

START_TEST(all_operations_reach_the_device)
{
    struct exo_submission s = reading(ANN, 0);
    s.operation = EXO_DISK_WRITE;
    put(ANN, s);
    s.frame = s.frames = 0;
    s.operation = EXO_DISK_DISCARD;
    put(ANN, s);
    s.operation = EXO_DISK_FLUSH;
    s.count = 0;
    put(ANN, s);
    GIVES(submit(ANN), 3);
    ck_assert_uint_eq(DEVICE->kicks, 1); /* one doorbell */
    ck_assert_uint_eq(DEVICE->place[0].request.operation, EXO_DISK_WRITE);
    ck_assert_uint_eq(DEVICE->place[1].request.operation, EXO_DISK_DISCARD);
    ck_assert_uint_eq(DEVICE->place[2].request.operation, EXO_DISK_FLUSH);
    answer(1, EXO_DEVICE_FAILED);
    answer(0, EXO_UNSUPPORTED);
    interrupt();
    IS(completed(ANN, 0), DEVICE_FAILED);
    IS(completed(ANN, 0), UNSUPPORTED);
    ck_assert_uint_eq(disk_info(0)->errors, 1);
}
END_TEST

START_TEST(indices_that_lie_harm_only_their_ring)
{
    struct exo_ring *ring = ring_of(ANN);
    ring->submitted = 0x80000000; /* all entries are zeros */
    submit(ANN);
    ck_assert_uint_eq(ring->started, queue_page(ANN + RING_AT + 1)->started);
    ck_assert_uint_le(ring->completed, EXO_RING_ENTRIES);
    for (uint32_t i = 0; i < 50; i++) {
        ring->started = ring->completed = 0xdead;
        ring->reaped = i * 0x10000001;
        submit(ANN);
        interrupt();
    }
    ck_assert_uint_eq(in_device(), 0);
    put(ROOT, reading(ROOT, 1));
    GIVES(submit(ROOT), 1);
}
END_TEST

START_TEST(no_more_is_taken_up_than_completions_have_room)
{
    for (uint32_t i = 0; i < 200; i++) {
        put(ROOT, (struct exo_submission){.tag = i, .operation = 99});
        submit(ROOT);
        interrupt();
    }
    ck_assert_uint_eq(ring_of(ROOT)->completed, EXO_RING_ENTRIES);
    for (uint32_t i = 0; i < EXO_RING_ENTRIES; i++)
        IS(completed(ROOT, i), BAD_ARGUMENT);
}
END_TEST

START_TEST(call_does_bounded_work_and_interrupts_go_on)
{
    for (uint32_t i = 0; i < EXO_RING_ENTRIES; i++)
        put(ROOT, (struct exo_submission){.tag = i, .operation = 99});
    exo_result taken = CALL(DISK_SUBMIT, 0);
    ck_assert_int_gt(taken, 0);
    ck_assert_int_lt(taken, EXO_RING_ENTRIES);
    ck_assert_uint_eq(DEVICE->agains, 1);
    for (uint32_t i = 0; i < EXO_RING_ENTRIES; i++)
        interrupt();
    ck_assert_uint_eq(ring_of(ROOT)->completed, EXO_RING_ENTRIES);
}
END_TEST

START_TEST(quiet_ring_gets_no_events)
{
    ring_of(ROOT)->quiet = 1;
    put(ROOT, reading(ROOT, 1));
    submit(ROOT);
    answer(0, EXO_OK);
    interrupt();
    IS(completed(ROOT, 1), OK);
    ck_assert_uint_eq(events_take(root) & EXO_EVENT_IO, 0);
}
END_TEST

START_TEST(completion_wakes_a_sleeper)
{
    put(ROOT, reading(ROOT, 1));
    submit(ROOT);
    CALL(SLICE_SLEEP, EXO_NEVER, EXO_EVENT_IO, 0);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_ASLEEP);
    answer(0, EXO_OK);
    interrupt();
    ck_assert_uint_eq(state_of(root), EXO_VCPU_READY);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

/* ---- fairness */

START_TEST(ring_has_no_more_than_its_share_in_the_device)
{
    for (uint32_t i = 0; i < 40; i++)
        put(ANN, reading(ANN, i));
    for (uint32_t i = 0; i < 40; i++) {
        submit(ANN);
        interrupt();
    }
    ck_assert_uint_eq(in_device(), RING_SHARE);
    for (uint32_t i = 0; i < 40; i++) {
        answer(eldest(), EXO_OK);
        interrupt();
    }
    for (uint32_t i = 0; i < 40; i++)
        IS(completed(ANN, i), OK);
}
END_TEST

/* Places that are all taken: rings wait in a list, and take turns. */
START_TEST(who_floods_does_not_starve_others)
{
    uint32_t turns[3] = {0};
    const frame_name who[3] = {ROOT, ANN, BOB};
    uint32_t number = kernel.disk[0].begun;
    /* a place that is never answered holds the window: only 64 requests fit behind it */
    put(ROOT, reading(ROOT, 1000));
    submit(ROOT);
    for (uint32_t round = 0; round < 600; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            ring_of(who[i])->reaped = ring_of(who[i])->completed;
            while (ring_of(who[i])->submitted - ring_of(who[i])->started < (i == 1 ? EXO_RING_ENTRIES : 2))
                put(who[i], reading(who[i], round));
            for (uint32_t again = 0; again < (i == 1 ? 5 : 1); again++)
                submit(who[i]); /* ANN asks far more often */
        }
        uint32_t place = eldest();
        if (place == number % DISK_PLACES && in_device() > 1) { /* leave the first alone for a while */
            uint32_t order = DEVICE->place[place].order;
            DEVICE->place[place].order = UINT32_MAX;
            place = eldest();
            DEVICE->place[number % DISK_PLACES].order = order;
        }
        frame_name user = user_of(place);
        turns[user == ROOT ? 0 : user == ANN ? 1 : 2]++;
        answer(place, EXO_OK);
        interrupt();
        if (kernel.disk[0].begun - kernel.disk[0].ended == DISK_PLACES) {
            answer(number % DISK_PLACES, EXO_OK);
            interrupt();
            number = kernel.disk[0].ended;
        }
    }
    ck_assert_uint_gt(turns[0], 100);
    ck_assert_uint_gt(turns[2], 100);
}
END_TEST

START_TEST(rings_that_wait_take_turns)
{
    for (uint32_t place = 0; place < DISK_PLACES; place++) /* as if others had them all */
        kernel.disk[0].place[place] = (struct disk_place){.state = PLACE_IN_DEVICE, .operation = EXO_DISK_FLUSH};
    kernel.disk[0].begun = kernel.disk[0].again = DISK_PLACES;
    disk_info(0)->in_flight = DISK_PLACES;
    for (uint32_t place = 0; place < DISK_PLACES; place++)
        DEVICE->place[place].order = place + 1;
    for (uint32_t i = 0; i < 12; i++)
        put(ANN, reading(ANN, i));
    GIVES(submit(ANN), 0);
    put(BOB, reading(BOB, 1));
    put(ROOT, reading(ROOT, 1));
    put(ROOT, reading(ROOT, 2));
    GIVES(submit(BOB), 0);
    GIVES(submit(ROOT), 0);
    ck_assert_uint_eq(disk_info(0)->waiting, 3);
    const frame_name order[] = {ANN, BOB, ROOT, ANN, ROOT, ANN, ANN};
    for (uint32_t i = 0; i < 7; i++) {
        answer(i, EXO_OK);
        interrupt();
        ck_assert_uint_eq(user_of(i), order[i]);
    }
}
END_TEST

START_TEST(time_in_interrupts_is_the_rings_debt)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    answer(0, EXO_OK);
    machine_tick = 100;
    interrupt();
    ck_assert_uint_gt(vcpu_at(vcpu_of(ANN, 1))->excess_ns, 0);
    ck_assert_uint_eq(events_take(vcpu_of(ANN, 1)) & EXO_EVENT_IO, EXO_EVENT_IO);
}
END_TEST

/* ---- withdrawal with requests in flight */

START_TEST(freed_frame_waits_for_the_device)
{
    put(ROOT, reading(ROOT, 1));
    submit(ROOT);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_DATA, 1), 1);
    IS(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ROOT_DATA, 1), AGAIN);
    for (uint32_t i = 0; i < 4; i++)
        put(ANN, reading(ANN, i)); /* what comes later does not prolong it */
    submit(ANN);
    answer(0, EXO_OK);
    interrupt();
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ROOT_DATA, 1), 1);
    ck_assert_uint_eq(in_device(), 4);
}
END_TEST

START_TEST(flush_request_holds_up_nobody)
{
    put(ROOT, (struct exo_submission){.operation = EXO_DISK_FLUSH, .extent = ROOT_DISK});
    submit(ROOT);
    ck_assert_uint_eq(in_device(), 1);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_DATA, 1), 1);
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ROOT_DATA, 1), 1);
}
END_TEST

START_TEST(later_request_in_flight_is_waited_for_when_an_older_one_ends)
{
    put(ROOT, reading(ROOT, 1));
    put(ROOT, reading(ROOT, 2));
    submit(ROOT);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_DATA, 1), 1);
    answer(0, EXO_OK);
    interrupt();
    IS(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ROOT_DATA, 1), AGAIN);
    answer(1, EXO_OK);
    interrupt();
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ROOT_DATA, 1), 1);
}
END_TEST

START_TEST(withdrawn_extent_is_over_when_the_device_is_done)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    IS(settle(0, EXO_CALL_CAPABILITY_WITHDRAW, ROOT_DISK, ANN, OWN_EXTENT), AGAIN);
    put(ANN, reading(ANN, 2));
    submit(ANN);
    IS(completed(ANN, 2), BAD_CAPABILITY);
    answer(0, EXO_OK);
    interrupt();
    IS(settle(0, EXO_CALL_CAPABILITY_WITHDRAW, ROOT_DISK, ANN, OWN_EXTENT), OK);
    IS(completed(ANN, 1), OK);
}
END_TEST

START_TEST(frame_taken_by_force_waits_for_the_device)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    MUST(CALL(REVOKE, ROOT_FRAMES, ANN, OWN_FRAMES, 1, 0));
    MUST(CALL(REVOKE, ROOT_FRAMES, ANN, OWN_FRAMES, 1, 0));
    IS(settle(0, EXO_CALL_FRAME_RECLAIM, ROOT_FRAMES, ANN + DATA_AT, 0), OK);
    put(ANN, reading(ANN, 2));
    submit(ANN);
    IS(completed(ANN, 2), WRONG_KIND);
    IS(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ANN + DATA_AT, 1), AGAIN);
    answer(0, EXO_OK);
    interrupt();
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ANN + DATA_AT, 1), 1);
}
END_TEST

/* One half of ANN's ring, while the device has a request of it. */
static void half_is_taken(uint32_t half)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    MUST(CALL(REVOKE, ROOT_FRAMES, ANN, OWN_FRAMES, 1, 0));
    MUST(CALL(REVOKE, ROOT_FRAMES, ANN, OWN_FRAMES, 1, 0));
    IS(settle(0, EXO_CALL_FRAME_RECLAIM, ROOT_FRAMES, ANN + RING_AT + half, 0), OK);
    IS(submit(ANN), BAD_NAME);
    ck_assert_uint_eq(machine.frame[ANN + RING_AT + !half].kind, EXO_FRAME_DATA);
    answer(0, EXO_OK);
    interrupt();
    ck_assert_uint_eq(disk_info(0)->in_flight, 0);
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ANN + RING_AT + half, 1), 1);
}

START_TEST(shared_half_taken_by_force_closes_the_ring)
{
    half_is_taken(0);
}
END_TEST

START_TEST(kernels_half_taken_by_force_closes_the_ring)
{
    half_is_taken(1);
}
END_TEST

START_TEST(closed_ring_leaves_its_requests_to_the_device)
{
    put(ROOT, reading(ROOT, 1));
    submit(ROOT);
    IS(CALL(RING_FREE, 0), OK);
    ck_assert_uint_eq(machine.frame[ROOT_RING].kind, EXO_FRAME_DATA);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, ROOT_RING, 2), 2);
    IS(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ROOT_RING, 1), AGAIN);
    IS(CALL(RING_CREATE, 0, ROOT_FRAMES, 112, 113, 0), AGAIN); /* or it would have a share for each ring that it closes */
    answer(0, EXO_OK);
    interrupt();
    MUST(CALL(RING_CREATE, 0, ROOT_FRAMES, 112, 113, 0));
    ck_assert_uint_eq(ring_of(ROOT)->completed, 0);
    ck_assert_uint_eq(disk_info(0)->in_flight, 0);
}
END_TEST

/* Withdraw or reap until it is over. */
static exo_result end_actor(uint32_t slot, frame_name environment)
{
    exo_result result = EXO_AGAIN;
    MUST(CALL(ENVIRONMENT_DESTROY, slot));
    for (uint32_t i = 0; i < 400 && result != EXO_OK; i++) {
        result = CALL(ENVIRONMENT_REAP, environment);
        world_interrupt(1);
        machine.current = 0;
    }
    return result;
}

START_TEST(environment_that_dies_leaves_its_requests_to_the_device)
{
    for (uint32_t i = 0; i < 30; i++)
        put(ANN, reading(ANN, i));
    submit(ANN);
    uint32_t count = in_device();
    IS(end_actor(ANN_SLOT, ANN), AGAIN);
    for (uint32_t i = 0; i < count; i++) {
        answer(eldest(), EXO_OK);
        interrupt();
    }
    ck_assert_uint_eq(in_device(), 0); /* nothing of the dead was taken up */
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 400 && result != EXO_OK; i++) {
        result = CALL(ENVIRONMENT_REAP, ANN);
        world_interrupt(1);
        machine.current = 0;
    }
    IS(result, OK);
    ck_assert_uint_eq(disk_info(0)->waiting, 0);
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ANN + DATA_AT, 1), 1);
}
END_TEST

START_TEST(ring_of_the_dying_is_served_no_more)
{
    for (uint32_t i = 0; i < 30; i++)
        put(ANN, reading(ANN, i));
    submit(ANN);
    while (in_device() < RING_SHARE)
        interrupt();
    MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
    answer(0, EXO_OK);
    interrupt();
    ck_assert_uint_eq(in_device(), RING_SHARE - 1);
}
END_TEST

/* ---- devices that do wrong */

START_TEST(silent_device_is_reset_and_asked_again)
{
    put(ANN, reading(ANN, 1));
    put(BOB, reading(BOB, 2));
    submit(ANN);
    submit(BOB);
    ck_assert_uint_ne(kernel.watch, 0);
    watch(PATIENT / 2);
    ck_assert_uint_eq(DEVICE->restarts, 0);
    watch(PATIENT);
    ck_assert_uint_eq(DEVICE->restarts, 1);
    ck_assert_uint_eq(disk_info(0)->resets, 1);
    ck_assert_uint_eq(in_device(), 0);
    for (uint32_t i = 0; i < 3; i++)
        interrupt();
    ck_assert_uint_eq(in_device(), 2);
    answer(eldest(), EXO_OK);
    answer(1, EXO_OK);
    interrupt();
    IS(completed(ANN, 1), OK);
    IS(completed(BOB, 2), OK);
}
END_TEST

START_TEST(request_that_is_newer_than_the_look_is_not_late)
{
    machine.time = 5000;
    put(ANN, reading(ANN, 1));
    submit(ANN);
    machine.current = 0;
    disk_watch(4000); /* the other processor's request came after this one had read the clock */
    ck_assert_uint_eq(DEVICE->restarts, 0);
}
END_TEST

START_TEST(what_is_not_allowed_any_more_is_not_asked_again)
{
    put(ANN, reading(ANN, 1));
    put(BOB, reading(BOB, 2));
    submit(ANN);
    submit(BOB);
    MUST(CALL(REVOKE, ROOT_FRAMES, ANN, OWN_FRAMES, 1, 0));
    MUST(CALL(REVOKE, ROOT_FRAMES, ANN, OWN_FRAMES, 1, 0));
    IS(settle(0, EXO_CALL_FRAME_RECLAIM, ROOT_FRAMES, ANN + DATA_AT, 0), OK);
    watch(PATIENT);
    interrupt();
    interrupt();
    IS(completed(ANN, 1), WRONG_KIND);
    ck_assert_uint_eq(in_device(), 1);
    ck_assert_uint_eq(user_of(eldest()), BOB);
    GIVES(settle(0, EXO_CALL_FRAME_TAKE, ROOT_FRAMES, ANN + DATA_AT, 1), 1); /* the reset ended what held it */
}
END_TEST

START_TEST(device_that_stays_silent_fails_its_requests)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    for (uint64_t round = 1; round <= 3; round++) {
        watch(round * PATIENT);
        interrupt();
    }
    IS(completed(ANN, 1), DEVICE_FAILED);
    ck_assert_uint_eq(DEVICE->restarts, 3);
}
END_TEST

START_TEST(reset_that_takes_time_holds_everything)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    GIVES(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, ANN + DATA_AT, 1), 1);
    DEVICE->restart = RESTART_PENDING;
    watch(PATIENT);
    interrupt();
    put(BOB, reading(BOB, 2));
    submit(BOB);
    ck_assert_uint_eq(kernel.disk[0].place[1].state, PLACE_FREE);
    IS(settle(ANN_SLOT, EXO_CALL_FRAME_TAKE, OWN_FRAMES, ANN + DATA_AT, 1), AGAIN);
    DEVICE->restart = RESTART_DONE;
    watch(PATIENT + 100000000);
    interrupt();
    interrupt();
    IS(completed(ANN, 1), WRONG_KIND);
    ck_assert_uint_eq(user_of(eldest()), BOB);
    GIVES(settle(ANN_SLOT, EXO_CALL_FRAME_TAKE, OWN_FRAMES, ANN + DATA_AT, 1), 1);
}
END_TEST

START_TEST(device_that_is_cut_off_fails_all)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    DEVICE->restart = RESTART_DEAD;
    watch(PATIENT);
    interrupt();
    IS(completed(ANN, 1), DEVICE_FAILED);
    put(BOB, reading(BOB, 2));
    submit(BOB);
    IS(completed(BOB, 2), DEVICE_FAILED);
    ck_assert_uint_eq(disk_info(0)->flags & EXO_DISK_DEAD, EXO_DISK_DEAD);
    ck_assert_uint_eq(in_device(), 0);
}
END_TEST

START_TEST(nonsense_resets_the_device)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    DEVICE->nonsense = 1;
    interrupt();
    ck_assert_uint_eq(DEVICE->restarts, 1);
    interrupt();
    ck_assert_uint_eq(in_device(), 1);
    DEVICE->nonsense = 2 + 7; /* a place that it was not given */
    interrupt();
    ck_assert_uint_eq(DEVICE->restarts, 2);
}
END_TEST

START_TEST(second_completion_of_a_request_is_nonsense)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    answer(0, EXO_OK);
    interrupt();
    IS(completed(ANN, 1), OK);
    DEVICE->nonsense = 2;
    interrupt();
    GIVES(completed(ANN, 1), UNFINISHED);
    ck_assert_uint_eq(DEVICE->restarts, 1);
    put(ANN, reading(ANN, 3));
    submit(ANN);
    interrupt();
    ck_assert_uint_eq(in_device(), 1);
}
END_TEST

START_TEST(reset_forgets_who_closed_its_ring)
{
    put(ROOT, reading(ROOT, 1));
    put(ANN, reading(ANN, 2));
    submit(ROOT);
    submit(ANN);
    IS(CALL(RING_FREE, 0), OK);
    watch(PATIENT);
    interrupt();
    interrupt();
    ck_assert_uint_eq(in_device(), 1);
    ck_assert_uint_eq(user_of(eldest()), ANN);
}
END_TEST

START_TEST(watch_rests_when_nothing_is_in_flight)
{
    put(ANN, reading(ANN, 1));
    submit(ANN);
    answer(0, EXO_OK);
    interrupt();
    watch(100000000);
    ck_assert_uint_eq(kernel.watch, 0);
}
END_TEST

UNIT_SUITE(disk, setup, request_goes_to_the_device_and_back, ring_create_checks_its_arguments,
           shared_half_is_bound_and_the_kernels_is_not, wrong_requests_end_at_once, frames_of_two_claims_are_no_request,
           read_only_disk_is_not_written,
           all_operations_reach_the_device, indices_that_lie_harm_only_their_ring, no_more_is_taken_up_than_completions_have_room,
           call_does_bounded_work_and_interrupts_go_on, quiet_ring_gets_no_events, completion_wakes_a_sleeper,
           ring_has_no_more_than_its_share_in_the_device, who_floods_does_not_starve_others, rings_that_wait_take_turns,
           time_in_interrupts_is_the_rings_debt, freed_frame_waits_for_the_device, flush_request_holds_up_nobody,
           later_request_in_flight_is_waited_for_when_an_older_one_ends, withdrawn_extent_is_over_when_the_device_is_done,
           frame_taken_by_force_waits_for_the_device, shared_half_taken_by_force_closes_the_ring,
           kernels_half_taken_by_force_closes_the_ring, closed_ring_leaves_its_requests_to_the_device,
           environment_that_dies_leaves_its_requests_to_the_device, ring_of_the_dying_is_served_no_more,
           silent_device_is_reset_and_asked_again, request_that_is_newer_than_the_look_is_not_late, what_is_not_allowed_any_more_is_not_asked_again,
           device_that_stays_silent_fails_its_requests, reset_that_takes_time_holds_everything,
           device_that_is_cut_off_fails_all, nonsense_resets_the_device, second_completion_of_a_request_is_nonsense,
           reset_forgets_who_closed_its_ring, watch_rests_when_nothing_is_in_flight)
