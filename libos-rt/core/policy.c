/* The two schedulers. Another one is another struct rt_policy. */
#include <exo/rt.h>
#include "demand.h"

static bool edf_takes(const struct rt_attribute *attribute)
{
    return attribute->sched_policy == RT_SCHED_DEADLINE;
}

static uint64_t deadline_level(const struct rt_attribute *attribute)
{
    return attribute->sched_deadline;
}

static uint64_t edf_key(const struct rt_task *task)
{
    return task->deadline;
}

static bool fixed_takes(const struct rt_attribute *attribute)
{
    (void)attribute;
    return true;
}

/* As given; else by deadline. All tasks of a set have the same policy. */
static uint64_t fixed_level(const struct rt_attribute *attribute)
{
    return attribute->sched_policy == RT_SCHED_FIFO ? 99 - attribute->sched_priority : attribute->sched_deadline;
}

static uint64_t fixed_key(const struct rt_task *task)
{
    return task->level;
}

const struct rt_policy rt_edf = {"EDF", edf_takes, deadline_level, edf_key, demand_admit};
const struct rt_policy rt_fixed = {"fixed priority", fixed_takes, fixed_level, fixed_key, response_admit};
