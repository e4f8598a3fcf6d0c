/* The key-value store: keys of 16 bytes, all pages in memory. */
#include "bench.h"
#include "db.h"

enum { KEYS = 1000000, BATCH = 1000, GETS = 2000, PUT_BATCHES = 5 };

struct key {
    uint64_t high, low;
};

/* Keys in order of their numbers, spread over all that 16 bytes can be, as random ones would be; each number is of two keys. */
static struct key key_of(uint32_t number, uint32_t count, uint32_t which)
{
    uint64_t at = number * (UINT64_MAX / count);
    return (struct key){ __builtin_bswap64(at), at * 0x9e3779b97f4a7c15ull + which };
}

static void key_put(struct key key, uint64_t value)
{
    bench_must(db_put(0, (struct db_bytes){ &key, sizeof key }, (struct db_bytes){ &value, sizeof value }), "db_put");
}

/* In order, since that is the quickest way to so many. */
static void keys_fill(uint32_t count)
{
    uint32_t number = 0;

    for (uint32_t done = 0; done < count;) {
        bench_must(db_begin(), "db_begin");
        for (uint32_t i = 0; i < BATCH; i++, done++, number++) {
            key_put(key_of(number, count, 0), number);
        }
        bench_must(db_commit(), "db_commit");
    }
}

static void get_measure(uint32_t count)
{
    for (uint32_t i = 0; i < GETS; i++) {
        uint32_t number = bench_random(count);
        struct key key = key_of(number, count, 0);
        struct db_bytes value;
        measure_begin();
        int64_t result = db_get(0, (struct db_bytes){ &key, sizeof key }, &value);
        sample_add(measure_end());
        bench_must(result, "db_get");
        if (*(const uint32_t *)value.data != number)
            bench_must(-1, "what db_get found");
    }
    bench_print("kv_get", samples_median(), "instructions");
}

/* A durable batch of keys that are anywhere, a key. */
static void put_measure(uint32_t count)
{
    for (uint32_t batch = 0; batch < PUT_BATCHES; batch++) {
        measure_begin();
        bench_must(db_begin(), "db_begin");
        for (uint32_t i = 0; i < BATCH; i++)
            key_put(key_of(bench_random(count), count, 1), i);
        bench_must(db_commit(), "db_commit");
        sample_add(measure_end() / BATCH);
    }
    bench_print("kv_put_1000", samples_median(), "instructions");
}

void bench_tree(void)
{
    uint32_t count = (uint32_t)bench_argument("keys", KEYS);

    bench_must(bench_tree_open(), "open");
    keys_fill(count);
    get_measure(count);
    put_measure(count);
}
