/*
 * The measurements on Linux, on an ext4 file system on its disk. Of /proc/timer_list comes for how long the processor was idle, to the
 * nanosecond; of /sys/block what the disk was asked for. Rows are printed as on Exo. Started with the word `commits` or `hostile` it is a
 * load for `exo bench rt` and never ends.
 */
#include "bench.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

enum { TEXT_MOST = 1 << 16, STAT_WRITES = 4, STAT_FLUSHES = 15, CHECKPOINT_MOST = 1000, PAGE = 4096, HOSTILE_BYTES = 1 << 20, NOBODY = 65534 };

static uint64_t began, began_idle, empty = UINT64_MAX;

void bench_print(const char *row, uint64_t value, const char *unit)
{
    printf("bench %s %lu %s\n", row, value, unit);
    fflush(stdout);
}

_Noreturn void bench_fail(const char *what, const char *why)
{
    printf("bench: %s: %s\n", what, why);
    exit(1);
}

void bench_must(int64_t result, const char *what)
{
    if (result < 0)
        bench_fail(what, "failed");
}

uint64_t bench_argument(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, 0, 10) : otherwise;
}

static const char *text_of(const char *path)
{
    static char text[TEXT_MOST];
    int file = open(path, O_RDONLY);
    size_t size = 0;

    for (ssize_t more; size < sizeof text - 1 && (more = read(file, text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)more;
    if (!size)
        bench_fail(path, "cannot be read");
    close(file);
    text[size] = 0;
    return text;
}

/* Fields 5 and 16 of the block device's stat (Documentation/block/stat.rst). */
struct bench_device bench_device(void)
{
    char *at = (char *)text_of("/sys/block/vda/stat");
    struct bench_device device = {0};

    for (uint32_t field = 0; field <= STAT_FLUSHES; field++) {
        uint32_t value = (uint32_t)strtoull(at, &at, 10);
        if (field == STAT_WRITES)
            device.writes = value;
        if (field == STAT_FLUSHES)
            device.flushes = value;
    }
    return device;
}

static uint64_t field_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    if (!at || !(at = strchr(at, ':')))
        bench_fail("/proc/timer_list", name);
    return strtoull(at + 1, 0, 10);
}

/* A nanosecond is an instruction here. */
static uint64_t idle_time(void)
{
    const char *text = text_of("/proc/timer_list");
    return field_of(text, "idle_sleeptime") + field_of(text, "iowait_sleeptime");
}

void measure_begin(void)
{
    began_idle = idle_time();
    began = __rdtsc();
}

uint64_t measure_end(void)
{
    uint64_t ended = __rdtsc(), taken = ended - began - (idle_time() - began_idle);
    return empty == UINT64_MAX ? taken : taken - (taken < empty ? taken : empty);
}

static void empty_measure(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        measure_begin();
        uint64_t value = measure_end();
        empty = value < empty ? value : empty;
    }
}

/* As libos-db opens it. */
int bench_sql_open(sqlite3 **ret_db)
{
    int result = sqlite3_initialize();

    if (result == SQLITE_OK)
        result = sqlite3_open("database", ret_db);
    if (result == SQLITE_OK)
        result = sqlite3_exec(*ret_db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", 0, 0, 0);
    return result == SQLITE_OK ? sqlite3_wal_autocheckpoint(*ret_db, CHECKPOINT_MOST) : result;
}

/* As the database does beside libos-rt: one durable commit after the other (bench/rt/rows.sql). */
static int commits_run(void)
{
    sqlite3 *db;

    if (bench_sql_open(&db) || sqlite3_exec(db, "create table load(number integer primary key, words text)", 0, 0, 0))
        bench_fail("SQLite", sqlite3_errmsg(db));
    while (!sqlite3_exec(db, "insert into load(words) values (hex(randomblob(40)))", 0, 0, 0))
        ;
    bench_fail("SQLite", sqlite3_errmsg(db));
}

/* What a program without rights can do to be a nuisance: memory mapped, touched, protected and unmapped, calls with addresses that are none. */
static int hostile_run(void)
{
    if (setgid(NOBODY) || setuid(NOBODY))
        bench_fail("setuid", "refused");
    for (;;) {
        uint8_t *memory = mmap(0, HOSTILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        for (size_t at = 0; at < HOSTILE_BYTES; at += 2 * PAGE)
            mprotect(memory + at, PAGE, PROT_READ);
        munmap(memory, HOSTILE_BYTES);
        for (long number = 0; number < 400; number++)
            if (number != SYS_pause && number != SYS_exit && number != SYS_exit_group && number != SYS_fork && number != SYS_vfork &&
                number != SYS_rt_sigreturn && number != SYS_sched_yield)
                syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
    }
}

int main(int count, char **words)
{
    if (count > 1)
        return strcmp(words[1], "commits") ? hostile_run() : commits_run();
    empty_measure();
    printf("SQLite %s on ext4\n", sqlite3_libversion());
    bench_sql();
    bench_tree();
    return 0;
}
