/*
 * What the buffer pool needs below it: frames, a page table, a disk. hardware.c has them from Exo; in the tests on this computer
 * tests/machine.c makes them of mappings, signals and a file of writes. Page n of the page table is the one at
 * POOL_ADDRESS + n * 4096, and its entry can be read at POOL_ENTRIES[n].
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define POOL_ADDRESS 0x200000000000ull
#define POOL_ENTRIES ((const volatile uint64_t *)0x210000000000ull)

enum { PAGE_SIZE = 4096, HARDWARE_BATCH = 64 };
enum { ENTRY_PRESENT = 1, ENTRY_ACCESSED = 32, ENTRY_DIRTY = 64 };
enum hardware_bit { BIT_ACCESSED, BIT_DIRTY };
enum hardware_move { MOVE_READ, MOVE_WRITE };

struct hardware_pair {
    uint32_t page, frame;
};

/* Memory of the pool's own, cleared, for ever; 0: there is none. */
void *hardware_memory(uint32_t pages);
/* A frame for the pool; 0: none is free. */
uint32_t hardware_frame_take(void);
/* How many frames could be taken now. Looks at all of them. */
uint32_t hardware_frames_free(void);
/* Back to who asks for frames under this capability; the frame must not be bound. */
bool hardware_frame_return(uint16_t capability, uint32_t frame);

/* Frames may have been taken by force: set by whoever sees a sign of it. */
extern bool hardware_robbed;
/* Does a frame that was taken still belong to the program? */
bool hardware_frame_is_own(uint32_t frame);

/* At most HARDWARE_BATCH pages, ascending. Pages whose frame is gone are left out (hardware_robbed); what else cannot be done is a fault of
 * this program: it ends. */
void hardware_bind(const struct hardware_pair *pairs, uint32_t count);
void hardware_unbind(const uint32_t *pages, uint32_t count);
void hardware_clear(enum hardware_bit bit, const uint32_t *pages, uint32_t count);

/* Begin to move blocks between the disk and frames in a row; block n of the extent is page n. */
void hardware_move(enum hardware_move move, uint32_t page, uint32_t frame, uint32_t count);
/* Until all that was begun is done: 0, or the status of one that failed. */
int64_t hardware_wait(void);
/* All writes that were waited for are on stable storage. */
int64_t hardware_flush(void);
