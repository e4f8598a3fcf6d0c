/*
 * PCI, as far as virtio devices need it (PCI 3.0, 6; virtio 1.2, 4.1): configuration space, capabilities, memory BARs as the
 * firmware set them, MSI-X to processor 0.
 */
#pragma once
#include "virtio.h"

/* From *next on in configuration space (0 at first): the next virtio 1.x device, ready to be begun, given the interrupt `number`.
 * False: there is none left. */
bool pci_virtio_next(uint32_t *next, uint8_t number, struct virtio *ret_device);
/* It reads and writes no memory from now on. */
void pci_cut_off(uint32_t address);
