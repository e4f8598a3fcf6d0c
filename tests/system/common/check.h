/*
 * Cases of a test program: each a function named like a sentence that holds, printed as `PASS sentence` or `FAIL
 * sentence`. What went wrong is noted before, in lines of its own.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check_case {
    const char *name;
    bool (*holds)(void);
};

#define CASE(function) { #function, function }
#define CASES(list)    list, sizeof list / sizeof list[0]

/* Runs them in order. */
void check_run(const struct check_case *cases, size_t count);
/* One result that is no case of a list. */
bool check_print(bool holds, const char *sentence);
/* 0 if all that was printed so far held; prints how many did. */
int check_status(void);
/* The same without printing: has one failed, or was there none? And how many there were. */
bool check_failed(void);
uint32_t check_count(void);
/* From now on only what fails is printed. */
void check_be_quiet(void);
bool check_is_quiet(void);

/* Notes of what is wrong, with the two values; true if they agree. At most a few a case are printed. */
bool check_equal(const char *what, int64_t value, int64_t expected);
/* A refusal is any negative status. */
bool check_refused(const char *what, int64_t result);
/* Must it be true, or the program cannot go on: then it ends. */
void check_must(const char *what, int64_t result);
