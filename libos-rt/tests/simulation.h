/*
 * A schedule played tick by tick, as naively as it can be: what the analysis is held against. It shares no code with it. Tasks
 * are preemptive, mutexes have ceilings, releases cost at once, each change of the running task costs, and slots come and go.
 */
#pragma once
#include <exo/rt.h>

struct play {
    const struct rt_claim *claim;
    uint32_t count;
    bool edf;
    const struct rt_supply *supply;
    const struct rt_overhead *overhead;
    uint32_t offset;    /* where in the pattern of slots it begins */
    uint32_t first[RT_TASKS_MAX]; /* each task's first release */
    uint32_t jitter;    /* releases come up to so much later than a period after the last one (sporadic) */
    uint32_t place[RT_TASKS_MAX][RT_SECTIONS_MAX]; /* how far into the job each section begins; one ends before the next */
    uint32_t ticks;     /* how long */
};

uint32_t chance(uint32_t below); /* of a seeded generator */
void chance_seed(uint64_t seed);
/* Does some job that was due end late? */
bool play_misses(const struct play *play);
