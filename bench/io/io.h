/* The measurements of `exo bench io` that need no network: each file's rows. */
#pragma once
#include <measure.h>

void bench_code(void); /* jit_speedup, verify_100 */
void bench_net(void);  /* demux_10, demux_1000 */
void bench_disk(void); /* disk_submit, disk_complete, disk_bulk */
