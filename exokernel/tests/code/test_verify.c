/* The verifier: what it accepts, what it refuses and where; and the classes of mistakes by which programs have escaped from
   other verifiers, each by name. Accepted programs also run in the interpreter, which must find no fault. */
#include "assemble.h"
#include "runner.h"
#include <verify.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WORD(i) ((int16_t)(offsetof(struct runner_context, word) + 8 * (i)))
#define START ((int16_t)offsetof(struct runner_context, start))
#define END ((int16_t)offsetof(struct runner_context, end))
#define SHARED ((int16_t)offsetof(struct runner_context, shared))
#define HALF ((int16_t)offsetof(struct runner_context, half))
#define PROGRAM(...) (const struct code_instruction[]){ __VA_ARGS__ }, COUNT(((const struct code_instruction[]){ __VA_ARGS__ }))

#define ACCEPTED(...) accepted(PROGRAM(__VA_ARGS__))
#define REFUSED(why, where, ...) refused(CODE_##why, where, PROGRAM(__VA_ARGS__))

static void accepted(const struct code_instruction *instructions, uint32_t count)
{
    static const uint64_t words[] = { 0, 1, 56, 57, 63, 64, 0x80000000, UINT32_MAX, 0x100000000, INT64_MAX, UINT64_MAX };
    struct code_program program;
    struct code_trace trace;

    ck_assert_msg(runner_verify(&program, instructions, count), "refused in slot %u: %s, register %u", runner_refusal.instruction,
                  code_reason_text(runner_refusal.reason), runner_refusal.culprit);
    for (uint32_t n = 0; n < COUNT(words) * COUNT(words); n++) {
        struct outcome before = { .budget = 3000, .word = { words[n % COUNT(words)], words[n / COUNT(words)] } };

        runner_interpret(&program, &before, n % 100, &trace);
        ck_assert_msg(!trace.fault, "escapes in slot %u", trace.instruction);
    }
}

static void refused(uint32_t reason, uint32_t where, const struct code_instruction *instructions, uint32_t count)
{
    struct code_program program;

    ck_assert_msg(!runner_verify(&program, instructions, count), "accepted");
    ck_assert_msg(runner_refusal.reason == reason && runner_refusal.instruction == where, "slot %u: %s, instead of slot %u: %s",
                  runner_refusal.instruction, code_reason_text(runner_refusal.reason), where, code_reason_text(reason));
}

/* By a kind that differs from the runner's. */
static void refused_for(const struct code_kind *kind, uint32_t reason, uint32_t where, const struct code_instruction *instructions, uint32_t count)
{
    static uint64_t work[1 << 16];
    struct code_note notes[16];
    struct code_program program = {kind, instructions, count, notes};

    ck_assert(count <= COUNT(notes));
    ck_assert(code_verify((struct code_verifier *)work, sizeof work, &program, 1000, &runner_refusal) == CODE_REFUSED);
    ck_assert_msg(runner_refusal.reason == reason && runner_refusal.instruction == where, "slot %u: %s", runner_refusal.instruction,
                  code_reason_text(runner_refusal.reason));
}

/* ---- single instructions */

