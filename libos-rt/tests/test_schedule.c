/* The schedule itself, driven by a clock of these tests: random admitted sets never miss on it; overruns, misses, mutexes. */
#include "schedule.h"
#include "simulation.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { SETS = 1000, MUTEXES = 3 };

static const struct rt_supply whole = {.slot = 1000000, .positions = 64, .owned = UINT64_MAX};
static const struct rt_overhead none;

/* What a job of each task does: `work` ns, of which [from, to) hold a mutex. */
struct body {
    uint64_t work, from, to;
    struct rt_mutex *mutex;
};

static struct schedule schedule;
static struct rt_task task[RT_TASKS_MAX], *list[RT_TASKS_MAX];
static struct body body[RT_TASKS_MAX];
static struct rt_mutex mutex[MUTEXES];
static uint32_t count;
static char order[256]; /* who ended, one letter a job */
static uint64_t clock_now;

static struct rt_task *add(uint64_t runtime, uint64_t deadline, uint64_t period)
{
    struct rt_task *new = &task[count];

    *new = (struct rt_task){.name = "task", .attribute = {sizeof new->attribute, RT_SCHED_DEADLINE, 0, 0, 0, runtime, deadline, period}};
    body[count] = (struct body){.work = runtime};
    list[count++] = new;
    return new;
}

static void locks(uint32_t index, uint32_t number, uint64_t from, uint64_t to)
{
    task[index].section[task[index].section_count++] = (struct rt_section){.mutex = number, .longest = to - from};
    body[index].from = from;
    body[index].to = to;
    body[index].mutex = &mutex[number];
}

static void begin(const struct rt_policy *policy)
{
    schedule_open(&schedule, policy, list, count, 0);
    for (uint32_t i = 0; i < MUTEXES; i++)
        mutex_open(&mutex[i], i, list, count);
    order[0] = 0;
    clock_now = 0;
}

static void setup(void)
{
    count = 0;
}

static void note_end(uint32_t index)
{
    uint32_t length = 0;

    while (order[length])
        length++;
    if (length + 1 >= sizeof order)
        return;
    order[length] = (char)('a' + index);
    order[length + 1] = 0;
}

/* The next moment at which the running job itself does something, if it runs on from now. */
static uint64_t body_next(uint32_t index, uint64_t now)
{
    const struct body *does = &body[index];
    uint64_t done = task[index].used, next = does->work;

    if (does->mutex && done < does->to)
        next = done < does->from ? does->from : does->to;
    return now + (next - done);
}

static void body_act(uint32_t index, uint64_t now)
{
    struct body *does = &body[index];

    if (does->mutex && task[index].used == does->from && does->mutex->holder != &task[index])
        ck_assert_int_eq(schedule_lock(&schedule, does->mutex), 0);
    if (does->mutex && task[index].used == does->to && does->mutex->holder == &task[index])
        ck_assert_int_eq(schedule_unlock(&schedule, does->mutex), 0);
    if (task[index].used < does->work)
        return;
    note_end(index);
    schedule_end(&schedule, now);
}

/* Step from one event to the next. `vary`: jobs take any time up to their runtime. */
static void drive(uint64_t end, bool vary)
{
    while (clock_now < end) {
        uint64_t now = clock_now;
        schedule_advance(&schedule, now);
        struct rt_task *running = schedule_pick(&schedule, now);
        uint64_t next = schedule_alarm(&schedule);
        if (running) {
            uint32_t index = (uint32_t)(running - task);
            if (vary && !running->used && !body[index].mutex)
                body[index].work = 1 + chance((uint32_t)running->attribute.sched_runtime);
            body_act(index, now);
            if (running->state != RT_READY || schedule.running != running)
                continue;
            uint64_t own = body_next(index, now);
            next = own < next ? own : next;
        }
        ck_assert_uint_gt(next, now);
        clock_now = next < end ? next : end;
        schedule_advance(&schedule, clock_now);
        if (schedule.running && next <= end)
            body_act((uint32_t)(schedule.running - task), clock_now);
    }
}

static void random_set(void)
{
    count = 0;
    for (uint32_t n = 2 + chance(6); n; n--) {
        uint64_t period = 10000 * (1 + chance(30)), runtime = 1024 + chance((uint32_t)(period / 3));
        add(runtime, chance(2) ? period : runtime + chance((uint32_t)(period - runtime)), period);
        if (chance(2))
            locks(count - 1, chance(MUTEXES), chance(300), 400 + chance(600));
    }
}

