/*
 * A virtio 1.x device, whatever it is connected by (virtio 1.2, 2 and 4): PCI or memory-mapped registers. Mechanism only: which
 * features, queues and requests is its driver's matter.
 */
#pragma once
#include "virtqueue.h"

enum { VIRTIO_NETWORK = 1, VIRTIO_BLOCK = 2 };
enum virtio_transport { TRANSPORT_PCI, TRANSPORT_MMIO };

struct virtio {
    uint8_t transport; /* enum virtio_transport */
    uint8_t kind;      /* VIRTIO_ */
    uint8_t number;    /* of the device: what its interrupt says */
    uint32_t pci;      /* address in configuration space */
    volatile uint8_t *registers; /* common configuration, or the memory-mapped registers */
    volatile uint8_t *config;    /* the device's own */
    uint32_t config_length;
    volatile uint8_t *doorbells; /* PCI: queue n's is at its notify_off * multiplier */
    uint32_t doorbells_length, doorbell_multiplier;
};

/* Reset it, looking so many times whether it is done. False: not yet. */
bool virtio_reset(struct virtio *device, uint32_t tries);
/* It reads and writes no memory from now on, whatever it does. False: its bus cannot do that. */
bool virtio_cut_off(struct virtio *device);
/* After a reset agree on features: those wanted that it has. False: it cannot be used. */
bool virtio_begin(struct virtio *device, uint64_t wanted, uint64_t *ret_features);
/* Between begin and go: queue `number` with at most `most` entries. Its frames are taken the first time (queue->descriptor NULL) and
 * used again after a reset. */
bool virtio_queue(struct virtio *device, struct virtqueue *queue, uint16_t number, uint16_t most);
/* It may work from now on. */
void virtio_go(struct virtio *device);
/* A field of its configuration, 1, 2, 4 or 8 bytes wide; 0 where it has none. */
uint64_t virtio_config(const struct virtio *device, uint32_t offset, uint32_t width);
/* At an interrupt, before its queues are looked at: memory-mapped ones want an answer. */
void virtio_acknowledge(struct virtio *device);
