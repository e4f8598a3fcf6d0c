/* Time without the kernel: the machine's clock is readable. */
#include "call.h"
#include "clock.h"

enum { TIMER_ABSTIME = 1 };

static int64_t time_put(uint64_t address)
{
    const struct linux_time time = clock_read();
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

/* Of a sleep that a signal ended the rest is told. */
static int64_t sleep_for(uint64_t ns, uint64_t rest)
{
    uint64_t deadline = exo_time() + ns;
    int64_t result = sleep_until(deadline);
    uint64_t now = exo_time(), left = now < deadline ? deadline - now : 0;
    struct linux_time time = { (int64_t)(left / SECOND), (int64_t)(left % SECOND) };

    return result == -EINTR && rest && user_copy((void *)rest, &time, sizeof time) ? -EFAULT : result;
}

int64_t call_nanosleep(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t ns;
    int64_t result = time_take(a[0], &ns);

    (void)frame;
    return result < 0 ? result : sleep_for(ns, a[1]);
}

int64_t call_clock_nanosleep(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t ns;
    int64_t result = time_take(a[2], &ns);

    (void)frame;
    if (a[0] >= CLOCKS)
        return -EINVAL;
    if (result < 0)
        return result;
    return a[1] & TIMER_ABSTIME ? sleep_until(ns) : sleep_for(ns, a[3]);
}

int64_t call_clock_getres(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    const struct linux_time resolution = { 0, 1 };

    (void)frame;
    if (a[0] >= CLOCKS)
        return -EINVAL;
    return a[1] && user_copy((void *)a[1], &resolution, sizeof resolution) ? -EFAULT : 0;
}

/* Nobody counts a process's time: it used none. */
int64_t call_times(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    static const uint64_t none[4];
    enum { TICK = SECOND / 100 };

    (void)frame;
    return a[0] && user_copy((void *)a[0], none, sizeof none) ? -EFAULT : (int64_t)(exo_time() / TICK);
}

int64_t call_getrusage(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    static const uint64_t none[18];

    (void)frame;
    if ((int32_t)a[0] < -1 || (int32_t)a[0] > 1)
        return -EINVAL;
    return user_copy((void *)a[1], none, sizeof none) ? -EFAULT : 0;
}

struct linux_interval {
    struct { int64_t s, us; } again, next;
};

static uint64_t interval_ns(int64_t s, int64_t us)
{
    return (uint64_t)s * SECOND + (uint64_t)us * 1000;
}

static struct linux_interval interval_of(const uint64_t words[2])
{
    return (struct linux_interval){
        .again = { (int64_t)(words[1] / SECOND), (int64_t)(words[1] % SECOND / 1000) },
        .next = { (int64_t)(words[0] / SECOND), (int64_t)((words[0] % SECOND + 999) / 1000) },
    };
}

/* Only ITIMER_REAL: nobody counts a process's time. */
int64_t call_getitimer(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t words[7] = { LINUX_SETITIMER, 0 };

    (void)frame;
    if (a[0])
        return -EINVAL;
    server_call(words);
    const struct linux_interval old = interval_of(words + 1);
    return user_copy((void *)a[1], &old, sizeof old) ? -EFAULT : 0;
}

int64_t call_setitimer(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    struct linux_interval new = { 0 };

    (void)frame;
    if (a[0])
        return -EINVAL;
    if (a[1] && user_copy(&new, (const void *)a[1], sizeof new))
        return -EFAULT;
    if (new.next.us < 0 || new.next.us > 999999 || new.again.us < 0 || new.again.us > 999999 || new.next.s < 0 || new.again.s < 0)
        return -EINVAL;
    uint64_t words[7] = { LINUX_SETITIMER, 1, interval_ns(new.next.s, new.next.us), interval_ns(new.again.s, new.again.us) };
    server_call(words);
    const struct linux_interval old = interval_of(words + 1);
    return a[2] && user_copy((void *)a[2], &old, sizeof old) ? -EFAULT : 0;
}

int64_t call_alarm(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t words[7] = { LINUX_SETITIMER, 1, (uint64_t)(uint32_t)a[0] * SECOND, 0 };

    (void)frame;
    server_call(words);
    return (int64_t)((words[1] + SECOND - 1) / SECOND);
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
