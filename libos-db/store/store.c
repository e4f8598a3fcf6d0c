#include "store.h"
#include "pool.h"
#include <stddef.h>
#include <string.h>

enum { VERSION = 1, SUPERS = 2, FILE_EXISTS = 1, FILE_IS_LOG = 2 };
static const char magic[8] = "exo-db\r\n";

/* As on the disk: in blocks 0 and 1; the one with the higher sequence and a right checksum is good. Within one sector. */
struct super_file {
    char name[24];
    uint32_t first, blocks;
    uint64_t size;
    uint32_t flags, reserved;
};

struct super {
    char magic[8];
    uint32_t version, file_count;
    uint64_t sequence;
    uint32_t blocks, reserved;
    struct super_file file[STORE_FILES];
    uint8_t zero[280];
    uint64_t checksum;
};
_Static_assert(sizeof(struct super) == 512, "struct super");

/* Name, share of the extent in hundredths. */
static const struct {
    const char *name;
    uint32_t share;
    bool is_log;
} plan[STORE_FILES] = {
    { "database", 50, false }, { "database-journal", 5, false }, { "database-wal", 15, true },
    { "tree", 30, false },
};

static struct {
    struct store_file file[STORE_FILES];
    uint32_t blocks;
    uint64_t sequence;
    bool changed; /* since the table was written */
} store;

/* FNV-1a, 64 bits. */
static uint64_t checksum_of(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t sum = 0xcbf29ce484222325ull;

    while (size--)
        sum = (sum ^ *at++) * 0x100000001b3ull;
    return sum;
}

static bool super_is_good(const struct super *super)
{
    return !memcmp(super->magic, magic, sizeof magic) &&
           super->checksum == checksum_of(super, offsetof(struct super, checksum));
}

static bool block_is_empty(const uint8_t *block)
{
    for (uint32_t i = 0; i < PAGE_SIZE; i++)
        if (block[i])
            return false;
    return true;
}

static void places_make(void)
{
    uint32_t next = SUPERS;

    for (uint32_t i = 0; i < STORE_FILES; i++) {
        struct store_file *file = &store.file[i];
        *file = (struct store_file){ .first = next, .is_log = plan[i].is_log };
        strcpy(file->name, plan[i].name);
        file->blocks = (uint32_t)((uint64_t)(store.blocks - SUPERS) * plan[i].share / 100);
        next += file->blocks;
    }
    store.changed = true;
}

static int64_t super_write(void)
{
    uint32_t page = (uint32_t)(++store.sequence % SUPERS);
    int64_t result = pool_fresh(page);

    if (result < 0)
        return result;
    struct super *super = pool_page(page);
    memset(super, 0, PAGE_SIZE);
    memcpy(super->magic, magic, sizeof magic);
    super->version = VERSION;
    super->file_count = STORE_FILES;
    super->sequence = store.sequence;
    super->blocks = store.blocks;
    for (uint32_t i = 0; i < STORE_FILES; i++) {
        const struct store_file *file = &store.file[i];
        struct super_file *out = &super->file[i];
        memcpy(out->name, file->name, sizeof out->name);
        out->first = file->first;
        out->blocks = file->blocks;
        out->size = file->is_log ? 0 : file->size;
        out->flags = (file->exists ? FILE_EXISTS : 0) | (file->is_log ? FILE_IS_LOG : 0);
    }
    super->checksum = checksum_of(super, offsetof(struct super, checksum));
    result = pool_write(page, 1);
    store.changed = result < 0;
    return result;
}

static int64_t super_read(const struct super *super)
{
    if (super->version != VERSION || super->file_count != STORE_FILES || super->blocks > store.blocks)
        return STORE_NEWER;
    store.blocks = super->blocks;
    store.sequence = super->sequence;
    for (uint32_t i = 0; i < STORE_FILES; i++) {
        const struct super_file *in = &super->file[i];
        struct store_file *file = &store.file[i];
        *file = (struct store_file){
            .first = in->first, .blocks = in->blocks, .exists = in->flags & FILE_EXISTS, .is_log = in->flags & FILE_IS_LOG,
        };
        memcpy(file->name, in->name, sizeof file->name);
        file->size = file->is_log && file->exists ? (uint64_t)file->blocks * PAGE_SIZE : in->size;
        file->reached = file->size;
    }
    return 0;
}

int64_t store_open(uint32_t blocks)
{
    store.blocks = blocks;
    store.sequence = 0;
    store.changed = false;
    if (blocks < STORE_LEAST)
        return STORE_SMALL;
    int64_t result = pool_load(0, SUPERS);
    if (result < 0)
        return result;
    const struct super *a = pool_page(0), *b = pool_page(1);
    bool a_good = super_is_good(a), b_good = super_is_good(b);
    if (a_good || b_good)
        return super_read(a_good && (!b_good || a->sequence > b->sequence) ? a : b);
    if (!block_is_empty(pool_page(0)) || !block_is_empty(pool_page(1)))
        return STORE_FOREIGN;
    places_make();
    result = super_write();
    return result < 0 ? result : pool_flush();
}

struct store_file *store_find(const char *name)
{
    for (uint32_t i = 0; i < STORE_FILES; i++)
        if (!strcmp(store.file[i].name, name))
            return &store.file[i];
    return 0;
}

