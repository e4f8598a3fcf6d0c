/*
 * Quick calls: of a rewritten site, on the runtime's stack, before any frame is built. Only what needs neither the frame nor a wait may
 * stand here: they get 0 for the frame (where the program's stack was, system_frame.rsp tells). What they cannot do themselves is made in full.
 */
#include "quick.h"
#include "call.h"
#include "memory.h"
#include "pipe.h"

enum { QUICK_MOST = 1 << 20 };

static int64_t quick_result(int64_t result)
{
    return result == PIPE_WAITS || result == PIPE_NOT ? QUICK_NOT : result;
}

static int64_t quick_read(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint32_t quick = quick_of(a[0]);

    (void)frame;
    if (quick & QUICK_READ_ZERO && a[2] <= QUICK_MOST) {
        uint64_t left = user_clear((void *)a[1], a[2]);
        return __builtin_expect(left, 0) ? -EFAULT : (int64_t)a[2];
    }
    if (quick & QUICK_PIPE_READ)
        return quick_result(pipe_read_quick(quick, a[0], a[1], a[2]));
    return quick & QUICK_READ_END ? 0 : QUICK_NOT;
}

static int64_t quick_write(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint32_t quick = quick_of(a[0]);

    (void)frame;
    if (quick & QUICK_WRITE_AWAY && a[2] <= QUICK_MOST && a[1] <= PROGRAM_TOP)
        return (int64_t)a[2];
    return quick & QUICK_PIPE_WRITE ? quick_result(pipe_write_quick(quick, a[0], a[1], a[2])) : QUICK_NOT;
}

/* It may let one through that the process sent itself: that is looked for where the frame is. */
static int64_t quick_sigprocmask(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return signals_own ? QUICK_NOT : call_sigprocmask(a, frame);
}

/* What the program's registers are is of no interest. */
static int64_t quick_sigreturn(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    WINDOW->counts.direct++;
    signals.is_restart = false;
    signal_return(&system_frame);
    system_start();
}

/* The server answers these at once; if a signal must come first after all, in full. */
static int64_t quick_answer(int64_t result)
{
    return result == RESTART ? QUICK_NOT : result;
}

static int64_t quick_open(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return quick_answer(call_open(a, frame));
}

static int64_t quick_close(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return server_ask(LINUX_CLOSE, a[0], 0, 0);
}

static int64_t quick_stat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return quick_answer(call_stat(a, frame));
}

static int64_t quick_fstat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return quick_answer(call_fstat(a, frame));
}

static int64_t quick_lstat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return quick_answer(call_lstat(a, frame));
}

static int64_t quick_lseek(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return server_ask(LINUX_LSEEK, a[0], a[1], a[2]);
}

static int64_t quick_pread(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t words[7] = { LINUX_PREAD64, a[0], 0, a[2], a[3] };

    (void)frame;
    if (a[2] > WINDOW_DATA_SIZE)
        return QUICK_NOT;
    int64_t result = server_call(words);
    return result > 0 && user_copy_many((void *)a[1], WINDOW->data, (uint64_t)result) ? -EFAULT : result;
}

linux_call *const quick_calls[QUICK_CALLS] = {
    [0] = quick_read, [1] = quick_write, [2] = quick_open, [3] = quick_close, [4] = quick_stat, [5] = quick_fstat, [6] = quick_lstat,
    [8] = quick_lseek, [9] = call_mmap, [10] = call_mprotect, [11] = call_munmap, [12] = call_brk,
    [13] = call_sigaction, [14] = quick_sigprocmask, [15] = quick_sigreturn, [17] = quick_pread,
    [28] = call_madvise, [39] = call_getpid, [63] = call_uname,
    [96] = call_gettimeofday, [102] = call_zero, [104] = call_zero, [107] = call_zero, [108] = call_zero, [110] = call_getppid,
    [111] = call_getpgrp, [131] = call_sigaltstack, [186] = call_getpid, [201] = call_time, [228] = call_clock_gettime,
};
