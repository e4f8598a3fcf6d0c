/*
 * The hot part of the machine contract (core/arch.h): where the tables and the donated pages are. Every page is
 * reached through the direct map; the tables stand at constant addresses, mapped for every frame below the
 * machine's frame count. Callers have checked the name against its limit.
 */
#pragma once
#include <arch_entry.h>
#include <arch_layout.h>

/* Of this processor's struct cpu. */
#define CPU_FIELD(type, offset) (*(type __seg_gs *)(offset))

static inline struct exo_system *system_info(void)
{
    return (struct exo_system *)TABLES_BASE;
}

static inline struct exo_processor *processor_info(uint32_t processor)
{
    return (struct exo_processor *)(TABLES_BASE + (EXO_PROCESSORS_ADDRESS - EXO_SYSTEM_ADDRESS)) + processor;
}

static inline struct exo_slot *slot_at(uint32_t slot)
{
    return (struct exo_slot *)(TABLES_BASE + (EXO_SLOTS_ADDRESS - EXO_SYSTEM_ADDRESS)) + slot;
}

static inline struct exo_frame *frame_at(frame_name frame)
{
    return (struct exo_frame *)FRAMES_BASE + frame;
}

static inline struct exo_flow *flow_at(uint32_t flow)
{
    return (struct exo_flow *)(TABLES_BASE + (EXO_FLOWS_ADDRESS - EXO_SYSTEM_ADDRESS)) + flow;
}

static inline struct exo_shape *shape_at(uint32_t shape)
{
    return (struct exo_shape *)(TABLES_BASE + (EXO_SHAPES_ADDRESS - EXO_SYSTEM_ADDRESS)) + shape;
}

static inline void *direct_page(frame_name frame)
{
    return (void *)(DIRECT_BASE + ((uint64_t)frame << 12));
}

static inline struct environment *environment_page(frame_name frame)
{
    return direct_page(frame);
}

_Static_assert(sizeof(struct environment) == EXO_FRAME_SIZE && sizeof(struct vcpu) * VCPUS_PER_ENVIRONMENT == EXO_FRAME_SIZE / 2,
               "the second half of an environment's page is its virtual processors");

/* In units of their size, what names count in half of each page. */
static inline struct vcpu *vcpu_at(vcpu_name name)
{
    return (struct vcpu *)DIRECT_BASE + name + (name & -VCPUS_PER_ENVIRONMENT) + VCPUS_PER_ENVIRONMENT;
}

static inline struct capability_table *capability_page(frame_name frame)
{
    return direct_page(frame);
}

static inline uint64_t *table_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct shadow_entry *shadow_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct exo_context *context_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct exo_net_ring *net_ring_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct net_queue *net_queue_page(frame_name frame)
{
    return direct_page(frame);
}

static inline void *data_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct exo_trace_record *trace_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct exo_program *program_at(uint32_t page)
{
    return (struct exo_program *)(TABLES_BASE + (EXO_PROGRAMS_ADDRESS - EXO_SYSTEM_ADDRESS)) + page;
}

static inline struct exo_ring *ring_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct queue *queue_page(frame_name frame)
{
    return direct_page(frame);
}

static inline struct exo_disk *disk_info(uint32_t disk)
{
    return (struct exo_disk *)(TABLES_BASE + (EXO_DISKS_ADDRESS - EXO_SYSTEM_ADDRESS)) + disk;
}

static inline uint32_t table_index(uint64_t address, uint32_t level)
{
    return address >> (12 + 9 * (level - 1)) & (TABLE_ENTRIES - 1);
}

/* By a mask instead of a branch, so that the processor cannot guess past it. */
static inline uint64_t arch_clamp(uint64_t index, uint64_t limit)
{
    uint64_t mask;
    __asm__ volatile("cmpq %2, %1\n\tsbbq %0, %0" : "=&r"(mask) : "r"(index), "r"(limit) : "cc");
    return index & mask;
}

static inline uint32_t arch_processor(void)
{
    return CPU_FIELD(uint32_t, CPU_NUMBER);
}

