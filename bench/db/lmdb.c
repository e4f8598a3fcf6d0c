/* The calls of tree/db.h that tree.c makes, by LMDB as Debian has it: one named place, every commit durable, reads within one transaction. */
#include "bench.h"
#include "db.h"
#include <lmdb.h>
#include <stdio.h>

enum { FILE_MODE = 0644, MAP_SIZE = 400 << 20 };

static MDB_env *environment;
static MDB_txn *transaction;
static MDB_dbi tree_handle;
static bool is_writing;

static int64_t status_of(int result)
{
    if (result == MDB_NOTFOUND)
        return DB_NOT_FOUND;
    if (result)
        bench_fail("LMDB", mdb_strerror(result));
    return DB_OK;
}

static MDB_val value_of(struct db_bytes bytes)
{
    return (MDB_val){ .mv_size = bytes.size, .mv_data = (void *)bytes.data };
}

static void reading_end(void)
{
    if (transaction && !is_writing)
        mdb_txn_abort(transaction);
    transaction = 0;
}

int64_t db_begin(void)
{
    reading_end();
    is_writing = true;
    return status_of(mdb_txn_begin(environment, 0, 0, &transaction));
}

int64_t db_commit(void)
{
    int result = mdb_txn_commit(transaction);

    transaction = 0;
    is_writing = false;
    return status_of(result);
}

/* LMDB_FLAGS: such as 0x80000, MDB_WRITEMAP. */
int64_t bench_tree_open(void)
{
    int result = mdb_env_create(&environment);

    result = result ? result : mdb_env_set_mapsize(environment, MAP_SIZE);
    result = result ? result : mdb_env_open(environment, "tree", MDB_NOSUBDIR | (unsigned)bench_argument("LMDB_FLAGS", 0), FILE_MODE);
    if (!result) {
        db_begin();
        result = mdb_dbi_open(transaction, 0, 0, &tree_handle);
        db_commit();
    }
    printf("%s\n", mdb_version(0, 0, 0));
    return status_of(result);
}

int64_t db_put(uint32_t tree, struct db_bytes key, struct db_bytes value)
{
    MDB_val its_key = value_of(key), its_value = value_of(value);

    (void)tree;
    return status_of(mdb_put(transaction, tree_handle, &its_key, &its_value, 0));
}

int64_t db_get(uint32_t tree, struct db_bytes key, struct db_bytes *ret_value)
{
    MDB_val its_key = value_of(key), its_value;
    int result = transaction ? 0 : mdb_txn_begin(environment, 0, MDB_RDONLY, &transaction);

    (void)tree;
    result = result ? result : mdb_get(transaction, tree_handle, &its_key, &its_value);
    if (!result)
        *ret_value = (struct db_bytes){ its_value.mv_data, (uint32_t)its_value.mv_size };
    return status_of(result);
}
