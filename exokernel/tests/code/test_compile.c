/* The compiler against the interpreter: every instruction with every register, edge values, all memory, all budgets. */
#include "assemble.h"
#include "runner.h"
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WORD(i) (offsetof(struct runner_context, word) + 8 * (i))
#define PROGRAM(...) (const struct code_instruction[]){__VA_ARGS__}, COUNT(((const struct code_instruction[]){__VA_ARGS__}))

static const uint64_t edges[] = {0, 1, 7, 33, 0x80, 0x8000, 0x80000000, 0xffffffff, 0x123456789abcdef0, INT64_MAX,
                                 (uint64_t)INT64_MIN, UINT64_MAX, UINT64_MAX - 6};
static const int32_t immediates[] = {0, 1, -1, 2, 3, 8, 31, 127, 128, -128, -129, 0x12345678, INT32_MAX, INT32_MIN};

/* The instruction under test is slot 3 of each program made here. */
static void accept(struct code_program *program, const struct code_instruction *instructions, uint32_t count)
{
    ck_assert_msg(runner_verify(program, instructions, count), "opcode %02x in slot %u refused: %s",
                  instructions[runner_refusal.instruction].opcode, runner_refusal.instruction, code_reason_text(runner_refusal.reason));
}

/* The program for all pairs of edge values in words 0 and 1. */
static void program_agrees_on_edges(const struct code_instruction *instructions, uint32_t count)
{
    struct code_program program;
    struct code_trace trace;
    struct outcome before = {.budget = 1000};
    accept(&program, instructions, count);
    code_entry *entry = runner_compile(&program, 0);
    ck_assert_ptr_nonnull(entry);
    for (uint32_t i = 0; i < COUNT(edges) * COUNT(edges); i++) {
        before.word[0] = edges[i / COUNT(edges)];
        before.word[1] = edges[i % COUNT(edges)];
        struct outcome expected = runner_interpret(&program, &before, 64, &trace), found = runner_call(entry, &before, 64);
        ck_assert_msg(!memcmp(&expected, &found, sizeof(expected)),
                      "opcode %02x offset %d immediate %d registers %02x of %lx and %lx: %lx %lx, should be %lx %lx",
                      instructions[3].opcode, instructions[3].offset, instructions[3].immediate, instructions[3].registers,
                      before.word[0], before.word[1], found.word[2], found.word[3], expected.word[2], expected.word[3]);
    }
}

/* Arithmetic stores both registers; a jump leaves one store out. */
static void instruction_agrees(struct code_instruction tested)
{
    uint8_t to = code_destination(tested), from = code_source(tested), hold = 0, class = OPCODE_CLASS(tested.opcode);
    while (hold == to || hold == from)
        hold++;
    if (class == CLASS_JMP || class == CLASS_JMP32) {
        tested.offset = 1;
        program_agrees_on_edges(PROGRAM(COPY(hold, 1), LOAD(SIZE_DW, to, hold, WORD(0)), LOAD(SIZE_DW, from, hold, WORD(1)), tested,
                                        STORE_K(SIZE_DW, hold, WORD(2), 1), STORE(SIZE_DW, hold, WORD(3), from), SET(0, 5), EXIT));
    } else {
        program_agrees_on_edges(PROGRAM(COPY(hold, 1), LOAD(SIZE_DW, to, hold, WORD(0)), LOAD(SIZE_DW, from, hold, WORD(1)), tested,
                                        STORE(SIZE_DW, hold, WORD(2), to), STORE(SIZE_DW, hold, WORD(3), from), SET(0, 5), EXIT));
    }
}

static void registers_agree(uint8_t opcode, int16_t offset)
{
    for (uint8_t pair = 0; pair < 100; pair++)
        instruction_agrees(SLOT(opcode | SOURCE_X, pair / 10, pair % 10, offset, 0));
}

static void immediate_agrees(uint8_t opcode, int16_t offset, int32_t immediate)
{
    for (uint8_t to = 0; to < 10; to++)
        instruction_agrees(SLOT(opcode | SOURCE_K, to, 0, offset, immediate));
}

static void immediates_agree(uint8_t opcode, int16_t offset)
{
    for (uint32_t i = 0; i < COUNT(immediates); i++)
        immediate_agrees(opcode, offset, immediates[i]);
}

