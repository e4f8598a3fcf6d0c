#include "memory.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>

#define STORE_ADDRESS 0x100000000ull

enum { LATER_MAX = 256, RIGHTS_STORE = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT };

struct memory memory;
static uint32_t later[LATER_MAX], later_count; /* given up while some process still maps them */

int64_t memory_open(void)
{
    const struct exo_start_capability *held = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    int64_t result = exo_capability_derive(0, held->slot, 0, SERVER_SLOT_STORE, RIGHTS_STORE, held->first, held->count);

    if (result != EXO_OK)
        return result;
    exo_frames_open(&memory.own, 0, held->slot, held->first, held->count);
    exo_frames_open(&memory.store, 0, SERVER_SLOT_STORE, held->first, held->count);
    memory.store.next = held->first + held->count / 2;
    exo_space_open(&memory.space, &exo_start, &memory.own);
    return EXO_OK;
}

uint8_t *store_page(uint32_t frame)
{
    return (uint8_t *)STORE_ADDRESS + (uint64_t)(frame - memory.store.first) * EXO_FRAME_SIZE;
}

static void later_free(void)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < later_count; i++)
        if (exo_frame_release(&memory.store, later[i]) != 1)
            later[kept++] = later[i];
    later_count = kept;
}

uint32_t store_alloc(void)
{
    uint32_t frame = exo_frame_alloc(&memory.store);

    if (!frame)
        return 0;
    if (exo_space_map(&memory.space, (uint64_t)store_page(frame), frame, 1, SERVER_SLOT_STORE,
                      EXO_MAP_READ | EXO_MAP_WRITE) == EXO_OK)
        return frame;
    exo_frame_release(&memory.store, frame);
    return 0;
}

void store_free(uint32_t frame)
{
    exo_space_unmap(&memory.space, (uint64_t)store_page(frame), 1);
    later_free();
    if (exo_frame_release(&memory.store, frame) != 1 && later_count < LATER_MAX)
        later[later_count++] = frame;
}

uint32_t memory_lost(void)
{
    uint32_t lost = 0;

    for (uint32_t i = 0; i < memory.own.count; i++) {
        const volatile struct exo_frame *frame = exo_frame_info(memory.own.first + i);
        lost += frame->kind != EXO_FRAME_FREE && frame->owner != exo_start.environment;
    }
    return lost;
}
