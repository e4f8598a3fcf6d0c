#include "script.h"
#include "instance.h"
#include <exo/machine.h>
#include <exo/text.h>

enum { LINE_MOST = 240, STATEMENT_MOST = 4096 };

static void line_add(char *line, const char *text)
{
    size_t length = exo_text_length(line);
    exo_text_copy(line + length, text, LINE_MOST - length);
}

static void row_print(sqlite3_stmt *statement)
{
    char line[LINE_MOST] = "";

    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        if (i)
            line_add(line, "|");
        line_add(line, text ? text : "NULL");
    }
    exo_print("%s", line);
}

static uint32_t failure_print(sqlite3 *db, const char *sql)
{
    char shown[64];

    exo_text_copy(shown, sql, sizeof shown);
    exo_print("error: %s: in %s", sqlite3_errmsg(db), shown);
    return 1;
}

/* To its end: 0, or 1 if it failed. */
static uint32_t statement_run(sqlite3 *db, sqlite3_stmt *statement)
{
    int result;

    instance_answer();
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        row_print(statement);
    return result == SQLITE_DONE ? 0 : failure_print(db, sqlite3_sql(statement));
}

/* The same statement again and again until `count` or the time is over. */
static uint32_t statement_repeat(sqlite3 *db, const char *sql, uint64_t count, uint64_t milliseconds)
{
    uint64_t begin = exo_time(), end = begin + milliseconds * 1000000, done = 0;
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, 0) != SQLITE_OK)
        return failure_print(db, sql);
    uint32_t failed = 0;
    while (!failed && (count ? done < count : exo_time() < end)) {
        failed = statement_run(db, statement);
        sqlite3_reset(statement);
        done++;
    }
    sqlite3_finalize(statement);
    exo_print("%lu transactions in %lu ms", done - failed, (exo_time() - begin) / 1000000);
    return failed;
}

static bool word_is(const char **line, const char *word)
{
    size_t length = exo_text_length(word);

    if (memcmp(*line, word, length) || (*line)[length] != ' ')
        return false;
    *line += length + 1;
    return true;
}

static uint32_t command_run(sqlite3 *db, const char *line)
{
    if (word_is(&line, ".print")) {
        exo_print("%s", line);
        return 0;
    }
    bool is_repeat = word_is(&line, ".repeat");
    if (!is_repeat && !word_is(&line, ".during")) {
        exo_print("error: unknown command %s", line);
        return 1;
    }
    uint64_t number = exo_text_number(&line);
    return statement_repeat(db, line, is_repeat ? number : 0, number);
}

/* A line that begins with a dot, cut off the text. */
static const char *line_take(const char *text, char *line)
{
    size_t length = 0;

    for (; *text && *text != '\n'; text++)
        if (length + 1 < STATEMENT_MOST)
            line[length++] = *text;
    line[length] = 0;
    return text;
}

uint32_t script_run(sqlite3 *db, const char *text)
{
    static char line[STATEMENT_MOST];
    uint32_t failed = 0;

    for (;;) {
        sqlite3_stmt *statement;
        while (*text == ' ' || *text == '\n')
            text++;
        if (!*text)
            return failed;
        if (*text == '.') {
            text = line_take(text, line);
            failed += command_run(db, line);
            continue;
        }
        const char *begin = text;
        if (sqlite3_prepare_v2(db, text, -1, &statement, &text) != SQLITE_OK)
            return failed + failure_print(db, begin);
        if (statement)
            failed += statement_run(db, statement);
        sqlite3_finalize(statement);
    }
}