START_TEST(arithmetic_agrees_on_all_registers_and_edges)
{
    static const uint8_t operations[] = {ALU_ADD, ALU_SUB, ALU_MUL, ALU_OR, ALU_AND, ALU_XOR, ALU_MOV};
    for (uint32_t i = 0; i < COUNT(operations); i++) {
        registers_agree(CLASS_ALU64 | operations[i], 0);
        registers_agree(CLASS_ALU | operations[i], 0);
        immediates_agree(CLASS_ALU64 | operations[i], 0);
        immediates_agree(CLASS_ALU | operations[i], 0);
    }
    for (uint8_t to = 0; to < 10; to++) {
        instruction_agrees(SLOT(CLASS_ALU64 | ALU_NEG, to, 0, 0, 0));
        instruction_agrees(SLOT(CLASS_ALU | ALU_NEG, to, 0, 0, 0));
    }
}
END_TEST

START_TEST(escape_division_by_zero_and_minus_one)
{
    for (int16_t has_sign = 0; has_sign < 2; has_sign++)
        for (uint8_t operation = ALU_DIV; operation; operation = operation == ALU_DIV ? ALU_MOD : 0) {
            registers_agree(CLASS_ALU64 | operation, has_sign);
            registers_agree(CLASS_ALU | operation, has_sign);
            immediates_agree(CLASS_ALU64 | operation, has_sign);
            immediates_agree(CLASS_ALU | operation, has_sign);
        }
}
END_TEST

START_TEST(shifts_agree_beyond_the_width_too)
{
    static const uint8_t operations[] = {ALU_LSH, ALU_RSH, ALU_ARSH};
    for (uint32_t i = 0; i < COUNT(operations); i++) {
        registers_agree(CLASS_ALU64 | operations[i], 0);
        registers_agree(CLASS_ALU | operations[i], 0);
        for (int32_t count = 0; count < 64; count++) {
            immediate_agrees(CLASS_ALU64 | operations[i], 0, count);
            if (count < 32)
                immediate_agrees(CLASS_ALU | operations[i], 0, count);
        }
    }
}
END_TEST

START_TEST(sign_extension_and_byte_order_agree)
{
    for (int16_t bits = 8; bits <= 32; bits *= 2) {
        registers_agree(CLASS_ALU64 | ALU_MOV, bits);
        if (bits < 32)
            registers_agree(CLASS_ALU | ALU_MOV, bits);
    }
    for (int32_t bits = 16; bits <= 64; bits *= 2)
        for (uint8_t to = 0; to < 10; to++) {
            instruction_agrees(SLOT(CLASS_ALU | ALU_END | SOURCE_K, to, 0, 0, bits));
            instruction_agrees(SLOT(CLASS_ALU | ALU_END | SOURCE_X, to, 0, 0, bits));
            instruction_agrees(SLOT(CLASS_ALU64 | ALU_END, to, 0, 0, bits));
        }
}
END_TEST

START_TEST(branches_agree_on_all_registers_and_edges)
{
    static const uint8_t operations[] = {JMP_JEQ, JMP_JGT, JMP_JGE, JMP_JSET, JMP_JNE, JMP_JSGT, JMP_JSGE, JMP_JLT, JMP_JLE, JMP_JSLT, JMP_JSLE};
    for (uint32_t i = 0; i < COUNT(operations); i++) {
        registers_agree(CLASS_JMP | operations[i], 0);
        registers_agree(CLASS_JMP32 | operations[i], 0);
        immediates_agree(CLASS_JMP | operations[i], 0);
        immediates_agree(CLASS_JMP32 | operations[i], 0);
    }
}
END_TEST

START_TEST(constants_of_64_bits_agree)
{
    for (uint32_t i = 0; i < COUNT(edges); i++)
        for (uint8_t to = 0; to < 10; to++)
            program_agrees_on_edges(PROGRAM(COPY(to == 2 ? 3 : 2, 1), LDDW(to, edges[i]), STORE(SIZE_DW, to == 2 ? 3 : 2, WORD(2), to),
                                            SET(0, 0), EXIT));
}
END_TEST

/* ---- memory. r9 is the context; each way ends with an address of 8 bytes in `pointer`, or jumps to slot 7 of `rest` below. */

enum place { CONTEXT, STACK_FIXED, STACK_VARIABLE, PACKET_FIXED, PACKET_VARIABLE, SHARED_FIXED, SHARED_VARIABLE, PLACES };

