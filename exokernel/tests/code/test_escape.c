/* Classes of mistakes by which programs have escaped from other verifiers and compilers, each by name, where they show only in the
   compiled program. What a processor does after a wrongly predicted branch is done here for good: an accepted program is compiled
   with the branch taken out that its safety rests on. Then it may read and write nothing but its own memory all the same. */
#include "assemble.h"
#include "runner.h"
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WORD(i) ((int16_t)(offsetof(struct runner_context, word) + 8 * (i)))
#define START ((int16_t)offsetof(struct runner_context, start))
#define END ((int16_t)offsetof(struct runner_context, end))
#define SHARED ((int16_t)offsetof(struct runner_context, shared))
#define PROGRAM(...) (struct code_instruction[]){__VA_ARGS__}, COUNT(((struct code_instruction[]){__VA_ARGS__}))

enum { GUARD_BYTE = 0x5a, PACKET_BYTE = 0x11, SHARED_BYTE = 0x22, SLOTS_MAX = 32 };

static uint64_t secret = 0xc3c3c3c3c3c3c3c3;

/* Verified as it is, compiled with another instruction in one of its slots. */
static code_entry *compiled_with(struct code_instruction *slots, uint32_t count, uint32_t slot, struct code_instruction other)
{
    struct code_program program;

    ck_assert_msg(runner_verify(&program, slots, count), "refused in slot %u: %s", runner_refusal.instruction,
                  code_reason_text(runner_refusal.reason));
    slots[slot] = other;
    code_entry *entry = runner_compile(&program, NULL);
    ck_assert_ptr_nonnull(entry);
    return entry;
}

/* The first byte of its result is the packet's, the other region's, or nobody's. */
static void stays_inside(code_entry *entry, const uint64_t word[2], uint32_t packet_size)
{
    struct outcome before = {.budget = 100, .word = {word[0], word[1]}};

    memset(before.packet, PACKET_BYTE, sizeof before.packet);
    memset(before.shared, SHARED_BYTE, sizeof before.shared);
    struct outcome after = runner_call(entry, &before, packet_size);
    uint8_t seen = (uint8_t)after.result;
    ck_assert_msg(seen == PACKET_BYTE || seen == SHARED_BYTE || seen == 0, "with %#lx it reads %#lx", word[0], after.result);
    ck_assert_msg(runner_guards_are_whole(), "with %#lx it writes outside", word[0]);
}

static void every_index_stays_inside(code_entry *entry)
{
    static const uint64_t far[] = {4096, INT32_MAX, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX - 4096};

    for (int64_t index = -300; index < 300; index++)
        stays_inside(entry, (uint64_t[]){(uint64_t)index, 0}, 64);
    for (uint32_t i = 0; i < COUNT(far); i++)
        stays_inside(entry, (uint64_t[]){far[i], 0}, 64);
    stays_inside(entry, (uint64_t[]){(uintptr_t)&secret, 0}, 64);
}

#define SHARED_AT_INDEX(check) LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), check

