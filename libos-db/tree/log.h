/*
 * Transactions on pages, by a redo log.
 *
 * Layout of the store's pages: 0 the root page (an ordinary page: what it says is changed by transactions), 1 and 2 the headers, then the
 * log, then data. Rules:
 * - A page is changed only after page_change, which holds it in the pool (so that nothing uncommitted reaches the disk, and nothing has to
 *   be undone after a cut) and keeps its old contents (for db_abort, and to see what changed).
 * - A commit writes one record of all changes to the log, in blocks in a row, and flushes once. Then its pages may leave the pool.
 * - The first change of a page since the last checkpoint is logged as the whole page, so a page that a cut left half written is mended by
 *   its record; later changes are ranges of bytes.
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
/* About to be written: its address, or 0 (DB_TOO_LARGE). Only within a transaction. */
void *page_change(uint32_t page);
/* Likewise a page whose old contents nobody needs. */
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
