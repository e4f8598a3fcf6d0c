/* The order of the measurements, and those of the buffer pool. */
#include "bench.h"
#include "instance.h"
#include "pool.h"
#include "store.h"
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { ACCESSES = 10000, LOADS = 400, BATCHES = 100 };

static uint64_t began, began_idle, empty = UINT64_MAX;
static uint64_t samples[SAMPLES_MOST];
static uint32_t sample_count;

void bench_print(const char *row, uint64_t value, const char *unit)
{
    exo_print("bench %s %lu %s", row, value, unit);
}

void bench_must(int64_t result, const char *what)
{
    if (result >= 0)
        return;
    exo_print("bench: %s: %s", what, exo_status_name(result));
    exo_exit(1);
}

uint32_t bench_random(uint32_t below)
{
    static uint64_t state = 88172645463325252ull;

    state ^= state << 13; /* Marsaglia, xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

/* A nanosecond is an instruction here. */
static uint64_t idle_time(void)
{
    return *(const volatile uint64_t *)&exo_processor_info(0)->idle_ns;
}

void measure_begin(void)
{
    began_idle = idle_time();
    began = exo_ticks();
}

uint64_t measure_end(void)
{
    uint64_t ended = exo_ticks(), idle = idle_time() - began_idle;
    return ended - began - idle - (empty == UINT64_MAX ? 0 : empty);
}

void sample_add(uint64_t value)
{
    samples[sample_count++ % SAMPLES_MOST] = value;
}

uint64_t samples_median(void)
{
    uint32_t count = sample_count < SAMPLES_MOST ? sample_count : SAMPLES_MOST;

    for (uint32_t i = 1; i < count; i++) {
        uint64_t value = samples[i];
        uint32_t at = i;
        for (; at && samples[at - 1] > value; at--)
            samples[at] = samples[at - 1];
        samples[at] = value;
    }
    sample_count = 0;
    return samples[count / 2];
}

static void empty_measure(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        measure_begin();
        uint64_t value = measure_end();
        empty = value < empty ? value : empty;
    }
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

/* A touched page that is not there, in a full pool: the fault, a victim, the request, the interrupt, the binding. */
static void load_measure(void)
{
    uint32_t pages = pool_pages();

    for (uint32_t i = 0; i < LOADS;) {
        uint32_t page = bench_random(pages);
        if (pool_is_resident(page))
            continue;
        measure_begin();
        (void)*(const volatile uint64_t *)pool_page(page);
        sample_add(measure_end());
        i++;
    }
    bench_print("page_load", samples_median(), "instructions");
}

/* Every frame holds a page: those that were loaded last. */
static void pool_fill(void)
{
    for (uint32_t page = 0; page < pool_pages(); page += POOL_BATCH)
        bench_must(pool_load(page, page + POOL_BATCH < pool_pages() ? POOL_BATCH : pool_pages() - page), "load");
}

/* 64 pages in a row instead of 64 others that nobody has written, a page. */
static void batch_measure(void)
{
    for (uint32_t i = 0; i < BATCHES; i++) {
        measure_begin();
        bench_must(pool_load(i * POOL_BATCH, POOL_BATCH), "load");
        sample_add(measure_end() / POOL_BATCH);
    }
    bench_print("evict_64", samples_median(), "instructions");
}

static int run(void)
{
    empty_measure();
    access_measure();
    bench_sql();
    bench_tree();
    pool_fill();
    batch_measure();
    load_measure();
    exo_print("%u pages, %u frames", pool_pages(), pool_frames());
    return 0;
}

int main(void)
{
    instance_open();
    return instance_run(run);
}
