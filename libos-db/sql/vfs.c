/* SQLite's view of the store. A read of the database costs no copy: xFetch gives the address of the page itself. */
#include "sql.h"
#include "pool.h"
#include "store.h"
#include <string.h>

enum { DAY_MS = 86400000, NAME_MOST = 64 };
#define JULIAN_1970 (24405875 * (sqlite3_int64)8640000) /* ms from the Julian epoch to 1970 */

struct open_file {
    sqlite3_file base;
    struct store_file *file;
};

static const struct sql_world *world;
static uint64_t random_state;

static struct store_file *file_of(sqlite3_file *file)
{
    return ((struct open_file *)file)->file;
}

static int close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int read(sqlite3_file *opened, void *to, int size, sqlite3_int64 offset)
{
    struct store_file *file = file_of(opened);
    uint64_t there = (uint64_t)offset < file->size ? file->size - (uint64_t)offset : 0;
    uint64_t part = there < (uint64_t)size ? there : (uint64_t)size;

    if (store_read(file, to, part, (uint64_t)offset) < 0)
        return SQLITE_IOERR_READ;
    memset((uint8_t *)to + part, 0, (uint64_t)size - part);
    return part == (uint64_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int write(sqlite3_file *opened, const void *from, int size, sqlite3_int64 offset)
{
    int64_t result = store_write(file_of(opened), from, (uint64_t)size, (uint64_t)offset);
    return result == 0 ? SQLITE_OK : result == STORE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int truncate(sqlite3_file *opened, sqlite3_int64 size)
{
    return store_truncate(file_of(opened), (uint64_t)size) < 0 ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int sync(sqlite3_file *opened, int flags)
{
    (void)flags;
    return store_sync(file_of(opened)) < 0 ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int size(sqlite3_file *opened, sqlite3_int64 *ret_size)
{
    *ret_size = (sqlite3_int64)file_of(opened)->size;
    return SQLITE_OK;
}

/* Nobody else has the extent. */
static int lock(sqlite3_file *opened, int level)
{
    (void)opened;
    (void)level;
    return SQLITE_OK;
}

static int lock_is_held(sqlite3_file *opened, int *ret_held)
{
    (void)opened;
    *ret_held = 0;
    return SQLITE_OK;
}

static int control(sqlite3_file *opened, int operation, void *argument)
{
    (void)opened;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *opened)
{
    (void)opened;
    return PAGE_SIZE;
}

/* A block that is partly written anew holds the same bytes in its other sectors, so a torn write harms none of them. */
static int characteristics(sqlite3_file *opened)
{
    (void)opened;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_ATOMIC512;
}

static int fetch(sqlite3_file *opened, sqlite3_int64 offset, int size, void **ret_page)
{
    const struct store_file *file = file_of(opened);

    *ret_page = (uint64_t)offset + (uint64_t)size <= file->size ? (uint8_t *)store_address(file) + offset : 0;
    return SQLITE_OK;
}

static int unfetch(sqlite3_file *opened, sqlite3_int64 offset, void *page)
{
    (void)opened;
    (void)offset;
    (void)page;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 3, .xClose = close, .xRead = read, .xWrite = write, .xTruncate = truncate, .xSync = sync, .xFileSize = size,
    .xLock = lock, .xUnlock = lock, .xCheckReservedLock = lock_is_held, .xFileControl = control, .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics, .xFetch = fetch, .xUnfetch = unfetch,
};

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *opened, int flags, int *ret_flags)
{
    struct store_file *file = name ? store_find(name) : 0;

    (void)vfs;
    *opened = (sqlite3_file){ 0 };
    if (!file || (!file->exists && !(flags & SQLITE_OPEN_CREATE)))
        return SQLITE_CANTOPEN;
    store_make(file);
    *(struct open_file *)opened = (struct open_file){ { &methods }, file };
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int must_be_stable)
{
    struct store_file *file = store_find(name);

    (void)vfs;
    if (!file || !file->exists)
        return SQLITE_IOERR_DELETE_NOENT;
    store_delete(file);
    return must_be_stable && store_sync(file) < 0 ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_is)
{
    const struct store_file *file = store_find(name);

    (void)vfs;
    (void)flags;
    *ret_is = file && file->exists;
    return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int room, char *out)
{
    (void)vfs;
    sqlite3_snprintf(room, out, "%s", name);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *vfs, int count, char *out)
{
    (void)vfs;
    for (int i = 0; i < count; i++) {
        random_state = random_state * 6364136223846793005ull + 1442695040888963407ull; /* Knuth, MMIX */
        out[i] = (char)(random_state >> 56);
    }
    return count;
}

/* Nobody is waited for. */
static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    (void)vfs;
    *ret_ms = JULIAN_1970 + (sqlite3_int64)(world->epoch * 1000 + world->time() / 1000000);
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int room, char *out)
{
    (void)vfs;
    if (room)
        *out = 0;
    return 0;
}

int vfs_register(const struct sql_world *given)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2, .szOsFile = sizeof(struct open_file), .mxPathname = NAME_MOST, .zName = "store", .xOpen = vfs_open,
        .xDelete = vfs_delete, .xAccess = vfs_access, .xFullPathname = vfs_full_name, .xRandomness = vfs_random, .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error, .xCurrentTimeInt64 = vfs_time,
    };

    world = given;
    random_state = world->random ^ world->time();
    return sqlite3_vfs_register(&vfs, 1);
}
