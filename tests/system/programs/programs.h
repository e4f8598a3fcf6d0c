/* What the cases of programs share: programs as `exo code` wrote them, and loading them under the test's own capabilities. */
#pragma once
#include <check.h>
#include <exo/code.h>

enum { BUDGET = 64 };

#define LOAD(name, code) program_load(name##_code, sizeof name##_code / 8, code)
/* 0 or what it was refused with; the refusal is kept. */
int64_t program_load(const uint64_t *slots, uint32_t count, struct exo_code *code);
extern struct exo_refusal program_refusal;

/* attack.c */
extern const struct check_case attacks[];
extern const size_t attack_count;
