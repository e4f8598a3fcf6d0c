/* lines('NAME'): the lines of a file of the archive as a table, without copying it. */
#include "sql.h"
#include "archive.h"
#include <string.h>

enum { COLUMN_LINE, COLUMN_NUMBER, COLUMN_FILE, PLAN_FILE = 1 };

struct cursor {
    sqlite3_vtab_cursor base;
    const char *at, *end; /* the current line; the file's end */
    sqlite3_int64 number;
};

static int length_of(const struct cursor *cursor)
{
    const char *newline = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
    return (int)((newline ? newline : cursor->end) - cursor->at);
}

static int connect(sqlite3 *db, void *argument, int count, const char *const *words, sqlite3_vtab **ret_table, char **ret_error)
{
    (void)argument;
    (void)count;
    (void)words;
    (void)ret_error;
    *ret_table = sqlite3_malloc(sizeof **ret_table);
    if (!*ret_table)
        return SQLITE_NOMEM;
    **ret_table = (sqlite3_vtab){ 0 };
    return sqlite3_declare_vtab(db, "CREATE TABLE x(line, number, file HIDDEN)");
}

static int disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].iColumn != COLUMN_FILE || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = 1;
        info->aConstraintUsage[i].omit = 1;
        info->idxNum = PLAN_FILE;
    }
    return SQLITE_OK;
}

static int open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
    struct cursor *cursor = sqlite3_malloc(sizeof *cursor);

    (void)table;
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor = (struct cursor){ 0 };
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *text, int count, sqlite3_value **values)
{
    struct cursor *cursor = (struct cursor *)base;
    uint64_t size;

    (void)text;
    const char *name = plan == PLAN_FILE && count ? (const char *)sqlite3_value_text(values[0]) : 0;
    cursor->at = name ? archive_find(name, &size) : 0;
    cursor->number = 1;
    if (!cursor->at) {
        base->pVtab->zErrMsg = sqlite3_mprintf("the archive has no file \"%s\"", name ? name : "");
        return SQLITE_ERROR;
    }
    cursor->end = cursor->at + size;
    return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;

    cursor->at += length_of(cursor);
    cursor->at += cursor->at < cursor->end;
    cursor->number++;
    return SQLITE_OK;
}

static int is_over(sqlite3_vtab_cursor *base)
{
    const struct cursor *cursor = (const struct cursor *)base;
    return cursor->at >= cursor->end;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
    const struct cursor *cursor = (const struct cursor *)base;

    if (number == COLUMN_LINE)
        sqlite3_result_text(context, cursor->at, length_of(cursor), SQLITE_STATIC);
    else if (number == COLUMN_NUMBER)
        sqlite3_result_int64(context, cursor->number);
    return SQLITE_OK;
}

static int row(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_row)
{
    *ret_row = ((const struct cursor *)base)->number;
    return SQLITE_OK;
}

int lines_register(sqlite3 *db)
{
    static const sqlite3_module module = {
        .xConnect = connect, .xDisconnect = disconnect, .xBestIndex = best_index, .xOpen = open, .xClose = close, .xFilter = filter,
        .xNext = next, .xEof = is_over, .xColumn = column, .xRowid = row,
    };
    return sqlite3_create_module(db, "lines", &module, 0);
}
