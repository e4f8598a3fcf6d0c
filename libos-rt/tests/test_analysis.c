/*
 * Admission against simulation on random sets: an admitted set never misses, however it is played. Of the refused ones those
 * that no play broke are counted: in the plain case (whole processor, no mutexes, no overhead) there must be none, since there
 * both tests are exact.
 */
#include "simulation.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include "demand.h"

enum { SETS = 2500, PLAYS = 10, TICKS = 480 };

enum kind { PLAIN = 0, SLOTS = 1, MUTEXES = 2, COSTS = 4 };

struct set {
    struct rt_claim claim[RT_TASKS_MAX];
    uint32_t count;
    struct rt_supply supply;
    struct rt_overhead overhead;
};

static const uint32_t periods[] = {4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 30, 40, 48, 60, 80, 120}; /* 240 is a multiple of all */

static void claim_make(struct rt_claim *claim, uint32_t most, bool edf)
{
    uint32_t period = periods[chance(sizeof periods / sizeof periods[0])];
    uint32_t runtime = 1 + chance(period * most / 100 ? period * most / 100 : 1);
    uint32_t deadline = chance(2) ? period : runtime + chance(period - runtime + 1);

    *claim = (struct rt_claim){.runtime = runtime, .deadline = deadline, .period = period, .level = deadline};
    if (!edf && chance(3) == 0)
        claim->level = 1 + chance(4);
}

/* Up to two mutexes a job, one after the other, so that sections fit into the runtime. */
static void sections_make(struct rt_claim *claim)
{
    uint32_t room = (uint32_t)claim->runtime;

    for (uint32_t k = 0; k < 2 && room > 1 && chance(2); k++) {
        uint32_t longest = 1 + chance(room > 6 ? 6 : room);
        claim->section[claim->section_count++] = (struct rt_section){.mutex = chance(3), .longest = longest};
        room -= longest;
    }
}

static void set_make(struct set *set, uint32_t kind, bool edf)
{
    *set = (struct set){.count = 2 + chance(4), .supply = {.slot = 5, .positions = 8, .owned = 0xff}};
    uint32_t most = kind & SLOTS ? 25 : 45;

    if (kind & SLOTS)
        set->supply = (struct rt_supply){.slot = 5, .positions = 8, .owned = 0xff & ~(1u << chance(8)) & ~(1u << chance(8)),
                                         .late = chance(3), .tick = chance(2)};
    if (kind & COSTS)
        set->overhead = (struct rt_overhead){.release = chance(2), .switching = chance(2), .blocking = chance(3)};
    for (uint32_t i = 0; i < set->count; i++) {
        claim_make(&set->claim[i], most, edf);
        if (kind == PLAIN) /* tasks of one level are taken to delay each other both ways, which no play can do */
            set->claim[i].level = set->claim[i].level * RT_TASKS_MAX + i;
        if (kind & MUTEXES)
            sections_make(&set->claim[i]);
    }
}

static void places_make(struct play *play)
{
    for (uint32_t i = 0; i < play->count; i++) {
        const struct rt_claim *claim = &play->claim[i];
        uint64_t room = claim->runtime, at = 0;
        for (uint32_t k = 0; k < claim->section_count; k++)
            room -= claim->section[k].longest;
        for (uint32_t k = 0; k < claim->section_count; k++) {
            uint32_t gap = chance((uint32_t)room + 1);
            play->place[i][k] = (uint32_t)at + gap;
            at += gap + claim->section[k].longest;
            room -= gap;
        }
    }
}

/* The first play releases all at once, at the worst moment of the slots; the others as it happens. */
static bool set_misses(const struct set *set, bool edf)
{
    for (uint32_t n = 0; n < PLAYS; n++) {
        struct play play = {.claim = set->claim, .count = set->count, .edf = edf, .supply = &set->supply,
                            .overhead = &set->overhead, .ticks = TICKS};
        play.offset = n < 8 ? 5 * n : chance(40);
        play.jitter = n == 9 ? 3 : 0;
        for (uint32_t i = 0; i < set->count && n >= 4; i++)
            play.first[i] = chance(n & 1 ? 4 : 30);
        if (n == 3)
            play.first[0] = 2;
        places_make(&play);
        if (play_misses(&play))
            return true;
    }
    return false;
}

