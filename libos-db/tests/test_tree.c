#include "unit.h"
#include "cut.h"
#include "db.h"
#include "machine.h"
#include "pool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 8, PAGES = 2048, LOG = 256, MEMORY = 512, FRAMES = 600, KEYS = 400, STEPS = 6000, SIZE_MOST = 9000, COMMITS = 70 };

static uint32_t seed;

static uint32_t random_next(uint32_t below)
{
    seed = seed * 1664525 + 1013904223; /* Numerical Recipes */
    return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

static void switch_on(bool create)
{
    machine_start(FRAMES);
    ck_assert_int_eq(pool_open(FIRST + PAGES, MEMORY, FRAMES, &replacement_clock), 0);
    ck_assert_int_eq(db_open(FIRST, PAGES, LOG, create), DB_OK);
}

static void setup(void)
{
    seed = 7;
    machine_disk_clear();
    switch_on(true);
}

static void teardown(void)
{
    ck_assert(db_is_sound());
    ck_assert(pool_is_sound());
}

/* The model: key n has a value that its version tells, or none (0). */
static uint32_t model[KEYS], before[KEYS];

static struct db_bytes key_of(uint32_t n)
{
    static char text[4][DB_KEY_MAX + 1];
    static uint32_t turn;
    char *key = text[turn++ % 4];
    uint32_t size = (uint32_t)sprintf(key, "%s%05u", n % 3 ? "a common beginning " : "", n * 7919 % KEYS);

    if (n % 17 == 0) {
        memset(key + size, 'x', DB_KEY_MAX - size);
        size = DB_KEY_MAX;
    }
    return (struct db_bytes){ key, size };
}

static uint32_t size_of(uint32_t n, uint32_t version)
{
    uint32_t mix = n * 2654435761u + version * 40503u;

    return n % 13 == 0 ? mix % SIZE_MOST : mix % 90;
}

static struct db_bytes value_of(uint32_t n, uint32_t version)
{
    static uint8_t bytes[SIZE_MOST];
    uint32_t size = size_of(n, version);

    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(n + version * 31 + i * 7);
    return (struct db_bytes){ bytes, size };
}

static bool bytes_equal(struct db_bytes a, struct db_bytes b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static bool agrees(const uint32_t *wanted)
{
    for (uint32_t n = 0; n < KEYS; n++) {
        struct db_bytes value;
        int64_t result = db_get(n % 2, key_of(n), &value);
        if (result != (wanted[n] ? DB_OK : DB_NOT_FOUND) || (wanted[n] && !bytes_equal(value, value_of(n, wanted[n]))))
            return false;
    }
    return true;
}

static void change(uint32_t version)
{
    uint32_t n = random_next(KEYS);

    if (random_next(5) < 2) {
        ck_assert_int_eq(db_delete(n % 2, key_of(n)), model[n] ? DB_OK : DB_NOT_FOUND);
        model[n] = 0;
        return;
    }
    ck_assert_int_eq(db_put(n % 2, key_of(n), value_of(n, version)), DB_OK);
    model[n] = version;
}

TEST(what_was_put_is_got)
{
    struct db_bytes value;

    ck_assert_int_eq(db_begin(), DB_OK);
    ck_assert_int_eq(db_put(0, (struct db_bytes){ "key", 3 }, (struct db_bytes){ "value", 5 }), DB_OK);
    ck_assert_int_eq(db_get(0, (struct db_bytes){ "key", 3 }, &value), DB_OK);
    ck_assert(bytes_equal(value, (struct db_bytes){ "value", 5 }));
    ck_assert_int_eq(db_get(1, (struct db_bytes){ "key", 3 }, &value), DB_NOT_FOUND);
    ck_assert_int_eq(db_get(0, (struct db_bytes){ "ke", 2 }, &value), DB_NOT_FOUND);
    ck_assert_int_eq(db_get(0, (struct db_bytes){ "key\0", 4 }, &value), DB_NOT_FOUND);
    ck_assert_int_eq(db_commit(), DB_OK);
}
END_TEST

TEST(random_work_agrees_with_a_model)
{
    for (uint32_t step = 1; step <= STEPS;) {
        memcpy(before, model, sizeof model);
        ck_assert_int_eq(db_begin(), DB_OK);
        for (uint32_t i = random_next(30); i-- > 0; step++)
            change(step);
        step++;
        if (random_next(4)) {
            ck_assert_int_eq(db_commit(), DB_OK);
        } else {
            db_abort();
            memcpy(model, before, sizeof model);
        }
        if (random_next(20) == 0)
            ck_assert(agrees(model) && db_is_sound());
        if (random_next(40) == 0)
            switch_on(false);
    }
    ck_assert(agrees(model));
}
END_TEST

TEST(pool_much_smaller_than_the_store_will_do)
{
    machine_start(96);
    ck_assert_int_eq(pool_open(FIRST + PAGES, 64, 96, &replacement_clock), 0);
    ck_assert_int_eq(db_open(FIRST, PAGES, LOG, false), DB_OK);
    for (uint32_t n = 0; n < KEYS; n++) {
        ck_assert_int_eq(db_begin(), DB_OK);
        ck_assert_int_eq(db_put(n % 2, key_of(n), value_of(n, model[n] = n + 1)), DB_OK);
        ck_assert_int_eq(db_commit(), DB_OK);
    }
    ck_assert(agrees(model));
}
END_TEST

TEST(keys_come_in_order_both_ways)
{
    struct db_cursor cursor;
    char last[DB_KEY_MAX + 1] = "";
    uint32_t seen = 0;

    ck_assert_int_eq(db_begin(), DB_OK);
    for (uint32_t n = 0; n < KEYS; n++)
        ck_assert_int_eq(db_put(0, key_of(n), value_of(n, model[n] = 1)), DB_OK);
    ck_assert_int_eq(db_commit(), DB_OK);
    for (int64_t result = db_seek(0, (struct db_bytes){ 0, 0 }, &cursor); result == DB_OK; result = db_next(&cursor), seen++) {
        char key[DB_KEY_MAX + 1];
        snprintf(key, sizeof key, "%.*s", (int)cursor.key.size, (const char *)cursor.key.data);
        ck_assert_int_gt(strcmp(key, last), 0);
        strcpy(last, key);
    }
    ck_assert_uint_eq(seen, KEYS);
    for (int64_t result = db_seek_last(0, &cursor); result == DB_OK; result = db_previous(&cursor))
        seen--;
    ck_assert_uint_eq(seen, 0);
    ck_assert_int_eq(db_seek(0, (struct db_bytes){ "zzz", 3 }, &cursor), DB_NOT_FOUND);
    ck_assert_int_eq(db_seek(0, (struct db_bytes){ "a", 1 }, &cursor), DB_OK);
    ck_assert_int_eq(memcmp(cursor.key.data, "a common beginning 00001", 24), 0);
}
END_TEST

TEST(emptied_tree_gives_its_pages_back)
{
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t n = 0; n < KEYS; n++) {
            ck_assert_int_eq(db_begin(), DB_OK);
            ck_assert_int_eq(db_put(0, key_of(n), value_of(n, 1)), DB_OK);
            ck_assert_int_eq(db_commit(), DB_OK);
        }
        ck_assert(db_is_sound());
        for (uint32_t n = 0; n < KEYS; n++) {
            ck_assert_int_eq(db_begin(), DB_OK);
            ck_assert_int_eq(db_delete(0, key_of(n)), DB_OK);
            ck_assert_int_eq(db_commit(), DB_OK);
        }
    }
}
END_TEST

