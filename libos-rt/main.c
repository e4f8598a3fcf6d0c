/*
 * Two periodic tasks, 8 ms and 16 ms. The manifest gives the slot at every eighth position, so that each release falls on
 * the beginning of an owned slot; lent to another environment, it is recalled by our timer.
 */
#include <exo/rt_run.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { MILLISECOND = 1000000, STACK = 8192, TASKS = 2 };

static void control_run(void *argument)
{
    uint64_t *state = argument;

    for (uint32_t i = 0; i < 2000; i++)
        *state = *state * 6364136223846793005ull + 1442695040888963407ull; /* Knuth, MMIX */
}

static void log_run(void *argument)
{
    ++*(uint64_t *)argument;
    for (volatile uint32_t i = 0; i < 4000; i++)
        ;
}

static uint64_t work[TASKS];
static uint8_t stack[TASKS][STACK] __attribute__((aligned(16)));

#define DEADLINE(runtime, period) {sizeof(struct rt_attribute), RT_SCHED_DEADLINE, 0, 0, 0, runtime, period, period}

static struct rt_task control = {
    .name = "control", .job = control_run, .argument = &work[0], .stack = stack[0], .stack_size = STACK,
    .on_miss = RT_SKIP, .attribute = DEADLINE(100000, 8 * MILLISECOND),
};
static struct rt_task logging = {
    .name = "log", .job = log_run, .argument = &work[1], .stack = stack[1], .stack_size = STACK,
    .on_miss = RT_SKIP, .attribute = DEADLINE(100000, 16 * MILLISECOND),
};
static struct rt_task *const tasks[TASKS] = {&control, &logging};

int main(void)
{
    uint64_t duration = exo_argument("milliseconds", 1000) * MILLISECOND, cycle = EXO_SLOT_NS * EXO_SLOTS_PER_PROCESSOR;
    uint64_t most = exo_argument("missed", 100); /* percent; an emulator on a busy computer stands still at times */
    struct rt_verdict verdict;
    bool kept = true;

    int result = rt_open(&rt_edf, tasks, TASKS, &verdict);
    if (result) {
        rt_report_refusal(tasks, result, &verdict);
        return 1;
    }
    exo_print("ready: %u tasks admitted", TASKS);
    for (uint32_t i = 0; i < TASKS; i++)
        rt_histogram_open(&tasks[i]->latency, 1000);
    rt_run((exo_time() / cycle + 1) * cycle, duration);
    for (uint32_t i = 0; i < TASKS; i++) {
        rt_report(tasks[i]);
        kept &= tasks[i]->misses * 100 <= most * (duration / tasks[i]->attribute.sched_period);
    }
    return kept ? 0 : 1;
}
