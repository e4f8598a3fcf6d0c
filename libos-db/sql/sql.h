/*
 * The real SQLite on the pool: its heap and its page cache are memory pages of the pool, its files the store's. One thread; the
 * database is the file "database", with its log in "database-wal".
 */
#pragma once
#include <stdint.h>
#include <sqlite3.h>

/* What SQLite needs to know and the store cannot tell. */
struct sql_world {
    uint64_t (*time)(void);   /* nanoseconds since some moment */
    uint64_t epoch;           /* seconds from 1970 to that moment */
    uint64_t random;          /* a seed */
};

/* Before anything else of SQLite: with a heap of so many pages. A status of SQLite. */
int sql_open(const struct sql_world *world, uint32_t heap_pages);
/* The database in WAL mode, every commit stable. */
int sql_connect(sqlite3 **ret_db);
void sql_close(void);

/* vfs.c, page_cache.c, lines.c */
int vfs_register(const struct sql_world *world);
int page_cache_register(void);
/* Pages that are not in use go, of all caches. */
uint32_t page_cache_shrink(uint32_t wanted);
/* A table-valued function: SELECT number, line FROM lines('NAME'), of a file in the archive. */
int lines_register(sqlite3 *db);