TEST(value_may_come_from_the_store)
{
    struct db_bytes value;

    ck_assert_int_eq(db_begin(), DB_OK);
    for (uint32_t n = 1; n < 60; n++)
        ck_assert_int_eq(db_put(0, (struct db_bytes){ &n, 4 }, value_of(1, n)), DB_OK);
    for (uint32_t n = 1; n < 60; n++) {
        uint32_t to = 60 - n;
        ck_assert_int_eq(db_get(0, (struct db_bytes){ &n, 4 }, &value), DB_OK);
        ck_assert_int_eq(db_put(1, (struct db_bytes){ &to, 4 }, value), DB_OK);
        ck_assert_int_eq(db_get(1, (struct db_bytes){ &to, 4 }, &value), DB_OK);
        ck_assert_int_eq(db_put(1, (struct db_bytes){ &to, 4 }, value), DB_OK);
        ck_assert_int_eq(db_get(1, (struct db_bytes){ &to, 4 }, &value), DB_OK);
        ck_assert(bytes_equal(value, value_of(1, n)));
    }
    ck_assert_int_eq(db_commit(), DB_OK);
}
END_TEST

TEST(wrong_calls_are_refused)
{
    struct db_bytes key = { "k", 1 }, long_key = { model, DB_KEY_MAX + 1 }, value;

    ck_assert_int_eq(db_put(0, key, key), DB_BAD_STATE);
    ck_assert_int_eq(db_delete(0, key), DB_BAD_STATE);
    ck_assert_int_eq(db_commit(), DB_BAD_STATE);
    ck_assert_int_eq(db_begin(), DB_OK);
    ck_assert_int_eq(db_begin(), DB_BAD_STATE);
    ck_assert_int_eq(db_checkpoint(), DB_BAD_STATE);
    ck_assert_int_eq(db_put(DB_TREES, key, key), DB_BAD_SIZE);
    ck_assert_int_eq(db_put(0, long_key, key), DB_BAD_SIZE);
    ck_assert_int_eq(db_put(0, (struct db_bytes){ "", 0 }, key), DB_BAD_SIZE);
    ck_assert_int_eq(db_put(0, key, (struct db_bytes){ model, DB_VALUE_MAX + 1 }), DB_BAD_SIZE);
    ck_assert_int_eq(db_get(0, long_key, &value), DB_BAD_SIZE);
    ck_assert_int_eq(db_delete(0, key), DB_NOT_FOUND);
    db_abort();
}
END_TEST

