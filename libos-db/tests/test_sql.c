#include "unit.h"
#include "cut.h"
#include "machine.h"
#include "pool.h"
#include "sql.h"
#include "store.h"
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 1024, MEMORY = 1024, HEAP = 160, FRAMES = 700, COMMITS = 80, ROWS = 60 };

static sqlite3 *db;

static uint64_t now(void)
{
    return 1000000;
}

static void switch_on(void)
{
    static const struct sql_world world = { now, 1700000000, 42 };

    machine_start(FRAMES);
    ck_assert_int_eq(pool_open(BLOCKS, MEMORY, FRAMES, &replacement_clock), 0);
    ck_assert_int_eq(store_open(BLOCKS), 0);
    ck_assert_int_eq(sql_open(&world, HEAP), SQLITE_OK);
    ck_assert_int_eq(sql_connect(&db), SQLITE_OK);
}

static void switch_off(void)
{
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    sql_close();
    ck_assert(pool_is_sound());
}

static void setup(void)
{
    machine_disk_clear();
    switch_on();
}

static void run(const char *sql)
{
    char *error = 0;
    int result = sqlite3_exec(db, sql, 0, 0, &error);
    ck_assert_msg(result == SQLITE_OK, "%s: %s", sql, error ? error : "?");
}

static const char *answer(const char *sql)
{
    static char text[256];
    sqlite3_stmt *statement;

    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &statement, 0) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    ck_assert_msg(sqlite3_step(statement) == SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_snprintf(sizeof text, text, "%s", sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return text;
}

TEST(sqlite_is_in_wal_mode)
{
    ck_assert_str_eq(answer("PRAGMA journal_mode"), "wal");
    ck_assert_str_eq(answer("PRAGMA synchronous"), "2");
}
END_TEST

TEST(rows_are_found_after_a_clean_end)
{
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, text); INSERT INTO t VALUES (1, 'one'), (2, 'two')");
    switch_off();
    switch_on();
    ck_assert_str_eq(answer("SELECT group_concat(text) FROM t"), "one,two");
    ck_assert_str_eq(answer("PRAGMA integrity_check"), "ok");
}
END_TEST

TEST(database_larger_than_the_pool)
{
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, text)");
    for (uint32_t i = 0; i < 5; i++)
        run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
            "INSERT INTO t(text) SELECT hex(zeroblob(150)) || (i + (SELECT count(*) FROM t)) FROM n");
    pool_give(1, FRAMES - 250);
    ck_assert_uint_le(pool_frames(), 250);
    ck_assert_str_eq(answer("SELECT sum(substr(text, 301)) FROM t"), "3126250");
    for (uint32_t i = 0; i < 2500; i += 500) {
        sqlite3_str *text = sqlite3_str_new(db);
        sqlite3_str_appendf(text, "UPDATE t SET text = text || 'x' WHERE id %% 3 = 0 AND id > %u AND id <= %u", i, i + 500);
        char *sql = sqlite3_str_finish(text);
        run(sql);
        sqlite3_free(sql);
    }
    ck_assert_str_eq(answer("SELECT count(*) FROM t WHERE text LIKE '%x'"), "833");
    ck_assert_str_eq(answer("PRAGMA integrity_check"), "ok");
    ck_assert_uint_gt(pool_figures.evicted, 0);
}
END_TEST

TEST(commit_of_a_row_is_two_writes_and_a_flush)
{
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, text); INSERT INTO t VALUES (1, 'one'); INSERT INTO t VALUES (2, 'two')");
    for (uint32_t i = 0; i < 20; i++) {
        machine.requests = machine.flushes = 0;
        run("INSERT INTO t(text) VALUES ('three')");
        ck_assert_uint_le(machine.requests, 3);
        ck_assert_uint_eq(machine.flushes, 1);
    }
}
END_TEST

TEST(full_disk_aborts_the_transaction_only)
{
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, text); INSERT INTO t VALUES (1, 'one')");
    int result = sqlite3_exec(db, "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 90000) "
                                  "INSERT INTO t SELECT i, hex(zeroblob(50)) FROM n", 0, 0, 0);
    ck_assert_int_eq(result, SQLITE_FULL);
    ck_assert_str_eq(answer("SELECT count(*) FROM t"), "1");
    run("INSERT INTO t VALUES (2, 'two')");
    ck_assert_str_eq(answer("PRAGMA integrity_check"), "ok");
}
END_TEST

