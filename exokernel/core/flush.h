/*
 * The flush epoch: a count of removed translations. What was removed at epoch E is in no processor's TLB, and in no
 * call under way, once every processor has passed E.
 */
#pragma once
#include <state.h>

/* A translation was removed: the epoch that processors must pass. */
uint64_t flush_begin(void);
/* Has every processor passed it? If not, flushes here and asks the others. */
bool flush_is_over(uint64_t epoch);
