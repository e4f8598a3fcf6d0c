/*
 * What a task has in its registers is the same after it was preempted, after its slot ended (with and without the time to say so), and after
 * others ran. Two tasks hold values in all registers for long; two others interrupt them all the time, lock and unlock, and the one moves
 * by 7 ns a period against the other: so the one's events come, in time, at each instruction on the way into the other and back.
 */
#include <exo/rt_run.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { MILLISECOND = 1000000, STACK = 8192, FPU = 4096, HOLDERS = 2 };

uint64_t state_hold(uint64_t seed, uint64_t loops);

static uint8_t stack[HOLDERS + 2][STACK] __attribute__((aligned(64))), fpu[HOLDERS][FPU] __attribute__((aligned(64)));
static uint64_t wrong[HOLDERS], rounds, number[HOLDERS] = {1, 2};
static uint32_t locked, refused;
static struct rt_mutex mutex;

static void hold(void *argument)
{
    uint64_t which = *(uint64_t *)argument;

    wrong[which - 1] += state_hold(which * 0x123456789abcdull, rounds);
}

static void interrupt(void *argument)
{
    (void)argument;
    if (rt_lock(&mutex) || rt_unlock(&mutex))
        refused++;
    locked++;
}

#define DEADLINE(runtime, period) {sizeof(struct rt_attribute), RT_SCHED_DEADLINE, 0, 0, 0, runtime, period, period}

static struct rt_task holder[HOLDERS] = {
    {.name = "first", .job = hold, .argument = &number[0], .stack = stack[0], .stack_size = STACK, .fpu = fpu[0],
     .attribute = DEADLINE(1000000, 4000ull * MILLISECOND)},
    {.name = "second", .job = hold, .argument = &number[1], .stack = stack[1], .stack_size = STACK, .fpu = fpu[1],
     .attribute = DEADLINE(1000000, 3000ull * MILLISECOND)},
};
static struct rt_task other = {
    .name = "other", .job = interrupt, .stack = stack[HOLDERS], .stack_size = STACK, .section_count = 1, .section = {{0, 1500}},
    .attribute = DEADLINE(2000, 2000 * MILLISECOND), .on_miss = RT_SKIP,
};
static struct rt_task moving = {
    .name = "moving", .job = interrupt, .stack = stack[HOLDERS + 1], .stack_size = STACK, .section_count = 1, .section = {{0, 1500}},
    .attribute = DEADLINE(2000, 1000 * MILLISECOND), .on_miss = RT_SKIP,
};
static struct rt_task *const tasks[] = {&holder[0], &holder[1], &other, &moving};

enum { TASKS = sizeof tasks / sizeof tasks[0] };

int main(void)
{
    struct rt_verdict verdict;
    int result = rt_open(&rt_edf, tasks, TASKS, &verdict);

    rounds = exo_argument("rounds", 20000);
    if (result)
        rt_report_refusal(tasks, result, &verdict);
    if (result)
        return 1;
    rt_mutex_open(&mutex, 0);
    /* Far more often than was admitted, since misses do not matter here: what is admitted also fits one slot. */
    holder[0].attribute.sched_period = 64 * MILLISECOND;
    holder[1].attribute.sched_period = 32 * MILLISECOND;
    other.attribute.sched_period = exo_argument("every_us", 60) * 1000;
    moving.attribute.sched_period = other.attribute.sched_period + 7;
    for (uint32_t i = 0; i < TASKS; i++) {
        rt_histogram_open(&tasks[i]->latency, 1000);
        rt_histogram_open(&tasks[i]->response, 1000);
    }
    rt_run((exo_time() / MILLISECOND + 2) * MILLISECOND, exo_argument("milliseconds", 1000) * MILLISECOND);
    exo_print("%lu and %lu jobs held their state, %lu and %lu rounds found it changed; interrupted %u times, %u locks refused",
              holder[0].jobs, holder[1].jobs, wrong[0], wrong[1], locked, refused);
    return wrong[0] || wrong[1] || refused || !holder[0].jobs || !holder[1].jobs || locked < 50;
}
