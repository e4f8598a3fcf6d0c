/* The measurements of `exo bench io`, beside what bench.h shares with those of the kernel: each file's rows. */
#pragma once
#include <bench.h>

void bench_code(void); /* jit_speedup, verify_100 */
