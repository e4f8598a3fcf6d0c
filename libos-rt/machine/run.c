/* The schedule on a virtual processor: sleeping, waking, preempting, and the clock's one alarm. See state.h. */
#include <exo/rt_run.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/upcall.h>
#include "schedule.h"
#include "state.h"

enum {
    SLEEP_EVENTS = EXO_EVENT_TIMER | EXO_EVENT_MESSAGE | EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE | EXO_EVENT_REPOSSESSED |
                   EXO_EVENT_CHILD | EXO_EVENT_IO,
    OTHER_EVENTS = SLEEP_EVENTS & ~EXO_EVENT_TIMER,
};

CALLED_FROM_ASSEMBLER uint32_t rt_active;
CALLED_FROM_ASSEMBLER uint64_t rt_held;
CALLED_FROM_ASSEMBLER struct exo_registers rt_forced;
void (*rt_event_handler)(uint32_t events);

static struct schedule schedule;
static struct rt_task *tasks[RT_TASKS_MAX];
static uint32_t task_count;
static struct rt_task *given; /* whose job another environment runs now */
static uint64_t main_resume, run_end, armed;

_Static_assert(sizeof(struct exo_registers) == sizeof ((struct rt_task *)0)->frame, "frame");
_Static_assert(offsetof(struct exo_registers, rip) == 120 && offsetof(struct exo_registers, rsp) == 136, "registers");

/* ---- floating-point state of preempted tasks */

static void fpu_save(void *area)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
}

static void fpu_load(const void *area)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
}

/* ---- states */

static bool is_within(uint64_t address, const void *from, const void *to)
{
    return address - (uint64_t)from < (uint64_t)to - (uint64_t)from;
}

/* So that the way back only reads. */
static void registers_keep(struct exo_registers *kept, const struct exo_registers *registers)
{
    *kept = *registers;
    kept->rsp -= RETURN_GAP;
    *(uint64_t *)kept->rsp = kept->rip;
}

static void task_keep(struct rt_task *task, const struct exo_registers *registers)
{
    struct exo_registers *kept = (struct exo_registers *)task->frame;

    if (is_within(registers->rip, (void *)rt_resume_frame, rt_resume_end))
        return;
    registers_keep(kept, registers);
    if (is_within(kept->rip, (void *)rt_hold, rt_hold_end))
        *(uint64_t *)kept->rsp = (uint64_t)rt_hold;
    task->preempted = true;
    if (task->fpu)
        fpu_save(task->fpu);
}

/* The task begins anew: its stack is as if it had left by itself just before its loop. */
static void task_reset(struct rt_task *task)
{
    uint64_t *top = (uint64_t *)(((uint64_t)task->stack + task->stack_size) & ~15ull);

    for (uint32_t i = 0; i < 9; i++) /* what rt_switch keeps, below a return address and an aligned place */
        *--top = 0;
    top[6] = (uint64_t)rt_task_entry;
    task->resume = (uint64_t)top;
    task->preempted = task->aborted = false;
}

static inline bool task_prepare(struct rt_task *task)
{
    if (task->aborted)
        task_reset(task);
    return task->preempted;
}

/* ---- events */

static inline uint32_t events_take(void)
{
    return __atomic_exchange_n(&EXO_CONTEXT->pending, 0, __ATOMIC_SEQ_CST);
}

/* Are some pending? */
static inline bool events_let_in(void)
{
    __atomic_store_n(&rt_held, 0, __ATOMIC_RELAXED);
    __atomic_exchange_n(&EXO_CONTEXT->event_busy, 0, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&EXO_CONTEXT->pending, __ATOMIC_SEQ_CST);
}

static inline void events_tell(uint32_t events)
{
    if (events & OTHER_EVENTS && rt_event_handler)
        rt_event_handler(events & OTHER_EVENTS);
}

static inline void events_apply(uint32_t events, uint64_t now)
{
    if (events & EXO_EVENT_START)
        schedule_resume(&schedule, now);
    events_tell(events);
    schedule_advance(&schedule, now);
}

static inline uint64_t alarm_next(void)
{
    uint64_t alarm = schedule_alarm(&schedule);

    return run_end < alarm ? run_end : alarm;
}

/* One that comes too early does no harm. */
static inline void alarm_set(uint64_t now)
{
    uint64_t alarm = alarm_next();

    if (armed > now && armed <= alarm)
        return;
    armed = alarm;
    exo_timer_set(alarm);
}

/* ---- the scheduler, on its own stack */

