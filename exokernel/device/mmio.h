/*
 * Memory-mapped virtio devices (virtio 1.2, 4.2), as the kernel's command line names them: virtio_mmio.device=SIZE@BASE:IRQ.
 */
#pragma once
#include "virtio.h"

/* From *text on: the next one that has a driver, ready to be begun, given the interrupt `number`. False: there is none left. */
bool mmio_virtio_next(const char **text, uint8_t number, struct virtio *ret_device);
