/* The verifier against the interpreter: of many generated programs, each one that is accepted runs on several inputs and in
   two places. It may touch nothing but its own, run no longer than its budget, and do the same in both places, where pointers
   and uninitialised memory differ. Arguments: the number of programs, the first seed. Prints TAP. */
#include "generate.h"
#include "runner.h"
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 3 };

static struct {
    uint64_t accepted, refused[CODE_REASONS], spent, executed;
} tally;

static struct outcome input(uint64_t *seed)
{
    static const uint64_t edges[] = { 0, 1, 8, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX, UINT64_MAX - 7 };
    struct outcome before = { .budget = 200 + random_next(seed) % 3000 };

    for (uint32_t n = 0; n < RUNNER_WORDS; n++) {
        uint64_t choice = random_next(seed) % 22;

        before.word[n] = choice < 11 ? edges[choice] : choice < 18 ? random_next(seed) % 80 : random_next(seed);
    }
    for (uint32_t n = 0; n < RUNNER_PACKET; n += 8)
        *(uint64_t *)(before.packet + n) = random_next(seed);
    for (uint32_t n = 0; n < RUNNER_SHARED; n++)
        before.shared[n] = (uint8_t)random_next(seed);
    return before;
}

static uint32_t packet_size(uint64_t *seed)
{
    uint64_t choice = random_next(seed);

    return (uint32_t)(choice % 4 == 0 ? choice / 4 % (RUNNER_PACKET + 1) : choice / 4 % 80);
}

/* The same further down on the stack: other addresses of stack and context, other junk. */
static __attribute__((noinline)) struct outcome interpret_elsewhere(const struct code_program *program, const struct outcome *before,
                                                                    uint32_t size, uint32_t away)
{
    struct code_trace trace;
    volatile uint8_t *room = alloca(away);

    room[0] = 0;
    return runner_interpret(program, before, size, &trace);
}

static const char *judge(const struct code_program *program, uint64_t *seed)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        struct outcome before = input(seed), after, again;
        uint32_t size = packet_size(seed);
        struct code_trace trace;

        after = runner_interpret(program, &before, size, &trace);
        if (trace.fault)
            return "escapes";
        again = interpret_elsewhere(program, &before, size, 4096 + (uint32_t)(random_next(seed) % 4096) / 16 * 16);
        if (memcmp(&after, &again, sizeof(after)))
            return "sees addresses or what was left in memory";
        tally.spent += after.spent;
        tally.executed += trace.executed;
    }
    return NULL;
}

static void print(const struct code_instruction *instructions, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++)
        printf("# %3u: %02x dst %u src %u off %d imm %d\n", at, instructions[at].opcode, code_destination(instructions[at]),
               code_source(instructions[at]), instructions[at].offset, instructions[at].immediate);
}

static bool program_is_safe(uint64_t first)
{
    struct code_instruction instructions[GENERATED_MAX];
    uint64_t seed = first * 0x2545f4914f6cdd1d;
    uint32_t count = generate_program(&seed, instructions);
    struct code_program program;
    const char *what;

    if (!runner_verify(&program, instructions, count)) {
        tally.refused[runner_refusal.reason]++;
        return true;
    }
    tally.accepted++;
    what = judge(&program, &seed);
    if (!what)
        return true;
    printf("# program %llu %s\n", (unsigned long long)first, what);
    print(instructions, count);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000, first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    bool safe = true;

    if (getenv("EXO_LONG"))
        count *= 100;
    for (uint64_t n = 0; n < count && safe; n++)
        safe = program_is_safe(first + n);
    printf("%s 1 - accepted_programs_stay_within_their_memory_and_budget\n", safe ? "ok" : "not ok");
    printf("# %llu of %llu accepted, %llu instructions run, %llu budgets spent\n", (unsigned long long)tally.accepted,
           (unsigned long long)count, (unsigned long long)tally.executed, (unsigned long long)tally.spent);
    for (uint32_t reason = 0; reason < CODE_REASONS; reason++)
        printf("# %llu refused: %s\n", (unsigned long long)tally.refused[reason], code_reason_text(reason));
    bool many = tally.accepted * 10 > count && tally.spent;

    printf("%s 2 - a_tenth_is_accepted_and_some_budgets_are_spent\n1..2\n", many ? "ok" : "not ok");
    return !safe || !many;
}