START_TEST(unknown_instructions_are_refused)
{
    REFUSED(BAD_OPCODE, 0, SLOT(0xff, 0, 0, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(0x20, 0, 0, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU64 | 0xe0, 0, 0, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_JMP | 0xe0, 0, 0, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_JMP32 | JMP_EXIT, 0, 0, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_LDX | MODE_MEMSX | SIZE_DW, 0, 1, 0, 0), EXIT);
}
END_TEST

START_TEST(reserved_fields_are_zero)
{
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU64 | ALU_ADD, 0, 1, 0, 1), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU64 | ALU_ADD, 0, 0, 1, 1), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU64 | ALU_ADD | SOURCE_X, 0, 1, 0, 1), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU64 | ALU_DIV, 0, 0, 2, 1), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU | ALU_MOV | SOURCE_X, 0, 1, 32, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(CLASS_ALU | ALU_END, 0, 0, 0, 24), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(OPCODE_EXIT, 0, 0, 0, 1));
    REFUSED(BAD_OPCODE, 0, SLOT(OPCODE_CALL, 0, 1, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(OPCODE_LDDW, 0, 1, 0, 0), SLOT(0, 0, 0, 0, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(OPCODE_LDDW, 0, 0, 0, 0), SLOT(0, 0, 0, 1, 0), EXIT);
    REFUSED(BAD_OPCODE, 0, SLOT(OPCODE_LDDW, 0, 0, 0, 0));
}
END_TEST

START_TEST(registers_past_ten_and_writes_to_ten_are_refused)
{
    REFUSED(BAD_REGISTER, 0, SET(11, 0), EXIT);
    REFUSED(BAD_REGISTER, 0, COPY(0, 11), EXIT);
    REFUSED(BAD_REGISTER, 0, SET(10, 0), EXIT);
    REFUSED(BAD_REGISTER, 0, LOAD(SIZE_DW, 10, 1, 0), EXIT);
    REFUSED(BAD_REGISTER, 0, ATOMIC(SIZE_DW, ATOMIC_XCHG, 10, -8, 10), EXIT);
}
END_TEST

START_TEST(programs_that_run_off_their_end_are_refused)
{
    REFUSED(BAD_JUMP, 0, SET(0, 0));
    REFUSED(BAD_JUMP, 1, SET(0, 0), JUMP_K(JMP_JEQ, 0, 0, -1));
    REFUSED(BAD_JUMP, 1, SET(0, 0), JUMP(1), EXIT);
    REFUSED(BAD_JUMP, 1, SET(0, 0), JUMP(-3), EXIT);
    REFUSED(BAD_JUMP, 0, SLOT(OPCODE_JA32, 0, 0, 0, INT32_MAX), EXIT);
    REFUSED(BAD_JUMP, 0, SLOT(OPCODE_JA32, 0, 0, 0, INT32_MIN), EXIT);
}
END_TEST

START_TEST(jumps_into_wide_instructions_are_refused)
{
    REFUSED(BAD_JUMP, 0, JUMP(1), LDDW(0, 0), EXIT);
}
END_TEST

START_TEST(programs_have_1_to_4096_slots)
{
    static struct code_instruction long_one[CODE_INSTRUCTIONS + 1];

    for (uint32_t at = 0; at < COUNT(long_one); at++)
        long_one[at] = at < CODE_INSTRUCTIONS - 1 ? SET(0, (int32_t)at) : EXIT;
    accepted(long_one, CODE_INSTRUCTIONS);
    refused(CODE_BAD_COUNT, 0, long_one, CODE_INSTRUCTIONS + 1);
    refused(CODE_BAD_COUNT, 0, long_one, 0);
}
END_TEST

/* ---- registers and results */

START_TEST(unwritten_registers_are_not_read)
{
    REFUSED(UNINITIALISED, 0, COPY(0, 2), EXIT);
    REFUSED(UNINITIALISED, 0, EXIT);
    REFUSED(UNINITIALISED, 2, SET(1, 0), INVOKE(HELPER_LOG), COPY(0, 1), EXIT);
    REFUSED(UNINITIALISED, 4, LOAD(SIZE_DW, 2, 1, WORD(0)), JUMP_K(JMP_JEQ, 2, 0, 1), SET(3, 1), SET(0, 0), ALU64_X(ALU_ADD, 0, 3), EXIT);
}
END_TEST

START_TEST(results_are_numbers)
{
    REFUSED(NOT_SCALAR, 1, COPY(0, 1), EXIT);
    REFUSED(NOT_SCALAR, 1, COPY(0, 10), EXIT);
    REFUSED(NOT_SCALAR, 1, LOAD(SIZE_DW, 0, 1, START), EXIT);
    REFUSED(NOT_SCALAR, 1, LOAD(SIZE_DW, 0, 1, END), EXIT);
}
END_TEST

/* ---- the stack */

START_TEST(unwritten_stack_is_not_read)
{
    REFUSED(UNINITIALISED, 0, LOAD(SIZE_B, 0, 10, -1), EXIT);
    REFUSED(UNINITIALISED, 1, STORE_K(SIZE_W, 10, -8, 1), LOAD(SIZE_DW, 0, 10, -8), EXIT);
    ACCEPTED(STORE_K(SIZE_W, 10, -8, 1), STORE_K(SIZE_W, 10, -4, 1), LOAD(SIZE_DW, 0, 10, -8), EXIT);
}
END_TEST

START_TEST(stack_has_512_bytes)
{
    ACCEPTED(STORE_K(SIZE_DW, 10, -512, 1), LOAD(SIZE_B, 0, 10, -505), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, STORE_K(SIZE_B, 10, -513, 1), SET(0, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, STORE_K(SIZE_B, 10, 0, 1), SET(0, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, STORE_K(SIZE_W, 10, -3, 1), SET(0, 0), EXIT);
}
END_TEST

START_TEST(stack_is_indexed_by_bounded_numbers)
{
    ACCEPTED(STORE_K(SIZE_DW, 10, -8, 1), LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_K(ALU_AND, 2, 7), COPY(3, 10), ALU64_K(ALU_ADD, 3, -8),
             ALU64_X(ALU_ADD, 3, 2), LOAD(SIZE_B, 0, 3, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 6, STORE_K(SIZE_DW, 10, -8, 1), LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_K(ALU_AND, 2, 8), COPY(3, 10),
            ALU64_K(ALU_ADD, 3, -8), ALU64_X(ALU_ADD, 3, 2), LOAD(SIZE_B, 0, 3, 0), EXIT);
    REFUSED(UNINITIALISED, 6, STORE_K(SIZE_W, 10, -8, 1), LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_K(ALU_AND, 2, 7), COPY(3, 10),
            ALU64_K(ALU_ADD, 3, -8), ALU64_X(ALU_ADD, 3, 2), LOAD(SIZE_B, 0, 3, 0), EXIT);
}
END_TEST

START_TEST(seventeenth_pointer_on_the_stack_is_refused)
{
    struct code_instruction slots[SPILLS + 3];

    for (uint32_t n = 0; n <= SPILLS; n++)
        slots[n] = STORE(SIZE_DW, 10, (int16_t)(-8 - 8 * (int32_t)n), 1);
    slots[SPILLS + 1] = SET(0, 0);
    slots[SPILLS + 2] = EXIT;
    refused(CODE_TOO_MANY_SPILLS, SPILLS, slots, COUNT(slots));
}
END_TEST

/* ---- context and regions */

START_TEST(context_is_its_fields)
{
    ACCEPTED(LOAD(SIZE_W, 0, 1, HALF), STORE(SIZE_DW, 1, WORD(3), 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, LOAD(SIZE_DW, 0, 1, HALF), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, LOAD(SIZE_W, 0, 1, START), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, LOAD(SIZE_B, 0, 1, (int16_t)sizeof(struct runner_context)), EXIT);
    REFUSED(OUT_OF_BOUNDS, 0, LOAD(SIZE_B, 0, 1, -1), EXIT);
    REFUSED(NOT_WRITABLE, 0, STORE_K(SIZE_W, 1, HALF, 0), EXIT);
    REFUSED(NOT_WRITABLE, 0, STORE_K(SIZE_DW, 1, START, 0), EXIT);
    REFUSED(POINTER_STRAYS, 1, LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_X(ALU_ADD, 1, 2), EXIT);
}
END_TEST

#define PACKET_OF(room) LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), COPY(4, 2), ALU64_K(ALU_ADD, 4, room), SET(0, 0)

START_TEST(packet_is_read_as_far_as_it_was_compared_with_its_end)
{
    ACCEPTED(PACKET_OF(14), JUMP_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_H, 0, 2, 12), EXIT);
    ACCEPTED(PACKET_OF(14), JUMP_X(JMP_JLE, 4, 3, 1), EXIT, LOAD(SIZE_H, 0, 2, 12), EXIT);
    ACCEPTED(PACKET_OF(14), JUMP_X(JMP_JLT, 3, 4, 1), LOAD(SIZE_H, 0, 2, 12), EXIT);
    REFUSED(OUT_OF_BOUNDS, 6, PACKET_OF(14), JUMP_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_H, 0, 2, 13), EXIT);
    REFUSED(OUT_OF_BOUNDS, 6, PACKET_OF(14), JUMP_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_H, 0, 2, -1), EXIT);
    REFUSED(OUT_OF_BOUNDS, 1, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_B, 0, 2, 0), EXIT);
}
END_TEST

START_TEST(packet_header_of_variable_length_is_skipped)
{
    ACCEPTED(PACKET_OF(20), JUMP_X(JMP_JGT, 4, 3, 8), LOAD(SIZE_B, 5, 2, 0), ALU64_K(ALU_AND, 5, 15), ALU64_K(ALU_LSH, 5, 2),
             ALU64_X(ALU_ADD, 2, 5), COPY(4, 2), ALU64_K(ALU_ADD, 4, 8), JUMP_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_DW, 0, 2, 0), EXIT);
}
END_TEST

