/*
 * What the kernel's operations cost, in TSC ticks: instructions under `-icount shift=0`. Each figure is the least of
 * many repetitions, minus an empty pair of rdtsc. Rows are printed as `bench ROW VALUE UNIT`.
 */
#pragma once
#include <exo/child.h>

enum { REPETITIONS = 100 };

extern struct exo_frames bench_frames;
extern struct exo_space bench_space;
extern uint64_t bench_empty; /* ticks of the empty pair */

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

void bench_upcalls(void);
void bench_memory(void);
void bench_switches(void);
void bench_revocation(void);
void bench_environments(void);

/* path.S */
void bench_foreign_entry(void);
void bench_bounce_entry(void);
uint64_t bench_yield_pair(uint64_t target); /* ticks of a yield to the bouncing environment and back */
void bench_gate_echo(void);                 /* a gate that answers at once */
