/* Calls about processes and the machine. */
#include "call.h"
#include "exec.h"
#include "fork.h"
#include "memory.h"
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { NAME_SIZE = 65, NAMES = 6 };

int64_t call_zero(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return 0;
}

int64_t call_getpid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return STATE->pid;
}

int64_t call_getppid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return STATE->parent;
}

int64_t call_getpgrp(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return STATE->group;
}

int64_t call_fork(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return process_fork();
}

int64_t call_clone(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t flags = a[0] & ~0xffull;
    const uint64_t known = CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_SETTLS;

    if (flags & ~known || (a[0] & 0xff) != SIGCHLD || (flags & CLONE_VM && !(flags & CLONE_VFORK)))
        return -ENOSYS;
    int64_t pid = process_fork();
    int32_t number = (int32_t)(pid ? pid : STATE->pid);
    if (pid > 0 && flags & CLONE_PARENT_SETTID && user_copy((void *)a[2], &number, sizeof number))
        return -EFAULT;
    if (pid)
        return pid;
    if (flags & CLONE_CHILD_SETTID && user_copy((void *)a[3], &number, sizeof number))
        process_die(SIGSEGV);
    if (flags & CLONE_SETTLS) {
        exo_threads[0].base = a[4];
        __asm__ volatile("wrfsbase %0" : : "r"(a[4]));
    }
    if (a[1])
        frame->rsp = a[1];
    return 0;
}

int64_t call_execve(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return process_exec(a[0], a[1], a[2], frame);
}

int64_t call_exit(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    server_ask(LINUX_EXIT, a[0], 0, 0);
    for (;;)
        exo_yield();
}

int64_t call_wait(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t words[7] = { LINUX_WAIT4, a[0], a[2] };
    int64_t result = server_wait(words);
    int32_t status = (int32_t)words[1];

    (void)frame;
    if (result <= 0)
        return result;
    if (!STATE->viewers)
        memory_collect();
    if (a[1] && user_copy((void *)a[1], &status, sizeof status))
        return -EFAULT;
    return result;
}

int64_t call_yield(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    static uint8_t fpu[FPU_SIZE] __attribute__((aligned(64)));

    (void)a;
    (void)frame;
    fpu_save(fpu);
    exo_yield();
    fpu_load(fpu);
    return 0;
}

int64_t call_uname(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    static const char *const names[NAMES] = { "Linux", "exo", "6.1.0", "#1 Exo libos-unix", "x86_64", "(none)" };
    static char text[NAMES][NAME_SIZE];

    (void)frame;
    for (uint32_t i = 0; i < NAMES; i++)
        exo_text_copy(text[i], names[i], NAME_SIZE);
    return user_copy((void *)a[0], text, sizeof text) ? -EFAULT : 0;
}

int64_t call_arch_prctl(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    switch (a[0]) {
    case ARCH_SET_FS:
        if (a[1] >= EXO_USER_LIMIT)
            return -EPERM;
        exo_threads[0].base = a[1];
        __asm__ volatile("wrfsbase %0" : : "r"(a[1]));
        return 0;
    case ARCH_GET_FS:
        return user_copy((void *)a[1], &exo_threads[0].base, 8) ? -EFAULT : 0;
    default:
        return -EINVAL;
    }
}

int64_t call_getgroups(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    const uint32_t group = 0;

    (void)frame;
    if ((int32_t)a[0] < 0)
        return -EINVAL;
    return a[0] && user_copy((void *)a[1], &group, sizeof group) ? -EFAULT : 1;
}

int64_t call_prctl(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { PR_SET_NAME = 15, PR_GET_NAME = 16 };
    static char name[NAME_OF_PROCESS] EXO_EAGER;

    (void)frame;
    if (a[0] == PR_GET_NAME)
        return user_copy((void *)a[1], name, sizeof name) ? -EFAULT : 0;
    if (a[0] != PR_SET_NAME)
        return -EINVAL;
    int64_t result = user_text(name, a[1], sizeof name);
    name[sizeof name - 1] = 0;
    return result == -EFAULT ? result : 0;
}

int64_t call_sysinfo(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    struct {
        uint64_t uptime, loads[3], total, free, shared, buffers, swap, free_swap;
        uint16_t processes, pad[3];
        uint64_t total_high, free_high;
        uint32_t unit, pad2;
    } info = { .uptime = exo_time() / 1000000000, .total = exo_system_info()->frame_count, .free = pool_left(),
               .unit = EXO_FRAME_SIZE };

    (void)frame;
    return user_copy((void *)a[0], &info, sizeof info) ? -EFAULT : 0;
}

int64_t call_prlimit(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t limit = a[1] == RLIMIT_STACK ? STACK_SIZE : a[1] == RLIMIT_NOFILE ? 256 : EXO_NEVER;
    uint64_t limits[2] = { limit, limit };

    (void)frame;
    if (a[1] > 15)
        return -EINVAL;
    if (a[2])
        return -EPERM;
    return a[3] && user_copy((void *)a[3], limits, sizeof limits) ? -EFAULT : 0;
}

int64_t call_getrandom(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    static uint64_t state;

    (void)frame;
    state ^= state ? exo_ticks() : exo_system_info()->random_seed ^ exo_ticks();
    for (uint64_t done = 0, part; done < a[1]; done += part) {
        uint64_t z = state += 0x9e3779b97f4a7c15; /* splitmix64 (Vigna) */
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        z ^= z >> 31;
        part = a[1] - done < 8 ? a[1] - done : 8;
        if (user_copy((void *)(a[0] + done), &z, part))
            return -EFAULT;
    }
    return (int64_t)a[1];
}
