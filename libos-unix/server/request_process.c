/* Requests about processes. */
#include "device.h"
#include "job.h"
#include "memory.h"
#include "path.h"
#include "request.h"
#include "schedule.h"
#include "terminal.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <unix/linux.h>

const char *request_command;

int64_t request_exit(struct request *request)
{
    process_end(request->process, (int)(request->a[0] & 0xff) << 8);
    return 0;
}

int64_t request_end(struct request *request)
{
    process_end(request->process, (int)(request->a[0] & 0x7f));
    return 0;
}

static bool is_waited_for(const struct process *child, const struct process *parent, int64_t pid)
{
    if (child->parent != parent || (child->state != PROCESS_ALIVE && child->state != PROCESS_ZOMBIE))
        return false;
    if (pid > 0)
        return child->pid == pid;
    return pid == -1 || child->group == (pid ? (uint32_t)-pid : parent->group);
}

/* One that was stopped, or goes on, and has not been waited for since; 0: none. */
static int64_t change_tell(struct request *request, struct process *child)
{
    bool *told = child->tells_stop && request->a[1] & WUNTRACED ? &child->tells_stop
               : child->tells_continue && request->a[1] & WCONTINUED ? &child->tells_continue : 0;

    if (!told || child->state != PROCESS_ALIVE)
        return 0;
    request->more[0] = told == &child->tells_stop ? child->stopped << 8 | STATUS_STOPPED : STATUS_CONTINUED;
    *told = request->a[3];
    return child->pid;
}

/* a: pid, options, leave those that have ended, leave who is found. more[0]: the status. */
int64_t request_wait(struct request *request)
{
    bool any = false;

    if ((uint32_t)request->a[1] & ~(uint32_t)(WNOHANG | WUNTRACED | WCONTINUED | WAIT_FLAGS_OF_LINUX))
        return -EINVAL;
    for (uint32_t i = 0; i < processes_end; i++) {
        struct process *child = &processes[i];
        if (!is_waited_for(child, request->process, (int32_t)request->a[0]))
            continue;
        any = true;
        int64_t changed = change_tell(request, child);
        if (changed)
            return changed;
        if (child->state != PROCESS_ZOMBIE || request->a[2])
            continue;
        request->more[0] = (uint64_t)(uint32_t)child->status;
        if (!request->a[3])
            process_forget(child);
        return child->pid;
    }
    if (!any)
        return -ECHILD;
    return request->a[1] & WNOHANG ? 0 : request_wait_on(request, request->process);
}

static bool is_addressed(const struct process *process, const struct process *sender, int64_t pid)
{
    if (process->state != PROCESS_ALIVE && process->state != PROCESS_ZOMBIE)
        return false;
    if (pid > 0)
        return process->pid == pid;
    if (pid == -1)
        return process != sender && process->pid != 1;
    if (process->state == PROCESS_ZOMBIE)
        return false;
    return process->group == (pid ? (uint32_t)-pid : sender->group);
}

int64_t request_kill(struct request *request)
{
    uint64_t signal = request->a[1];
    int64_t pid = (int32_t)request->a[0], result = -ESRCH;

    if (signal > SIGNALS)
        return -EINVAL;
    for (uint32_t i = 0; i < processes_end; i++) {
        if (!is_addressed(&processes[i], request->process, pid))
            continue;
        result = 0;
        if (signal)
            process_signal(&processes[i], (uint32_t)signal);
    }
    return result;
}

/* a: process or 0, resource, is it set?, soft, hard. more: what they were. */
int64_t request_limit(struct request *request)
{
    struct process *process = request->a[0] ? process_numbered(request->a[0]) : request->process;
    const struct linux_limit wanted = { request->a[3], request->a[4] };

    if (request->a[1] >= RLIMITS || (request->a[2] && wanted.soft > wanted.hard))
        return -EINVAL;
    if (!process)
        return -ESRCH;
    struct linux_limit *limit = &process->limit[request->a[1]];
    request->more[0] = limit->soft;
    request->more[1] = limit->hard;
    if (!request->a[2])
        return 0;
    if (request->a[1] == RLIMIT_NOFILE && wanted.hard > DESCRIPTORS_MAX)
        return -EPERM;
    *limit = wanted;
    return 0;
}

