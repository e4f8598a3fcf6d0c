/* The order of the measurements, and what they share. */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

struct exo_frames bench_frames;
struct exo_space bench_space;
uint64_t bench_empty = UINT64_MAX;

void bench_print(const char *row, uint64_t value, const char *unit)
{
    exo_print("bench %s %lu %s", row, value, unit);
}

void bench_fail(int64_t result, const char *what)
{
    exo_print("bench: %s: %s", what, exo_status_name(result));
    exo_exit(1);
}

static void empty_measure(void)
{
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t before = exo_ticks();
        bench_least(&bench_empty, exo_ticks() - before);
    }
}

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

static void longest_path_print(void)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < exo_system_info()->processor_count; i++)
        if (exo_processor_info(i)->longest_path > longest)
            longest = exo_processor_info(i)->longest_path;
    if (longest)
        bench_print("longest_path", longest, "instructions");
}

int main(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));

    exo_frames_open(&bench_frames, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&bench_space, &exo_start, &bench_frames);
    empty_measure();
    null_measure();
    bench_upcalls();
    bench_memory();
    bench_switches();
    bench_revocation();
    bench_print("kernel_memory", (uint64_t)exo_system_info()->kernel_frames * EXO_FRAME_SIZE, "bytes");
    bench_environments();
    longest_path_print();
    return 0;
}
