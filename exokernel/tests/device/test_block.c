/*
 * The driver of virtio-blk and its virtqueue, against a device made of memory that tells the truth, or lies: what it can do wrong and
 * the driver can see must come out as a failed request or as nonsense, and never reach beyond the driver's own memory.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <arch.h>
#include <arch_device.h>
#include <device.h>
#include <disk.h>
#include "block.h"

enum { DISK = 0, FRAME = 77, NUMBER = 3 };

/* ---- the device and what stands between */

static struct {
    uint64_t features, offered;
    uint32_t capacity_blocks, size_max, discard_sectors;
    bool silent; /* it does not finish a reset */
    uint32_t resets, queue_most, interrupts, doorbell;
    struct virtqueue *queue;
    bool is_cut_off;
} device;

static char frames[8][EXO_FRAME_SIZE] __attribute__((aligned(4096)));
static uint32_t frames_taken;
static uint32_t interrupted;

void *arch_device_frames(uint32_t count, uint64_t *ret_physical)
{
    void *taken = frames[frames_taken];
    frames_taken += count;
    ck_assert_uint_le(frames_taken, 8);
    *ret_physical = (uint64_t)taken;
    return taken;
}

void arch_device_interrupt(uint8_t number)
{
    ck_assert_uint_eq(number, NUMBER);
    device.interrupts++;
}

bool virtio_reset(struct virtio *virtio, uint32_t tries)
{
    (void)virtio, (void)tries;
    device.resets++;
    return !device.silent;
}

bool virtio_cut_off(struct virtio *virtio)
{
    (void)virtio;
    return device.is_cut_off = true;
}

bool virtio_begin(struct virtio *virtio, uint64_t wanted, uint64_t *ret_features)
{
    (void)virtio;
    *ret_features = device.offered & wanted;
    return true;
}

bool virtio_queue(struct virtio *virtio, struct virtqueue *queue, uint16_t number, uint16_t most)
{
    (void)virtio;
    queue->doorbell = &device.doorbell;
    queue->is_wide = true;
    if (!queue->descriptor)
        queue->descriptor = arch_device_frames(VIRTQUEUE_FRAMES, &queue->physical);
    virtqueue_start(queue, number, device.queue_most < most ? device.queue_most : most, queue->descriptor, queue->physical);
    device.queue = queue;
    device.doorbell = 99;
    return true;
}

void virtio_go(struct virtio *virtio)
{
    (void)virtio;
}

uint64_t virtio_config(const struct virtio *virtio, uint32_t offset, uint32_t width)
{
    (void)virtio, (void)width;
    return offset == 0 ? device.capacity_blocks * 8 + 3 : offset == 8 ? device.size_max : offset == 36 ? device.discard_sectors : 0;
}

void virtio_acknowledge(struct virtio *virtio)
{
    (void)virtio;
}

void disk_interrupted(uint32_t disk)
{
    ck_assert_uint_eq(disk, DISK);
    interrupted++;
}

/* ---- the device's side of the queue */

static struct virtqueue_used *used(void)
{
    return (struct virtqueue_used *)device.queue->used;
}

static void use(uint32_t head, uint32_t length)
{
    used()->ring[used()->index % device.queue->size].head = head;
    used()->ring[used()->index++ % device.queue->size].length = length;
}

static struct virtqueue_descriptor *descriptor(uint32_t at)
{
    ck_assert_uint_lt(at, device.queue->size);
    return &device.queue->descriptor[at];
}

static void status_write(uint32_t place, uint8_t status)
{
    *(uint8_t *)descriptor(3 * place + 2)->address = status;
}

static struct exo_disk info;

static void setup(void)
{
    uint32_t number;
    const struct virtio found = {.kind = VIRTIO_BLOCK, .number = NUMBER};
    memset(&device, 0, sizeof device);
    device.capacity_blocks = 5000;
    device.queue_most = 256;
    device.offered = 1 << 9 | 1 << 13;
    device.discard_sectors = 1 << 20;
    ck_assert(block_add(&found));
    ck_assert(device_disk(DISK, &info, &number));
    ck_assert_uint_eq(number, NUMBER);
}

static const struct disk_place read_request = {.block = 10, .frame = FRAME, .count = 4, .operation = EXO_DISK_READ};

static enum device_answer answered(uint32_t place, exo_result status)
{
    uint32_t found = 1000;
    exo_result result = 1000;
    enum device_answer answer = device_disk_answer(DISK, &found, &result);
    if (answer == ANSWER_REQUEST) {
        ck_assert_uint_eq(found, place);
        ck_assert_int_eq(result, status);
    }
    return answer;
}

