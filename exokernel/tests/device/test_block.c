/*
 * The driver of virtio-blk and its virtqueue, against a device made of memory that tells the truth, or lies: what it can do wrong and
 * the driver can see must come out as a failed request or as nonsense, and never reach beyond the driver's own memory.
 */
#include "transport.h"
#include <stdlib.h>
#include <string.h>
#include <device.h>
#include <disk.h>
#include "block.h"

enum { DISK = 0, FRAME = 77 };

static uint32_t interrupted;

void disk_interrupted(uint32_t disk)
{
    ck_assert_uint_eq(disk, DISK);
    interrupted++;
}

static uint64_t config(uint32_t offset)
{
    return offset == 0 ? 5000 * 8 + 3 : offset == 36 ? 1 << 20 : 0;
}

static void use(uint32_t head, uint32_t length)
{
    transport_use(0, head, length);
}

static struct virtqueue_descriptor *descriptor(uint32_t at)
{
    return transport_descriptor(0, at);
}

static void status_write(uint32_t place, uint8_t status)
{
    *(uint8_t *)descriptor(3 * place + 2)->address = status;
}

static struct exo_disk info;

static void setup(void)
{
    uint32_t number;
    const struct virtio found = transport_found(VIRTIO_BLOCK, TRANSPORT_NUMBER);
    transport_setup(1 << 9 | 1 << 13, config);
    ck_assert(block_add(&found));
    ck_assert(device_disk(DISK, &info, &number));
    ck_assert_uint_eq(number, TRANSPORT_NUMBER);
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
    ck_assert(block_interrupt(TRANSPORT_NUMBER));
    ck_assert(!block_interrupt(TRANSPORT_NUMBER + 1));
    ck_assert_uint_eq(interrupted, 1);
    device_disk_again(DISK);
    ck_assert_uint_eq(device.interrupts, 1);
}
END_TEST

START_TEST(read_is_three_descriptors)
{
    device_disk_put(DISK, 5, &read_request);
    ck_assert_uint_eq(device.queue[0]->available->index, 1);
    ck_assert_uint_eq(device.queue[0]->available->ring[0], 15);
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
    ck_assert_uint_eq(device.doorbell[0], 0);
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
    transport_used(0)->flags = 1;
    device_disk_kick(DISK);
    ck_assert_uint_eq(device.doorbell[0], 99);
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
    transport_used(0)->index = 300;
    ck_assert(answered(0, 0) == ANSWER_NONSENSE);
    transport_used(0)->index = 0;
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
    ck_assert_uint_eq(device.queue[0]->available->index, 0);
    ck_assert_uint_eq(transport_used(0)->index, 0);
    ck_assert(answered(0, 0) == ANSWER_NOTHING);
    ck_assert_uint_eq(transport_frames_taken, VIRTQUEUE_FRAMES + 1);
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
    const struct virtio found = transport_found(VIRTIO_BLOCK, 4);
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
    return transport_run("block", setup, tests, sizeof tests / sizeof tests[0]);
}
