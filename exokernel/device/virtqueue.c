#include "virtqueue.h"

enum { USED_OFFSET = 1024, USED_NO_NOTIFY = 1 };
_Static_assert(sizeof(struct virtqueue_descriptor) * VIRTQUEUE_MAX == 4096, "descriptors fill the first frame");
_Static_assert(sizeof(struct virtqueue_available) <= USED_OFFSET && USED_OFFSET + sizeof(struct virtqueue_used) <= 4096,
               "the two rings share the second frame");

void virtqueue_start(struct virtqueue *queue, uint16_t number, uint16_t size, void *page, uint64_t physical)
{
    char *start = page;

    *queue = (struct virtqueue){
        .descriptor = page, .available = (void *)(start + 4096), .used = (void *)(start + 4096 + USED_OFFSET),
        .physical = physical, .number = number, .size = size, .doorbell = queue->doorbell, .is_wide = queue->is_wide,
    };
    __builtin_memset(start + 4096, 0, 4096);
}

uint64_t virtqueue_available_physical(const struct virtqueue *queue)
{
    return queue->physical + 4096;
}

uint64_t virtqueue_used_physical(const struct virtqueue *queue)
{
    return queue->physical + 4096 + USED_OFFSET;
}

/* The entry before the index that shows it (virtio 1.2, 2.7.13). */
void virtqueue_offer(struct virtqueue *queue, uint16_t head)
{
    queue->available->ring[queue->offered % queue->size] = head;
    __atomic_store_n(&queue->available->index, ++queue->offered, __ATOMIC_RELEASE);
}

/* The index before the look at the flag: one of the two sees the other (virtio 1.2, 2.7.10). */
void virtqueue_kick(struct virtqueue *queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY)
        return;
    if (queue->is_wide)
        *(volatile uint32_t *)queue->doorbell = queue->number;
    else
        *(volatile uint16_t *)queue->doorbell = queue->number;
}

bool virtqueue_has_used(const struct virtqueue *queue)
{
    return __atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) != queue->taken;
}

enum pop virtqueue_pop(struct virtqueue *queue, uint16_t *ret_head, uint32_t *ret_length)
{
    uint16_t index = __atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE);

    if (index == queue->taken)
        return POP_NOTHING;
    uint16_t at = queue->taken % queue->size;
    uint32_t head = __atomic_load_n(&queue->used->ring[at].head, __ATOMIC_RELAXED);
    uint32_t length = __atomic_load_n(&queue->used->ring[at].length, __ATOMIC_RELAXED);
    if (head >= queue->size || (uint16_t)(index - queue->taken) > queue->size)
        return POP_NONSENSE;
    queue->taken++;
    *ret_head = head;
    *ret_length = length;
    return POP_HEAD;
}
