/* The order of the measurements. */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>

static void null_measure(void)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t before = exo_ticks();
        exo_null();
        bench_least(&least, exo_ticks() - before - bench_empty);
    }
    bench_print("null_call", least, "instructions");
}

int main(void)
{
    bench_open();
    null_measure();
    bench_upcalls();
    bench_memory();
    bench_switches();
    bench_revocation();
    bench_print("kernel_memory", (uint64_t)exo_system_info()->kernel_frames * EXO_FRAME_SIZE, "bytes");
    bench_environments();
    return 0;
}
