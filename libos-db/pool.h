/*
 * A buffer pool by page tables: a region of pages at fixed addresses, of which as many are present as the pool has frames.
 * A missing page faults, and the handler fills a frame from the store and binds it. Replacement is CLOCK over the
 * accessed bits, read from the region's own page table, which is bound readable: no call tells what was used. A dirty
 * page goes back to the store when its frame is taken from it.
 */
#pragma once
#include <stdbool.h>
#include <exo/child.h>

#define POOL_ADDRESS 0x20000000ull

enum { POOL_PAGES = 256, POOL_FRAMES_MAX = 128 };

struct pool_figures {
    uint32_t faults, evicted, written, aged, given;
};
extern struct pool_figures pool_figures;

/* With this many frames, at most POOL_FRAMES_MAX. */
int64_t pool_open(uint32_t frames);
/* A page's bytes. Touching it makes it present. */
volatile uint64_t *pool_page(uint32_t page);
/* Give count frames up, clean pages first. Returns how many were given. */
uint32_t pool_give(uint16_t capability, uint32_t count);
uint32_t pool_frames(void);
