/*
 * virtio-blk (virtio 1.2, 5.2).
 */
#pragma once
#include "virtio.h"

/* A disk that was found. False: it cannot be used. */
bool block_add(const struct virtio *device);
/* The device with this number has interrupted. False: it is no disk. */
bool block_interrupt(uint32_t number);
