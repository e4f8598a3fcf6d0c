#include "lock.h"
#include "heap.h"
#include <unix/linux.h>

static const uint64_t whole = 1ull << 63; /* the end of a part that has none */

/* An owner's never touch others of its own that are of the same type, and never overlap. */
struct lock {
    struct lock *next;
    const void *owner;
    int32_t pid; /* -1: an open file's */
    uint32_t type;
    uint64_t start, end;
};

enum { LOCKS_MAX = 1024 }; /* of the instance: the server's memory is everybody's */
static uint32_t lock_count;

static struct lock *lock_new(void)
{
    struct lock *lock = lock_count < LOCKS_MAX ? heap_alloc(sizeof *lock) : 0;

    lock_count += lock != 0;
    return lock;
}

static void lock_free(struct lock *lock)
{
    lock_count -= lock != 0;
    heap_free(lock);
}

static const char channel; /* of all who wait for a lock */

static const struct lock *conflict_find(const struct node *node, const struct lock *wanted)
{
    for (const struct lock *lock = node->locks; lock; lock = lock->next)
        if (lock->owner != wanted->owner && lock->start < wanted->end && wanted->start < lock->end &&
            (lock->type == F_WRLCK || wanted->type == F_WRLCK))
            return lock;
    return 0;
}

/* Would the process wait for itself if it waited for this owner? Each waits for one other at most. */
static bool is_deadlock(const struct process *process, const void *owner)
{
    for (uint32_t steps = 0; steps < PROCESSES_MAX; steps++) {
        const struct process *holder = owner;
        if (holder == process)
            return true;
        if (holder < processes || holder >= processes + PROCESSES_MAX || holder->waiting_on != &channel)
            return false;
        owner = holder->lock_owner;
    }
    return false;
}

/* What touches it and is of its type becomes part of it. */
static void lock_widen(const struct node *node, struct lock *wanted)
{
    uint64_t start = wanted->start, end = wanted->end;

    for (const struct lock *lock = node->locks; lock; lock = lock->next) {
        if (lock->owner != wanted->owner || lock->type != wanted->type || lock->start > end || start > lock->end)
            continue;
        wanted->start = lock->start < wanted->start ? lock->start : wanted->start;
        wanted->end = lock->end > wanted->end ? lock->end : wanted->end;
    }
}

/* The owner's locks leave [start, end). Whether `rest` became the second part of one that was split. */
static bool locks_cut(struct node *node, const struct lock *wanted, struct lock *rest)
{
    bool is_used = false;

    for (struct lock **at = &node->locks, *lock; (lock = *at);) {
        bool before = lock->start < wanted->start, behind = lock->end > wanted->end;
        if (lock->owner != wanted->owner || lock->start >= wanted->end || wanted->start >= lock->end) {
            at = &lock->next;
        } else if (!before && !behind) {
            *at = lock->next;
            lock_free(lock);
        } else {
            if (before && behind) {
                *rest = *lock;
                rest->start = wanted->end;
                lock->next = rest;
                is_used = true;
            } else if (behind) {
                lock->start = wanted->end;
            }
            if (before)
                lock->end = wanted->start;
            at = &lock->next;
        }
    }
    return is_used;
}

static int64_t lock_put(struct node *node, const struct lock *wanted)
{
    struct lock *lock = lock_new(), *rest = lock_new();

    if (!lock || !rest) {
        lock_free(lock);
        lock_free(rest);
        return -ENOLCK;
    }
    *lock = *wanted;
    if (lock->type != F_UNLCK)
        lock_widen(node, lock);
    if (!locks_cut(node, lock, rest))
        lock_free(rest);
    if (lock->type == F_UNLCK) {
        lock_free(lock);
    } else {
        lock->next = node->locks;
        node->locks = lock;
    }
    process_wake(&channel);
    return 0;
}

void locks_end(struct node *node, const void *owner)
{
    bool had = false;

    for (struct lock **at = &node->locks, *lock; (lock = *at);) {
        if (lock->owner != owner) {
            at = &lock->next;
            continue;
        }
        *at = lock->next;
        lock_free(lock);
        had = true;
    }
    if (had)
        process_wake(&channel);
}

/* The part of the file that is meant; 0 or -errno. */
static int64_t part_find(const struct request *request, const struct file *file, struct lock *wanted)
{
    uint64_t whence = request->a[2] >> 16;
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)file->offset : (int64_t)file->node->size, start, end;
    int64_t size = (int64_t)request->a[4];

    if (whence > SEEK_END)
        return -EINVAL;
    if (__builtin_add_overflow(base, (int64_t)request->a[3], &start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (size > 0 && __builtin_add_overflow(start, size - 1, &end))
        return -EOVERFLOW;
    if (size < 0 && start + size < 0)
        return -EINVAL;
    wanted->start = (uint64_t)(size < 0 ? start + size : start);
    wanted->end = size == 0 ? whole : (uint64_t)(size < 0 ? start : start + (size - 1)) + (size > 0);
    return 0;
}

static int64_t lock_tell(struct request *request, const struct node *node, const struct lock *wanted)
{
    const struct lock *lock = wanted->type == F_UNLCK ? 0 : conflict_find(node, wanted);

    if (wanted->type == F_UNLCK)
        return -EINVAL;
    request->more[0] = F_UNLCK;
    if (!lock)
        return 0;
    request->more[0] = lock->type;
    request->more[1] = lock->start;
    request->more[2] = lock->end == whole ? 0 : lock->end - lock->start;
    request->more[3] = (uint64_t)(int64_t)lock->pid;
    return 0;
}

static int64_t lock_set(struct request *request, struct file *file, const struct lock *wanted, bool waits)
{
    const uint32_t access = file->flags & O_ACCMODE;
    const struct lock *lock = wanted->type == F_UNLCK ? 0 : conflict_find(file->node, wanted);

    if ((wanted->type == F_RDLCK && access == O_WRONLY) || (wanted->type == F_WRLCK && access == 0))
        return -EBADF;
    if (!lock)
        return lock_put(file->node, wanted);
    if (!waits)
        return -EAGAIN;
    if (wanted->owner == request->process && is_deadlock(request->process, lock->owner))
        return -EDEADLK;
    request->process->lock_owner = wanted->owner == request->process ? lock->owner : 0;
    return request_wait_on(request, &channel);
}

int64_t request_lock(struct request *request, struct file *file)
{
    const uint64_t command = request->a[1];
    bool is_files = command >= F_OFD_GETLK;
    struct lock wanted = { .owner = is_files ? (void *)file : request->process, .pid = is_files ? -1 : (int32_t)request->process->pid,
                           .type = (uint16_t)request->a[2] };

    if (command != F_GETLK && command != F_SETLK && command != F_SETLKW && command != F_OFD_GETLK && command != F_OFD_SETLK && command != F_OFD_SETLKW)
        return -EINVAL;
    if (file->kind != FILE_NODE || wanted.type > F_UNLCK || (is_files && request->a[5]))
        return -EINVAL;
    int64_t result = part_find(request, file, &wanted);
    if (result < 0)
        return result;
    if (command == F_GETLK || command == F_OFD_GETLK)
        return lock_tell(request, file->node, &wanted);
    return lock_set(request, file, &wanted, command == F_SETLKW || command == F_OFD_SETLKW);
}
