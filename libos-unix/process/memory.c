#include "memory.h"
#include "batch.h"
#include "inherit.h"
#include "region.h"
#include "runtime.h"
#include "site.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { FAULT_PRESENT = 1, FAULT_WRITE = 2, FAULT_FETCH = 16, ENTRY_PRESENT = 1, ENTRY_WRITE = 2, ENTRY_TOUCHED = 0x60 /* accessed, dirty */, AROUND = 16 };
#define ENTRY_NO_EXECUTE (1ull << 63)
#define TABLE_SPAN       (1ull << 21)

struct kin kin EXO_EAGER;
struct memory_state memory_state EXO_EAGER;

int64_t memory_open(void)
{
    const struct exo_start_capability *pool = exo_start_capability(SLOT_POOL);

    pool_open(&kin.pool, &(struct unix_range){ pool->first, pool->count, SLOT_POOL, 0 });
    exo_space_open(&kin.space, &exo_start, &kin.pool.chunk[0]);
    return exo_space_view(&kin.space, UNIX_VIEW_ADDRESS);
}

bool page_is_present(uint64_t page)
{
    return exo_space_entry(&kin.space, page) & ENTRY_PRESENT;
}

static uint64_t page_of(uint64_t address)
{
    return address & -(uint64_t)EXO_FRAME_SIZE;
}

/* Never writable and executable at once: such a page is what it was last used as. */
static uint32_t flags_of(uint32_t protection, bool write)
{
    if (protection & PROT_WRITE && (write || !(protection & PROT_EXEC)))
        return EXO_MAP_READ | EXO_MAP_WRITE;
    return EXO_MAP_READ | (protection & PROT_EXEC ? EXO_MAP_EXECUTE : 0);
}

/* The chunk in use may have no room for a page table: then another. */
bool page_bind(uint64_t page, uint32_t frame, uint32_t count, uint16_t slot, uint32_t flags)
{
    int64_t result = exo_space_map(&kin.space, page, frame, count, slot, flags);

    inherit_note(page, count);
    if (result == EXO_BAD_NAME && pool_grow())
        result = exo_space_map(&kin.space, page, frame, count, slot, flags);
    return result == EXO_OK;
}

static bool frame_bind(uint64_t page, uint32_t frame, uint32_t flags)
{
    if (page_bind(page, frame, 1, pool_slot(frame), flags))
        return true;
    pool_free(frame, 1);
    return false;
}

