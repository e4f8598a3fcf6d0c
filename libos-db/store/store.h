/*
 * Files on the extent: few, with fixed names and places, made when it is formatted (docs/database.md has the layout). A file's bytes
 * are pages of the pool in a row, so its byte n stands at store_address(file) + n.
 *
 * The table of files, with their sizes, is kept twice; store_sync writes the older one when something in it changed. A log has no size
 * that is kept: after a restart it is as long as its place, and who reads it finds its end by its contents. Writing its
 * first byte begins it anew: what lay behind is not needed any more.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { STORE_FILES = 4, STORE_LEAST = 512 }; /* blocks of the smallest extent */
enum store_error { STORE_FOREIGN = -200, STORE_NEWER = -201, STORE_SMALL = -202, STORE_FULL = -203 };

struct store_file {
    char name[24];
    uint32_t first, blocks;
    uint64_t size;
    bool exists, is_log;
    uint64_t reached;                  /* of a log: bytes written since it began */
    uint32_t dirty_first, dirty_end;   /* blocks of it, written since the last sync */
};

/* Use the extent of so many blocks; one that holds nothing is formatted. */
int64_t store_open(uint32_t blocks);
struct store_file *store_find(const char *name);
void *store_address(const struct store_file *file);

/* Not beyond the size. */
int64_t store_read(struct store_file *file, void *to, uint64_t size, uint64_t offset);
/* STORE_FULL: it has not so much room. */
int64_t store_write(struct store_file *file, const void *from, uint64_t size, uint64_t offset);
int64_t store_truncate(struct store_file *file, uint64_t size);
/* Gone or there, with no bytes, after the next sync of any file. */
void store_make(struct store_file *file);
void store_delete(struct store_file *file);
/* What was written is stable. */
int64_t store_sync(struct store_file *file);
