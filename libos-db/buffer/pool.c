#include "pool.h"
#include <string.h>

enum { NO_PAGE = UINT32_MAX, FRAMES_LEAST = 16, MEMORY_LEAST = 64, GROW_EVERY = 64 };

struct slot {
    uint32_t frame, page;
    bool leaves, held;
};

struct pool_figures pool_figures;
uint32_t (*pool_memory_shrink)(uint32_t wanted);

static struct {
    uint32_t pages, memory, most; /* of the disk, behind them, frames at most */
    uint32_t count;               /* slots in use, each with a frame */
    struct slot *slots;
    uint32_t *slot_of;            /* by page; only of a present one */
    uint32_t *unused, unused_count;         /* slots without a page */
    uint32_t *unused_memory, memory_count;  /* memory pages that nobody has */
    uint32_t leaving[POOL_BATCH], leaving_count;
    uint32_t reserved;            /* memory pages that come when they are touched */
    uint32_t memory_bound;        /* memory pages with a frame */
    uint32_t evictions;           /* since pool_grow was tried */
    const struct replacement *replacement;
} pool;

uint32_t slot_count(void)
{
    return pool.count;
}

bool slot_may_leave(uint32_t index)
{
    const struct slot *slot = &pool.slots[index];

    return slot->page < pool.pages && !slot->leaves && !slot->held;
}

bool slot_was_accessed(uint32_t index)
{
    return POOL_ENTRIES[pool.slots[index].page] & ENTRY_ACCESSED;
}

