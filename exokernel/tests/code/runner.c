#include "runner.h"
#include <verify.h>
#include <string.h>
#include <sys/mman.h>

enum { WORK = 8 << 20, MACHINE_CODE = 512 << 10, GUARD = 64 };

/* The memory of a run, with what must not change around it. */
static struct {
    uint8_t before[GUARD], packet[RUNNER_PACKET], between[GUARD], shared[RUNNER_SHARED], behind[GUARD];
} memory __attribute__((aligned(64)));

static struct outcome *outcome;     /* of the run that is on */
static struct code_note notes[CODE_INSTRUCTIONS];
static uint64_t work[WORK / 8];
struct code_refusal runner_refusal;

static uint64_t helper_log(struct code_run *run, uint64_t value, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    (void)run, (void)b, (void)c, (void)d, (void)e;
    uintptr_t misaligned = (uintptr_t)__builtin_frame_address(0) % 16;
    outcome->log[outcome->logged++ % RUNNER_LOG] = value + misaligned;
    return value * 3;
}

static uint64_t helper_sum(struct code_run *run, uint64_t at, uint64_t size, uint64_t c, uint64_t d, uint64_t factor)
{
    uint64_t sum = run->budget + c + d;
    for (uint64_t i = 0; i < size; i++)
        sum = sum * factor + ((const uint8_t *)at)[i];
    return sum;
}

static uint64_t helper_fill(struct code_run *run, uint64_t at, uint64_t value, uint64_t c, uint64_t d, uint64_t e)
{
    (void)run, (void)c, (void)d, (void)e;
    memset((void *)at, value, 8);
    return 0;
}

static uint64_t helper_shared(struct code_run *run, uint64_t wanted, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    (void)b, (void)c, (void)d, (void)e;
    return wanted ? run->memory[1].start : 0;
}

static const struct code_field fields[] = {
    {offsetof(struct runner_context, start), 8, CODE_FIELD_START, 0, false},
    {offsetof(struct runner_context, end), 8, CODE_FIELD_END, 0, false},
    {offsetof(struct runner_context, shared), 8, CODE_FIELD_START, 1, false},
    {offsetof(struct runner_context, shared_end), 8, CODE_FIELD_END, 1, false},
    {offsetof(struct runner_context, word[0]), 8, CODE_FIELD_SCALAR, 0, true},
    {offsetof(struct runner_context, word[1]), 8, CODE_FIELD_SCALAR, 0, true},
    {offsetof(struct runner_context, word[2]), 8, CODE_FIELD_SCALAR, 0, true},
    {offsetof(struct runner_context, word[3]), 8, CODE_FIELD_SCALAR, 0, true},
    {offsetof(struct runner_context, half), 4, CODE_FIELD_SCALAR, 0, false},
    {offsetof(struct runner_context, byte), 1, CODE_FIELD_SCALAR, 0, false},
};
static const struct code_region regions[] = {
    {0, RUNNER_PACKET, CODE_REGION_WRITE | CODE_REGION_ATOMIC},
    {RUNNER_SHARED, RUNNER_SHARED, CODE_REGION_WRITE | CODE_REGION_ATOMIC},
};
static const struct code_helper helpers[RUNNER_HELPERS] = {
    [HELPER_LOG] = {"log", helper_log, {{CODE_ARGUMENT_SCALAR, 0}}, CODE_RESULT_SCALAR, 0, 7},
    [HELPER_SUM] = {"sum", helper_sum, {{CODE_ARGUMENT_READ, 0}, {CODE_ARGUMENT_SIZE, 64}, {CODE_ARGUMENT_SCALAR, 0},
                    {CODE_ARGUMENT_SCALAR, 9}, {CODE_ARGUMENT_SCALAR, 0}}, CODE_RESULT_SCALAR, 0, 100},
    [HELPER_FILL] = {"fill", helper_fill, {{CODE_ARGUMENT_WRITE, 8}, {CODE_ARGUMENT_SCALAR, 0}}, CODE_RESULT_SCALAR, 0, 0},
    [HELPER_SHARED] = {"shared", helper_shared, {{CODE_ARGUMENT_SCALAR, 0}}, CODE_RESULT_REGION, 1, 1},
};
const struct code_kind runner_kind = {"runner", fields, regions, helpers, sizeof(fields) / sizeof(fields[0]), 2, RUNNER_HELPERS,
                                      sizeof(struct runner_context), 0xdeadbeefcafe};

bool runner_verify(struct code_program *program, const struct code_instruction *instructions, uint32_t count)
{
    *program = (struct code_program){&runner_kind, instructions, count, notes};
    return code_verify((struct code_verifier *)work, sizeof(work), program, 1 << 20, &runner_refusal) == CODE_ACCEPTED;
}

