/* The measurements of `exo bench io`, beside what bench.h shares with those of the kernel: each file's rows. */
#pragma once
#include <bench.h>

void bench_code(void); /* jit_speedup, verify_100 */
void bench_net(void);  /* demux_10, demux_1000, ash_echo, ash_echo_64 */
void bench_disk(void); /* disk_submit, disk_complete, disk_bulk */
