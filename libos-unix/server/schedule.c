#include "schedule.h"
#include "memory.h"
#include "process.h"
#include "terminal.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/upcall.h>

enum { SCHEDULERS_MAX = EXO_VCPUS_PER_ENVIRONMENT - 1, STACK_SIZE = 8192, LOOK_AGAIN_NS = 1000000, LOOK_TURNS = 8 };

struct scheduler {
    uint8_t stack[STACK_SIZE], upcall_stack[STACK_SIZE];
    uint32_t asleep, last, turn;
    bool exists;
} __attribute__((aligned(16)));

static struct scheduler schedulers[SCHEDULERS_MAX];

static struct exo_thread *thread_of(const struct scheduler *self)
{
    return &exo_threads[self - schedulers + 1];
}

/* Who waits for a time that has come goes on. Returns the next such time. *ret_alarm: the server is to send SIGALRM. */
static uint64_t deadlines_pass(bool *ret_alarm)
{
    uint64_t now = exo_time(), next = EXO_NEVER;

    *ret_alarm = false;
    for (uint32_t i = 0; i < processes_end; i++) {
        struct process *process = &processes[i];
        uint64_t deadline = __atomic_load_n(&process->deadline, __ATOMIC_SEQ_CST);
        uint64_t alarm = __atomic_load_n(&process->alarm, __ATOMIC_SEQ_CST);
        if (process->state == PROCESS_ALIVE && alarm) {
            *ret_alarm |= alarm <= now;
            next = alarm > now && alarm < next ? alarm : next;
        }
        if (process->state != PROCESS_ALIVE || process->runnable)
            continue;
        if (deadline <= now)
            __atomic_store_n(&process->runnable, 1, __ATOMIC_SEQ_CST);
        else if (deadline < next)
            next = deadline;
    }
    return next;
}

static bool is_runnable(const struct process *process, bool is_last_look)
{
    return __atomic_load_n(&process->runnable, __ATOMIC_SEQ_CST) && pipe_wait_is_over(process, is_last_look);
}

/*
 * Give the rest of the slice to one that can use it; false: there was none. The server is first when it was interrupted in a request; it also
 * has events of its own, for which it is asked now and then.
 */
static bool somebody_run(struct scheduler *self)
{
    struct exo_thread *thread = thread_of(self);

    bool look = __atomic_load_n(&instance.serving, __ATOMIC_SEQ_CST) || self->turn++ % LOOK_TURNS == 0;
    if (look && exo_thread_yield_to(thread, 0, 0) == EXO_OK)
        return true;
    uint32_t end = __atomic_load_n(&processes_end, __ATOMIC_SEQ_CST), index = self->last;
    for (uint32_t i = 0; i < end; i++) {
        index = index + 1 < end ? index + 1 : 0;
        struct process *process = &processes[index];
        if (!is_runnable(process, false))
            continue;
        self->last = index;
        if (exo_thread_yield_to(thread, process->slot, 0) == EXO_OK)
            return true;
    }
    return !look && exo_thread_yield_to(thread, 0, 0) == EXO_OK;
}

static bool somebody_is_runnable(void)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if (is_runnable(&processes[i], true))
            return true;
    return false;
}

/* The one that looks for keys. */
static bool is_first(const struct scheduler *self)
{
    for (const struct scheduler *other = schedulers; other < self; other++)
        if (other->exists)
            return false;
    return true;
}

/* One that is runnable and yet did not run is on another processor: look again soon. */
static void scheduler_sleep(struct scheduler *self, struct exo_context *context)
{
    __atomic_store_n(&self->asleep, 1, __ATOMIC_SEQ_CST);
    bool alarm;
    uint64_t deadline = deadlines_pass(&alarm);
    if (is_first(self) && terminal_keys_due() < deadline)
        deadline = terminal_keys_due();
    if (somebody_is_runnable() || alarm)
        deadline = exo_time() + LOOK_AGAIN_NS;
    __atomic_store_n(&context->inbox_full, 0, __ATOMIC_SEQ_CST);
    exo_thread_sleep(thread_of(self), deadline, EXO_EVENT_MESSAGE, false);
    __atomic_store_n(&self->asleep, 0, __ATOMIC_SEQ_CST);
}

