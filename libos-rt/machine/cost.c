/*
 * What the analysis counts in, from counted instructions (docs/real_time.md) and this machine's time for one; and the slots
 * that are owned.
 */
#include <exo/rt_run.h>
#include <exo/machine.h>
#include <exo/program.h>

enum {
    PATH = 4500,      /* the longest stretch of the kernel without a look at the timer */
    TIMER = 3500,     /* of its timer */
    SCHEDULE = 1200,  /* from the event's entry to a task, with a preempted one kept and gone back to */
    SWITCH = 2500,    /* half of: a job's end, the next one's start, and an alarm that was set for it and came for nothing */
    LOOP = 5000, TRIES = 20,
};

static uint64_t loop_time(void)
{
    uint64_t before = exo_time();

    __asm__ volatile("movl %0, %%ecx\n1: nop\n decl %%ecx\n jnz 1b" : : "i"(LOOP) : "rcx", "cc");
    return exo_time() - before;
}

/* Nanoseconds for so many instructions, rounded up. */
static uint64_t time_of(uint64_t instructions, uint64_t loop)
{
    return (instructions * loop + 3 * LOOP - 1) / (3 * LOOP);
}

void rt_overhead_find(struct rt_overhead *overhead, struct rt_supply *supply)
{
    uint64_t loop = UINT64_MAX;

    for (uint32_t i = 0; i < TRIES; i++) {
        uint64_t time = loop_time();
        loop = time < loop ? time : loop;
    }
    *overhead = (struct rt_overhead){
        .release = time_of(TIMER + SCHEDULE, loop), .switching = time_of(SWITCH, loop), .blocking = time_of(PATH, loop),
    };
    supply->late = EXO_GRACE_NS + time_of(PATH + 2 * TIMER, loop);
    supply->tick = time_of(TIMER + SCHEDULE, loop);
}

void rt_supply_find(struct rt_supply *supply)
{
    const struct exo_start_capability *held = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 0));
    uint32_t first = held ? held->first / EXO_SLOTS_PER_PROCESSOR * EXO_SLOTS_PER_PROCESSOR : 0;

    *supply = (struct rt_supply){.slot = EXO_SLOT_NS, .positions = EXO_SLOTS_PER_PROCESSOR};
    for (uint32_t i = 0; held && i < EXO_SLOTS_PER_PROCESSOR; i++)
        if (exo_slot_info(first + i)->owner == exo_start.environment)
            supply->owned |= 1ull << i;
}
