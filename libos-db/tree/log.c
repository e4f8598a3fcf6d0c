#include "log.h"
#include "crc.h"
#include "pool.h"
#include <stddef.h>
#include <string.h>

enum {
    MAGIC_HEADER = 0x42447845, /* ExDB */
    MAGIC_RECORD = 0x67446264,
    VERSION = 2,
    PAGE_ROOT = 0, PAGE_HEADER = 1, PAGE_LOG = 3,
    CHANGES_MAX = 8192,
    POOL_SHARE = 4,    /* of the pool's frames, as many at most are held; and others may keep old bytes */
    WORD = 8,          /* what is logged begins and ends at multiples of it */
    TOUCH_MAX = 2048,  /* bytes: longer ones are noted in parts */
    PREPARE = 64,      /* pages behind the last one used that get frames at once */
};

struct header {
    uint32_t magic, version;
    uint32_t pages, log_pages;
    uint64_t epoch;
    uint32_t reserved, checksum; /* of all before it */
};

/* In page 0. Free runs: a list through their first pages. */
struct root_page {
    uint32_t magic, end; /* pages from here on were never used */
    uint32_t free;       /* first page of the first free run, or 0 */
    uint32_t reserved;
    uint32_t tree[DB_TREES];
};

struct free_run {
    uint32_t next, count;
};

/* A commit: this, then its changes. */
struct record {
    uint32_t magic, checksum; /* of what follows this word, and all changes */
    uint64_t epoch, number;
    uint32_t size, changes;   /* bytes of changes */
};

/* Bytes of a page, which follow; size 0: what the page held does not count. */
struct change {
    uint32_t page;
    uint16_t offset, size; /* multiples of WORD */
};

/* The same in memory; what the bytes were before follows, unless the page is fresh. */
struct touch {
    struct touch *previous;
    struct change bytes;
    uint64_t before[];
};

/* Memory for them, a page. */
struct chunk {
    struct chunk *previous;
    uint8_t bytes[];
};

/* A page that the transaction changes. */
struct changed {
    uint32_t page;
    uint16_t covered; /* bytes from its beginning on that are noted already */
    bool is_fresh;    /* nobody needs what it was */
};

/* By page: its place in `changed`, counted from 1, and the transaction that freed it. */
struct page_state {
    uint32_t changed;
    uint64_t freed;
};

static struct {
    uint32_t first, count, log_pages;
    uint64_t epoch, number;     /* of the next record */
    uint64_t transactions;      /* that have begun */
    uint32_t used;              /* pages of the log */
    uint32_t prepared;          /* pages below have had a frame */
    bool is_open, in_transaction;
    struct page_state *state;
    struct changed *changed;
    uint32_t changed_count;
    uint32_t changes, size, size_most; /* that the record will have */
    struct touch *touched;      /* the last one */
    struct chunk *chunk;
    uint32_t chunk_used;
    uint8_t *out;               /* where the record is written; 0 outside commit */
    uint32_t out_page, out_offset, checksum;
} store;

void *page_at(uint32_t page)
{
    return pool_page(store.first + page);
}

static struct root_page *root_page(void)
{
    return page_at(PAGE_ROOT);
}

bool log_is_in_transaction(void)
{
    return store.in_transaction;
}

uint32_t log_data_first(void)
{
    return PAGE_LOG + store.log_pages;
}

/* The page becomes one of the transaction's, and stays in memory. */
static bool page_join(uint32_t page, bool is_fresh)
{
    if (!store.in_transaction || store.changed_count == CHANGES_MAX || store.changed_count > pool_frames() / POOL_SHARE ||
        store.size + sizeof(struct change) > store.size_most)
        return false;
    (void)*(const volatile uint8_t *)page_at(page);
    pool_hold(store.first + page);
    pool_change(store.first + page);
    store.changed[store.changed_count++] = (struct changed){ .page = page, .is_fresh = is_fresh };
    store.state[page].changed = store.changed_count;
    if (is_fresh) {
        store.changes++;
        store.size += (uint32_t)sizeof(struct change);
    }
    return true;
}

