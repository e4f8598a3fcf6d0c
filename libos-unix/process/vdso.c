/*
 * Time without a system call: what Linux calls the vDSO. C libraries find this image by the auxiliary vector and call it like any function:
 * it is the program's code, though it lies among the runtime's, and what it faults at is the program's affair.
 */
#include "clock.h"

enum { MICROSECOND = 1000 };

long __vdso_clock_gettime(uint32_t clock, struct linux_time *time);
long __vdso_gettimeofday(struct linux_time *time, void *zone);
int64_t __vdso_time(int64_t *seconds);

long __vdso_clock_gettime(uint32_t clock, struct linux_time *time)
{
    if (clock >= CLOCKS)
        return -EINVAL;
    *time = clock_read();
    return 0;
}

long __vdso_gettimeofday(struct linux_time *time, void *zone)
{
    (void)zone;
    if (time) {
        *time = clock_read();
        time->ns /= MICROSECOND;
    }
    return 0;
}

int64_t __vdso_time(int64_t *seconds)
{
    int64_t now = clock_read().s;

    if (seconds)
        *seconds = now;
    return now;
}
