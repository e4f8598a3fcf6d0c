#include "memory.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define TABLE_VIEW   MEMORY_WINDOWS                    /* the own page table, readable */
#define COPY_ADDRESS (MEMORY_WINDOWS + EXO_FRAME_SIZE) /* where a new frame is written */

enum { EXCEPTION_PAGE_FAULT = 14, FAULT_WRITE = 2, ENTRY_FRAME_SHIFT = 12 };

struct memory memory EXO_EAGER;

static uint64_t first_page(void)
{
    return (uint64_t)exo_eager_end;
}

uint64_t memory_page(uint32_t n)
{
    return first_page() + (uint64_t)n * EXO_FRAME_SIZE;
}

uint16_t memory_capability(uint32_t frame)
{
    for (uint32_t i = 0; i < exo_start.capability_count; i++) {
        const struct exo_start_capability *held = &exo_start.capability[i];
        if (held->kind == EXO_KIND_FRAMES && held->rights & EXO_RIGHT_TAKE && frame - held->first < held->count)
            return held->slot;
    }
    return 0;
}

/* Put a copy of the page's contents into a frame of our own, and bind that. */
static int64_t page_copy(uint32_t page, uint32_t frame)
{
    uint16_t capability = memory.frames.capability;
    int64_t result = exo_space_map(&memory.space, COPY_ADDRESS, frame, 1, capability, EXO_MAP_READ | EXO_MAP_WRITE);

    if (result != EXO_OK)
        return result;
    memcpy((void *)COPY_ADDRESS, (const void *)memory_page(page), EXO_FRAME_SIZE);
    exo_space_unmap(&memory.space, COPY_ADDRESS, 1);
    exo_space_unmap(&memory.space, memory_page(page), 1);
    return exo_space_map(&memory.space, memory_page(page), frame, 1, capability, EXO_MAP_READ | EXO_MAP_WRITE);
}

static bool frame_is_own(uint32_t frame)
{
    return frame - memory.frames.first < memory.frames.count || memory_capability(frame);
}

static int64_t page_own(uint32_t page)
{
    bool own = frame_is_own(memory.frame[page]);

    if (own && memory.children == 0) {
        memory.regained++;
        return exo_space_change(&memory.space, memory_page(page), 1, EXO_MAP_READ | EXO_MAP_WRITE);
    }
    uint32_t frame = exo_frame_alloc(&memory.frames);
    int64_t result = frame ? page_copy(page, frame) : EXO_BAD_NAME;
    if (result != EXO_OK)
        return result;
    if (own)
        memory.left[memory.left_count++] = memory.frame[page];
    memory.frame[page] = frame;
    memory.copied++;
    return EXO_OK;
}

/* A write to one of the pages. An event that came first may have handled it already: then it is just done again. */
static bool write_handle(uint32_t page)
{
    bool blocked = exo_events_block();
    int64_t result = memory.shared[page] ? page_own(page) : EXO_OK;

    memory.shared[page] = 0;
    exo_events_restore(blocked);
    return result == EXO_OK;
}

static void fault_handle(struct exo_upcall_frame *frame)
{
    uint64_t page = (frame->address - first_page()) / EXO_FRAME_SIZE;

    if (frame->vector == EXCEPTION_PAGE_FAULT && frame->error & FAULT_WRITE && frame->address >= first_page() &&
        page < memory.page_count && write_handle((uint32_t)page))
        return;
    exo_print("process %u: exception %u, error %#x, at %#lx, address %#lx", exo_start.number, frame->vector,
              frame->error, frame->rip, frame->address);
    exo_exit(EXO_EXIT_EXCEPTION);
}

/* The entries of the own page table name the frames; they are read where the table itself is bound. */
uint32_t memory_frame_at(uint64_t address)
{
    const volatile uint64_t *entry = (const volatile uint64_t *)TABLE_VIEW;
    return (uint32_t)(entry[address / EXO_FRAME_SIZE % EXO_TABLE_ENTRIES] >> ENTRY_FRAME_SHIFT & (EXO_FRAME_LIMIT - 1));
}

int64_t memory_open(void)
{
    const struct exo_start_capability *held = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));

    exo_frames_open(&memory.frames, 0, held->slot, held->first, held->count);
    exo_space_open(&memory.space, &exo_start, &memory.frames);
    memory.page_count = (uint32_t)(((uint64_t)exo_image_end - first_page()) / EXO_FRAME_SIZE);
    if (memory.page_count > PAGES_MAX)
        return EXO_BAD_ARGUMENT;
    uint32_t table = exo_space_table(&memory.space, first_page());
    int64_t result = exo_space_map(&memory.space, TABLE_VIEW, table, 1, memory_capability(table), EXO_MAP_READ);
    for (uint32_t page = 0; page < memory.page_count && result == EXO_OK; page++)
        memory.frame[page] = memory_frame_at(memory_page(page));
    exo_exception_handler = fault_handle;
    return result;
}

int64_t memory_share(void)
{
    memory.children++;
    for (uint32_t page = 0; page < memory.page_count; page++)
        memory.shared[page] = 1;
    return exo_space_change(&memory.space, first_page(), memory.page_count, EXO_MAP_READ);
}

void memory_unshare(void)
{
    if (--memory.children)
        return;
    while (memory.left_count) {
        uint32_t frame = memory.left[--memory.left_count];
        exo_frame_free(0, memory_capability(frame), frame, 1);
    }
}

uint32_t memory_free(void)
{
    uint32_t free = memory.frames.stocked;

    for (uint32_t i = 0; i < exo_start.capability_count; i++) {
        const struct exo_start_capability *held = &exo_start.capability[i];
        struct exo_frames range = { .first = held->first, .count = held->count };
        if (held->kind == EXO_KIND_FRAMES && held->rights & EXO_RIGHT_TAKE)
            free += exo_frames_free(&range);
    }
    return free;
}
