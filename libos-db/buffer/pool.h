/*
 * The buffer pool. Page n is block n of the database's extent and stands at one address for ever: pool_page is arithmetic, whether a
 * page is in memory and was written stands in its page-table entry, and touching one that is not there faults and loads it
 * (pool_fault). So a reference to a page needs no pin: it stays good when the page leaves, and touching it brings it back.
 *
 * Pages from pool_pages() on are memory without a block, for what lives beside the pages of the disk (SQLite's heap and page cache):
 * they hold frames of the same pool until pool_memory_free.
 *
 * Dirty pages are written when they leave, or by pool_write. A held page (pool_hold) does not leave: a transaction's pages stay
 * until their log is stable. Who writes to a page of the disk says so before (pool_change): the dirty bit of a page whose frame was taken by
 * force is gone with its entry.
 *
 * One thread. Errors are negative statuses; nothing is lost when a write fails, since the page stays where it is.
 */
#pragma once
#include "hardware.h"
#include "replacement.h"

enum { POOL_NO_FRAME = -1, POOL_BATCH = HARDWARE_BATCH };

struct pool_figures {
    uint32_t faults, loaded, fresh, evicted, written, flushes, aged, given, grown, robbed;
};
extern struct pool_figures pool_figures;
/* Asked to free memory pages before pages of the disk have to leave; returns how many it freed. May be 0. */
extern uint32_t (*pool_memory_shrink)(uint32_t wanted);

/* Told when frames were taken by force that held what is nowhere else: how many. It should not return. To be set before frames can be taken. */
extern void (*pool_lost)(uint32_t pages);
/* Told before, when a memory page's frame was: can its owner do without what it held? It must not be touched then, only freed. */
extern bool (*pool_memory_lost)(const void *memory);

static inline void *pool_page(uint32_t page)
{
    return (void *)(POOL_ADDRESS + (uint64_t)page * PAGE_SIZE);
}

static inline bool pool_is_resident(uint32_t page)
{
    return POOL_ENTRIES[page] & ENTRY_PRESENT;
}

static inline bool pool_is_dirty(uint32_t page)
{
    return (POOL_ENTRIES[page] & (ENTRY_PRESENT | ENTRY_DIRTY)) == (ENTRY_PRESENT | ENTRY_DIRTY);
}

/* For `pages` of the disk and `memory` pages behind them, with at most `frames`. */
int64_t pool_open(uint32_t pages, uint32_t memory, uint32_t frames, const struct replacement *replacement);
uint32_t pool_pages(void);
uint32_t pool_frames(void);
uint32_t pool_frames_unused(void);

/* Pages in a row, those that are not there in one go; more than fit into the pool are not all there afterwards. */
int64_t pool_load(uint32_t first, uint32_t count);
/* A page of which nothing that the disk holds is needed: not read, not cleared, and dirty. */
int64_t pool_fresh(uint32_t page);
/* As many of the pages in a row as there are frames for, in one go; they hold anything, and pool_fresh has to be called for each that is used. */
void pool_prepare(uint32_t first, uint32_t count);
/* A page of the disk is about to be written to in memory. pool_fresh says so as well. */
void pool_change(uint32_t page);
/* Write those of the pages in a row that are dirty; they are stable only after pool_flush. */
int64_t pool_write(uint32_t first, uint32_t count);
int64_t pool_flush(void);
/* Forget the pages without writing them; what they held may still come back from the disk. */
void pool_forget(uint32_t first, uint32_t count);
void pool_hold(uint32_t page);
void pool_release(uint32_t page);
/* The page at an address that faulted is there afterwards. */
int64_t pool_fault(uint64_t address);

/* Memory pages in a row that stay, with the first frames of all (the last to be taken by force); those that none are left for come when they are
 * touched. Only before the first pool_memory_alloc. 0: there are not so many. */
void *pool_memory_reserve(uint32_t count);
/* A memory page's address, or 0 (at most three of four frames are for memory, beyond the first 64 pages); its contents are anything. */
void *pool_memory_alloc(void);
void pool_memory_free(void *memory);

/* Give frames up to who asks for them under the capability: unused ones, clean ones, then dirty ones. How many were given. */
uint32_t pool_give(uint16_t capability, uint32_t count);
/* The frames of a range leave the pool; what they hold goes to the disk or to other frames. False: it could not all, and nothing may be
 * taken away. */
bool pool_leave(uint32_t first, uint32_t count);
/* Frames that were taken by force (hardware_robbed) are no part of the pool any more. Pages in them that were not changed come back from the disk
 * when they are touched. Were there any? */
bool pool_look(void);
/* Take free frames up to what pool_open allowed. How many came. */
uint32_t pool_grow(void);
/* Every slot, entry and list agrees with the others; for tests. */
bool pool_is_sound(void);