static struct touch *touch_alloc(uint32_t bytes)
{
    uint32_t size = (uint32_t)sizeof(struct touch) + bytes;

    if (!store.chunk || store.chunk_used + size > PAGE_SIZE) {
        struct chunk *chunk = pool_memory_alloc();
        if (!chunk)
            return 0;
        chunk->previous = store.chunk;
        store.chunk = chunk;
        store.chunk_used = sizeof *chunk;
    }
    struct touch *touch = (struct touch *)((uint8_t *)store.chunk + store.chunk_used);
    store.chunk_used += size;
    return touch;
}

static bool touch_note(const struct changed *changed, uint32_t offset, uint32_t size)
{
    uint32_t more = (uint32_t)sizeof(struct change) + size;
    struct touch *touch = store.size + more <= store.size_most ? touch_alloc(changed->is_fresh ? 0 : size) : 0;

    if (!touch)
        return false;
    touch->previous = store.touched;
    touch->bytes = (struct change){ changed->page, (uint16_t)offset, (uint16_t)size };
    if (!changed->is_fresh)
        memcpy(touch->before, (const uint8_t *)page_at(changed->page) + offset, size);
    store.touched = touch;
    store.changes++;
    store.size += more;
    return true;
}

void *page_change(uint32_t page, uint32_t offset, uint32_t size)
{
    uint32_t end = (offset + size + WORD - 1) & ~(WORD - 1u);

    if (!store.state[page].changed && !page_join(page, false))
        return 0;
    struct changed *changed = &store.changed[store.state[page].changed - 1];
    offset &= ~(WORD - 1u);
    if (offset <= changed->covered) {
        offset = changed->covered;
        changed->covered = (uint16_t)(end > offset ? end : offset);
    }
    for (uint32_t part; offset < end; offset += part) {
        part = end - offset < TOUCH_MAX ? end - offset : TOUCH_MAX;
        if (!touch_note(changed, offset, part))
            return 0;
    }
    return page_at(page);
}

void *page_begin(uint32_t page)
{
    bool was_freed = store.state[page].freed == store.transactions; /* then db_abort brings back what it held */

    if (store.state[page].changed || was_freed)
        return page_change(page, 0, PAGE_SIZE);
    return pool_fresh(store.first + page) == 0 && page_join(page, true) ? page_at(page) : 0;
}

/* Writing the log: words go into its pages one after the other, and into the checksum. */
static int64_t out_page_begin(void)
{
    int64_t result = pool_fresh(store.first + PAGE_LOG + store.out_page);

    if (result < 0)
        return result;
    store.out = page_at(PAGE_LOG + store.out_page);
    pool_hold(store.first + PAGE_LOG + store.out_page);
    store.out_offset = 0;
    return DB_OK;
}

static int64_t out_write(const void *data, uint32_t size)
{
    const uint64_t *from = data;

    for (uint32_t part; size; size -= part, from += part / WORD, store.out_offset += part) {
        if (store.out_offset == PAGE_SIZE) {
            store.out_page++;
            int64_t result = out_page_begin();
            if (result < 0)
                return result;
        }
        part = PAGE_SIZE - store.out_offset < size ? PAGE_SIZE - store.out_offset : size;
        store.checksum = crc32c_copy(store.checksum, (uint64_t *)(store.out + store.out_offset), from, part / WORD);
    }
    return DB_OK;
}

/* Fresh pages first, then the bytes that were touched: in any order, since they are logged as they are now. */
static int64_t changes_write(void)
{
    int64_t result = DB_OK;

    for (uint32_t i = 0; i < store.changed_count && result == DB_OK; i++) {
        struct change fresh = { .page = store.changed[i].page };
        if (store.changed[i].is_fresh)
            result = out_write(&fresh, sizeof fresh);
    }
    for (const struct touch *touch = store.touched; touch && result == DB_OK; touch = touch->previous) {
        result = out_write(&touch->bytes, sizeof touch->bytes);
        if (result == DB_OK)
            result = out_write((const uint8_t *)page_at(touch->bytes.page) + touch->bytes.offset, touch->bytes.size);
    }
    return result;
}

