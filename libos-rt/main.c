/*
 * Two periodic tasks, 8 ms and 16 ms. The manifest gives the slot at every eighth position, so that each release falls on
 * the beginning of an owned slot; lent to another environment, it is recalled by our timer.
 */
#include "task.h"
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { MILLISECOND = 1000000, COST_RUNS = 10 };

static void control_run(struct task *task)
{
    uint64_t state = task->work;

    for (uint32_t i = 0; i < 2000; i++)
        state = state * 6364136223846793005ull + 1442695040888963407ull; /* Knuth, MMIX */
    task->work = state;
}

static void log_run(struct task *task)
{
    task->work++;
    for (volatile uint32_t i = 0; i < 4000; i++)
        ;
}

static struct task tasks[] = {
    { .name = "control", .period = 8 * MILLISECOND, .run = control_run },
    { .name = "log", .period = 16 * MILLISECOND, .run = log_run },
};

enum { TASKS = sizeof tasks / sizeof tasks[0] };

/* What a run of each costs: the least of some, since others' time may come between. */
static void costs_measure(uint64_t cost[TASKS])
{
    for (uint32_t i = 0; i < TASKS; i++) {
        cost[i] = UINT64_MAX;
        for (uint32_t j = 0; j < COST_RUNS; j++) {
            uint64_t before = exo_time();
            tasks[i].run(&tasks[i]);
            uint64_t now = exo_time();
            cost[i] = now - before < cost[i] ? now - before : cost[i];
        }
    }
}

static uint32_t slots_owned(void)
{
    const struct exo_start_capability *held;
    uint32_t owned = 0;

    for (uint32_t n = 0; (held = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, n))); n++)
        owned += held->count;
    return owned;
}

int main(void)
{
    uint64_t cost[TASKS], duration = exo_argument("milliseconds", 1000) * MILLISECOND;
    uint64_t most = exo_argument("missed", 100); /* percent; an emulator on a busy computer stands still at times */
    bool kept = true;

    costs_measure(cost);
    uint32_t load = task_load(tasks, TASKS, cost), share = 1000 * slots_owned() / EXO_SLOTS_PER_PROCESSOR;
    exo_print("%u tasks need %u thousandths of a processor, %u slots give %u", TASKS, load, slots_owned(), share);
    if (load > share) {
        exo_print("admission refused");
        return 1;
    }
    task_dispatch(tasks, TASKS, duration);
    for (uint32_t i = 0; i < TASKS; i++) {
        task_report(&tasks[i]);
        kept &= tasks[i].missed * 100 <= most * (duration / tasks[i].period);
    }
    return kept ? 0 : 1;
}
