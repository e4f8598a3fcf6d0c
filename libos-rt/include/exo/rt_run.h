/*
 * Running tasks on a virtual processor: on the time slots that the program owns on one processor. Tasks have stacks of their own, preempt
 * each other, and end a job by returning from it or by rt_wait. While tasks run, none may call what leaves the
 * processor otherwise (exo_sleep, exo_yield, gate calls, exo_exit); exo_print and all other calls of the kernel are free.
 */
#pragma once
#include <exo/rt.h>

/* Longest code of others for which an event may wait, and costs of the library itself: from counted instructions, turned
 * into this machine's nanoseconds. */
void rt_overhead_find(struct rt_overhead *overhead, struct rt_supply *supply);
/* The slots that the program owns on the processor of its first one. */
void rt_supply_find(struct rt_supply *supply);

/* As rt_admit on the slots that are owned, with the costs of this machine. 0: the tasks belong to the run from now on. */
int rt_open(const struct rt_policy *policy, struct rt_task *const *task, uint32_t count, struct rt_verdict *verdict);
void rt_mutex_open(struct rt_mutex *mutex, uint32_t number);
/* Run the tasks for that many ns, from a time (ns) on; returns when it is over, wherever their jobs are then. */
void rt_run(uint64_t start, uint64_t duration);

/* ---- in a task */

struct rt_task *rt_self(void);
/* The job is over; returns with the next one. */
void rt_wait(void);
/* Let another task run that is released and as urgent: of the same priority, or due at the same time. */
void rt_yield(void);
/* 0, -RT_EPERM, -RT_EDEADLK. Never waits: a job that might have to wait for the mutex does not begin. */
int rt_lock(struct rt_mutex *mutex);
int rt_unlock(struct rt_mutex *mutex);
/* Ask for a job of a sporadic task; from a task or from the handler of events. */
void rt_release(struct rt_task *task);
/* The run ends as soon as no job is under way any more that is more urgent; from a task. */
void rt_stop(void);

/* Called by the scheduler for events (EXO_EVENT_ bits) that it does not use itself: MESSAGE, IO, REVOKE and so on. Short. */
extern void (*rt_event_handler)(uint32_t events);

/* A line of figures, and one for each bucket of a histogram that is not empty: `histogram TASK WHAT FROM COUNT`, in ns. */
void rt_report(const struct rt_task *task);
void rt_report_histogram(const struct rt_task *task, const char *what, const struct rt_histogram *histogram);
/* Why a set was refused, in words. */
void rt_report_refusal(struct rt_task *const *task, int result, const struct rt_verdict *verdict);
