/*
 * Copies of a test program in environments of their own: each has a part of its parent's memory and time, and a gate
 * to its parent, by which its end is told. A page is shared with all of them.
 */
#pragma once
#include <exo/child.h>

#define OFFSPRING_SHARED 0x38000000ull /* where parent and copies see the shared page */

enum {
    OFFSPRING_SLOT = 32,      /* the first copy's ENVIRONMENT capability; its window is in the next slot */
    OFFSPRING_SLOTS = 2,
    OFFSPRING_FRAMES = 256,   /* of each */
    OFFSPRING_MOST = 8,
    OFFSPRING_TIMED_OUT = -1, /* instead of a status */
    OFFSPRING_FAULTED = -2,
};

struct offspring {
    struct exo_child child;
    uint32_t number;
    uint16_t memory, time; /* in its tables: FRAMES and SLOTS */
    uint32_t first;        /* its frames */
    uint16_t parent;       /* in its tables: the parent's environment, with RUN and GRANT */
};

/* The parent's gate and the shared page, after memory_open. The memory of copies is the end of its own. */
void offspring_open(void);
/* Make number 0 to 7, with the slots [first, first + count), which the parent owns. Then offspring_run. */
void offspring_make(struct offspring *offspring, uint32_t number, uint32_t first_slot, uint32_t slot_count);
/* Returns 0 in the copy, with its memory open, and 1 here. */
int offspring_run(struct offspring *offspring);
/* Wait for the end of one of them, its number by reference; a status or OFFSPRING_TIMED_OUT, OFFSPRING_FAULTED. */
int offspring_wait(uint64_t deadline, uint32_t *ret_number);
/* Take it apart and its slots back. */
int64_t offspring_end(struct offspring *offspring, uint32_t first_slot, uint32_t slot_count);
