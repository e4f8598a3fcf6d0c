/* futex for processes of one thread: it waits for nobody but signals and time, and has nobody to wake. */
#include "call.h"
#include <exo/machine.h>

enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET,
       FUTEX_PRIVATE = 128, FUTEX_REALTIME = 256, SECOND = 1000000000 };

static int64_t deadline_of(uint64_t address, bool absolute, uint64_t *ret_deadline)
{
    struct linux_time time;

    *ret_deadline = EXO_NEVER;
    if (!address)
        return 0;
    if (user_copy(&time, (const void *)address, sizeof time))
        return -EFAULT;
    if (time.s < 0 || time.ns < 0 || time.ns >= SECOND)
        return -EINVAL;
    *ret_deadline = (uint64_t)time.s * SECOND + (uint64_t)time.ns + (absolute ? 0 : exo_time());
    return 0;
}

static int64_t value_await(const uint64_t a[6], bool absolute)
{
    uint64_t words[7] = { UNIX_SLEEP };
    uint32_t value;
    int64_t result = deadline_of(a[3], absolute, &words[1]);

    if (result < 0)
        return result;
    if (user_copy(&value, (const void *)a[0], sizeof value))
        return -EFAULT;
    if (value != (uint32_t)a[2])
        return -EAGAIN;
    result = server_wait(words);
    return result == 0 ? -ETIMEDOUT : a[3] && result == RESTART ? -EINTR : result;
}

int64_t call_futex(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint32_t value;

    (void)frame;
    if (a[0] % sizeof(uint32_t))
        return -EINVAL;
    switch (a[1] & ~(uint64_t)(FUTEX_PRIVATE | FUTEX_REALTIME)) {
    case FUTEX_WAIT:
        return value_await(a, false);
    case FUTEX_WAIT_BITSET:
        return (uint32_t)a[5] ? value_await(a, true) : -EINVAL;
    case FUTEX_CMP_REQUEUE:
        if (user_copy(&value, (const void *)a[0], sizeof value))
            return -EFAULT;
        return value == (uint32_t)a[5] ? 0 : -EAGAIN;
    case FUTEX_WAKE_BITSET:
        return (uint32_t)a[5] ? 0 : -EINVAL;
    case FUTEX_WAKE:
    case FUTEX_REQUEUE:
        return 0;
    default:
        return -ENOSYS;
    }
}
