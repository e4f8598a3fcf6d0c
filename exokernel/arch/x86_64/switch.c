/*
 * What changes when another virtual processor runs here: address space, FPU, bases, and the copies in struct cpu
 * that the fast paths of trap.S use. Also the kernel's lock and this processor's translations.
 */
#include "machine.h"

enum { STATE_COMPONENTS = 7 };

const struct switch_fpu switch_fpu = {.mxcsr = 0x1f80};

static uint32_t lock_next, lock_serving;

void arch_lock(void)
{
    uint32_t ticket = __atomic_fetch_add(&lock_next, 1, __ATOMIC_RELAXED);
    while (__builtin_expect(__atomic_load_n(&lock_serving, __ATOMIC_ACQUIRE) != ticket, false))
        pause();
}

void arch_unlock(void)
{
    __asm__ volatile("incl %0" : "+m"(lock_serving) : : "memory"); /* who holds it alone writes it: a release, in one instruction */
}

void arch_flush_page(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

void arch_flush_all(void)
{
    vcpu_name name = *cpu_here()->running;
    frame_name root = name ? environment_page(name / VCPUS_PER_ENVIRONMENT)->root : 0;
    switch_root(cpu_here()->info, root ? root : paging_root);
}

void arch_idle(void)
{
    struct exo_processor *info = cpu_here()->info;

    info->running = 0;
    info->switches++;
    switch_root(info, paging_root);
}

void arch_save_fpu(frame_name context)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(context_page(context)->forced_fpu), "a"(STATE_COMPONENTS), "d"(0) : "memory");
}

/* In kernel_timed.elf only: how long paths through the kernel are, and how long they go on without a look at the timer. */

static void longest_note(uint32_t *longest, uint64_t ticks)
{
    if (ticks > *longest)
        *longest = (uint32_t)ticks;
}

static void stretch_note(const struct cpu *cpu, uint64_t now)
{
    uint64_t began = cpu->looked > cpu->path_start ? cpu->looked : cpu->path_start;

    longest_note(&processor_info(cpu->number)->longest_stretch, now - began);
}

void path_end(void)
{
    struct cpu *cpu = cpu_here();
    uint64_t now = rdtsc();

    longest_note(&processor_info(cpu->number)->longest_path, now - cpu->path_start);
    stretch_note(cpu, now);
}

void path_look(void)
{
    struct cpu *cpu = cpu_here();
    uint64_t now = rdtsc();

    stretch_note(cpu, now);
    cpu->looked = rdtsc();
    cpu->path_start += cpu->looked - now; /* measuring is no part of the path */
}
