/*
 * What the measuring programs share. A cost is counted in TSC ticks: instructions under `-icount shift=0`. Each figure is the least
 * of many repetitions, minus an empty pair of rdtsc. Rows are printed as `bench ROW VALUE UNIT`.
 */
#pragma once
#include <stdbool.h>
#include <exo/child.h>

enum { REPETITIONS = 100 };

extern struct exo_frames bench_frames;
extern struct exo_space bench_space;
extern uint64_t bench_empty; /* ticks of the empty pair */

/* Once, first: memory and address space of the program, and the empty pair. */
void bench_open(void);

/* The least of the samples so far. */
static inline void bench_least(uint64_t *least, uint64_t ticks)
{
    if (ticks < *least)
        *least = ticks;
}

void bench_print(const char *row, uint64_t value, const char *unit);
/* Ends the program when a call fails that must not. */
_Noreturn void bench_fail(int64_t result, const char *what);

static inline void bench_must(int64_t result, const char *what)
{
    if (result < 0)
        bench_fail(result, what);
}

/* Waits, in a loop of few instructions, until is_over says true. The round of it in which an interrupt came is longer than the others
 * by just what the interrupt took, its return included: those ticks. 0: it was over before, or never is. */
uint64_t bench_interruption(bool (*is_over)(void));
