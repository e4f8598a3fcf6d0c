#include "memory.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <unix/protocol.h>

#define STORE_ADDRESS 0x100000000ull

enum { LATER_MAX = 256, CHUNKS_LIMIT = 32768, RIGHTS_STORE = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT };

struct memory memory;
/* Where chunks are cut from: own memory, and what is lent by the manifest's [[loan]] while it is our turn. */
struct chunk_area {
    uint16_t capability;
    uint32_t first, count; /* chunks */
    uint8_t used[CHUNKS_LIMIT];
};

static struct chunk_area own_chunks, lent_chunks;
static bool loan_is_asked; /* back: nothing more is taken from it */
static uint32_t later[LATER_MAX], later_count; /* given up while some process still maps them */

static void area_open(struct chunk_area *area, uint16_t capability, uint32_t first, uint32_t frames)
{
    area->capability = capability;
    area->first = first;
    area->count = frames / CHUNK_FRAMES < CHUNKS_LIMIT ? frames / CHUNK_FRAMES : CHUNKS_LIMIT;
}

int64_t memory_open(void)
{
    const struct exo_start_capability *held = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    int64_t result = exo_capability_derive(0, held->slot, 0, SERVER_SLOT_STORE, RIGHTS_STORE, held->first, held->count);

    if (result != EXO_OK)
        return result;
    memory.first = held->first;
    memory.count = held->count;
    uint32_t chunk_frames = held->count / 2 / CHUNK_FRAMES * CHUNK_FRAMES;
    area_open(&own_chunks, held->slot, held->first + held->count - chunk_frames, chunk_frames);
    const struct exo_start_capability *lent = exo_start_loan(0);
    if (lent)
        area_open(&lent_chunks, lent->slot, lent->first, lent->count);
    exo_frames_open(&memory.own, 0, held->slot, held->first, held->count - chunk_frames);
    exo_frames_open(&memory.store, 0, SERVER_SLOT_STORE, held->first, held->count - chunk_frames);
    memory.store.next = held->first + memory.store.count / 2;
    exo_space_open(&memory.space, &exo_start, &memory.own);
    return EXO_OK;
}

uint8_t *store_page(uint32_t frame)
{
    return (uint8_t *)STORE_ADDRESS + (uint64_t)(frame - memory.store.first) * EXO_FRAME_SIZE;
}

static uint32_t area_alloc(struct chunk_area *area, uint32_t wanted)
{
    uint32_t run = 0;

    for (uint32_t i = 0; i < area->count; i++) {
        run = area->used[i] ? 0 : run + 1;
        if (run < wanted)
            continue;
        for (uint32_t k = 0; k < wanted; k++)
            area->used[i - k] = 1;
        return area->first + (i + 1 - wanted) * CHUNK_FRAMES;
    }
    return 0;
}

uint32_t chunk_alloc(uint32_t count, uint16_t *ret_capability)
{
    uint32_t first = area_alloc(&own_chunks, count / CHUNK_FRAMES);

    *ret_capability = own_chunks.capability;
    if (first || loan_is_asked)
        return first;
    *ret_capability = lent_chunks.capability;
    return area_alloc(&lent_chunks, count / CHUNK_FRAMES);
}

uint32_t memory_chunks_free(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < own_chunks.count; i++)
        count += !own_chunks.used[i];
    return count * CHUNK_FRAMES;
}

static bool chunk_is_lent(uint32_t first)
{
    return first - lent_chunks.first < lent_chunks.count * CHUNK_FRAMES;
}

void chunk_free(uint32_t first, uint32_t count)
{
    struct chunk_area *area = chunk_is_lent(first) ? &lent_chunks : &own_chunks;

    for (uint32_t i = 0; i < count / CHUNK_FRAMES; i++)
        area->used[(first - area->first) / CHUNK_FRAMES + i] = 0;
}

void loan_ask(uint16_t capability)
{
    if (lent_chunks.count && capability == lent_chunks.capability)
        __atomic_store_n(&loan_is_asked, true, __ATOMIC_SEQ_CST);
}

void loan_look(void)
{
    uint32_t used = 0;

    if (!loan_is_asked)
        return;
    for (uint32_t i = 0; i < lent_chunks.count; i++)
        used += lent_chunks.used[i];
    if (used)
        return;
    exo_drop(lent_chunks.capability);
    loan_is_asked = false; /* until it is our turn again, nothing can be granted from the empty slot */
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

uint32_t store_alloc_run(uint32_t count)
{
    uint32_t first = exo_frame_alloc_run(&memory.store, count, 1);

    if (!first)
        return 0;
    int64_t result = exo_space_map(&memory.space, (uint64_t)store_page(first), first, count, SERVER_SLOT_STORE,
                                   EXO_MAP_READ | EXO_MAP_WRITE);
    return result == EXO_OK ? first : 0;
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

    for (uint32_t i = 0; i < memory.count; i++) {
        const volatile struct exo_frame *frame = exo_frame_info(memory.first + i);
        lost += frame->kind != EXO_FRAME_FREE && frame->owner != exo_start.environment;
    }
    return lost;
}
