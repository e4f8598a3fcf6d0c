/* Exceptions and foreign system calls: to the libOS's handler and back. */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/upcall.h>

enum { UD2_SIZE = 2 };

static void instruction_skip(struct exo_upcall_frame *frame)
{
    frame->rip += UD2_SIZE;
}

static void exception_measure(void)
{
    uint64_t least = UINT64_MAX;

    exo_exception_handler = instruction_skip;
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t before = exo_ticks();
        __asm__ volatile("ud2");
        bench_least(&least, exo_ticks() - before - bench_empty);
    }
    bench_print("exception", least, "instructions");
}

static void foreign_measure(void)
{
    uint64_t least = UINT64_MAX;

    bench_must(exo_vcpu_entry(0, 0, EXO_ENTRY_FOREIGN, (uint64_t)bench_foreign_entry), "foreign entry");
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t number = 39, before = exo_ticks();
        __asm__ volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory");
        bench_least(&least, exo_ticks() - before - bench_empty);
    }
    bench_print("foreign_syscall", least, "instructions");
}

void bench_upcalls(void)
{
    exception_measure();
    foreign_measure();
}
