/*
 * A split virtqueue (virtio 1.2, 2.7) in two kernel frames. Descriptors are the driver's: each request of its has the same ones
 * for ever, so there is no list of free ones. The device may write anything into its ring at any time: what is read there is checked.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { VIRTQUEUE_MAX = 256, VIRTQUEUE_FRAMES = 2 };
enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_DEVICE_WRITES = 2 };

struct virtqueue_descriptor {
    uint64_t address; /* physical */
    uint32_t length;
    uint16_t flags; /* DESCRIPTOR_ */
    uint16_t next;
};

struct virtqueue_used {
    uint16_t flags, index;
    struct {
        uint32_t head, length;
    } ring[VIRTQUEUE_MAX];
};

struct virtqueue_available {
    uint16_t flags, index;
    uint16_t ring[VIRTQUEUE_MAX];
};

struct virtqueue {
    struct virtqueue_descriptor *descriptor;
    struct virtqueue_available *available;
    const struct virtqueue_used *used;
    volatile void *doorbell;
    uint64_t physical; /* of the two frames */
    uint16_t number;
    uint16_t size;      /* a power of two */
    uint16_t offered;   /* heads ever made available */
    uint16_t taken;     /* used entries ever taken */
    bool is_wide;       /* the doorbell takes 32 bits */
};

enum pop { POP_NOTHING, POP_HEAD, POP_NONSENSE };

/* Empty, in `page`: VIRTQUEUE_FRAMES cleared frames in a row at this physical address. size: at most VIRTQUEUE_MAX. */
void virtqueue_start(struct virtqueue *queue, uint16_t number, uint16_t size, void *page, uint64_t physical);
uint64_t virtqueue_available_physical(const struct virtqueue *queue);
uint64_t virtqueue_used_physical(const struct virtqueue *queue);

static inline void virtqueue_describe(struct virtqueue *queue, uint16_t at, uint64_t address, uint32_t length, uint16_t flags,
                                      uint16_t next)
{
    queue->descriptor[at] = (struct virtqueue_descriptor){address, length, flags, next};
}

/* Make the chain that begins with this descriptor available. */
void virtqueue_offer(struct virtqueue *queue, uint16_t head);
/* Ring the doorbell if the device wants it: once after any number of offers. */
void virtqueue_kick(struct virtqueue *queue);
/* Has the device used anything that was not popped yet? */
bool virtqueue_has_used(const struct virtqueue *queue);
/* The next chain that the device is done with, by its head, and how many bytes it says it wrote. NONSENSE: no such descriptor,
 * or more chains than were offered. */
enum pop virtqueue_pop(struct virtqueue *queue, uint16_t *ret_head, uint32_t *ret_length);
