/*
 * What changes when another virtual processor runs here: address space, FPU, bases, and the copies in struct cpu
 * that the fast paths of trap.S use. Also the kernel's lock and this processor's translations.
 */
#include "machine.h"

enum { MSR_PREDICTION = 0x49, PREDICTION_BARRIER = 1, STATE_COMPONENTS = 7 };

/* An XSAVE area in which every component is in its initial state; only MXCSR is read from it. */
static const struct {
    uint8_t before[24];
    uint32_t mxcsr;
    uint8_t after[804];
} __attribute__((aligned(64))) fpu_initial = {.mxcsr = 0x1f80};

static uint32_t lock_next, lock_serving;

void arch_lock(void)
{
    uint32_t ticket = __atomic_fetch_add(&lock_next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock_serving, __ATOMIC_ACQUIRE) != ticket)
        pause();
}

void arch_unlock(void)
{
    __atomic_store_n(&lock_serving, lock_serving + 1, __ATOMIC_RELEASE);
}

void arch_flush_page(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* The epoch is read before the load that passes it. */
static void root_load(struct cpu *cpu, frame_name root)
{
    uint64_t epoch = __atomic_load_n(&system_info()->flush_epoch, __ATOMIC_SEQ_CST);
    cpu->root = root;
    __asm__ volatile("movq %0, %%cr3" : : "r"((uint64_t)root << 12) : "memory");
    __atomic_store_n(&processor_info(cpu->number)->flushed, epoch, __ATOMIC_SEQ_CST);
}

/* One whose space is gone runs in the kernel's, where it faults. */
static frame_name root_of(vcpu_name vcpu)
{
    frame_name root = vcpu ? environment_page(vcpu / VCPUS_PER_ENVIRONMENT)->root : 0;
    return root ? root : paging_root;
}

void arch_flush_all(void)
{
    struct cpu *cpu = cpu_here();
    root_load(cpu, root_of(cpu->vcpu));
}

static const struct vcpu *vcpu_of(vcpu_name name)
{
    return &environment_page(name / VCPUS_PER_ENVIRONMENT)->vcpu[name % VCPUS_PER_ENVIRONMENT];
}

void arch_entries(vcpu_name name)
{
    struct cpu *cpu = cpu_here();
    const struct vcpu *vcpu = vcpu_of(name);
    cpu->exception_entry = vcpu->entry[EXO_ENTRY_EXCEPTION];
    cpu->foreign_entry = vcpu->entry[EXO_ENTRY_FOREIGN];
}

/* The user's %gs base is the hidden one while the kernel runs. */
static void user_state_clear(void)
{
    __asm__ volatile("xrstor64 %0" : : "m"(fpu_initial), "a"(STATE_COMPONENTS), "d"(0));
    __asm__ volatile("movl %k0, %%ds\n\tmovl %k0, %%es\n\tmovl %k0, %%fs\n\twrfsbase %0\n\t"
                     "swapgs\n\tmovl %k0, %%gs\n\twrgsbase %0\n\tswapgs" : : "r"(0ull));
}

void arch_switch(vcpu_name vcpu)
{
    struct cpu *cpu = cpu_here();
    frame_name root = root_of(vcpu);
    cpu->vcpu = vcpu;
    if (root != cpu->root)
        root_load(cpu, root);
    if (!vcpu)
        return;
    if (vcpu / VCPUS_PER_ENVIRONMENT != cpu->environment && cpu_features.ibpb)
        wrmsr(MSR_PREDICTION, PREDICTION_BARRIER);
    cpu->environment = vcpu / VCPUS_PER_ENVIRONMENT;
    user_state_clear();
    cpu->context = context_page(vcpu_of(vcpu)->context);
    cpu->context_address = vcpu_of(vcpu)->address;
    arch_entries(vcpu);
}

void arch_save_fpu(frame_name context)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(context_page(context)->forced_fpu), "a"(STATE_COMPONENTS), "d"(0) : "memory");
}

/* trap.S, in kernel_timed.elf only. */
void path_end(void);
void path_end(void)
{
    struct cpu *cpu = cpu_here();
    uint64_t ticks = rdtsc() - cpu->path_start;
    struct exo_processor *info = processor_info(cpu->number);
    if (ticks > info->longest_path)
        info->longest_path = ticks;
}