TEST(other_formats_are_refused)
{
    ck_assert_int_eq(db_open(FIRST, PAGES, LOG + 1, true), DB_FOREIGN);
    ck_assert_int_eq(db_open(FIRST, PAGES / 2, LOG, true), DB_FOREIGN);
    ck_assert_int_eq(db_open(FIRST + 100, PAGES / 2, LOG, false), DB_FOREIGN);
    ck_assert_int_eq(db_open(FIRST, 20, 16, true), DB_SMALL);
    ck_assert_int_eq(db_open(FIRST, PAGES, 4, true), DB_SMALL);
    ck_assert_int_eq(db_open(FIRST, PAGES, LOG, false), DB_OK);
}
END_TEST

TEST(full_store_says_so_and_stays_whole)
{
    static uint8_t large[1 << 18];
    int64_t result = DB_OK;
    uint32_t n = 0;

    while (result == DB_OK && n < 100) {
        ck_assert_int_eq(db_begin(), DB_OK);
        result = db_put(0, (struct db_bytes){ &n, 4 }, (struct db_bytes){ large, sizeof large });
        if (result == DB_OK)
            ck_assert_int_eq(db_commit(), DB_OK);
        n += result == DB_OK;
    }
    ck_assert_int_eq(result, DB_FULL);
    db_abort();
    ck_assert_uint_gt(n, 20);
    ck_assert(db_is_sound());
}
END_TEST

TEST(too_large_a_transaction_says_so)
{
    int64_t result = DB_OK;

    ck_assert_int_eq(db_begin(), DB_OK);
    for (uint32_t n = 0; n < 100000 && result == DB_OK; n++)
        result = db_put(0, (struct db_bytes){ &n, 4 }, value_of(1, n));
    ck_assert_int_eq(result, DB_TOO_LARGE);
    db_abort();
    ck_assert(agrees(model));
}
END_TEST

TEST(failing_disk_loses_nothing)
{
    for (uint32_t fail = 1; fail < 40; fail++) {
        machine_disk_clear();
        switch_on(true);
        memset(model, 0, sizeof model);
        for (uint32_t round = 1; round <= 10; round++) {
            memcpy(before, model, sizeof model);
            ck_assert_int_eq(db_begin(), DB_OK);
            for (uint32_t i = 0; i < 5; i++)
                change(round * 100 + i);
            machine.fail_at = round == 5 ? fail : 0;
            if (db_commit() != DB_OK)
                memcpy(model, before, sizeof model);
            machine.fail_at = 0;
            ck_assert(agrees(model));
        }
        switch_on(false);
        ck_assert(agrees(model) && db_is_sound());
    }
}
END_TEST

/* What the store was after each commit; each commit that returned is followed by a note of its number and one, the making by note 1. */
static uint32_t history[COMMITS + 1][KEYS];

static void look(uint32_t noted)
{
    switch_on(false);
    ck_assert(db_is_sound());
    ck_assert_msg(agrees(history[noted - 1]) || (noted <= COMMITS && agrees(history[noted])), "after commit %u", noted - 1);
}

TEST(cut_anywhere_every_commit_that_returned_is_there)
{
    machine_disk_clear();
    machine_trace();
    switch_on(true);
    machine_note(1);
    for (uint32_t commit = 1; commit <= COMMITS; commit++) {
        ck_assert_int_eq(db_begin(), DB_OK);
        for (uint32_t i = random_next(commit % 10 ? 6 : 60); i-- > 0;)
            change(commit);
        ck_assert_int_eq(db_commit(), DB_OK);
        memcpy(history[commit], model, sizeof model);
        machine_note(commit + 1);
        if (commit % 20 == 0)
            ck_assert_int_eq(db_checkpoint(), DB_OK);
    }
    ck_assert_uint_gt(cut_everywhere(FIRST + PAGES, 1, look), 200);
}
END_TEST

TCase *tests_of_tree(void)
{
    TCase *tests = tcase_create("tree");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, what_was_put_is_got);
    tcase_add_test(tests, random_work_agrees_with_a_model);
    tcase_add_test(tests, pool_much_smaller_than_the_store_will_do);
    tcase_add_test(tests, keys_come_in_order_both_ways);
    tcase_add_test(tests, emptied_tree_gives_its_pages_back);
    tcase_add_test(tests, value_may_come_from_the_store);
    tcase_add_test(tests, wrong_calls_are_refused);
    tcase_add_test(tests, other_formats_are_refused);
    tcase_add_test(tests, full_store_says_so_and_stays_whole);
    tcase_add_test(tests, too_large_a_transaction_says_so);
    tcase_add_test(tests, failing_disk_loses_nothing);
    tcase_add_test(tests, cut_anywhere_every_commit_that_returned_is_there);
    return tests;
}
