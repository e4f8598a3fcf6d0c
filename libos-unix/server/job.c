#include "job.h"
#include "request.h"
#include <unix/linux.h>

#define BIT(signal) (1ull << ((signal) - 1))

static const uint64_t stopping = BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);

static bool is_member(const struct process *process, uint32_t group)
{
    return process->state == PROCESS_ALIVE && process->group == group;
}

void group_signal(uint32_t group, uint32_t signal)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if (is_member(&processes[i], group))
            process_signal(&processes[i], signal);
}

/* Until it was waited for. */
static bool is_present(const struct process *process)
{
    return process->state == PROCESS_ALIVE || process->state == PROCESS_ZOMBIE;
}

bool group_is_in(int64_t group, uint32_t session)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if (is_present(&processes[i]) && processes[i].group == group && (!session || processes[i].session == session))
            return true;
    return false;
}

/* Its parent is of another group of the same session. */
static bool is_looked_after(const struct process *process)
{
    const struct process *parent = process->parent;

    return parent && parent->state == PROCESS_ALIVE && parent->session == process->session &&
           parent->group != process->group;
}

bool group_is_orphaned(uint32_t group)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if (is_member(&processes[i], group) && is_looked_after(&processes[i]))
            return false;
    return true;
}

/* Without a handler it means nothing, but when it is blocked: then what becomes of it may change until it is not. */
static void child_signal(struct process *process)
{
    const volatile struct unix_wait *wait = &process->window->wait;

    if (process->child_flags & UNIX_CHILD_CAUGHT || wait->awaited & BIT(SIGCHLD))
        process_signal(process, SIGCHLD);
    else if (wait->mask & BIT(SIGCHLD))
        __atomic_fetch_add(&process->shared->children, 1, __ATOMIC_SEQ_CST);
}

void parent_tell(struct process *process)
{
    struct process *parent = process->parent;

    if (!parent || parent->state != PROCESS_ALIVE)
        return;
    if (process->state != PROCESS_ALIVE || !(parent->child_flags & SA_NOCLDSTOP))
        child_signal(parent);
    process_wake(parent);
}

void job_signal(struct process *process, uint32_t signal)
{
    uint64_t *pending = &process->shared->pending;

    if (BIT(signal) & stopping)
        __atomic_fetch_and(pending, ~BIT(SIGCONT), __ATOMIC_SEQ_CST);
    if (signal != SIGCONT)
        return;
    __atomic_fetch_and(pending, ~stopping, __ATOMIC_SEQ_CST);
    process->may_stop = false;
    if (!process->stopped)
        return;
    process->stopped = 0;
    process->tells_stop = false;
    process->tells_continue = true;
    parent_tell(process);
}

void job_children_leave(struct process *process)
{
    for (uint32_t i = 0; i < processes_end; i++) {
        struct process *child = &processes[i];
        if (child->state != PROCESS_ALIVE || child->parent != process || !child->stopped || !is_looked_after(child))
            continue;
        child->parent = 0;
        if (group_is_orphaned(child->group)) {
            process_signal(child, SIGHUP);
            process_signal(child, SIGCONT);
        }
        child->parent = process;
    }
}

/* a: the signal that its default action was taken for, or 0. */
int64_t request_stop(struct request *request)
{
    struct process *process = request->process;
    uint32_t signal = (uint32_t)request->a[0];

    if (signal && process->may_stop && signal <= SIGNALS && BIT(signal) & stopping &&
        (signal == SIGSTOP || !group_is_orphaned(process->group))) {
        process->stopped = signal;
        process->tells_stop = true;
        process->tells_continue = false;
        parent_tell(process);
    }
    process->may_stop = false;
    if (!process->stopped)
        return 0;
    __atomic_store_n(&process->runnable, 0, __ATOMIC_SEQ_CST);
    return UNIX_WAIT;
}

/* a: signals that are ignored, flags of SIGCHLD's action. */
int64_t request_policy(struct request *request)
{
    request->process->ignored = request->a[0];
    request->process->child_flags = (uint32_t)request->a[1];
    return 0;
}
