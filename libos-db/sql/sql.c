#include "sql.h"
#include "pool.h"
#include "store.h"

enum { HEAP_ATOM = 64, CHECKPOINT_MOST = 1000 };

static const struct sql_world *world;

int sqlite3_os_init(void)
{
    return vfs_register(world);
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

int sql_open(const struct sql_world *given, uint32_t heap_pages)
{
    void *heap = pool_memory_reserve(heap_pages);
    int result = heap ? SQLITE_OK : SQLITE_NOMEM;

    world = given;
    if (result == SQLITE_OK)
        result = sqlite3_config(SQLITE_CONFIG_HEAP, heap, (int)(heap_pages * PAGE_SIZE), HEAP_ATOM);
    if (result == SQLITE_OK)
        result = page_cache_register();
    return result == SQLITE_OK ? sqlite3_initialize() : result;
}

/* The log is moved into the database when it has come to a third of its place, so that a transaction finds room. */
static int checkpoint_set(sqlite3 *db)
{
    uint32_t pages = store_find("database-wal")->blocks / 3;
    return sqlite3_wal_autocheckpoint(db, pages < CHECKPOINT_MOST ? (int)pages : CHECKPOINT_MOST);
}

int sql_connect(sqlite3 **ret_db)
{
    int result = sqlite3_open_v2("database", ret_db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, 0);

    if (result == SQLITE_OK)
        result = sqlite3_exec(*ret_db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", 0, 0, 0);
    return result == SQLITE_OK ? checkpoint_set(*ret_db) : result;
}

void sql_close(void)
{
    sqlite3_shutdown();
}