START_TEST(loop_over_the_packet_is_accepted_and_metered)
{
    ACCEPTED(LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), SET(0, 0), COPY(4, 2), ALU64_K(ALU_ADD, 4, 1),
             JUMP_X(JMP_JGT, 4, 3, 4), LOAD(SIZE_B, 5, 2, 0), ALU64_X(ALU_ADD, 0, 5), COPY(2, 4), JUMP(-7), EXIT);
}
END_TEST

START_TEST(endless_loop_is_accepted_and_ends)
{
    struct code_program program;
    struct code_trace trace;
    struct outcome before = { .budget = 5000 }, after;

    ck_assert(runner_verify(&program, PROGRAM(SET(0, 0), ALU64_K(ALU_ADD, 0, 1), JUMP(-2), EXIT)));
    after = runner_interpret(&program, &before, 0, &trace);
    ck_assert(after.spent && after.result == runner_kind.spent && !trace.fault);
    ck_assert_uint_le(trace.executed, 5000);
    ck_assert_uint_ge(trace.executed, 4990);
}
END_TEST

START_TEST(atomics_need_a_region_that_allows_them_and_alignment)
{
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), SET(3, 1), ATOMIC(SIZE_DW, ATOMIC_ADD | ATOMIC_FETCH, 2, 56, 3), COPY(0, 3), EXIT);
    REFUSED(NOT_ALIGNED, 2, LOAD(SIZE_DW, 2, 1, SHARED), SET(3, 1), ATOMIC(SIZE_DW, ATOMIC_ADD, 2, 4, 3), SET(0, 0), EXIT);
    REFUSED(NOT_WRITABLE, 1, SET(3, 1), ATOMIC(SIZE_DW, ATOMIC_ADD, 1, WORD(0), 3), SET(0, 0), EXIT);
    REFUSED(UNINITIALISED, 1, SET(3, 1), ATOMIC(SIZE_DW, ATOMIC_ADD, 10, -8, 3), SET(0, 0), EXIT);
    REFUSED(POINTER_STORED, 1, LOAD(SIZE_DW, 2, 1, SHARED), ATOMIC(SIZE_DW, ATOMIC_XCHG, 2, 0, 2), SET(0, 0), EXIT);
}
END_TEST

START_TEST(regions_allow_what_their_flags_say)
{
    static const struct code_helper some = {"some", NULL, {{CODE_ARGUMENT_WRITE, 8}}, CODE_RESULT_SCALAR, 0, 0};
    struct code_region regions[2] = {runner_kind.regions[0], runner_kind.regions[1]};
    struct code_kind kind = runner_kind;

    kind.regions = regions;
    kind.helpers = &some;
    kind.helper_count = 1;
    regions[1].flags = 0;
    refused_for(&kind, CODE_NOT_WRITABLE, 1, PROGRAM(LOAD(SIZE_DW, 2, 1, SHARED), STORE_K(SIZE_DW, 2, 0, 0), SET(0, 0), EXIT));
    refused_for(&kind, CODE_NOT_WRITABLE, 1, PROGRAM(LOAD(SIZE_DW, 1, 1, SHARED), INVOKE(0), EXIT));
    regions[1].flags = CODE_REGION_WRITE;
    refused_for(&kind, CODE_NOT_WRITABLE, 2, PROGRAM(LOAD(SIZE_DW, 2, 1, SHARED), SET(0, 0), ATOMIC(SIZE_DW, ATOMIC_ADD, 2, 0, 0), EXIT));
    regions[1].flags = CODE_REGION_ATOMIC;
    refused_for(&kind, CODE_NOT_WRITABLE, 2, PROGRAM(LOAD(SIZE_DW, 2, 1, SHARED), SET(0, 0), ATOMIC(SIZE_DW, ATOMIC_ADD, 2, 0, 0), EXIT));
}
END_TEST

/* ---- known classes of escapes */

