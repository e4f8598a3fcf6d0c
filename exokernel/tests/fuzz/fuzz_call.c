/*
 * libFuzzer: bytes become calls of the root, of A and B (whom the root acts for) and of A itself on processor 1, with any
 * arguments, and touches, interrupts, timers and waits between them, on a host machine of the sizes that ship. Sanitizers
 * watch the core.
 */
#include "../code/assemble.h"
#undef CALL
#include "loop.h"
#include "../snapshot.h"
#include "../world.h"
#include <stdio.h>
#include <string.h>

enum {
    FRAMES = 96, A = 20, A_CAPABILITIES = 21, B = 22, B_CAPABILITIES = 23, A_SLOT = 4, B_SLOT = 5,
    A_FIRST = 32, PROGRAM_FIRST = 56, PROGRAMS_SLOT = 6, B_FIRST = 64, CALLS_WANTED = 1000000,
};

_Static_assert((int)FRAMES <= (int)SNAPSHOT_FRAMES, "every input starts from the same state");

static uint64_t calls, succeeded;

static void verdict_print(void)
{
    printf("%sok 1 - %llu calls of random and mutated sequences, %llu of them successful, %llu checks of the invariants\n1..1\n",
           calls >= CALLS_WANTED ? "" : "not ", (unsigned long long)calls, (unsigned long long)succeeded, (unsigned long long)fuzz_checks);
}

/* A program lies ready in frames of A's, one for machine code and five behind it; the window's pages are the root's and A's. */
static void program_make(void)
{
    static const struct code_instruction slots[] = {LOAD(SIZE_DW, 2, 1, 16), LOAD(SIZE_DW, 0, 2, 0), EXIT};
    const struct exo_code_header header = {.kind = EXO_CODE_PREDICATE, .count = 3, .budget = 64, .visits = 1000};

    world_hold(PROGRAMS_SLOT, EXO_KIND_PROGRAMS, RIGHTS_ALL, 1, PROGRAM_PAGES - 1);
    MUST(CALL(CAPABILITY_DERIVE, PROGRAMS_SLOT, A_SLOT, 4, RIGHTS_GIVEN, 1, 16));
    world_take(A_SLOT, 1, PROGRAM_FIRST, 6);
    memcpy(data_page(PROGRAM_FIRST + 1), &header, sizeof header);
    memcpy((uint8_t *)data_page(PROGRAM_FIRST + 1) + sizeof header, slots, sizeof slots);
}

static void world_make(void)
{
    world_reset(FRAMES, 2);
    world_actor(A_SLOT, A, A_CAPABILITIES, A_FIRST, 32);
    world_actor(B_SLOT, B, B_CAPABILITIES, B_FIRST, 16);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, A_SLOT, 2, RIGHTS_GIVEN, SLOTS_PER_PROCESSOR, SLOTS_PER_PROCESSOR));
    MUST(CALL(CAPABILITY_DERIVE, B_SLOT, A_SLOT, 3, RIGHTS_GIVEN, B, 1));
    world_vcpu(A_SLOT, 0, 1, A_FIRST, A_FIRST + 1);
    world_run(A_SLOT, 0, 2, 1);
    program_make();
}

/* Most bytes are themselves: slots, frames and small numbers. The rest are what breaks careless checks. */
static uint64_t value_of(uint8_t byte)
{
    static const uint64_t odd[] = {
        UINT64_MAX, UINT32_MAX, 0xffff, 0xff, 1ull << 32, 1ull << 63, 1ull << 47, EXO_USER_LIMIT, EXO_USER_LIMIT - 4096,
        FRAMES, FRAMES - 1, EXO_FRAME_LIMIT, 4096, 8192, 1ull << 21, 1ull << 30, 1ull << 39, 128, 129, 512, 64 * 20, 65, 33, 4095, 7,
        EXO_SLOT_NS, 2 * EXO_SLOT_NS,
    };
    return byte < 0xe0 ? byte : odd[(byte - 0xe0) % (sizeof odd / sizeof *odd)];
}

static bool is_batch(uint32_t number)
{
    return number >= EXO_CALL_SPACE_BIND && number <= EXO_CALL_SPACE_UNBIND;
}

static void call_take(uint32_t processor, uint32_t subject, uint32_t number, const uint8_t bytes[6])
{
    uint64_t argument[6];
    for (uint32_t i = 0; i < 6; i++)
        argument[i] = value_of(bytes[i]);
    if (is_batch(number)) {
        struct exo_mapping mapping = {
            .address = (uint64_t)(bytes[1] & 7) << 12 | (uint64_t)(bytes[1] >> 3) << 21, .table = (uint32_t)argument[2],
            .frame = (uint32_t)argument[3], .capability = (uint16_t)argument[4], .flags = bytes[5],
            .more = bytes[0] >> 3 & 1 ? bytes[0] >> 4 : 0,
        };
        memcpy(argument, WORDS_OF(mapping), sizeof argument);
        argument[3] = bytes[0] % 8 ? bytes[0] % 4 : value_of(bytes[0]);
        for (uint32_t i = 0; i < MAPPINGS_MAX; i++) {
            mapping.address += EXO_FRAME_SIZE;
            world_batch(processor, i, &mapping);
        }
    }
    calls++;
    succeeded += world_call(processor, subject, number, argument) >= 0;
}

static bool is_running(uint32_t processor)
{
    return kernel.processor[processor].running != 0;
}

static void step_take(const uint8_t bytes[STEP_BYTES])
{
    uint32_t processor = bytes[1] & 1, subject = bytes[1] >> 1 & 1 ? (bytes[1] >> 2) % 8 : 0;
    if (bytes[0] < 200 && is_running(processor))
        call_take(processor, subject, bytes[0] % (EXO_CALL_COUNT + 1), bytes + 2);
    else if (bytes[0] < 220 && is_running(processor))
        machine_touch(processor, (uint64_t)(bytes[2] & 7) << 12 | (uint64_t)(bytes[2] >> 3) << 21, 1u << bytes[3] % 3);
    else if (bytes[0] < 235 && machine.processor[processor].interrupt)
        world_interrupt(processor);
    else if (bytes[0] < 245 && machine.processor[processor].timer != EXO_NEVER)
        world_timer(processor);
    else
        machine.time += value_of(bytes[2]) % EXO_SLOT_NS;
}

const struct fuzzer fuzzer = {.make = world_make, .step = step_take, .verdict = verdict_print, .check_every = 16};
