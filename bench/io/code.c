/*
 * Downloaded code. The filter runs here in user mode both ways, on the same packet, the last of its flows: by the interpreter of
 * the tests, which checks each access, and as the machine code that the kernel's compiler makes of it. verify_100 is all the
 * kernel's work, its calls included, from the program in frames to machine code that can run.
 */
#include "io.h"
#include <code.h>
#include <exo/calls.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <assemble.h>
#include "filter.h"

enum {
    COUNT = sizeof filter_code / sizeof *filter_code,
    PLACE = 0x30000000,
    CODE_FRAMES = 2, FRAMES = 48, /* of machine code; with what the verifier gets */
    LAST_FLOW = 21,
    NASTY_MAX = 512,
};
_Static_assert(COUNT >= 100 && COUNT <= 110, "a filter of some hundred instructions");

static const struct code_field fields[] = {
    {.offset = offsetof(struct exo_predicate, time), .size = 8},
    {.offset = offsetof(struct exo_predicate, until), .size = 8, .writable = true},
    {.offset = offsetof(struct exo_predicate, words), .size = 8, .type = CODE_FIELD_START},
    {.offset = offsetof(struct exo_predicate, words_end), .size = 8, .type = CODE_FIELD_END},
};
static const struct code_region regions[] = {{.size_min = EXO_FRAME_SIZE, .size_max = EXO_FRAME_SIZE}};
static const struct code_kind kind = {
    .name = "filter", .fields = fields, .field_count = 4, .regions = regions, .region_count = 1,
    .context_size = sizeof(struct exo_predicate), .spent = 1,
};

static uint8_t packet[EXO_FRAME_SIZE] __attribute__((aligned(EXO_FRAME_SIZE)));
static struct code_note notes[COUNT];
static uint64_t work[32768]; /* of the verifier, then of the compiler */
static uint8_t code[CODE_FRAMES * EXO_FRAME_SIZE] __attribute__((aligned(EXO_FRAME_SIZE)));

/* A TCP or UDP packet of the filter's last flow. */
static void packet_make(void)
{
    static const uint8_t header[38] = {
        [12] = 8, [13] = 0, [14] = 0x45, [23] = 17, [26] = 10, [27] = 0, [28] = 0, [29] = 0, [30] = 10, [33] = 2,
    };
    memcpy(packet, header, sizeof header);
    const uint32_t source = 0x0100000au + (23u << 24), target = 0x0200000au, ports = 0x35000000 + 0x1234 + LAST_FLOW * 0x111;
    memcpy(packet + 26, &source, 4);
    memcpy(packet + 30, &target, 4);
    memcpy(packet + 34, &ports, 4);
}

static struct exo_predicate context_make(void)
{
    return (struct exo_predicate){.words = (uint64_t)packet, .words_end = (uint64_t)packet + sizeof packet};
}

static uint64_t interpreted(const struct code_program *program)
{
    struct exo_predicate context = context_make();
    struct code_run run = {.memory = {{(uint64_t)packet, sizeof packet}}, .context = &context, .budget = 1000};
    struct code_trace trace;
    uint64_t least = UINT64_MAX, result = 0;

    for (uint32_t i = 0; i < REPETITIONS; i++) {
        run.budget = 1000;
        uint64_t before = exo_ticks();
        result = code_interpret(program, &run, &trace);
        bench_least(&least, exo_ticks() - before - bench_empty);
    }
    bench_must(result == LAST_FLOW && !trace.fault ? EXO_OK : EXO_BAD_ARGUMENT, "the interpreted filter");
    return least;
}

static uint64_t compiled(code_entry *entry)
{
    struct exo_predicate context = context_make();
    struct code_run run = {.memory = {{(uint64_t)packet, sizeof packet}}, .context = &context};
    uint64_t least = UINT64_MAX, result = 0;

    for (uint32_t i = 0; i < REPETITIONS; i++) {
        run.budget = 1000;
        uint64_t before = exo_ticks();
        result = entry(&run);
        bench_least(&least, exo_ticks() - before - bench_empty);
    }
    bench_must(result == LAST_FLOW ? EXO_OK : EXO_BAD_ARGUMENT, "the compiled filter");
    return least;
}

