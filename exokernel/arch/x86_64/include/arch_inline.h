/*
 * The hot part of the machine contract (core/arch.h): where the tables and the donated pages are. Every page is
 * reached through the direct map; the tables stand at constant addresses, mapped for every frame below the
 * machine's frame count. Callers have checked the name against its limit.
 */
#pragma once
#include <arch_entry.h>
#include <arch_layout.h>

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
    return (struct exo_frame *)(TABLES_BASE + (EXO_FRAMES_ADDRESS - EXO_SYSTEM_ADDRESS)) + frame;
}

static inline void *direct_page(frame_name frame)
{
    return (void *)(DIRECT_BASE + ((uint64_t)frame << 12));
}

static inline struct environment *environment_page(frame_name frame)
{
    return direct_page(frame);
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

static inline struct exo_trace_record *trace_page(frame_name frame)
{
    return direct_page(frame);
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
    uint32_t number;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(number) : "i"(CPU_NUMBER));
    return number;
}
