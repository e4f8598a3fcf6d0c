/*
 * Who has to leave the pool: a policy, behind this. The pool asks it for slots when it needs frames; it looks at them through
 * the functions below, which read page-table entries and cost no call. A slot is a frame of the pool and the page in it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct replacement {
    const char *name;
    /* Give slots up with slot_leaves until `wanted` have been, or there is none that may leave. */
    void (*choose)(uint32_t wanted);
    /* A page has come into a slot. May be 0. */
    void (*loaded)(uint32_t slot);
};
extern const struct replacement replacement_clock;

uint32_t slot_count(void);
/* Holds a page that may leave, and does not leave yet. */
bool slot_may_leave(uint32_t slot);
bool slot_was_accessed(uint32_t slot);
/* Forget that these were accessed, HARDWARE_BATCH at most. */
void slots_age(const uint32_t *slots, uint32_t count);
void slot_leaves(uint32_t slot);
