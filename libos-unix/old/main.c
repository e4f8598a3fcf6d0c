/*
 * What shows that it works: processes are forked, both sides see their own memory from then on, 64 KiB come through a pipe
 * intact, and every frame is back when a child was waited for.
 */
#include "memory.h"
#include "pipe.h"
#include "process.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { ROUNDS = 3, STREAM_SIZE = 65536, TABLE_WORDS = 8192, CHILD_STATUS = 7 };

static uint64_t table[TABLE_WORDS]; /* 16 pages that both sides change */
static int64_t child_number;

static void parent_run(void)
{
    if (exo_yield_to(process_parent, 0) != EXO_OK)
        exo_yield();
}

static void child_run(void)
{
    if (process_run(child_number) || !pipe_is_empty())
        return;
    exo_print("process 1: child %ld ended in the middle of the pipe", child_number);
    exo_exit(1);
}

static uint32_t stream_next(uint32_t seed)
{
    return seed * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
}

static uint64_t table_sum(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < TABLE_WORDS; i++)
        sum = sum * 31 + table[i];
    return sum;
}

static void table_fill(uint64_t first, uint64_t step)
{
    for (uint32_t i = 0; i < TABLE_WORDS; i++)
        table[i] = first + step * i;
}

/* The child: what it inherited, then what it wrote itself, then the stream. */
static void child_main(uint32_t round)
{
    uint64_t sums[2] = { table_sum(), 0 };
    uint32_t seed = round;

    for (uint32_t i = 0; i < TABLE_WORDS; i += 1024)
        table[i] = round;
    sums[1] = table_sum();
    pipe_write(sums, sizeof sums, parent_run);
    for (uint32_t i = 0; i < STREAM_SIZE / 4; i++) {
        seed = stream_next(seed);
        pipe_write(&seed, sizeof seed, parent_run);
    }
    exo_print("process %u: wrote %u bytes, copied %u pages of %u", exo_start.number, STREAM_SIZE, memory.copied,
              memory.page_count);
    exo_exit(CHILD_STATUS);
}

static bool stream_is_intact(uint32_t round)
{
    uint32_t seed = round, word, wrong = 0;

    for (uint32_t i = 0; i < STREAM_SIZE / 4; i++) {
        seed = stream_next(seed);
        pipe_read(&word, sizeof word, child_run);
        wrong += word != seed;
    }
    return wrong == 0;
}

/* What the child must have found and made, computed here on the same words. */
static bool sums_agree(uint32_t round, const uint64_t sums[2])
{
    bool agree = sums[0] == table_sum();

    for (uint32_t i = 0; i < TABLE_WORDS; i += 1024)
        table[i] = round;
    return agree && sums[1] == table_sum();
}

static bool round_run(uint32_t round)
{
    uint64_t sums[2];

    table_fill(round, 3);
    child_number = process_fork();
    if (child_number == 0)
        child_main(round);
    if (child_number < 0) {
        exo_print("fork: %s", exo_status_name(child_number));
        return false;
    }
    table_fill(1000 * round, 5); /* the child must not see this */
    bool diverged = table[1] == 1000 * round + 5;
    pipe_read(sums, sizeof sums, child_run);
    bool intact = stream_is_intact(round);
    diverged &= table[1] == 1000 * round + 5 && table[1024] == 1000 * round + 5 * 1024;
    int status = process_wait(child_number);
    table_fill(round, 3);
    bool agree = sums_agree(round, sums);
    exo_print("process 1: child %u ended with %d: memory %s, 64 KiB through the pipe %s", round + 1, status,
              agree && diverged ? "its own" : "MIXED UP", intact ? "intact" : "DAMAGED");
    return agree && diverged && intact && status == CHILD_STATUS;
}

int main(void)
{
    uint32_t rounds = (uint32_t)exo_argument("rounds", ROUNDS);
    bool well = true;
    int64_t result = memory_open();

    if (result == EXO_OK)
        result = pipe_open();
    if (result != EXO_OK) {
        exo_print("cannot start: %s", exo_status_name(result));
        return 1;
    }
    well &= round_run(1);
    uint32_t free = memory_free();
    for (uint32_t round = 2; round <= rounds; round++)
        well &= round_run(round);
    uint32_t left = memory_free();
    exo_print("process 1: %u forks, %u pages copied and %u regained, %s", rounds, memory.copied, memory.regained,
              left == free ? "every frame of the children is back" : "FRAMES ARE MISSING");
    return well && left == free ? 0 : 1;
}
