/* The virtio network device (virtio 1.2, 5.1): one, the first that works. Contract: core/device.h. */
#pragma once
#include "virtio.h"

/* At boot. */
void net_add(const struct virtio *device);
/* False: the device with this number is not it. */
bool net_interrupt(uint32_t number);