/* At a slice's end: all states are kept, so the next slice begins at rt_woken. */
static _Noreturn void slice_give(uint32_t events, uint64_t now)
{
    schedule_pause(&schedule, now);
    events_tell(events);
    exo_slice_yield();
    __builtin_unreachable();
}

/* A job that runs elsewhere: this comes back only if it cannot. */
static void task_give(struct rt_task *task, uint64_t now)
{
    rt_histogram_note(&task->latency, now - task->release);
    given = task;
    exo_slice_yield_to(task->give_to, 0);
}

static _Noreturn void task_go(struct rt_task *task)
{
    if (!task_prepare(task))
        rt_resume(task->resume);
    if (task->fpu)
        fpu_load(task->fpu);
    rt_resume_frame(task->frame);
}

/* In one piece: it is the way to a task. */
CALLED_FROM_ASSEMBLER __attribute__((flatten)) _Noreturn void rt_schedule(uint32_t events)
{
    for (;; events = events_take()) {
        uint64_t now = exo_time();
        if (given) {
            given = 0;
            schedule_end(&schedule, now);
        }
        if (events & EXO_EVENT_END)
            slice_give(events, now);
        events_apply(events, now);
        if (now >= run_end) {
            rt_active = 0;
            rt_resume(main_resume);
        }
        struct rt_task *task = schedule_pick(&schedule, now);
        if (task) {
            alarm_set(now);
            if (__builtin_expect(!task->is_odd, true))
                rt_resume(task->resume);
            if (!task->give_to)
                task_go(task);
            task_give(task, now);
            continue;
        }
        armed = alarm_next();
        exo_slice_sleep(armed, SLEEP_EVENTS, 0);
    }
}

CALLED_FROM_ASSEMBLER _Noreturn void rt_woken(struct exo_context *context)
{
    (void)context;
    rt_schedule(events_take());
}

CALLED_FROM_ASSEMBLER _Noreturn void rt_pending(void)
{
    rt_schedule(events_take());
}

CALLED_FROM_ASSEMBLER _Noreturn void rt_interrupted(struct exo_context *context)
{
    task_keep(schedule.running, &context->event);
    rt_schedule(events_take());
}

/* While FORCED or FRESH is pending the kernel saves nothing, and this begins anew. */
CALLED_FROM_ASSEMBLER _Noreturn void rt_after_force(struct exo_context *context)
{
    uint64_t rip = context->forced.rip;

    fpu_load(context->forced_fpu);
    if (rt_held) {
        if (!is_within(rip, (void *)rt_resume_forced, rt_resume_forced_end))
            registers_keep(&rt_forced, &context->forced);
        __atomic_fetch_and(&context->pending, ~(uint32_t)(EXO_EVENT_START | EXO_EVENT_END | EXO_EVENT_FORCED | EXO_EVENT_FRESH),
                           __ATOMIC_SEQ_CST);
        rt_resume_forced();
    }
    bool again = is_within(rip, (void *)rt_event_entry, rt_entry_taken);
    task_keep(schedule.running, again ? &context->event : &context->forced);
    rt_held = 1;
    rt_enter_schedule(events_take() & ~(uint32_t)EXO_EVENT_END);
}

/* ---- in a task */

/* From a task that goes on when its turn comes. */
static inline void task_switch(struct rt_task *task, struct rt_task *next)
{
    if (__builtin_expect(!task_prepare(next), true)) {
        rt_switch(&task->resume, next->resume);
        return;
    }
    if (next->fpu)
        fpu_load(next->fpu);
    rt_switch_frame(&task->resume, next->frame);
}

/* Events are held. */
static void task_leave(struct rt_task *task, uint64_t now, uint32_t events)
{
    struct rt_task *next = 0;

    task->preempted = false;
    if (!(events & EXO_EVENT_END) && now < run_end)
        next = schedule_pick(&schedule, now);
    if (!next || next->give_to) {
        rt_switch_schedule(&task->resume, events);
        return;
    }
    alarm_set(now);
    if (next != task)
        task_switch(task, next);
}

/* Events that came while they were held: until there are none. */
static __attribute__((noinline)) void events_serve(void)
{
    struct rt_task *task = schedule.running; /* which may be told to stop */

    do {
        rt_hold();
        uint32_t events = events_take();
        uint64_t now = exo_time();
        if (!(events & EXO_EVENT_END))
            events_apply(events, now);
        task_leave(task, now, events);
    } while (events_let_in());
}

static inline void events_release(void)
{
    if (__builtin_expect(events_let_in(), false))
        events_serve();
}

static void job_enter(void)
{
    struct rt_task *task = schedule.running;

    rt_histogram_note(&task->latency, exo_time() - task->release);
    events_release();
}

