/* The compiler against the interpreter on generated programs: each one that is accepted, on several inputs and budgets.
   Then its notes are spoiled (other memory, not fixed, other offsets): it may do anything but reach memory that is not its
   own, which the runner's guards and the kernel's page faults tell. Arguments: the number of programs, the first seed.
   Prints TAP. */
#include "generate.h"
#include "runner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 4 };

static struct {
    uint64_t accepted, runs, spent, bytes, slots, spoiled, refused;
} tally;

static void input(struct outcome *before, uint64_t *seed)
{
    memset(before, 0, sizeof(*before));
    before->budget = random_next(seed) % (random_next(seed) % 4 ? 3000 : 200);
    for (uint32_t n = 0; n < RUNNER_WORDS; n++)
        before->word[n] = random_next(seed) >> random_next(seed) % 64;
    for (uint32_t n = 0; n < RUNNER_PACKET; n++)
        before->packet[n] = random_next(seed);
    for (uint32_t n = 0; n < RUNNER_SHARED; n++)
        before->shared[n] = random_next(seed);
}

static const char *compare(const struct code_program *program, uint64_t *seed)
{
    struct outcome before, after;
    size_t size;
    if (!runner_compile(program, &size))
        return "is not compiled";
    tally.bytes += size;
    tally.slots += program->count;
    for (uint32_t run = 0; run < RUNS; run++) {
        input(&before, seed);
        const char *differs = runner_compare(program, &before, random_next(seed) % (run ? 100 : RUNNER_PACKET + 1), &after);
        if (differs)
            return differs;
        tally.runs++;
        tally.spent += after.spent;
    }
    return 0;
}

static void spoil(struct code_program *program, uint64_t *seed)
{
    for (uint32_t slot = 0; slot < program->count; slot++) {
        struct code_note *note = &program->notes[slot];
        if (note->memory < CODE_NOTE_STACK || random_next(seed) % 3)
            continue;
        note->memory = random_next(seed) % 2 ? CODE_NOTE_REGION : CODE_NOTE_STACK;
        note->region = random_next(seed) % 2;
        note->fixed = random_next(seed) % 2;
        note->offset = note->memory == CODE_NOTE_STACK ? -8 - (int32_t)(random_next(seed) % 500) : (int32_t)(random_next(seed) % 70);
    }
}

/* No calls: what a helper is given is as the verifier says. */
static bool has_calls(const struct code_program *program)
{
    for (uint32_t slot = 0; slot < program->count; slot++)
        if (program->instructions[slot].opcode == 0x85)
            return true;
    return false;
}

static const char *survive(struct code_program *program, uint64_t *seed)
{
    struct outcome before;
    if (has_calls(program))
        return 0;
    spoil(program, seed);
    code_entry *entry = runner_compile(program, 0);
    tally.refused += !entry;
    for (uint32_t run = 0; entry && run < RUNS; run++, tally.spoiled++) {
        input(&before, seed);
        runner_call(entry, &before, random_next(seed) % 100);
        if (!runner_guards_are_whole())
            return "with spoiled notes writes outside of its memory";
    }
    return 0;
}

static bool program_agrees(uint64_t first)
{
    struct code_instruction instructions[GENERATED_MAX];
    uint64_t seed = first * 0x2545f4914f6cdd1d;
    struct code_program program;
    uint32_t count = generate_program(&seed, instructions);
    if (!runner_verify(&program, instructions, count))
        return true;
    tally.accepted++;
    const char *differs = compare(&program, &seed);
    differs = differs ? differs : survive(&program, &seed);
    if (differs)
        printf("# program %lu: %s\n", first, differs);
    return !differs;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], 0, 0) : 100000, first = argc > 2 ? strtoull(argv[2], 0, 0) : 1;
    bool agree = true;
    if (getenv("EXO_LONG"))
        count *= 100;
    for (uint64_t n = 0; n < count && agree; n++)
        agree = program_agrees(first + n);
    printf("%s 1 - compiled_programs_do_what_interpreted_ones_do_and_stay_in_their_memory_with_any_notes\n", agree ? "ok" : "not ok");
    printf("# %lu of %lu accepted, %lu runs compared, %lu budgets spent, %lu bytes for 100 slots; %lu runs with spoiled notes, %lu not compiled\n",
           tally.accepted, count, tally.runs, tally.spent, tally.slots ? tally.bytes * 100 / tally.slots : 0, tally.spoiled, tally.refused);
    bool many = tally.accepted * 10 > count && tally.spent && tally.spoiled;
    printf("%s 2 - a_tenth_is_accepted_and_some_budgets_are_spent\n1..2\n", many ? "ok" : "not ok");
    return !agree || !many;
}