START_TEST(escape_alu_sanitation)
{
    /* Added, taken away, in both regions and on the stack; loaded and stored. */
    every_index_stays_inside(compiled_with(PROGRAM(SHARED_AT_INDEX(JUMP_K(JMP_JGT, 3, 63, 3)), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_B, 0, 2, 0),
                                                   EXIT, SET(0, 0), EXIT), 2, (struct code_instruction)JUMP(0)));
    every_index_stays_inside(compiled_with(PROGRAM(SHARED_AT_INDEX(JUMP_K(JMP_JGT, 3, 64, 5)), JUMP_K(JMP_JLT, 3, 8, 4), ALU64_K(ALU_ADD, 2, 64),
                                                   ALU64_X(ALU_SUB, 2, 3), LOAD(SIZE_DW, 0, 2, 0), EXIT, SET(0, 0), EXIT),
                                           2, (struct code_instruction)JUMP(1)));
    every_index_stays_inside(compiled_with(PROGRAM(SHARED_AT_INDEX(JUMP_K(JMP_JGT, 3, 56, 2)), ALU64_X(ALU_ADD, 2, 3), STORE_K(SIZE_DW, 2, 0, 0),
                                                   SET(0, 0), EXIT), 2, (struct code_instruction)JUMP(0)));
    every_index_stays_inside(compiled_with(PROGRAM(SHARED_AT_INDEX(JUMP_K(JMP_JSGT, 3, 56, 4)), JUMP_K(JMP_JSLT, 3, 0, 3), ALU64_X(ALU_ADD, 2, 3),
                                                   LOAD(SIZE_DW, 0, 2, 0), EXIT, SET(0, 0), EXIT), 3, (struct code_instruction)JUMP(0)));
    every_index_stays_inside(compiled_with(PROGRAM(STORE_K(SIZE_DW, 10, -8, 0), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JGT, 3, 7, 4), COPY(2, 10),
                                                   ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_B, 0, 2, -8), EXIT, SET(0, 0), EXIT),
                                           2, (struct code_instruction)JUMP(0)));
    every_index_stays_inside(compiled_with(PROGRAM(STORE_K(SIZE_DW, 10, -8, 0), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JGT, 3, 7, 3), COPY(2, 10),
                                                   ALU64_X(ALU_ADD, 2, 3), STORE_K(SIZE_B, 2, -8, 0), SET(0, 0), EXIT),
                                           2, (struct code_instruction)JUMP(0)));
}
END_TEST

START_TEST(escape_alu_sanitation_of_the_packets_end)
{
    code_entry *entry = compiled_with(PROGRAM(LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), COPY(4, 2), ALU64_K(ALU_ADD, 4, 64),
                                              JUMP_X(JMP_JGT, 4, 3, 3), LOAD(SIZE_B, 0, 2, 63), STORE_K(SIZE_B, 2, 63, 0), EXIT, SET(0, 0), EXIT),
                                      4, (struct code_instruction)JUMP(0));

    for (uint32_t size = 0; size < 70; size++)
        stays_inside(entry, (uint64_t[]){0, 0}, size);
}
END_TEST

/* What keeps addresses inside changes nothing at the first and the last place that there is. */
START_TEST(escape_alu_sanitation_changes_no_valid_address)
{
    struct code_program program;
    struct outcome before = {.budget = 100}, after;

    ck_assert(runner_verify(&program, PROGRAM(SHARED_AT_INDEX(JUMP_K(JMP_JGT, 3, 63, 3)), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_B, 0, 2, 0),
                                              EXIT, SET(0, 999), EXIT)));
    for (uint32_t i = 0; i < RUNNER_SHARED; i++)
        before.shared[i] = (uint8_t)(i + 1);
    for (uint64_t index = 0; index < 70; index++) {
        before.word[0] = index;
        const char *differs = runner_compare(&program, &before, 64, &after);
        ck_assert_msg(!differs, "%s", differs);
        ck_assert_uint_eq(after.result, index < 64 ? index + 1 : 999);
    }
}
END_TEST

START_TEST(escape_speculative_type_confusion)
{
    /* A number of the program's choice where a pointer is on the right path: at a fixed place, at a variable one, and stored through. */
    code_entry *entries[3];
    static const struct code_instruction last[] = {LOAD(SIZE_B, 0, 3, 0), LOAD(SIZE_B, 0, 3, 0), STORE_K(SIZE_B, 3, 0, 0)};
    uint64_t before = secret;

    for (uint32_t i = 0; i < COUNT(entries); i++) {
        entries[i] = compiled_with(PROGRAM(LOAD(SIZE_DW, 3, 1, WORD(0)), LOAD(SIZE_DW, 4, 1, WORD(1)), SET(0, 0), JUMP_K(JMP_JEQ, 4, 0, 4),
                                           LOAD(SIZE_DW, 3, 1, SHARED), LOAD(SIZE_DW, 5, 1, WORD(2)), ALU64_K(ALU_AND, 5, i ? 31 : 0),
                                           ALU64_X(ALU_ADD, 3, 5), JUMP_K(JMP_JNE, 4, 0, 1), EXIT, last[i], EXIT),
                                   8, (struct code_instruction)JUMP(1));
        stays_inside(entries[i], (uint64_t[]){(uintptr_t)&secret, 0}, 64);
        stays_inside(entries[i], (uint64_t[]){1, 0}, 64);
        stays_inside(entries[i], (uint64_t[]){UINT64_MAX, 0}, 64);
        ck_assert_uint_eq(secret, before);
    }
}
END_TEST