START_TEST(escape_truncated_bounds)
{
    /* A comparison of the lower half says nothing of the upper one. */
    REFUSED(POINTER_STRAYS, 4, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP32_K(JMP_JGT, 3, 56, 3),
            ALU64_K(ALU_AND, 3, -257), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_truncated_bounds_of_a_wide_number)
{
    REFUSED(POINTER_STRAYS, 3, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP32_K(JMP_JGT, 3, 56, 2),
            ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP32_K(JMP_JGT, 3, 56, 3), ALU32_X(ALU_MOV, 3, 3),
             ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    /* Half a pointer is neither 0 nor behind the end. */
    REFUSED(NOT_SCALAR, 2, SET(1, 1), INVOKE(HELPER_SHARED), JUMP32_K(JMP_JNE, 0, 0, 1), EXIT, SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 5, PACKET_OF(8), JUMP32_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_DW, 0, 2, 0), EXIT);
    /* What is learned of a half is not true of the whole, although the whole has copies. */
    REFUSED(POINTER_STRAYS, 5, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), COPY(5, 3), ALU32_X(ALU_MOV, 4, 3),
            JUMP_K(JMP_JGT, 4, 56, 2), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    /* 2^32 + 1, cut by arithmetic of 32 bits, is 1; not so its bounds. */
    REFUSED(OUT_OF_BOUNDS, 8, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), LDDW(4, 0x100000001), JUMP_X(JMP_JGT, 3, 4, 4),
            ALU64_K(ALU_RSH, 3, 1), ALU32_K(ALU_RSH, 3, 24), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_sign_confusion)
{
    /* A signed limit lets negative numbers pass. */
    REFUSED(POINTER_STRAYS, 3, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JSGT, 3, 56, 2),
            ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 5, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JSGT, 3, 56, 3),
            JUMP_K(JMP_JSLT, 3, -1, 2), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JSGT, 3, 56, 3),
             JUMP_K(JMP_JSLT, 3, 0, 2), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    /* What is taken away from a pointer brings it before its memory. */
    REFUSED(OUT_OF_BOUNDS, 4, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), ALU64_K(ALU_AND, 3, 31), ALU64_X(ALU_SUB, 2, 3),
            LOAD(SIZE_B, 0, 2, 0), EXIT);
    /* A half with its sign copied is not the half. */
    REFUSED(POINTER_STRAYS, 3, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), SLOT(CLASS_ALU64 | ALU_MOV | SOURCE_X, 3, 3, 32, 0),
            ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), EXIT);
    /* A byte with its sign copied, by a move or by the load, may be negative. */
    REFUSED(OUT_OF_BOUNDS, 5, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_B, 3, 1, WORD(0)), SLOT(CLASS_ALU64 | ALU_MOV | SOURCE_X, 3, 3, 8, 0),
            JUMP_K(JMP_JSGT, 3, 56, 2), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 4, LOAD(SIZE_DW, 2, 1, SHARED), LOAD_SIGNED(SIZE_B, 3, 1, WORD(0)), JUMP_K(JMP_JSGT, 3, 56, 2),
            ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    /* And what is learned of it, below 0 here, is not true of the byte: 128 to 255, not -128 to -1. */
    REFUSED(OUT_OF_BOUNDS, 8, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_B, 3, 1, WORD(0)), COPY(5, 3),
            SLOT(CLASS_ALU64 | ALU_MOV | SOURCE_X, 4, 3, 8, 0), JUMP_K(JMP_JSGE, 4, 0, 4), ALU64_K(ALU_ADD, 3, 128), ALU64_K(ALU_RSH, 3, 2),
            ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_B, 0, 2, 0), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_off_by_one_at_range_ends)
{
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JGT, 3, 56, 2), ALU64_X(ALU_ADD, 2, 3),
             LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 4, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JGT, 3, 57, 2),
            ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), JUMP_K(JMP_JGE, 3, 57, 2), ALU64_X(ALU_ADD, 2, 3),
             LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    ACCEPTED(PACKET_OF(8), JUMP_X(JMP_JGE, 4, 3, 1), LOAD(SIZE_B, 0, 2, 8), EXIT);
    REFUSED(OUT_OF_BOUNDS, 6, PACKET_OF(8), JUMP_X(JMP_JGE, 4, 3, 1), LOAD(SIZE_B, 0, 2, 9), EXIT);
    REFUSED(OUT_OF_BOUNDS, 6, PACKET_OF(8), JUMP_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_B, 0, 2, 8), EXIT);
    /* The same of a pointer at a distance that varies. */
#define PACKET_FROM(distance) LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), LOAD(SIZE_DW, 4, 1, WORD(0)), ALU64_K(ALU_AND, 4, 63), \
                              ALU64_X(ALU_ADD, 2, 4), COPY(5, 2), ALU64_K(ALU_ADD, 5, distance), SET(0, 0), JUMP_X(JMP_JGT, 5, 3, 1)
    ACCEPTED(PACKET_FROM(8), LOAD(SIZE_B, 0, 2, 7), EXIT);
    REFUSED(OUT_OF_BOUNDS, 9, PACKET_FROM(8), LOAD(SIZE_B, 0, 2, 8), EXIT);
    /* A pointer that is not behind the end may be at the end of the largest packet, 2048 bytes from its start. */
    REFUSED(OUT_OF_BOUNDS, 11, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), LOAD(SIZE_H, 4, 1, WORD(0)), COPY(5, 2),
            ALU64_X(ALU_ADD, 5, 4), SET(0, 0), JUMP_X(JMP_JGT, 5, 3, 5), ALU64_X(ALU_SUB, 5, 2), ALU64_K(ALU_RSH, 5, 11),
            LOAD(SIZE_DW, 6, 1, SHARED), ALU64_X(ALU_ADD, 6, 5), LOAD(SIZE_B, 0, 6, 63), EXIT);
    ACCEPTED(LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), LOAD(SIZE_H, 4, 1, WORD(0)), COPY(5, 2),
             ALU64_X(ALU_ADD, 5, 4), SET(0, 0), JUMP_X(JMP_JGT, 5, 3, 5), ALU64_X(ALU_SUB, 5, 2), ALU64_K(ALU_RSH, 5, 11),
             LOAD(SIZE_DW, 6, 1, SHARED), ALU64_X(ALU_ADD, 6, 5), LOAD(SIZE_B, 0, 6, 62), EXIT);
}
END_TEST

