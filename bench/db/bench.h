/*
 * What the measurements share. sql.c and tree.c are one source for both systems: main.c measures on Exo, peer.c on Linux, where lmdb.c
 * stands in for the key-value store. Counted are the instructions of the machine, kernel and program: time in which the processor was
 * idle, since the disk worked, is taken off.
 */
#pragma once
#include <stdint.h>

enum { SAMPLES_MOST = 2000 };

struct sqlite3;
/* Requests that the disk has had. */
struct bench_device {
    uint32_t writes, flushes;
};

/* Each system's own. */
void bench_print(const char *row, uint64_t value, const char *unit);
_Noreturn void bench_fail(const char *what, const char *why);
void bench_must(int64_t result, const char *what);
uint64_t bench_argument(const char *name, uint64_t otherwise);
struct bench_device bench_device(void);
int64_t bench_tree_open(void);
/* SQLite's answer. */
int bench_sql_open(struct sqlite3 **ret_db);
void measure_begin(void);
/* Instructions since then. */
uint64_t measure_end(void);

/* Both systems' (sample.c). */
uint32_t bench_random(uint32_t below);
/* Note one; the median of all that were noted, which are forgotten. */
void sample_add(uint64_t value);
uint64_t samples_median(void);

void bench_tree(void); /* kv_get, kv_put_1000 */
void bench_sql(void);  /* sql_... */
