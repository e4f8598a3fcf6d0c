/*
 * Transactions on pages, by a redo log.
 *
 * Layout of the store's pages: 0 the root page (an ordinary page: what it says is changed by transactions), 1 and 2 the headers, then the
 * log, then data. Rules:
 * - Bytes of a page are changed only after page_change, which holds the page in the pool (so that nothing uncommitted reaches the disk, and
 *   nothing has to be undone after a cut) and keeps the old bytes (for db_abort).
 * - A commit writes one record of all changed bytes, as they are then, to the log, in blocks in a row, and flushes once. Then its pages may
 *   leave the pool.
 * - A page that a cut left half written is mended by the records: its sectors are of different times since the last checkpoint, and each byte
 *   that changed since then is in a record. A page whose old contents nobody needs (page_begin) is zeros for who reads the records; what
 *   such a page holds outside of the bytes that were changed is anything.
 * - A checkpoint writes all pages, flushes, and makes the log empty by a header with the next epoch, in the header's place that is not the
 *   last one's; records of earlier epochs count no more. It happens between transactions when half of the log is used.
 * - Opening applies the records of the header's epoch in order up to the first that is not whole (by its checksum), and makes a checkpoint.
 *
 * On the disk numbers are little-endian.
 */
#pragma once
#include "db.h"

enum { LOG_PAGES_LEAST = 16 };

/* Numbers of the store's pages are relative to its first. */
void *page_at(uint32_t page);
/* These bytes are about to be written: the page's address, or 0 (DB_TOO_LARGE). Only within a transaction. */
void *page_change(uint32_t page, uint32_t offset, uint32_t size);
/* The whole page is, and nobody needs its old contents: it holds anything. Its bytes must be named to page_change all the same. */
void *page_begin(uint32_t page);

/* Pages in a row for the transaction; 0: there are none. What they hold is anything. */
uint32_t pages_alloc(uint32_t count);
/* Did it succeed? */
bool pages_free(uint32_t first, uint32_t count);

/* The root pages of trees, 0 for an empty one. */
uint32_t tree_root(uint32_t tree);
bool tree_root_set(uint32_t tree, uint32_t page);

bool log_is_in_transaction(void);
/* For db_is_sound: pages in use, and those on the free list. */
uint32_t log_pages_used(void);
uint32_t log_pages_free(void);
uint32_t log_data_first(void);