START_TEST(escape_arithmetic_on_a_pointer_that_may_be_null)
{
    /* 0 + 8 is not 0, and passes the test for it. */
    REFUSED(MAYBE_NULL, 2, SET(1, 1), INVOKE(HELPER_SHARED), ALU64_K(ALU_ADD, 0, 8), JUMP_K(JMP_JEQ, 0, 0, 1), LOAD(SIZE_DW, 0, 0, 0),
            SET(0, 0), EXIT);
    REFUSED(MAYBE_NULL, 2, SET(1, 1), INVOKE(HELPER_SHARED), LOAD(SIZE_DW, 0, 0, 0), EXIT);
    REFUSED(NOT_POINTER, 3, SET(1, 1), INVOKE(HELPER_SHARED), JUMP_K(JMP_JNE, 0, 0, 1), LOAD(SIZE_DW, 0, 0, 0), SET(0, 0), EXIT);
    ACCEPTED(SET(1, 1), INVOKE(HELPER_SHARED), COPY(6, 0), JUMP_K(JMP_JEQ, 0, 0, 1), LOAD(SIZE_DW, 0, 6, 56), EXIT);
    REFUSED(OUT_OF_BOUNDS, 4, SET(1, 1), INVOKE(HELPER_SHARED), COPY(6, 0), JUMP_K(JMP_JEQ, 0, 0, 1), LOAD(SIZE_DW, 0, 6, 57), EXIT);
}
END_TEST

START_TEST(escape_null_test_of_another_pointer)
{
    REFUSED(MAYBE_NULL, 6, SET(1, 1), INVOKE(HELPER_SHARED), COPY(6, 0), SET(1, 1), INVOKE(HELPER_SHARED), JUMP_K(JMP_JEQ, 0, 0, 1),
            LOAD(SIZE_DW, 0, 6, 0), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_compiler_notes_do_not_trust_branches)
{
    /* ALU sanitation: what a branch has bounded is not fixed for the compiler, so it is brought in by data flow. */
    struct code_program program;

    ck_assert(runner_verify(&program, PROGRAM(PACKET_OF(8), JUMP_X(JMP_JGT, 4, 3, 1), LOAD(SIZE_DW, 0, 2, 0), EXIT)));
    ck_assert(program.notes[6].memory == CODE_NOTE_REGION && !program.notes[6].fixed);
    ck_assert(program.notes[0].memory == CODE_NOTE_CONTEXT && program.notes[0].fixed);
    ck_assert(runner_verify(&program, PROGRAM(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 0, 2, 56), EXIT)));
    ck_assert(program.notes[1].memory == CODE_NOTE_REGION && program.notes[1].fixed && program.notes[1].offset == 56);
}
END_TEST

START_TEST(escape_speculative_type_confusion)
{
    /* One load, of the stack on one way and of a region on the other: no single base to keep it in. */
    REFUSED(MIXED_MEMORY, 6, STORE_K(SIZE_DW, 10, -8, 0), LOAD(SIZE_DW, 2, 1, WORD(0)), LOAD(SIZE_DW, 3, 1, SHARED),
            JUMP_K(JMP_JEQ, 2, 0, 2), COPY(3, 10), ALU64_K(ALU_ADD, 3, -8), LOAD(SIZE_DW, 0, 3, 0), EXIT);
    REFUSED(POINTER_STRAYS, 2, LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_K(ALU_AND, 2, 8), ALU64_X(ALU_ADD, 1, 2), LOAD(SIZE_DW, 0, 1, WORD(0)), EXIT);
    /* Nor has one that loads either of two fields of the context, whose places the compiler takes as they are. */
    REFUSED(MIXED_MEMORY, 4, LOAD(SIZE_DW, 2, 1, WORD(0)), COPY(3, 1), JUMP_K(JMP_JEQ, 2, 0, 1), ALU64_K(ALU_ADD, 3, 8),
            LOAD(SIZE_DW, 0, 3, WORD(0)), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_helper_argument_size)
{
#define SUM(size) STORE_K(SIZE_DW, 10, -8, 0), COPY(1, 10), ALU64_K(ALU_ADD, 1, -8), SET(2, size), SET(3, 0), SET(4, 0), SET(5, 0), \
                  INVOKE(HELPER_SUM), EXIT
    ACCEPTED(SUM(8));
    ACCEPTED(SUM(0));
    REFUSED(OUT_OF_BOUNDS, 7, SUM(9));
    REFUSED(BAD_ARGUMENT, 7, SUM(65));
    REFUSED(BAD_ARGUMENT, 7, SUM(-1));
    REFUSED(NOT_POINTER, 4, SET(1, 0), SET(2, 0), SET(3, 0), SET(4, 0), INVOKE(HELPER_SUM), EXIT);
    REFUSED(BAD_ARGUMENT, 3, SET(2, 0), SET(3, 0), SET(4, 0), INVOKE(HELPER_SUM), EXIT);
    REFUSED(UNINITIALISED, 5, COPY(1, 10), ALU64_K(ALU_ADD, 1, -8), SET(2, 8), SET(3, 0), SET(4, 0), INVOKE(HELPER_SUM), EXIT);
}
END_TEST

START_TEST(escape_helper_reads_pointers)
{
    REFUSED(NOT_SCALAR, 7, STORE(SIZE_DW, 10, -8, 1), COPY(1, 10), ALU64_K(ALU_ADD, 1, -8), SET(2, 8), SET(3, 0), SET(4, 0), SET(5, 0),
            INVOKE(HELPER_SUM), EXIT);
    REFUSED(NOT_SCALAR, 1, COPY(1, 10), INVOKE(HELPER_LOG), EXIT);
}
END_TEST

START_TEST(escape_helper_overwrites_a_spill)
{
    REFUSED(NOT_POINTER, 7, LOAD(SIZE_DW, 2, 1, SHARED), STORE(SIZE_DW, 10, -8, 2), COPY(1, 10), ALU64_K(ALU_ADD, 1, -8), SET(2, 7),
            INVOKE(HELPER_FILL), LOAD(SIZE_DW, 2, 10, -8), LOAD(SIZE_DW, 0, 2, 0), EXIT);
}
END_TEST

START_TEST(escape_helper_writes_less_than_it_may)
{
    /* Bytes of the stack that it may have left as they were are not read. */
    static const struct code_helper some = {"some", NULL, {{CODE_ARGUMENT_WRITE, 0}, {CODE_ARGUMENT_SIZE, 8}}, CODE_RESULT_SCALAR, 0, 0};
    struct code_kind kind = runner_kind;

    kind.helpers = &some;
    kind.helper_count = 1;
    refused_for(&kind, CODE_BAD_ARGUMENT, 4, PROGRAM(LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_K(ALU_AND, 2, 8), COPY(1, 10), ALU64_K(ALU_ADD, 1, -8),
                                                     INVOKE(0), LOAD(SIZE_DW, 0, 10, -8), EXIT));
}
END_TEST

START_TEST(escape_helper_is_given_another_context)
{
    static const struct code_helper some = {"some", NULL, {{CODE_ARGUMENT_CONTEXT, 0}}, CODE_RESULT_SCALAR, 0, 0};
    struct code_kind kind = runner_kind;

    kind.helpers = &some;
    kind.helper_count = 1;
    refused_for(&kind, CODE_BAD_ARGUMENT, 1, PROGRAM(ALU64_K(ALU_ADD, 1, 8), INVOKE(0), EXIT));
    refused_for(&kind, CODE_BAD_ARGUMENT, 1, PROGRAM(LOAD(SIZE_DW, 1, 1, SHARED), INVOKE(0), EXIT));
}
END_TEST

START_TEST(escape_spill_loses_its_identity)
{
    /* The number that was bounded is not the one that is loaded again. */
    REFUSED(POINTER_STRAYS, 6, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), STORE(SIZE_DW, 10, -8, 3),
            JUMP_K(JMP_JGT, 3, 56, 5), STORE(SIZE_DW, 10, -8, 1), LOAD(SIZE_DW, 3, 1, WORD(1)), ALU64_X(ALU_ADD, 2, 3),
            LOAD(SIZE_DW, 0, 2, 0), EXIT, SET(0, 0), EXIT);
    /* Part of a pointer overwritten: neither pointer nor number. */
    REFUSED(UNINITIALISED, 2, STORE(SIZE_DW, 10, -8, 1), STORE_K(SIZE_B, 10, -8, 0), LOAD(SIZE_DW, 0, 10, -8), EXIT);
    REFUSED(NOT_SCALAR, 1, STORE(SIZE_DW, 10, -8, 1), LOAD(SIZE_W, 0, 10, -8), EXIT);
    REFUSED(NOT_ALIGNED, 0, STORE(SIZE_DW, 10, -12, 1), EXIT);
    /* A pointer on one way, a number on the other. */
    REFUSED(NOT_SCALAR, 5, STORE(SIZE_DW, 10, -8, 1), LOAD(SIZE_DW, 2, 1, WORD(0)), JUMP_K(JMP_JEQ, 2, 0, 1),
            STORE_K(SIZE_DW, 10, -8, 0), LOAD(SIZE_DW, 0, 10, -8), EXIT);
}
END_TEST