/* Every request fails once: the statement fails or not, but the database is as before or after it. */
TEST(failed_requests_do_no_harm)
{
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, text); INSERT INTO t VALUES (1, 'one')");
    for (uint32_t at = 1; at < 12; at++) {
        int before = atoi(answer("SELECT count(*) FROM t"));
        machine.fail_at = at;
        int result = sqlite3_exec(db, "INSERT INTO t(text) VALUES ('next')", 0, 0, 0);
        machine.fail_at = 0;
        int after = atoi(answer("SELECT count(*) FROM t"));
        ck_assert(after == before + (result == SQLITE_OK));
    }
    ck_assert_str_eq(answer("PRAGMA integrity_check"), "ok");
    switch_off();
    switch_on();
    ck_assert_str_eq(answer("PRAGMA integrity_check"), "ok");
}
END_TEST

/* Mixed transactions, each leaving its number; what the rows add up to after each is remembered. */
static char expected[COMMITS + 1][64];
static const char *const sums = "SELECT count(*) || ' ' || coalesce(sum(id * 7 + length(text) * value), 0) FROM t";

static void transaction(uint32_t number)
{
    char sql[400];
    uint32_t id = number * 31 % ROWS, bytes = number * 397 % 3000;
    static const char *const changes[] = {
        "INSERT OR REPLACE INTO t VALUES (%u, %u, hex(zeroblob(%u)))", "UPDATE t SET value = value + %u WHERE id %% 4 = %u %% 4 AND %u",
        "DELETE FROM t WHERE id = %u OR value = %u AND %u", "INSERT OR REPLACE INTO t SELECT id + %u, value + %u, text FROM t WHERE id < 9 AND %u",
    };

    run("BEGIN");
    sqlite3_snprintf(sizeof sql, sql, changes[number % 4], id, number, bytes);
    run(sql);
    sqlite3_snprintf(sizeof sql, sql, "UPDATE last SET number = %u", number);
    run(sql);
    run(number % 7 == 6 ? "ROLLBACK" : "COMMIT");
    if (number % 7 == 6)
        return;
    strcpy(expected[number], answer(sums));
    machine_note(number);
}

static void transactions_run(void)
{
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, value, text); CREATE INDEX by_value ON t(value); CREATE TABLE last(number)");
    run("INSERT INTO last VALUES (0); PRAGMA wal_autocheckpoint=60");
    strcpy(expected[0], answer(sums));
    for (uint32_t number = 1; number <= COMMITS; number++)
        transaction(number);
}

static uint32_t next_commit(uint32_t number)
{
    number++;
    return number % 7 == 6 ? number + 1 : number;
}

static void cut_look(uint32_t noted)
{
    switch_on();
    uint32_t found = (uint32_t)atoi(answer("SELECT number FROM last"));
    ck_assert_msg(found == noted || found == next_commit(noted), "%u was acknowledged, %u is there", noted, found);
    ck_assert_str_eq(answer(sums), expected[found]);
    ck_assert_str_eq(answer("PRAGMA integrity_check"), "ok");
    switch_off();
}

TEST(acknowledged_commits_survive_every_cut)
{
    switch_off();
    machine_disk_clear();
    machine_trace();
    switch_on();
    transactions_run();
    switch_off();
    uint32_t looked = cut_everywhere(BLOCKS, 1, cut_look);
    ck_assert_uint_ge(looked, 500);
    machine_trace();
    switch_on();
}
END_TEST

TCase *tests_of_sql(void)
{
    TCase *tests = tcase_create("sql");

    tcase_add_checked_fixture(tests, setup, switch_off);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, sqlite_is_in_wal_mode);
    tcase_add_test(tests, rows_are_found_after_a_clean_end);
    tcase_add_test(tests, database_larger_than_the_pool);
    tcase_add_test(tests, commit_of_a_row_is_two_writes_and_a_flush);
    tcase_add_test(tests, full_disk_aborts_the_transaction_only);
    tcase_add_test(tests, failed_requests_do_no_harm);
    tcase_add_test(tests, acknowledged_commits_survive_every_cut);
    return tests;
}
