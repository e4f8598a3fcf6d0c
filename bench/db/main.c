/* The measurements on Exo: their order, what the two workloads need of libos-db, and the buffer pool's own. */
#include "bench.h"
#include "db.h"
#include "ground.h"
#include "instance.h"
#include "pool.h"
#include "sql.h"
#include "store.h"
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { ACCESSES = 10000, LOADS = 500, BATCHES = 100, HEAP_PAGES = 2048, LOG_SHARE = 8 };

static uint64_t began, began_idle, empty = UINT64_MAX, interrupt;
static uint32_t began_requests;

void bench_print(const char *row, uint64_t value, const char *unit)
{
    exo_print("bench %s %lu %s", row, value, unit);
}

_Noreturn void bench_fail(const char *what, const char *why)
{
    exo_print("bench: %s: %s", what, why);
    exo_exit(1);
}

void bench_must(int64_t result, const char *what)
{
    if (result < 0)
        bench_fail(what, exo_status_name(result));
}

uint64_t bench_argument(const char *name, uint64_t otherwise)
{
    return exo_argument(name, otherwise);
}

struct bench_device bench_device(void)
{
    return (struct bench_device){ ground_figures.writes, ground_figures.flushes };
}

int64_t bench_tree_open(void)
{
    const struct store_file *place = store_find("tree");

    return db_open(place->first, place->blocks, place->blocks / LOG_SHARE, true);
}

int bench_sql_open(struct sqlite3 **ret_db)
{
    static struct sql_world world = { .time = exo_time };
    int result = sql_open(&world, HEAP_PAGES);

    return result == SQLITE_OK ? sql_connect(ret_db) : result;
}

/* A nanosecond is an instruction here. */
static uint64_t idle_time(void)
{
    return *(const volatile uint64_t *)&exo_processor_info(0)->idle_ns;
}

static uint32_t requests(void)
{
    return ground_figures.reads + ground_figures.writes + ground_figures.flushes;
}

/* An interrupt that ends the idleness counts as idle for the kernel: it is added again, one for each request, though one may be for several. */
void measure_begin(void)
{
    began_requests = requests();
    began_idle = idle_time();
    began = exo_ticks();
}

uint64_t measure_end(void)
{
    uint64_t ended = exo_ticks(), idle = idle_time() - began_idle;
    return ended - began - idle + (requests() - began_requests) * interrupt - (empty == UINT64_MAX ? 0 : empty);
}

static void empty_measure(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        measure_begin();
        uint64_t value = measure_end();
        empty = value < empty ? value : empty;
    }
}

/* A loop of few instructions looks for the completion of a read: the round in which the interrupt came is longer by just what it took. */
static uint64_t interrupt_once(struct exo_disk_ring *ring, uint32_t block, uint32_t frame)
{
    struct exo_completion completion;
    uint64_t longest = 0, shortest = UINT64_MAX;
    bool is_over = false;

    exo_disk_put(ring, EXO_DISK_READ, 0, exo_disk_extent(0)->first + block, frame, 1);
    bench_must(exo_disk_go(ring), "disk_submit");
    for (uint64_t last = exo_ticks(); !is_over;) {
        is_over = *(const volatile uint32_t *)&ring->ring->completed != ring->ring->reaped;
        uint64_t now = exo_ticks();
        longest = now - last > longest ? now - last : longest;
        shortest = now - last < shortest ? now - last : shortest;
        last = now;
    }
    exo_disk_take(ring, &completion);
    return longest - shortest;
}

static void interrupt_measure(void)
{
    struct exo_disk_ring *ring = ground_ring();
    uint8_t *page = pool_memory_alloc();
    uint32_t frame = (uint32_t)(POOL_ENTRIES[((uint64_t)page - POOL_ADDRESS) / PAGE_SIZE] >> 12 & 0x7fffff);

    ring->ring->quiet = 1;
    ring->frames = ground_capability();
    for (uint32_t i = 0; i < 400; i++) {
        uint64_t value = interrupt_once(ring, i * 97, frame);
        if (value && (!interrupt || value < interrupt))
            interrupt = value; /* 0: it had come before the loop; larger: another interrupt as well */
    }
    ring->ring->quiet = 0;
    pool_memory_free(page);
    bench_print("interrupt", interrupt, "instructions (a disk's completion; counted for each request)");
}

/* Is it there, and a word of it; pages in no order. */
static void access_measure(void)
{
    static uint32_t order[ACCESSES];
    volatile uint64_t sum = 0;

    bench_must(pool_load(0, 512), "load");
    for (uint32_t i = 0; i < ACCESSES; i++)
        order[i] = bench_random(512);
    measure_begin();
    for (uint32_t i = 0; i < ACCESSES; i++)
        if (pool_is_resident(order[i]))
            sum += *(const volatile uint64_t *)pool_page(order[i]);
    bench_print("page_access", (measure_end() + ACCESSES - 1) / ACCESSES, "instructions");
}

/* A touched page that is not there: the fault, the request, the interrupt, the binding. */
static uint64_t load_once(void)
{
    uint32_t page;

    do
        page = bench_random(pool_pages());
    while (pool_is_resident(page));
    measure_begin();
    (void)*(const volatile uint64_t *)pool_page(page);
    return measure_end();
}

/* The median: where in the work the disk answers is the computer's to say. */
static void load_measure(void)
{
    for (uint32_t i = 0; i < LOADS; i++)
        sample_add(load_once());
    bench_print("page_load", samples_median(), "instructions");
}

/* In a full pool, each load's part of evictions too: so the average. */
static void full_measure(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < LOADS; i++)
        sum += load_once();
    bench_print("page_load_full", (sum + LOADS - 1) / LOADS, "instructions");
}

/* Every frame holds a page. The first page from which on none is in memory. */
static uint32_t pool_fill(void)
{
    uint32_t page = 0;

    for (; pool_frames_unused(); page += POOL_BATCH)
        bench_must(pool_load(page, POOL_BATCH), "load");
    while (pool_is_resident(page))
        page++;
    return page;
}

/* 64 pages in a row instead of 64 others that nobody has written, a page. */
static void batch_measure(uint32_t first)
{
    for (uint32_t i = 0; i < BATCHES; i++) {
        measure_begin();
        bench_must(pool_load(first + i * POOL_BATCH, POOL_BATCH), "load");
        sample_add(measure_end() / POOL_BATCH);
    }
    bench_print("evict_64", samples_median(), "instructions");
}

static int run(void)
{
    empty_measure();
    interrupt_measure();
    access_measure();
    bench_sql();
    bench_tree();
    load_measure();
    batch_measure(pool_fill());
    full_measure();
    exo_print("%u pages, %u frames", pool_pages(), pool_frames());
    return 0;
}

int main(void)
{
    instance_open();
    return instance_run(run);
}
