#include "schedule.h"

/* ---- a job's life */

/* The task's next job is due at `release`. */
static void job_wait(struct schedule *schedule, struct rt_task *task, uint64_t release)
{
    task->state = RT_IDLE;
    task->release = release;
    if (!task->sporadic || task->asked)
        queue_put(&schedule->timers, task, release);
}

static void job_begin(struct schedule *schedule, struct rt_task *task)
{
    task->state = RT_READY;
    task->asked = task->late = task->overrun = false;
    task->deadline = task->release + task->attribute.sched_deadline;
    task->limit = task->used + task->attribute.sched_runtime;
    task->key = schedule->policy->key(task);
    queue_put(&schedule->ready, task, task->key);
}

/* The job gives up the processor until the next release. */
static void job_suspend(struct schedule *schedule, struct rt_task *task)
{
    queue_remove(&schedule->ready, task);
    if (schedule->running == task)
        schedule->running = 0;
    job_wait(schedule, task, task->release + task->attribute.sched_period);
}

static bool task_holds(const struct schedule *schedule, const struct rt_task *task)
{
    for (const struct rt_mutex *mutex = schedule->held; mutex; mutex = mutex->under)
        if (mutex->holder == task)
            return true;
    return false;
}

static void job_trouble(struct schedule *schedule, struct rt_task *task, enum rt_trouble trouble)
{
    enum rt_action action = trouble == RT_MISS ? task->on_miss : task->on_overrun;

    if (task->handler)
        action = task->handler(task, trouble, task->argument);
    if (action == RT_LOG)
        return;
    if (action == RT_ABORT) {
        task->aborts++;
        task->aborted = true;
        task->used = 0;
    } else {
        task->skips++;
        if (task->sporadic)
            task->asked = true;
    }
    job_suspend(schedule, task);
}

/* Nothing is done to who holds a mutex until it unlocks: what others wait for then is what they were promised. */
static void job_look(struct schedule *schedule, struct rt_task *task, uint64_t now)
{
    bool overrun = task_is_over(task) && !task->overrun, miss = now > task->deadline && !task->late;

    if ((!overrun && !miss) || task_holds(schedule, task))
        return;
    if (miss) {
        task->late = true;
        task->misses++;
        job_trouble(schedule, task, RT_MISS);
    }
    if (overrun && task->state == RT_READY) {
        task->overrun = true;
        task->overruns++;
        job_trouble(schedule, task, RT_OVERRUN);
    }
}

static inline __attribute__((always_inline)) void charge(struct schedule *schedule, uint64_t now)
{
    struct rt_task *task = schedule->running;

    if (!task || !schedule->counts)
        return;
    task->used += now - schedule->since;
    schedule->since = now;
}

/* ---- what drives it */

void schedule_open(struct schedule *schedule, const struct rt_policy *policy, struct rt_task *const *task, uint32_t count,
                   uint64_t start)
{
    *schedule = (struct schedule){.policy = policy, .ceiling = UINT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        task[i]->level = policy->level(&task[i]->attribute);
        task[i]->watched = task[i]->handler || task[i]->on_overrun != RT_LOG || task[i]->on_miss != RT_LOG;
        task[i]->given = task[i]->give_to;
        job_wait(schedule, task[i], start + task[i]->phase);
    }
}

void schedule_advance(struct schedule *schedule, uint64_t now)
{
    struct rt_task *task;

    charge(schedule, now);
    if (schedule->running)
        job_look(schedule, schedule->running, now);
    while (queue_is_due(&schedule->timers, now)) {
        task = schedule->timers.entry[0].task;
        queue_remove(&schedule->timers, task);
        job_begin(schedule, task);
    }
}

/* The first in the queue, unless it has to wait for a mutex: then who holds that. */
struct rt_task *schedule_pick(struct schedule *schedule, uint64_t now)
{
    struct rt_task *first;

