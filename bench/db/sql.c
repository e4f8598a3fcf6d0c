/* SQLite: a row's durable commit, rows in one transaction, rows by their number, all rows. */
#include "bench.h"
#include "sqlite3.h"

enum { ROWS = 100000, COMMITS = 100, WARMING = 300, SELECTS = 1000 };

#define INSERT "INSERT INTO t(value, text) VALUES (?, 'a row of some sixty characters, as many applications have')"
#define INSERT_ONE "INSERT INTO t(value, text) VALUES (0, hex(zeroblob(30)))"

static sqlite3 *db;

static void check(int result, const char *what)
{
    if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW)
        return;
    bench_fail(what, db ? sqlite3_errmsg(db) : sqlite3_errstr(result));
}

static void run(const char *sql)
{
    check(sqlite3_exec(db, sql, 0, 0, 0), sql);
}

static sqlite3_stmt *prepared(const char *sql)
{
    sqlite3_stmt *statement = 0;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, 0), sql);
    return statement;
}

static void step(sqlite3_stmt *statement)
{
    check(sqlite3_step(statement), "step");
    sqlite3_reset(statement);
}

/* The log comes to its usual length, so that the commits that count lie within the file, as most do; the one that begins it anew is over. */
static void log_grow(void)
{
    for (uint32_t i = 0; i < WARMING; i++)
        run(INSERT_ONE);
    run("PRAGMA wal_checkpoint(RESTART)");
    run(INSERT_ONE);
}

static void commit_measure(void)
{
    sqlite3_stmt *insert = prepared(INSERT);
    uint32_t writes = 0, flushes = 0;

    log_grow();
    for (uint32_t i = 0; i < COMMITS; i++) {
        struct bench_device before = bench_device(), after;
        sqlite3_bind_int(insert, 1, (int)i);
        measure_begin();
        step(insert);
        sample_add(measure_end());
        after = bench_device();
        writes = after.writes - before.writes > writes ? after.writes - before.writes : writes;
        flushes = after.flushes - before.flushes > flushes ? after.flushes - before.flushes : flushes;
    }
    bench_print("sql_commit", samples_median(), "instructions");
    bench_print("sql_commit_writes", writes, "at most");
    bench_print("sql_commit_flushes", flushes, "at most");
    sqlite3_finalize(insert);
}

static void bulk_measure(uint32_t rows)
{
    sqlite3_stmt *insert = prepared(INSERT);

    measure_begin();
    run("BEGIN");
    for (uint32_t i = 0; i < rows; i++) {
        sqlite3_bind_int(insert, 1, (int)i);
        step(insert);
    }
    run("COMMIT");
    bench_print("sql_bulk_insert_row", measure_end() / rows, "instructions");
    sqlite3_finalize(insert);
}

static void select_measure(uint32_t rows)
{
    sqlite3_stmt *select = prepared("SELECT value, text FROM t WHERE id = ?");

    for (uint32_t i = 0; i < SELECTS; i++) {
        sqlite3_bind_int(select, 1, 1 + (int)bench_random(rows));
        measure_begin();
        check(sqlite3_step(select), "select");
        (void)sqlite3_column_text(select, 1);
        sqlite3_reset(select);
        sample_add(measure_end());
    }
    bench_print("sql_point_select", samples_median(), "instructions");
    sqlite3_finalize(select);
}

static void scan_measure(void)
{
    sqlite3_stmt *scan = prepared("SELECT value, text FROM t");
    uint32_t rows = 0;

    measure_begin();
    while (sqlite3_step(scan) == SQLITE_ROW) {
        (void)sqlite3_column_int(scan, 0);
        (void)sqlite3_column_text(scan, 1);
        rows++;
    }
    bench_print("sql_scan_row", measure_end() / rows, "instructions");
    sqlite3_finalize(scan);
}

void bench_sql(void)
{
    uint32_t rows = (uint32_t)bench_argument("rows", ROWS);

    check(bench_sql_open(&db), "open");
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, value, text)");
    commit_measure();
    bulk_measure(rows);
    run("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size=200"); /* a tenth of the table */
    select_measure(rows);
    scan_measure();
    check(sqlite3_close(db), "close");
}
