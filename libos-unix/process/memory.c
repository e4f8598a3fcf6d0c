#include "memory.h"
#include "region.h"
#include "runtime.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { FAULT_PRESENT = 1, FAULT_WRITE = 2, FAULT_FETCH = 16, ENTRY_PRESENT = 1, ENTRY_WRITE = 2, AROUND = 16, LEFT_MOST = 1024 };
#define ENTRY_NO_EXECUTE (1ull << 63)
#define TABLE_SPAN       (1ull << 21)

struct kin kin;
struct memory_state memory_state;

int64_t memory_open(void)
{
    const struct exo_start_capability *pool = exo_start_capability(SLOT_POOL);

    exo_frames_open(&kin.frames, 0, SLOT_POOL, pool->first, pool->count);
    exo_space_open(&kin.space, &exo_start, &kin.frames);
    return exo_space_view(&kin.space, UNIX_VIEW_ADDRESS);
}

void memory_adopt(void)
{
    memory_state.left_count = memory_state.copied = memory_state.regained = memory_state.filled = 0;
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

static uint32_t frame_new(void)
{
    uint32_t frame = exo_frame_alloc(&kin.frames);

    if (frame)
        return frame;
    memory_collect();
    return exo_frame_alloc(&kin.frames);
}

static bool frame_bind(uint64_t page, uint32_t frame, uint32_t flags)
{
    if (exo_space_map(&kin.space, page, frame, 1, SLOT_POOL, flags) == EXO_OK)
        return true;
    exo_frame_release(&kin.frames, frame);
    return false;
}

/* A frame of our own with the first `size` bytes of what is at `source`. */
static uint32_t frame_copy(const void *source, uint64_t size)
{
    uint32_t frame = frame_new();

    if (!frame || exo_space_map(&kin.space, UNIX_COPY_ADDRESS, frame, 1, SLOT_POOL, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return 0;
    memcpy((void *)UNIX_COPY_ADDRESS, source, size);
    exo_space_unmap(&kin.space, UNIX_COPY_ADDRESS, 1);
    return frame;
}

/* A page that nobody else may have seen changed: at its first write after it was shared. */
static bool page_own(uint64_t page, uint32_t frame)
{
    bool own = exo_frame_info(frame)->owner == exo_start.environment;

    if (own && !STATE->viewers) {
        memory_state.regained++;
        return exo_space_change(&kin.space, page, 1, EXO_MAP_READ | EXO_MAP_WRITE) == EXO_OK;
    }
    uint32_t copy = frame_copy((const void *)page, EXO_FRAME_SIZE);
    if (!copy)
        return false;
    exo_space_unmap(&kin.space, page, 1);
    if (own && memory_state.left_count < LEFT_MOST)
        memory_state.left[memory_state.left_count++] = frame;
    memory_state.copied++;
    return frame_bind(page, copy, EXO_MAP_READ | EXO_MAP_WRITE);
}

static bool page_clear(uint64_t page, uint32_t flags)
{
    uint32_t frame = frame_new();

    memory_state.filled++;
    return frame && frame_bind(page, frame, flags);
}

/* Pages of a file, some at once when they are only read. The file's own frames are bound; what is written, or ends in the
 * middle of a page, is copied. */
static bool page_load(const struct region *region, uint64_t page, bool write)
{
    uint64_t last = page_of(region->file_end - 1), index = (region->offset + page - region->start) / EXO_FRAME_SIZE;
    bool whole = page != last || region->file_end % EXO_FRAME_SIZE == 0 || !(region->protection & PROT_WRITE);
    uint32_t flags = flags_of(region->protection & ~PROT_WRITE, false), frames[AROUND];
    int64_t count = server_ask(UNIX_FRAMES, region->node, index, AROUND);

    if (count < 1)
        return false;
    memcpy(frames, WINDOW->frames, sizeof frames);
    if (!frames[0])
        return page_clear(page, flags_of(region->protection, write));
    if (exo_space_map(&kin.space, page, frames[0], 1, SLOT_FILES, flags) != EXO_OK)
        return false;
    if (write || !whole) {
        uint32_t copy = frame_copy((const void *)page, page == last && !whole ? region->file_end % EXO_FRAME_SIZE : EXO_FRAME_SIZE);
        exo_space_unmap(&kin.space, page, 1);
        return copy && frame_bind(page, copy, flags_of(region->protection, write));
    }
    for (int64_t i = 1; i < count; i++) {
        page += EXO_FRAME_SIZE;
        if (page >= region->end || page >= last || !frames[i] || exo_space_entry(&kin.space, page) & ENTRY_PRESENT ||
            exo_space_map(&kin.space, page, frames[i], 1, SLOT_FILES, flags) != EXO_OK)
            break;
    }
    return true;
}

bool memory_fault(uint64_t address, uint32_t error)
{
    const struct region *region = region_find(address);
    uint64_t page = page_of(address);
    bool write = error & FAULT_WRITE;

    if (!region || !(region->protection & (write ? PROT_WRITE : error & FAULT_FETCH ? PROT_EXEC : PROT_READ | PROT_EXEC)))
        return false;
    uint64_t entry = exo_space_entry(&kin.space, page);
    if (!(entry & ENTRY_PRESENT))
        return region->node && page < region->file_end ? page_load(region, page, write)
                                                       : page_clear(page, flags_of(region->protection, write));
    if (write && !(entry & ENTRY_WRITE))
        return page_own(page, exo_entry_frame(entry));
    if (error & FAULT_FETCH && entry & ENTRY_NO_EXECUTE)
        return exo_space_change(&kin.space, page, 1, EXO_MAP_READ | EXO_MAP_EXECUTE) == EXO_OK;
    return true;
}

static bool run_goes_on(const struct page_run *run, uint64_t entry)
{
    uint32_t frame = exo_entry_frame(entry);

    return entry & ENTRY_PRESENT && frame == run->frame + run->count && run->count < EXO_BATCH_MAX &&
           exo_frame_info(frame)->owner == run->owner && !(entry & ENTRY_WRITE) == !run->writable &&
           !(entry & ENTRY_NO_EXECUTE) == run->executable;
}

bool page_run_next(uint64_t *at, uint64_t end, struct page_run *ret_run)
{
    while (*at < end) {
        if (!exo_space_find(&kin.space, *at, 1)) {
            *at = (*at & -TABLE_SPAN) + TABLE_SPAN;
            continue;
        }
        uint64_t entry = exo_space_entry(&kin.space, *at);
        if (entry & ENTRY_PRESENT) {
            uint32_t frame = exo_entry_frame(entry);
            *ret_run = (struct page_run){ *at, frame, 0, exo_frame_info(frame)->owner, entry & ENTRY_WRITE, !(entry & ENTRY_NO_EXECUTE) };
            do {
                ret_run->count++;
                *at += EXO_FRAME_SIZE;
            } while (*at < end && run_goes_on(ret_run, exo_space_entry(&kin.space, *at)));
            return true;
        }
        *at += EXO_FRAME_SIZE;
    }
    return false;
}

static void frames_give_back(uint32_t frame, uint32_t count)
{
    while (count) {
        int64_t freed = exo_frame_free(0, SLOT_POOL, frame, count);
        uint32_t done = freed > 0 ? (uint32_t)freed : 0;
        if (done < count && memory_state.left_count < LEFT_MOST)
            memory_state.left[memory_state.left_count++] = frame + done;
        done += done < count;
        frame += done;
        count -= done;
    }
}

void pages_drop(uint64_t start, uint64_t end)
{
    struct page_run run;

    while (page_run_next(&start, end, &run)) {
        exo_space_unmap(&kin.space, run.address, run.count);
        if (run.owner == exo_start.environment)
            frames_give_back(run.frame, run.count);
    }
}

/* Write access comes back by a fault, which knows what is shared. */
void pages_protect(uint64_t start, uint64_t end, uint32_t protection)
{
    uint32_t flags = flags_of(protection & ~PROT_WRITE, false);
    struct page_run run;

    while (page_run_next(&start, end, &run))
        if ((run.writable && !(protection & PROT_WRITE)) || run.executable != !!(flags & EXO_MAP_EXECUTE))
            exo_space_change(&kin.space, run.address, run.count, flags);
}

void memory_collect(void)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < memory_state.left_count; i++)
        if (exo_frame_release(&kin.frames, memory_state.left[i]) != 1)
            memory_state.left[kept++] = memory_state.left[i];
    memory_state.left_count = kept;
}

void memory_clear(void)
{
    for (uint32_t i = 0; i < regions.count; i++)
        pages_drop(regions.region[i].start, regions.region[i].end);
    regions.count = 0;
    memory_state.break_start = memory_state.break_end = 0;
}
