#include "process.h"
#include "heap.h"
#include "held.h"
#include "job.h"
#include "memory.h"
#include "schedule.h"
#include "shell.h"
#include "terminal.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <unix/linux.h>

#define WINDOWS_ADDRESS 0x300000000ull

enum {
    WINDOW_STRIDE = 32, /* pages a process */
    RIGHTS_POOL = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
};

struct instance instance = { .serving = 1 };
struct process processes[PROCESSES_MAX];
uint32_t processes_end;
const char process_any_channel[1];
static uint32_t pid_last;

static uint32_t index_of(const struct process *process)
{
    return (uint32_t)(process - processes);
}

struct process *process_badged(uint64_t badge)
{
    return badge - 1 < PROCESSES_MAX && processes[badge - 1].state == PROCESS_ALIVE ? &processes[badge - 1] : 0;
}

struct process *process_numbered(uint64_t pid)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if ((processes[i].state == PROCESS_ALIVE || processes[i].state == PROCESS_ZOMBIE) && processes[i].pid == pid)
            return &processes[i];
    return 0;
}

static struct process *place_find(void)
{
    uint32_t i = 0;

    while (i < PROCESSES_MAX && (processes[i].state != PROCESS_NONE || shell_is_in(&processes[i])))
        i++;
    return i < PROCESSES_MAX ? &processes[i] : 0;
}

/* A place for a child of the parent, with a shell that fits or with none. */
static struct process *process_find(const struct process *parent)
{
    struct process *process = parent ? shell_take(parent) : 0;
    uint32_t end = processes_end;

    if (!process)
        process = place_find();
    if (!process && shell_give_up())
        process = place_find();
    if (!process)
        return 0;
    while (end && processes[end - 1].state == PROCESS_NONE)
        end--;
    if (end <= index_of(process))
        end = index_of(process) + 1;
    __atomic_store_n(&processes_end, end, __ATOMIC_SEQ_CST);
    return process;
}

/*
 * Frames for what both sides see: state, window and data of the runtime. They stay for the next process in this place, which could find
 * there what the last one had in its window: all processes of an instance are root, and may read each other's files, too.
 */
static int64_t window_make(struct process *process)
{
    static uint32_t frames[PROCESSES_MAX];
    uint64_t address = WINDOWS_ADDRESS + (uint64_t)index_of(process) * WINDOW_STRIDE * EXO_FRAME_SIZE;
    uint32_t *first = &frames[index_of(process)], count = 1 + WINDOW_PAGES + process_data_pages();

    if (!*first) {
        *first = exo_frame_alloc_run(&memory.own, count, 1);
        if (!*first)
            return EXO_BAD_NAME;
        int64_t result = exo_space_map(&memory.space, address, *first, count, memory.own.capability, EXO_MAP_READ | EXO_MAP_WRITE);
        if (result != EXO_OK)
            return result;
    }
    process->state_frame = *first;
    process->window_frame = *first + 1;
    process->shared = (struct unix_state *)address;
    process->window = (struct unix_window *)(address + EXO_FRAME_SIZE);
    process->data = (uint8_t *)(address + (1 + WINDOW_PAGES) * EXO_FRAME_SIZE);
    process->window->counts = (struct unix_counts){ 0 };
    process->window->wait = (struct unix_wait){ 0 };
    return EXO_OK;
}

/* A capability into a fixed slot of the process. */
static int64_t grant(const struct process *process, uint16_t own, uint16_t slot, uint32_t rights, uint32_t first, uint32_t count)
{
    return exo_capability_derive(0, own, process->slot, slot, (uint8_t)rights, first, count);
}

int64_t process_chunk_grant(struct process *process)
{
    uint32_t n = process->chunk_count, count = n || process == processes ? CHUNK_MORE << n / 4 : CHUNK_FRAMES;

    if (n == CHUNKS_MAX)
        return EXO_BAD_NAME;
    uint16_t capability;
    uint32_t first = chunk_alloc(count, &capability);
    if (!first)
        return EXO_BAD_NAME;
    int64_t result = grant(process, capability, (uint16_t)(SLOT_POOL + n), RIGHTS_POOL, first, count);
    if (result != EXO_OK) {
        chunk_free(first, count);
        return result;
    }
    process->chunk[process->chunk_count++] = (struct unix_range){ first, count, SLOT_POOL + n, 0 };
    return EXO_OK;
}