/* As many cleared frames as the pool has in stock, bound by one call in the place of the last ones. */
static bool ready_fill(void)
{
    uint32_t count = 1;

    if (kin.ready_count)
        exo_space_unmap(&kin.space, UNIX_READY_ADDRESS, kin.ready_count);
    kin.ready_count = kin.ready_used = 0;
    kin.ready[0] = pool_frame();
    if (!kin.ready[0])
        return false;
    while (count < READY_PAGES && pool_stock())
        kin.ready[count++] = pool_frame();
    if (exo_space_map_list(&kin.space, UNIX_READY_ADDRESS, kin.ready, count, pool_slot(kin.ready[0]), EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return false;
    kin.ready_count = count;
    return true;
}

/* A frame of our own with the first `size` bytes of what is at `source`. */
static uint32_t frame_copy(const void *source, uint64_t size)
{
    if (kin.ready_used == kin.ready_count && !ready_fill())
        return 0;
    vector_copy((void *)(UNIX_READY_ADDRESS + (uint64_t)kin.ready_used * EXO_FRAME_SIZE), source, size);
    return kin.ready[kin.ready_used++];
}

uint32_t page_copy_begin(uint64_t page, uint8_t **ret_copy)
{
    uint32_t frame = pool_frame();

    if (!frame || !page_bind(UNIX_COPY_ADDRESS, frame, 1, pool_slot(frame), EXO_MAP_READ | EXO_MAP_WRITE))
        return 0;
    *ret_copy = (uint8_t *)UNIX_COPY_ADDRESS;
    if (page)
        memcpy(*ret_copy, (const void *)page, EXO_FRAME_SIZE);
    return frame;
}

void page_copy_end(void)
{
    exo_space_unmap(&kin.space, UNIX_COPY_ADDRESS, 1);
}

/* Frames of ours that we no longer bind: free, or left as long as children may see them. */
static void frames_leave(uint32_t frame, uint32_t count)
{
    uint32_t n = memory_state.left_count;

    if (n && memory_state.left[n - 1].frame + memory_state.left[n - 1].count == frame) {
        memory_state.left[n - 1].count += count;
        return;
    }
    if (n == LEFT_MAX)
        return; /* lost until this process ends */
    memory_state.left[n].frame = frame;
    memory_state.left[n].count = count;
    memory_state.left_count++;
}

static void frames_give_back(uint32_t frame, uint32_t count)
{
    while (count && !STATE->viewers) {
        uint32_t done = pool_free(frame, count);
        if (!done)
            frames_leave(frame, done = 1);
        frame += done;
        count -= done;
    }
    if (count)
        frames_leave(frame, count);
}

bool page_exchange(uint64_t page, uint32_t old, uint32_t frame, uint32_t flags)
{
    if (old) {
        exo_space_unmap(&kin.space, page, 1);
        if (pool_slot(old))
            frames_give_back(old, 1);
    }
    return frame_bind(page, frame, flags);
}

/* A page that nobody else may have seen changed: at its first write after it was shared. */
static bool page_own(uint64_t page, uint32_t frame)
{
    bool own = pool_slot(frame);

    if (own && !STATE->viewers) {
        memory_state.regained++;
        inherit_note(page, 1);
        return exo_space_change(&kin.space, page, 1, EXO_MAP_READ | EXO_MAP_WRITE) == EXO_OK;
    }
    uint32_t copy = frame_copy((const void *)page, EXO_FRAME_SIZE);
    if (!copy)
        return false;
    exo_space_unmap(&kin.space, page, 1);
    if (own)
        frames_leave(frame, 1);
    memory_state.copied++;
    return frame_bind(page, copy, EXO_MAP_READ | EXO_MAP_WRITE);
}

static bool page_clear(uint64_t page, uint32_t flags)
{
    uint32_t frame = pool_frame();

    memory_state.filled++;
    return frame && frame_bind(page, frame, flags);
}

/* The frames of a file, if they lie in a row and there is a slot for them; count 0: pages are copied. */
static const struct unix_range *file_range(uint32_t node)
{
    uint64_t words[7] = { UNIX_MAP, node };
    uint32_t i = 0;

    while (i < memory_state.file_count && memory_state.file[i].of != node)
        i++;
    struct unix_range *range = &memory_state.file[i];
    if (i < memory_state.file_count)
        return range;
    if (i == FILES_MAX)
        return 0;
    *range = (struct unix_range){ .of = node };
    if (server_call(words) == 0)
        *range = (struct unix_range){ (uint32_t)words[2], (uint32_t)words[3], (uint32_t)words[1], node };
    memory_state.file_count++;
    return range;
}

/* A copy of a page of a file, up to what the region has of it. */
static bool page_read(const struct region *region, uint64_t page, uint64_t index, bool write)
{
    int64_t size = server_ask(UNIX_PAGE, region->node, index, 0);
    uint64_t most = region->file_end - page;

    if (size < 0)
        return false;
    uint32_t copy = frame_copy(WINDOW->page, (uint64_t)size < most ? (uint64_t)size : most);
    return copy && frame_bind(page, copy, flags_of(region->protection, write));
}

/* Read-only pages of a file are bound as they lie in the server's store, some at once. */
static bool page_load(const struct region *region, uint64_t page, bool write)
{
    uint64_t last = page_of(region->file_end - 1), index = (region->offset + page - region->start) / EXO_FRAME_SIZE;
    bool whole = page != last || region->file_end % EXO_FRAME_SIZE == 0 || !(region->protection & PROT_WRITE);
    const struct unix_range *range = file_range(region->node);
    uint64_t count = (inherit_next(page, last + EXO_FRAME_SIZE) - page) / EXO_FRAME_SIZE;

    if (write || !whole || !range || index >= range->count)
        return page_read(region, page, index, write);
    for (uint64_t i = 1; i < count; i++)
        if (i == AROUND || index + i == range->count || (page + i * EXO_FRAME_SIZE == last && region->protection & PROT_WRITE) ||
            exo_space_entry(&kin.space, page + i * EXO_FRAME_SIZE) & ENTRY_PRESENT)
            count = i;
    return page_bind(page, range->first + (uint32_t)index, (uint32_t)count, (uint16_t)range->slot,
                     flags_of(region->protection & ~PROT_WRITE, false));
}

/* Scratch of the runtime's own comes when it is touched. */
static bool scratch_clear(uint64_t page)
{
    return page >= (uint64_t)exo_data_start && page < (uint64_t)exo_image_end && !page_is_present(page) &&
           page_clear(page, EXO_MAP_READ | EXO_MAP_WRITE);
}

/* The first touch of an inherited page is a write: only the copy is bound. */
static bool inherited_copy(uint64_t page, uint32_t frame, uint16_t slot)
{
    uint32_t copy = pool_frame();

    if (!copy || !frame_bind(page, copy, EXO_MAP_READ | EXO_MAP_WRITE))
        return false;
    if (!page_bind(UNIX_COPY_ADDRESS, frame, 1, slot, EXO_MAP_READ)) {
        exo_space_unmap(&kin.space, page, 1);
        pool_free(copy, 1);
        return false;
    }
    vector_copy((void *)page, (const void *)UNIX_COPY_ADDRESS, EXO_FRAME_SIZE);
    page_copy_end();
    memory_state.copied++;
    return true;
}

static bool page_absent(const struct region *region, uint64_t page, bool write)
{
    uint32_t frame;
    uint16_t slot;

    if (memory_state.inherited_count) {
        if (write && inherit_find(page, &frame, &slot))
            return inherited_copy(page, frame, slot);
        if (inherit_bind(page))
            return true;
    }
    return region->node && page < region->file_end ? page_load(region, page, write) : page_clear(page, flags_of(region->protection, write));
}

static bool region_allows(const struct region *region, uint32_t error)
{
    return region->protection & (error & FAULT_WRITE ? PROT_WRITE : error & FAULT_FETCH ? PROT_EXEC : PROT_READ | PROT_EXEC);
}

bool memory_allows(uint64_t address, uint32_t error)
{
    const struct region *region = region_find(address);
    return region && region_allows(region, error);
}

bool memory_fault(uint64_t address, uint32_t error)
{
    const struct region *region = region_find(address);
    uint64_t page = page_of(address);
    bool write = error & FAULT_WRITE;

    if (!region)
        return scratch_clear(page) || (page - UNIX_SITES_ADDRESS < SITE_PAGES * EXO_FRAME_SIZE && !write && inherit_bind(page));
    if (!region_allows(region, error))
        return false;
    uint64_t entry = exo_space_entry(&kin.space, page);
    if (!(entry & ENTRY_PRESENT))
        return page_absent(region, page, write);
    if (write && !(entry & ENTRY_WRITE))
        return page_own(page, exo_entry_frame(entry));
    if (error & FAULT_FETCH && entry & ENTRY_NO_EXECUTE)
        return exo_space_change(&kin.space, page, 1, EXO_MAP_READ | EXO_MAP_EXECUTE) == EXO_OK;
    return true;
}

static uint32_t end_in(const struct unix_range *ranges, uint32_t count, uint32_t frame)
{
    for (uint32_t i = 0; i < count; i++)
        if (frame - ranges[i].first < ranges[i].count)
            return ranges[i].first + ranges[i].count;
    return 0;
}

/* Behind the last frame of the range that this one lies in; our runtime's are of the last kind. */
static uint32_t range_end(uint32_t frame, bool *ret_own)
{
    *ret_own = true;
    for (uint32_t i = 0; i < kin.pool.count; i++)
        if (frame - kin.pool.chunk[i].first < kin.pool.chunk[i].count)
            return kin.pool.chunk[i].first + kin.pool.chunk[i].count;
    *ret_own = false;
    uint32_t end = end_in(kin.view, kin.view_count, frame);
    if (!end)
        end = end_in(memory_state.file, memory_state.file_count, frame);
    return end ? end : UINT32_MAX;
}

static struct page_run run_begin(uint64_t address, uint64_t entry)
{
    struct page_run run = { .address = address, .frame = exo_entry_frame(entry), .writable = entry & ENTRY_WRITE,
                            .executable = !(entry & ENTRY_NO_EXECUTE) };

    run.end = range_end(run.frame, &run.own);
    return run;
}

static uint32_t most_of(const struct page_run *run, uint64_t pages)
{
    uint32_t most = run->end - run->frame < EXO_BATCH_MAX ? run->end - run->frame : EXO_BATCH_MAX;
    return pages < most ? (uint32_t)pages : most;
}

/* Entries that are like the first one, for the frames behind its. */
static uint32_t run_length(const volatile uint64_t *entries, uint32_t most)
{
    const uint64_t first = entries[0] & ~(uint64_t)ENTRY_TOUCHED;
    uint32_t count = 1;

    while (count < most && (entries[count] & ~(uint64_t)ENTRY_TOUCHED) == first + (uint64_t)count * EXO_FRAME_SIZE)
        count++;
    return count;
}

/* On to a page that is there, or to the end of its table. Only our own calls make entries, so they may be read as memory. */
static bool walk_find(struct page_walk *walk)
{
    uint32_t first = walk->at / EXO_FRAME_SIZE % EXO_TABLE_ENTRIES, last = first + (uint32_t)((walk->stop - walk->at) / EXO_FRAME_SIZE);

    if (!walk->entries)
        walk->at = walk->stop;
    else if (walk->at < walk->stop && !walk->entries[first])
        walk->at += (uint64_t)(vector_find((const uint64_t *)walk->entries, first, last) - first) * EXO_FRAME_SIZE;
    return walk->at < walk->stop;
}

bool page_run_next(struct page_walk *walk, struct page_run *ret_run)
{
    while (!walk_find(walk)) {
        if (walk->at >= walk->end)
            return false;
        uint64_t stop = (walk->at & -TABLE_SPAN) + TABLE_SPAN;
        walk->stop = stop < walk->end ? stop : walk->end;
        walk->entries = exo_space_entries(&kin.space, walk->at);
    }
    const volatile uint64_t *entries = &walk->entries[walk->at / EXO_FRAME_SIZE % EXO_TABLE_ENTRIES];
    *ret_run = run_begin(walk->at, *entries);
    ret_run->count = run_length(entries, most_of(ret_run, (walk->stop - walk->at) / EXO_FRAME_SIZE));
    walk->at += (uint64_t)ret_run->count * EXO_FRAME_SIZE;
    return true;
}

void pages_drop(uint64_t start, uint64_t end)
{
    struct page_walk walk = page_walk(start, end);
    struct page_run run;

    inherit_drop(start, end);
    while (page_run_next(&walk, &run)) {
        exo_space_unmap(&kin.space, run.address, run.count);
        inherit_note(run.address, run.count);
        if (run.own)
            frames_give_back(run.frame, run.count);
    }
}

/* Write access comes back by a fault, which knows what is shared. */
void pages_protect(uint64_t start, uint64_t end, uint32_t protection)
{
    uint32_t flags = flags_of(protection & ~PROT_WRITE, false);
    struct page_walk walk = page_walk(start, end);
    struct page_run run;

    while (page_run_next(&walk, &run))
        if ((run.writable && !(protection & PROT_WRITE)) || run.executable != !!(flags & EXO_MAP_EXECUTE))
            exo_space_change(&kin.space, run.address, run.count, flags);
}

bool memory_collect(void)
{
    uint32_t count = memory_state.left_count, kept = 0;

    if (STATE->viewers)
        return false;
    memory_state.left_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t frame = memory_state.left[i].frame, size = memory_state.left[i].count, done = pool_free(frame, size);
        kept += done == 0;
        if (done < size)
            frames_leave(frame + done, size - done);
    }
    return kept < count;
}

/* Runs that are to go, until there are enough for a call. */
struct drop {
    struct batch batch;
    uint32_t count;
    struct page_run run[BATCH_MAPPINGS];
};

static void drop_end(struct drop *drop)
{
    batch_unbind(&drop->batch);
    for (uint32_t i = 0; i < drop->count; i++)
        if (drop->run[i].own)
            frames_give_back(drop->run[i].frame, drop->run[i].count);
    drop->count = 0;
}

static void drop_add(struct drop *drop, uint64_t start, uint64_t end)
{
    struct page_walk walk = page_walk(start, end);
    struct page_run *run = &drop->run[drop->count];

    for (; page_run_next(&walk, run); run = &drop->run[drop->count]) {
        batch_add(&drop->batch, exo_space_find(&kin.space, run->address, 1), run->address, run->count);
        if (++drop->count == BATCH_MAPPINGS)
            drop_end(drop);
    }
}

void memory_clear(void)
{
    struct drop drop;

    drop.batch.subject = drop.batch.count = drop.count = 0;
    sites_reset();
    drop_add(&drop, UNIX_SITES_ADDRESS, UNIX_SITES_ADDRESS + SITE_PAGES * EXO_FRAME_SIZE);
    for (uint32_t i = 0; i < regions.count; i++)
        drop_add(&drop, regions.region[i].start, regions.region[i].end);
    drop_end(&drop);
    regions.count = 0;
    memory_state.is_listed = false;
    memory_state.file_count = memory_state.inherited_count = 0;
    memory_state.break_start = memory_state.break_end = 0;
}
