#include "pool.h"
#include "store.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define TABLE_VIEW 0x2fe00000ull /* the region's page table, readable */
#define FILL_PAGE  0x2fe01000ull /* where a frame is filled before it is bound */

enum { ENTRY_PRESENT = 1, ENTRY_ACCESSED = 32, ENTRY_DIRTY = 64, EXCEPTION_PAGE_FAULT = 14, NO_PAGE = POOL_PAGES };

/* A frame of the pool and the page that it holds, or NO_PAGE. */
struct buffer {
    uint32_t frame, page;
};

struct pool_figures pool_figures;
static struct exo_frames frames;
static struct exo_space space;
static struct buffer buffers[POOL_FRAMES_MAX];
static uint32_t buffer_count, hand, region_table;

volatile uint64_t *pool_page(uint32_t page)
{
    return (volatile uint64_t *)(POOL_ADDRESS + (uint64_t)page * EXO_FRAME_SIZE);
}

uint32_t pool_frames(void)
{
    return buffer_count;
}

static uint64_t entry_of(uint32_t page)
{
    return ((const volatile uint64_t *)TABLE_VIEW)[page];
}

static void must(int64_t result, const char *what)
{
    if (result == EXO_OK)
        return;
    exo_print("%s: %s", what, exo_status_name(result));
    exo_exit(1);
}

/* Unbound first, so that nobody writes it while it is copied; the dirty bit was read before. */
static void page_evict(struct buffer *buffer)
{
    bool dirty = entry_of(buffer->page) & ENTRY_DIRTY;

    must(exo_space_unmap(&space, (uint64_t)pool_page(buffer->page), 1), "unbind a page");
    if (dirty) {
        must(exo_space_map(&space, FILL_PAGE, buffer->frame, 1, frames.capability, EXO_MAP_READ | EXO_MAP_WRITE), "bind");
        store_write(buffer->page, (const void *)FILL_PAGE);
        must(exo_space_unmap(&space, FILL_PAGE, 1), "unbind");
        pool_figures.written++;
    }
    buffer->page = NO_PAGE;
    pool_figures.evicted++;
}

/* Forget that these pages were accessed, in one call. Events are held back: the batch is ours. */
static void pages_age(const uint32_t *pages, uint32_t count)
{
    const uint16_t flags = EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_AGE;

    if (!count)
        return;
    for (uint32_t i = 1; i < count; i++)
        EXO_CONTEXT->batch[i - 1] = (struct exo_mapping){
            .address = (uint64_t)pool_page(pages[i]), .table = region_table, .flags = flags,
        };
    if (exo_space_protect(0, (uint64_t)pool_page(pages[0]), exo_mapping_entry(region_table, 0),
                          exo_mapping_way(0, flags, 0), count - 1) != count)
        must(EXO_BAD_ARGUMENT, "age pages");
    pool_figures.aged += count;
}

/* CLOCK: pass over what was accessed since the last time. After a whole turn even that has to go. */
static struct buffer *buffer_choose(void)
{
    enum { AGED_MAX = EXO_MAPPINGS_MAX + 1 };
    uint32_t accessed[AGED_MAX], count = 0;

    for (;;) {
        struct buffer *buffer = &buffers[hand];
        hand = (hand + 1) % buffer_count;
        bool is_old = buffer->page == NO_PAGE || !(entry_of(buffer->page) & ENTRY_ACCESSED);
        if (!is_old && count < AGED_MAX && count + 1 < buffer_count) {
            accessed[count++] = buffer->page;
            continue;
        }
        pages_age(accessed, count);
        if (buffer->page != NO_PAGE)
            page_evict(buffer);
        return buffer;
    }
}

static void page_fetch(uint32_t page)
{
    struct buffer *buffer = buffer_choose();

    must(exo_space_map(&space, FILL_PAGE, buffer->frame, 1, frames.capability, EXO_MAP_READ | EXO_MAP_WRITE), "bind");
    store_read(page, (void *)FILL_PAGE);
    must(exo_space_unmap(&space, FILL_PAGE, 1), "unbind");
    must(exo_space_map(&space, (uint64_t)pool_page(page), buffer->frame, 1, frames.capability,
                       EXO_MAP_READ | EXO_MAP_WRITE), "bind a page");
    buffer->page = page;
}

static void fault_handle(struct exo_upcall_frame *frame)
{
    uint64_t page = (frame->address - POOL_ADDRESS) / EXO_FRAME_SIZE;

    if (frame->vector != EXCEPTION_PAGE_FAULT || frame->address < POOL_ADDRESS || page >= POOL_PAGES) {
        exo_print("exception %u at %#lx, address %#lx", frame->vector, frame->rip, frame->address);
        exo_exit(EXO_EXIT_EXCEPTION);
    }
    bool blocked = exo_events_block();
    if (!(entry_of((uint32_t)page) & ENTRY_PRESENT)) {
        pool_figures.faults++;
        page_fetch((uint32_t)page);
    }
    exo_events_restore(blocked);
}

int64_t pool_open(uint32_t count)
{
    const struct exo_start_capability *held = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    int64_t result;

    exo_frames_open(&frames, 0, held->slot, held->first, held->count);
    exo_space_open(&space, &exo_start, &frames);
    region_table = exo_space_table(&space, POOL_ADDRESS);
    if (!region_table || count > POOL_FRAMES_MAX)
        return EXO_BAD_ARGUMENT;
    if ((result = exo_space_map(&space, TABLE_VIEW, region_table, 1, frames.capability, EXO_MAP_READ)) != EXO_OK)
        return result;
    if ((result = store_open(&space, &frames)) != EXO_OK)
        return result;
    for (buffer_count = 0; buffer_count < count; buffer_count++) {
        buffers[buffer_count] = (struct buffer){ exo_frame_alloc(&frames), NO_PAGE };
        if (!buffers[buffer_count].frame)
            return EXO_BAD_NAME;
    }
    exo_exception_handler = fault_handle;
    return EXO_OK;
}

static bool buffer_is_clean(const struct buffer *buffer)
{
    return buffer->page == NO_PAGE || !(entry_of(buffer->page) & ENTRY_DIRTY);
}

/* Two rounds: what is clean or empty, then what has to be written first. One frame always stays. */
uint32_t pool_give(uint16_t capability, uint32_t count)
{
    uint32_t given = 0;

    if (capability != frames.capability)
        return 0;
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < buffer_count && given < count && buffer_count > 1;) {
            if (round == 0 && !buffer_is_clean(&buffers[i])) {
                i++;
                continue;
            }
            if (buffers[i].page != NO_PAGE)
                page_evict(&buffers[i]);
            if (exo_frame_return(0, capability, buffers[i].frame, 1) != 1)
                return given;
            buffers[i] = buffers[--buffer_count];
            given++;
        }
    hand = 0;
    pool_figures.given += given;
    return given;
}
