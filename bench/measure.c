#include <measure.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { SPIN_MOST = 100000000 };

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

void bench_open(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));

    exo_frames_open(&bench_frames, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&bench_space, &exo_start, &bench_frames);
    empty_measure();
}

uint64_t bench_interruption(bool (*is_over)(void))
{
    uint64_t last = exo_ticks(), longest = 0, shortest = UINT64_MAX;

    if (is_over())
        return 0;
    for (uint32_t i = 0; i < SPIN_MOST; i++) {
        bool was_last = is_over();
        uint64_t now = exo_ticks();
        longest = now - last > longest ? now - last : longest;
        shortest = now - last < shortest ? now - last : shortest;
        last = now;
        if (was_last)
            return i ? longest - shortest : 0;
    }
    return 0;
}