void *store_address(const struct store_file *file)
{
    return pool_page(file->first);
}

static uint32_t blocks_of(uint64_t bytes)
{
    return (uint32_t)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

int64_t store_read(struct store_file *file, void *to, uint64_t size, uint64_t offset)
{
    uint32_t first = (uint32_t)(offset / PAGE_SIZE);
    int64_t result = size ? pool_load(file->first + first, blocks_of(offset + size) - first) : 0;

    if (result >= 0)
        memcpy(to, (const uint8_t *)store_address(file) + offset, size);
    return result;
}

/* Blocks from here on hold nothing. */
static uint32_t blocks_known(const struct store_file *file)
{
    return blocks_of(file->is_log ? file->reached : file->size);
}

/* The block is there to be written from offset to end: read first, unless nothing of what it holds will be left. */
static int64_t block_prepare(struct store_file *file, uint32_t block, uint64_t offset, uint64_t end)
{
    uint64_t start = (uint64_t)block * PAGE_SIZE;
    bool is_whole = offset <= start && end >= start + PAGE_SIZE;

    if (!is_whole && block < blocks_known(file))
        return pool_load(file->first + block, 1);
    int64_t result = pool_fresh(file->first + block);
    if (result == 0 && !is_whole)
        memset(pool_page(file->first + block), 0, PAGE_SIZE);
    return result;
}

static void dirty_note(struct store_file *file, uint32_t first, uint32_t end)
{
    bool none = file->dirty_first == file->dirty_end;

    file->dirty_first = none || first < file->dirty_first ? first : file->dirty_first;
    file->dirty_end = none || end > file->dirty_end ? end : file->dirty_end;
}

static void size_grow(struct store_file *file, uint64_t end)
{
    if (file->reached < end)
        file->reached = end;
    if (file->size >= end)
        return;
    file->size = end;
    store.changed |= !file->is_log;
}

int64_t store_write(struct store_file *file, const void *from, uint64_t size, uint64_t offset)
{
    uint64_t end = offset + size;
    uint32_t first = (uint32_t)(offset / PAGE_SIZE), last = blocks_of(end);

    if (end > (uint64_t)file->blocks * PAGE_SIZE)
        return STORE_FULL;
    if (file->is_log && offset == 0)
        file->reached = 0;
    for (uint32_t block = blocks_known(file); block < first; block++) { /* a hole */
        int64_t result = block_prepare(file, block, end, end);
        if (result < 0)
            return result;
        dirty_note(file, block, block + 1);
    }
    for (uint32_t block = first; block < last; block++) {
        int64_t result = block_prepare(file, block, offset, end);
        if (result < 0)
            return result;
        size_grow(file, end < (uint64_t)(block + 1) * PAGE_SIZE ? end : (uint64_t)(block + 1) * PAGE_SIZE);
        uint64_t from_byte = block == first ? offset : (uint64_t)block * PAGE_SIZE;
        uint64_t to_byte = end < (uint64_t)(block + 1) * PAGE_SIZE ? end : (uint64_t)(block + 1) * PAGE_SIZE;
        pool_change(file->first + block);
        memcpy((uint8_t *)store_address(file) + from_byte, (const uint8_t *)from + (from_byte - offset), to_byte - from_byte);
    }
    dirty_note(file, first, last);
    return 0;
}

/* Bytes behind the end are zero when the file grows again. */
static int64_t tail_clear(struct store_file *file, uint64_t size)
{
    uint32_t block = (uint32_t)(size / PAGE_SIZE), offset = size % PAGE_SIZE;
    int64_t result = offset ? pool_load(file->first + block, 1) : 0;

    if (!offset || result < 0)
        return result;
    pool_change(file->first + block);
    memset((uint8_t *)pool_page(file->first + block) + offset, 0, PAGE_SIZE - offset);
    dirty_note(file, block, block + 1);
    return 0;
}

int64_t store_truncate(struct store_file *file, uint64_t size)
{
    uint32_t kept = blocks_of(size), old = blocks_of(file->size);
    int64_t result = size < file->size ? tail_clear(file, size) : 0;

    if (result < 0 || size >= file->size)
        return result;
    pool_forget(file->first + kept, old - kept);
    file->dirty_end = file->dirty_end < kept ? file->dirty_end : kept;
    file->dirty_first = file->dirty_first < file->dirty_end ? file->dirty_first : file->dirty_end;
    file->size = size;
    file->reached = file->reached < size ? file->reached : size;
    store.changed |= !file->is_log;
    return 0;
}

void store_make(struct store_file *file)
{
    if (file->exists)
        return;
    file->exists = true;
    file->size = file->reached = 0;
    store.changed = true;
}

void store_delete(struct store_file *file)
{
    store_truncate(file, 0);
    store.changed |= file->exists;
    file->exists = false;
}

int64_t store_sync(struct store_file *file)
{
    int64_t result = pool_write(file->first + file->dirty_first, file->dirty_end - file->dirty_first);

    if (result == 0 && store.changed)
        result = super_write();
    if (result == 0)
        result = pool_flush();
    if (result == 0)
        file->dirty_first = file->dirty_end = 0;
    return result;
}