START_TEST(escape_speculative_use_of_null)
{
    stays_inside(compiled_with(PROGRAM(LOAD(SIZE_DW, 1, 1, WORD(0)), INVOKE(HELPER_SHARED), JUMP_K(JMP_JEQ, 0, 0, 1), LOAD(SIZE_B, 0, 0, 8), EXIT),
                               2, (struct code_instruction)JUMP(0)), (uint64_t[]){0, 0}, 64);
}
END_TEST

/* ---- arguments of helpers */

static uint64_t shared_words[8] __attribute__((aligned(64)));
static volatile bool is_over;

static void *size_flip(void *context)
{
    while (!is_over) {
        __atomic_store_n(&shared_words[0], 4096, __ATOMIC_RELAXED);
        __atomic_store_n(&shared_words[0], 8, __ATOMIC_RELAXED);
    }
    return context;
}

/* r6 = the region; eight bytes of the stack are 1. The helper adds up as many as r2 says, and what is left of the budget. */
#define SUM_OF(...) LOAD(SIZE_DW, 6, 1, SHARED), LDDW(2, 0x0101010101010101), STORE(SIZE_DW, 10, -8, 2), LOAD(SIZE_DW, 2, 6, 0), \
                    JUMP_K(JMP_JLE, 2, 8, 2), SET(0, 0), EXIT, __VA_ARGS__, COPY(1, 10), ALU64_K(ALU_ADD, 1, -8), SET(3, 0), SET(4, 0), \
                    SET(5, 1), INVOKE(HELPER_SUM), EXIT

START_TEST(escape_helper_argument_race)
{
    /* Others write the region: what was checked once is not what is read the second time. */
    struct code_program program;
    ck_assert(!runner_verify(&program, PROGRAM(SUM_OF(LOAD(SIZE_DW, 2, 6, 0)))));
    ck_assert(runner_refusal.reason == CODE_BAD_ARGUMENT && runner_refusal.instruction == 14 && runner_refusal.culprit == 2);

    /* Read once, it is what the helper gets, whatever the compiled program does meanwhile. */
    ck_assert(runner_verify(&program, PROGRAM(SUM_OF(COPY(7, 2), STORE(SIZE_DW, 10, -16, 2), LOAD(SIZE_DW, 2, 10, -16)))));
    code_entry *entry = runner_compile(&program, NULL);
    struct runner_context context = {.shared = (uintptr_t)shared_words};
    pthread_t thread;
    uint32_t used = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, size_flip, NULL), 0);
    for (uint32_t i = 0; i < 300000; i++) {
        struct code_run run = {.memory = {{0}, {(uintptr_t)shared_words, 64}}, .context = &context, .budget = 1000};
        uint64_t sum = entry(&run);
        ck_assert_msg(!sum || sum - run.budget <= 8, "%lu bytes", sum - run.budget);
        used += sum != 0;
    }
    is_over = true;
    pthread_join(thread, NULL);
    ck_assert_uint_gt(used, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        escape_alu_sanitation, escape_alu_sanitation_of_the_packets_end, escape_alu_sanitation_changes_no_valid_address,
        escape_speculative_type_confusion, escape_speculative_use_of_null, escape_helper_argument_race,
    };
    Suite *suite = suite_create("escape");
    for (uint32_t i = 0; i < COUNT(tests); i++) {
        TCase *test = tcase_create("escape");
        tcase_set_timeout(test, 60);
        tcase_add_test(test, tests[i]);
        suite_add_tcase(suite, test);
    }
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