static void numbers_sort(uint32_t *numbers, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint32_t number = numbers[i], at = i;
        for (; at && numbers[at - 1] > number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
}

void slots_age(const uint32_t *slots, uint32_t count)
{
    uint32_t pages[POOL_BATCH];

    for (uint32_t i = 0; i < count; i++)
        pages[i] = pool.slots[slots[i]].page;
    numbers_sort(pages, count);
    hardware_clear(BIT_ACCESSED, pages, count);
    pool_figures.aged += count;
}

void slot_leaves(uint32_t index)
{
    pool.slots[index].leaves = true;
    pool.leaving[pool.leaving_count++] = index;
}

uint32_t pool_pages(void)
{
    return pool.pages;
}

uint32_t pool_frames(void)
{
    return pool.count;
}

uint32_t pool_frames_unused(void)
{
    return pool.unused_count;
}

static bool is_memory(uint32_t page)
{
    return page >= pool.pages && page != NO_PAGE;
}

static void slot_make_unused(uint32_t index)
{
    pool.memory_bound -= is_memory(pool.slots[index].page);
    pool.slots[index].page = NO_PAGE;
    pool.slots[index].leaves = false;
    pool.slots[index].held = false;
    pool.unused[pool.unused_count++] = index;
}

/* The first frames that come are used first, so that frames in a row take pages in a row. */
uint32_t pool_grow(void)
{
    uint32_t first = pool.count, frame;

    while (pool.count < pool.most && (frame = hardware_frame_take()))
        pool.slots[pool.count++] = (struct slot){ .frame = frame, .page = NO_PAGE };
    for (uint32_t slot = pool.count; slot-- > first;)
        slot_make_unused(slot);
    uint32_t grown = pool.count - first;
    pool_figures.grown += grown;
    return grown;
}

static uint32_t pages_rounded(uint64_t bytes)
{
    return (uint32_t)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

int64_t pool_open(uint32_t pages, uint32_t memory, uint32_t frames, const struct replacement *replacement)
{
    pool.pages = pages;
    pool.memory = memory;
    pool.most = frames;
    pool.replacement = replacement;
    pool.count = pool.unused_count = pool.leaving_count = pool.evictions = pool.reserved = pool.memory_bound = 0;
    pool.slots = hardware_memory(pages_rounded((uint64_t)frames * sizeof *pool.slots));
    pool.unused = hardware_memory(pages_rounded((uint64_t)frames * sizeof *pool.unused));
    pool.slot_of = hardware_memory(pages_rounded((uint64_t)(pages + memory) * sizeof *pool.slot_of));
    pool.unused_memory = hardware_memory(pages_rounded((uint64_t)memory * sizeof *pool.unused_memory));
    if (!pool.slots || !pool.unused || !pool.slot_of || (memory && !pool.unused_memory))
        return POOL_NO_FRAME;
    for (pool.memory_count = 0; pool.memory_count < memory; pool.memory_count++)
        pool.unused_memory[pool.memory_count] = pages + memory - 1 - pool.memory_count;
    pool_grow();
    pool_figures = (struct pool_figures){ 0 };
    return pool.count >= FRAMES_LEAST ? 0 : POOL_NO_FRAME;
}

/* Begin to move pages and frames, both ascending; those in a row as one request. */
static void pairs_move(enum hardware_move move, const struct hardware_pair *pairs, uint32_t count)
{
    for (uint32_t done = 0, run; done < count; done += run) {
        for (run = 1; done + run < count && pairs[done + run].page == pairs[done].page + run &&
                      pairs[done + run].frame == pairs[done].frame + run;
             run++)
            ;
        hardware_move(move, pairs[done].page, pairs[done].frame, run);
    }
}

/* Write the dirty ones among ascending pages that are present. How many there were, or an error. */
static int64_t pages_write(const uint32_t *pages, uint32_t count, uint32_t *written)
{
    struct hardware_pair pairs[POOL_BATCH];
    uint32_t dirty = 0;

    for (uint32_t i = 0; i < count; i++)
        if (pages[i] < pool.pages && POOL_ENTRIES[pages[i]] & ENTRY_DIRTY) {
            pairs[dirty] = (struct hardware_pair){ pages[i], pool.slots[pool.slot_of[pages[i]]].frame };
            written[dirty++] = pages[i];
        }
    if (!dirty)
        return 0;
    pairs_move(MOVE_WRITE, pairs, dirty);
    int64_t result = hardware_wait();
    if (result < 0)
        return result;
    pool_figures.written += dirty;
    return dirty;
}

/* What was marked with slot_leaves goes. When a write fails nothing does. */
static int64_t leaving_evict(void)
{
    uint32_t pages[POOL_BATCH], written[POOL_BATCH], count = pool.leaving_count;

    pool.leaving_count = 0;
    for (uint32_t i = 0; i < count; i++)
        pages[i] = pool.slots[pool.leaving[i]].page;
    numbers_sort(pages, count);
    int64_t result = pages_write(pages, count, written);
    if (result < 0) {
        for (uint32_t i = 0; i < count; i++)
            pool.slots[pool.leaving[i]].leaves = false;
        return result;
    }
    if (count)
        hardware_unbind(pages, count);
    for (uint32_t i = count; i-- > 0;)
        slot_make_unused(pool.leaving[i]);
    pool_figures.evicted += count;
    return count;
}

/* As many slots without a page as wanted, at most POOL_BATCH; more leave than are needed, since that is cheap for many at once. */
static int64_t slots_free_up(uint32_t wanted)
{
    uint32_t batch = pool.count / 8 > POOL_BATCH ? POOL_BATCH : pool.count / 8;

    if (pool.unused_count >= wanted)
        return 0;
    if (++pool.evictions % GROW_EVERY == 0 && pool_grow() && pool.unused_count >= wanted)
        return 0;
    batch = batch < wanted ? wanted : batch;
    pool.replacement->choose(batch - pool.unused_count);
    int64_t result = leaving_evict();
    if (result < 0)
        return result;
    if (pool.unused_count < wanted && pool_memory_shrink)
        pool_memory_shrink(wanted - pool.unused_count);
    return pool.unused_count ? 0 : POOL_NO_FRAME;
}

/* Bind a batch of ascending pages to the slots. */
static void slots_fill(const struct hardware_pair *pairs, const uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pool.slots[slots[i]].page = pairs[i].page;
        pool.memory_bound += is_memory(pairs[i].page);
        pool.slot_of[pairs[i].page] = slots[i];
    }
    hardware_bind(pairs, count);
    for (uint32_t i = 0; i < count && pool.replacement->loaded; i++)
        pool.replacement->loaded(slots[i]);
}

static int64_t pages_load(const uint32_t *pages, uint32_t count)
{
    struct hardware_pair pairs[POOL_BATCH];
    uint32_t slots[POOL_BATCH];
    int64_t result = slots_free_up(count);

    if (result < 0)
        return result;
    count = count < pool.unused_count ? count : pool.unused_count;
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = pool.unused[--pool.unused_count];
        pairs[i] = (struct hardware_pair){ pages[i], pool.slots[slots[i]].frame };
    }
    pairs_move(MOVE_READ, pairs, count);
    result = hardware_wait();
    if (result < 0) {
        for (uint32_t i = count; i-- > 0;)
            slot_make_unused(slots[i]);
        return result;
    }
    slots_fill(pairs, slots, count);
    pool_figures.loaded += count;
    return count;
}

