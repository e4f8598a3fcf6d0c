/*
 * One processor's control registers, descriptor tables, stacks and features (Intel SDM 3A). cpu_start runs once on
 * each, on its own stack.
 */
#include "machine.h"
#include <cpuid.h>
#include <dispatch.h>

enum { MSR_EFER = 0xc0000080, MSR_STAR = 0xc0000081, MSR_LSTAR = 0xc0000082, MSR_FMASK = 0xc0000084 };
enum { MSR_GS_BASE = 0xc0000101, MSR_KERNEL_GS_BASE = 0xc0000102 };
enum { EFER_SYSCALL = 1 << 0, EFER_NX = 1 << 11 };
enum { CR0_MP = 1 << 1, CR0_EM = 1 << 2, CR0_TS = 1 << 3, CR0_NE = 1 << 5, CR0_WP = 1 << 16 };
enum { CR0_AM = 1 << 18, CR0_NW = 1 << 29, CR0_CD = 1 << 30 }; /* a processor that another one started has its caches off (SDM 3A 11.5.1) */
enum { CR4_PAE = 1 << 5, CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, CR4_UMIP = 1 << 11, CR4_FSGSBASE = 1 << 16 };
enum { CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };
enum { GATE_INTERRUPT = 0x8e, GATE_FOR_USER = 0xee, FAULT_STACK = 1 };
enum { GUARD_SIZE = 4096, FAULT_STACK_SIZE = 4096, EXCEPTIONS = 22 };
enum { USER_FLAGS = 0x3f7fd5 }; /* all that a syscall clears: interrupts, DF, TF, AC, NT … */