static uint32_t record_pages(uint32_t size)
{
    return (uint32_t)((sizeof(struct record) + size + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* The record of all changes, from the log's next page on; its pages are held. */
static int64_t record_write(void)
{
    struct record record = {
        .magic = MAGIC_RECORD, .epoch = store.epoch, .number = store.number, .size = store.size, .changes = store.changes,
    };

    store.out_page = store.used;
    pool_prepare(store.first + PAGE_LOG + store.used, record_pages(store.size));
    int64_t result = out_page_begin();
    if (result < 0)
        return result;
    uint8_t *start = store.out;
    store.out_offset = sizeof record;
    store.checksum = 0;
    result = changes_write();
    record.checksum = crc32c(store.checksum, &record.epoch, sizeof record - offsetof(struct record, epoch));
    memcpy(start, &record, sizeof record);
    return result;
}

static void record_release(void)
{
    for (uint32_t page = store.used; page <= store.out_page && store.out; page++)
        pool_release(store.first + PAGE_LOG + page);
    store.out = 0;
}

/* The last one first, since bytes may have been touched twice. */
static void touches_undo(void)
{
    for (const struct touch *touch = store.touched; touch; touch = touch->previous)
        if (!store.changed[store.state[touch->bytes.page].changed - 1].is_fresh)
            memcpy((uint8_t *)page_at(touch->bytes.page) + touch->bytes.offset, touch->before, touch->bytes.size);
}

static void transaction_end(bool was_committed)
{
    if (!was_committed)
        touches_undo();
    for (uint32_t i = 0; i < store.changed_count; i++) {
        store.state[store.changed[i].page].changed = 0;
        pool_release(store.first + store.changed[i].page);
    }
    for (struct chunk *chunk = store.chunk, *previous; chunk; chunk = previous) {
        previous = chunk->previous;
        pool_memory_free(chunk);
    }
    store.chunk = 0;
    store.touched = 0;
    store.changed_count = store.changes = store.size = 0;
    store.in_transaction = false;
}

int64_t db_commit(void)
{
    if (!store.in_transaction)
        return DB_BAD_STATE;
    int64_t result = store.changed_count ? record_write() : DB_OK;
    uint32_t pages = store.out ? store.out_page + 1 - store.used : 0;

    if (result >= 0 && pages)
        result = pool_write(store.first + PAGE_LOG + store.used, pages);
    if (result >= 0 && pages)
        result = pool_flush();
    record_release();
    transaction_end(result >= 0);
    if (result < 0)
        return result;
    store.used += pages;
    store.number += pages != 0;
    return DB_OK;
}

void db_abort(void)
{
    if (store.in_transaction)
        transaction_end(false);
}

static int64_t header_write(void)
{
    uint32_t page = PAGE_HEADER + store.epoch % 2;
    int64_t result = pool_fresh(store.first + page);
    struct header *header = page_at(page);

    if (result < 0)
        return result;
    memset(header, 0, PAGE_SIZE);
    *header = (struct header){
        .magic = MAGIC_HEADER, .version = VERSION, .pages = store.count, .log_pages = store.log_pages, .epoch = store.epoch,
    };
    header->checksum = crc32c(0, header, offsetof(struct header, checksum));
    result = pool_write(store.first + page, 1);
    return result < 0 ? result : pool_flush();
}

/* Pages of the log need not be written: what they say is in place. */
int64_t db_checkpoint(void)
{
    if (!store.is_open || store.in_transaction)
        return DB_BAD_STATE;
    pool_forget(store.first + PAGE_LOG, store.log_pages);
    int64_t result = pool_write(store.first, store.count);
    if (result >= 0)
        result = pool_flush();
    if (result < 0)
        return result;
    store.epoch++;
    result = header_write();
    if (result < 0) {
        store.epoch--; /* the log goes on as it was: its records are whole on the disk */
        return result;
    }
    store.number = store.used = 0;
    return DB_OK;
}

int64_t db_begin(void)
{
    if (!store.is_open || store.in_transaction)
        return DB_BAD_STATE;
    if (store.used > store.log_pages / 2) {
        int64_t result = db_checkpoint();
        if (result < 0)
            return result;
    }
    store.in_transaction = true;
    store.transactions++;
    return DB_OK;
}

/* Pages that are used for the first time come with frames in batches, since that is cheap. */
static void pages_prepare(uint32_t end)
{
    uint32_t count = store.count - end < PREPARE ? store.count - end : PREPARE;

    if (end <= store.prepared)
        return;
    pool_prepare(store.first + end - 1, count + 1);
    store.prepared = end + count;
}

/* Runs of free pages. A run is taken from its end, so that its first page, which links the list, stays where it is. */
uint32_t pages_alloc(uint32_t count)
{
    struct root_page *root = root_page();

    for (uint32_t before = 0, run = root->free; run; before = run, run = ((struct free_run *)page_at(run))->next) {
        struct free_run *free = page_at(run);
        if (free->count < count)
            continue;
        uint32_t next = free->next, left = free->count - count;
        if (left) {
            free = page_change(run, 0, sizeof *free);
            if (!free)
                return 0;
            free->count = left;
            return run + left;
        }
        uint32_t *link = before ? &((struct free_run *)page_at(before))->next : &root->free;
        if (!page_change(before ? before : PAGE_ROOT, (uint32_t)((uint64_t)link % PAGE_SIZE), sizeof *link) || !page_change(run, 0, sizeof *free))
            return 0;
        *link = next;
        return run;
    }
    if (store.count - root->end < count || !page_change(PAGE_ROOT, offsetof(struct root_page, end), sizeof root->end))
        return 0;
    root->end += count;
    pages_prepare(root->end);
    return root->end - count;
}

bool pages_free(uint32_t first, uint32_t count)
{
    struct root_page *root = page_change(PAGE_ROOT, offsetof(struct root_page, free), sizeof root->free);
    struct free_run *run = page_change(first, 0, sizeof *run);

    if (!root || !run)
        return false;
    for (uint32_t i = 0; i < count; i++)
        store.state[first + i].freed = store.transactions;
    *run = (struct free_run){ .next = root->free, .count = count };
    root->free = first;
    return true;
}

uint32_t log_pages_used(void)
{
    return root_page()->end - log_data_first();
}

uint32_t log_pages_free(void)
{
    uint32_t free = 0;

    for (uint32_t run = root_page()->free; run && free <= store.count; run = ((struct free_run *)page_at(run))->next)
        free += ((struct free_run *)page_at(run))->count;
    return free;
}

uint32_t tree_root(uint32_t tree)
{
    return root_page()->tree[tree];
}

bool tree_root_set(uint32_t tree, uint32_t page)
{
    struct root_page *root = page_change(PAGE_ROOT, offsetof(struct root_page, tree) + tree * (uint32_t)sizeof root->tree[0], sizeof root->tree[0]);

    if (root)
        root->tree[tree] = page;
    return root != 0;
}

/* Opening. */
static bool header_is_whole(const struct header *header)
{
    return header->magic == MAGIC_HEADER && header->checksum == crc32c(0, header, offsetof(struct header, checksum));
}

/* The record at a page of the log, or 0 if there is none that is whole. It stands in pages in a row, so it is read in place. */
static const struct record *record_at(uint32_t page)
{
    const struct record *record = page_at(PAGE_LOG + page);

    if (page >= store.log_pages || record->magic != MAGIC_RECORD || record->epoch != store.epoch || record->number != store.number ||
        record->size > (store.log_pages - page) * PAGE_SIZE - sizeof *record)
        return 0;
    uint32_t checksum = crc32c(0, record + 1, record->size);
    checksum = crc32c(checksum, &record->epoch, sizeof *record - offsetof(struct record, epoch));
    return checksum == record->checksum ? record : 0;
}

static int64_t record_apply(const struct record *record)
{
    const uint8_t *at = (const uint8_t *)(record + 1), *end = at + record->size;

    while (end - at >= (ptrdiff_t)sizeof(struct change)) {
        struct change change;
        memcpy(&change, at, sizeof change);
        at += sizeof change;
        if (change.page >= store.count || change.offset + change.size > PAGE_SIZE || end - at < change.size ||
            (change.page != PAGE_ROOT && change.page < log_data_first()))
            return DB_FOREIGN;
        int64_t result = change.size ? DB_OK : pool_fresh(store.first + change.page);
        if (result < 0)
            return result;
        pool_change(store.first + change.page);
        if (change.size)
            memcpy((uint8_t *)page_at(change.page) + change.offset, at, change.size);
        else
            memset(page_at(change.page), 0, PAGE_SIZE);
        at += change.size;
    }
    return DB_OK;
}

static int64_t log_apply(void)
{
    const struct record *record;

    while ((record = record_at(store.used)) != 0) {
        uint32_t pages = record_pages(record->size);
        int64_t result = record_apply(record);
        if (result < 0)
            return result;
        store.used += pages;
        store.number++;
    }
    return DB_OK;
}

/* Nothing of a new store counts before its header does. */
static int64_t store_make(void)
{
    int64_t result = pool_fresh(store.first + PAGE_ROOT);

    if (result < 0)
        return result;
    memset(root_page(), 0, PAGE_SIZE);
    root_page()->magic = MAGIC_HEADER;
    root_page()->end = log_data_first();
    for (uint32_t i = 0; i < 2 && result >= 0; i++) {
        result = pool_fresh(store.first + PAGE_HEADER + i);
        if (result >= 0)
            memset(page_at(PAGE_HEADER + i), 0, PAGE_SIZE);
    }
    return result;
}

static int64_t header_find(const struct header **ret_header)
{
    const struct header *header = page_at(PAGE_HEADER), *other = page_at(PAGE_HEADER + 1);
    int64_t result = pool_load(store.first + PAGE_HEADER, 2);

    if (result < 0)
        return result;
    if (!header_is_whole(header) || (header_is_whole(other) && other->epoch > header->epoch))
        header = other;
    *ret_header = header_is_whole(header) ? header : 0;
    return DB_OK;
}

static int64_t store_prepare(void)
{
    store.state = hardware_memory((uint32_t)((store.count * sizeof *store.state + PAGE_SIZE - 1) / PAGE_SIZE));
    store.changed = hardware_memory((uint32_t)(CHANGES_MAX * sizeof *store.changed / PAGE_SIZE));
    store.size_most = (store.log_pages / 2 - 1) * PAGE_SIZE - (uint32_t)sizeof(struct record);
    return store.state && store.changed ? DB_OK : DB_TOO_LARGE;
}

int64_t db_open(uint32_t first, uint32_t count, uint32_t log_pages, bool create)
{
    const struct header *header;

    memset(&store, 0, sizeof store);
    store.first = first;
    store.count = count;
    store.log_pages = log_pages;
    if (!crc32c_is_there())
        return DB_BAD_PROCESSOR;
    if (log_pages < LOG_PAGES_LEAST || count < PAGE_LOG + log_pages + DB_TREES)
        return DB_SMALL;
    int64_t result = header_find(&header);
    if (result < 0)
        return result;
    if (header ? header->version != VERSION || header->pages != count || header->log_pages != log_pages : !create)
        return DB_FOREIGN;
    store.epoch = header ? header->epoch : 0;
    result = store_prepare();
    if (result == DB_OK)
        result = header ? log_apply() : store_make();
    if (result == DB_OK && root_page()->magic != MAGIC_HEADER)
        result = DB_FOREIGN;
    store.is_open = result == DB_OK;
    return result == DB_OK ? db_checkpoint() : result;
}