static void random_sets_run(const struct rt_policy *policy)
{
    uint32_t played = 0;
    uint64_t jobs = 0;

    for (uint32_t n = 0; n < SETS; n++) {
        struct rt_verdict verdict;
        chance_seed(n);
        random_set();
        if (rt_admit(list, count, policy, &whole, &none, &verdict))
            continue;
        begin(policy);
        drive(3000000, true);
        played++;
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_msg(!task[i].misses && !task[i].overruns, "set %u task %u", n, i);
            ck_assert_uint_ge(task[i].jobs, 3000000 / task[i].attribute.sched_period - 1);
            jobs += task[i].jobs;
        }
    }
    printf("# %s: %u admitted sets played on the schedule, %lu jobs, none late\n", policy->name, played, jobs);
    fflush(stdout);
    ck_assert_uint_gt(played, SETS / 20);
}

START_TEST(admitted_sets_never_miss_under_edf) { random_sets_run(&rt_edf); }
END_TEST
START_TEST(admitted_sets_never_miss_under_fixed_priority) { random_sets_run(&rt_fixed); }
END_TEST

START_TEST(earliest_deadline_runs_first)
{
    add(2000, 30000, 100000);
    add(2000, 20000, 100000);
    add(2000, 40000, 100000)->phase = 1000;
    begin(&rt_edf);
    drive(50000, false);
    ck_assert_str_eq(order, "bac");
}
END_TEST

START_TEST(given_priorities_come_before_deadlines)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct rt_task *new = add(2000, 30000 + 10000 * i, 100000);
        new->attribute.sched_policy = RT_SCHED_FIFO;
        new->attribute.sched_priority = 10 + i;
    }
    begin(&rt_fixed);
    drive(90000, false);
    ck_assert_str_eq(order, "cba");
}
END_TEST

/* The Pathfinder case: low (c) holds what high (a) needs; the one in the middle (b) comes meanwhile and must not come between. */
START_TEST(middle_task_does_not_come_between_holder_and_high_one)
{
    add(3000, 20000, 100000)->phase = 2000;
    add(20000, 50000, 100000)->phase = 2500;
    add(9000, 100000, 100000);
    locks(0, 0, 100, 1000);
    locks(2, 0, 500, 8500);
    begin(&rt_fixed);
    drive(99000, false);
    ck_assert_str_eq(order, "abc");
    ck_assert_uint_eq(task[0].misses + task[1].misses + task[2].misses, 0);
    ck_assert_uint_eq(task[0].response.most, 8500 - 2000 + 3000);
}
END_TEST

START_TEST(job_that_uses_no_mutex_preempts_a_low_ceiling)
{
    add(3000, 20000, 100000)->phase = 2000;
    add(9000, 90000, 100000);
    locks(1, 0, 500, 8500);
    begin(&rt_edf);
    drive(99000, false);
    ck_assert_str_eq(order, "ab");
    ck_assert_uint_eq(task[0].response.most, 3000);
}
END_TEST

START_TEST(mutex_is_only_for_those_who_said_so)
{
    add(3000, 20000, 100000);
    add(3000, 30000, 100000);
    locks(1, 1, 0, 1000);
    begin(&rt_edf);
    ck_assert_int_eq(schedule_lock(&schedule, &mutex[1]), -RT_EPERM); /* nobody runs */
    schedule_advance(&schedule, 0);
    ck_assert_ptr_eq(schedule_pick(&schedule, 0), &task[0]);
    ck_assert_int_eq(schedule_lock(&schedule, &mutex[1]), -RT_EPERM);
    schedule_end(&schedule, 3000);
    ck_assert_ptr_eq(schedule_pick(&schedule, 3000), &task[1]);
    ck_assert_int_eq(schedule_unlock(&schedule, &mutex[1]), -RT_EPERM);
    ck_assert_int_eq(schedule_lock(&schedule, &mutex[1]), 0);
    ck_assert_int_eq(schedule_lock(&schedule, &mutex[1]), -RT_EDEADLK);
    ck_assert_int_eq(schedule_unlock(&schedule, &mutex[1]), 0);
    ck_assert_int_eq(schedule_unlock(&schedule, &mutex[1]), -RT_EPERM);
}
END_TEST

/* A job that takes three times its runtime, beside one that must not suffer. */
static void overrun(enum rt_action action)
{
    add(2000, 10000, 10000)->on_overrun = action;
    add(4000, 10000, 20000);
    task[1].phase = 100;
    body[0].work = 6000;
    begin(&rt_edf);
    drive(100000, false);
}

