/* The buffer pool's own state: pool.c fills and empties slots, give.c makes them more and fewer. */
#pragma once
#include "pool.h"

enum { NO_PAGE = UINT32_MAX, FRAMES_LEAST = 16, MEMORY_LEAST = 64, GROW_EVERY = 64 };

struct slot {
    uint32_t frame, page;
    bool leaves, held;
};

struct pool {
    uint32_t pages, memory, most; /* of the disk, behind them, frames at most */
    uint32_t count;               /* slots in use, each with a frame */
    struct slot *slots;
    uint32_t *slot_of;            /* by page; only of a present one */
    uint64_t *changing;           /* a bit a page of the disk: its frame may hold what the disk does not */
    uint32_t *unused, unused_count;         /* slots without a page */
    uint32_t *unused_memory, memory_count;  /* memory pages that nobody has */
    uint32_t leaving[POOL_BATCH], leaving_count;
    uint32_t reserved;            /* memory pages that come when they are touched */
    uint32_t memory_bound;        /* memory pages with a frame */
    uint32_t evictions;           /* since pool_grow was tried */
    const struct replacement *replacement;
};
extern struct pool pool;

static inline bool is_memory(uint32_t page)
{
    return page >= pool.pages && page != NO_PAGE;
}

/* Of so many frames; the rest is for pages of the disk. */
static inline uint32_t memory_most(uint32_t frames)
{
    return frames - frames / 4;
}

void slot_make_unused(uint32_t index);
/* Bind a batch of ascending pages to the slots. */
void slots_fill(const struct hardware_pair *pairs, const uint32_t *slots, uint32_t count);
/* What was marked with slot_leaves goes. When a write fails nothing does. */
int64_t leaving_evict(void);