START_TEST(disk_is_described)
{
    ck_assert_uint_eq(info.blocks, 5000);
    ck_assert_uint_eq(info.flags, EXO_DISK_PRESENT | EXO_DISK_CAN_FLUSH | EXO_DISK_CAN_DISCARD);
    ck_assert_uint_eq(info.request_blocks, EXO_REQUEST_BLOCKS);
    ck_assert_uint_eq(info.discard_blocks, 4096);
    ck_assert_uint_eq(info.zero_blocks, 0);
    ck_assert(!device_disk(1, &info, &(uint32_t){0}));
}
END_TEST

START_TEST(interrupt_finds_its_disk)
{
    ck_assert(block_interrupt(NUMBER));
    ck_assert(!block_interrupt(NUMBER + 1));
    ck_assert_uint_eq(interrupted, 1);
    device_disk_again(DISK);
    ck_assert_uint_eq(device.interrupts, 1);
}
END_TEST

START_TEST(read_is_three_descriptors)
{
    device_disk_put(DISK, 5, &read_request);
    ck_assert_uint_eq(device.queue->available->index, 1);
    ck_assert_uint_eq(device.queue->available->ring[0], 15);
    ck_assert_uint_eq(descriptor(15)->length, 16);
    ck_assert_uint_eq(descriptor(15)->flags, DESCRIPTOR_NEXT);
    ck_assert_uint_eq(((uint32_t *)descriptor(15)->address)[0], 0);
    ck_assert_uint_eq(((uint64_t *)descriptor(15)->address)[1], 80);
    ck_assert_uint_eq(descriptor(16)->address, FRAME * EXO_FRAME_SIZE);
    ck_assert_uint_eq(descriptor(16)->length, 4 * EXO_FRAME_SIZE);
    ck_assert_uint_eq(descriptor(16)->flags, DESCRIPTOR_NEXT | DESCRIPTOR_DEVICE_WRITES);
    ck_assert_uint_eq(descriptor(17)->flags, DESCRIPTOR_DEVICE_WRITES);
    ck_assert_uint_eq(descriptor(17)->length, 1);
    device_disk_kick(DISK);
    ck_assert_uint_eq(device.doorbell, 0);
}
END_TEST

START_TEST(write_lets_the_device_write_only_the_status)
{
    struct disk_place request = read_request;
    request.operation = EXO_DISK_WRITE;
    device_disk_put(DISK, 0, &request);
    ck_assert_uint_eq(((uint32_t *)descriptor(0)->address)[0], 1);
    ck_assert_uint_eq(descriptor(1)->flags, DESCRIPTOR_NEXT);
    ck_assert_uint_eq(descriptor(2)->flags, DESCRIPTOR_DEVICE_WRITES);
}
END_TEST

START_TEST(others_have_no_data)
{
    struct disk_place request = {.block = 3, .operation = EXO_DISK_FLUSH};
    device_disk_put(DISK, 0, &request);
    ck_assert_uint_eq(((uint32_t *)descriptor(0)->address)[0], 4);
    ck_assert_uint_eq(((uint64_t *)descriptor(0)->address)[1], 0);
    ck_assert_uint_eq(descriptor(0)->length, 16);
    ck_assert_uint_eq(descriptor(0)->next, 2);
    request.operation = EXO_DISK_DISCARD;
    request.count = 7;
    device_disk_put(DISK, 1, &request);
    ck_assert_uint_eq(((uint32_t *)descriptor(3)->address)[0], 11);
    ck_assert_uint_eq(descriptor(3)->length, 32);
    ck_assert_uint_eq(((uint64_t *)descriptor(3)->address)[2], 24);
    ck_assert_uint_eq(((uint32_t *)descriptor(3)->address)[6], 56);
    ck_assert_uint_eq(descriptor(3)->next, 5);
}
END_TEST

START_TEST(doorbell_is_spared_when_the_device_says_so)
{
    used()->flags = 1;
    device_disk_kick(DISK);
    ck_assert_uint_eq(device.doorbell, 99);
}
END_TEST

