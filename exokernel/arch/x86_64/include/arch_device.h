/*
 * What the drivers in device/ ask of a machine, beside core/arch.h. All of it at boot, on the boot processor, but for arch_pci_*.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <limits_of.h>

/* Registers at a physical address, uncached, for ever; NULL: there is no room for more. */
volatile uint8_t *arch_device_map(uint64_t physical, uint64_t size);
/* Cleared frames in a row for ever. */
void *arch_device_frames(uint32_t count, uint64_t *ret_physical);
/* PCI configuration space: bus << 16 | device << 11 | function << 8 | offset, of 32 bits. */
uint32_t arch_pci_read(uint32_t address);
void arch_pci_write(uint32_t address, uint32_t value);
/* What a device writes where to interrupt processor 0 as device `number`. False: it cannot. */
bool arch_device_message(uint8_t number, uint64_t *ret_address, uint32_t *ret_data);
/* Let this interrupt line (ACPI's number), which stays up until it is answered, interrupt processor 0 as device `number`. */
bool arch_device_line(uint8_t number, uint64_t line);
/* Interrupt processor 0 as this device does. At any time. */
void arch_device_interrupt(uint8_t number);