int64_t pool_load(uint32_t first, uint32_t count)
{
    uint32_t pages[POOL_BATCH], missing = 0;

    for (uint32_t page = first; page < first + count; page++) {
        if (!pool_is_resident(page))
            pages[missing++] = page;
        if (missing < POOL_BATCH && page + 1 < first + count)
            continue;
        int64_t result = missing ? pages_load(pages, missing) : 0;
        if (result < 0)
            return result;
        missing = 0;
    }
    return 0;
}

static int64_t page_bind_any(uint32_t page)
{
    int64_t result = slots_free_up(1);

    if (result < 0)
        return result;
    uint32_t slot = pool.unused[--pool.unused_count];
    slots_fill(&(struct hardware_pair){ page, pool.slots[slot].frame }, &slot, 1);
    return 0;
}

int64_t pool_fresh(uint32_t page)
{
    int64_t result = pool_is_resident(page) ? 0 : page_bind_any(page);

    if (result < 0)
        return result;
    *(volatile uint8_t *)pool_page(page) = 0;
    pool_figures.fresh++;
    return 0;
}

/* Frames that nobody uses only: no page has to leave for one that may not be needed. */
void pool_prepare(uint32_t first, uint32_t count)
{
    struct hardware_pair pairs[POOL_BATCH];
    uint32_t slots[POOL_BATCH], found = 0;

    for (uint32_t page = first; page < first + count && pool.unused_count; page++) {
        if (pool_is_resident(page))
            continue;
        slots[found] = pool.unused[--pool.unused_count];
        pairs[found] = (struct hardware_pair){ page, pool.slots[slots[found]].frame };
        if (++found < POOL_BATCH)
            continue;
        slots_fill(pairs, slots, found);
        found = 0;
    }
    if (found)
        slots_fill(pairs, slots, found);
}

int64_t pool_write(uint32_t first, uint32_t count)
{
    uint32_t pages[POOL_BATCH], written[POOL_BATCH], found = 0;

    for (uint32_t page = first; page < first + count; page++) {
        if (pool_is_dirty(page))
            pages[found++] = page;
        if (found < POOL_BATCH && page + 1 < first + count)
            continue;
        int64_t result = found ? pages_write(pages, found, written) : 0;
        if (result < 0)
            return result;
        if (result)
            hardware_clear(BIT_DIRTY, written, (uint32_t)result);
        found = 0;
    }
    return 0;
}

int64_t pool_flush(void)
{
    pool_figures.flushes++;
    return hardware_flush();
}

void pool_forget(uint32_t first, uint32_t count)
{
    for (uint32_t page = first; page < first + count; page++) {
        if (!pool_is_resident(page))
            continue;
        hardware_unbind(&page, 1);
        slot_make_unused(pool.slot_of[page]);
    }
}

void pool_hold(uint32_t page)
{
    pool.slots[pool.slot_of[page]].held = true;
}

void pool_release(uint32_t page)
{
    pool.slots[pool.slot_of[page]].held = false;
}

