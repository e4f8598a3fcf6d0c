/*
 * SQLite's page cache in memory pages of the pool: what its transactions write, and what they read from the log. Everything else it
 * reads where it lies (vfs.c). A page that is not in use goes when its cache is full, or when the pool wants its frame.
 */
#include "sql.h"
#include "pool.h"
#include <string.h>

enum { BUCKETS = 256 };

struct cached {
    sqlite3_pcache_page base;
    struct cache *cache;
    unsigned key;
    bool is_pinned, is_lost; /* lost: the buffer's frame was taken by force while the page was not in use */
    struct cached *chain, *newer, *older; /* of its bucket; of those not in use, in all caches */
};

struct cache {
    int page_size, extra_size;
    bool is_purgeable;
    unsigned most, count;
    struct cached *bucket[BUCKETS];
};

static struct cached *newest, *oldest;
static bool are_lost; /* some are */

static void idle_remove(struct cached *page)
{
    *(page->newer ? &page->newer->older : &newest) = page->older;
    *(page->older ? &page->older->newer : &oldest) = page->newer;
    page->newer = page->older = 0;
}

static void idle_add(struct cached *page)
{
    page->newer = 0;
    page->older = newest;
    *(newest ? &newest->newer : &oldest) = page;
    newest = page;
}

static struct cached **place_of(struct cache *cache, unsigned key)
{
    struct cached **place = &cache->bucket[key % BUCKETS];

    while (*place && (*place)->key != key)
        place = &(*place)->chain;
    return place;
}

static void *buffer_alloc(const struct cache *cache)
{
    return cache->page_size == PAGE_SIZE ? pool_memory_alloc() : sqlite3_malloc(cache->page_size);
}

static void buffer_free(const struct cache *cache, void *buffer)
{
    if (cache->page_size == PAGE_SIZE)
        pool_memory_free(buffer);
    else
        sqlite3_free(buffer);
}

static void page_unlink(struct cached *page)
{
    struct cached **place = place_of(page->cache, page->key);

    *place = page->chain;
    page->cache->count--;
    if (!page->is_pinned && page->cache->is_purgeable)
        idle_remove(page);
}

static void page_free(struct cached *page)
{
    page_unlink(page);
    buffer_free(page->cache, page->base.pBuf);
    sqlite3_free(page);
}

uint32_t page_cache_shrink(uint32_t wanted)
{
    uint32_t freed = 0;

    for (; freed < wanted && oldest; freed++)
        page_free(oldest);
    return freed;
}

/* A page that is not in use is clean: SQLite can read it again. It is only marked, since whoever touched memory may be in the middle of this. */
static bool page_lose(const void *buffer)
{
    struct cached *page = oldest;

    while (page && page->base.pBuf != buffer)
        page = page->newer;
    if (!page)
        return false;
    return are_lost = page->is_lost = true;
}

static void lost_drop(void)
{
    struct cached *newer;

    for (struct cached *page = are_lost ? oldest : 0; page; page = newer) {
        newer = page->newer;
        if (page->is_lost)
            page_free(page);
    }
    are_lost = false;
}

/* That of the oldest page of any cache that is not in use. */
static void *buffer_steal(const struct cache *cache)
{
    lost_drop();
    struct cached *page = oldest;

    while (page && page->cache->page_size != cache->page_size)
        page = page->newer;
    if (!page)
        return 0;
    void *buffer = page->base.pBuf;
    page_unlink(page);
    sqlite3_free(page);
    return buffer;
}

static struct cached *page_make(struct cache *cache)
{
    struct cached *page = sqlite3_malloc((int)sizeof *page + cache->extra_size);

    if (!page)
        return 0;
    memset(page, 0, sizeof *page + (size_t)cache->extra_size);
    page->base.pExtra = page + 1;
    page->cache = cache;
    if (!(page->base.pBuf = buffer_alloc(cache)) && !(page->base.pBuf = buffer_steal(cache))) {
        sqlite3_free(page);
        return 0;
    }
    return page;
}

/* The oldest of this cache that is not in use, taken out of it for another key. */
static struct cached *page_recycle(struct cache *cache)
{
    lost_drop();
    struct cached *page = oldest;

    while (page && page->cache != cache)
        page = page->newer;
    if (!page)
        return 0;
    page_unlink(page);
    memset(page->base.pExtra, 0, (size_t)cache->extra_size);
    return page;
}