int64_t process_file_grant(struct process *process, struct node *node, const struct unix_range **ret_range)
{
    struct unix_range *range = &process->file[process->file_count];

    for (uint32_t i = 0; i < process->file_count; i++)
        if (process->file[i].of == node->number && process->file[i].first == node->run) {
            *ret_range = &process->file[i];
            return EXO_OK;
        }
    if (process->file_count == FILES_MAX || !node->run)
        return EXO_BAD_NAME;
    int64_t result = held_file(process, node, range);
    if (result != EXO_OK)
        return result;
    process->file_count++;
    *ret_range = range;
    return EXO_OK;
}

static int64_t process_grant(struct process *process)
{
    int64_t result = grant(process, SERVER_SLOT_GATE, SLOT_SERVER, EXO_RIGHT_EXECUTE,
                           exo_start.environment * EXO_GATES_PER_ENVIRONMENT, index_of(process) + 1);

    if (result == EXO_OK)
        result = process_image_grant(process);
    if (result == EXO_OK)
        result = grant(process, memory.own.capability, SLOT_WINDOW, EXO_RIGHT_READ | EXO_RIGHT_WRITE, process->window_frame,
                       WINDOW_PAGES + process_data_pages());
    return result == EXO_OK ? grant(process, memory.own.capability, SLOT_STATE, EXO_RIGHT_READ, process->state_frame, 1) : result;
}

static void descriptors_copy(struct process *process, const struct process *parent)
{
    process->descriptor_end = parent->descriptor_end;
    memcpy(process->descriptor, parent->descriptor, parent->descriptor_end * sizeof *process->descriptor);
    for (uint32_t i = 0; i < parent->descriptor_end; i++) {
        process->shared->quick[i] = parent->shared->quick[i] & QUICK_DEVICE;
        if (process->descriptor[i].file)
            process->descriptor[i].file->users++;
    }
}

void process_belongs(struct process *process, uint32_t group, uint32_t session)
{
    process->group = process->shared->group = group;
    process->session = process->shared->session = session;
}

static void limits_begin(struct process *process)
{
    for (uint32_t i = 0; i < RLIMITS; i++)
        process->limit[i] = (struct linux_limit){ EXO_NEVER, EXO_NEVER };
    process->limit[RLIMIT_STACK].soft = 0x800000; /* STACK_SIZE of the runtime's memory.h */
    process->limit[RLIMIT_NOFILE] = (struct linux_limit){ DESCRIPTORS_MAX, DESCRIPTORS_MAX };
}

static void family_enter(struct process *process, struct process *parent)
{
    struct unix_state *state = process->shared;

    *state = (struct unix_state){ .pid = process->pid };
    process_belongs(process, process->pid, process->pid);
    process->parent = parent;
    process->umask = 022;
    limits_begin(process);
    process->directory = parent ? parent->directory : node_root;
    process->directory->users++;
    if (!parent)
        return;
    process->umask = parent->umask;
    memcpy(process->limit, parent->limit, sizeof process->limit);
    process->command_size = parent->command_size;
    memcpy(process->command, parent->command, parent->command_size);
    state->parent = parent->pid;
    process_belongs(process, parent->group, parent->session);
    process->ignored = parent->ignored;
    process->child_flags = parent->child_flags;
    exo_text_copy(process->name, parent->name, sizeof process->name);
    descriptors_copy(process, parent);
}

static void process_dispose(struct process *process)
{
    if (process->has_environment) {
        held_owner_ended(process->frame);
        if (!shell_keep(process)) {
            exo_child_end(process->slot, process->frame);
            shell_forget(process);
        }
    }
    process->has_environment = false;
    while (process->chunk_count) {
        const struct unix_range *chunk = &process->chunk[--process->chunk_count];
        chunk_free(chunk->first, chunk->count);
    }
    loan_look();
}

