/* Time without the kernel: the machine's clock is readable. */
#include "call.h"
#include <exo/machine.h>

enum { CLOCKS = 12, TIMER_ABSTIME = 1, SECOND = 1000000000 };

static int64_t time_put(uint64_t address)
{
    uint64_t now = exo_time();
    struct linux_time time = { (int64_t)(now / SECOND), (int64_t)(now % SECOND) };

    return user_copy((void *)address, &time, sizeof time) ? -EFAULT : 0;
}

int64_t call_clock_gettime(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return a[0] < CLOCKS ? time_put(a[1]) : -EINVAL;
}

int64_t call_gettimeofday(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t now = exo_time();
    struct linux_time time = { (int64_t)(now / SECOND), (int64_t)(now % SECOND / 1000) };

    (void)frame;
    return a[0] && user_copy((void *)a[0], &time, sizeof time) ? -EFAULT : 0;
}

int64_t call_time(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t seconds = exo_time() / SECOND;

    (void)frame;
    return a[0] && user_copy((void *)a[0], &seconds, sizeof seconds) ? -EFAULT : (int64_t)seconds;
}

static int64_t sleep_until(uint64_t deadline)
{
    uint64_t words[7] = { UNIX_SLEEP, deadline };
    int64_t result = server_wait(words);

    return result == RESTART ? -EINTR : result;
}

static int64_t time_take(uint64_t address, uint64_t *ret_ns)
{
    struct linux_time time;

    if (user_copy(&time, (const void *)address, sizeof time))
        return -EFAULT;
    if (time.s < 0 || time.ns < 0 || time.ns >= SECOND)
        return -EINVAL;
    *ret_ns = (uint64_t)time.s * SECOND + (uint64_t)time.ns;
    return 0;
}

int64_t call_nanosleep(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t ns;
    int64_t result = time_take(a[0], &ns);

    (void)frame;
    return result < 0 ? result : sleep_until(exo_time() + ns);
}

int64_t call_clock_nanosleep(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t ns;
    int64_t result = time_take(a[2], &ns);

    (void)frame;
    if (result < 0)
        return result;
    return sleep_until(a[1] & TIMER_ABSTIME ? ns : exo_time() + ns);
}

/* a[2]: two times, or 0 for now. UTIME_NOW and UTIME_OMIT stand in the nanoseconds. */
int64_t call_utimensat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };
    uint64_t now = exo_time(), words[7] = { LINUX_UTIMENSAT, a[0], 0, 0, a[3], now / SECOND, now % SECOND };
    struct linux_time times[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

    (void)frame;
    if (a[2] && user_copy(times, (const void *)a[2], sizeof times))
        return -EFAULT;
    if (times[1].ns == UTIME_OMIT)
        return 0;
    if (times[1].ns != UTIME_NOW) {
        words[5] = (uint64_t)times[1].s;
        words[6] = (uint64_t)times[1].ns;
    }
    if (!a[1])
        return -ENOSYS;
    int64_t result = user_text(WINDOW->path[0], a[1], PATH_SIZE);
    return result < 0 ? result : server_call(words);
}