START_TEST(escape_store_at_variable_offset_over_a_pointer)
{
    REFUSED(NOT_SCALAR, 6, STORE(SIZE_DW, 10, -8, 1), LOAD(SIZE_DW, 2, 1, WORD(0)), ALU64_K(ALU_AND, 2, 7), COPY(3, 10),
            ALU64_K(ALU_ADD, 3, -8), ALU64_X(ALU_ADD, 3, 2), STORE_K(SIZE_B, 3, 0, 0), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_bounds_of_a_stale_copy)
{
    /* r3 was copied, then changed: what is learned of it is not true of the copy. */
    REFUSED(POINTER_STRAYS, 5, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), COPY(4, 3), ALU64_K(ALU_AND, 3, 1),
            JUMP_K(JMP_JGT, 3, 56, 2), ALU64_X(ALU_ADD, 2, 4), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), COPY(4, 3), JUMP_K(JMP_JGT, 3, 56, 2),
             ALU64_X(ALU_ADD, 2, 4), LOAD(SIZE_DW, 0, 2, 0), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_range_of_another_variable)
{
    /* What was compared with the end is another pointer than the one that is read. */
    REFUSED(OUT_OF_BOUNDS, 11, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), LOAD(SIZE_DW, 4, 1, WORD(0)), ALU64_K(ALU_AND, 4, 63),
            LOAD(SIZE_DW, 5, 1, WORD(1)), ALU64_K(ALU_AND, 5, 63), COPY(6, 2), ALU64_X(ALU_ADD, 6, 4), ALU64_X(ALU_ADD, 2, 5), SET(0, 0),
            JUMP_X(JMP_JGE, 6, 3, 1), LOAD(SIZE_B, 0, 2, 0), EXIT);
    /* Two distances, of which each alone would be small enough. */
    REFUSED(OUT_OF_BOUNDS, 7, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), LOAD(SIZE_DW, 4, 1, WORD(1)), ALU64_K(ALU_AND, 3, 63),
            ALU64_K(ALU_AND, 4, 63), ALU64_X(ALU_ADD, 2, 3), ALU64_X(ALU_ADD, 2, 4), LOAD(SIZE_B, 0, 2, 0), EXIT);
    /* The end of one region is not that of the other. */
    REFUSED(NOT_SCALAR, 3, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, END), SET(0, 0), JUMP_X(JMP_JGT, 2, 3, 1), LOAD(SIZE_B, 0, 2, 0),
            EXIT);
    /* That the packet has 128 bytes says nothing of the other region, which has 64. */
    REFUSED(OUT_OF_BOUNDS, 7, PACKET_OF(128), JUMP_X(JMP_JGT, 4, 3, 2), LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_B, 0, 2, 64), EXIT);
}
END_TEST

