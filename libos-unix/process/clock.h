/* The clocks that the program sees: all are the machine's, from its start on. */
#pragma once
#include <exo/machine.h>
#include <unix/linux.h>

enum { CLOCKS = 12, SECOND = 1000000000 };

static inline struct linux_time clock_read(void)
{
    uint64_t now = exo_time();
    return (struct linux_time){ (int64_t)(now / SECOND), (int64_t)(now % SECOND) };
}
