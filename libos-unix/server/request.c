#include "request.h"
#include <exo/gate.h>
#include <unix/linux.h>

#define OWN(request) ((request) - UNIX_EXEC_OPEN + OWN_FIRST)
enum { OWN_FIRST = 340, REQUESTS = OWN_FIRST + UNIX_REQUESTS - UNIX_EXEC_OPEN };

static request_call *const calls[REQUESTS] = {
    [LINUX_READ] = request_read, [LINUX_WRITE] = request_write, [LINUX_PREAD64] = request_pread, [LINUX_PWRITE64] = request_pwrite,
    [LINUX_CLOSE] = request_close, [LINUX_LSEEK] = request_lseek, [LINUX_DUP] = request_dup, [LINUX_DUP2] = request_dup2,
    [LINUX_DUP3] = request_dup3, [LINUX_FCNTL] = request_fcntl, [LINUX_IOCTL] = request_ioctl, [LINUX_PIPE2] = request_pipe,
    [LINUX_FSYNC] = request_fsync, [LINUX_FTRUNCATE] = request_ftruncate, [LINUX_GETDENTS64] = request_getdents,
    [LINUX_FSTAT] = request_fstat, [LINUX_GETCWD] = request_getcwd, [LINUX_CHDIR] = request_chdir, [LINUX_FCHDIR] = request_fchdir,
    [LINUX_FCHMOD] = request_fchmod, [LINUX_FCHOWN] = request_fchown, [LINUX_FCHOWNAT] = request_fchownat,
    [LINUX_POLL] = request_poll,
    [LINUX_OPENAT] = request_openat, [LINUX_MKDIRAT] = request_mkdirat, [LINUX_NEWFSTATAT] = request_fstatat,
    [LINUX_UNLINKAT] = request_unlinkat, [LINUX_RENAMEAT] = request_renameat, [LINUX_READLINKAT] = request_readlinkat,
    [LINUX_FACCESSAT] = request_faccessat, [LINUX_FCHMODAT] = request_fchmodat, [LINUX_UTIMENSAT] = request_utimens,
    [LINUX_LINK] = request_link, [LINUX_SYMLINK] = request_symlink,
    [LINUX_TRUNCATE] = request_truncate, [LINUX_MKNODAT] = request_mknodat, [LINUX_STATFS] = request_statfs,
    [LINUX_FSTATFS] = request_fstatfs, [LINUX_SETITIMER] = request_timer, [LINUX_PRCTL] = request_name,
    [LINUX_EXIT] = request_exit, [LINUX_WAIT4] = request_wait, [LINUX_KILL] = request_kill, [LINUX_UMASK] = request_umask, [LINUX_PRLIMIT64] = request_limit,
    [LINUX_SETPGID] = request_setpgid, [LINUX_GETPGID] = request_getpgid, [LINUX_SETSID] = request_setsid,
    [LINUX_GETSID] = request_getsid,
    [OWN(UNIX_EXEC_OPEN)] = request_exec_open, [OWN(UNIX_PAGE)] = request_page, [OWN(UNIX_MAP)] = request_map,
    [OWN(UNIX_MORE)] = request_more, [OWN(UNIX_EXEC_DONE)] = request_exec_done,
    [OWN(UNIX_FORK)] = request_fork, [OWN(UNIX_SIGNAL_TAKE)] = request_signal_take,
    [OWN(UNIX_MISSING)] = request_missing, [OWN(UNIX_START)] = request_start, [OWN(UNIX_END)] = request_end,
    [OWN(UNIX_FILE_NODE)] = request_file_node, [OWN(UNIX_SLEEP)] = request_sleep,
    [OWN(UNIX_BROKEN)] = request_broken, [OWN(UNIX_NO_START)] = request_no_start, [OWN(UNIX_STOP)] = request_stop,
    [OWN(UNIX_PIPE)] = request_pipe_told, [OWN(UNIX_POLICY)] = request_policy, [OWN(UNIX_NO_MEMORY)] = request_no_memory,
};

static request_call *call_of(uint64_t number)
{
    if (number >= UNIX_EXEC_OPEN)
        number = number < UNIX_REQUESTS ? OWN(number) : REQUESTS;
    return number < REQUESTS ? calls[number] : 0;
}

int64_t request_wait_on(struct request *request, const void *channel)
{
    struct process *process = request->process;

    if (process->shared->pending & ~process_mask(process))
        return UNIX_WAIT; /* it has a signal to take: it goes on at once */
    process->waiting_on = channel;
    __atomic_store_n(&process->runnable, 0, __ATOMIC_SEQ_CST);
    return UNIX_WAIT;
}

void request_serve(uint64_t badge, uint32_t index, struct exo_message *message)
{
    struct process *process = process_badged(badge);
    request_call *call = call_of(message->word[0]);
    struct request request;

    (void)index;
    if (!process || !call) {
        message->word[0] = (uint64_t)-ENOSYS;
        return;
    }
    request.process = process;
    request.window = process->window;
    request.more[0] = request.more[1] = request.more[2] = request.more[3] = 0;
    __builtin_memcpy(request.a, message->word + 1, sizeof request.a);
    __atomic_store_n(&instance.serving, 1, __ATOMIC_SEQ_CST);
    process->requests++;
    process->deadline = EXO_NEVER;
    message->word[0] = (uint64_t)call(&request);
    __builtin_memcpy(message->word + 1, request.more, sizeof request.more);
    __atomic_store_n(&instance.serving, 0, __ATOMIC_SEQ_CST);
}
