/*
 * What the files of this machine share with each other; core sees none of it. One struct cpu a processor, reached
 * through %gs in kernel mode; the boot processor is number 0.
 */
#pragma once
#include <arch.h>
#include <boot.h>
#include "offset.h"

struct task_state { /* Intel SDM 3A 8.7 */
    uint32_t reserved0;
    uint64_t stack[3];
    uint64_t reserved1;
    uint64_t fault_stack[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));

struct cpu {
    uint64_t stack; /* its top; a struct exo_registers is built at top - 160 */
    uint64_t user_rsp;
    struct exo_context *context; /* of the running virtual processor */
    struct vcpu *vcpu;           /* the running virtual processor, as arch_switch was told */
    struct exo_processor *info;
    uint64_t path_start; /* TSC at entry from user mode, when paths are measured */
    const vcpu_name *running;
    uint64_t deadline; /* ns; EXO_NEVER */
    uint32_t number;
    uint32_t apic_id;
    frame_name root;  /* the loaded PML4 */
    uint8_t barrier;  /* 1: the processor has IBPB (Intel SDM 4 MSR 49H) */
    struct {
        uint64_t id, generation;
    } checks[CHECK_COUNT];
    uint64_t gdt[8];
    struct task_state task;
    uint64_t looked; /* TSC at the last look at the timer, when paths are measured */
};
extern struct cpu cpus[PROCESSOR_LIMIT];

static inline struct cpu *cpu_here(void)
{
    struct cpu *cpu;
    __asm__ volatile("rdgsbase %0" : "=r"(cpu));
    return cpu;
}

/* What the boot loader said; addresses are physical. */
struct firmware {
    struct {
        uint64_t start, end;
    } ram[64];
    uint32_t ram_count;
    uint64_t module, module_size; /* size 0: none */
    uint64_t rsdp;                /* 0: not told */
    struct {
        uint32_t address, first_line;
    } ioapic[4];
    uint32_t ioapic_count;
    char command_line[1024];
};
extern struct firmware firmware;

/* Physical memory while booting: only the first 4 GiB, from start.S's tables. */
static inline void *boot_pointer(uint64_t physical)
{
    return (void *)(DIRECT_BASE + physical);
}

static inline uint64_t kernel_physical(const void *address)
{
    return (uint64_t)address - KERNEL_BASE;
}

extern char kernel_start_of_image[], kernel_end_of_text[], kernel_end_of_rodata[], kernel_end_of_image[];

/* start.S */
extern char trampoline_start[], trampoline_end[];
extern void (*start_function)(uint32_t magic, uint32_t info);
extern uint64_t start_stack;

/* boot.c, loader.c */
_Noreturn void boot_main(uint32_t magic, uint32_t info);
void loader_read(struct firmware *firmware, uint32_t magic, uint32_t info);
frame_name boot_take(uint32_t count); /* cleared frames in a row for the kernel, for ever; below 4 GiB */

/* paging.c */
void paging_build(const struct firmware *firmware, uint32_t frame_count, uint32_t processor_count);
void paging_map_device(uint64_t address, uint64_t physical, uint64_t size); /* uncached, for the kernel */
void paging_load(void);

/* cpu.c */
enum { CPU_STACK_SIZE = 8192 };
struct cpu_features {
    bool smep, smap, umip, ibpb, rdrand, avx, gigabyte_pages;
};
extern struct cpu_features cpu_features;
void cpu_identify(void); /* panics if the processor lacks what the kernel cannot do without */
void cpu_start(uint32_t number);
uint64_t cpu_stack_guard(uint32_t number); /* the page below its stack */
uint64_t cpu_stack_top(uint32_t number);
uint32_t cpu_xsave_size(void);
uint64_t cpu_random(void);

/* trap.S: slice_start, then user mode or idle */
_Noreturn void cpu_enter(void);

/* apic.c */
uint64_t apic_physical(void);
void apic_enable(void);
uint32_t apic_id(void);
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, uint64_t address);
void apic_timer_set(uint32_t ticks);
uint32_t apic_timer_left(void);

/* switch.c */
void path_end(void);
void path_look(void);

/* timer.c */
extern uint64_t timer_tsc_base, timer_tsc_multiplier;
void timer_calibrate(void);
uint64_t timer_due(void);
void timer_delay(uint64_t ns);

/* acpi.c: APIC ids of the usable processors, how many; the I/O APICs go into firmware */
uint32_t acpi_read(struct firmware *firmware, uint32_t *apic_ids, uint32_t limit);

/* smp.c: the other processors up to a gate in the kernel (how many there are then), and through it */
uint32_t smp_start(const uint32_t *apic_ids, uint32_t count);
void smp_release(void);

/* console.c */
void console_start(void);

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}
