#include "loop.h"
#include "../invariants.h"
#include "../snapshot.h"
#include <stdio.h>
#include <stdlib.h>

uint64_t fuzz_checks;

int LLVMFuzzerInitialize(int *count, char ***word)
{
    (void)count;
    (void)word;
    fuzzer.make();
    snapshot_keep();
    atexit(fuzzer.verdict);
    return 0;
}

static void state_check(void)
{
    const char *broken = invariants_check();
    fuzz_checks++;
    if (!broken)
        return;
    fprintf(stderr, "invariant: %s\n", broken);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    snapshot_restore();
    for (size_t i = 0; i + STEP_BYTES <= size; i += STEP_BYTES) {
        fuzzer.step(bytes + i);
        if (i / STEP_BYTES % fuzzer.check_every == fuzzer.check_every - 1)
            state_check();
    }
    state_check();
    return 0;
}
