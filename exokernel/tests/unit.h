/*
 * What the unit tests share: each test is a sentence, runs in a process of its own, and has a world with the root on processor 0.
 * A call that failed must have changed nothing; the invariants must hold after every test; and at the end every
 * call must have failed once with each status that the ABI lists for it. TAP on stdout.
 */
#pragma once
#include "invariants.h"
#include "world.h"
#include <check.h>

enum {
    FRAMES = 80,
    A = 20, A_CAPABILITIES = 21, B = 22, B_CAPABILITIES = 23,
    A_SLOT = 4, B_SLOT = 5, CONSOLE_SLOT = 6, MACHINE_SLOT = 7,
    A_FIRST = 32, A_COUNT = 16, /* A's FRAMES capability, in its slot 1 */
    FREE_FRAME = 60,            /* frames from here on are free */
    NO_FRAME = 5000,
    READ = EXO_MAP_READ, WRITABLE = EXO_MAP_READ | EXO_MAP_WRITE, RUNNABLE = EXO_MAP_READ | EXO_MAP_EXECUTE,
};

/* world_call, and a call that fails has changed nothing but translations and interrupts. */
exo_result unit_call(uint32_t processor, uint32_t subject, uint32_t number, const uint64_t argument[6]);
/* Entry by entry: bind, protect, unbind. */
exo_result unit_map(uint32_t subject, uint32_t number, struct exo_mapping mapping);

#undef CALL
#undef CALL_FOR
#undef CALL_ON
#define CALL(name, ...) unit_call(0, 0, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
#define CALL_FOR(subject, name, ...) unit_call(0, subject, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
#define CALL_ON(processor, name, ...) unit_call(processor, 0, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
#define BIND(subject, ...) unit_map(subject, EXO_CALL_SPACE_BIND, (struct exo_mapping){__VA_ARGS__})
#define PROTECT(subject, ...) unit_map(subject, EXO_CALL_SPACE_PROTECT, (struct exo_mapping){__VA_ARGS__})
#define UNBIND(subject, ...) unit_map(subject, EXO_CALL_SPACE_UNBIND, (struct exo_mapping){__VA_ARGS__})
#define IS(call, status) ck_assert_int_eq(call, EXO_##status)
#define GIVES(call, number) ck_assert_int_eq(call, number)

/* The world above. */
void unit_setup(void);
/* A word of an entry as its owner reads it. */
uint64_t unit_entry(frame_name table, uint64_t address, uint32_t level);
const struct capability *unit_capability(frame_name capabilities, uint32_t slot);
/* The root asks A for `count` of what it owns under its slot 1, twice, with a deadline that has passed. */
void unit_demand(uint32_t count);

/* A test that is run `count` times, with _i from 0 on. */
void unit_add_loop(SRunner *runner, const char *name, void (*setup)(void), const TTest *test, int count);
/* A file's tests; unit.c names the suites. setup makes the world before each of them. */
void unit_add(SRunner *runner, const char *name, void (*setup)(void), const TTest *const *tests);
#define UNIT_SUITE(name, setup, ...)                                                                                   \
    void suite_##name(SRunner *runner);                                                                                \
    void suite_##name(SRunner *runner)                                                                                 \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__, NULL};                                                              \
        unit_add(runner, #name, setup, tests);                                                                         \
    }
