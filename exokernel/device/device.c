/*
 * Which devices there are, and whose driver has which interrupt.
 */
#include <device.h>
#include <arch_device.h>
#include "block.h"
#include "mmio.h"
#include "net.h"
#include "pci.h"

static struct virtio devices[DEVICE_MAX];
static uint32_t device_count;

/* What was found is there; give it to its driver. */
static void device_add(void)
{
    const struct virtio *device = &devices[device_count++];

    if (device->kind == VIRTIO_BLOCK)
        block_add(device);
    if (device->kind == VIRTIO_NETWORK)
        net_add(device);
}

void device_start(const char *command_line)
{
    uint32_t next = 0;

    while (device_count < DEVICE_MAX && pci_virtio_next(&next, device_count, &devices[device_count]))
        device_add();
    while (device_count < DEVICE_MAX && mmio_virtio_next(&command_line, device_count, &devices[device_count]))
        device_add();
}

void device_interrupt(uint32_t number)
{
    if (!block_interrupt(number) && !net_interrupt(number))
        virtio_acknowledge(&devices[number]);
}
