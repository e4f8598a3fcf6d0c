/*
 * The driver of virtio-net, against a device made of memory that tells the truth, or lies: what it can do wrong and the driver can see
 * must end in a new beginning, at last in its end, and never reach beyond the driver's own memory.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <arch.h>
#include <arch_device.h>
#include <device.h>
#include "../../device/net.h"

enum { NUMBER = 5, FRAMES = 80, PACKETS = 64, LINK_HEADER = 12, RECEIVE = 0, TRANSMIT = 1, RESETS_ALLOWED = 100 };
static const uint8_t bytes[] = "a packet of forty bytes, told from others";
enum { PACKET = 40 };

/* ---- the device and what stands between */

static struct {
    bool silent; /* it does not finish a reset */
    uint32_t resets, begun, doorbell[2];
    struct virtqueue *queue[2];
    bool is_cut_off;
} device;

static char frames[FRAMES][EXO_FRAME_SIZE] __attribute__((aligned(4096)));
static uint32_t frames_taken, interrupted;

void *arch_device_frames(uint32_t count, uint64_t *ret_physical)
{
    void *taken = frames[frames_taken];
    frames_taken += count;
    ck_assert_uint_le(frames_taken, FRAMES);
    *ret_physical = (uint64_t)taken;
    return taken;
}

void arch_device_interrupt(uint8_t number)
{
    ck_assert_uint_eq(number, NUMBER);
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
    device.begun++;
    *ret_features = wanted;
    return true;
}

bool virtio_queue(struct virtio *virtio, struct virtqueue *queue, uint16_t number, uint16_t most)
{
    (void)virtio;
    queue->doorbell = &device.doorbell[number];
    queue->is_wide = true;
    if (!queue->descriptor)
        queue->descriptor = arch_device_frames(VIRTQUEUE_FRAMES, &queue->physical);
    virtqueue_start(queue, number, most, queue->descriptor, queue->physical);
    device.queue[number] = queue;
    return true;
}

void virtio_go(struct virtio *virtio)
{
    (void)virtio;
}

uint64_t virtio_config(const struct virtio *virtio, uint32_t offset, uint32_t width)
{
    (void)virtio, (void)width;
    return offset ? 0x5634 : 0x12005452;
}

void virtio_acknowledge(struct virtio *virtio)
{
    (void)virtio;
}

void net_interrupted(void)
{
    interrupted++;
}

/* ---- the device's side */

static void use(uint32_t queue, uint32_t head, uint32_t length)
{
    struct virtqueue_used *used = (struct virtqueue_used *)device.queue[queue]->used;
    used->ring[used->index % PACKETS].head = head;
    used->ring[used->index++ % PACKETS].length = length;
}

static bool send(void)
{
    return device_net_send(bytes, PACKET - 8, bytes + PACKET - 8, 8);
}

/* The descriptor that was made available last. */
static uint32_t last_sent(void)
{
    return device.queue[TRANSMIT]->available->ring[(device.queue[TRANSMIT]->available->index - 1) % PACKETS];
}

static void began_anew(uint32_t times)
{
    ck_assert_uint_eq(device.begun, 1 + times);
    ck_assert(device_net_is_there());
    ck_assert_uint_eq(device.queue[RECEIVE]->available->index, PACKETS);
    ck_assert(send());
}

static void setup(void)
{
    const struct virtio found = {.kind = VIRTIO_NETWORK, .number = NUMBER, .registers = (volatile uint8_t *)frames};
    memset(&device, 0, sizeof device);
    net_add(&found);
    ck_assert(device_net_is_there());
}

START_TEST(station_is_told)
{
    uint64_t station;
    ck_assert(device_net(&station));
    ck_assert_uint_eq(station, 0x563412005452);
    ck_assert(net_interrupt(NUMBER));
    ck_assert(!net_interrupt(NUMBER + 1));
    ck_assert_uint_eq(interrupted, 1);
}
END_TEST