static void compare(uint32_t kind, bool edf, const char *name)
{
    uint32_t admitted = 0, refused = 0, unbroken = 0;

    for (uint32_t n = 0; n < SETS; n++) {
        struct set set;
        struct rt_verdict verdict;
        chance_seed(n + 1 + 10000 * kind + 100000 * edf);
        set_make(&set, kind, edf);
        (edf ? demand_admit : response_admit)(set.claim, set.count, &set.supply, &set.overhead, &verdict);
        bool misses = set_misses(&set, edf);
        ck_assert_msg(verdict.reason != RT_ADMITTED || !misses, "set %u of kind %u was admitted and misses", n, kind);
        admitted += verdict.reason == RT_ADMITTED;
        refused += verdict.reason != RT_ADMITTED;
        unbroken += verdict.reason != RT_ADMITTED && !misses;
    }
    printf("# %s, %s: %u sets: %u admitted, none of them misses; %u refused, of which %u were not seen to miss\n",
           edf ? "EDF" : "fixed priority", name, SETS, admitted, refused, unbroken);
    fflush(stdout);
    ck_assert_uint_gt(admitted, SETS / 20);
    ck_assert_uint_gt(refused, SETS / 20);
    if (kind == PLAIN)
        ck_assert_uint_eq(unbroken, 0);
}

START_TEST(edf_on_a_whole_processor_is_exact) { compare(PLAIN, true, "whole processor"); }
END_TEST
START_TEST(edf_on_slots_admits_nothing_false) { compare(SLOTS, true, "slots"); }
END_TEST
START_TEST(edf_with_mutexes_admits_nothing_false) { compare(MUTEXES, true, "mutexes"); }
END_TEST
START_TEST(edf_with_costs_admits_nothing_false) { compare(COSTS, true, "overheads"); }
END_TEST
START_TEST(edf_with_all_admits_nothing_false) { compare(SLOTS | MUTEXES | COSTS, true, "slots, mutexes and overheads"); }
END_TEST
START_TEST(fixed_on_a_whole_processor_is_exact) { compare(PLAIN, false, "whole processor"); }
END_TEST
START_TEST(fixed_on_slots_admits_nothing_false) { compare(SLOTS, false, "slots"); }
END_TEST
START_TEST(fixed_with_mutexes_admits_nothing_false) { compare(MUTEXES, false, "mutexes"); }
END_TEST
START_TEST(fixed_with_costs_admits_nothing_false) { compare(COSTS, false, "overheads"); }
END_TEST
START_TEST(fixed_with_all_admits_nothing_false) { compare(SLOTS | MUTEXES | COSTS, false, "slots, mutexes and overheads"); }
END_TEST

/* ---- the numbers of an attribute */

static struct rt_task task_of(uint64_t runtime, uint64_t deadline, uint64_t period)
{
    return (struct rt_task){.attribute = {sizeof(struct rt_attribute), RT_SCHED_DEADLINE, 0, 0, 0, runtime, deadline, period}};
}

static const struct rt_supply whole = {.slot = 1000000, .positions = 64, .owned = UINT64_MAX};
static const struct rt_overhead none;

static int admitted(struct rt_task *task, uint32_t count, const struct rt_policy *policy, struct rt_verdict *verdict)
{
    struct rt_task *list[RT_TASKS_MAX];

    for (uint32_t i = 0; i < count; i++)
        list[i] = &task[i];
    return rt_admit(list, count, policy, &whole, &none, verdict);
}

START_TEST(wrong_attributes_are_refused_as_linux_does)
{
    struct { int result; struct rt_attribute attribute; } cases[] = {
        {0, {48, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 20000, 30000}},
        {0, {48, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 20000, 0}}, /* period: the deadline */
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 0, 20000, 30000}}, /* no runtime */
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 1023, 20000, 30000}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 0, 30000}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 20001, 20000, 30000}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 30001, 30000}}, /* a deadline past the period */
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 20000, RT_PERIOD_MOST + 1}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 0, 2000, 9999, 9999}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 1, 0, 0, 10000, 20000, 30000}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 1, 0, 10000, 20000, 30000}},
        {-RT_EINVAL, {48, RT_SCHED_DEADLINE, 0, 0, 1, 10000, 20000, 30000}},
        {-RT_EINVAL, {48, RT_SCHED_FIFO, 0, 0, 1, 10000, 20000, 30000}}, /* not under EDF */
        {-RT_EINVAL, {48, 0, 0, 0, 0, 10000, 20000, 30000}},
        {-RT_EINVAL, {40, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 20000, 30000}},
        {-RT_E2BIG, {56, RT_SCHED_DEADLINE, 0, 0, 0, 10000, 20000, 30000}},
    };

    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(rt_attribute_check(&cases[i].attribute, &rt_edf) == cases[i].result, "case %u", i);
    ck_assert_uint_eq(cases[1].attribute.sched_period, 20000);
}
END_TEST