static struct cached *page_new(struct cache *cache, int create)
{
    struct cached *page = 0;

    if (cache->is_purgeable && cache->count >= cache->most) {
        page = page_recycle(cache);
        if (!page && create == 1)
            return 0; /* SQLite writes some out and asks again */
    }
    if (!page)
        page = page_make(cache);
    return page ? page : page_recycle(cache); /* the heap is full */
}

static int cache_init(void *argument)
{
    (void)argument;
    newest = oldest = 0;
    return SQLITE_OK;
}

static void cache_shutdown(void *argument)
{
    (void)argument;
}

static sqlite3_pcache *cache_create(int page_size, int extra_size, int is_purgeable)
{
    struct cache *cache = sqlite3_malloc(sizeof *cache);

    if (!cache)
        return 0;
    *cache = (struct cache){ .page_size = page_size, .extra_size = extra_size, .is_purgeable = is_purgeable, .most = 100 };
    return (sqlite3_pcache *)cache;
}

static void cache_size(sqlite3_pcache *given, int most)
{
    struct cache *cache = (struct cache *)given;

    cache->most = most > 0 ? (unsigned)most : 1;
    for (struct cached *page; cache->count > cache->most && (page = page_recycle(cache));) {
        buffer_free(cache, page->base.pBuf);
        sqlite3_free(page);
    }
}

static int cache_count(sqlite3_pcache *cache)
{
    return (int)((struct cache *)cache)->count;
}

static sqlite3_pcache_page *cache_fetch(sqlite3_pcache *given, unsigned key, int create)
{
    struct cache *cache = (struct cache *)given;

    if (hardware_robbed)
        pool_look();
    if (are_lost)
        lost_drop();
    struct cached *page = *place_of(cache, key);
    if (!page) {
        page = create ? page_new(cache, create) : 0;
        if (!page)
            return 0;
        page->key = key;
        page->chain = cache->bucket[key % BUCKETS];
        cache->bucket[key % BUCKETS] = page;
        cache->count++;
    } else if (!page->is_pinned && cache->is_purgeable) {
        idle_remove(page);
    }
    page->is_pinned = true;
    return &page->base;
}

static void cache_unpin(sqlite3_pcache *given, sqlite3_pcache_page *base, int discard)
{
    struct cached *page = (struct cached *)base;

    if (discard || ((struct cache *)given)->count > ((struct cache *)given)->most) {
        page_free(page);
        return;
    }
    page->is_pinned = false;
    if (page->cache->is_purgeable)
        idle_add(page);
}

static void cache_rekey(sqlite3_pcache *given, sqlite3_pcache_page *base, unsigned old_key, unsigned key)
{
    struct cache *cache = (struct cache *)given;
    struct cached *page = (struct cached *)base, *other = *place_of(cache, key);

    if (other)
        page_free(other);
    *place_of(cache, old_key) = page->chain;
    page->key = key;
    page->chain = cache->bucket[key % BUCKETS];
    cache->bucket[key % BUCKETS] = page;
}

static void cache_truncate(sqlite3_pcache *given, unsigned limit)
{
    struct cache *cache = (struct cache *)given;

    for (uint32_t i = 0; i < BUCKETS; i++)
        for (struct cached *page = cache->bucket[i], *next; page; page = next) {
            next = page->chain;
            if (page->key >= limit)
                page_free(page);
        }
}

static void cache_destroy(sqlite3_pcache *cache)
{
    cache_truncate(cache, 0);
    sqlite3_free(cache);
}

static void cache_shrink(sqlite3_pcache *cache)
{
    (void)cache;
    page_cache_shrink(UINT32_MAX);
}

int page_cache_register(void)
{
    static const sqlite3_pcache_methods2 methods = {
        .iVersion = 1, .xInit = cache_init, .xShutdown = cache_shutdown, .xCreate = cache_create, .xCachesize = cache_size,
        .xPagecount = cache_count, .xFetch = cache_fetch, .xUnpin = cache_unpin, .xRekey = cache_rekey, .xTruncate = cache_truncate,
        .xDestroy = cache_destroy, .xShrink = cache_shrink,
    };

    pool_memory_shrink = page_cache_shrink;
    pool_memory_lost = page_lose;
    return sqlite3_config(SQLITE_CONFIG_PCACHE2, &methods);
}
