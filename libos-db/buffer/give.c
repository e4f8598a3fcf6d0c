/* The pool gets smaller: frames are given to who asks for them, a loan's range is left, and what was taken by force is not counted on any more. */
#include "pool_state.h"
#include <string.h>

/* The last slot takes the place of one whose frame was given, and is known by its new number everywhere. */
static void slot_remove(uint32_t index)
{
    uint32_t last = --pool.count;

    if (index == last)
        return;
    pool.slots[index] = pool.slots[last];
    if (pool.slots[index].page != NO_PAGE) {
        pool.slot_of[pool.slots[index].page] = index;
        return;
    }
    for (uint32_t i = 0; i < pool.unused_count; i++)
        if (pool.unused[i] == last)
            pool.unused[i] = index;
}

/* Slots without a frame (0) go, all at once; the others move up. */
static void slots_compact(void)
{
    uint32_t kept = 0;

    for (uint32_t slot = 0; slot < pool.count; slot++) {
        if (!pool.slots[slot].frame)
            continue;
        pool.slots[kept] = pool.slots[slot];
        if (pool.slots[kept].page != NO_PAGE)
            pool.slot_of[pool.slots[kept].page] = kept;
        kept++;
    }
    pool.count = kept;
    pool.unused_count = 0;
    for (uint32_t slot = kept; slot-- > 0;)
        if (pool.slots[slot].page == NO_PAGE)
            pool.unused[pool.unused_count++] = slot;
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

/* Reserved memory that nobody ever wrote to holds nothing: its frames come again when it is touched. */
static void reserve_release(void)
{
    for (uint32_t page = pool.pages; page < pool.pages + pool.reserved; page++) {
        if (!pool_is_resident(page) || pool_is_dirty(page))
            continue;
        hardware_unbind(&page, 1);
        slot_make_unused(pool.slot_of[page]);
    }
}

/* Memory must not have all frames that will be left. */
static void memory_give_way(uint32_t frames_left)
{
    reserve_release();
    if (pool.memory_bound > memory_most(frames_left) && pool_memory_shrink)
        pool_memory_shrink(pool.memory_bound - memory_most(frames_left));
}

uint32_t pool_give(uint16_t capability, uint32_t count)
{
    pool_look();
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
    for (uint32_t slot = 0; slot < pool.count; slot++)
        if (slot_is_in(slot, range))
            pool.slots[slot].frame = 0;
    slots_compact();
}

bool pool_leave(uint32_t first, uint32_t count)
{
    struct range range = { first, count };
    uint32_t inside = 0;
    int64_t left;

    pool_look();
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

/* Was what the slot held there only? A page of the disk that was not changed is there as well; of memory its owner knows. */
static bool contents_are_lost(const struct slot *slot)
{
    if (slot->page == NO_PAGE || is_memory(slot->page))
        return slot->page != NO_PAGE && slot->page < pool.pages + pool.reserved;
    return slot->held || pool.changing[slot->page / 64] >> slot->page % 64 & 1;
}

static void slot_lose(uint32_t index)
{
    uint32_t page = pool.slots[index].page;

    pool.slots[index].frame = 0;
    pool.memory_bound -= is_memory(page);
    if (is_memory(page) && page >= pool.pages + pool.reserved && !(pool_memory_lost && pool_memory_lost(pool_page(page))))
        pool_lost(1);
}

static bool slot_is_robbed(uint32_t index)
{
    return !hardware_frame_is_own(pool.slots[index].frame);
}

/* The entry of a page that was taken is empty, so whether it was dirty cannot be read there any more: `changing` says so. What cannot be done
 * without is told before anything of it may be touched. */
bool pool_look(void)
{
    uint32_t before = pool.count, lost = 0;

    if (!hardware_robbed)
        return false;
    hardware_robbed = false;
    for (uint32_t slot = 0; slot < pool.count; slot++)
        lost += slot_is_robbed(slot) && contents_are_lost(&pool.slots[slot]);
    if (lost)
        pool_lost(lost);
    for (uint32_t slot = 0; slot < pool.count; slot++)
        if (slot_is_robbed(slot))
            slot_lose(slot);
    slots_compact();
    pool_figures.robbed += before - pool.count;
    return true;
}
