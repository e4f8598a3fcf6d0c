/* Calls about processes and the machine. */
#include "call.h"
#include "exec.h"
#include "fork.h"
#include "memory.h"
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { NAME_SIZE = 65, NAMES = 6, RUSAGE_WORDS = 18 };

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
    static const uint64_t usage[RUSAGE_WORDS];
    if ((a[1] && user_copy((void *)a[1], &status, sizeof status)) || (a[3] && user_copy((void *)a[3], usage, sizeof usage)))
        return -EFAULT;
    return result;
}

/* a: kind, id, where, options, usage. */
int64_t call_waitid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { P_ALL, P_PID, P_PGID, WSTOPPED = 2, WEXITED = 4, WNOWAIT = 0x1000000, KNOWN = WNOHANG | WSTOPPED | WEXITED | WCONTINUED | WNOWAIT };
    enum { CLD_EXITED = 1, CLD_KILLED = 2, CLD_STOPPED = 5, CLD_CONTINUED = 6 };
    int32_t information[32] = { 0 };

    (void)frame;
    if (a[0] > P_PGID || a[3] & ~(uint64_t)KNOWN || !(a[3] & (WSTOPPED | WEXITED | WCONTINUED)) || (a[0] == P_PID && (int32_t)a[1] <= 0))
        return -EINVAL;
    int64_t pid = a[0] == P_ALL ? -1 : a[0] == P_PID ? (int32_t)a[1] : -(int64_t)(int32_t)a[1];
    uint64_t words[7] = { LINUX_WAIT4, (uint64_t)pid, a[3] & (WNOHANG | WSTOPPED | WCONTINUED), !(a[3] & WEXITED), !!(a[3] & WNOWAIT) };
    int64_t result = server_wait(words);
    if (result < 0)
        return result;
    uint32_t status = (uint32_t)words[1], low = status & 0x7f;
    if (result > 0) {
        information[0] = SIGCHLD;
        information[2] = status == STATUS_CONTINUED ? CLD_CONTINUED : low == STATUS_STOPPED ? CLD_STOPPED : low ? CLD_KILLED : CLD_EXITED;
        information[4] = (int32_t)result;
        information[6] = status == STATUS_CONTINUED ? SIGCONT : low == 0 || low == STATUS_STOPPED ? (int32_t)(status >> 8 & 0xff) : (int32_t)low;
    }
    return a[2] && user_copy((void *)a[2], information, sizeof information) ? -EFAULT : 0;
}

int64_t call_getrlimit(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_prlimit((const uint64_t[6]){ 0, a[0], 0, a[1] }, frame);
}

int64_t call_setrlimit(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_prlimit((const uint64_t[6]){ 0, a[0], a[1], 0 }, frame);
}

/* Everybody is root, and stays it: -1 and 0 change nothing. */
static int64_t roots_only(const uint64_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if ((uint32_t)ids[i] && (uint32_t)ids[i] != UINT32_MAX)
            return -EPERM;
    return 0;
}

int64_t call_setid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return roots_only(a, 1);
}

int64_t call_setreid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return roots_only(a, 2);
}

int64_t call_setresid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return roots_only(a, 3);
}

int64_t call_getresid(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    const uint32_t root = 0;

    (void)frame;
    for (uint32_t i = 0; i < 3; i++)
        if (user_copy((void *)a[i], &root, sizeof root))
            return -EFAULT;
    return 0;
}

/* All of a pair of two words; asked with a version that is not known, the newest is told. */
int64_t call_capget(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { VERSION = 0x20080522 };
    const uint32_t all[6] = { UINT32_MAX, UINT32_MAX, 0, 0x1ff, 0x1ff, 0 };
    uint32_t header[2], version = VERSION;

    (void)frame;
    if (user_copy(header, (const void *)a[0], sizeof header))
        return -EFAULT;
    if (header[0] != VERSION)
        return user_copy((void *)a[0], &version, sizeof version) ? -EFAULT : a[1] ? -EINVAL : 0;
    return a[1] && user_copy((void *)a[1], all, sizeof all) ? -EFAULT : 0;
}

int64_t call_getaffinity(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t mask = (1ull << exo_system_info()->processor_count) - 1;

    (void)frame;
    if (a[1] < sizeof mask || a[1] % sizeof mask)
        return -EINVAL;
    return user_copy((void *)a[2], &mask, sizeof mask) ? -EFAULT : (int64_t)sizeof mask;
}

int64_t call_getpriority(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { NICE_0 = 20 };

    (void)frame;
    return a[0] > 2 ? -EINVAL : NICE_0;
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

/* The server has the name: others may see it in /proc. */
int64_t call_prctl(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { PR_SET_NAME = 15, PR_GET_NAME = 16 };

    (void)frame;
    if (a[0] != PR_SET_NAME && a[0] != PR_GET_NAME)
        return -EINVAL;
    if (a[0] == PR_SET_NAME && user_text(WINDOW->path[1], a[1], NAME_OF_PROCESS) == -EFAULT)
        return -EFAULT;
    server_ask(LINUX_PRCTL, a[0] == PR_SET_NAME, 0, 0);
    return a[0] == PR_GET_NAME && user_copy((void *)a[1], WINDOW->path[1], NAME_OF_PROCESS) ? -EFAULT : 0;
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

/* a: process or 0, resource, what it becomes or 0, where to tell what it was or 0. */
int64_t call_prlimit(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    struct linux_limit limit = { 0, 0 };

    (void)frame;
    if (a[2] && user_copy(&limit, (const void *)a[2], sizeof limit))
        return -EFAULT;
    uint64_t words[7] = { LINUX_PRLIMIT64, (uint32_t)a[0], (uint32_t)a[1], !!a[2], limit.soft, limit.hard };
    int64_t result = server_call(words);
    limit = (struct linux_limit){ words[1], words[2] };
    return result == 0 && a[3] && user_copy((void *)a[3], &limit, sizeof limit) ? -EFAULT : result;
}

int64_t call_getrandom(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { GRND_RANDOM = 2, GRND_INSECURE = 4, GRND_ALL = 7 };
    static uint64_t state;

    (void)frame;
    if (a[2] & ~(uint64_t)GRND_ALL || (a[2] & GRND_RANDOM && a[2] & GRND_INSECURE))
        return -EINVAL;
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