int64_t pool_fault(uint64_t address)
{
    uint64_t page = (address - POOL_ADDRESS) / PAGE_SIZE;

    if (address < POOL_ADDRESS || page >= pool.pages + pool.reserved)
        return POOL_NO_FRAME;
    if (pool_is_resident((uint32_t)page))
        return 0;
    pool_figures.faults++;
    uint32_t (*shrink)(uint32_t) = pool_memory_shrink;
    pool_memory_shrink = 0; /* whoever faults may be in the middle of what that would change */
    int64_t result = page >= pool.pages ? page_bind_any((uint32_t)page) : pages_load(&(uint32_t){ (uint32_t)page }, 1);
    pool_memory_shrink = shrink;
    return result < 0 ? result : 0;
}

/* Of so many frames; the rest is for pages of the disk. */
static uint32_t memory_most(uint32_t frames)
{
    return frames - frames / 4;
}

void *pool_memory_alloc(void)
{
    uint32_t others = pool.memory - pool.reserved - pool.memory_count;

    if (!pool.memory_count || (pool.memory_bound >= memory_most(pool.count) && others >= MEMORY_LEAST))
        return 0;
    uint32_t page = pool.unused_memory[--pool.memory_count];
    if (page_bind_any(page) == 0)
        return pool_page(page);
    pool.unused_memory[pool.memory_count++] = page;
    return 0;
}

void *pool_memory_reserve(uint32_t count)
{
    uint32_t first = pool.pages + pool.reserved;

    if (count > pool.memory_count)
        return 0;
    pool.reserved += count;
    pool.memory_count -= count;
    return pool_page(first);
}

void pool_memory_free(void *memory)
{
    uint32_t page = (uint32_t)(((uint64_t)memory - POOL_ADDRESS) / PAGE_SIZE);

    pool.unused_memory[pool.memory_count++] = page;
    if (!pool_is_resident(page))
        return;
    hardware_unbind(&page, 1);
    slot_make_unused(pool.slot_of[page]);
}

/* The last slot takes the place of one whose frame was given, and is known by its new number everywhere. */
static void slot_remove(uint32_t index)
{
    uint32_t last = --pool.count;

    if (index == last)
        return;
    pool.slots[index] = pool.slots[last];
    if (pool.slots[index].page != NO_PAGE)
        pool.slot_of[pool.slots[index].page] = index;
    for (uint32_t i = 0; i < pool.unused_count; i++)
        if (pool.unused[i] == last)
            pool.unused[i] = index;
}

/* All reserved memory may come to need a frame, without which whoever touches it cannot go on. */
static uint32_t frames_least(void)
{
    return pool.reserved ? pool.reserved + MEMORY_LEAST + FRAMES_LEAST : FRAMES_LEAST;
}

static uint32_t unused_give(uint16_t capability, uint32_t wanted)
{
    uint32_t given = 0;

    while (given < wanted && pool.unused_count && pool.count > frames_least()) {
        uint32_t slot = pool.unused[pool.unused_count - 1];
        if (!hardware_frame_return(capability, pool.slots[slot].frame))
            break;
        pool.unused_count--;
        slot_remove(slot);
        given++;
    }
    return given;
}

static bool slot_is_clean(uint32_t index)
{
    return slot_may_leave(index) && !(POOL_ENTRIES[pool.slots[index].page] & ENTRY_DIRTY);
}

static void clean_choose(uint32_t wanted)
{
    for (uint32_t i = 0; i < pool.count && wanted; i++)
        if (slot_is_clean(i) && !slot_was_accessed(i)) {
            slot_leaves(i);
            wanted--;
        }
    for (uint32_t i = 0; i < pool.count && wanted; i++)
        if (slot_is_clean(i)) {
            slot_leaves(i);
            wanted--;
        }
}

/* Memory must not have all frames that will be left. */
static void memory_give_way(uint32_t frames_left)
{
    if (pool.memory_bound > memory_most(frames_left) && pool_memory_shrink)
        pool_memory_shrink(pool.memory_bound - memory_most(frames_left));
}

uint32_t pool_give(uint16_t capability, uint32_t count)
{
    memory_give_way(pool.count > count ? pool.count - count : 0);
    uint32_t given = unused_give(capability, count);

    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t more = 1; more && given < count; given += more) {
            uint32_t wanted = count - given < POOL_BATCH ? count - given : POOL_BATCH;
            if (round == 0)
                clean_choose(wanted);
            else if (round == 1)
                pool.replacement->choose(wanted);
            else if (pool_memory_shrink)
                pool_memory_shrink(wanted);
            leaving_evict();
            more = unused_give(capability, count - given);
        }
    pool_figures.given += given;
    return given;
}