static uint32_t pointer_make(struct code_instruction *at, enum place place, uint8_t pointer, uint8_t limit)
{
    const struct code_instruction ways[PLACES][8] = {
        [CONTEXT] = {COPY(pointer, 9), ALU64_K(ALU_ADD, pointer, WORD(2))},
        [STACK_FIXED] = {COPY(pointer, 10), ALU64_K(ALU_ADD, pointer, -24)},
        [STACK_VARIABLE] = {LOAD(SIZE_DW, pointer, 9, WORD(0)), ALU64_K(ALU_AND, pointer, 0x18), ALU64_X(ALU_ADD, pointer, 10),
                            ALU64_K(ALU_ADD, pointer, -32)},
        [PACKET_FIXED] = {LOAD(SIZE_DW, pointer, 9, 0), COPY(limit, pointer), ALU64_K(ALU_ADD, limit, 24),
                          LOAD(SIZE_DW, 0, 9, 8), JUMP_X(JMP_JGT, limit, 0, 8), ALU64_K(ALU_ADD, pointer, 16)},
        [PACKET_VARIABLE] = {LOAD(SIZE_DW, pointer, 9, WORD(0)), ALU64_K(ALU_AND, pointer, 0x3f8), LOAD(SIZE_DW, 0, 9, 0),
                             ALU64_X(ALU_ADD, pointer, 0), COPY(limit, pointer), ALU64_K(ALU_ADD, limit, 8),
                             LOAD(SIZE_DW, 0, 9, 8), JUMP_X(JMP_JGT, limit, 0, 7)},
        [SHARED_FIXED] = {LOAD(SIZE_DW, pointer, 9, 16), ALU64_K(ALU_ADD, pointer, 56)},
        [SHARED_VARIABLE] = {LOAD(SIZE_DW, pointer, 9, WORD(0)), ALU64_K(ALU_AND, pointer, 0x38), LOAD(SIZE_DW, limit, 9, 16),
                             ALU64_X(ALU_ADD, pointer, limit)},
    };
    static const uint32_t counts[PLACES] = {2, 2, 4, 6, 8, 2, 4};
    memcpy(at, ways[place], counts[place] * sizeof(*at));
    return counts[place];
}

static void access_agrees_on_edges(const struct code_program *program, enum place place)
{
    static const uint32_t packet_sizes[] = {0, 23, 24, 1024};
    struct outcome before = {.budget = 200};
    struct code_trace trace;
    code_entry *entry = runner_compile(program, 0);
    ck_assert_ptr_nonnull(entry);
    for (uint32_t i = 0; i < RUNNER_PACKET; i++)
        before.packet[i] = before.shared[i % RUNNER_SHARED] = i * 37 + (i >> 8);
    for (uint32_t i = 0; i < COUNT(edges) * COUNT(packet_sizes); i++) {
        before.word[0] = edges[i % COUNT(edges)] * 8;
        before.word[1] = edges[(i + 5) % COUNT(edges)];
        uint32_t packet_size = packet_sizes[i / COUNT(edges)];
        struct outcome expected = runner_interpret(program, &before, packet_size, &trace);
        struct outcome found = runner_call(entry, &before, packet_size);
        ck_assert_msg(!trace.fault && !memcmp(&expected, &found, sizeof(expected)), "place %d opcode %02x immediate %x registers %02x: fault %d",
                      place, program->instructions[program->count - 7].opcode, program->instructions[program->count - 7].immediate,
                      program->instructions[program->count - 7].registers, trace.fault);
    }
}

static void access_agrees(struct code_instruction tested, enum place place, uint8_t pointer, uint8_t value)
{
    struct code_instruction list[40];
    struct code_program program;
    uint32_t count = 0;
    uint8_t limit = 1;
    while (limit == pointer || limit == value)
        limit++;
    list[count++] = (struct code_instruction)COPY(9, 1);
    for (int32_t down = -40; down < 0; down += 8)
        list[count++] = (struct code_instruction)STORE_K(SIZE_DW, 10, down, down * 0x1234567);
    count += pointer_make(list + count, place, pointer, limit);
    const struct code_instruction rest[] = {
        LOAD(SIZE_DW, 0, 9, WORD(1)), LOAD(SIZE_DW, value, 9, WORD(1)), tested, STORE(SIZE_DW, 9, WORD(0), 0),
        STORE(SIZE_DW, 9, WORD(1), value), LOAD(SIZE_DW, 0, 10, -24), JUMP(1), SET(0, 3), EXIT};
    memcpy(list + count, rest, sizeof(rest));
    accept(&program, list, count + COUNT(rest));
    access_agrees_on_edges(&program, place);
}

enum form { FORM_LOAD, FORM_STORE, FORM_STORE_K, FORM_ATOMIC };

