/* Sleeping on predicates: ANN watches a word of one of her frames, or the clock. */
#include "programs.h"
#include <predicate.h>

enum { WORDS = CODE + COUNT }; /* the watched frame */

#define SLEEP_ON(deadline, events, program, capability, frame) \
    unit_call(0, 0, EXO_CALL_SLICE_SLEEP_ON, (const uint64_t[6]){deadline, events, program, capability, frame, 0})

static uint64_t *word(void)
{
    return data_page(WORDS);
}

/* Wakes when the first word is not 0. */
#define WATCH_WORD LOAD(SIZE_DW, 2, 1, 16), LOAD(SIZE_DW, 0, 2, 0), EXIT

/* Slot 1 of processor 0 is ANN's; she runs. */
static void ann_runs(void)
{
    slot_give(ANN_SLOT, 1, 0);
    slot_give(ANN_SLOT, 2, 0);
    time_pass(0, MS + 1000);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), ann);
    events_take(ann);
}

static void predicate_setup(void)
{
    programs_setup();
    MUST(CALL_FOR(ANN_SLOT, FRAME_TAKE, OWN_FRAMES, WORDS, 1));
    *word() = 0;
}

/* ANN sleeps on a program; the root runs in her place at its next slot. */
static void ann_sleeps(uint64_t deadline)
{
    SLEEP_ON(deadline, 0, ANN_PAGE, OWN_FRAMES, WORDS);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_ASLEEP);
}

static void ann_sleeps_on_word(void)
{
    WRITE(WATCH_WORD);
    IS(program_loaded(), OK);
    ann_runs();
    ann_sleeps(EXO_NEVER);
}

START_TEST(sleeper_is_evaluated_in_its_own_slot_and_only_there)
{
    ann_sleeps_on_word();
    *word() = 1;
    ck_assert_uint_eq(running_on(0), 0);
    time_pass(0, 2 * MS);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert(events_take(ann) & EXO_EVENT_PREDICATE);
}
END_TEST

START_TEST(sleeper_sleeps_on_while_its_words_are_as_they_were)
{
    ann_sleeps_on_word();
    time_pass(0, 200 * MS);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_ASLEEP);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(notice_wakes_a_sleeper_at_once_if_its_predicate_holds)
{
    ann_sleeps_on_word();
    time_pass(0, 3 * MS);
    ck_assert_uint_eq(running_on(0), root);
    GIVES(CALL(SLICE_NOTIFY, ANN_SLOT, 0), 0);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_ASLEEP);
    *word() = 1;
    GIVES(CALL(SLICE_NOTIFY, ANN_SLOT, 0), 1);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_READY);
    ck_assert_uint_eq(context_of(ann)->pending & EXO_EVENT_PREDICATE, EXO_EVENT_PREDICATE);
    GIVES(CALL(SLICE_NOTIFY, ANN_SLOT, 0), 0);
}
END_TEST

START_TEST(predicate_that_holds_already_wakes_at_once)
{
    WRITE(WATCH_WORD);
    IS(program_loaded(), OK);
    ann_runs();
    *word() = 9;
    SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, OWN_FRAMES, WORDS);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert(events_take(ann) & EXO_EVENT_PREDICATE);
}
END_TEST

