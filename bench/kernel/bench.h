/* The measurements of `exo bench kernel`: each file's rows. */
#pragma once
#include <measure.h>

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
