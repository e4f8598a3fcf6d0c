#include "device.h"
#include "node.h"
#include "terminal.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>
#include <unix/linux.h>

enum { CONSOLE_MOST = 256 };

void console_put(const char *text, size_t size)
{
    uint16_t slot = exo_start_slot(EXO_KIND_CONSOLE, 0);

    for (size_t done = 0; slot && done < size;) {
        size_t part = size - done < CONSOLE_MOST ? size - done : CONSOLE_MOST;
        memcpy(EXO_CONTEXT->batch, text + done, part);
        int64_t written = exo_console_write(slot, (uint32_t)part);
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

/* splitmix64 (Vigna), seeded by the machine's generator and the clock. */
void random_fill(void *target, size_t size)
{
    static uint64_t state;

    state ^= state ? exo_ticks() : exo_system_info()->random_seed ^ exo_ticks();
    for (size_t done = 0, part; done < size; done += part) {
        uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        z ^= z >> 31;
        part = size - done < 8 ? size - done : 8;
        memcpy((uint8_t *)target + done, &z, part);
    }
}

int64_t device_read(uint32_t device, void *target, size_t size)
{
    switch (device) {
    case DEVICE_NULL:
    case DEVICE_TTY:
    case DEVICE_CONSOLE:
        return 0; /* not the instance's terminal: it is at its end */
    case DEVICE_ZERO:
        memset(target, 0, size);
        return (int64_t)size;
    case DEVICE_RANDOM:
    case DEVICE_URANDOM:
        random_fill(target, size);
        return (int64_t)size;
    default:
        return -ENODEV;
    }
}

int64_t device_write(uint32_t device, const void *source, size_t size)
{
    if ((device == DEVICE_TTY || device == DEVICE_CONSOLE) && terminal_exists())
        terminal_put(source, size);
    else if (device == DEVICE_TTY || device == DEVICE_CONSOLE)
        console_put(source, size);
    return (int64_t)size;
}

static int64_t device_make(struct node *directory, const char *name, uint32_t device)
{
    size_t length = exo_text_length(name);

    if (node_entry(directory, name, length))
        return 0;
    struct node *node = node_new(S_IFCHR | 0666);
    if (!node)
        return -ENOSPC;
    node->device = device;
    return node_link(directory, name, length, node);
}

int64_t devices_make(void)
{
    if (!node_entry(node_root, "proc", 4)) {
        struct node *proc = node_new(S_IFDIR | 0555);
        if (!proc || node_link(node_root, "proc", 4, proc) < 0)
            return -ENOSPC;
    }

    static const struct {
        const char *name;
        uint32_t device;
    } devices[] = {
        { "console", DEVICE_CONSOLE }, { "tty", DEVICE_TTY }, { "null", DEVICE_NULL }, { "zero", DEVICE_ZERO },
        { "random", DEVICE_RANDOM }, { "urandom", DEVICE_URANDOM },
    };
    struct entry *entry = node_entry(node_root, "dev", 3);
    struct node *directory = entry ? entry->node : node_new(S_IFDIR | 0755);
    int64_t result = directory ? 0 : -ENOSPC;

    if (directory && !entry)
        result = node_link(node_root, "dev", 3, directory);
    for (size_t i = 0; i < sizeof devices / sizeof *devices && result == 0; i++)
        result = device_make(directory, devices[i].name, devices[i].device);
    return result;
}
