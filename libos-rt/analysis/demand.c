/*
 * EDF by processor demand: a window of t ns must give, for sure, what jobs released and due within it need, and one blocking
 * (S. Baruah, L. Rosier, R. Howell 1990; with mutexes S. Baruah, RTSS 2006). Releases are counted in as if each
 * were a job of its own that is due at once. Which windows matter is found by QPA (F. Zhang, A. Burns, IEEE Transactions on
 * Computers 58(9), 2009), here against the time that the slots give instead of against t.
 *
 * QPA: demand only grows at steps. If it is H at t and is met there, then it is met at every t' <= t from the shortest window
 * that gives H on; so the next one to look at is the last step before that.
 *
 * No window longer than the first idle moment L and the shortest deadline matters. Let t be the shortest bad window, L beyond it
 * or more: what is due within t was released in the first L, or is due within t - L; what t gives is at least what L and t - L
 * give; so t - L is bad too, unless it is shorter than any deadline.
 */
#include "demand.h"
#include "supply.h"

struct demand {
    const struct rt_claim *claim;
    uint32_t count;
    const struct rt_overhead *overhead;
    struct supply supply;
    uint64_t least; /* deadline */
    uint32_t steps;
};

static uint64_t jobs_due(uint64_t window, uint64_t deadline, uint64_t period)
{
    return window < deadline ? 0 : (window - deadline) / period + 1;
}

static uint64_t demand_within(const struct demand *demand, uint64_t window)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < demand->count; i++) {
        const struct rt_claim *claim = &demand->claim[i];
        sum += jobs_due(window, claim->deadline, claim->period) * claim_cost(claim, demand->overhead);
        sum += jobs_due(window, 0, claim->period) * demand->overhead->release;
    }
    return sum;
}

/* The longest section of a job due after the window whose mutex somebody due within it locks. */
static uint64_t blocking_within(const struct demand *demand, uint64_t window)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < demand->count; i++) {
        const struct rt_claim *claim = &demand->claim[i];
        if (claim->deadline <= window)
            continue;
        for (uint32_t k = 0; k < claim->section_count; k++)
            if (claim->section[k].longest > longest &&
                mutex_ceiling(demand->claim, demand->count, claim->section[k].mutex) <= window)
                longest = claim->section[k].longest;
    }
    return longest + demand->overhead->blocking;
}

static uint64_t step_before(uint64_t window, uint64_t offset, uint64_t period)
{
    return window <= offset ? 0 : offset + (window - 1 - offset) / period * period;
}

/* The last window shorter than this one at which demand grows. */
static uint64_t window_before(const struct demand *demand, uint64_t window, uint32_t *ret_task)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < demand->count; i++) {
        const struct rt_claim *claim = &demand->claim[i];
        uint64_t step = step_before(window, claim->deadline, claim->period);
        if (demand->overhead->release && step_before(window, 0, claim->period) > step)
            step = step_before(window, 0, claim->period);
        if (step >= last) {
            last = step;
            *ret_task = i;
        }
    }
    return last;
}

/* From the first moment on at which all is done that was released until then, blocking and all; 0: not found. */
static uint64_t idle_find(struct demand *demand)
{
    uint64_t blocking = demand->overhead->blocking, last = 0;

    for (uint32_t i = 0; i < demand->count; i++)
        for (uint32_t k = 0; k < demand->claim[i].section_count; k++)
            if (demand->claim[i].section[k].longest + demand->overhead->blocking > blocking)
                blocking = demand->claim[i].section[k].longest + demand->overhead->blocking;
    for (uint64_t time = 1; demand->steps < ANALYSIS_STEPS; demand->steps++) {
        uint64_t sum = blocking;
        for (uint32_t i = 0; i < demand->count; i++)
            sum += ((time - 1) / demand->claim[i].period + 1) *
                   (claim_cost(&demand->claim[i], demand->overhead) + demand->overhead->release);
        last = time;
        time = supply_window(&demand->supply, sum);
        if (time <= last)
            return last;
        if (time >> 60)
            return 0;
    }
    return 0;
}

static bool refuse(struct rt_verdict *verdict, enum rt_reason reason, uint32_t task, uint64_t at, uint64_t needed, uint64_t sure)
{
    verdict->reason = reason;
    verdict->task = task;
    verdict->at = at;
    verdict->demand = needed;
    verdict->supply = sure;
    return false;
}

/* All windows from `low` to below `high`, between which the blocking is the same. */
static bool windows_hold(struct demand *demand, uint64_t low, uint64_t high, struct rt_verdict *verdict)
{
    uint64_t blocking = blocking_within(demand, low);
    uint32_t task = 0;

    for (uint64_t window = window_before(demand, high, &task); window >= low;) {
        if (demand->steps++ >= ANALYSIS_STEPS)
            return refuse(verdict, RT_TOO_LONG, task, window, 0, 0);
        uint64_t needed = demand_within(demand, window) + blocking, sure = supply_least(&demand->supply, window);
        if (needed > sure)
            return refuse(verdict, RT_DEMAND, task, window, needed, sure);
        uint64_t enough = supply_window(&demand->supply, needed);
        window = window_before(demand, enough < window ? enough : window, &task);
    }
    return true;
}

/* The next longer deadline, at most `most`. */
static uint64_t deadline_after(const struct demand *demand, uint64_t deadline, uint64_t most)
{
    uint64_t next = most;

    for (uint32_t i = 0; i < demand->count; i++)
        if (demand->claim[i].deadline > deadline && demand->claim[i].deadline < next)
            next = demand->claim[i].deadline;
    return next;
}

void demand_admit(const struct rt_claim *claim, uint32_t count, const struct rt_supply *supply,
                  const struct rt_overhead *overhead, struct rt_verdict *verdict)
{
    struct demand demand = {.claim = claim, .count = count, .overhead = overhead, .least = UINT64_MAX};

    *verdict = (struct rt_verdict){.reason = RT_ADMITTED};
    if (!count)
        return;
    supply_open(&demand.supply, supply);
    for (uint32_t i = 0; i < count; i++)
        demand.least = claim[i].deadline < demand.least ? claim[i].deadline : demand.least;
    uint64_t idle = claims_overload(claim, count) ? 0 : idle_find(&demand);
    if (!idle) {
        refuse(verdict, demand.steps < ANALYSIS_STEPS ? RT_OVERLOAD : RT_TOO_LONG, 0, 0, 0, 0);
        return;
    }
    uint64_t end = idle + demand.least + 1;
    for (uint64_t low = demand.least; low < end;) {
        uint64_t high = deadline_after(&demand, low, end);
        if (!windows_hold(&demand, low, high, verdict))
            return;
        low = high;
    }
}