static void form_agrees(enum form form, uint8_t opcode, int32_t immediate)
{
    static const uint8_t pointers[] = {1, 2, 3, 5, 6, 7, 8}, values[] = {0, 1, 2, 4, 7};
    for (enum place place = form == FORM_ATOMIC ? STACK_FIXED : CONTEXT; place < PLACES; place++)
        for (uint32_t i = 0; i < COUNT(pointers) * COUNT(values); i++) {
            uint8_t pointer = pointers[i / COUNT(values)], value = values[i % COUNT(values)];
            if (pointer == value || (place == CONTEXT && OPCODE_SIZE(opcode) != SIZE_DW))
                continue;
            access_agrees(form == FORM_LOAD ? (struct code_instruction)SLOT(opcode, value, pointer, 0, 0)
                          : SLOT(opcode, pointer, form == FORM_STORE_K ? 0 : value, 0, immediate), place, pointer, value);
        }
}

static const uint8_t sizes[] = {SIZE_B, SIZE_H, SIZE_W, SIZE_DW};

START_TEST(loads_agree_in_all_memory)
{
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        form_agrees(FORM_LOAD, CLASS_LDX | MODE_MEM | sizes[i], 0);
        if (sizes[i] != SIZE_DW)
            form_agrees(FORM_LOAD, CLASS_LDX | MODE_MEMSX | sizes[i], 0);
    }
}
END_TEST

START_TEST(stores_agree_in_all_memory)
{
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        form_agrees(FORM_STORE, CLASS_STX | MODE_MEM | sizes[i], 0);
        form_agrees(FORM_STORE_K, CLASS_ST | MODE_MEM | sizes[i], -0x12345678);
    }
}
END_TEST

START_TEST(atomic_instructions_agree_in_all_memory)
{
    static const int32_t operations[] = {
        ATOMIC_ADD, ATOMIC_OR, ATOMIC_AND, ATOMIC_XOR, ATOMIC_XCHG, ATOMIC_CMPXCHG,
        ATOMIC_ADD | ATOMIC_FETCH, ATOMIC_OR | ATOMIC_FETCH, ATOMIC_AND | ATOMIC_FETCH, ATOMIC_XOR | ATOMIC_FETCH};
    for (uint32_t i = 0; i < COUNT(operations); i++) {
        form_agrees(FORM_ATOMIC, CLASS_STX | MODE_ATOMIC | SIZE_W, operations[i]);
        form_agrees(FORM_ATOMIC, CLASS_STX | MODE_ATOMIC | SIZE_DW, operations[i]);
    }
}
END_TEST

/* ---- budget, helpers, what the compiler does not believe */

START_TEST(every_budget_ends_where_the_interpreter_ends)
{
    struct code_program program;
    struct outcome before = {0}, after;
    accept(&program, PROGRAM(COPY(9, 1), SET(6, 5), SET(7, 4), SET(1, 3), INVOKE(HELPER_LOG), STORE(SIZE_DW, 9, WORD(2), 7),
                             ALU64_K(ALU_SUB, 7, 1), JUMP_K(JMP_JNE, 7, 0, -5), ALU64_K(ALU_SUB, 6, 1),
                             JUMP_K(JMP_JEQ, 6, 0, 1), JUMP(-9), COPY(0, 7), EXIT));
    for (before.budget = 0; before.budget < 500; before.budget++) {
        const char *differs = runner_compare(&program, &before, 64, &after);
        ck_assert_msg(!differs, "budget %lu: %s", before.budget, differs);
        ck_assert(after.spent == (after.result == runner_kind.spent));
    }
    ck_assert(!after.spent);
}
END_TEST

START_TEST(jump_to_itself_ends_by_the_budget)
{
    struct code_program program;
    struct outcome before = {.budget = 1000}, after;
    accept(&program, PROGRAM(SET(0, 1), JUMP(-1), EXIT));
    const char *differs = runner_compare(&program, &before, 64, &after);
    ck_assert_msg(!differs, "%s", differs);
    ck_assert(after.spent);
}
END_TEST

START_TEST(successful_exchange_of_32_bits_clears_the_upper_half)
{
    struct code_program program;
    struct outcome before = {.budget = 100, .word = {0xfedcba9812345678, 0x1111}}, after;
    accept(&program, PROGRAM(LOAD(SIZE_DW, 0, 1, WORD(0)), LOAD(SIZE_DW, 2, 1, WORD(1)), STORE(SIZE_DW, 10, -8, 0),
                             ATOMIC(SIZE_W, ATOMIC_CMPXCHG, 10, -8, 2), LOAD(SIZE_DW, 2, 10, -8), STORE(SIZE_DW, 1, WORD(2), 2), EXIT));
    const char *differs = runner_compare(&program, &before, 64, &after);
    ck_assert_msg(!differs, "%s", differs);
    ck_assert_uint_eq(after.result, 0x12345678);
    ck_assert_uint_eq(after.word[2], 0xfedcba9800001111);
}
END_TEST

