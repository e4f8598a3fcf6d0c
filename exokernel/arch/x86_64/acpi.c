/*
 * The processors and I/O APICs, from ACPI's MADT (ACPI 6.4, 5.2.5 and 5.2.12). Nothing else of ACPI is used. Reads physical
 * memory below 4 GiB through the boot tables, so only before paging_load.
 */
#include "machine.h"

struct rsdp {
    char signature[8];
    uint8_t checksum, oem[6], revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
} __attribute__((packed));

struct acpi_table {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum, oem[26];
};

struct madt {
    struct acpi_table table;
    uint32_t apic_address, flags;
    uint8_t entries[];
};

enum { MADT_APIC = 0, MADT_IOAPIC = 1, MADT_X2APIC = 9, MADT_ENABLED = 1 };
enum { BIOS_START = 0xe0000, BIOS_END = 0x100000 };

static bool signature_is(const char *signature, const char *wanted, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (signature[i] != wanted[i])
            return false;
    return true;
}

static uint32_t read32(const uint8_t *at)
{
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static const struct rsdp *rsdp_find(uint64_t told)
{
    if (told && told < 1ull << 32)
        return boot_pointer(told);
    for (uint64_t at = BIOS_START; at < BIOS_END; at += 16)
        if (signature_is(boot_pointer(at), "RSD PTR ", 8))
            return boot_pointer(at);
    return NULL;
}

static const struct madt *madt_find(const struct rsdp *rsdp)
{
    bool wide = rsdp->revision >= 2 && rsdp->xsdt && rsdp->xsdt < 1ull << 32;
    const struct acpi_table *root = boot_pointer(wide ? rsdp->xsdt : rsdp->rsdt);
    uint32_t size = wide ? 8 : 4;
    for (const uint8_t *at = (const uint8_t *)(root + 1); at + size <= (const uint8_t *)root + root->length; at += size) {
        const struct acpi_table *table = boot_pointer(read32(at));
        if (signature_is(table->signature, "APIC", 4))
            return (const struct madt *)table;
    }
    return NULL;
}

/* The APIC id that an entry tells of; false: of no processor that can be used. */
static bool processor_read(const uint8_t *entry, uint32_t *ret_id)
{
    bool wide = entry[0] == MADT_X2APIC;
    if (!wide && entry[0] != MADT_APIC)
        return false;
    *ret_id = wide ? read32(entry + 4) : entry[3];
    return read32(entry + (wide ? 8 : 4)) & MADT_ENABLED;
}

static void ioapic_add(struct firmware *firmware, const uint8_t *entry)
{
    if (entry[0] != MADT_IOAPIC || firmware->ioapic_count == sizeof firmware->ioapic / sizeof firmware->ioapic[0])
        return;
    firmware->ioapic[firmware->ioapic_count].address = read32(entry + 4);
    firmware->ioapic[firmware->ioapic_count++].first_line = read32(entry + 8);
}

uint32_t acpi_read(struct firmware *firmware, uint32_t *apic_ids, uint32_t limit)
{
    const struct rsdp *rsdp = rsdp_find(firmware->rsdp);
    const struct madt *madt = rsdp ? madt_find(rsdp) : NULL;
    uint32_t count = 0, id;
    if (!madt)
        return 0;
    const uint8_t *end = (const uint8_t *)madt + madt->table.length;
    for (const uint8_t *at = madt->entries; at + 2 <= end && at[1] >= 2; at += at[1]) {
        if (count < limit && processor_read(at, &id))
            apic_ids[count++] = id;
        ioapic_add(firmware, at);
    }
    return count;
}