START_TEST(escape_where_paths_meet)
{
    /* What the first path knew when it arrived is not true of the second: of the region's size, the stack, a number, an identity. */
    REFUSED(OUT_OF_BOUNDS, 6, PACKET_OF(14), JUMP_X(JMP_JLE, 4, 3, 0), LOAD(SIZE_B, 0, 2, 13), EXIT);
    REFUSED(UNINITIALISED, 5, LOAD(SIZE_DW, 2, 1, WORD(0)), JUMP_K(JMP_JEQ, 2, 0, 2), STORE_K(SIZE_W, 10, -8, 0), JUMP(1), SET(0, 0),
            LOAD(SIZE_B, 0, 10, -8), EXIT);
    REFUSED(OUT_OF_BOUNDS, 7, LOAD(SIZE_DW, 2, 1, WORD(0)), LOAD(SIZE_DW, 3, 1, SHARED), JUMP_K(JMP_JEQ, 2, 0, 2), SET(4, 56), JUMP(1),
            SET(4, 57), ALU64_X(ALU_ADD, 3, 4), LOAD(SIZE_DW, 0, 3, 0), EXIT);
    REFUSED(POINTER_STRAYS, 10, LOAD(SIZE_DW, 2, 1, WORD(0)), LOAD(SIZE_DW, 3, 1, SHARED), LOAD(SIZE_DW, 4, 1, WORD(1)),
            JUMP_K(JMP_JEQ, 2, 0, 2), COPY(5, 4), JUMP(2), LOAD(SIZE_DW, 5, 1, WORD(2)), JUMP(0), SET(0, 0), JUMP_K(JMP_JGT, 5, 56, 2),
            ALU64_X(ALU_ADD, 3, 4), LOAD(SIZE_DW, 0, 3, 0), EXIT);
}
END_TEST

/* More paths than are kept apart have written the stack and were walked; the one that has not comes last, and is merged with them. */
START_TEST(escape_where_paths_are_merged)
{
    REFUSED(UNINITIALISED, 14, LOAD(SIZE_DW, 2, 1, WORD(0)), JUMP_K(JMP_JEQ, 2, 9, 11), STORE_K(SIZE_DW, 10, -8, 7),
            SET(3, 0), JUMP_K(JMP_JEQ, 2, 0, 9), SET(3, 1), JUMP_K(JMP_JEQ, 2, 1, 7), SET(3, 2), JUMP_K(JMP_JEQ, 2, 2, 5),
            SET(3, 3), JUMP_K(JMP_JEQ, 2, 3, 3), SET(3, 4), JUMP(1), SET(3, 77), LOAD(SIZE_DW, 0, 10, -8), ALU64_X(ALU_ADD, 0, 3), EXIT);
}
END_TEST

START_TEST(escape_pointer_wraps_around)
{
    REFUSED(POINTER_STRAYS, 1, LOAD(SIZE_DW, 2, 1, START), ALU64_K(ALU_ADD, 2, INT32_MAX), SET(0, 0), EXIT);
    REFUSED(POINTER_STRAYS, 2, LOAD(SIZE_DW, 2, 1, START), ALU64_K(ALU_ADD, 2, 0x1fffffff), ALU64_K(ALU_ADD, 2, 0x1fffffff), SET(0, 0), EXIT);
    REFUSED(POINTER_STRAYS, 2, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_W, 3, 1, WORD(0)), ALU64_X(ALU_ADD, 2, 3), SET(0, 0), EXIT);
}
END_TEST

START_TEST(escape_pointer_leaks)
{
    REFUSED(POINTER_STORED, 0, STORE(SIZE_DW, 1, WORD(0), 1), SET(0, 0), EXIT);
    REFUSED(POINTER_STORED, 1, LOAD(SIZE_DW, 2, 1, SHARED), STORE(SIZE_DW, 2, 0, 10), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 1, SET(0, 0), ALU64_X(ALU_XOR, 0, 1), EXIT);
    REFUSED(NOT_SCALAR, 0, ALU32_X(ALU_MOV, 0, 1), EXIT);
    REFUSED(NOT_SCALAR, 0, JUMP_X(JMP_JGT, 1, 10, 0), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 0, JUMP_K(JMP_JGT, 1, 4096, 0), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 0, JUMP_K(JMP_JSET, 1, 8, 0), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 2, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, SHARED), JUMP_X(JMP_JGT, 2, 3, 0), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 2, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, SHARED), ALU64_X(ALU_SUB, 2, 3), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 2, COPY(2, 10), LOAD(SIZE_DW, 3, 1, START), ALU64_X(ALU_SUB, 2, 3), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 2, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), JUMP_X(JMP_JSGT, 2, 3, 0), SET(0, 0), EXIT);
    REFUSED(NOT_SCALAR, 2, LOAD(SIZE_DW, 2, 1, START), LOAD(SIZE_DW, 3, 1, END), JUMP_X(JMP_JSET, 2, 3, 0), SET(0, 0), EXIT);
    ACCEPTED(LOAD(SIZE_DW, 0, 1, END), LOAD(SIZE_DW, 3, 1, START), ALU64_X(ALU_SUB, 0, 3), EXIT);
}
END_TEST

START_TEST(escape_division)
{
    /* By 0, and the least number by -1: defined, and of known bounds. */
    ACCEPTED(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), LOAD(SIZE_DW, 4, 1, WORD(1)), ALU64_K(ALU_AND, 3, 56),
             ALU64_X(ALU_DIV, 3, 4), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), EXIT);
    REFUSED(OUT_OF_BOUNDS, 7, LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_DW, 3, 1, WORD(0)), LOAD(SIZE_DW, 4, 1, WORD(1)),
            ALU64_K(ALU_AND, 3, 63), ALU64_K(ALU_AND, 4, 8), ALU64_X(ALU_MOD, 3, 4), ALU64_X(ALU_ADD, 2, 3), LOAD(SIZE_DW, 0, 2, 0), EXIT);
}
END_TEST

/* ---- the verifier itself */