int64_t request_umask(struct request *request)
{
    uint32_t old = request->process->umask;
    request->process->umask = request->a[0] & 0777;
    return old;
}

static struct process *named_or_self(const struct request *request, uint64_t pid)
{
    return pid ? process_numbered(pid) : request->process;
}

int64_t request_setpgid(struct request *request)
{
    struct process *process = named_or_self(request, request->a[0]);

    uint32_t group = request->a[1] ? (uint32_t)request->a[1] : process ? process->pid : 0;

    if ((int32_t)request->a[1] < 0)
        return -EINVAL;
    if (!process || process->state != PROCESS_ALIVE || (process != request->process && process->parent != request->process))
        return -ESRCH;
    if (process != request->process && process->executed)
        return -EACCES;
    if (process->session == process->pid || process->session != request->process->session ||
        (group != process->pid && !group_is_in(group, process->session)))
        return -EPERM;
    process_belongs(process, group, process->session);
    return 0;
}

int64_t request_getpgid(struct request *request)
{
    struct process *process = named_or_self(request, request->a[0]);
    return process && process->state == PROCESS_ALIVE ? (int64_t)process->group : -ESRCH;
}

int64_t request_getsid(struct request *request)
{
    struct process *process = named_or_self(request, request->a[0]);
    return process && process->state == PROCESS_ALIVE ? (int64_t)process->session : -ESRCH;
}

int64_t request_setsid(struct request *request)
{
    struct process *process = request->process;

    if (group_is_in(process->pid, 0))
        return -EPERM;
    process_belongs(process, process->pid, process->pid);
    return process->pid;
}

/* What the parent says goes to the child's window first, which nobody else sees yet. */
static void fork_copy(struct unix_fork *to, const struct unix_fork *from)
{
    memcpy(to, from, __builtin_offsetof(struct unix_fork, view_count));
    to->owner_count = to->owner_count < OWNERS_MAX ? to->owner_count : OWNERS_MAX;
    uint32_t count = *(const volatile uint32_t *)&from->run_count;
    to->run_count = count < RUNS_MAX ? count : RUNS_MAX;
    memcpy(to->run, from->run, to->run_count * sizeof *to->run);
}

/* The child runs at once: its parent has no power over it at any time. */
int64_t request_fork(struct request *request)
{
    struct process *parent = request->process, *child = process_create(parent);

    if (!child)
        return -EAGAIN;
    struct unix_fork *fork = (struct unix_fork *)child->window->data;
    fork_copy(fork, (const struct unix_fork *)request->window->data);
    child->window->wait.mask = ((const volatile struct unix_window *)request->window)->wait.mask;
    int64_t result = process_views_grant(child, parent, fork);
    if (result == EXO_OK)
        result = process_copy(child, parent, fork);
    if (result != EXO_OK) {
        process_undo(child);
        return -EAGAIN;
    }
    child->state = PROCESS_ALIVE;
    __atomic_store_n(&child->runnable, 1, __ATOMIC_SEQ_CST);
    schedule_kick();
    return child->pid;
}

static void name_take(struct request *request)
{
    struct process *process = request->process;

    memcpy(process->name, request->window->path[1], sizeof process->name);
    process->name[sizeof process->name - 1] = 0;
}

int64_t request_exec_done(struct request *request)
{
    struct process *process = request->process;

    process_views_drop(process);
    process->executed = true;
    process->command_size = request->a[0] < sizeof process->command ? (uint32_t)request->a[0] : sizeof process->command;
    memcpy(process->command, request->window->data, process->command_size);
    for (uint32_t i = 0; i < process->descriptor_end; i++)
        if (process->descriptor[i].file && process->descriptor[i].close_on_exec)
            descriptor_close(process, i);
    name_take(request);
    return 0;
}