static int64_t environment_make(struct process *process, const struct process *parent)
{
    static struct exo_child child;
    int64_t result = exo_child_create(&child, &memory.space, process->slot, SERVER_SLOT_WINDOW, exo_start.name);

    if (result != EXO_OK)
        return result;
    process->has_environment = true;
    process->frame = child.frame;
    result = process_grant(process);
    return result == EXO_OK && parent ? shell_build(process) : result;
}

/* In a shell that is there, or in a new environment. */
static int64_t process_begin(struct process *process, const struct process *parent)
{
    uint32_t frame = process->frame;
    int64_t result;

    memset(process, 0, offsetof(struct process, descriptor));
    process->slot = (uint16_t)(SERVER_SLOT_PROCESSES + 1 + index_of(process));
    process->deadline = EXO_NEVER;
    process->started = exo_time();
    process->has_environment = shell_is_in(process);
    process->frame = frame;
    result = window_make(process);
    if (result == EXO_OK && !process->has_environment)
        result = environment_make(process, parent);
    if (result == EXO_OK)
        result = process_chunk_grant(process);
    if (result != EXO_OK)
        process_dispose(process);
    return result;
}

struct process *process_create(struct process *parent)
{
    struct process *process = process_find(parent);

    while (process && process_begin(process, parent) != EXO_OK)
        process = shell_give_up() ? process_find(parent) : 0;
    if (!process)
        return 0;
    process->state = PROCESS_BUILDING;
    process->pid = ++pid_last;
    family_enter(process, parent);
    instance.created++;
    return process;
}

static bool is_viewer(const struct process *process, uint32_t environment)
{
    for (uint32_t n = 0; n < process->view_count; n++)
        if (process->view[n].of == environment)
            return true;
    return false;
}

static uint32_t viewers_of(uint32_t environment)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < processes_end; i++)
        count += processes[i].state != PROCESS_NONE && is_viewer(&processes[i], environment);
    return count;
}

static struct process *process_in(uint32_t environment)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if (processes[i].has_environment && processes[i].frame == environment)
            return &processes[i];
    return 0;
}

/* Somebody sees its memory no more: tell it, or let it go if it only stayed for that. */
static void holder_settle(uint32_t environment)
{
    struct process *holder = process_in(environment);
    uint32_t viewers = viewers_of(environment);

    if (!holder)
        return;
    holder->shared->viewers = viewers;
    if (viewers || (holder->state != PROCESS_HOLDER && holder->state != PROCESS_ZOMBIE))
        return;
    process_dispose(holder);
    if (holder->state == PROCESS_HOLDER)
        holder->state = PROCESS_NONE;
}

/* End a capability that one of our processes holds. */
void process_drop(const struct process *process, uint16_t slot)
{
    exo_drop_of(process->slot, process->frame, slot);
}

/* The capabilities stay (held.h). */
void process_views_drop(struct process *process)
{
    uint32_t count = process->view_count;

    process->view_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (i + 1 == count || process->view[i].of != process->view[i + 1].of)
            holder_settle(process->view[i].of);
    process->file_count = 0;
}

static int64_t view_grant(struct process *child, const struct process *owner)
{
    for (uint32_t i = 0; i < owner->chunk_count; i++) {
        if (child->view_count == VIEWS_MAX)
            return EXO_BAD_NAME;
        int64_t result = held_view(child, owner, &owner->chunk[i], &child->view[child->view_count]);
        if (result != EXO_OK)
            return result;
        child->view_count++;
    }
    return EXO_OK;
}

static int64_t files_grant(struct process *child, const struct process *parent)
{
    for (; child->file_count < parent->file_count; child->file_count++) {
        child->file[child->file_count] = parent->file[child->file_count];
        int64_t result = held_file_at(child, &child->file[child->file_count]);
        if (result != EXO_OK)
            return result;
    }
    return EXO_OK;
}

int64_t process_views_grant(struct process *child, struct process *parent, const struct unix_fork *fork)
{
    int64_t result = files_grant(child, parent);

    for (uint32_t i = 0; i < fork->owner_count && result == EXO_OK; i++) {
        struct process *owner = process_in(fork->owner[i]);
        if (!owner || (owner != parent && !is_viewer(parent, owner->frame)))
            return EXO_BAD_NAME;
        result = view_grant(child, owner);
        owner->shared->viewers = viewers_of(owner->frame);
    }
    return result;
}

