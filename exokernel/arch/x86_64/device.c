/*
 * What drivers ask of this machine: a window of uncached pages, PCI configuration by ports (PCI 3.0, 3.2.2.3.2), messages to the
 * local APIC (Intel SDM 3A 11.11), lines of the I/O APICs (82093AA data sheet). Interrupts of devices go to processor 0.
 */
#include "machine.h"
#include <arch_device.h>
#include <device.h>
#include <slice.h>

enum { PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc };
enum { IOAPIC_SELECT = 0x00, IOAPIC_WINDOW = 0x10, IOAPIC_VERSION = 1, IOAPIC_ENTRIES = 0x10, LINE_LEVEL = 1 << 15 };
enum { MESSAGE_ADDRESS = 0xfee00000, MESSAGE_IDS = 256, PAGE = 4096 };
_Static_assert(DEVICE_MAX == VECTOR_DEVICE_END - VECTOR_DEVICE, "a vector for each device");

static uint64_t window_next = DEVICE_BASE;

volatile uint8_t *arch_device_map(uint64_t physical, uint64_t size)
{
    uint64_t start = physical & ~(uint64_t)(PAGE - 1), pages = (physical + size - start + PAGE - 1) / PAGE;

    if (pages > (DEVICE_END - window_next) / PAGE)
        return NULL;
    paging_map_device(window_next, start, pages * PAGE);
    volatile uint8_t *mapped = (volatile uint8_t *)(window_next + (physical - start));
    window_next += pages * PAGE;
    return mapped;
}

void *arch_device_frames(uint32_t count, uint64_t *ret_physical)
{
    frame_name frame = boot_take(count);

    *ret_physical = (uint64_t)frame * PAGE;
    return direct_page(frame);
}

uint32_t arch_pci_read(uint32_t address)
{
    outl(PCI_ADDRESS, 1u << 31 | (address & ~3u));
    return inl(PCI_DATA);
}

void arch_pci_write(uint32_t address, uint32_t value)
{
    outl(PCI_ADDRESS, 1u << 31 | (address & ~3u));
    outl(PCI_DATA, value);
}

bool arch_device_message(uint8_t number, uint64_t *ret_address, uint32_t *ret_data)
{
    if (cpus[0].apic_id >= MESSAGE_IDS)
        return false;
    *ret_address = MESSAGE_ADDRESS | cpus[0].apic_id << 12;
    *ret_data = VECTOR_DEVICE + number;
    return true;
}

static uint32_t ioapic_read(volatile uint32_t *ioapic, uint32_t reg)
{
    ioapic[IOAPIC_SELECT / 4] = reg;
    return ioapic[IOAPIC_WINDOW / 4];
}

static void ioapic_write(volatile uint32_t *ioapic, uint32_t reg, uint32_t value)
{
    ioapic[IOAPIC_SELECT / 4] = reg;
    ioapic[IOAPIC_WINDOW / 4] = value;
}

bool arch_device_line(uint8_t number, uint64_t line)
{
    for (uint32_t i = 0; i < firmware.ioapic_count && cpus[0].apic_id < MESSAGE_IDS; i++) {
        volatile uint32_t *ioapic = (volatile uint32_t *)arch_device_map(firmware.ioapic[i].address, PAGE);
        if (!ioapic)
            return false;
        uint64_t entry = line - firmware.ioapic[i].first_line;
        if (entry > (ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff))
            continue;
        ioapic_write(ioapic, IOAPIC_ENTRIES + 2 * entry + 1, cpus[0].apic_id << 24);
        ioapic_write(ioapic, IOAPIC_ENTRIES + 2 * entry, LINE_LEVEL | (VECTOR_DEVICE + number));
        return true;
    }
    return false;
}
