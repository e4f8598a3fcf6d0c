/*
 * What stands between a driver and its device in tests: memory in place of the machine's, and a transport (virtio.h) to a device that is
 * a struct. It tells the truth or lies as its test says.
 */
#pragma once
#include <check.h>
#include <arch_device.h>
#include <virtio.h>

enum { TRANSPORT_NUMBER = 3, TRANSPORT_QUEUES = 2, TRANSPORT_FRAMES = 80 };

struct transport {
    uint64_t offered;    /* features */
    uint32_t queue_most; /* entries of a queue */
    bool silent;         /* it does not finish a reset */
    uint64_t (*config)(uint32_t offset);
    uint32_t resets, begun, interrupts, doorbell[TRANSPORT_QUEUES]; /* doorbells are 99 until they are rung */
    bool is_cut_off;
    struct virtqueue *queue[TRANSPORT_QUEUES];
};
extern struct transport device;
extern uint32_t transport_frames_taken;

/* A device as new. */
void transport_setup(uint64_t offered, uint64_t (*config)(uint32_t offset));
/* What is found on the bus. */
struct virtio transport_found(uint32_t kind, uint8_t number);
/* The device says that it is done with this head, of which it wrote so many bytes. */
void transport_use(uint32_t queue, uint32_t head, uint32_t length);
struct virtqueue_used *transport_used(uint32_t queue);
struct virtqueue_descriptor *transport_descriptor(uint32_t queue, uint32_t at);
/* The process's status, after all cases ran. */
int transport_run(const char *name, void (*setup)(void), const TTest *const *tests, uint32_t count);