START_TEST(answers_come_in_any_order)
{
    for (uint32_t place = 0; place < 3; place++) {
        device_disk_put(DISK, place, &read_request);
        status_write(place, place);
    }
    ck_assert(answered(0, 0) == ANSWER_NOTHING);
    use(6, 1);
    use(0, 4 * EXO_FRAME_SIZE + 1);
    ck_assert(answered(2, EXO_UNSUPPORTED) == ANSWER_REQUEST);
    ck_assert(answered(0, EXO_OK) == ANSWER_REQUEST);
    use(3, 1);
    ck_assert(answered(1, EXO_DEVICE_FAILED) == ANSWER_REQUEST);
    ck_assert(answered(0, 0) == ANSWER_NOTHING);
}
END_TEST

START_TEST(status_that_was_not_written_is_a_failure)
{
    device_disk_put(DISK, 0, &read_request);
    use(0, 4 * EXO_FRAME_SIZE + 1);
    ck_assert(answered(0, EXO_DEVICE_FAILED) == ANSWER_REQUEST);
}
END_TEST

START_TEST(wrong_length_of_a_read_is_a_failure)
{
    const uint32_t lengths[] = {0, 1, 4 * EXO_FRAME_SIZE, 4 * EXO_FRAME_SIZE + 2, UINT32_MAX};
    for (uint32_t i = 0; i < 5; i++) {
        device_disk_put(DISK, 0, &read_request);
        status_write(0, 0);
        use(0, lengths[i]);
        ck_assert(answered(0, EXO_DEVICE_FAILED) == ANSWER_REQUEST);
    }
}
END_TEST

START_TEST(heads_that_cannot_be_are_nonsense)
{
    const uint32_t heads[] = {1, 2, 64 * 3, 255, 256, 65536, UINT32_MAX};
    for (uint32_t i = 0; i < 7; i++) {
        use(heads[i], 1);
        ck_assert(answered(0, 0) == ANSWER_NONSENSE);
        ck_assert(device_disk_restart(DISK) == RESTART_DONE);
        ck_assert(answered(0, 0) == ANSWER_NOTHING);
    }
}
END_TEST

START_TEST(index_that_jumps_is_nonsense)
{
    used()->index = 300;
    ck_assert(answered(0, 0) == ANSWER_NONSENSE);
    used()->index = 0;
    ck_assert(answered(0, 0) == ANSWER_NOTHING);
}
END_TEST

START_TEST(indices_wrap)
{
    for (uint32_t i = 0; i < 70000; i++) {
        device_disk_put(DISK, i % DISK_PLACES, &read_request);
        status_write(i % DISK_PLACES, 0);
        use(3 * (i % DISK_PLACES), 4 * EXO_FRAME_SIZE + 1);
        ck_assert(answered(i % DISK_PLACES, EXO_OK) == ANSWER_REQUEST);
    }
}
END_TEST

START_TEST(reset_begins_with_empty_rings)
{
    device_disk_put(DISK, 0, &read_request);
    use(0, 1);
    ck_assert(device_disk_restart(DISK) == RESTART_DONE);
    ck_assert_uint_eq(device.queue->available->index, 0);
    ck_assert_uint_eq(used()->index, 0);
    ck_assert(answered(0, 0) == ANSWER_NOTHING);
    ck_assert_uint_eq(frames_taken, VIRTQUEUE_FRAMES + 1);
}
END_TEST

START_TEST(device_that_is_not_reset_is_cut_off_at_last)
{
    uint32_t tries = 0;
    device.silent = true;
    while (device_disk_restart(DISK) == RESTART_PENDING)
        ck_assert_uint_lt(++tries, 1000);
    ck_assert(device.is_cut_off);
}
END_TEST

START_TEST(small_queue_is_refused)
{
    const struct virtio found = {.kind = VIRTIO_BLOCK, .number = 4};
    device.queue_most = 128;
    ck_assert(!block_add(&found));
    ck_assert_uint_eq(device.resets, 3); /* and left reset */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        disk_is_described, interrupt_finds_its_disk, read_is_three_descriptors, write_lets_the_device_write_only_the_status,
        others_have_no_data, doorbell_is_spared_when_the_device_says_so, answers_come_in_any_order,
        status_that_was_not_written_is_a_failure, wrong_length_of_a_read_is_a_failure, heads_that_cannot_be_are_nonsense,
        index_that_jumps_is_nonsense, indices_wrap, reset_begins_with_empty_rings, device_that_is_not_reset_is_cut_off_at_last,
        small_queue_is_refused,
    };
    Suite *suite = suite_create("device");
    TCase *cases = tcase_create("block");
    tcase_add_checked_fixture(cases, setup, NULL);
    for (uint32_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