static void job_leave(void)
{
    rt_hold();
    uint64_t now = exo_time();
    struct rt_task *task = schedule.running;
    schedule_end(&schedule, now);
    schedule_advance(&schedule, now);
    task_leave(task, now, 0);
}

CALLED_FROM_ASSEMBLER _Noreturn void rt_task_loop(void)
{
    for (;;) {
        job_enter();
        schedule.running->job(schedule.running->argument);
        job_leave();
    }
}

void rt_wait(void)
{
    job_leave();
    job_enter();
}

static __attribute__((noinline)) void task_turn(struct rt_task *task, struct rt_task *next, uint64_t now)
{
    alarm_set(now);
    if (next->give_to)
        rt_switch_schedule(&task->resume, 0);
    else
        task_switch(task, next);
}

/* The alarm is as early as other tasks need it. */
void rt_yield(void)
{
    rt_hold();
    uint64_t now = exo_time();
    struct rt_task *task = schedule.running, *next = schedule_yield(&schedule, now);
    if (next) {
        task->preempted = false;
        if (__builtin_expect(next->is_odd, false))
            task_turn(task, next, now);
        else
            rt_switch(&task->resume, next->resume);
    }
    events_release();
}

struct rt_task *rt_self(void)
{
    return schedule.running;
}

int rt_lock(struct rt_mutex *mutex)
{
    rt_hold();
    int result = schedule_lock(&schedule, mutex);
    events_release();
    return result;
}

int rt_unlock(struct rt_mutex *mutex)
{
    rt_hold();
    struct rt_task *task = schedule.running;
    int result = schedule_unlock(&schedule, mutex);
    if (queue_first(&schedule.ready) != task || task_is_over(task)) {
        uint64_t now = exo_time();
        schedule_advance(&schedule, now);
        task_leave(task, now, 0);
    }
    events_release();
    return result;
}

/* From a task, or from the scheduler, which holds events and looks at the alarm afterwards itself. */
void rt_release(struct rt_task *task)
{
    bool held = rt_held;

    rt_hold();
    uint64_t now = exo_time();
    schedule_release(&schedule, task, now);
    if (held)
        return;
    struct rt_task *self = schedule.running;
    schedule_advance(&schedule, now);
    task_leave(self, now, 0);
    events_release();
}

void rt_stop(void)
{
    rt_hold();
    run_end = 0;
    task_leave(schedule.running, exo_time(), 0);
}

/* ---- a run */

/* Beyond help: events are libexo's again, and its handler tells and ends. */
static void (*exception_before)(struct exo_upcall_frame *frame);

static void exception_take(struct exo_upcall_frame *frame)
{
    exo_events_block();
    rt_active = 0;
    exo_vcpu_entry(0, 0, EXO_ENTRY_EVENT, (uint64_t)exo_event_entry);
    exception_before(frame);
}

int rt_open(const struct rt_policy *policy, struct rt_task *const *task, uint32_t count, struct rt_verdict *verdict)
{
    struct rt_supply supply;
    struct rt_overhead overhead;

    rt_supply_find(&supply);
    rt_overhead_find(&overhead, &supply);
    int result = rt_admit(task, count, policy, &supply, &overhead, verdict);
    if (result)
        return result;
    schedule.policy = policy;
    task_count = count;
    for (uint32_t i = 0; i < count; i++) {
        tasks[i] = task[i];
        rt_attribute_check(&task[i]->attribute, policy);
        task[i]->level = policy->level(&task[i]->attribute);
    }
    return 0;
}

void rt_mutex_open(struct rt_mutex *mutex, uint32_t number)
{
    mutex_open(mutex, number, tasks, task_count);
}

void rt_run(uint64_t start, uint64_t duration)
{
    schedule_open(&schedule, schedule.policy, tasks, task_count, start);
    for (uint32_t i = 0; i < task_count; i++)
        if (!tasks[i]->give_to)
            task_reset(tasks[i]);
    run_end = start + duration;
    armed = 0;
    exception_before = exo_exception_handler;
    exo_exception_handler = exception_take;
    exo_events_block();
    exo_vcpu_entry(0, 0, EXO_ENTRY_EVENT, (uint64_t)rt_event_entry);
    rt_held = rt_active = 1;
    rt_switch_schedule(&main_resume, 0);
    rt_held = 0;
    exo_vcpu_entry(0, 0, EXO_ENTRY_EVENT, (uint64_t)exo_event_entry);
    exo_exception_handler = exception_before;
    exo_events_restore(false);
}
