#include "mmio.h"
#include <arch_device.h>

enum { MMIO_MAGIC = 0x00, MMIO_VERSION = 0x04, MMIO_KIND = 0x08, MMIO_CONFIG = 0x100, MAGIC = 0x74726976, VERSION = 2 };

static const char *after(const char *text, const char *wanted)
{
    while (*wanted)
        if (*text++ != *wanted++)
            return 0;
    return text;
}

static uint32_t digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

/* Decimal, or hexadecimal with 0x; K, M or G may follow. Returns what comes after it. */
static const char *number_read(const char *text, uint64_t *ret_value)
{
    uint32_t base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;

    *ret_value = 0;
    for (text += base == 16 ? 2 : 0; digit(*text) < base; text++)
        *ret_value = *ret_value * base + digit(*text);
    uint32_t shift = *text == 'K' ? 10 : *text == 'M' ? 20 : *text == 'G' ? 30 : 0;
    *ret_value <<= shift;
    return shift ? text + 1 : text;
}

/* SIZE@BASE:IRQ. */
static bool place_read(const char *text, uint64_t *ret_size, uint64_t *ret_base, uint64_t *ret_line)
{
    text = number_read(text, ret_size);
    if (*text != '@')
        return false;
    text = number_read(text + 1, ret_base);
    if (*text != ':')
        return false;
    number_read(text + 1, ret_line);
    return *ret_size > MMIO_CONFIG;
}

static uint32_t register_read(const struct virtio *device, uint32_t offset)
{
    return *(volatile uint32_t *)(device->registers + offset);
}

static bool device_find(uint64_t base, uint64_t size, uint64_t line, struct virtio *device)
{
    device->registers = arch_device_map(base, size);
    if (!device->registers || register_read(device, MMIO_MAGIC) != MAGIC || register_read(device, MMIO_VERSION) != VERSION)
        return false;
    device->kind = register_read(device, MMIO_KIND);
    device->config = device->registers + MMIO_CONFIG;
    device->config_length = size - MMIO_CONFIG;
    return (device->kind == VIRTIO_BLOCK || device->kind == VIRTIO_NETWORK) && arch_device_line(device->number, line);
}

bool mmio_virtio_next(const char **text, uint8_t number, struct virtio *ret_device)
{
    uint64_t size, base, line;

    while (**text) {
        const char *value = after(*text, "virtio_mmio.device=");

        while (**text && **text != ' ')
            ++*text;
        while (**text == ' ')
            ++*text;
        *ret_device = (struct virtio){.transport = TRANSPORT_MMIO, .number = number};
        if (value && place_read(value, &size, &base, &line) && device_find(base, size, line, ret_device))
            return true;
    }
    return false;
}
