#include "virtio.h"
#include <arch_device.h>
#include "pci.h"

enum {
    STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8,
    MMIO_NOTIFY = 0x50, MMIO_INTERRUPT_STATUS = 0x60, MMIO_INTERRUPT_ACK = 0x64,
    PCI_CONFIG_VECTOR = 0x10, PCI_QUEUE_VECTOR = 0x1a, PCI_NOTIFY_OFFSET = 0x1e, NO_VECTOR = 0xffff,
    CONFIG_TRIES = 100,
};
#define FEATURE_VERSION_1 (1ull << 32)

/* What both have, at different places: virtio 1.2, 4.1.4.3 and 4.2.2. Addresses are written as two halves. */
enum reg {
    REG_DEVICE_SELECT, REG_DEVICE_FEATURES, REG_DRIVER_SELECT, REG_DRIVER_FEATURES, REG_STATUS, REG_GENERATION,
    REG_QUEUE_SELECT, REG_QUEUE_MAX, REG_QUEUE_SIZE, REG_QUEUE_ENABLE, REG_QUEUE_DESCRIPTORS, REG_QUEUE_AVAILABLE, REG_QUEUE_USED,
};
static const struct {
    uint16_t offset;
    uint8_t width;
} places[2][REG_QUEUE_USED + 1] = {
    [TRANSPORT_PCI] = {{0, 4}, {4, 4}, {8, 4}, {12, 4}, {20, 1}, {21, 1}, {22, 2}, {24, 2}, {24, 2}, {28, 2}, {32, 4}, {40, 4}, {48, 4}},
    [TRANSPORT_MMIO] = {{0x14, 4}, {0x10, 4}, {0x24, 4}, {0x20, 4}, {0x70, 4}, {0xfc, 4}, {0x30, 4}, {0x34, 4}, {0x38, 4}, {0x44, 4},
                        {0x80, 4}, {0x90, 4}, {0xa0, 4}},
};

static uint32_t read_at(const volatile uint8_t *at, uint32_t width)
{
    if (width == 1)
        return *at;
    return width == 2 ? *(const volatile uint16_t *)at : *(const volatile uint32_t *)at;
}

static void write_at(volatile uint8_t *at, uint32_t width, uint32_t value)
{
    if (width == 1)
        *at = value;
    else if (width == 2)
        *(volatile uint16_t *)at = value;
    else
        *(volatile uint32_t *)at = value;
}

static uint32_t reg_read(const struct virtio *device, enum reg reg)
{
    return read_at(device->registers + places[device->transport][reg].offset, places[device->transport][reg].width);
}

static void reg_write(struct virtio *device, enum reg reg, uint32_t value)
{
    write_at(device->registers + places[device->transport][reg].offset, places[device->transport][reg].width, value);
}

static void reg_write_address(struct virtio *device, enum reg reg, uint64_t address)
{
    volatile uint8_t *at = device->registers + places[device->transport][reg].offset;

    write_at(at, 4, address);
    write_at(at + 4, 4, address >> 32);
}

static void status_add(struct virtio *device, uint32_t bits)
{
    reg_write(device, REG_STATUS, reg_read(device, REG_STATUS) | bits);
}

bool virtio_reset(struct virtio *device, uint32_t tries)
{
    reg_write(device, REG_STATUS, 0);
    while (reg_read(device, REG_STATUS) != 0)
        if (tries-- == 0)
            return false;
    return true;
}

bool virtio_cut_off(struct virtio *device)
{
    if (device->transport == TRANSPORT_PCI)
        pci_cut_off(device->pci);
    return device->transport == TRANSPORT_PCI;
}

static uint64_t features_read(struct virtio *device)
{
    reg_write(device, REG_DEVICE_SELECT, 0);
    uint64_t low = reg_read(device, REG_DEVICE_FEATURES);
    reg_write(device, REG_DEVICE_SELECT, 1);
    return (uint64_t)reg_read(device, REG_DEVICE_FEATURES) << 32 | low;
}

