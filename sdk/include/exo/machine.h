/*
 * The tables that the kernel exposes, and the clock: 64-bit nanoseconds since boot, from the TSC, the same on all
 * processors. Nothing here is a call.
 */
#pragma once
#include <exo/abi.h>

static inline const struct exo_system *exo_system_info(void)
{
    return (const struct exo_system *)EXO_SYSTEM_ADDRESS;
}

static inline const struct exo_processor *exo_processor_info(uint32_t processor)
{
    return (const struct exo_processor *)EXO_PROCESSORS_ADDRESS + processor;
}

static inline const volatile struct exo_slot *exo_slot_info(uint32_t slot)
{
    return (const volatile struct exo_slot *)EXO_SLOTS_ADDRESS + slot;
}

static inline const volatile struct exo_frame *exo_frame_info(uint32_t frame)
{
    return (const volatile struct exo_frame *)EXO_FRAMES_ADDRESS + frame;
}

static inline const volatile struct exo_program *exo_program_info(uint32_t page)
{
    return (const volatile struct exo_program *)EXO_PROGRAMS_ADDRESS + page;
}

static inline const volatile struct exo_disk *exo_disk_info(uint32_t disk)
{
    return (const volatile struct exo_disk *)EXO_DISKS_ADDRESS + disk;
}

static inline uint64_t exo_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint64_t exo_time(void)
{
    const struct exo_system *system = exo_system_info();
    return (uint64_t)(((unsigned __int128)(exo_ticks() - system->tsc_base) * system->tsc_multiplier) >> 32);
}