/* Two threads flip a bit each of the same word, and each must see its own bit alternate. */
static uint64_t shared_word[8] __attribute__((aligned(64)));
static code_entry *flip;

static void *flip_often(void *context)
{
    struct code_run run = {.memory = {{0}, {(uintptr_t)shared_word, 64}}, .context = context, .budget = 100000000};
    flip(&run);
    return 0;
}

START_TEST(fetching_atomics_lose_nothing_between_two_processors)
{
    enum { TIMES = 5000000 };
    struct runner_context contexts[2] = {0};
    struct code_program program;
    pthread_t threads[2];
    accept(&program, PROGRAM(COPY(9, 1), SET(6, 0), SET(7, TIMES), LOAD(SIZE_DW, 8, 9, WORD(0)), LOAD(SIZE_DW, 2, 9, 16), COPY(3, 8),
                             ATOMIC(SIZE_DW, ATOMIC_XOR | ATOMIC_FETCH, 2, 0, 3), ALU64_X(ALU_AND, 3, 8), JUMP_K(JMP_JEQ, 3, 0, 1),
                             ALU64_K(ALU_ADD, 6, 1), ALU64_K(ALU_SUB, 7, 1), JUMP_K(JMP_JNE, 7, 0, -7),
                             STORE(SIZE_DW, 9, WORD(1), 6), SET(0, 0), EXIT));
    flip = runner_compile(&program, 0);
    for (uint32_t i = 0; i < 2; i++) {
        contexts[i].shared = (uintptr_t)shared_word;
        contexts[i].word[0] = 1 << i;
        ck_assert_int_eq(pthread_create(&threads[i], 0, flip_often, &contexts[i]), 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], 0), 0);
        ck_assert_uint_eq(contexts[i].word[1], TIMES / 2);
    }
    ck_assert_uint_eq(shared_word[0], 0);
}
END_TEST

START_TEST(helpers_get_their_arguments_and_keep_what_is_to_be_kept)
{
    struct code_program program;
    struct outcome before = {.budget = 1000}, after;
    accept(&program, PROGRAM(COPY(9, 1), SET(6, 6), SET(7, 7), SET(8, 8), STORE_K(SIZE_DW, 10, -8, 0x01020304),
                             COPY(1, 10), ALU64_K(ALU_ADD, 1, -8), SET(2, 8), SET(3, 1000), SET(4, 9), SET(5, 31), INVOKE(HELPER_SUM),
                             STORE(SIZE_DW, 9, WORD(0), 0), COPY(1, 10), ALU64_K(ALU_ADD, 1, -16), SET(2, 0x77), INVOKE(HELPER_FILL),
                             LOAD(SIZE_DW, 0, 10, -16), STORE(SIZE_DW, 9, WORD(1), 0), LOAD(SIZE_DW, 1, 9, WORD(3)),
                             INVOKE(HELPER_SHARED), JUMP_K(JMP_JEQ, 0, 0, 1), STORE(SIZE_DW, 0, 8, 8),
                             ALU64_X(ALU_ADD, 6, 7), ALU64_X(ALU_ADD, 6, 8), STORE(SIZE_DW, 9, WORD(2), 6), SET(0, 1), EXIT));
    for (before.word[3] = 0; before.word[3] < 2; before.word[3]++) {
        const char *differs = runner_compare(&program, &before, 64, &after);
        ck_assert_msg(!differs, "%s", differs);
        ck_assert_uint_eq(after.word[1], 0x7777777777777777);
        ck_assert_uint_eq(after.word[2], 21);
        ck_assert_uint_eq(after.shared[8], before.word[3] ? 8 : 0);
    }
}
END_TEST

/* Calls `entry` with marks in all registers that a function must keep; how many it did not. */
uint64_t call_with_marks(code_entry *entry, struct code_run *run);
__asm__(".text\ncall_with_marks:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\nsub $8, %rsp\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov $1, %ebx\nmov $2, %ebp\nmov $3, %r12d\nmov $4, %r13d\nmov $5, %r14d\n"
        "mov $6, %r15d\nmov %rsp, (%rsp)\ncall *%rax\nxor %eax, %eax\n"
        "cmp $1, %rbx\nsetne %al\nmov %rax, %rcx\ncmp $2, %rbp\nsetne %al\nadd %rax, %rcx\ncmp $3, %r12\nsetne %al\nadd %rax, %rcx\n"
        "cmp $4, %r13\nsetne %al\nadd %rax, %rcx\ncmp $5, %r14\nsetne %al\nadd %rax, %rcx\ncmp $6, %r15\nsetne %al\nadd %rax, %rcx\n"
        "cmp %rsp, (%rsp)\nsetne %al\nadd %rcx, %rax\n"
        "add $8, %rsp\npop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n");

