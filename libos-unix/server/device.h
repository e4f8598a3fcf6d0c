/* Character devices: null, zero, random and the console. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int64_t device_read(uint32_t device, void *target, size_t size);
int64_t device_write(uint32_t device, const void *source, size_t size);
/* Bytes to the console, line by line under the instance's name. */
void console_put(const char *text, size_t size);
void random_fill(void *target, size_t size);
/* /dev and its nodes, where the archive has none. */
int64_t devices_make(void);