static inline struct vcpu *vcpu_here(void)
{
    return CPU_FIELD(struct vcpu *, CPU_VCPU);
}

static inline struct exo_context *context_here(void)
{
    return CPU_FIELD(struct exo_context *, CPU_CONTEXT);
}

static inline struct processor *processor_here(void)
{
    return CPU_FIELD(struct processor *, CPU_RUNNING);
}

/* One note for each of CHECK_COUNT id classes, in struct cpu. An id names one capability for ever. */
static inline bool arch_check_is_noted(uint64_t id)
{
    uint64_t at = id % CHECK_COUNT * 16, noted, generation;
    __asm__ volatile("movq %%gs:%c2(%1), %0" : "=r"(noted) : "r"(at), "i"(CPU_CHECKS));
    __asm__ volatile("movq %%gs:%c2(%1), %0" : "=r"(generation) : "r"(at), "i"(CPU_CHECKS + 8));
    return noted == id && generation == __atomic_load_n(&kernel.generation, __ATOMIC_ACQUIRE);
}

static inline void arch_check_note(uint64_t id, uint64_t generation)
{
    uint64_t at = id % CHECK_COUNT * 16;
    __asm__ volatile("movq %0, %%gs:%c2(%1)" : : "r"(id), "r"(at), "i"(CPU_CHECKS) : "memory");
    __asm__ volatile("movq %0, %%gs:%c2(%1)" : : "r"(generation), "r"(at), "i"(CPU_CHECKS + 8) : "memory");
}

/* ---- switching: inline, because gates and directed yields are little else. The rest is in switch.c. */

/* An XSAVE area in which every component is in its initial state; only MXCSR is read from it. */
extern const struct switch_fpu {
    uint8_t before[24];
    uint32_t mxcsr;
    uint8_t after[804];
} __attribute__((aligned(64))) switch_fpu;

/* The kernel's own space: for nobody, or for somebody whose space is gone, and who faults there. */
extern frame_name paging_root;

/* The epoch is read before the load that passes it. What the last environment taught the branch predictor is forgotten. */
static inline void switch_root(struct exo_processor *info, frame_name root)
{
    uint64_t epoch = __atomic_load_n(&system_info()->flush_epoch, __ATOMIC_SEQ_CST);

    CPU_FIELD(frame_name, CPU_ROOT) = root;
    __asm__ volatile("movq %0, %%cr3" : : "r"((uint64_t)root << 12) : "memory");
    __atomic_store_n(&info->flushed, epoch, __ATOMIC_RELEASE);
    if (__builtin_expect(CPU_FIELD(uint8_t, CPU_BARRIER), 0))
        __asm__ volatile("wrmsr" : : "c"(0x49), "a"(1), "d"(0));
}

/* FPU and bases. The user's %gs base is the hidden one while the kernel runs. Selectors stay: there are two values, of one meaning. */
static inline void switch_clear(void)
{
    __asm__ volatile("xorl %%edx, %%edx\n\twrfsbase %%rdx\n\tswapgs\n\twrgsbase %%rdx\n\tswapgs\n\t"
                     "movl $7, %%eax\n\txrstor64 %0" : : "m"(switch_fpu) : "rax", "rdx");
}

static inline void arch_switch(vcpu_name name, struct vcpu *vcpu)
{
    struct exo_processor *info = CPU_FIELD(struct exo_processor *, CPU_INFO);
    const struct environment *environment = (const void *)((uint64_t)vcpu & -(uint64_t)EXO_FRAME_SIZE); /* its page */
    frame_name root = environment->root;

    info->running = name;
    info->switches++;
    if (root != CPU_FIELD(frame_name, CPU_ROOT))
        switch_root(info, __builtin_expect_with_probability(root != 0, 1, 1.0) ? root : paging_root);
    switch_clear();
    CPU_FIELD(struct vcpu *, CPU_VCPU) = vcpu;
    CPU_FIELD(struct exo_context *, CPU_CONTEXT) = context_page(vcpu->context);
}
