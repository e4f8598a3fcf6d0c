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
    signal_mask = (a[0] == SIG_BLOCK ? old | set : a[0] == SIG_UNBLOCK ? old & ~set : set) & ~NEVER_BLOCKED;
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
    signal_mask = mask & ~NEVER_BLOCKED;
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

int64_t call_tkill(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return (int32_t)a[0] <= 0 ? -EINVAL : server_ask(LINUX_KILL, a[0], a[1], 0);
}

int64_t call_tgkill(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return a[0] != a[1] ? -ESRCH : call_tkill(a + 1, frame);
}