START_TEST(overrun_is_counted)
{
    overrun(RT_LOG);
    ck_assert_uint_ge(task[0].overruns, 9);
    ck_assert_uint_eq(task[0].skips + task[0].aborts, 0);
    ck_assert_uint_eq(task[0].most_used, 6000);
}
END_TEST

START_TEST(overrun_that_skips_takes_the_time_of_later_jobs)
{
    overrun(RT_SKIP);
    ck_assert_uint_eq(task[0].jobs, 3); /* each lasts for three releases */
    ck_assert_uint_ge(task[0].skips, 6);
    ck_assert_uint_eq(task[1].misses, 0);
    ck_assert_uint_eq(task[1].jobs, 5);
}
END_TEST

START_TEST(overrun_that_aborts_ends_the_job)
{
    overrun(RT_ABORT);
    ck_assert_uint_eq(task[0].jobs, 0);
    ck_assert_uint_eq(task[0].aborts, 10);
    ck_assert(task[0].aborted);
    ck_assert_uint_eq(task[1].misses, 0);
}
END_TEST

static uint32_t asked;

static enum rt_action ask(struct rt_task *who, enum rt_trouble trouble, void *argument)
{
    (void)argument;
    ck_assert_ptr_eq(who, &task[0]);
    ck_assert_int_eq(trouble, asked ? RT_MISS : RT_OVERRUN);
    return asked++ ? RT_ABORT : RT_LOG;
}

START_TEST(handler_of_the_application_decides)
{
    add(2000, 10000, 100000)->handler = ask;
    body[0].work = 50000;
    asked = 0;
    begin(&rt_edf);
    drive(90000, false);
    ck_assert_uint_eq(asked, 2);
    ck_assert_uint_eq(task[0].misses, 1);
    ck_assert_uint_eq(task[0].aborts, 1);
}
END_TEST

/* It began in time and is not done: told at its deadline, once, not when it ends. */
START_TEST(miss_is_told_when_the_deadline_passes)
{
    add(9000, 10000, 100000);
    body[0].work = 30000;
    begin(&rt_edf);
    drive(15000, false);
    ck_assert_uint_eq(task[0].misses, 1);
    ck_assert_uint_eq(task[0].jobs, 0);
    drive(60000, false);
    ck_assert_uint_eq(task[0].misses, 1);
    ck_assert_uint_eq(task[0].jobs, 1);
}
END_TEST

/* What others wait for is over when it was promised: a job is not stopped while it holds a mutex. */
START_TEST(overrun_waits_for_the_unlock)
{
    add(2000, 50000, 50000)->on_overrun = RT_ABORT;
    locks(0, 0, 1000, 2000);
    body[0].to = 4000;
    body[0].work = 9000;
    begin(&rt_edf);
    drive(49000, false);
    ck_assert_uint_eq(task[0].aborts, 1);
    ck_assert_ptr_null(schedule.held);
    ck_assert_uint_eq(schedule.ceiling, UINT64_MAX);
}
END_TEST

START_TEST(sporadic_jobs_keep_their_distance)
{
    struct rt_task *sporadic = add(1024, 10000, 10000);

    sporadic->sporadic = true;
    begin(&rt_edf);
    ck_assert_uint_eq(schedule_alarm(&schedule), SCHEDULE_NEVER);
    schedule_release(&schedule, sporadic, 5000);
    schedule_release(&schedule, sporadic, 5001);
    ck_assert_uint_eq(schedule_alarm(&schedule), 5000);
    schedule_advance(&schedule, 5002);
    ck_assert_ptr_eq(schedule_pick(&schedule, 5002), sporadic);
    ck_assert_uint_eq(sporadic->deadline, 15000);
    schedule_release(&schedule, sporadic, 5500);
    schedule_end(&schedule, 6000);
    ck_assert_ptr_null(schedule_pick(&schedule, 6000));
    ck_assert_uint_eq(schedule_alarm(&schedule), 15000);
    schedule_advance(&schedule, 15000);
    ck_assert_ptr_eq(schedule_pick(&schedule, 15000), sporadic);
    schedule_end(&schedule, 15100);
    ck_assert_uint_eq(schedule_alarm(&schedule), SCHEDULE_NEVER);
    schedule_release(&schedule, sporadic, 90000);
    ck_assert_uint_eq(schedule_alarm(&schedule), 90000);
}
END_TEST

