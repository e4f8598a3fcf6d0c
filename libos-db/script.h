/*
 * SQL from the archive: statements, whose rows are printed with | between the columns, and lines that begin with a dot:
 *     .print TEXT            TEXT
 *     .repeat COUNT SQL      one statement COUNT times, each a transaction of its own
 *     .during MS SQL         the same for so many milliseconds
 */
#pragma once
#include <stdint.h>
#include <sqlite3.h>

/* Runs it all; how many statements failed, each of which was reported. */
uint32_t script_run(sqlite3 *db, const char *text);
