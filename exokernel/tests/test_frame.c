#include "unit.h"

START_TEST(taken_frame_is_owned_and_clear)
{
    table_page(FREE_FRAME)[3] = 77;
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 2), 2);
    ck_assert_uint_eq(frame_at(FREE_FRAME)->owner, ROOT);
    ck_assert_uint_eq(frame_at(FREE_FRAME)->kind, EXO_FRAME_DATA);
    ck_assert(machine_frame_is_clear(FREE_FRAME));
}
END_TEST

START_TEST(taken_frame_is_refused_to_another)
{
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, A_FIRST, 1), 1);
    IS(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), TAKEN);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, A_FIRST, 1), TAKEN);
}
END_TEST

START_TEST(take_stops_at_the_first_that_cannot_be)
{
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, A_FIRST + 2, 1), 1);
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 4), 2);
    ck_assert_uint_eq(frame_at(A_FIRST + 3)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(many_frames_are_given_up_in_parts)
{
    world_reset(2 * FREE_FRAME, 2); /* with room for so many */
    for (frame_name frame = FREE_FRAME; frame < FREE_FRAME + 34; frame++)
        GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, frame, 1), 1);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, FREE_FRAME, 34), 32);
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, FREE_FRAME + 32, 2), 2);
}
END_TEST

START_TEST(take_checks_its_arguments)
{
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 0), BAD_ARGUMENT);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, TAKE_MAX + 1), BAD_ARGUMENT);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, NO_FRAME, 1), BAD_NAME);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, UINT32_MAX, 2), BAD_NAME);
    IS(CALL(FRAME_TAKE, 100, FREE_FRAME, 1), BAD_CAPABILITY);
    IS(CALL(FRAME_TAKE, ROOT_SLOTS, FREE_FRAME, 1), BAD_CAPABILITY);
    IS(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + A_COUNT, 1), BAD_CAPABILITY);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, 0, 1), TAKEN);
}
END_TEST

START_TEST(take_needs_the_right)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_WRITE, FREE_FRAME, 4));
    IS(CALL(FRAME_TAKE, 10, FREE_FRAME, 1), NO_RIGHT);
}
END_TEST

START_TEST(freed_frame_waits_until_every_processor_has_flushed)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    machine.system.flush_epoch++;
    GIVES(CALL_FOR(A_SLOT, FRAME_FREE, 1, A_FIRST, 1), 1);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_FREE);
    IS(CALL(FRAME_TAKE, ROOT_FRAMES, A_FIRST, 1), AGAIN);
    ck_assert_uint_eq(machine.processor[1].interrupt, 1);
    world_interrupt(1);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, A_FIRST, 1), 1);
}
END_TEST

START_TEST(free_and_return_check_their_arguments)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, RIGHTS_GIVEN, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, RIGHTS_GIVEN, FREE_FRAME, 4));
    GIVES(CALL(FRAME_TAKE, 10, FREE_FRAME, 1), 1);
    MUST(CALL(TABLE_CREATE, 10, FREE_FRAME + 1, FREE_FRAME + 2, 1));
    for (uint32_t number = EXO_CALL_FRAME_FREE; number <= EXO_CALL_FRAME_RETURN; number++) {
        IS(unit_call(0, 0, number, (const uint64_t[6]){10, FREE_FRAME, 0}), BAD_ARGUMENT);
        IS(unit_call(0, 0, number, (const uint64_t[6]){10, FREE_FRAME, BATCH_MAX + 1}), BAD_ARGUMENT);
        IS(unit_call(0, 0, number, (const uint64_t[6]){10, NO_FRAME, 1}), BAD_NAME);
        IS(unit_call(0, 0, number, (const uint64_t[6]){100, FREE_FRAME, 1}), BAD_CAPABILITY);
        IS(unit_call(0, 0, number, (const uint64_t[6]){11, FREE_FRAME, 1}), NO_RIGHT);
        IS(unit_call(0, 0, number, (const uint64_t[6]){10, FREE_FRAME + 1, 1}), WRONG_KIND);
    }
}
END_TEST

START_TEST(bound_frame_is_not_given_up)
{
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + 2, 1), 1);
    GIVES(BIND(A_SLOT, .table = A_FIRST, .frame = A_FIRST + 2, .capability = 1, .flags = READ), 1);
    IS(CALL_FOR(A_SLOT, FRAME_FREE, 1, A_FIRST + 2, 1), BOUND);
    IS(CALL_FOR(A_SLOT, FRAME_RETURN, 1, A_FIRST + 2, 1), BOUND);
}
END_TEST

START_TEST(returned_frame_is_the_grantors_and_uncleared)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 3), 3);
    GIVES(CALL_FOR(A_SLOT, FRAME_RETURN, 1, A_FIRST, 3), 3);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_DIRTY);
    ck_assert_uint_eq(frame_at(A_FIRST)->owner, ROOT);
    IS(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), TAKEN);
    world_interrupt(1);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, A_FIRST, 3), 3);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_DATA);
}
END_TEST