/* A slot at a time, as a kernel would that must not stay for long. */
static bool compile_in_steps(const struct code_program *program, uint8_t *code, size_t *ret_size)
{
    static uint64_t compiler[(CODE_INSTRUCTIONS * 4 + 1024) / 8];
    enum code_verdict verdict = CODE_AGAIN;
    if (code_compiler_size(program->count) > sizeof(compiler))
        return false;
    code_compile_start((struct code_compiler *)compiler, program, code, MACHINE_CODE);
    while (verdict == CODE_AGAIN)
        verdict = code_compile_step((struct code_compiler *)compiler, 1, ret_size);
    return verdict == CODE_ACCEPTED;
}

code_entry *runner_compile(const struct code_program *program, size_t *ret_size)
{
    static uint8_t *code;
    size_t size;
    if (!code)
        code = mmap(0, MACHINE_CODE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || mprotect(code, MACHINE_CODE, PROT_READ | PROT_WRITE) < 0)
        return 0;
    if (!compile_in_steps(program, code, &size) || mprotect(code, MACHINE_CODE, PROT_READ | PROT_EXEC) < 0)
        return 0;
    if (ret_size)
        *ret_size = size;
    return (code_entry *)code;
}

/* The packet ends where the region's memory ends, so that a byte too far is seen. */
static void run_start(struct code_run *run, struct runner_context *context, const struct outcome *before, uint32_t packet_size)
{
    memset(&memory, 0x5a, sizeof(memory));
    memcpy(memory.packet, before->packet, RUNNER_PACKET);
    memcpy(memory.shared, before->shared, RUNNER_SHARED);
    uint32_t skipped = (RUNNER_PACKET - packet_size) / 8 * 8;
    *run = (struct code_run){.budget = before->budget, .context = context};
    run->memory[0] = (struct code_memory){(uintptr_t)memory.packet + skipped, packet_size};
    run->memory[1] = (struct code_memory){(uintptr_t)memory.shared, RUNNER_SHARED};
    *context = (struct runner_context){run->memory[0].start, run->memory[0].start + packet_size, run->memory[1].start,
                                       run->memory[1].start + RUNNER_SHARED, {0}, 0x87654321, 0xfe};
    memcpy(context->word, before->word, sizeof(context->word));
}

static void run_end(const struct code_run *run, const struct runner_context *context, struct outcome *after)
{
    after->budget = run->budget;
    after->spent = run->spent;
    memcpy(after->word, context->word, sizeof(after->word));
    memcpy(after->packet, memory.packet, RUNNER_PACKET);
    memcpy(after->shared, memory.shared, RUNNER_SHARED);
}

struct outcome runner_interpret(const struct code_program *program, const struct outcome *before, uint32_t packet_size,
                                struct code_trace *ret_trace)
{
    struct code_run run;
    struct runner_context context;
    struct outcome after = {0};
    outcome = &after;
    run_start(&run, &context, before, packet_size);
    after.result = code_interpret(program, &run, ret_trace);
    run_end(&run, &context, &after);
    return after;
}

struct outcome runner_call(code_entry *entry, const struct outcome *before, uint32_t packet_size)
{
    struct code_run run;
    struct runner_context context;
    struct outcome after = {0};
    outcome = &after;
    run_start(&run, &context, before, packet_size);
    after.result = entry(&run);
    run_end(&run, &context, &after);
    return after;
}

bool runner_guards_are_whole(void)
{
    bool whole = true;
    for (uint32_t i = 0; i < GUARD; i++)
        whole &= memory.before[i] == 0x5a && memory.between[i] == 0x5a && memory.behind[i] == 0x5a;
    return whole;
}

const char *runner_compare(const struct code_program *program, const struct outcome *before, uint32_t packet_size,
                           struct outcome *ret_after)
{
    struct code_trace trace;
    code_entry *entry = runner_compile(program, 0);
    if (!entry)
        return "is not compiled";
    struct outcome expected = runner_interpret(program, before, packet_size, &trace);
    if (trace.fault)
        return "escapes when interpreted";
    *ret_after = runner_call(entry, before, packet_size);
    if (!runner_guards_are_whole())
        return "writes outside of its memory when compiled";
    if (expected.result != ret_after->result)
        return "other result";
    if (expected.budget != ret_after->budget || expected.spent != ret_after->spent)
        return "other budget left";
    return memcmp(&expected, ret_after, sizeof(expected)) ? "other memory left" : 0;
}
