/*
 * The schedule: which task runs, told what time it is. It owns the tasks between schedule_open and their end, and knows nothing of
 * stacks, timers or the kernel: who drives it calls
 *
 *     schedule_advance   when time has passed: charges the running job, releases, finds overruns and misses
 *     schedule_pick      for who runs from then on
 *     schedule_end       when the running job is over
 *     schedule_alarm     for when to advance at the latest
 *
 * Invariants: a READY task is in `ready` by its key, an IDLE one that time releases in `timers` by its release. `held` is the stack
 * of locked mutexes; their holders lock and unlock like one stack.
 */
#pragma once
#include "queue.h"

#define SCHEDULE_NEVER UINT64_MAX

struct schedule {
    const struct rt_policy *policy;
    struct queue ready, timers;
    struct rt_task *running;
    bool counts;         /* its time is being charged, since `since` */
    uint64_t since;
    uint64_t ceiling;    /* the lowest of those of the mutexes that are held */
    struct rt_mutex *held;
};

/* The tasks are admitted; time-released ones begin at start + phase. */
void schedule_open(struct schedule *schedule, const struct rt_policy *policy, struct rt_task *const *task, uint32_t count,
                   uint64_t start);
void schedule_advance(struct schedule *schedule, uint64_t now);
struct rt_task *schedule_pick(struct schedule *schedule, uint64_t now);
/* Another released task that is as urgent runs instead of the running one; 0: there is none, or a mutex is held. */
struct rt_task *schedule_yield(struct schedule *schedule, uint64_t now);
void schedule_end(struct schedule *schedule, uint64_t now);
uint64_t schedule_alarm(const struct schedule *schedule);
/* Has its job used more than its runtime? */
static inline bool task_is_over(const struct rt_task *task)
{
    return task->used > task->limit;
}
/* A sporadic task is wanted: now, or a period after its last release. */
void schedule_release(struct schedule *schedule, struct rt_task *task, uint64_t now);
/* Others' time begins, and ends. */
void schedule_pause(struct schedule *schedule, uint64_t now);
void schedule_resume(struct schedule *schedule, uint64_t now);

/* 0, or -RT_EPERM: the running task has not said that it locks it, or does not hold it as the last one; -RT_EDEADLK: holds it. */
int schedule_lock(struct schedule *schedule, struct rt_mutex *mutex);
int schedule_unlock(struct schedule *schedule, struct rt_mutex *mutex);
/* Set the ceilings by what the tasks say that they lock. */
void mutex_open(struct rt_mutex *mutex, uint32_t number, struct rt_task *const *task, uint32_t count);
