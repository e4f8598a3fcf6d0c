#include "pci.h"
#include <arch_device.h>

enum { /* configuration space */
    PCI_ID = 0x00, PCI_COMMAND = 0x04, PCI_HEADER = 0x0c, PCI_BAR = 0x10, PCI_BUSES = 0x18, PCI_CAPABILITIES = 0x34,
    COMMAND_MEMORY = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 0x400, STATUS_HAS_CAPABILITIES = 0x100000,
    HEADER_MULTIPLE = 0x800000, HEADER_BRIDGE = 0x10000, HEADER_KIND = 0x7f0000,
    BAR_IO = 1, BAR_KIND = 6, BAR_64 = 4, BARS = 6,
    CAPABILITY_VENDOR = 9, CAPABILITY_MSIX = 0x11, CAPABILITIES_MAX = 48,
    MSIX_ENABLE = 1u << 31, MSIX_MASK_ALL = 1 << 30, MSIX_ENTRY_SIZE = 16,
};
enum { VENDOR_VIRTIO = 0x1af4, DEVICE_MODERN = 0x1040, DEVICE_OLD_NETWORK = 0x1000, DEVICE_OLD_BLOCK = 0x1001 };
enum { VIRTIO_COMMON = 1, VIRTIO_NOTIFY = 2, VIRTIO_CONFIG = 4, COMMON_SIZE = 56 };
enum { FUNCTION_STEP = 1 << 8, DEVICE_STEP = 8 << 8, BUS_SHIFT = 16, ADDRESS_END = 1 << 24 };

static uint32_t config_read(uint32_t address, uint32_t offset)
{
    return arch_pci_read(address | offset);
}

static void command_change(uint32_t address, uint32_t clear, uint32_t set)
{
    arch_pci_write(address | PCI_COMMAND, ((config_read(address, PCI_COMMAND) & 0xffff) & ~clear) | set);
}

void pci_cut_off(uint32_t address)
{
    command_change(address, COMMAND_MASTER, 0);
}

static uint64_t bar_physical(uint32_t address, uint32_t bar)
{
    if (bar >= BARS)
        return 0;
    uint64_t low = config_read(address, PCI_BAR + 4 * bar);
    if (low & BAR_IO)
        return 0;
    if ((low & BAR_KIND) == BAR_64 && bar + 1 < BARS)
        low |= (uint64_t)config_read(address, PCI_BAR + 4 * (bar + 1)) << 32;
    return low & ~15ull;
}

static volatile uint8_t *bar_map(uint32_t address, uint32_t bar, uint32_t offset, uint32_t length)
{
    uint64_t physical = bar_physical(address, bar);

    return physical && length ? arch_device_map(physical + offset, length) : 0;
}

/* A structure that a vendor capability tells of (virtio 1.2, 4.1.4). */
static void structure_note(struct virtio *device, uint32_t at)
{
    uint32_t head = config_read(device->pci, at), bar = config_read(device->pci, at + 4) & 0xff;
    uint32_t offset = config_read(device->pci, at + 8), length = config_read(device->pci, at + 12);

    switch (head >> 24) {
    case VIRTIO_COMMON:
        if (!device->registers && length >= COMMON_SIZE)
            device->registers = bar_map(device->pci, bar, offset, length);
        break;
    case VIRTIO_NOTIFY:
        if (!device->doorbells && (device->doorbells = bar_map(device->pci, bar, offset, length))) {
            device->doorbells_length = length;
            device->doorbell_multiplier = config_read(device->pci, at + 16);
        }
        break;
    case VIRTIO_CONFIG:
        if (!device->config && (device->config = bar_map(device->pci, bar, offset, length)))
            device->config_length = length;
    }
}

/* One entry of its table is used, for all its queues. */
static bool messages_route(const struct virtio *device, uint32_t at)
{
    uint32_t where = config_read(device->pci, at + 4), data;
    uint64_t address;
    volatile uint32_t *entry = (volatile uint32_t *)bar_map(device->pci, where & 7, where & ~7u, MSIX_ENTRY_SIZE);

    if (!entry || !arch_device_message(device->number, &address, &data))
        return false;
    uint32_t control = config_read(device->pci, at);
    arch_pci_write(device->pci | at, control | MSIX_ENABLE | MSIX_MASK_ALL);
    entry[0] = address;
    entry[1] = address >> 32;
    entry[2] = data;
    entry[3] = 0;
    arch_pci_write(device->pci | at, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    return true;
}

static bool capabilities_read(struct virtio *device)
{
    bool routed = false;

    if (!(config_read(device->pci, PCI_COMMAND) & STATUS_HAS_CAPABILITIES))
        return false;
    uint32_t at = config_read(device->pci, PCI_CAPABILITIES) & 0xfc;
    for (uint32_t i = 0; at && i < CAPABILITIES_MAX; i++) {
        uint32_t head = config_read(device->pci, at);

        if ((head & 0xff) == CAPABILITY_VENDOR)
            structure_note(device, at);
        else if ((head & 0xff) == CAPABILITY_MSIX)
            routed = messages_route(device, at);
        at = head >> 8 & 0xfc;
    }
    return routed && device->registers && device->doorbells;
}

/* Which of the kinds that have drivers, or 0. Devices that can also be driven in the old way have numbers of their own. */
static uint32_t virtio_kind(uint32_t id)
{
    uint32_t device = id >> 16;

    if ((id & 0xffff) != VENDOR_VIRTIO)
        return 0;
    if (device == DEVICE_OLD_NETWORK || device == DEVICE_MODERN + VIRTIO_NETWORK)
        return VIRTIO_NETWORK;
    return device == DEVICE_OLD_BLOCK || device == DEVICE_MODERN + VIRTIO_BLOCK ? VIRTIO_BLOCK : 0;
}

/* Function 0 says whether there are others. */
static uint32_t address_after(uint32_t address, uint32_t id, uint32_t header)
{
    bool is_first = !(address & (DEVICE_STEP - 1));

    if (is_first && (id == UINT32_MAX || !(header & HEADER_MULTIPLE)))
        return address + DEVICE_STEP;
    return address + FUNCTION_STEP;
}

/* Buses are numbered so that each bridge's last lies above its own: the highest told of so far is where the search ends. The
 * upper byte of *next holds it. */
bool pci_virtio_next(uint32_t *next, uint8_t number, struct virtio *ret_device)
{
    uint32_t last_bus = *next >> 24, address = *next & (ADDRESS_END - 1);

    while (address >> BUS_SHIFT <= last_bus && address < ADDRESS_END) {
        uint32_t here = address, id = config_read(here, PCI_ID), header = config_read(here, PCI_HEADER);
        uint32_t kind = virtio_kind(id);

        address = address_after(here, id, header);
        if (id != UINT32_MAX && (header & HEADER_KIND) == HEADER_BRIDGE) {
            uint32_t below = config_read(here, PCI_BUSES) >> 16 & 0xff;
            last_bus = below > last_bus ? below : last_bus;
        }
        *next = last_bus << 24 | address;
        *ret_device = (struct virtio){.transport = TRANSPORT_PCI, .kind = kind, .number = number, .pci = here};
        if (!kind)
            continue;
        command_change(here, 0, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
        if (capabilities_read(ret_device))
            return true;
    }
    return false;
}