START_TEST(packet_goes_out_whole_behind_a_header_of_zeros)
{
    static const uint8_t zeros[LINK_HEADER];
    ck_assert(send());
    const struct virtqueue_descriptor *sent = &device.queue[TRANSMIT]->descriptor[last_sent()];
    ck_assert_uint_eq(sent->length, LINK_HEADER + PACKET);
    ck_assert_uint_eq(sent->flags, 0);
    ck_assert_mem_eq((const void *)sent->address, zeros, LINK_HEADER);
    ck_assert_mem_eq((const uint8_t *)sent->address + LINK_HEADER, bytes, PACKET);
}
END_TEST

START_TEST(full_queue_refuses_until_the_device_has_sent)
{
    for (uint32_t i = 0; i < PACKETS; i++)
        ck_assert(send());
    ck_assert(!send());
    use(TRANSMIT, last_sent(), 0);
    ck_assert(send());
    ck_assert(!send());
    ck_assert_uint_eq(device.begun, 1);
}
END_TEST

START_TEST(packet_that_is_sent_twice_begins_anew)
{
    ck_assert(send());
    use(TRANSMIT, last_sent(), 0);
    use(TRANSMIT, last_sent(), 0);
    send();
    began_anew(1);
}
END_TEST

START_TEST(packet_that_was_never_offered_begins_anew)
{
    ck_assert(send());
    use(TRANSMIT, (last_sent() + 1) % PACKETS, 0);
    send();
    began_anew(1);
}
END_TEST

START_TEST(packet_comes_in)
{
    uint32_t length = 0;
    uint8_t *buffer = (uint8_t *)device.queue[RECEIVE]->descriptor[7].address;
    memcpy(buffer + LINK_HEADER, bytes, PACKET);
    use(RECEIVE, 7, LINK_HEADER + PACKET);
    const uint8_t *found = device_net_receive(&length);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(length, PACKET);
    ck_assert_mem_eq(found, bytes, PACKET);
    device_net_received();
    ck_assert_uint_eq(device.queue[RECEIVE]->available->index, PACKETS + 1);
    ck_assert_ptr_null(device_net_receive(&length));
}
END_TEST

START_TEST(impossible_lengths_and_heads_begin_anew)
{
    static const struct {
        uint32_t head, length;
    } wrong[] = {{0, LINK_HEADER - 1}, {1, 0}, {2, 2049}, {3, UINT32_MAX}, {PACKETS, 100}, {UINT32_MAX, 100}, {0x10000, 100}};
    uint32_t length;
    for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        use(RECEIVE, wrong[i].head, wrong[i].length);
        ck_assert_ptr_null(device_net_receive(&length));
        began_anew(i + 1);
    }
}
END_TEST

START_TEST(index_that_jumps_begins_anew)
{
    uint32_t length;
    ((struct virtqueue_used *)device.queue[RECEIVE]->used)->index += PACKETS + 1;
    ck_assert_ptr_null(device_net_receive(&length));
    began_anew(1);
}
END_TEST

START_TEST(device_that_goes_on_doing_wrong_is_cut_off)
{
    uint32_t length;
    for (uint32_t i = 0; i <= RESETS_ALLOWED; i++) {
        ck_assert(!device.is_cut_off);
        use(RECEIVE, PACKETS, 100);
        ck_assert_ptr_null(device_net_receive(&length));
    }
    ck_assert(device.is_cut_off);
    ck_assert(!device_net_is_there());
    ck_assert(!send());
    use(RECEIVE, 0, 100);
    ck_assert_ptr_null(device_net_receive(&length));
}
END_TEST

START_TEST(device_that_is_not_reset_is_cut_off)
{
    uint32_t length;
    device.silent = true;
    use(RECEIVE, PACKETS, 100);
    ck_assert_ptr_null(device_net_receive(&length));
    ck_assert(device.is_cut_off);
    ck_assert(!device_net_is_there());
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        station_is_told, packet_goes_out_whole_behind_a_header_of_zeros, full_queue_refuses_until_the_device_has_sent,
        packet_that_is_sent_twice_begins_anew, packet_that_was_never_offered_begins_anew, packet_comes_in,
        impossible_lengths_and_heads_begin_anew, index_that_jumps_begins_anew, device_that_goes_on_doing_wrong_is_cut_off,
        device_that_is_not_reset_is_cut_off,
    };
    Suite *suite = suite_create("device");
    TCase *cases = tcase_create("network");
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
