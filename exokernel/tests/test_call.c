#include "unit.h"
#include <argument.h>
#include <call.h>
#include <dispatch.h>

static exo_result enter(uint64_t word, uint64_t a0, uint64_t a1, uint64_t a2)
{
    return call_enter((const uint64_t[6]){a0, a1, a2}, word);
}

START_TEST(null_call_does_nothing)
{
    IS(CALL(NULL), OK);
}
END_TEST

START_TEST(unknown_numbers_are_refused)
{
    IS(enter(EXO_CALL_MAGIC | EXO_CALL_COUNT, 0, 0, 0), BAD_CALL);
    IS(enter(EXO_CALL_MAGIC | 0xffff, 0, 0, 0), BAD_CALL);
}
END_TEST

START_TEST(stray_bits_of_the_call_word_are_refused)
{
    IS(enter(1ull << 48 | EXO_CALL_MAGIC | EXO_CALL_NULL, 0, 0, 0), BAD_ARGUMENT);
    IS(enter(1ull << 63 | EXO_CALL_MAGIC | EXO_CALL_FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 1), BAD_ARGUMENT);
}
END_TEST

START_TEST(subject_is_refused_where_there_is_none)
{
    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++)
        if (!(EXO_SUBJECT_CALLS >> number & 1))
            IS(unit_call(0, A_SLOT, number, (const uint64_t[6]){0}), BAD_ARGUMENT);
}
END_TEST

START_TEST(subject_beyond_16_bits_is_refused_in_every_call)
{
    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++)
        IS(unit_call(0, 1 << 16 | A_SLOT, number, (const uint64_t[6]){0}), BAD_ARGUMENT);
}
END_TEST

START_TEST(stray_bits_of_arguments_are_refused)
{
    IS(CALL(FRAME_TAKE, 1ull << 16 | ROOT_FRAMES, FREE_FRAME, 1), BAD_ARGUMENT);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, 1ull << 32 | FREE_FRAME, 1), BAD_ARGUMENT);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 1ull << 32 | 1), BAD_ARGUMENT);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 0x101), BAD_ARGUMENT);
}
END_TEST

START_TEST(each_bit_above_the_width_of_an_argument_is_refused_in_every_call)
{
    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++)
        for (uint32_t i = 0; i < ARGUMENTS && argument_bytes[number][i]; i++)
            for (uint32_t bit = argument_bytes[number][i] * 8; bit < 64; bit++) {
                uint64_t argument[ARGUMENTS] = {0};
                argument[i] = 1ull << bit;
                IS(unit_call(0, 0, number, argument), BAD_ARGUMENT);
            }
}
END_TEST

START_TEST(subject_is_checked_in_every_call)
{
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, RIGHTS_GIVEN & ~EXO_RIGHT_CONTROL, A, 1));
    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++) {
        if (!(EXO_SUBJECT_CALLS >> number & 1))
            continue;
        IS(unit_call(0, 100, number, (const uint64_t[6]){0}), BAD_CAPABILITY);
        IS(unit_call(0, 10, number, (const uint64_t[6]){0}), NO_RIGHT);
    }
}
END_TEST

START_TEST(who_is_being_destroyed_makes_no_call_that_changes_what_others_see)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, A_SLOT, 2, RIGHTS_GIVEN, SLOTS_PER_PROCESSOR, SLOTS_PER_PROCESSOR));
    world_vcpu(A_SLOT, 0, 1, A_FIRST, A_FIRST + 1);
    world_run(A_SLOT, 0, 2, 1);
    MUST(CALL(ENVIRONMENT_DESTROY, A_SLOT));
    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++)
        if (EXO_LOCKED_CALLS >> number & 1)
            IS(unit_call(1, 0, number, (const uint64_t[6]){0}), GONE);
}
END_TEST

START_TEST(subject_needs_control)
{
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_RUN | EXO_RIGHT_GRANT, A, 1));
    IS(CALL_FOR(10, FRAME_TAKE, 1, A_FIRST, 1), NO_RIGHT);
    IS(CALL_FOR(100, FRAME_TAKE, 1, A_FIRST, 1), BAD_CAPABILITY);
    IS(CALL_FOR(ROOT_FRAMES, FRAME_TAKE, 1, A_FIRST, 1), BAD_CAPABILITY);
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    ck_assert_uint_eq(frame_at(A_FIRST)->owner, A);
}
END_TEST

START_TEST(lock_is_held_for_locked_calls_only_and_given_back)
{
    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++) {
        if (EXO_SWITCHING_CALLS >> number & 1)
            continue;
        unit_call(0, 0, number, (const uint64_t[6]){1, 1, 1, 1, 1, 1});
        ck_assert_uint_eq(machine.locked, 0);
    }
}
END_TEST

UNIT_SUITE(call, unit_setup, null_call_does_nothing, unknown_numbers_are_refused,
           stray_bits_of_the_call_word_are_refused, subject_is_refused_where_there_is_none,
           subject_beyond_16_bits_is_refused_in_every_call, stray_bits_of_arguments_are_refused,
           each_bit_above_the_width_of_an_argument_is_refused_in_every_call, subject_is_checked_in_every_call,
           who_is_being_destroyed_makes_no_call_that_changes_what_others_see, subject_needs_control,
           lock_is_held_for_locked_calls_only_and_given_back)
