/* Runs of pages that are unbound together: a call of the kernel for many. */
#pragma once
#include <stdbool.h>
#include <exo/abi.h>

enum { BATCH_MAPPINGS = 16 };

struct batch {
    uint16_t subject; /* whose tables they are in; 0: the caller's own */
    uint32_t count;
    struct exo_mapping mapping[BATCH_MAPPINGS + 1];
};

/* Pages that lie in this TABLE1, at most EXO_BATCH_MAX; when there is no more room the others go first. False: they could not. */
bool batch_add(struct batch *batch, uint32_t table, uint64_t address, uint32_t count);
/* All that was added is unbound now; false: something was not bound. */
bool batch_unbind(struct batch *batch);
