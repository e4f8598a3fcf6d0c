/* CLOCK: pass over what was accessed since the hand was there last, and forget it; after a whole turn even that has to go. */
#include "replacement.h"
#include "hardware.h"

static uint32_t hand;

struct aged {
    uint32_t slots[HARDWARE_BATCH], count;
};

static void aged_flush(struct aged *aged)
{
    if (aged->count)
        slots_age(aged->slots, aged->count);
    aged->count = 0;
}

static void aged_add(struct aged *aged, uint32_t slot)
{
    aged->slots[aged->count++] = slot;
    if (aged->count == HARDWARE_BATCH)
        aged_flush(aged);
}

static void clock_choose(uint32_t wanted)
{
    uint32_t count = slot_count();
    struct aged aged = { .count = 0 };

    for (uint32_t step = 0; step < 2 * count && wanted; step++) {
        uint32_t slot = hand = hand + 1 < count ? hand + 1 : 0;
        if (step == count)
            aged_flush(&aged);
        if (!slot_may_leave(slot))
            continue;
        if (step < count && slot_was_accessed(slot)) {
            aged_add(&aged, slot);
            continue;
        }
        slot_leaves(slot);
        wanted--;
    }
    aged_flush(&aged);
}

const struct replacement replacement_clock = { .name = "CLOCK", .choose = clock_choose };