static void speedup_measure(void)
{
    struct code_program program = {.kind = &kind, .instructions = (const void *)filter_code, .count = COUNT, .notes = notes};
    struct code_refusal refusal;
    size_t size;

    if (code_verify((struct code_verifier *)work, sizeof work, &program, 10000, &refusal) != CODE_ACCEPTED)
        bench_fail(EXO_REFUSED, code_reason_text(refusal.reason));
    bench_must(code_compile((struct code_compiler *)work, &program, code, sizeof code, &size) == CODE_ACCEPTED ? EXO_OK : EXO_REFUSED,
               "compiling");
    uint32_t frame = exo_frame_alloc_run(&bench_frames, CODE_FRAMES, 1);
    bench_must(exo_space_map(&bench_space, PLACE, frame, CODE_FRAMES, bench_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE), "a page");
    memcpy((void *)PLACE, code, size);
    bench_must(exo_space_unmap(&bench_space, PLACE, CODE_FRAMES), "unmapping");
    bench_must(exo_space_map(&bench_space, PLACE, frame, CODE_FRAMES, bench_frames.capability, EXO_MAP_READ | EXO_MAP_EXECUTE), "a page");
    code_entry *volatile entry = (code_entry *)PLACE; /* gcc believes that nobody calls a constant */
    uint64_t slow = interpreted(&program), fast = compiled(entry);
    bench_print("filter_interpreted", slow, "instructions");
    bench_print("filter_compiled", fast, "instructions");
    bench_print("jit_speedup", slow / fast, "times");
    bench_must(exo_space_unmap(&bench_space, PLACE, CODE_FRAMES), "unmapping");
}

static uint32_t program_write(void)
{
    const struct exo_code_header header = {.kind = EXO_CODE_PREDICATE, .count = COUNT, .budget = EXO_PREDICATE_BUDGET, .visits = 10000};
    uint32_t frame = exo_frame_alloc_run(&bench_frames, FRAMES, 1);

    bench_must(frame ? EXO_OK : EXO_TAKEN, "frames");
    bench_must(exo_space_map(&bench_space, PLACE, frame + CODE_FRAMES, 1, bench_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE), "a page");
    memcpy((void *)PLACE, &header, sizeof header);
    memcpy((uint8_t *)PLACE + sizeof header, filter_code, sizeof filter_code);
    bench_must(exo_space_unmap(&bench_space, PLACE, 1), "unmapping");
    return frame;
}

static void verify_measure(void)
{
    uint16_t window = exo_start_slot(EXO_KIND_PROGRAMS, 0);
    uint32_t page = exo_start_capability(window)->first, frame = program_write(), calls = 1;
    int64_t result;

    uint64_t before = exo_ticks();
    bench_must(exo_program_load(0, window, page, CODE_FRAMES, bench_frames.capability, frame, FRAMES), "loading");
    do {
        result = exo_program_continue(0, page);
        calls++;
    } while (result == EXO_AGAIN);
    uint64_t ticks = exo_ticks() - before - bench_empty;
    bench_must(result, "loading");
    bench_print("verify_100", ticks, "instructions");
    bench_print("verify_100_calls", calls, "calls");
    do
        result = exo_program_unload(0, window, page);
    while (exo_again(result));
    bench_must(result, "unloading");
}

/* A program made to take long: the whole stack full of pointers that nothing is known of but a bound, variable places of
 * it read, and paths that meet again and again with other numbers, in a loop. */
