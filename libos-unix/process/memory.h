/*
 * The program's pages. They come when they are touched: cleared frames of our own, pages of files bound as they lie in the
 * server's store, and copies of what is shared since a fork or belongs to a file, at the first write.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <unix/protocol.h>

/* The stack is below us, so that a small program needs no page tables far away; large mappings go to the top. */
#define STACK_TOP   UNIX_RUNTIME_ADDRESS
#define STACK_SIZE  0x800000ull
#define BREAK_TOP   (STACK_TOP - 2 * STACK_SIZE)
#define PROGRAM_TOP 0x7fffffffe000ull
#define MAP_TOP     PROGRAM_TOP

enum { LEFT_MAX = 512, INHERITED_MAX = 256, LISTED_MAX = 256, CHANGES_MAX = 16 };

struct memory_state {
    uint64_t break_start, break_end;
    uint32_t copied, regained, filled;
    uint32_t file_count, left_count, inherited_count;
    struct unix_range file[FILES_MAX]; /* files that are mapped */
    bool is_listed; /* the list of the last fork holds, but for these pages: */
    uint32_t listed_count, change_count;
    struct {
        uint64_t start, end;
    } change[CHANGES_MAX];
    struct {
        uint32_t frame, count;
    } left[LEFT_MAX]; /* frames of ours that only children may still see */
    struct unix_run listed[LISTED_MAX];
    struct unix_run inherited[INHERITED_MAX]; /* pages of before the fork that nobody touched since: others' frames */
};
extern struct memory_state memory_state;

int64_t memory_open(void);
bool page_is_present(uint64_t page);
/* Frames in a row; a missing page table is made, from another chunk if need be. */
bool page_bind(uint64_t page, uint32_t frame, uint32_t count, uint16_t slot, uint32_t flags);
/* Is it an access that the program may make? Then only memory can lack. */
bool memory_allows(uint64_t address, uint32_t error);
/* True if the access is possible now; error as the hardware tells it. */
bool memory_fault(uint64_t address, uint32_t error);
/* Unbind what is in [start, end), and give our frames back. */
void pages_drop(uint64_t start, uint64_t end);
/* Pages of [start, end) that are there lose (or gain) access as the protection says. */
void pages_protect(uint64_t start, uint64_t end, uint32_t protection);
/* Try to free frames that children saw; true if there were some. */
bool memory_collect(void);
/* All of the program's memory, and what it has mapped of files. */
void memory_clear(void);
/* A frame of our own, to be filled at *ret_copy until page_copy_end: a copy of the page, or cleared for page 0. 0: there is none. */
uint32_t page_copy_begin(uint64_t page, uint8_t **ret_copy);
void page_copy_end(void);
/* Our frame in the place of `old`, or of nothing if that is 0. */
bool page_exchange(uint64_t page, uint32_t old, uint32_t frame, uint32_t flags);
/* Runs of present pages in [start, end) with consecutive frames of one range and like access. */
struct page_run {
    uint64_t address;
    uint32_t frame, count;
    uint32_t end;           /* of the range: the frame behind it */
    bool own;               /* the frames are this process's */
    bool writable, executable;
};
/* Where one is among them; what is behind `at` may change meanwhile, but no page table may come. */
struct page_walk {
    uint64_t at, end;
    uint64_t stop; /* of the part that lies in the table with these entries, or in none */
    const volatile uint64_t *entries;
};
static inline struct page_walk page_walk(uint64_t start, uint64_t end)
{
    return (struct page_walk){ start, end, start, 0 };
}
bool page_run_next(struct page_walk *walk, struct page_run *ret_run);