struct gate_descriptor {
    uint16_t offset_low, selector;
    uint8_t stack, kind;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct stack_area {
    uint8_t guard[GUARD_SIZE]; /* not mapped */
    uint8_t stack[CPU_STACK_SIZE];
    uint8_t fault_stack[FAULT_STACK_SIZE]; /* for NMI, double fault, machine check: they only panic */
};

struct cpu cpus[PROCESSOR_LIMIT];
struct cpu_features cpu_features;
static struct stack_area stacks[PROCESSOR_LIMIT] __attribute__((aligned(4096)));
static struct gate_descriptor idt[256] __attribute__((aligned(16)));
uint64_t start_stack = (uint64_t)stacks[0].fault_stack;

extern const uint64_t trap_vectors[EXCEPTIONS];
extern const uint64_t trap_devices[DEVICE_MAX];
extern char trap_call[], trap_timer[], trap_interrupt[], trap_spurious[];

#define AGREES(structure, field, offset) _Static_assert(offsetof(struct structure, field) == (offset), #field)
AGREES(cpu, stack, CPU_STACK);
AGREES(cpu, user_rsp, CPU_USER_RSP);
AGREES(cpu, context, CPU_CONTEXT);
AGREES(cpu, vcpu, CPU_VCPU);
AGREES(cpu, info, CPU_INFO);
AGREES(cpu, root, CPU_ROOT);
AGREES(cpu, barrier, CPU_BARRIER);
AGREES(vcpu, start.rax, VCPU_ADDRESS);
AGREES(vcpu, place, VCPU_PLACE);
AGREES(place, rflags, PLACE_RFLAGS);
AGREES(place, rip, PLACE_RIP);
AGREES(place, rsp, PLACE_RSP);
AGREES(place, rax, PLACE_RAX);
AGREES(place, rdi, PLACE_RDI);
AGREES(vcpu, entry[EXO_ENTRY_EXCEPTION], VCPU_EXCEPTION_ENTRY);
AGREES(vcpu, entry[EXO_ENTRY_FOREIGN], VCPU_FOREIGN_ENTRY);
AGREES(vcpu, timer, VCPU_TIMER);
AGREES(processor, armed, PROCESSOR_ARMED);
AGREES(cpu, running, CPU_RUNNING);
AGREES(cpu, path_start, CPU_PATH_START);
AGREES(cpu, number, CPU_NUMBER);
AGREES(exo_context, exception_rip, CONTEXT_RIP);
AGREES(exo_context, exception_rflags, CONTEXT_RFLAGS);
AGREES(exo_context, exception_rsp, CONTEXT_RSP);
AGREES(exo_context, exception_rax, CONTEXT_RAX);
AGREES(exo_context, exception_rcx, CONTEXT_RCX);
AGREES(exo_context, exception_r11, CONTEXT_R11);
AGREES(exo_context, exception_vector, CONTEXT_VECTOR);
AGREES(exo_context, exception_error, CONTEXT_ERROR);
AGREES(exo_context, exception_address, CONTEXT_ADDRESS);
AGREES(exo_context, exception_busy, CONTEXT_BUSY);
AGREES(exo_context, foreign_rip, CONTEXT_FOREIGN_RIP);
AGREES(exo_registers, rip, REGISTERS_RIP);
AGREES(exo_registers, rflags, REGISTERS_RFLAGS);
AGREES(exo_registers, rsp, REGISTERS_RSP);
AGREES(cpu, checks, CPU_CHECKS);
_Static_assert(sizeof(struct processor) == 1024, "struct processor");
_Static_assert(sizeof(struct exo_registers) == REGISTERS_SIZE, "struct exo_registers");
_Static_assert(EXO_CALL_MAGIC == CALL_MAGIC && EXO_CALL_COUNT <= CALL_TABLE, "call numbers");
_Static_assert((EXO_CALL_MAGIC | EXO_CALL_SLICE_YIELD) == CALL_SLICE_YIELD, "EXO_CALL_SLICE_YIELD");
_Static_assert((EXO_CALL_MAGIC | EXO_CALL_SLICE_YIELD_TO) == CALL_SLICE_YIELD_TO, "EXO_CALL_SLICE_YIELD_TO");
_Static_assert((EXO_CALL_MAGIC | EXO_CALL_TIMER_SET) == CALL_TIMER_SET, "EXO_CALL_TIMER_SET");
_Static_assert((EXO_CALL_MAGIC | EXO_CALL_GATE_CALL) == CALL_GATE_CALL, "EXO_CALL_GATE_CALL");
_Static_assert((EXO_CALL_MAGIC | EXO_CALL_GATE_REPLY) == CALL_GATE_REPLY, "EXO_CALL_GATE_REPLY");
_Static_assert(EXO_CALL_COUNT <= 64, "the mask of switching calls is 64 bits");

void cpu_identify(void)
{
    uint32_t a, b, c, d, extended;
    __cpuid(0x80000001, a, b, c, extended);
    cpu_features.gigabyte_pages = extended & 1 << 26;
    bool has_nx = extended & 1 << 20;
    __cpuid(1, a, b, c, d);
    bool has_xsave = c & 1 << 26;
    cpu_features.rdrand = c & 1 << 30;
    cpu_features.avx = c & 1 << 28;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1 << 0) || !has_xsave || !has_nx)
        arch_panic("this processor lacks NX, FSGSBASE or XSAVE; under QEMU give -cpu max");
    cpu_features.smep = b & 1 << 7;
    cpu_features.smap = b & 1 << 20;
    cpu_features.umip = c & 1 << 2;
    cpu_features.ibpb = d & 1 << 26;
    if (__get_cpuid(0x80000008, &a, &b, &c, &d) && b & 1 << 12)
        cpu_features.ibpb = true;
}

uint64_t cpu_stack_guard(uint32_t number)
{
    return (uint64_t)stacks[number].guard;
}

uint64_t cpu_stack_top(uint32_t number)
{
    return (uint64_t)(stacks[number].stack + CPU_STACK_SIZE);
}

uint32_t cpu_xsave_size(void)
{
    uint32_t a, b, c, d;
    __cpuid_count(0xd, 0, a, b, c, d);
    return b;
}

uint64_t cpu_random(void)
{
    uint64_t value = 0;
    uint8_t good = 0;
    for (uint32_t tries = 0; cpu_features.rdrand && !good && tries < 10; tries++)
        __asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=qm"(good) : : "cc");
    return good ? value : 0;
}

static void gate_set(uint32_t vector, uint64_t target, uint8_t kind, uint8_t stack)
{
    idt[vector] = (struct gate_descriptor){
        .offset_low = target, .offset_middle = target >> 16, .offset_high = target >> 32,
        .selector = SELECTOR_KERNEL_CODE, .kind = kind, .stack = stack,
    };
}

