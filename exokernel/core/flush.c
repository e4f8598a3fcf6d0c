#include <flush.h>
#include <arch.h>
#include <dispatch.h>

enum { ASK_NS = 20000 }; /* a processor is interrupted for a flush this often at most: asking must not steal its time */

/* It passes the epoch when it is interrupted, or at its next slot at the latest. */
static void flush_ask(uint32_t processor)
{
    uint64_t *asked = &kernel.processor[processor].asked, now = arch_time();

    if (*asked && now - *asked < ASK_NS)
        return;
    *asked = now;
    arch_interrupt(processor);
}

uint64_t flush_begin(void)
{
    return ++system_info()->flush_epoch;
}

/* Has every request that was handed to a device up to this epoch come back? Those to come are not to be waited for: they get a
 * later one. */
static bool devices_have_passed(uint64_t epoch)
{
    for (uint32_t device = 0; device < DEVICE_MAX; device++) {
        if (kernel.in_flight[device] - 1 > epoch)
            continue;
        if (system_info()->flush_epoch == epoch)
            flush_begin();
        return false;
    }
    return true;
}

bool flush_is_over(uint64_t epoch)
{
    bool over = true;

    for (uint32_t p = 0; p < PROCESSOR_LIMIT && p < kernel.processor_count; p++) {
        if (processor_info(p)->flushed >= epoch)
            continue;
        if (p == arch_processor()) {
            arch_flush_all();
        } else {
            flush_ask(p);
            over = false;
        }
    }
    return over && devices_have_passed(epoch);
}

exo_result call_space_flush(void)
{
    uint64_t epoch = system_info()->flush_epoch;

    flush_is_over(epoch);
    return (exo_result)epoch;
}