START_TEST(registers_of_the_caller_are_kept)
{
    for (uint32_t used = 0; used < 32; used++) {
        struct code_instruction list[8];
        struct code_program program;
        struct runner_context context;
        uint32_t count = 0;
        for (uint8_t i = 0; i < 4; i++)
            if (used & 1 << i)
                list[count++] = (struct code_instruction)SET(6 + i, 99);
        if (used & 16)
            list[count++] = (struct code_instruction)STORE_K(SIZE_DW, 10, -8, 99);
        list[count++] = (struct code_instruction)SET(0, 99);
        list[count++] = (struct code_instruction)EXIT;
        accept(&program, list, count);
        for (uint64_t budget = 0; budget <= 8; budget += 8) {
            struct code_run run = {.context = &context, .budget = budget};
            ck_assert_uint_eq(call_with_marks(runner_compile(&program, 0), &run), 0);
            ck_assert(run.spent == !budget);
        }
    }
}
END_TEST

/* Notes that the verifier would never make: the address may be anywhere around the memory that they name. */
START_TEST(access_outside_of_its_memory_lands_nowhere)
{
    enum { SIZE = 24, PLACE = RUNNER_PACKET - SIZE };
    struct outcome before = {.budget = 100};
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        int32_t width = sizes[i] == SIZE_B ? 1 : sizes[i] == SIZE_H ? 2 : sizes[i] == SIZE_W ? 4 : 8;
        struct code_instruction list[] = {LOAD(SIZE_DW, 2, 1, 0), LOAD(SIZE_DW, 3, 1, WORD(0)), ALU64_X(ALU_ADD, 2, 3), SET(0, 7),
                                          STORE_K(sizes[i], 2, 0, -1), EXIT};
        struct code_note notes[] = {{CODE_NOTE_CONTEXT, 0, true, true, 0}, {CODE_NOTE_CONTEXT, 0, true, true, WORD(0)}, {.reached = true},
                                    {.reached = true}, {CODE_NOTE_REGION, 0, false, true, 0}, {.reached = true}};
        struct code_program program = {&runner_kind, list, COUNT(list), notes};
        code_entry *entry = runner_compile(&program, 0);
        for (int64_t at = -40; at < SIZE + 16; at++)
            for (uint32_t small = 0; small < 2; small++) {
                before.word[0] = at;
                struct outcome after = runner_call(entry, &before, small ? 1 : SIZE);
                int64_t size = small ? 1 : SIZE, start = small ? RUNNER_PACKET - 8 : PLACE;
                bool inside = at >= 0 && at + width <= size;
                ck_assert_uint_eq(after.result, 7);
                for (int64_t byte = 0; byte < RUNNER_PACKET; byte++)
                    ck_assert_msg(after.packet[byte] == (inside && byte >= start + at && byte < start + at + width ? 0xff : 0),
                                  "width %d at %ld of %ld: byte %ld", width, at, size, byte - start);
            }
    }
}
END_TEST

START_TEST(access_outside_of_the_stack_lands_nowhere)
{
    static uint64_t victim;
    struct outcome before = {.budget = 100, .word = {(uintptr_t)&victim}};
    struct code_instruction list[] = {LOAD(SIZE_DW, 2, 1, WORD(0)), SET(0, 7), STORE_K(SIZE_DW, 2, 0, -1), EXIT};
    struct code_note notes[] = {{CODE_NOTE_CONTEXT, 0, true, true, WORD(0)}, {.reached = true}, {CODE_NOTE_STACK, 0, false, true, 0},
                                {.reached = true}};
    struct code_program program = {&runner_kind, list, COUNT(list), notes};
    ck_assert_uint_eq(runner_call(runner_compile(&program, 0), &before, 64).result, 7);
    ck_assert_uint_eq(victim, 0);
}
END_TEST

static __attribute__((noinline)) void stack_soil(void)
{
    volatile uint8_t junk[16384];
    for (uint32_t i = 0; i < sizeof(junk); i++)
        junk[i] = 0xff;
}

