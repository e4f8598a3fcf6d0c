/*
 * The flush epoch: a count of removed translations. What was removed at epoch E is in no processor's TLB, and in no
 * call under way, once every processor has passed E. A device is one more to pass: its requests carry the epoch at which they were
 * handed over, and it has passed E when the oldest that it still works on has a later one.
 */
#pragma once
#include <state.h>

/* A translation was removed: the epoch that processors must pass. */
uint64_t flush_begin(void);
/* Has every processor and device passed it? If not, flushes here and asks the other processors. */
bool flush_is_over(uint64_t epoch);
