#include <exo/rt.h>

/* sched_setattr(2): what is refused whatever else runs. A longer structure is one of a later version. */
static int shape_check(const struct rt_attribute *attribute)
{
    if (attribute->size > sizeof *attribute)
        return -RT_E2BIG;
    if (attribute->size != sizeof *attribute || attribute->sched_flags || attribute->sched_nice)
        return -RT_EINVAL;
    if (attribute->sched_policy == RT_SCHED_DEADLINE)
        return attribute->sched_priority ? -RT_EINVAL : 0;
    if (attribute->sched_policy != RT_SCHED_FIFO)
        return -RT_EINVAL;
    return attribute->sched_priority < 1 || attribute->sched_priority > 99 ? -RT_EINVAL : 0;
}

int rt_attribute_check(struct rt_attribute *attribute, const struct rt_policy *policy)
{
    uint64_t period = attribute->sched_period ? attribute->sched_period : attribute->sched_deadline;
    int result = shape_check(attribute);

    if (result)
        return result;
    if (!attribute->sched_deadline || attribute->sched_runtime < RT_RUNTIME_LEAST)
        return -RT_EINVAL;
    if (attribute->sched_runtime > attribute->sched_deadline || attribute->sched_deadline > period)
        return -RT_EINVAL;
    if (period < RT_PERIOD_LEAST || period > RT_PERIOD_MOST || !policy->takes(attribute))
        return -RT_EINVAL;
    attribute->sched_period = period;
    return 0;
}

static bool sections_fit(const struct rt_task *task)
{
    if (task->section_count > RT_SECTIONS_MAX)
        return false;
    for (uint32_t k = 0; k < task->section_count; k++)
        if (task->section[k].longest > task->attribute.sched_runtime)
            return false;
    return true;
}

static struct rt_claim claim_of(const struct rt_task *task, const struct rt_attribute *attribute, const struct rt_policy *policy)
{
    struct rt_claim claim = {
        .runtime = attribute->sched_runtime, .deadline = attribute->sched_deadline, .period = attribute->sched_period,
        .level = policy->level(attribute), .section_count = task->section_count,
    };

    for (uint32_t k = 0; k < task->section_count; k++)
        claim.section[k] = task->section[k];
    return claim;
}

int rt_admit(struct rt_task *const *task, uint32_t count, const struct rt_policy *policy, const struct rt_supply *supply,
             const struct rt_overhead *overhead, struct rt_verdict *verdict)
{
    struct rt_claim claim[RT_TASKS_MAX];

    if (count > RT_TASKS_MAX)
        return -RT_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct rt_attribute attribute = task[i]->attribute;
        int result = rt_attribute_check(&attribute, policy);
        if (!result && (!sections_fit(task[i]) || attribute.sched_policy != task[0]->attribute.sched_policy))
            result = -RT_EINVAL;
        if (result) {
            verdict->task = i;
            return result;
        }
        claim[i] = claim_of(task[i], &attribute, policy);
    }
    policy->admit(claim, count, supply, overhead, verdict);
    return verdict->reason == RT_ADMITTED ? 0 : -RT_EBUSY;
}

void rt_histogram_open(struct rt_histogram *histogram, uint64_t width)
{
    *histogram = (struct rt_histogram){.width = width, .least = UINT64_MAX};
}