START_TEST(pending_event_keeps_it_awake)
{
    WRITE(WATCH_WORD);
    IS(program_loaded(), OK);
    ann_runs();
    context_of(ann)->pending = EXO_EVENT_TIMER;
    IS(SLEEP_ON(EXO_NEVER, EXO_EVENT_TIMER, ANN_PAGE, OWN_FRAMES, WORDS), OK);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(deadline_wakes_whatever_the_predicate_says)
{
    WRITE(SET(0, 0), EXIT);
    IS(program_loaded(), OK);
    ann_runs();
    ann_sleeps(MS + 5000);
    time_pass(0, MS + 5000);
    ck_assert_uint_eq(running_on(0), ann);
    uint32_t events = events_take(ann);
    ck_assert(events & EXO_EVENT_TIMER && !(events & EXO_EVENT_PREDICATE));
}
END_TEST

/* The program asks for a look at a time of its own, and wakes then. */
START_TEST(clock_is_watched_as_the_program_says)
{
    const uint64_t when = MS + 200000;
    WRITE(LDDW(3, when), LOAD(SIZE_DW, 2, 1, 0), SET(0, 1), JUMP_X(JMP_JGE, 2, 3, 2), STORE(SIZE_DW, 1, 8, 3), SET(0, 0), EXIT);
    IS(program_loaded(), OK);
    ann_runs();
    ann_sleeps(EXO_NEVER);
    ck_assert_uint_eq(vcpu_at(ann)->timer, when);
    ck_assert_uint_eq(machine.processor[0].timer, when);
    time_pass(0, when);
    ck_assert_uint_eq(running_on(0), ann);
    uint32_t events = events_take(ann);
    ck_assert(events & EXO_EVENT_PREDICATE && !(events & EXO_EVENT_TIMER));
}
END_TEST

START_TEST(looks_are_not_sooner_than_the_grace)
{
    WRITE(STORE_K(SIZE_DW, 1, 8, 0), SET(0, 0), EXIT);
    IS(program_loaded(), OK);
    ann_runs();
    ann_sleeps(EXO_NEVER);
    ck_assert_uint_eq(vcpu_at(ann)->timer, machine.time + EXO_GRACE_NS);
    time_pass(0, machine.time + EXO_GRACE_NS);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_ASLEEP);
    ck_assert_uint_eq(vcpu_at(ann)->timer, machine.time + EXO_GRACE_NS);
}
END_TEST

START_TEST(program_that_spends_its_budget_wakes)
{
    WRITE(SET(0, 0), JUMP(-1), EXIT);
    IS(program_loaded(), OK);
    ann_runs();
    SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, OWN_FRAMES, WORDS);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(predicate_reads_the_frame_and_writes_nothing)
{
    WRITE(LOAD(SIZE_DW, 2, 1, 16), STORE_K(SIZE_DW, 2, 0, 7), SET(0, 0), EXIT);
    IS(program_loaded(), REFUSED);
    IS(program_unloaded(ANN_PAGE), OK);
    WRITE(LOAD(SIZE_DW, 2, 1, 16), LOAD(SIZE_DW, 0, 2, 4088), EXIT);
    IS(program_loaded(), OK);
    ann_runs();
    ann_sleeps(EXO_NEVER);
    time_pass(0, 3 * MS);
    word()[511] = 1;
    GIVES(CALL(SLICE_NOTIFY, ANN_SLOT, 0), 1);
}
END_TEST

static void wakes_when_looked_at(void)
{
    time_pass(0, 65 * MS);
    ck_assert_uint_ne(state_of(ann), EXO_VCPU_ASLEEP);
    ck_assert(context_of(ann)->pending & EXO_EVENT_PREDICATE);
}

START_TEST(sleeper_on_a_program_that_ended_wakes)
{
    ann_sleeps_on_word();
    time_pass(0, 3 * MS);
    IS(program_unloaded(ANN_PAGE), OK);
    wakes_when_looked_at();
}
END_TEST

START_TEST(sleeper_on_another_program_in_the_same_place_wakes)
{
    ann_sleeps_on_word();
    time_pass(0, 3 * MS);
    IS(program_unloaded(ANN_PAGE), OK);
    WRITE(SET(0, 0), EXIT);
    IS(program_loaded(), OK);
    wakes_when_looked_at();
}
END_TEST

START_TEST(sleeper_on_a_frame_that_is_anothers_now_reads_nothing)
{
    ann_sleeps_on_word();
    time_pass(0, 3 * MS);
    GIVES(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, WORDS, 1), 1);
    settle();
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, BOB_SLOT, 9, RIGHTS_GIVEN, WORDS, 1));
    GIVES(CALL_FOR(BOB_SLOT, FRAME_TAKE, 9, WORDS, 1), 1);
    wakes_when_looked_at();
}
END_TEST

