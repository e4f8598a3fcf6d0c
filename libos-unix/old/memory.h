/*
 * A process's own pages: which frame each writable page of the image has, and copy-on-write between a parent and its
 * children, all in the process itself. What the fault handler needs is eager (see exo/program.h): it never faults on it.
 *
 * A page is *shared* from a fork until it is written here: then it is copied if a child may still see the frame, else it
 * just becomes writable again. Frames that only children see any more are freed when no child is left.
 */
#pragma once
#include <exo/child.h>

#define PAGES_MAX 128

struct memory {
    struct exo_frames frames;      /* where its frames come from */
    struct exo_space space;
    uint32_t page_count;           /* pages from the first writable one that is not eager */
    uint32_t frame[PAGES_MAX];
    uint8_t shared[PAGES_MAX];
    uint32_t left[PAGES_MAX * 4];  /* frames that only children see */
    uint32_t left_count;
    uint32_t children;             /* living ones */
    uint32_t copied, regained;     /* pages */
};
extern struct memory memory;

/* Two pages of the address space that this module uses. */
#define MEMORY_WINDOWS 0x1fe00000ull

/* Address of the n-th of these pages. */
uint64_t memory_page(uint32_t n);
/* At the program's start: find the frames by reading the own page table. */
int64_t memory_open(void);
/* The frame that is bound at an address of the image. */
uint32_t memory_frame_at(uint64_t address);
/* Frames that are free, or taken and not used, in all its ranges. */
uint32_t memory_free(void);
/* All pages become shared with one more child. */
int64_t memory_share(void);
/* A child is gone. */
void memory_unshare(void);
/* The capability, of those the program was started with, whose range a frame lies in. */
uint16_t memory_capability(uint32_t frame);
