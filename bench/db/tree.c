/* The key-value store: keys of 16 bytes, all pages in memory. */
#include "bench.h"
#include "db.h"
#include "pool.h"
#include "store.h"
#include <exo/program.h>
#include <exo/text.h>

enum { KEYS = 1000000, BATCH = 1000, GETS = 2000, PUT_BATCHES = 5, LOG_SHARE = 4 };

struct key {
    uint64_t high, low;
};

/* Spread over all keys, by a bijection of 32 bits (Knuth's multiplicative hashing); big-endian, so that order is order. */
static struct key key_of(uint32_t number)
{
    return (struct key){ 0, __builtin_bswap64((uint64_t)(number * 2654435769u) << 16) };
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
            struct key key = { 0, __builtin_bswap64((uint64_t)number << 16) };
            key_put(key, number);
        }
        bench_must(db_commit(), "db_commit");
    }
}

static void get_measure(uint32_t count)
{
    for (uint32_t i = 0; i < GETS; i++) {
        uint32_t number = bench_random(count);
        struct key key = { 0, __builtin_bswap64((uint64_t)number << 16) };
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
static void put_measure(void)
{
    for (uint32_t batch = 0; batch < PUT_BATCHES; batch++) {
        measure_begin();
        bench_must(db_begin(), "db_begin");
        for (uint32_t i = 0; i < BATCH; i++)
            key_put(key_of(batch * BATCH + i), i);
        bench_must(db_commit(), "db_commit");
        sample_add(measure_end() / BATCH);
    }
    bench_print("kv_put_1000", samples_median(), "instructions");
}

void bench_tree(void)
{
    const struct store_file *place = store_find("tree");
    uint32_t count = (uint32_t)exo_argument("keys", KEYS);

    bench_must(db_open(place->first, place->blocks, place->blocks / LOG_SHARE, true), "db_open");
    keys_fill(count);
    get_measure(count);
    put_measure();
    exo_print("the key-value rows: %u keys of 16 bytes", count);
}
