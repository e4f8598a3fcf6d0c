/*
 * Fixed priority by response-time analysis (M. Joseph, P. Pandya 1986; N. Audsley et al. 1993): the worst response of a task
 * is the shortest window that gives its own cost, one blocking, and what more urgent tasks and all releases need
 * meanwhile. Deadlines are at most periods, so the first job after a common release is the worst.
 */
#include "demand.h"
#include "supply.h"

static uint64_t releases_within(uint64_t window, uint64_t period)
{
    return (window - 1) / period + 1;
}

static uint64_t blocking_of(const struct rt_claim *claim, uint32_t count, uint64_t level)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; claim[i].level > level && k < claim[i].section_count; k++)
            if (claim[i].section[k].longest > longest && mutex_ceiling(claim, count, claim[i].section[k].mutex) <= level)
                longest = claim[i].section[k].longest;
    return longest;
}

/* What must be done before task `task`, released with all others, is over, if that lasts for the window. */
static uint64_t work_within(const struct rt_claim *claim, uint32_t count, const struct rt_overhead *overhead, uint32_t task,
                            uint64_t window)
{
    uint64_t sum = claim_cost(&claim[task], overhead);

    for (uint32_t i = 0; i < count; i++) {
        sum += releases_within(window, claim[i].period) * overhead->release;
        if (i != task && claim[i].level <= claim[task].level)
            sum += releases_within(window, claim[i].period) * claim_cost(&claim[i], overhead);
    }
    return sum;
}

/* The worst response, or the first bound found to be beyond the deadline. */
static uint64_t response_of(const struct rt_claim *claim, uint32_t count, const struct rt_overhead *overhead,
                            const struct supply *supply, uint32_t task)
{
    uint64_t blocking = blocking_of(claim, count, claim[task].level) + overhead->blocking;

    for (uint64_t window = 1;;) {
        uint64_t next = supply_window(supply, work_within(claim, count, overhead, task, window) + blocking);
        if (next <= window || next > claim[task].deadline)
            return next;
        window = next;
    }
}

void response_admit(const struct rt_claim *claim, uint32_t count, const struct rt_supply *supply,
                    const struct rt_overhead *overhead, struct rt_verdict *verdict)
{
    struct supply sure;

    *verdict = (struct rt_verdict){.reason = RT_ADMITTED};
    supply_open(&sure, supply);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t response = response_of(claim, count, overhead, &sure, i);
        verdict->response[i] = response;
        if (response <= claim[i].deadline)
            continue;
        verdict->reason = RT_RESPONSE;
        verdict->task = i;
        verdict->demand = response;
        verdict->supply = claim[i].deadline;
        return;
    }
}
