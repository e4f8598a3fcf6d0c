#include "pool_state.h"
#include <string.h>

struct pool_figures pool_figures;
uint32_t (*pool_memory_shrink)(uint32_t wanted);
void (*pool_lost)(uint32_t pages);
bool (*pool_memory_lost)(const void *memory);
struct pool pool;

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

void slot_make_unused(uint32_t index)
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
    pool.changing = hardware_memory(pages_rounded(pages / 8 + sizeof *pool.changing));
    if (!pool.changing || !pool.slots || !pool.unused || !pool.slot_of || (memory && !pool.unused_memory))
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

void pool_change(uint32_t page)
{
    pool.changing[page / 64] |= 1ull << page % 64;
}

/* Their frames hold nothing that the disk does not, or nothing any more. */
static void pages_settle(const uint32_t *pages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pool.changing[pages[i] / 64] &= ~(1ull << pages[i] % 64);
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
    pages_settle(written, dirty);
    return dirty;
}

int64_t leaving_evict(void)
{
    uint32_t pages[POOL_BATCH], written[POOL_BATCH], count = pool.leaving_count;

    pool.leaving_count = 0;
    for (uint32_t i = 0; i < count; i++)
        pages[i] = pool.slots[pool.leaving[i]].page;
    numbers_sort(pages, count);
    int64_t result = pages_write(pages, count, written);
    if (result < 0 || hardware_robbed) {
        for (uint32_t i = 0; i < count; i++)
            pool.slots[pool.leaving[i]].leaves = false;
        return result < 0 && !pool_look() ? result : 0;
    }
    if (count)
        hardware_unbind(pages, count);
    pages_settle(pages, count);
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
    do {
        pool_look();
        if (pool.unused_count < batch)
            pool.replacement->choose(batch - pool.unused_count);
        int64_t result = leaving_evict();
        if (result < 0)
            return result;
    } while (hardware_robbed);
    if (pool.unused_count < wanted && pool_memory_shrink)
        pool_memory_shrink(wanted - pool.unused_count);
    return pool.unused_count ? 0 : POOL_NO_FRAME;
}

void slots_fill(const struct hardware_pair *pairs, const uint32_t *slots, uint32_t count)
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

/* Empty slots for ascending pages: how many there are, or an error. */
static int64_t slots_take(const uint32_t *pages, uint32_t count, struct hardware_pair *pairs, uint32_t *slots)
{
    int64_t result = slots_free_up(count);

    if (result < 0)
        return result;
    count = count < pool.unused_count ? count : pool.unused_count;
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = pool.unused[--pool.unused_count];
        pairs[i] = (struct hardware_pair){ pages[i], pool.slots[slots[i]].frame };
    }
    return count;
}

/* Again when frames were taken by force while the disk worked. */
static int64_t pages_load(const uint32_t *pages, uint32_t count)
{
    struct hardware_pair pairs[POOL_BATCH];
    uint32_t slots[POOL_BATCH];

    for (;;) {
        int64_t taken = slots_take(pages, count, pairs, slots);
        if (taken < 0)
            return taken;
        pairs_move(MOVE_READ, pairs, (uint32_t)taken);
        int64_t result = hardware_wait();
        if (result >= 0 && !hardware_robbed) {
            slots_fill(pairs, slots, (uint32_t)taken);
            pool_figures.loaded += (uint32_t)taken;
            return taken;
        }
        for (uint32_t i = (uint32_t)taken; i-- > 0;)
            slot_make_unused(slots[i]);
        if (!pool_look())
            return result;
    }
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
    pool_look();
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
    pool_change(page);
    *(volatile uint8_t *)pool_page(page) = 0;
    pool_figures.fresh++;
    return 0;
}

/* Frames that nobody uses only: no page has to leave for one that may not be needed. */
void pool_prepare(uint32_t first, uint32_t count)
{
    struct hardware_pair pairs[POOL_BATCH];
    uint32_t slots[POOL_BATCH], found = 0;

    pool_look();
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

    pool_look();
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
        pages_settle(&page, 1);
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

/* Is it to be in a slot? When it is not resident all the same, its frame is gone. */
static bool slot_claims(uint32_t page)
{
    uint32_t slot = pool.slot_of[page];
    return slot < pool.count && pool.slots[slot].page == page;
}

int64_t pool_fault(uint64_t address)
{
    uint64_t page = (address - POOL_ADDRESS) / PAGE_SIZE;

    if (address < POOL_ADDRESS || page >= pool.pages + pool.reserved)
        return POOL_NO_FRAME;
    if (pool_is_resident((uint32_t)page))
        return 0;
    if (slot_claims((uint32_t)page))
        hardware_robbed = true;
    pool_look();
    pool_figures.faults++;
    uint32_t (*shrink)(uint32_t) = pool_memory_shrink;
    pool_memory_shrink = 0; /* whoever faults may be in the middle of what that would change */
    int64_t result = page >= pool.pages ? page_bind_any((uint32_t)page) : pages_load(&(uint32_t){ (uint32_t)page }, 1);
    pool_memory_shrink = shrink;
    return result < 0 ? result : 0;
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
    pool_prepare(first, count);
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
