/*
 * libFuzzer: bytes become a program, most of them instructions that mean something. What the verifier accepts is judged by the
 * interpreter, in two places and on two inputs: it touches nothing but its own, stays within its budget, and sees no address. Then the
 * compiled program must do the same.
 */
#include "../code/runner.h"
#include <opcode.h>
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MAX = 96, BYTES_PER_SLOT = 6, PROGRAMS_WANTED = 20000 };

static uint64_t programs, accepted, spent;

static void verdict_print(void)
{
    bool many = programs >= PROGRAMS_WANTED && accepted * 200 > programs;
    printf("%sok 1 - %llu programs, %llu of them accepted, %llu budgets spent: no escape\n1..1\n", many ? "" : "not ",
           (unsigned long long)programs, (unsigned long long)accepted, (unsigned long long)spent);
}

int LLVMFuzzerInitialize(int *count, char ***word)
{
    (void)count;
    (void)word;
    atexit(verdict_print);
    return 0;
}

static int16_t offset_of(uint8_t byte)
{
    return byte < 128 ? byte % 64 : -(int16_t)(byte % 65) * 8;
}

static int32_t immediate_of(uint8_t byte, uint8_t more)
{
    static const int32_t odd[] = {INT32_MIN, INT32_MAX, -1, 0x7fff, 0x8000, 2048, 2047, 512};
    return byte < 248 ? byte | (more & 0x0f) << 8 : odd[byte - 248];
}

/* Six bytes: opcode, registers, offset, immediate; every eighth instruction is taken as it comes. */
static struct code_instruction instruction_of(const uint8_t *byte)
{
    static const uint8_t usual[] = {
        0x79, 0x79, 0x71, 0x61, 0x69, 0x7b, 0x73, 0x63, 0x7a, 0x72, 0xbf, 0xbf, 0xb7, 0xb7, 0x07, 0x0f, 0x17, 0x1f, 0x57, 0x67, 0x77, 0xc7,
        0xb4, 0xbc, 0x04, 0x0c, 0x54, 0x74, 0xc4, 0x27, 0x2f, 0x37, 0x3f, 0x97, 0x15, 0x1d, 0x55, 0x5d, 0x25, 0x2d, 0x35, 0x3d, 0xa5, 0xad, 0xb5,
        0xbd, 0x65, 0x6d, 0xc5, 0xcd, 0x16, 0x26, 0xa6, 0xae, 0x2e, 0x05, 0x85, 0xdb, 0xc3, 0x95,
    };
    struct code_instruction i = {
        .opcode = byte[0] % 8 ? usual[byte[0] % sizeof usual] : byte[1], .registers = byte[1] % 11 | byte[2] % 11 << 4,
        .offset = offset_of(byte[3]), .immediate = immediate_of(byte[4], byte[5]),
    };
    if (byte[0] % 8 == 0)
        return i;
    bool is_jump = OPCODE_CLASS(i.opcode) == CLASS_JMP || OPCODE_CLASS(i.opcode) == CLASS_JMP32;
    if (is_jump)
        i.offset = (int16_t)(byte[3] % 16) - (byte[3] > 224 ? 8 : 0);
    else if (OPCODE_CLASS(i.opcode) == CLASS_ALU || OPCODE_CLASS(i.opcode) == CLASS_ALU64)
        i.offset = 0;
    if (i.opcode == OPCODE_CALL || i.opcode == OPCODE_EXIT || i.opcode == OPCODE_JA)
        i.registers = 0;
    if (i.opcode == OPCODE_CALL || i.opcode == OPCODE_EXIT)
        i.offset = 0;
    if (i.opcode == OPCODE_CALL)
        i.immediate %= RUNNER_HELPERS;
    else if (i.opcode == OPCODE_EXIT || i.opcode == OPCODE_JA)
        i.immediate = 0;
    else if (i.opcode == 0xdb || i.opcode == 0xc3)
        i.immediate = byte[4] & 1;
    else if (OPCODE_CLASS(i.opcode) == CLASS_LDX || OPCODE_CLASS(i.opcode) == CLASS_STX || (i.opcode & SOURCE_X && OPCODE_CLASS(i.opcode) > CLASS_STX))
        i.immediate = 0;
    if (OPCODE_CLASS(i.opcode) == CLASS_ST || (OPCODE_CLASS(i.opcode) > CLASS_STX && !(i.opcode & SOURCE_X)))
        i.registers &= 0x0f;
    return i;
}

static uint32_t program_make(const uint8_t *bytes, size_t size, struct code_instruction *slots)
{
    static const struct code_instruction begin[] = {
        {.opcode = 0xb7, .registers = 0}, {.opcode = 0x79, .registers = 0x12, .offset = 0}, {.opcode = 0x79, .registers = 0x13, .offset = 8},
        {.opcode = 0x79, .registers = 0x14, .offset = 16}, {.opcode = 0x79, .registers = 0x15, .offset = 32},
    };
    uint32_t count = sizeof begin / sizeof *begin;
    memcpy(slots, begin, sizeof begin);
    for (size_t at = 0; at + BYTES_PER_SLOT <= size && count < SLOTS_MAX - 2; at += BYTES_PER_SLOT)
        slots[count++] = instruction_of(bytes + at);
    slots[count++] = (struct code_instruction){.opcode = 0xb7, .immediate = 1};
    slots[count++] = (struct code_instruction){.opcode = OPCODE_EXIT};
    return count;
}

/* Further down on the stack: other addresses, other junk. */
static __attribute__((noinline)) struct outcome interpret_elsewhere(const struct code_program *program, const struct outcome *before,
                                                                    uint32_t size)
{
    struct code_trace trace;
    volatile uint8_t *room = alloca(5008);
    room[0] = 0;
    return runner_interpret(program, before, size, &trace);
}

static const char *judge(const struct code_program *program, uint64_t seed)
{
    struct outcome before = {.budget = 600 + seed % 100, .word = {seed % 70, seed, ~seed, 64}}, after, again;
    uint32_t size = (uint32_t)(seed % 80);
    struct code_trace trace;

    memset(before.packet, (int)seed, sizeof before.packet);
    after = runner_interpret(program, &before, size, &trace);
    if (trace.fault)
        return "escapes";
    again = interpret_elsewhere(program, &before, size);
    if (memcmp(&after, &again, sizeof after))
        return "sees addresses or what was left in memory";
    spent += after.spent;
    return runner_compare(program, &before, size, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct code_instruction slots[SLOTS_MAX];
    uint32_t count = program_make(bytes, size, slots);
    struct code_program program;

    programs++;
    if (!runner_verify(&program, slots, count))
        return 0;
    accepted++;
    for (uint64_t seed = size; seed < size + 2; seed++) {
        const char *what = judge(&program, seed * 0x9e3779b97f4a7c15);
        if (what) {
            fprintf(stderr, "an accepted program %s\n", what);
            abort();
        }
    }
    return 0;
}