static uint32_t nasty_make(struct code_instruction *slot)
{
    uint32_t count = 0, loop, branches = 12;

    slot[count++] = (struct code_instruction)LOAD(SIZE_DW, 2, 1, 16);
    slot[count++] = (struct code_instruction)SET(8, 0);
    for (int16_t at = -8; at >= -CODE_STACK; at -= 8)
        slot[count++] = (struct code_instruction)STORE_K(SIZE_DW, 10, at, 0);
    for (int16_t i = 0; i < 15; i++) {
        slot[count++] = (struct code_instruction)LOAD(SIZE_DW, 3, 1, 0);
        slot[count++] = (struct code_instruction)ALU64_K(ALU_AND, 3, 0x7f);
        slot[count++] = (struct code_instruction)COPY(4, 2);
        slot[count++] = (struct code_instruction)ALU64_X(ALU_ADD, 4, 3);
        slot[count++] = (struct code_instruction)STORE(SIZE_DW, 10, (int16_t)(-8 - 8 * i), 4);
    }
    loop = count;
    for (uint32_t i = 0; i < branches; i++) {
        slot[count++] = (struct code_instruction)LOAD(SIZE_DW, 5, 1, 0);
        slot[count++] = (struct code_instruction)LOAD(SIZE_DW, 6, 10, (int16_t)(-8 - 8 * (int)i));
        slot[count++] = (struct code_instruction)JUMP_K(JMP_JEQ, 5, (int32_t)i, 3);
        slot[count++] = (struct code_instruction)ALU64_X(ALU_ADD, 8, 5);
        slot[count++] = (struct code_instruction)ALU64_K(ALU_ADD, 6, 0);
        slot[count++] = (struct code_instruction)STORE(SIZE_DW, 10, (int16_t)(-8 - 8 * (int)i), 6);
        slot[count++] = (struct code_instruction)ALU64_K(ALU_MUL, 8, 3);
    }
    slot[count++] = (struct code_instruction)LOAD(SIZE_DW, 3, 1, 0);
    slot[count++] = (struct code_instruction)ALU64_K(ALU_AND, 3, 0xff);
    slot[count++] = (struct code_instruction)COPY(4, 10);
    slot[count++] = (struct code_instruction)ALU64_X(ALU_ADD, 4, 3);
    slot[count++] = (struct code_instruction)LOAD(SIZE_B, 0, 4, -CODE_STACK);
    slot[count++] = (struct code_instruction)LOAD(SIZE_DW, 5, 1, 0);
    slot[count] = (struct code_instruction)JUMP_K(JMP_JGT, 5, 100, (int16_t)((int32_t)loop - (int32_t)count - 1));
    count++;
    slot[count++] = (struct code_instruction)SET(0, 0);
    slot[count++] = (struct code_instruction)EXIT;
    return count;
}

/* The kernel's calls verify and compile in steps: their effort and the longest of them. */
static void step_measure(void)
{
    enum { EFFORT = 1600 }; /* as in core/program.c */
    static struct code_instruction slot[NASTY_MAX];
    static struct code_note slot_notes[NASTY_MAX];
    struct code_program program = {.kind = &kind, .instructions = slot, .count = nasty_make(slot), .notes = slot_notes};
    struct code_refusal refusal;
    uint64_t longest = 0, longest_compile = 0;
    size_t size;

    enum code_verdict verdict = code_verify_start((struct code_verifier *)work, sizeof work, &program, 40000, &refusal);
    while (verdict == CODE_AGAIN) {
        uint64_t before = exo_ticks();
        verdict = code_verify_step((struct code_verifier *)work, EFFORT, &refusal);
        uint64_t ticks = exo_ticks() - before;
        longest = ticks > longest ? ticks : longest;
    }
    if (verdict != CODE_ACCEPTED)
        bench_fail(EXO_REFUSED, code_reason_text(refusal.reason));
    code_compile_start((struct code_compiler *)work, &program, code, sizeof code);
    for (verdict = CODE_AGAIN; verdict == CODE_AGAIN;) {
        uint64_t before = exo_ticks();
        verdict = code_compile_step((struct code_compiler *)work, EFFORT, &size);
        uint64_t ticks = exo_ticks() - before;
        longest_compile = ticks > longest_compile ? ticks : longest_compile;
    }
    bench_print("verify_step", longest, "instructions");
    bench_print("compile_step", longest_compile, "instructions");
}

void bench_code(void)
{
    packet_make();
    speedup_measure();
    step_measure();
    verify_measure();
}
