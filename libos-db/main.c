/*
 * A database that lives on its own: SQLite, or the key-value store, on the program's extent. It runs the SQL script of its archive, prints
 * what comes of it, and ends; frames that are asked back are given between two steps of a statement.
 */
#include "archive.h"
#include "ground.h"
#include "instance.h"
#include "pool.h"
#include "script.h"
#include "sql.h"
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { HEAP_PAGES = 2048, HEAP_SHARE = 3, STEPS = 1000 };

static int progress(void *argument)
{
    (void)argument;
    instance_answer();
    return 0;
}

static sqlite3 *database_open(void)
{
    static struct sql_world world = { .time = exo_time };
    uint32_t own = ground_own_frames(), heap = (own < pool_frames() ? own : pool_frames()) / HEAP_SHARE;
    sqlite3 *db = 0;

    world.epoch = exo_argument("epoch", 0);
    world.random = exo_system_info()->random_seed;
    int result = sql_open(&world, heap < HEAP_PAGES ? heap : HEAP_PAGES);
    if (result == SQLITE_OK)
        result = sql_connect(&db);
    if (result == SQLITE_OK)
        result = lines_register(db);
    if (result == SQLITE_OK) {
        sqlite3_progress_handler(db, STEPS, progress, 0);
        return db;
    }
    exo_print("no database: %s", db ? sqlite3_errmsg(db) : sqlite3_errstr(result));
    exo_exit(1);
}

static int sql_run(void)
{
    uint64_t size;
    const char *text = archive_find(0, &size);
    sqlite3 *db = database_open();

    if (!text)
        exo_print("there is no script: name one as `archive` in the manifest");
    uint32_t failed = text ? script_run(db, text) : 1;
    sqlite3_close(db);
    return failed ? 1 : 0;
}

int main(void)
{
    instance_open();
    exo_print("SQLite %s on %u blocks, %u frames, %s", sqlite3_libversion(), pool_pages(), pool_frames(), replacement_clock.name);
    int status = instance_run(sql_run);
    exo_print("%u pages loaded, %u fresh, %u evicted, %u written back, %u aged; %u frames given, %u came back; disk: %u reads, %u writes, %u flushes",
              pool_figures.loaded, pool_figures.fresh, pool_figures.evicted, pool_figures.written, pool_figures.aged, pool_figures.given,
              pool_figures.grown, ground_figures.reads, ground_figures.writes, ground_figures.flushes);
    exo_print("upcalls: %u page faults, %u events", pool_figures.faults, instance_events);
    return status;
}
