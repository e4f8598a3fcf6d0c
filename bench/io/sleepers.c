/*
 * What a tick costs while environments sleep: one that is interrupted at the start of a slot that is its own, with one sleeper and with
 * a thousand. Half of them sleep on a predicate of their own each, which is as many as there are pages for programs; the others on nothing.
 */
#include <measure.h>
#include <assemble.h>
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define PLACE        0x30000000ull
#define STUB_ADDRESS 0x00400000ull
#define CALL_ADDRESS 0x00401000ull

enum {
    SLEEPERS = 1000, PREDICATES = 500, FIRST_SLOT = 128, WINDOW_SLOT = 100, FRAMES = 40, CODE_FRAMES = 16, VISITS = 1000,
    TICKS = 61, TRIES = 10, TICK_LEAST = 50, /* what lies between two readings of the clock is less */
    RIGHTS_MEMORY = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
};

/* The first word is not 0. */
static const struct code_instruction predicate[] = {
    LOAD(SIZE_DW, 2, 1, offsetof(struct exo_predicate, words)), LOAD(SIZE_DW, 0, 2, 0), EXIT,
};

/* All that a sleeper does: the call whose registers stand at CALL_ADDRESS, again and again. */
extern const uint8_t sleeper_stub[], sleeper_stub_end[];
__asm__(".section .rodata\n.global sleeper_stub, sleeper_stub_end\n"
        "sleeper_stub:\n\tmovl $0x401000, %ebx\n\tmovq (%rbx), %rax\n\tmovq 8(%rbx), %rdi\n\tmovq 16(%rbx), %rsi\n\tmovq 24(%rbx), %rdx\n\t"
        "movq 32(%rbx), %r10\n\tmovq 40(%rbx), %r8\n\tmovq 48(%rbx), %r9\n\tsyscall\n\tjmp sleeper_stub\nsleeper_stub_end:\n.text\n");

static void predicate_load(struct exo_child *child, uint16_t window, uint32_t page)
{
    const struct exo_code_header header = {
        .kind = EXO_CODE_PREDICATE, .count = sizeof predicate / sizeof *predicate, .budget = EXO_PREDICATE_BUDGET, .visits = VISITS,
    };
    uint32_t frame = exo_frame_alloc_run(&child->frames, CODE_FRAMES, 1);
    int64_t result;

    bench_must(frame ? EXO_OK : EXO_TAKEN, "frames of a program");
    bench_must(exo_space_map(&bench_space, PLACE, frame + 1, 1, child->window, EXO_MAP_READ | EXO_MAP_WRITE), "a page");
    memcpy((void *)PLACE, &header, sizeof header);
    memcpy((uint8_t *)PLACE + sizeof header, predicate, sizeof predicate);
    bench_must(exo_space_unmap(&bench_space, PLACE, 1), "unmapping");
    bench_must(exo_program_load(child->slot, window, page, 1, child->frames.capability, frame, CODE_FRAMES), "loading");
    do
        result = exo_program_continue(child->slot, page);
    while (result == EXO_AGAIN);
    bench_must(result, "loading");
}

static uint16_t slot_of(uint32_t n)
{
    uint32_t slot = FIRST_SLOT + n + n / (EXO_CAPABILITIES_PER_TABLE - 1) + 1; /* the first of each table is the table's own */

    if (slot % EXO_CAPABILITIES_PER_TABLE == 1)
        bench_must(exo_environment_extend(0, bench_frames.capability, exo_frame_find(&bench_frames), (uint8_t)(slot / EXO_CAPABILITIES_PER_TABLE)),
                   "a table");
    return (uint16_t)slot;
}

static void sleeper_make(uint32_t n)
{
    static struct exo_child child;
    const struct exo_start_capability *programs = exo_start_capability(exo_start_slot(EXO_KIND_PROGRAMS, 0));
    uint32_t first = bench_frames.first + bench_frames.count - (n + 1) * FRAMES, page = programs->first + n;
    uint64_t call[7] = {EXO_CALL_MAGIC | EXO_CALL_SLICE_SLEEP, UINT64_MAX, EXO_EVENT_MESSAGE};
    uint16_t memory, window, slot = slot_of(n);

    bench_must(exo_child_create(&child, &bench_space, slot, WINDOW_SLOT, "sleeper"), "an environment");
    bench_must(exo_child_grant(&child, bench_frames.capability, EXO_KIND_FRAMES, RIGHTS_MEMORY, first, FRAMES, &memory), "memory");
    if (n < PREDICATES)
        bench_must(exo_child_grant(&child, programs->slot, EXO_KIND_PROGRAMS, programs->rights, page, 1, &window), "a page");
    bench_must(exo_child_memory(&child, memory), "memory");
    if (n < PREDICATES) {
        predicate_load(&child, window, page);
        uint64_t sleep_on[7] = {EXO_CALL_MAGIC | EXO_CALL_SLICE_SLEEP_ON, UINT64_MAX, EXO_EVENT_MESSAGE, page, memory, exo_frame_alloc(&child.frames)};
        memcpy(call, sleep_on, sizeof call);
    }
    bench_must(exo_child_fill(&child, STUB_ADDRESS, 1, EXO_MAP_READ | EXO_MAP_EXECUTE, sleeper_stub, (size_t)(sleeper_stub_end - sleeper_stub)), "code");
    bench_must(exo_child_fill(&child, CALL_ADDRESS, 1, EXO_MAP_READ, call, sizeof call), "a call");
    bench_must(exo_child_start(&child, STUB_ADDRESS), "starting");
    int64_t result = EXO_OK;
    for (uint32_t i = 0; i < TRIES && result == EXO_OK; i++) /* the end of a slice may come before it has slept */
        result = exo_yield_to(slot, 0);
    if (result != EXO_BUSY)
        bench_fail(result, "a sleeper does not sleep");
    if (n < PREDICATES && exo_slice_notify(slot, 0) != 0)
        bench_fail(EXO_BAD_ARGUMENT, "a sleeper's word is 0");
}

/* Most ticks are between two slots that are both this program's: the median. */
static uint64_t tick_measure(void)
{
    static uint64_t taken[TICKS];
    uint32_t count = 0;
    uint64_t last = exo_ticks();

    while (count < TICKS) {
        uint64_t now = exo_ticks(), gap = now - last;
        last = now;
        if (gap < TICK_LEAST)
            continue;
        uint32_t at = count++;
        for (; at && taken[at - 1] > gap; at--)
            taken[at] = taken[at - 1];
        taken[at] = gap;
        last = exo_ticks();
    }
    return taken[TICKS / 2];
}

int main(void)
{
    bench_open();
    sleeper_make(0);
    bench_print("sleepers_1", tick_measure(), "instructions");
    for (uint32_t n = 1; n < SLEEPERS; n++)
        sleeper_make(n);
    bench_print("sleepers_1000", tick_measure(), "instructions");
    return 0;
}