START_TEST(sleeper_whose_right_to_read_was_withdrawn_reads_nothing)
{
    enum { SHARED = 9 };
    WRITE(WATCH_WORD);
    IS(program_loaded(), OK);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, 110, 1), 1);
    *(uint64_t *)data_page(110) = 0;
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, ANN_SLOT, SHARED, EXO_RIGHT_READ, 110, 1));
    ann_runs();
    SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, SHARED, 110);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_ASLEEP);
    time_pass(0, 3 * MS);
    while (CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, ANN, SHARED) == EXO_AGAIN)
        settle();
    wakes_when_looked_at();
}
END_TEST

START_TEST(sleeping_on_wants_a_predicate_and_a_readable_frame)
{
    WRITE(WATCH_WORD);
    IS(program_loaded(), OK);
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_FRAMES, 0, 9, EXO_RIGHT_WRITE, WORDS, 1));
    ann_runs();
    IS(SLEEP_ON(EXO_NEVER, EXO_EVENT_FRESH, ANN_PAGE, OWN_FRAMES, WORDS), BAD_ARGUMENT);
    IS(unit_call(0, 0, EXO_CALL_SLICE_SLEEP_ON, (const uint64_t[6]){0, 0, ANN_PAGE, OWN_FRAMES, WORDS, 2}), BAD_ARGUMENT);
    IS(SLEEP_ON(EXO_NEVER, 0, ANN_PAGE + 1, OWN_FRAMES, WORDS), BAD_NAME);
    IS(SLEEP_ON(EXO_NEVER, 0, 0, OWN_FRAMES, WORDS), BAD_NAME);
    IS(SLEEP_ON(EXO_NEVER, 0, 1u << 31, OWN_FRAMES, WORDS), BAD_NAME);
    IS(SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, OWN_FRAMES, NO_FRAME), BAD_NAME);
    IS(SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, OWN_FRAMES, CODE), WRONG_KIND);
    IS(SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, OWN_PROGRAMS, WORDS), BAD_CAPABILITY);
    IS(SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, 9, WORDS), NO_RIGHT);
}
END_TEST

START_TEST(anothers_program_is_not_slept_on)
{
    WRITE(WATCH_WORD);
    IS(program_loaded(), OK);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, 110, 1), 1);
    IS(SLEEP_ON(EXO_NEVER, 0, ANN_PAGE, ROOT_FRAMES, 110), BAD_NAME);
}
END_TEST

START_TEST(notice_needs_the_right_to_run_it)
{
    MUST(CALL(CAPABILITY_DERIVE, ANN_SLOT, 0, 30, EXO_RIGHT_READ, ANN, 1));
    IS(CALL(SLICE_NOTIFY, 30, 0), NO_RIGHT);
    IS(CALL(SLICE_NOTIFY, ROOT_FRAMES, 0), BAD_CAPABILITY);
    IS(CALL(SLICE_NOTIFY, ANN_SLOT, VCPUS_PER_ENVIRONMENT), BAD_NAME);
    GIVES(CALL(SLICE_NOTIFY, ANN_SLOT, 7), 0);
    GIVES(CALL(SLICE_NOTIFY, ANN_SLOT, 0), 0);
}
END_TEST

UNIT_SUITE(predicate, predicate_setup, sleeper_is_evaluated_in_its_own_slot_and_only_there,
           sleeper_sleeps_on_while_its_words_are_as_they_were, notice_wakes_a_sleeper_at_once_if_its_predicate_holds,
           predicate_that_holds_already_wakes_at_once, pending_event_keeps_it_awake, deadline_wakes_whatever_the_predicate_says,
           clock_is_watched_as_the_program_says, looks_are_not_sooner_than_the_grace, program_that_spends_its_budget_wakes,
           predicate_reads_the_frame_and_writes_nothing, sleeper_on_a_program_that_ended_wakes,
           sleeper_on_another_program_in_the_same_place_wakes, sleeper_on_a_frame_that_is_anothers_now_reads_nothing,
           sleeper_whose_right_to_read_was_withdrawn_reads_nothing, sleeping_on_wants_a_predicate_and_a_readable_frame,
           anothers_program_is_not_slept_on, notice_needs_the_right_to_run_it)