START_TEST(what_is_only_counted_needs_no_alarm)
{
    add(2000, 50000, 50000);
    add(2000, 50000, 50000);
    task[1].phase = 30000;
    begin(&rt_edf);
    schedule_advance(&schedule, 0);
    schedule_pick(&schedule, 0);
    ck_assert_uint_eq(schedule_alarm(&schedule), 30000);
    schedule_end(&schedule, 2500);
    ck_assert_uint_eq(task[0].overruns, 1);
    ck_assert_uint_eq(task[0].misses, 0);
}
END_TEST

/* Time that others have does not count as the job's. */
START_TEST(others_time_is_not_charged)
{
    add(2000, 50000, 50000)->on_overrun = RT_SKIP;
    begin(&rt_edf);
    schedule_advance(&schedule, 0);
    schedule_pick(&schedule, 0);
    schedule_pause(&schedule, 500);
    ck_assert_uint_eq(schedule_alarm(&schedule), SCHEDULE_NEVER);
    schedule_resume(&schedule, 20000);
    schedule_advance(&schedule, 21499);
    ck_assert_uint_eq(task[0].used, 1999);
    ck_assert_uint_eq(task[0].overruns, 0);
    ck_assert_uint_eq(schedule_alarm(&schedule), 21501);
}
END_TEST

START_TEST(only_equals_are_yielded_to)
{
    add(5000, 10000, 50000);
    add(5000, 10000, 50000);
    add(5000, 20000, 50000);
    locks(0, 0, 0, 1000);
    begin(&rt_edf);
    schedule_advance(&schedule, 0);
    struct rt_task *first = schedule_pick(&schedule, 0), *second = schedule_yield(&schedule, 1000);
    ck_assert_ptr_eq(second, first == &task[0] ? &task[1] : &task[0]);
    ck_assert_uint_eq(first->used, 1000);
    ck_assert_ptr_eq(schedule_yield(&schedule, 3000), first);
    ck_assert_uint_eq(second->used, 2000);
    schedule_end(&schedule, 3500);
    schedule_pick(&schedule, 3500);
    ck_assert_ptr_null(schedule_yield(&schedule, 3600));
    ck_assert_ptr_eq(schedule.running, second);
}
END_TEST

START_TEST(clock_may_be_large)
{
    uint64_t start = (1ull << 53) + 12345;

    add(2000, 10000, 10000);
    schedule_open(&schedule, &rt_edf, list, 1, start);
    ck_assert_uint_eq(schedule_alarm(&schedule), start);
    schedule_advance(&schedule, start + 1);
    ck_assert_ptr_eq(schedule_pick(&schedule, start + 1), &task[0]);
    schedule_end(&schedule, start + 1500);
    ck_assert_uint_eq(schedule_alarm(&schedule), start + 10000);
}
END_TEST

START_TEST(queue_keeps_its_order)
{
    static struct queue queue;
    static struct rt_task member[RT_TASKS_MAX];

    chance_seed(7);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t in = chance(RT_TASKS_MAX) + 1;
        for (uint32_t i = 0; i < in; i++)
            queue_put(&queue, &member[i], member[i].key = chance(50));
        for (uint32_t i = 0; i < in / 3; i++)
            queue_remove(&queue, &member[i * 3]);
        for (uint64_t last = 0; queue.count;) {
            struct rt_task *first = queue_first(&queue);
            ck_assert_uint_ge(first->key, last);
            last = first->key;
            queue_remove(&queue, first);
        }
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        admitted_sets_never_miss_under_edf, admitted_sets_never_miss_under_fixed_priority, earliest_deadline_runs_first,
        given_priorities_come_before_deadlines, middle_task_does_not_come_between_holder_and_high_one,
        job_that_uses_no_mutex_preempts_a_low_ceiling, mutex_is_only_for_those_who_said_so, overrun_is_counted,
        overrun_that_skips_takes_the_time_of_later_jobs, overrun_that_aborts_ends_the_job, handler_of_the_application_decides,
        miss_is_told_when_the_deadline_passes, overrun_waits_for_the_unlock, sporadic_jobs_keep_their_distance,
        what_is_only_counted_needs_no_alarm, others_time_is_not_charged, only_equals_are_yielded_to, clock_may_be_large, queue_keeps_its_order,
    };
    Suite *suite = suite_create("real time");
    TCase *cases = tcase_create("schedule");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_set_timeout(cases, 60);
    for (uint32_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
