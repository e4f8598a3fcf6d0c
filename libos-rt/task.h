/*
 * Periodic tasks under earliest deadline first, run to completion, on time slots that the program owns by position.
 *
 * A task is released at every multiple of its period (counted from the common start); its deadline is the next release. The
 * program sleeps until the next release on its own virtual processor's timer; a slot that is lent meanwhile is
 * recalled by it at once. Latency is from release to the task's first instruction.
 */
#pragma once
#include <stdint.h>

enum { TASKS_MAX = 8, BUCKETS = 12 };

struct task {
    const char *name;
    uint64_t period; /* ns */
    void (*run)(struct task *task);
    uint64_t release;      /* the next one, or the one that is due (ns) */
    uint64_t work;         /* what run counts */
    uint32_t releases;     /* run to their end */
    uint32_t missed;       /* ended after their deadline, or were not run at all */
    uint64_t least, most, sum; /* latency, ns */
    uint32_t bucket[BUCKETS];  /* latencies below 1 us, 2 us, 4 us, … */
};

/* Share of the time that the tasks take together, in thousandths, given the cost of each run (ns). */
uint32_t task_load(const struct task *task, uint32_t count, const uint64_t *cost);
/* Run the tasks from a common start on until that many ns have passed. */
void task_dispatch(struct task *task, uint32_t count, uint64_t duration);
void task_report(const struct task *task);
