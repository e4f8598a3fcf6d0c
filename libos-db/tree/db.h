/*
 * A key-value store on the buffer pool: B+trees, ordered by the bytes of the keys, and transactions whose changes are all there after a
 * power cut or none (log.h says how). One transaction at a time and one thread, which sees its own changes at once.
 *
 * A value that was read stands where it lives, without a copy, until the next put or delete, or the end of the transaction.
 * Errors are a negative db_status, or what the disk answered; a failed call changes nothing, but after DB_TOO_LARGE and
 * DB_FULL a transaction has to be aborted.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum db_status {
    DB_OK = 0,
    DB_NOT_FOUND = -301,
    DB_BAD_SIZE = -302,    /* a key of 0 or more than DB_KEY_MAX bytes, a value of more than DB_VALUE_MAX, a tree from DB_TREES on */
    DB_FULL = -303,        /* no page is left in the extent */
    DB_TOO_LARGE = -304,   /* the transaction changes more pages than its log or the memory has room for: abort it */
    DB_FOREIGN = -305,     /* the pages hold something else, or another version of the format */
    DB_SMALL = -306,       /* too few pages for a store */
    DB_BAD_STATE = -307,   /* put or delete outside a transaction; db_begin inside one */
    DB_BAD_PROCESSOR = -308, /* it has no crc32 instruction (SSE4.2) */
};

enum { DB_KEY_MAX = 512, DB_VALUE_MAX = 1 << 24, DB_TREES = 16 };

struct db_bytes {
    const void *data;
    uint32_t size;
};

/* The store in the pages first to first + count - 1 of the pool, the log being log_pages of them (at least 16). What a cut left is put
 * right. create: when the pages do not hold a store, make an empty one. */
int64_t db_open(uint32_t first, uint32_t count, uint32_t log_pages, bool create);
/* All that was committed is in its place, the log is empty. Not within a transaction. */
int64_t db_checkpoint(void);

int64_t db_begin(void);
/* On return with DB_OK the changes are on stable storage. When the disk refuses they are undone as by db_abort; should the machine stop
 * before the next commit, they may be found done all the same (all of them). */
int64_t db_commit(void);
void db_abort(void);

int64_t db_get(uint32_t tree, struct db_bytes key, struct db_bytes *ret_value);
/* Instead of what the key had, if it had something. */
int64_t db_put(uint32_t tree, struct db_bytes key, struct db_bytes value);
int64_t db_delete(uint32_t tree, struct db_bytes key);

/* A place in a tree; it is lost by put and delete (seek again). */
struct db_cursor {
    uint32_t leaf, index;
    struct db_bytes key, value;
};
/* At the first key that is not below; an empty key: the first of all. DB_NOT_FOUND: there is none. */
int64_t db_seek(uint32_t tree, struct db_bytes key, struct db_cursor *cursor);
int64_t db_seek_last(uint32_t tree, struct db_cursor *cursor);
int64_t db_next(struct db_cursor *cursor);
int64_t db_previous(struct db_cursor *cursor);

/* Every page is reached once, keys are in order, links agree; for tests. */
bool db_is_sound(void);