static void idt_fill(void)
{
    for (uint32_t vector = 0; vector < 256; vector++)
        gate_set(vector, (uint64_t)trap_spurious, GATE_INTERRUPT, 0);
    for (uint32_t vector = 0; vector < EXCEPTIONS; vector++) {
        bool only_panics = vector == 2 || vector == 8 || vector == 18;
        gate_set(vector, trap_vectors[vector], vector == 3 ? GATE_FOR_USER : GATE_INTERRUPT, only_panics ? FAULT_STACK : 0);
    }
    gate_set(VECTOR_TIMER, (uint64_t)trap_timer, GATE_INTERRUPT, 0);
    gate_set(VECTOR_INTERRUPT, (uint64_t)trap_interrupt, GATE_INTERRUPT, 0);
    for (uint32_t number = 0; number < DEVICE_MAX; number++) {
        gate_set(VECTOR_DEVICE + number, trap_devices[number], GATE_INTERRUPT, 0);
        gate_set(VECTOR_AGAIN + number, trap_devices[number], GATE_INTERRUPT, 0);
    }
}

static void descriptors_load(struct cpu *cpu)
{
    uint64_t task = (uint64_t)&cpu->task;
    cpu->task.stack[0] = cpu->stack;
    cpu->task.fault_stack[FAULT_STACK - 1] = (uint64_t)(stacks[cpu->number].fault_stack + FAULT_STACK_SIZE);
    cpu->task.io_map = sizeof cpu->task;
    cpu->gdt[SELECTOR_KERNEL_CODE / 8] = 0x00af9b000000ffff;
    cpu->gdt[SELECTOR_KERNEL_DATA / 8] = 0x00cf93000000ffff;
    cpu->gdt[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff;
    cpu->gdt[SELECTOR_USER_CODE / 8] = 0x00affb000000ffff;
    cpu->gdt[SELECTOR_TASK / 8] = 0x0000890000000000 | (sizeof cpu->task - 1) | (task & 0xffffff) << 16 |
                                  (task >> 24 & 0xff) << 56;
    cpu->gdt[SELECTOR_TASK / 8 + 1] = task >> 32;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt_pointer = {sizeof cpu->gdt - 1, (uint64_t)cpu->gdt},
                              idt_pointer = {sizeof idt - 1, (uint64_t)idt};
    __asm__ volatile("lgdt %0\n\tlidt %1\n\tltr %w2" : : "m"(gdt_pointer), "m"(idt_pointer), "r"(SELECTOR_TASK));
}

static void control_set(void)
{
    uint64_t cr0, cr4;
    __asm__ volatile("movq %%cr0, %0\n\tmovq %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    cr0 = (cr0 & ~(uint64_t)(CR0_EM | CR0_TS | CR0_AM | CR0_NW | CR0_CD)) | CR0_MP | CR0_NE | CR0_WP;
    cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | (cpu_features.umip ? CR4_UMIP : 0) |
          (cpu_features.smep ? CR4_SMEP : 0) | (cpu_features.smap ? CR4_SMAP : 0);
    __asm__ volatile("movq %0, %%cr0\n\tmovq %1, %%cr4" : : "r"(cr0), "r"(cr4));
}

/* x87, SSE and, where there is AVX, its upper halves: what context.forced_fpu has room for. */
static void extended_state_set(void)
{
    uint32_t low, high, b, c;
    __cpuid_count(0xd, 0, low, b, c, high);
    __asm__ volatile("xsetbv" : : "c"(0), "a"(low & 7), "d"(0));
}

void cpu_start(uint32_t number)
{
    struct cpu *cpu = &cpus[number];
    cpu->number = number;
    cpu->stack = cpu_stack_top(number);
    cpu->running = &kernel.processor[number].running;
    cpu->info = processor_info(number);
    cpu->barrier = cpu_features.ibpb;
    cpu->deadline = EXO_NEVER;
    if (number == 0)
        idt_fill();
    descriptors_load(cpu);
    control_set();
    extended_state_set();
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SYSCALL | EFER_NX);
    wrmsr(MSR_STAR, (uint64_t)SELECTOR_SYSRET << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)trap_call);
    wrmsr(MSR_FMASK, USER_FLAGS);
}