struct range {
    uint32_t first, count;
};

static bool slot_is_in(uint32_t slot, struct range range)
{
    return pool.slots[slot].frame - range.first < range.count;
}

/* Pages of the disk leave slots that lie in the range, or that do not, POOL_BATCH at most. */
static int64_t pages_leave(struct range range, bool inside)
{
    for (uint32_t slot = 0; slot < pool.count && pool.leaving_count < POOL_BATCH; slot++)
        if (slot_may_leave(slot) && slot_is_in(slot, range) == inside)
            slot_leaves(slot);
    return leaving_evict();
}

/* Take an unused slot that does not lie in the range. */
static bool slot_take_outside(struct range range, uint32_t *ret_slot)
{
    for (uint32_t i = pool.unused_count; i-- > 0;) {
        if (slot_is_in(pool.unused[i], range))
            continue;
        *ret_slot = pool.unused[i];
        pool.unused[i] = pool.unused[--pool.unused_count];
        return true;
    }
    return false;
}

/* What a memory page holds moves to another frame; a page that nobody has serves as the window to it. */
static void memory_move(uint32_t from, uint32_t to)
{
    uint32_t page = pool.slots[from].page, window = pool.unused_memory[pool.memory_count - 1];

    hardware_bind(&(struct hardware_pair){ window, pool.slots[to].frame }, 1);
    memcpy(pool_page(window), pool_page(page), PAGE_SIZE);
    hardware_unbind(&window, 1);
    hardware_unbind(&page, 1);
    slot_make_unused(from);
    slots_fill(&(struct hardware_pair){ page, pool.slots[to].frame }, &to, 1);
}

static bool memory_leaves(struct range range)
{
    uint32_t to;

    for (uint32_t slot = 0; slot < pool.count; slot++) {
        if (!slot_is_in(slot, range) || !is_memory(pool.slots[slot].page))
            continue;
        if (!pool.memory_count)
            return false;
        while (!slot_take_outside(range, &to))
            if (pages_leave(range, false) <= 0)
                return false;
        memory_move(slot, to);
    }
    return true;
}

/* The slots of the range, all unused, are no part of the pool any more. */
static void range_remove(struct range range)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < pool.unused_count; i++)
        if (!slot_is_in(pool.unused[i], range))
            pool.unused[kept++] = pool.unused[i];
    pool.unused_count = kept;
    for (uint32_t slot = 0; slot < pool.count;)
        if (slot_is_in(slot, range))
            slot_remove(slot);
        else
            slot++;
}

bool pool_leave(uint32_t first, uint32_t count)
{
    struct range range = { first, count };
    uint32_t inside = 0;
    int64_t left;

    for (uint32_t slot = 0; slot < pool.count; slot++)
        inside += slot_is_in(slot, range);
    if (pool.count - inside < frames_least())
        return false;
    memory_give_way(pool.count - inside);
    while ((left = pages_leave(range, true)) > 0)
        ;
    if (left < 0 || !memory_leaves(range))
        return false;
    range_remove(range);
    pool_figures.given += inside;
    return true;
}

static bool slot_is_sound(uint32_t index)
{
    const struct slot *slot = &pool.slots[index];

    if (slot->leaves || !slot->frame)
        return false;
    return slot->page == NO_PAGE || (pool_is_resident(slot->page) && pool.slot_of[slot->page] == index);
}

bool pool_is_sound(void)
{
    uint32_t unused = 0;

    for (uint32_t i = 0; i < pool.count; i++) {
        unused += pool.slots[i].page == NO_PAGE;
        if (!slot_is_sound(i))
            return false;
    }
    for (uint32_t i = 0; i < pool.unused_count; i++)
        if (pool.unused[i] >= pool.count || pool.slots[pool.unused[i]].page != NO_PAGE)
            return false;
    return unused == pool.unused_count && pool.leaving_count == 0;
}
