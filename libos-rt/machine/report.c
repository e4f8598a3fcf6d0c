#include <exo/rt_run.h>
#include <exo/text.h>

static uint64_t average(const struct rt_histogram *histogram)
{
    return histogram->count ? histogram->sum / histogram->count : 0;
}

void rt_report(const struct rt_task *task)
{
    const struct rt_histogram *latency = &task->latency;

    exo_print("%s: period %lu us, %lu releases, %lu missed, latency min %lu avg %lu max %lu ns", task->name,
              task->attribute.sched_period / 1000, task->jobs, task->misses, latency->count ? latency->least : 0, average(latency),
              latency->most);
}

void rt_report_histogram(const struct rt_task *task, const char *what, const struct rt_histogram *histogram)
{
    for (uint32_t i = 0; i < RT_BUCKETS; i++)
        if (histogram->bucket[i])
            exo_print("histogram %s %s %lu %u", task->name, what, i * histogram->width, histogram->bucket[i]);
}

void rt_report_refusal(struct rt_task *const *task, int result, const struct rt_verdict *verdict)
{
    const char *name = task[verdict->task]->name;

    if (result == -RT_EINVAL || result == -RT_E2BIG)
        exo_print("refused (%s): the attributes of %s", result == -RT_EINVAL ? "EINVAL" : "E2BIG", name);
    else if (result == -RT_ENOMEM)
        exo_print("refused (ENOMEM): more than %u tasks", RT_TASKS_MAX);
    else if (verdict->reason == RT_DEMAND)
        exo_print("refused (EBUSY): %s: within %lu ns, %lu ns are needed and %lu ns are sure", name, verdict->at,
                  verdict->demand, verdict->supply);
    else if (verdict->reason == RT_RESPONSE)
        exo_print("refused (EBUSY): %s may take %lu ns, its deadline is %lu ns", name, verdict->demand, verdict->supply);
    else
        exo_print("refused (EBUSY): %s", verdict->reason == RT_OVERLOAD ? "the slots owned do not suffice" : "not decided");
}