/* Notes that claim too much let it read what the verifier would not: all of the stack and the registers, which hold nothing. */
START_TEST(nothing_is_left_on_the_stack_and_in_registers)
{
    enum { SLOTS = CODE_STACK / 8, READS = 2 * SLOTS, REGISTERS = 8 };
    struct code_instruction list[READS + REGISTERS + 1];
    struct code_note notes[READS + REGISTERS + 1] = {0};
    struct outcome before = {.budget = 1000};

    for (uint32_t i = 0; i < REGISTERS; i++)
        list[i] = (struct code_instruction)ALU64_X(ALU_OR, 0, i + 2);
    for (uint32_t i = 0; i < SLOTS; i++) {
        list[REGISTERS + 2 * i] = (struct code_instruction)LOAD(SIZE_DW, 2, 10, -8 * (int)(i + 1));
        list[REGISTERS + 2 * i + 1] = (struct code_instruction)ALU64_X(ALU_OR, 0, 2);
        notes[REGISTERS + 2 * i] = (struct code_note){CODE_NOTE_STACK, 0, true, true, -8 * (int)(i + 1)};
    }
    list[READS + REGISTERS] = (struct code_instruction)EXIT;
    for (uint32_t i = 0; i < COUNT(list); i++)
        notes[i].reached = true;
    struct code_program program = {&runner_kind, list, COUNT(list), notes};
    code_entry *entry = runner_compile(&program, 0);
    stack_soil();
    ck_assert_uint_eq(runner_call(entry, &before, 64).result, 0);
}
END_TEST

/* The packet's region shrinks to nothing: what the notes call fixed is not there. */
START_TEST(fixed_access_beyond_the_region_lands_nowhere)
{
    struct code_program program;
    struct outcome before = {.budget = 100};
    struct code_instruction list[] = {LOAD(SIZE_DW, 2, 1, 0), STORE_K(SIZE_DW, 2, 16, -1), SET(0, 7), EXIT};
    struct code_note notes[] = {{CODE_NOTE_CONTEXT, 0, true, true, 0}, {CODE_NOTE_REGION, 0, true, true, 16}, {0, 0, 0, true, 0}, {0, 0, 0, true, 0}};
    program = (struct code_program){&runner_kind, list, COUNT(list), notes};
    for (uint32_t packet_size = 0; packet_size < 40; packet_size++) {
        struct outcome after = runner_call(runner_compile(&program, 0), &before, packet_size);
        uint32_t changed = 0;
        for (uint32_t i = 0; i < RUNNER_PACKET; i++)
            changed += after.packet[i];
        ck_assert_uint_eq(changed, packet_size < 24 ? 0 : 8 * 0xff);
    }
}
END_TEST

START_TEST(impossible_notes_are_not_compiled)
{
    static const struct code_note impossible[] = {
        {CODE_NOTE_NONE, 0, true, true, 0}, {CODE_NOTE_CONTEXT, 0, true, true, sizeof(struct runner_context) - 7},
        {CODE_NOTE_CONTEXT, 0, true, true, -1}, {CODE_NOTE_CONTEXT, 0, false, true, 0}, {CODE_NOTE_STACK, 0, true, true, -7},
        {CODE_NOTE_STACK, 0, true, true, -CODE_STACK - 1}, {CODE_NOTE_STACK, 0, true, true, INT32_MIN}, {CODE_NOTE_REGION, 2, true, true, 0},
        {CODE_NOTE_REGION, 2, false, true, 0}, {CODE_NOTE_REGION, 0, true, true, -1}, {CODE_NOTE_REGION, 0, true, true, RUNNER_PACKET - 7}};
    struct code_instruction list[] = {LOAD(SIZE_DW, 0, 1, 0), EXIT};
    for (uint32_t i = 0; i < COUNT(impossible); i++) {
        struct code_note notes[] = {impossible[i], {0, 0, 0, true, 0}};
        struct code_program program = {&runner_kind, list, COUNT(list), notes};
        ck_assert_msg(!runner_compile(&program, 0), "note %u", i);
    }
}
END_TEST

START_TEST(unreached_slots_end_the_run)
{
    struct code_instruction list[] = {SET(0, 7), JUMP(1), EXIT, EXIT};
    struct code_note notes[] = {{0, 0, 0, true, 0}, {0, 0, 0, true, 0}, {0, 0, 0, true, 0}, {0}};
    struct code_program program = {&runner_kind, list, COUNT(list), notes};
    struct outcome after = runner_call(runner_compile(&program, 0), &(struct outcome){.budget = 10}, 0);
    ck_assert(after.spent);
    ck_assert_uint_eq(after.result, runner_kind.spent);
}
END_TEST