/* a: set it? Else it is told. */
int64_t request_name(struct request *request)
{
    if (request->a[0])
        name_take(request);
    memcpy(request->window->path[1], request->process->name, sizeof request->process->name);
    return 0;
}

int64_t request_signal_take(struct request *request)
{
    uint64_t *pending = &request->process->shared->pending;
    uint64_t ready = *pending & ~request->a[0];

    if (!ready)
        return 0;
    uint32_t signal = (uint32_t)__builtin_ctzll(ready) + 1;
    __atomic_fetch_and(pending, ~(1ull << (signal - 1)), __ATOMIC_SEQ_CST);
    request->process->may_stop = true; /* until SIGCONT comes */
    return signal;
}

int64_t request_missing(struct request *request)
{
    struct process *process = request->process;

    for (uint32_t i = 0; i < process->missing_count; i++)
        if (process->missing[i].number == request->a[0]) {
            process->missing[i].count++;
            return 0;
        }
    if (process->missing_count < MISSING_MAX)
        process->missing[process->missing_count++] = (struct missing){ (uint32_t)request->a[0], 1, request->a[1] };
    return 0;
}

/* Words of the command line, each ended by a zero; quotes keep blanks together. Returns their bytes. */
static size_t command_split(const char *text, uint8_t *out, size_t room)
{
    size_t at = 0;

    while (*text == ' ')
        text++;
    while (*text && at + 1 < room) {
        char quote = 0;
        for (; *text && (quote || *text != ' ') && at + 1 < room; text++) {
            if (quote ? *text == quote : *text == '\'' || *text == '"')
                quote = quote ? 0 : *text;
            else
                out[at++] = (uint8_t)*text;
        }
        out[at++] = 0;
        while (*text == ' ')
            text++;
    }
    return at;
}

/* more[0]: bytes of the words; the first is the program. */
int64_t request_start(struct request *request)
{
    if (request->process->pid != 1)
        return -EPERM;
    request->more[0] = command_split(request_command, request->window->data, WINDOW_DATA_SIZE);
    random_fill(request->more + 1, 16);
    request->more[3] = terminal_exists();
    return 0;
}

/* a: set? when, again; ns from now. more: what there was, likewise. */
int64_t request_timer(struct request *request)
{
    struct process *process = request->process;
    uint64_t now = exo_time(), alarm = process->alarm;

    request->more[0] = !alarm ? 0 : alarm > now ? alarm - now : 1;
    request->more[1] = process->alarm_again;
    if (!request->a[0])
        return 0;
    process->alarm_again = request->a[2];
    __atomic_store_n(&process->alarm, request->a[1] ? now + request->a[1] : 0, __ATOMIC_SEQ_CST);
    schedule_kick();
    return 0;
}

int64_t request_sleep(struct request *request)
{
    if (exo_time() >= request->a[0])
        return 0;
    request->process->deadline = request->a[0];
    return request_wait_on(request, &request->process->deadline);
}

int64_t request_broken(struct request *request)
{
    exo_print("process %u (%s): the runtime faulted: exception %lu at %#lx, address %#lx", request->process->pid,
              request->process->name, request->a[0], request->a[1], request->a[2]);
    return 0;
}

int64_t request_no_memory(struct request *request)
{
    exo_print("process %u (%s): out of memory, killed at %#lx", request->process->pid, request->process->name, request->a[0]);
    process_end(request->process, SIGKILL);
    return 0;
}

int64_t request_no_start(struct request *request)
{
    exo_print("cannot run %s: errno %lu", request_command, request->a[0]);
    return 0;
}

int64_t request_more(struct request *request)
{
    struct process *process = request->process;

    if (process_chunk_grant(process) != EXO_OK)
        return -ENOMEM;
    const struct unix_range *chunk = &process->chunk[process->chunk_count - 1];
    request->more[0] = chunk->slot;
    request->more[1] = chunk->first;
    request->more[2] = chunk->count;
    return 0;
}