static void features_write(struct virtio *device, uint64_t features)
{
    reg_write(device, REG_DRIVER_SELECT, 0);
    reg_write(device, REG_DRIVER_FEATURES, features);
    reg_write(device, REG_DRIVER_SELECT, 1);
    reg_write(device, REG_DRIVER_FEATURES, features >> 32);
}

/* Virtio 1.2, 3.1.1. */
bool virtio_begin(struct virtio *device, uint64_t wanted, uint64_t *ret_features)
{
    status_add(device, STATUS_ACKNOWLEDGE);
    status_add(device, STATUS_DRIVER);
    uint64_t offered = features_read(device);
    if (!(offered & FEATURE_VERSION_1))
        return false;
    *ret_features = offered & (wanted | FEATURE_VERSION_1);
    features_write(device, *ret_features);
    status_add(device, STATUS_FEATURES_OK);
    if (device->transport == TRANSPORT_PCI)
        write_at(device->registers + PCI_CONFIG_VECTOR, 2, NO_VECTOR);
    return reg_read(device, REG_STATUS) & STATUS_FEATURES_OK;
}

/* All queues of a device tell by its one vector, the first of its table. */
static bool doorbell_find(struct virtio *device, struct virtqueue *queue)
{
    queue->is_wide = device->transport == TRANSPORT_MMIO;
    if (queue->is_wide) {
        queue->doorbell = device->registers + MMIO_NOTIFY;
        return true;
    }
    uint64_t offset = (uint64_t)read_at(device->registers + PCI_NOTIFY_OFFSET, 2) * device->doorbell_multiplier;
    if (offset + 2 > device->doorbells_length)
        return false;
    queue->doorbell = device->doorbells + offset;
    write_at(device->registers + PCI_QUEUE_VECTOR, 2, 0);
    return read_at(device->registers + PCI_QUEUE_VECTOR, 2) == 0;
}

/* The largest power of two that the device and the driver both take. */
static uint16_t size_choose(uint32_t device_most, uint16_t most)
{
    uint32_t size = VIRTQUEUE_MAX;

    while (size > device_most || size > most)
        size /= 2;
    return size;
}

bool virtio_queue(struct virtio *device, struct virtqueue *queue, uint16_t number, uint16_t most)
{
    reg_write(device, REG_QUEUE_SELECT, number);
    uint16_t size = size_choose(reg_read(device, REG_QUEUE_MAX), most);
    if (size == 0 || !doorbell_find(device, queue))
        return false;
    if (!queue->descriptor) {
        queue->descriptor = arch_device_frames(VIRTQUEUE_FRAMES, &queue->physical);
    }
    virtqueue_start(queue, number, size, queue->descriptor, queue->physical);
    reg_write(device, REG_QUEUE_SIZE, size);
    reg_write_address(device, REG_QUEUE_DESCRIPTORS, queue->physical);
    reg_write_address(device, REG_QUEUE_AVAILABLE, virtqueue_available_physical(queue));
    reg_write_address(device, REG_QUEUE_USED, virtqueue_used_physical(queue));
    reg_write(device, REG_QUEUE_ENABLE, 1);
    return true;
}

void virtio_go(struct virtio *device)
{
    status_add(device, STATUS_DRIVER_OK);
}

static uint64_t config_read(const struct virtio *device, uint32_t offset, uint32_t width)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < width; i += 4)
        value |= (uint64_t)read_at(device->config + offset + i, width < 4 ? width : 4) << 8 * i;
    return value;
}

/* Until it did not change meanwhile (virtio 1.2, 2.5.1). */
uint64_t virtio_config(const struct virtio *device, uint32_t offset, uint32_t width)
{
    if (offset + width > device->config_length)
        return 0;
    uint64_t value = 0;
    for (uint32_t tries = 0; tries < CONFIG_TRIES; tries++) {
        uint32_t before = reg_read(device, REG_GENERATION);
        value = config_read(device, offset, width);
        if (reg_read(device, REG_GENERATION) == before)
            break;
    }
    return value;
}

void virtio_acknowledge(struct virtio *device)
{
    if (device->transport == TRANSPORT_MMIO)
        write_at(device->registers + MMIO_INTERRUPT_ACK, 4, read_at(device->registers + MMIO_INTERRUPT_STATUS, 4));
}