START_TEST(code_too_large_for_its_place_is_not_written)
{
    static uint8_t code[512];
    static uint64_t work[256];
    struct code_compiler *compiler = (struct code_compiler *)work;
    struct code_program program;
    size_t needed, size_told;
    accept(&program, PROGRAM(SET(0, 1), ALU64_K(ALU_DIV, 0, 3), EXIT));
    ck_assert_int_eq(code_compile(compiler, &program, code, sizeof(code), &needed), CODE_ACCEPTED);
    ck_assert_uint_gt(needed, 20);
    for (size_t size = 0; size < needed; size++) {
        memset(code, 0xee, sizeof(code));
        ck_assert_int_eq(code_compile(compiler, &program, code, size, &size_told), CODE_REFUSED);
        ck_assert_uint_eq(size_told, needed);
        for (size_t i = 0; i < sizeof(code); i++)
            ck_assert_uint_eq(code[i], 0xee);
    }
    ck_assert_int_eq(code_compile(compiler, &program, code, needed, &size_told), CODE_ACCEPTED);
    ck_assert_uint_eq(code[needed], 0xee);
}
END_TEST

/* A jump over `distance` slots and one back over as many, whatever the machine's short and long forms reach. */
static void jumps_agree_over(uint32_t distance)
{
    static struct code_instruction list[CODE_INSTRUCTIONS];
    uint32_t count = 0;
    list[count++] = COPY(9, 1);
    list[count++] = LOAD(SIZE_DW, 6, 9, WORD(0));
    list[count++] = SET(7, 0);
    list[count++] = SET(8, 3);
    list[count++] = JUMP_K(JMP_JEQ, 6, 0, (int16_t)distance);
    for (uint32_t i = 0; i < distance; i++)
        list[count++] = ALU64_K(i % 2 ? ALU_XOR : ALU_ADD, 7, (int32_t)(i + 1));
    list[count++] = ALU64_K(ALU_SUB, 8, 1);
    list[count] = JUMP_K(JMP_JNE, 8, 0, -(int16_t)(distance + 2));
    count++;
    list[count++] = STORE(SIZE_DW, 9, WORD(2), 7);
    list[count++] = SET(0, 5);
    list[count++] = EXIT;
    struct code_program program;
    struct outcome before = {.budget = 100000}, after;
    accept(&program, list, count);
    for (before.word[0] = 0; before.word[0] < 2; before.word[0]++) {
        const char *differs = runner_compare(&program, &before, 64, &after);
        ck_assert_msg(!differs, "jumps over %u slots: %s", distance, differs);
        ck_assert(!after.spent);
    }
}

START_TEST(escape_branch_displacement)
{
    for (uint32_t distance = 0; distance < 80; distance++)
        jumps_agree_over(distance);
    for (uint32_t distance = 80; distance <= CODE_INSTRUCTIONS - 10; distance += 401)
        jumps_agree_over(distance);
    jumps_agree_over(CODE_INSTRUCTIONS - 10);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        arithmetic_agrees_on_all_registers_and_edges, escape_division_by_zero_and_minus_one, shifts_agree_beyond_the_width_too,
        sign_extension_and_byte_order_agree, branches_agree_on_all_registers_and_edges, constants_of_64_bits_agree,
        loads_agree_in_all_memory, stores_agree_in_all_memory, atomic_instructions_agree_in_all_memory,
        every_budget_ends_where_the_interpreter_ends, jump_to_itself_ends_by_the_budget,
        successful_exchange_of_32_bits_clears_the_upper_half, fetching_atomics_lose_nothing_between_two_processors, helpers_get_their_arguments_and_keep_what_is_to_be_kept,
        registers_of_the_caller_are_kept, access_outside_of_its_memory_lands_nowhere, nothing_is_left_on_the_stack_and_in_registers, access_outside_of_the_stack_lands_nowhere, fixed_access_beyond_the_region_lands_nowhere,
        impossible_notes_are_not_compiled, unreached_slots_end_the_run, code_too_large_for_its_place_is_not_written,
        escape_branch_displacement};
    Suite *suite = suite_create("compile");
    for (uint32_t i = 0; i < COUNT(tests); i++) {
        TCase *test = tcase_create("compile");
        tcase_set_timeout(test, 300);
        tcase_add_test(test, tests[i]);
        suite_add_tcase(suite, test);
    }
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "/dev/stdout");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
