#include "transport.h"
#include <arch.h>
#include <stdlib.h>
#include <string.h>

enum { UNRUNG = 99 };

struct transport device;
uint32_t transport_frames_taken;
static char frames[TRANSPORT_FRAMES][EXO_FRAME_SIZE] __attribute__((aligned(4096)));

void *arch_device_frames(uint32_t count, uint64_t *ret_physical)
{
    void *taken = frames[transport_frames_taken];
    transport_frames_taken += count;
    ck_assert_uint_le(transport_frames_taken, TRANSPORT_FRAMES);
    *ret_physical = (uint64_t)taken;
    return taken;
}

void arch_device_interrupt(uint8_t number)
{
    ck_assert_uint_eq(number, TRANSPORT_NUMBER);
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
    device.begun++;
    *ret_features = device.offered & wanted;
    return true;
}

bool virtio_queue(struct virtio *virtio, struct virtqueue *queue, uint16_t number, uint16_t most)
{
    (void)virtio;
    queue->doorbell = &device.doorbell[number];
    queue->is_wide = true;
    if (!queue->descriptor)
        queue->descriptor = arch_device_frames(VIRTQUEUE_FRAMES, &queue->physical);
    virtqueue_start(queue, number, device.queue_most < most ? device.queue_most : most, queue->descriptor, queue->physical);
    device.queue[number] = queue;
    device.doorbell[number] = UNRUNG;
    return true;
}

void virtio_go(struct virtio *virtio)
{
    (void)virtio;
}

uint64_t virtio_config(const struct virtio *virtio, uint32_t offset, uint32_t width)
{
    (void)virtio, (void)width;
    return device.config(offset);
}

void virtio_acknowledge(struct virtio *virtio)
{
    (void)virtio;
}

void transport_setup(uint64_t offered, uint64_t (*config)(uint32_t offset))
{
    device = (struct transport){.offered = offered, .queue_most = VIRTQUEUE_MAX, .config = config};
}

struct virtio transport_found(uint32_t kind, uint8_t number)
{
    return (struct virtio){.kind = kind, .number = number, .registers = (volatile uint8_t *)frames};
}

struct virtqueue_used *transport_used(uint32_t queue)
{
    return (struct virtqueue_used *)device.queue[queue]->used;
}

void transport_use(uint32_t queue, uint32_t head, uint32_t length)
{
    struct virtqueue_used *used = transport_used(queue);
    used->ring[used->index % device.queue[queue]->size].head = head;
    used->ring[used->index++ % device.queue[queue]->size].length = length;
}

struct virtqueue_descriptor *transport_descriptor(uint32_t queue, uint32_t at)
{
    ck_assert_uint_lt(at, device.queue[queue]->size);
    return &device.queue[queue]->descriptor[at];
}

int transport_run(const char *name, void (*setup)(void), const TTest *const *tests, uint32_t count)
{
    Suite *suite = suite_create("device");
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, NULL);
    for (uint32_t i = 0; i < count; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
