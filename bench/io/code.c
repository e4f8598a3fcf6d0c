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
#include "filter.h"

enum {
    COUNT = sizeof filter_code / sizeof *filter_code,
    PLACE = 0x30000000,
    CODE_FRAMES = 2, FRAMES = 48, /* of machine code; with what the verifier gets */
    LAST_FLOW = 21,
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

void bench_code(void)
{
    packet_make();
    speedup_measure();
    verify_measure();
}
