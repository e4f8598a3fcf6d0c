/* Calls about signals: what the program wants done is kept here, who sends is the server's affair. */
#include "call.h"
#include <exo/machine.h>
#include <exo/text.h>

#define NEVER_BLOCKED (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

enum { MASK_SIZE = 8 };

int64_t call_sigaction(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    struct linux_action action, old;

    (void)frame;
    if (a[3] != MASK_SIZE || a[0] - 1 >= SIGNALS || (a[1] && (a[0] == SIGKILL || a[0] == SIGSTOP)))
        return -EINVAL;
    if (a[1] && user_copy(&action, (const void *)a[1], sizeof action))
        return -EFAULT;
    old = signals.action[a[0] - 1];
    if (a[2] && user_copy((void *)a[2], &old, sizeof old))
        return -EFAULT;
    if (a[1]) {
        if (a[0] == SIGCHLD)
            signal_child_look();
        signals.action[a[0] - 1] = action;
        signal_policy_tell();
    }
    return 0;
}

int64_t call_sigprocmask(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t set, old = signal_mask;

    (void)frame;
    if (a[3] != MASK_SIZE)
        return -EINVAL;
    if (a[1] && user_copy(&set, (const void *)a[1], sizeof set))
        return -EFAULT;
    if (a[2] && user_copy((void *)a[2], &old, sizeof old))
        return -EFAULT;
    if (!a[1])
        return 0;
    if (a[0] > SIG_SETMASK)
        return -EINVAL;
    signal_block(a[0] == SIG_BLOCK ? old | set : a[0] == SIG_UNBLOCK ? old & ~set : set);
    return 0;
}

int64_t call_sigreturn(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    return signal_return(frame);
}

/* Until a signal comes that is not blocked. */
static int64_t signal_await(void)
{
    uint64_t words[7] = { UNIX_SLEEP, EXO_NEVER };
    return server_wait(words);
}

int64_t call_pause(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return signal_await();
}

int64_t call_sigsuspend(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t mask;

    (void)frame;
    if (a[1] != MASK_SIZE)
        return -EINVAL;
    if (user_copy(&mask, (const void *)a[0], sizeof mask))
        return -EFAULT;
    if (!signals.is_suspended) {
        signals.suspended = signal_mask;
        signals.is_suspended = true;
    }
    signal_block(mask);
    return signal_await();
}

int64_t call_sigaltstack(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { DISABLE = 2, LEAST = 2048 };
    struct signal_stack stack, old = signals.stack;

    (void)frame;
    old.flags = old.size ? 0 : DISABLE;
    if (a[0] && user_copy(&stack, (const void *)a[0], sizeof stack))
        return -EFAULT;
    if (a[1] && user_copy((void *)a[1], &old, sizeof old))
        return -EFAULT;
    if (!a[0])
        return 0;
    if (stack.flags & DISABLE)
        stack = (struct signal_stack){ 0 };
    else if (stack.size < LEAST)
        return -ENOMEM;
    signals.stack = stack;
    return 0;
}

int64_t call_sigpending(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    signal_child_look();
    uint64_t pending = (STATE->pending | signals_own) & signal_mask;

    if (a[1] > MASK_SIZE)
        return -EINVAL;
    return user_copy((void *)a[0], &pending, a[1]) ? -EFAULT : 0;
}

/* One of the set, which the program blocks; until the deadline. Others that come meanwhile end the waiting. */
static int64_t signal_await_one(uint64_t set, uint64_t deadline)
{
    for (;;) {
        signal_child_look();
        uint64_t own = signals_own & set;
        if (own) {
            signals_own &= ~(own & -own);
            return __builtin_ctzll(own) + 1;
        }
        if (STATE->pending & set)
            return server_ask(UNIX_SIGNAL_TAKE, ~set, 0, 0);
        if (signal_interrupts())
            return -EINTR;
        WINDOW->wait.awaited = set; /* so that the server wakes us for them */
        int64_t result = server_ask(UNIX_SLEEP, deadline, 0, 0);
        if (result == UNIX_WAIT && !(STATE->pending & (~signal_mask | set)))
            processor_give_up();
        WINDOW->wait.awaited = 0;
        if (result != UNIX_WAIT)
            return -EAGAIN;
    }
}

/* a: the set, where what came is told, time limit, size of the set. */
int64_t call_sigtimedwait(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    struct linux_time time = { 0, 0 };
    int32_t information[32] = { 0 };
    uint64_t set;

    (void)frame;
    if (a[3] != MASK_SIZE)
        return -EINVAL;
    if (user_copy(&set, (const void *)a[0], sizeof set) || (a[2] && user_copy(&time, (const void *)a[2], sizeof time)))
        return -EFAULT;
    if (time.s < 0 || time.ns < 0 || time.ns > 999999999)
        return -EINVAL;
    int64_t signal = signal_await_one(set & ~NEVER_BLOCKED, a[2] ? exo_time() + (uint64_t)time.s * 1000000000 + (uint64_t)time.ns : EXO_NEVER);
    information[0] = (int32_t)signal;
    return signal > 0 && a[1] && user_copy((void *)a[1], information, sizeof information) ? -EFAULT : signal;
}

int64_t call_sigqueueinfo(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return server_ask(LINUX_KILL, a[0], a[1], 0);
}

int64_t call_restart(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return -EINTR; /* calls are begun anew by their own numbers */
}

int64_t call_kill(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return a[0] == STATE->pid && signal_self(a[1]) ? 0 : call_plain(a, frame);
}

int64_t call_tkill(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    if (a[0] == STATE->pid && signal_self(a[1]))
        return 0;
    return (int32_t)a[0] <= 0 ? -EINVAL : server_ask(LINUX_KILL, a[0], a[1], 0);
}

int64_t call_tgkill(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    if ((int32_t)a[0] <= 0 || (int32_t)a[1] <= 0)
        return -EINVAL;
    return a[0] != a[1] ? -ESRCH : call_tkill(a + 1, frame);
}