START_TEST(overcommitment_is_busy_and_says_why)
{
    struct rt_task task[3] = {task_of(400000, 1000000, 1000000), task_of(500000, 1000000, 1000000), task_of(2000000, 10000000, 10000000)};
    struct rt_verdict verdict;

    ck_assert_int_eq(admitted(task, 2, &rt_edf, &verdict), 0);
    ck_assert_int_eq(admitted(task, 3, &rt_edf, &verdict), -RT_EBUSY);
    ck_assert_int_eq(verdict.reason, RT_OVERLOAD);
    ck_assert_int_eq(admitted(task, 3, &rt_fixed, &verdict), -RT_EBUSY);
    ck_assert_int_eq(verdict.reason, RT_RESPONSE);
    ck_assert_uint_eq(verdict.task, 2);
    task[1].attribute.sched_deadline = 600000;
    task[0].attribute.sched_deadline = 600000;
    ck_assert_int_eq(admitted(task, 2, &rt_edf, &verdict), -RT_EBUSY);
    ck_assert_int_eq(verdict.reason, RT_DEMAND);
    ck_assert_uint_eq(verdict.at, 600000);
    ck_assert_uint_eq(verdict.demand, 900000);
    task[1].attribute.sched_runtime = 0;
    ck_assert_int_eq(admitted(task, 2, &rt_edf, &verdict), -RT_EINVAL);
    ck_assert_uint_eq(verdict.task, 1);
}
END_TEST

/* A whole processor: EDF takes all of it, fixed priority does not (C. Liu, J. Layland 1973). */
START_TEST(edf_takes_a_full_processor)
{
    struct rt_task task[2] = {task_of(2000000, 5000000, 5000000), task_of(4200000, 7000000, 7000000)};
    struct rt_verdict verdict;

    ck_assert_int_eq(admitted(task, 2, &rt_edf, &verdict), 0);
    ck_assert_int_eq(admitted(task, 2, &rt_fixed, &verdict), -RT_EBUSY);
}
END_TEST

START_TEST(slots_that_come_too_seldom_are_refused)
{
    struct rt_task task = task_of(100000, 8000000, 8000000), *list = &task;
    struct rt_supply eighth = {.slot = 1000000, .positions = 64, .owned = 0x0101010101010101ull, .late = 60000, .tick = 1000};
    struct rt_verdict verdict;

    ck_assert_int_eq(rt_admit(&list, 1, &rt_edf, &eighth, &none, &verdict), 0);
    task.attribute.sched_deadline = 7000000;
    ck_assert_int_eq(rt_admit(&list, 1, &rt_edf, &eighth, &none, &verdict), -RT_EBUSY);
    task.attribute.sched_deadline = 8000000;
    task.attribute.sched_runtime = 940001;
    ck_assert_int_eq(rt_admit(&list, 1, &rt_fixed, &eighth, &none, &verdict), -RT_EBUSY);
    task.attribute.sched_runtime = 940000;
    ck_assert_int_eq(rt_admit(&list, 1, &rt_fixed, &eighth, &none, &verdict), 0);
    eighth.owned = 0;
    ck_assert_int_eq(rt_admit(&list, 1, &rt_edf, &eighth, &none, &verdict), -RT_EBUSY);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        edf_on_a_whole_processor_is_exact, edf_on_slots_admits_nothing_false, edf_with_mutexes_admits_nothing_false,
        edf_with_costs_admits_nothing_false, edf_with_all_admits_nothing_false, fixed_on_a_whole_processor_is_exact,
        fixed_on_slots_admits_nothing_false, fixed_with_mutexes_admits_nothing_false, fixed_with_costs_admits_nothing_false,
        fixed_with_all_admits_nothing_false, wrong_attributes_are_refused_as_linux_does, overcommitment_is_busy_and_says_why,
        edf_takes_a_full_processor, slots_that_come_too_seldom_are_refused,
    };
    Suite *suite = suite_create("real time");
    TCase *cases = tcase_create("analysis");
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