    while ((first = queue_first(&schedule->ready))) {
        if (now > first->deadline && !first->late) {
            job_look(schedule, first, now);
            if (queue_first(&schedule->ready) != first)
                continue;
        }
        break;
    }
    if (schedule->held && schedule->held->holder != first && first->level >= schedule->ceiling)
        first = schedule->held->holder;
    if (first != schedule->running) {
        schedule->running = first;
        schedule->since = now;
    }
    schedule->counts = true;
    return first;
}

struct rt_task *schedule_yield(struct schedule *schedule, uint64_t now)
{
    struct queue *ready = &schedule->ready;
    struct rt_task *task = schedule->running;
    uint32_t place = 1;

    if (task->place || schedule->held || ready->count < 2)
        return 0;
    if (ready->entry[1].number != task->key) {
        place = 2;
        if (ready->count < 3 || ready->entry[2].number != task->key)
            return 0;
    }
    charge(schedule, now);
    struct rt_task *other = ready->entry[place].task;
    ready->entry[place].task = task;
    task->place = place;
    ready->entry[0].task = other;
    other->place = 0;
    schedule->running = other;
    return other;
}

void schedule_end(struct schedule *schedule, uint64_t now)
{
    struct rt_task *task = schedule->running;

    charge(schedule, now);
    task->jobs++;
    rt_histogram_note(&task->response, now - task->release);
    if (now > task->deadline && !task->late)
        task->misses++;
    if (task_is_over(task) && !task->overrun)
        task->overruns++;
    if (task->used > task->most_used)
        task->most_used = task->used;
    task->used = 0;
    job_suspend(schedule, task);
}

uint64_t schedule_alarm(const struct schedule *schedule)
{
    const struct rt_task *task = schedule->running;
    uint64_t alarm = schedule->timers.count ? schedule->timers.entry[0].number : SCHEDULE_NEVER;

    if (!task || !task->watched || !schedule->counts)
        return alarm;
    if (!task_is_over(task) && schedule->since + task->limit - task->used + 1 < alarm)
        alarm = schedule->since + task->limit - task->used + 1;
    if (!task->late && task->deadline + 1 < alarm)
        alarm = task->deadline + 1;
    return alarm;
}

void schedule_release(struct schedule *schedule, struct rt_task *task, uint64_t now)
{
    bool waits = task->asked;

    task->asked = true;
    if (task->state == RT_READY || waits)
        return;
    task->release = now > task->release ? now : task->release;
    queue_put(&schedule->timers, task, task->release);
}

void schedule_pause(struct schedule *schedule, uint64_t now)
{
    charge(schedule, now);
    schedule->counts = false;
}

void schedule_resume(struct schedule *schedule, uint64_t now)
{
    schedule->since = now;
    schedule->counts = true;
}

/* ---- mutexes */

static bool task_may_lock(const struct rt_task *task, const struct rt_mutex *mutex)
{
    for (uint32_t k = 0; k < task->section_count; k++)
        if (task->section[k].mutex == mutex->number)
            return true;
    return false;
}

void mutex_open(struct rt_mutex *mutex, uint32_t number, struct rt_task *const *task, uint32_t count)
{
    *mutex = (struct rt_mutex){.number = number, .ceiling = UINT64_MAX};
    for (uint32_t i = 0; i < count; i++)
        if (task_may_lock(task[i], mutex) && task[i]->level < mutex->ceiling)
            mutex->ceiling = task[i]->level;
}

int schedule_lock(struct schedule *schedule, struct rt_mutex *mutex)
{
    if (!schedule->running || !task_may_lock(schedule->running, mutex))
        return -RT_EPERM;
    if (mutex->holder)
        return -RT_EDEADLK;
    mutex->holder = schedule->running;
    mutex->before = schedule->ceiling;
    mutex->under = schedule->held;
    schedule->held = mutex;
    if (mutex->ceiling < schedule->ceiling)
        schedule->ceiling = mutex->ceiling;
    return 0;
}

int schedule_unlock(struct schedule *schedule, struct rt_mutex *mutex)
{
    if (schedule->held != mutex || mutex->holder != schedule->running)
        return -RT_EPERM;
    schedule->held = mutex->under;
    schedule->ceiling = mutex->before;
    mutex->holder = 0;
    mutex->under = 0;
    return 0;
}
