/* What the measurements share. Counted are the instructions of kernel and libOS: time in which the processor was idle, since the disk worked, is taken off. */
#pragma once
#include <stdint.h>

enum { SAMPLES_MOST = 2000 };

void bench_print(const char *row, uint64_t value, const char *unit);
void bench_must(int64_t result, const char *what);
uint32_t bench_random(uint32_t below);

void measure_begin(void);
/* Instructions since then. */
uint64_t measure_end(void);
/* Note one; the median of all that were noted, which are forgotten. */
void sample_add(uint64_t value);
uint64_t samples_median(void);

void bench_tree(void); /* kv_get, kv_put_1000 */
void bench_sql(void);  /* sql_... */