static void belongings_drop(struct process *process)
{
    for (uint32_t i = 0; i < process->descriptor_end; i++)
        descriptor_close(process, i);
    if (process->directory) {
        process->directory->users--;
        node_settle(process->directory);
    }
    process->directory = 0;
}

void process_undo(struct process *process)
{
    belongings_drop(process);
    process_views_drop(process);
    process_dispose(process);
    process->state = PROCESS_NONE;
}

static void missing_report(const struct process *process)
{
    for (uint32_t i = 0; i < process->missing_count; i++)
        exo_print("process %u (%s): system call %u is missing, called %u times, first at %#lx", process->pid, process->name,
                  process->missing[i].number, process->missing[i].count, process->missing[i].address);
}

static void children_pass_on(const struct process *process)
{
    struct process *first = &processes[0];

    for (uint32_t i = 0; i < processes_end; i++) {
        struct process *child = &processes[i];
        if (child->parent != process || child->state == PROCESS_NONE)
            continue;
        if (child->state == PROCESS_BUILDING) {
            process_undo(child);
            continue;
        }
        child->parent = process == first ? 0 : first;
        if (child->shared && child->has_environment)
            child->shared->parent = 1;
        if (child->state == PROCESS_ZOMBIE && !child->parent)
            process_forget(child);
    }
}

static void process_stop(struct process *process)
{
    int64_t result;

    process->runnable = 0;
    do
        result = exo_vcpu_stop(process->slot, 0);
    while (exo_again(result));
}

static void instance_end(int status)
{
    instance.over = true;
    while (shell_give_up())
        ;
    instance.status = status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
    for (uint32_t i = 1; i < processes_end; i++)
        if (processes[i].state == PROCESS_ALIVE)
            process_end(&processes[i], SIGKILL);
}

/* It wants to know nothing of children that have ended. */
static bool is_forgotten_by(const struct process *parent)
{
    return parent->child_flags & SA_NOCLDWAIT || parent->ignored & 1ull << (SIGCHLD - 1);
}

void process_end(struct process *process, int status)
{
    struct process *parent = process->parent;

    process_stop(process);
    terminal_leave(process);
    job_children_leave(process);
    instance.requests += process->requests;
    instance.counts.trapped += process->window->counts.trapped;
    instance.counts.direct += process->window->counts.direct;
    missing_report(process);
    belongings_drop(process);
    children_pass_on(process);
    process->state = PROCESS_ZOMBIE;
    process->status = status;
    process_views_drop(process);
    if (viewers_of(process->frame) == 0)
        process_dispose(process);
    if (process == &processes[0])
        instance_end(status);
    parent_tell(process);
    if (!parent || parent->state != PROCESS_ALIVE || is_forgotten_by(parent))
        process_forget(process);
}

void process_forget(struct process *process)
{
    process->parent = 0;
    process->state = process->has_environment ? PROCESS_HOLDER : PROCESS_NONE;
}

void process_alarms_pass(void)
{
    uint64_t now = exo_time();

    for (uint32_t i = 0; i < processes_end; i++) {
        struct process *process = &processes[i];
        if (process->state != PROCESS_ALIVE || !process->alarm || process->alarm > now)
            continue;
        process->alarm = process->alarm_again ? now + process->alarm_again : 0;
        process_signal(process, SIGALRM);
    }
}

static void process_run(struct process *process)
{
    if (process->stopped)
        return;
    process->waiting_on = 0;
    __atomic_store_n(&process->runnable, 1, __ATOMIC_SEQ_CST);
    schedule_kick();
}

void process_wake(const void *channel)
{
    for (uint32_t i = 0; i < processes_end; i++)
        if (processes[i].state == PROCESS_ALIVE && (processes[i].waiting_on == channel || processes[i].waiting_on == process_any_channel))
            process_run(&processes[i]);
}

void process_signal(struct process *process, uint32_t signal)
{
    if (process->state != PROCESS_ALIVE)
        return;
    if (signal == SIGKILL) {
        process_end(process, SIGKILL);
        return;
    }
    job_signal(process, signal);
    __atomic_fetch_or(&process->shared->pending, 1ull << (signal - 1), __ATOMIC_SEQ_CST);
    process_run(process);
}
