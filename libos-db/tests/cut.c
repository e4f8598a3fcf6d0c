#include "cut.h"
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, SECTORS = PAGE_SIZE / SECTOR };

static uint32_t random_next(void)
{
    static uint32_t state = 1;
    return (state = state * 1664525 + 1013904223) >> 8; /* Numerical Recipes */
}

static void write_apply(uint8_t *disk, const struct event *event, enum cut_fate fate)
{
    for (uint32_t sector = 0; sector < SECTORS; sector++)
        if (fate == FATE_ALL || (fate >= FATE_SOME && random_next() % 2))
            memcpy(disk + (size_t)event->value * PAGE_SIZE + sector * SECTOR, event->block + sector * SECTOR, SECTOR);
}

uint32_t cut_everywhere(uint32_t blocks, uint32_t first_note, void (*look)(uint32_t noted))
{
    size_t size = (size_t)blocks * PAGE_SIZE, flushed = 0, count = machine.event_count;
    uint8_t *stable = calloc(1, size);
    uint32_t noted = 0, looked = 0;

    machine.is_tracing = false;
    for (size_t at = 0; at < count; at++) {
        const struct event *event = &machine.events[at];
        if (event->kind == EVENT_NOTE)
            noted = event->value;
        for (; event->kind == EVENT_FLUSH && flushed < at; flushed++)
            if (machine.events[flushed].kind == EVENT_WRITE)
                write_apply(stable, &machine.events[flushed], FATE_ALL);
        for (enum cut_fate fate = 0; noted >= first_note && event->kind != EVENT_NOTE && fate < FATES; fate++) {
            memcpy(machine.disk, stable, size);
            for (size_t i = flushed; i <= at; i++)
                if (machine.events[i].kind == EVENT_WRITE)
                    write_apply(machine.disk, &machine.events[i], fate);
            look(noted);
            looked++;
            if (event->kind == EVENT_FLUSH)
                break;
        }
    }
    free(stable);
    return looked;
}
