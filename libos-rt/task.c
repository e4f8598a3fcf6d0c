#include "task.h"
#include <exo/machine.h>
#include <exo/text.h>
#include <exo/upcall.h>

uint32_t task_load(const struct task *task, uint32_t count, const uint64_t *cost)
{
    uint64_t load = 0;

    for (uint32_t i = 0; i < count; i++)
        load += cost[i] * 1000 / task[i].period;
    return (uint32_t)load;
}

static void latency_note(struct task *task, uint64_t latency)
{
    uint32_t bucket = 0;

    while (bucket + 1 < BUCKETS && latency >= 1000ull << bucket)
        bucket++;
    task->bucket[bucket]++;
    task->sum += latency;
    if (latency > task->most)
        task->most = latency;
    if (latency < task->least)
        task->least = latency;
}

/* The released task whose deadline comes first; 0 if none is released. */
static struct task *task_due(struct task *task, uint32_t count, uint64_t now)
{
    struct task *due = 0;

    for (uint32_t i = 0; i < count; i++)
        if (task[i].release <= now && (!due || task[i].release + task[i].period < due->release + due->period))
            due = &task[i];
    return due;
}

static uint64_t next_release(const struct task *task, uint32_t count)
{
    uint64_t next = UINT64_MAX;

    for (uint32_t i = 0; i < count; i++)
        if (task[i].release < next)
            next = task[i].release;
    return next;
}

/* One release, to its end. Releases that passed meanwhile were missed. */
static void task_run(struct task *task, uint64_t now)
{
    uint64_t deadline = task->release + task->period;

    latency_note(task, now - task->release);
    task->run(task);
    task->releases++;
    now = exo_time();
    task->missed += now > deadline;
    for (task->release = deadline; task->release + task->period <= now; task->release += task->period)
        task->missed++;
}

void task_dispatch(struct task *task, uint32_t count, uint64_t duration)
{
    uint64_t cycle = EXO_SLOT_NS * EXO_SLOTS_PER_PROCESSOR;
    uint64_t start = (exo_time() / cycle + 1) * cycle, end = start + duration;

    for (uint32_t i = 0; i < count; i++) {
        task[i].release = start;
        task[i].least = UINT64_MAX;
    }
    for (uint64_t now = exo_time(); now < end; now = exo_time()) {
        struct task *due = task_due(task, count, now);
        if (due)
            task_run(due, now);
        else
            exo_sleep(next_release(task, count), EXO_EVENT_TIMER, false);
    }
}

void task_report(const struct task *task)
{
    uint64_t average = task->releases ? task->sum / task->releases : 0;

    exo_print("%s: period %lu us, %u releases, %u missed, latency min %lu avg %lu max %lu ns", task->name,
              task->period / 1000, task->releases, task->missed, task->releases ? task->least : 0, average, task->most);
}