static void scheduler_begin(struct exo_context *context)
{
    struct scheduler *self = &schedulers[((uint64_t)context - EXO_CONTEXT_ADDRESS) / EXO_FRAME_SIZE - 1];

    for (;;) {
        bool due;
        deadlines_pass(&due);
        if (is_first(self))
            due |= terminal_keys_look();
        if (due)
            exo_gate_send(SERVER_SLOT_KEYS, 0, 0, 0, 0, 0);
        if (!somebody_run(self))
            scheduler_sleep(self, context);
    }
}

void schedule_kick(void)
{
    for (uint32_t i = 0; i < SCHEDULERS_MAX; i++)
        if (__atomic_load_n(&schedulers[i].asleep, __ATOMIC_SEQ_CST))
            exo_gate_send((uint16_t)(SERVER_SLOT_WAKE + i), 0, 0, 0, 0, 0);
}

static int64_t scheduler_make(uint32_t processor)
{
    struct scheduler *self = &schedulers[processor];
    uint8_t index = (uint8_t)(processor + 1);
    uint32_t context = exo_frame_find(&memory.own);
    int64_t result = exo_thread_start(&memory.space, index, memory.own.capability, context, scheduler_begin,
                                      (uint64_t)(self->stack + STACK_SIZE), (uint64_t)(self->upcall_stack + STACK_SIZE),
                                      STACK_SIZE);

    self->exists = true;
    return result == EXO_OK ? exo_gate_create(index, index, (uint64_t)exo_event_entry, 0, (uint16_t)(SERVER_SLOT_WAKE + processor))
                            : result;
}

/* The slots that the root gave to our virtual processor 0 go to that of their processor. */
static int64_t slots_take(const struct exo_start_capability *held)
{
    int64_t result = EXO_OK;

    for (uint32_t slot = held->first; slot < held->first + held->count && result == EXO_OK; slot++) {
        uint32_t processor = slot / EXO_SLOTS_PER_PROCESSOR;
        if (processor >= SCHEDULERS_MAX)
            return EXO_BAD_ARGUMENT;
        if (!schedulers[processor].exists)
            result = scheduler_make(processor);
        if (result == EXO_OK)
            result = exo_slot_take(0, held->slot, slot, (uint8_t)(processor + 1));
    }
    return result;
}

static bool time_is_lent(uint32_t processor)
{
    uint32_t first = processor * EXO_SLOTS_PER_PROCESSOR;

    for (uint32_t slot = first; slot < first + EXO_SLOTS_PER_PROCESSOR; slot++)
        if (exo_slot_info(slot)->borrower / EXO_VCPUS_PER_ENVIRONMENT == exo_start.environment)
            return true;
    return false;
}

/* Time that others lend us shall be the schedulers', too. */
static int64_t lent_take(void)
{
    int64_t result = EXO_OK;
    bool is_lent = false;

    for (uint32_t processor = 0; processor < SCHEDULERS_MAX && processor < exo_system_info()->processor_count; processor++) {
        if (!time_is_lent(processor))
            continue;
        is_lent = true;
        if (!schedulers[processor].exists && (result = scheduler_make(processor)) != EXO_OK)
            return result;
    }
    while (is_lent && (result = exo_gate_send(exo_start_slot(EXO_KIND_GATE, 0), EXO_REQUEST_BORROW, 1, 0, 0, 0)) == EXO_BUSY)
        exo_yield();
    return result;
}

int64_t schedule_open(void)
{
    int64_t result = EXO_OK;

    for (uint32_t n = 0; result == EXO_OK && exo_start_slot(EXO_KIND_SLOTS, n); n++)
        result = slots_take(exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, n)));
    return result == EXO_OK ? lent_take() : result;
}
