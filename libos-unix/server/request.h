/* What processes ask of the server: request.c finds who answers, the others answer by subject. */
#pragma once
#include "process.h"
#include <exo/gate.h>

/* a: the arguments, a[0] to a[5]; more[0] to more[3] go back beside the result. */
struct request {
    struct process *process;
    struct unix_window *window;
    uint64_t a[6];
    uint64_t more[4];
};

typedef int64_t request_call(struct request *request);

request_call request_read, request_write, request_pread, request_pwrite, request_close, request_lseek, request_dup, request_dup2,
    request_dup3, request_fcntl, request_ioctl, request_pipe, request_fsync, request_ftruncate, request_getdents, request_file_node,
    request_page, request_map, request_poll, request_fchown, request_pipe_told;
request_call request_open, request_stat, request_lstat, request_fstat, request_access, request_getcwd, request_chdir,
    request_fchdir, request_rename, request_mkdir, request_rmdir, request_link, request_unlink, request_symlink, request_readlink,
    request_chmod, request_fchmod, request_utimens, request_exec_open, request_openat, request_mkdirat, request_fstatat,
    request_unlinkat, request_renameat, request_readlinkat, request_faccessat, request_fchmodat, request_fchownat, request_truncate, request_mknodat, request_statfs, request_fstatfs;
request_call request_exit, request_wait, request_kill, request_umask, request_limit, request_setpgid, request_getpgid, request_setsid,
    request_getsid, request_fork, request_exec_done, request_signal_take, request_missing, request_start,
    request_end, request_sleep, request_broken, request_no_start, request_more, request_stop, request_policy, request_timer, request_no_memory, request_name;

/* Not runnable until the channel is waked; the answer is UNIX_WAIT. */
int64_t request_wait_on(struct request *request, const void *channel);
/* The gate's handler. */
void request_serve(uint64_t badge, uint32_t index, struct exo_message *message);
/* The command line of the first process: text separated by blanks, with ' and " around what holds blanks. */
extern const char *request_command;
