/*
 * What libos-rt costs, in TSC ticks: instructions under `-icount shift=0`. `mode=idle` measures alone on its processor, `mode=load` only how
 * late the worst of many releases is. Rows are printed as `bench ROW VALUE UNIT`.
 */
#include <exo/rt_run.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { STACK = 8192, ROUNDS = 200, PERIOD = 30000 };

#define DEADLINE(runtime, deadline, period) {sizeof(struct rt_attribute), RT_SCHED_DEADLINE, 0, 0, 0, runtime, deadline, period}

static uint8_t stack[2][STACK] __attribute__((aligned(16)));
static uint64_t empty = UINT64_MAX, left_at, least[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
static struct rt_mutex mutex;

static void least_note(uint64_t *sample, uint64_t ticks)
{
    *sample = ticks < *sample ? ticks : *sample;
}

static void print(const char *row, uint64_t value)
{
    exo_print("bench %s %lu instructions", row, value);
}

static bool started(struct rt_task *const *task, uint32_t count, const struct rt_policy *policy)
{
    struct rt_verdict verdict;
    int result = rt_open(policy, task, count, &verdict);

    if (result)
        rt_report_refusal(task, result, &verdict);
    for (uint32_t i = 0; i < count; i++) {
        rt_histogram_open(&task[i]->latency, 50);
        rt_histogram_open(&task[i]->response, 50);
    }
    return !result;
}

static uint64_t soon(void)
{
    return exo_time() / EXO_SLOT_NS * EXO_SLOT_NS + 2 * EXO_SLOT_NS;
}

/* ---- how late */

static void nothing(void *argument)
{
    (void)argument;
}

static int wake_measure(const char *row, uint64_t releases)
{
    static struct rt_task wake = {.name = "wake", .job = nothing, .stack = stack[0], .stack_size = STACK,
                                  .attribute = DEADLINE(2000, PERIOD, PERIOD)};
    struct rt_task *const task[] = {&wake};

    if (!started(task, 1, &rt_edf))
        return 1;
    wake.phase = PERIOD / 2; /* not on the boundaries of slots */
    rt_run(soon(), releases * PERIOD);
    print(row, wake.latency.most);
    exo_print("%lu releases, %lu missed, latency min %lu avg %lu max %lu ns", wake.jobs, wake.misses, wake.latency.least,
              wake.latency.sum / wake.latency.count, wake.latency.most);
    rt_report_histogram(&wake, "latency", &wake.latency);
    return wake.jobs < releases - 1;
}

/* ---- what the library's own operations cost */

static void first_run(void *argument)
{
    (void)argument;
    uint64_t before = exo_ticks();
    rt_lock(&mutex);
    rt_unlock(&mutex);
    least_note(&least[1], exo_ticks() - before - empty);
    left_at = exo_ticks();
}

static void second_run(void *argument)
{
    (void)argument;
    least_note(&least[0], exo_ticks() - left_at - empty);
}

/* Each of two equals lets the other run in turn. */
static void turn_run(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        left_at = exo_ticks();
        rt_yield();
        least_note(&least[2], exo_ticks() - left_at - empty);
    }
}

static int turn_measure(void)
{
    static struct rt_task first = {.name = "first", .job = turn_run, .stack = stack[0], .stack_size = STACK,
                                   .attribute = DEADLINE(200000, 500000, 1000000)};
    static struct rt_task second = {.name = "second", .job = turn_run, .stack = stack[1], .stack_size = STACK,
                                    .attribute = DEADLINE(200000, 500000, 1000000)};
    struct rt_task *const task[] = {&first, &second};

    if (!started(task, 2, &rt_edf))
        return 1;
    rt_run(soon(), 1000000);
    print("task_switch", least[2]);
    return first.jobs != 1 || second.jobs != 1;
}

static int switch_measure(void)
{
    static struct rt_task first = {.name = "first", .job = first_run, .stack = stack[0], .stack_size = STACK, .section_count = 1,
                                   .section = {{0, 1000}}, .attribute = DEADLINE(10000, 50000, 100000)};
    static struct rt_task second = {.name = "second", .job = second_run, .stack = stack[1], .stack_size = STACK,
                                    .attribute = DEADLINE(10000, 60000, 100000)};
    struct rt_task *const task[] = {&first, &second};

    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t before = exo_ticks();
        least_note(&empty, exo_ticks() - before);
    }
    if (!started(task, 2, &rt_edf))
        return 1;
    rt_mutex_open(&mutex, 0);
    rt_run(soon(), ROUNDS * 100000);
    print("job_switch", least[0]);
    print("mutex_free", least[1]);
    return turn_measure();
}

int main(void)
{
    uint64_t releases = exo_argument("releases", 2000);

    if (exo_argument_is("mode", "load"))
        return wake_measure("wake_worst", releases);
    int status = wake_measure("wake_idle", releases);
    return status ? status : switch_measure();
}