START_TEST(root_returns_to_nobody)
{
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 1), 1);
    IS(CALL(FRAME_RETURN, ROOT_FRAMES, FREE_FRAME, 1), BAD_CAPABILITY);
}
END_TEST

START_TEST(reclaim_comes_after_asking_twice_and_the_deadline)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 2), 2);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), KEPT);
    MUST(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0));
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), KEPT);
    MUST(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 500));
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), KEPT);
    machine.time += 500;
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), OK);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_DIRTY);
    ck_assert_uint_eq(frame_at(A_FIRST)->owner, ROOT);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 1), KEPT);
}
END_TEST

START_TEST(reclaim_checks_its_arguments)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 1), 1);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, A_FIRST, 4));
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, NO_FRAME), BAD_NAME);
    IS(CALL(FRAME_RECLAIM, 100, A_FIRST), BAD_CAPABILITY);
    IS(CALL(FRAME_RECLAIM, 10, A_FIRST), NO_RIGHT);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, FREE_FRAME), NO_RIGHT);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 1), WRONG_KIND);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A), WRONG_KIND);
    IS(CALL_FOR(A_SLOT, FRAME_RECLAIM, 1, A_FIRST), NO_RIGHT);
}
END_TEST

/* A's third frame is bound in its first ones so often, and asked for. */
static void often_bound(uint64_t times)
{
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + 2, 1), 1);
    for (uint64_t i = 0; i < times; i++)
        GIVES(BIND(A_SLOT, .address = i << 12, .table = A_FIRST, .frame = A_FIRST + 2, .capability = 1, .flags = READ), 1);
    unit_demand(1);
}

START_TEST(reclaimed_frame_loses_its_bindings_at_once)
{
    often_bound(8);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 2), OK);
    for (uint64_t i = 0; i < 8; i++)
        ck_assert_uint_eq(unit_entry(A_FIRST, i << 12, 1), 0);
    ck_assert_uint_eq(frame_at(A_FIRST + 2)->bindings, 0);
}
END_TEST

START_TEST(reclaim_of_many_bindings_takes_several_calls)
{
    often_bound(200);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 2), AGAIN);
    IS(BIND(A_SLOT, .address = 400 << 12, .table = A_FIRST, .frame = A_FIRST + 2, .capability = 1, .flags = READ), NO_RIGHT);
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 20 && result == EXO_AGAIN; i++)
        result = CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 2);
    IS(result, OK);
    ck_assert(arch_table_is_empty(A_FIRST, 1));
}
END_TEST

START_TEST(kept_frame_is_never_taken)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 2, RIGHTS_ALL, FREE_FRAME, 4));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 2, FREE_FRAME, 1), 1);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 2, 1, 0), KEPT);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, FREE_FRAME), KEPT);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 2), KEPT);
}
END_TEST

START_TEST(reclaimed_table_is_taken_apart)
{
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + 2, 1), 1);
    GIVES(BIND(A_SLOT, .table = A_FIRST, .frame = A_FIRST + 2, .capability = 1, .flags = WRITABLE), 1);
    unit_demand(1);
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 20 && result == EXO_AGAIN; i++)
        result = CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST);
    IS(result, OK);
    ck_assert_uint_eq(frame_at(A_FIRST + 2)->bindings, 0);
    ck_assert_uint_eq(frame_at(A_FIRST + 1)->kind, EXO_FRAME_DATA);
}
END_TEST

START_TEST(repossession_is_told)
{
    world_vcpu(A_SLOT, 0, 1, A_FIRST + 8, A_FIRST + 9);
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    unit_demand(1);
    const struct exo_context *context = context_page(A_FIRST + 8);
    ck_assert_uint_eq(context->revoke_capability, 1);
    ck_assert_uint_eq(context->revoke_count, 1);
    ck_assert(context->pending & EXO_EVENT_REVOKE);
    ck_assert(context->pending & EXO_EVENT_IMPERATIVE);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), OK);
    ck_assert_uint_eq(context->repossessed_count, 1);
    ck_assert_uint_eq(context->repossessed[0], A_FIRST);
    ck_assert(context->pending & EXO_EVENT_REPOSSESSED);
}
END_TEST

UNIT_SUITE(frame, unit_setup, taken_frame_is_owned_and_clear, taken_frame_is_refused_to_another,
           take_stops_at_the_first_that_cannot_be, many_frames_are_given_up_in_parts, take_checks_its_arguments, take_needs_the_right,
           freed_frame_waits_until_every_processor_has_flushed, free_and_return_check_their_arguments,
           bound_frame_is_not_given_up, returned_frame_is_the_grantors_and_uncleared, root_returns_to_nobody,
           reclaim_comes_after_asking_twice_and_the_deadline, reclaim_checks_its_arguments,
           reclaimed_frame_loses_its_bindings_at_once, reclaim_of_many_bindings_takes_several_calls,
           kept_frame_is_never_taken, reclaimed_table_is_taken_apart, repossession_is_told)