START_TEST(escape_exhaustion_of_the_verifier)
{
    /* Every way through many branches is another state; merged, they are looked at in bounded time. */
    enum { BRANCHES = 1000 };
    static struct code_instruction slots[3 * BRANCHES + 3];
    struct code_program program;
    uint32_t count = 0;

    slots[count++] = SET(0, 0);
    for (uint32_t n = 0; n < BRANCHES; n++) {
        slots[count++] = LOAD(SIZE_DW, 2, 1, WORD(n % 2));
        slots[count++] = JUMP_K(JMP_JEQ, 2, (int32_t)n, 1);
        slots[count++] = ALU64_K(ALU_ADD, 0, (int32_t)n);
    }
    slots[count++] = EXIT;
    ck_assert_msg(runner_verify(&program, slots, count), "%s", code_reason_text(runner_refusal.reason));
}
END_TEST

static enum code_verdict verify_within(size_t size, uint64_t visits, uint32_t steps, const struct code_instruction *slots, uint32_t count)
{
    static struct code_note notes[64];
    struct code_program program = { .kind = &runner_kind, .instructions = slots, .count = count, .notes = notes };
    uint64_t *work = aligned_alloc(8, size), guard = 0x1122334455667788;
    enum code_verdict verdict;

    memcpy((uint8_t *)work + size - 8, &guard, 8);
    verdict = code_verify_start((struct code_verifier *)work, size - 8, &program, visits, &runner_refusal);
    while (verdict == CODE_AGAIN)
        verdict = code_verify_step((struct code_verifier *)work, steps, &runner_refusal);
    ck_assert(!memcmp((uint8_t *)work + size - 8, &guard, 8));
    free(work);
    return verdict;
}

#define DIAMONDS LOAD(SIZE_DW, 2, 1, WORD(0)), SET(0, 0), JUMP_K(JMP_JEQ, 2, 1, 1), SET(0, 1), JUMP_K(JMP_JEQ, 2, 2, 1), SET(0, 2), EXIT

START_TEST(verifier_stays_within_its_memory_and_visits)
{
    ck_assert(verify_within(code_verify_size(7, 2) + 8, 1000, 1, PROGRAM(DIAMONDS)) == CODE_ACCEPTED);
    ck_assert(verify_within(code_verify_size(7, 1) + 8, 1000, 1, PROGRAM(DIAMONDS)) == CODE_REFUSED);
    ck_assert(runner_refusal.reason == CODE_TOO_LARGE);
    ck_assert(verify_within(sizeof(struct code_verifier), 1000, 1, PROGRAM(DIAMONDS)) == CODE_REFUSED);
    ck_assert(runner_refusal.reason == CODE_TOO_LARGE);
    ck_assert(verify_within(code_verify_size(7, 8) + 8, 3, 100, PROGRAM(DIAMONDS)) == CODE_REFUSED);
    ck_assert(runner_refusal.reason == CODE_TOO_COMPLEX);
}
END_TEST

START_TEST(refusal_names_instruction_register_and_what_was_known)
{
    struct code_program program;

    ck_assert(!runner_verify(&program, PROGRAM(LOAD(SIZE_DW, 2, 1, SHARED), LOAD(SIZE_B, 3, 1, WORD(0)), ALU64_X(ALU_ADD, 2, 3),
                                               LOAD(SIZE_B, 0, 2, 0), EXIT)));
    ck_assert(runner_refusal.reason == CODE_OUT_OF_BOUNDS && runner_refusal.instruction == 3 && runner_refusal.culprit == 2);
    ck_assert(runner_refusal.registers[2].type == CODE_POINTER && runner_refusal.registers[2].region == 1);
    ck_assert(runner_refusal.registers[2].scalar.low == 0 && runner_refusal.registers[2].scalar.high == 255);
}
END_TEST

#define TESTS(test) \
    test(unknown_instructions_are_refused) test(reserved_fields_are_zero) test(registers_past_ten_and_writes_to_ten_are_refused) \
    test(programs_that_run_off_their_end_are_refused) test(jumps_into_wide_instructions_are_refused) \
    test(programs_have_1_to_4096_slots) test(unwritten_registers_are_not_read) test(results_are_numbers) \
    test(unwritten_stack_is_not_read) test(stack_has_512_bytes) test(stack_is_indexed_by_bounded_numbers) \
    test(seventeenth_pointer_on_the_stack_is_refused) test(context_is_its_fields) \
    test(packet_is_read_as_far_as_it_was_compared_with_its_end) test(packet_header_of_variable_length_is_skipped) \
    test(loop_over_the_packet_is_accepted_and_metered) test(endless_loop_is_accepted_and_ends) \
    test(atomics_need_a_region_that_allows_them_and_alignment) test(regions_allow_what_their_flags_say) test(escape_truncated_bounds) \
    test(escape_truncated_bounds_of_a_wide_number) test(escape_sign_confusion) test(escape_off_by_one_at_range_ends) \
    test(escape_arithmetic_on_a_pointer_that_may_be_null) test(escape_null_test_of_another_pointer) \
    test(escape_compiler_notes_do_not_trust_branches) test(escape_speculative_type_confusion) test(escape_helper_argument_size) \
    test(escape_helper_reads_pointers) test(escape_helper_overwrites_a_spill) test(escape_helper_writes_less_than_it_may) \
    test(escape_helper_is_given_another_context) \
    test(escape_spill_loses_its_identity) \
    test(escape_store_at_variable_offset_over_a_pointer) test(escape_bounds_of_a_stale_copy) test(escape_range_of_another_variable) \
    test(escape_where_paths_meet) test(escape_where_paths_are_merged) test(escape_pointer_wraps_around) test(escape_pointer_leaks) test(escape_division) test(escape_exhaustion_of_the_verifier) \
    test(verifier_stays_within_its_memory_and_visits) test(refusal_names_instruction_register_and_what_was_known)

int main(void)
{
    Suite *suite = suite_create("verify");
    SRunner *runner = srunner_create(suite);

#define ADD(name) { TCase *tests = tcase_create(#name); tcase_add_test(tests, name); suite_add_tcase(suite, tests); }
    TESTS(ADD)
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
