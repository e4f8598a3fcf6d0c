/*
 * Packets go through the kernel's own buffers, of which descriptor n has number n for ever: the device knows no other memory. It is
 * asked for no features but its address, so that every packet is whole and has one header of zeros.
 */
#include "net.h"
#include <arch.h>
#include <arch_device.h>
#include <device.h>
#include <net.h>

enum {
    FEATURE_MAC = 5, QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1, CONFIG_MAC = 0, CONFIG_MAC_REST = 4, HEADER_SIZE = 12, NO_INTERRUPT = 1,
    BUFFERS = 64, BUFFER_SIZE = 2048, BUFFERS_PER_FRAME = EXO_FRAME_SIZE / BUFFER_SIZE, BOOT_TRIES = 100000, RESET_TRIES = 50,
    RESETS_MAX = 100,
};
_Static_assert(HEADER_SIZE + EXO_PACKET_MOST <= BUFFER_SIZE, "a packet fits into a buffer");

struct half {
    struct virtqueue queue;
    uint8_t *buffers;
    uint64_t physical;
    bool is_given[BUFFERS]; /* that the device has */
};

static struct {
    struct virtio virtio;
    struct half receive, transmit;
    uint16_t free[BUFFERS]; /* of transmit: that the device has not */
    uint16_t free_count;
    uint16_t received;     /* the buffer that device_net_receive gave last */
    uint32_t resets;
    bool works;
} net;

static void buffer_give(struct half *half, uint16_t at)
{
    half->is_given[at] = true;
    virtqueue_offer(&half->queue, at);
}

/* The next buffer that the device is done with: it must have had it. */
static enum pop buffer_take(struct half *half, uint16_t *ret_at, uint32_t *ret_length)
{
    enum pop pop = virtqueue_pop(&half->queue, ret_at, ret_length);

    if (pop != POP_HEAD)
        return pop;
    if (*ret_at >= BUFFERS || !half->is_given[*ret_at])
        return POP_NONSENSE;
    half->is_given[*ret_at] = false;
    return POP_HEAD;
}

static bool half_begin(struct half *half, uint16_t number, uint16_t flags)
{
    if (!virtio_queue(&net.virtio, &half->queue, number, BUFFERS) || half->queue.size < BUFFERS)
        return false;
    if (!half->buffers)
        half->buffers = arch_device_frames(BUFFERS / BUFFERS_PER_FRAME, &half->physical);
    for (uint16_t i = 0; i < BUFFERS; i++)
        virtqueue_describe(&half->queue, i, half->physical + i * BUFFER_SIZE, BUFFER_SIZE, flags, 0);
    __builtin_memset(half->is_given, 0, sizeof half->is_given);
    return true;
}

static bool net_begin(void)
{
    uint64_t features;

    if (!virtio_begin(&net.virtio, 1ull << FEATURE_MAC, &features) || !(features & 1ull << FEATURE_MAC) ||
        !half_begin(&net.receive, QUEUE_RECEIVE, DESCRIPTOR_DEVICE_WRITES) || !half_begin(&net.transmit, QUEUE_TRANSMIT, 0))
        return false;
    net.transmit.queue.available->flags = NO_INTERRUPT; /* buffers that were sent are found at the next sending */
    for (uint16_t i = 0; i < BUFFERS; i++) {
        net.free[i] = i;
        buffer_give(&net.receive, i);
    }
    net.free_count = BUFFERS;
    virtio_go(&net.virtio);
    virtqueue_kick(&net.receive.queue);
    return true;
}

void net_add(const struct virtio *device)
{
    if (net.works)
        return;
    net.virtio = *device;
    net.works = virtio_reset(&net.virtio, BOOT_TRIES) && net_begin();
    if (!net.works)
        virtio_reset(&net.virtio, 0);
}

/* It did what it must not. Nobody waits for what it had: packets may be lost. */
static void net_restart(void)
{
    net.works = net.resets++ < RESETS_MAX && virtio_reset(&net.virtio, RESET_TRIES) && net_begin();
    if (!net.works)
        virtio_cut_off(&net.virtio);
}

bool device_net(uint64_t *ret_station)
{
    if (!net.works)
        return false;
    *ret_station = virtio_config(&net.virtio, CONFIG_MAC, 4) | virtio_config(&net.virtio, CONFIG_MAC_REST, 2) << 32;
    return true;
}

bool device_net_is_there(void)
{
    return net.works;
}

/* Buffers that the device has sent: a few for each that is to be sent. */
static void buffers_take_back(void)
{
    uint16_t head;
    uint32_t length;
    enum pop pop = POP_HEAD;

    for (uint32_t i = 0; i < 4 && pop == POP_HEAD; i++) {
        pop = buffer_take(&net.transmit, &head, &length);
        if (pop == POP_HEAD)
            net.free[net.free_count++] = head;
    }
    if (pop == POP_NONSENSE)
        net_restart();
}

bool device_net_send(const uint8_t *header, uint32_t header_size, const uint8_t *rest, uint32_t rest_size)
{
    buffers_take_back();
    if (!net.works || net.free_count == 0)
        return false;
    uint16_t at = net.free[--net.free_count];
    uint8_t *buffer = net.transmit.buffers + at * BUFFER_SIZE;
    arch_copy(buffer + HEADER_SIZE, header, header_size);
    arch_copy(buffer + HEADER_SIZE + header_size, rest, rest_size);
    virtqueue_describe(&net.transmit.queue, at, net.transmit.physical + at * BUFFER_SIZE, HEADER_SIZE + header_size + rest_size, 0, 0);
    buffer_give(&net.transmit, at);
    return true;
}

void device_net_kick(void)
{
    if (net.works)
        virtqueue_kick(&net.transmit.queue);
}

const uint8_t *device_net_receive(uint32_t *ret_length)
{
    uint32_t length;

    if (!net.works)
        return NULL;
    enum pop pop = buffer_take(&net.receive, &net.received, &length);
    if (pop == POP_NOTHING)
        return NULL;
    if (pop == POP_NONSENSE || length < HEADER_SIZE || length > BUFFER_SIZE) {
        net_restart();
        return NULL;
    }
    *ret_length = length - HEADER_SIZE;
    return net.receive.buffers + net.received * BUFFER_SIZE + HEADER_SIZE;
}

void device_net_received(void)
{
    buffer_give(&net.receive, net.received);
}

void device_net_wait(bool is_heard)
{
    net.receive.queue.available->flags = is_heard ? 0 : NO_INTERRUPT;
    if (!net.works)
        return;
    virtqueue_kick(&net.receive.queue);
    if (is_heard && virtqueue_has_used(&net.receive.queue))
        arch_device_interrupt(net.virtio.number);
}

void device_net_again(void)
{
    arch_device_interrupt(net.virtio.number);
}

bool net_interrupt(uint32_t number)
{
    if (!net.virtio.registers || net.virtio.number != number)
        return false;
    virtio_acknowledge(&net.virtio);
    net_interrupted();
    return true;
}
