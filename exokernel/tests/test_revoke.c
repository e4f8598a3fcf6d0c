#include "unit.h"

START_TEST(request_becomes_an_imperative)
{
    world_vcpu(A_SLOT, 0, 1, A_FIRST + 8, A_FIRST + 9);
    const struct exo_context *context = context_page(A_FIRST + 8);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 3, 900), OK);
    ck_assert_uint_eq(context->pending & EXO_EVENT_REVOKE, EXO_EVENT_REVOKE);
    ck_assert_uint_eq(context->pending & EXO_EVENT_IMPERATIVE, 0);
    ck_assert_uint_eq(context->revoke_capability, 1);
    ck_assert_uint_eq(context->revoke_count, 3);
    ck_assert_uint_eq(context->revoke_deadline, 900);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 2, 1000), OK);
    ck_assert_uint_eq(context->pending & EXO_EVENT_IMPERATIVE, EXO_EVENT_IMPERATIVE);
    ck_assert_uint_eq(context->revoke_deadline, 1000);
}
END_TEST

START_TEST(imperative_is_not_repeated)
{
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 3, 900), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 3, 900), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 3, 0), BUSY);
}
END_TEST

START_TEST(answer_is_counted)
{
    world_vcpu(A_SLOT, 0, 1, A_FIRST + 8, A_FIRST + 9);
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 4), 4);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 2, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 2, 0), OK);
    GIVES(CALL_FOR(A_SLOT, FRAME_RETURN, 1, A_FIRST, 1), 1);
    ck_assert_uint_eq(context_page(A_FIRST + 8)->revoke_count, 1);
    GIVES(CALL_FOR(A_SLOT, FRAME_FREE, 1, A_FIRST + 1, 1), 1); /* what may be taken again at once is no answer */
    ck_assert_uint_eq(context_page(A_FIRST + 8)->revoke_count, 1);
    GIVES(CALL_FOR(A_SLOT, FRAME_RETURN, 1, A_FIRST + 3, 1), 1);
    ck_assert_uint_eq(context_page(A_FIRST + 8)->revoke_count, 0);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 2), KEPT);
}
END_TEST

START_TEST(revocation_is_ended_by_its_asker)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 0, 0), OK);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), KEPT);
}
END_TEST

START_TEST(revoke_checks_its_arguments)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, RIGHTS_GIVEN & ~EXO_RIGHT_TAKE, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, RIGHTS_GIVEN, A_FIRST, 4));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 2, EXO_RIGHT_READ, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 3, RIGHTS_ALL, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, B_SLOT, A_SLOT, 4, EXO_RIGHT_READ, B, 1));
    IS(CALL(REVOKE, 100, A, 1, 1, 0), BAD_CAPABILITY);
    IS(CALL(REVOKE, 10, A, 1, 1, 0), NO_RIGHT);
    IS(CALL(REVOKE, 11, A, 1, 1, 0), NO_RIGHT);
    IS(CALL(REVOKE, ROOT_FRAMES, NO_FRAME, 1, 1, 0), BAD_NAME);
    IS(CALL(REVOKE, ROOT_FRAMES, FREE_FRAME, 1, 1, 0), BAD_NAME);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 9, 1, 0), BAD_NAME);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 4, 1, 0), BAD_NAME);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 2, 1, 0), NO_RIGHT);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 3, 1, 0), KEPT);
}
END_TEST

START_TEST(force_ends_when_enough_was_taken)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 3), 3);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 2, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 2, 0), OK);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), OK);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 1), OK);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST + 2), KEPT);
}
END_TEST

START_TEST(repossession_vector_wraps)
{
    world_vcpu(A_SLOT, 0, 1, A_FIRST + 8, A_FIRST + 9);
    context_page(A_FIRST + 8)->repossessed_count = 64;
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0), OK);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), OK);
    ck_assert_uint_eq(context_page(A_FIRST + 8)->repossessed_count, 65);
    ck_assert_uint_eq(context_page(A_FIRST + 8)->repossessed[0], A_FIRST);
}
END_TEST

START_TEST(as_many_revocations_as_there_are_are_under_way)
{
    for (uint32_t i = 0; i <= REVOCATIONS_PER_ENVIRONMENT; i++)
        MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 10 + i, RIGHTS_GIVEN, FREE_FRAME, 4));
    for (uint32_t i = 0; i < REVOCATIONS_PER_ENVIRONMENT; i++)
        IS(CALL(REVOKE, ROOT_FRAMES, A, 10 + i, 1, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 10 + REVOCATIONS_PER_ENVIRONMENT, 1, 0), BUSY);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 10, 0, 0), OK);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 10 + REVOCATIONS_PER_ENVIRONMENT, 1, 0), OK);
}
END_TEST

START_TEST(revocation_of_what_has_ended_makes_room)
{
    for (uint32_t i = 0; i <= REVOCATIONS_PER_ENVIRONMENT; i++)
        MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 10 + i, RIGHTS_GIVEN, FREE_FRAME, 4));
    for (uint32_t i = 0; i < REVOCATIONS_PER_ENVIRONMENT; i++)
        IS(CALL(REVOKE, ROOT_FRAMES, A, 10 + i, 1, 0), OK);
    IS(CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, 10), AGAIN);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 10 + REVOCATIONS_PER_ENVIRONMENT, 1, 0), OK);
}
END_TEST

UNIT_SUITE(revoke, unit_setup, request_becomes_an_imperative, imperative_is_not_repeated, answer_is_counted,
           revocation_is_ended_by_its_asker, revoke_checks_its_arguments, force_ends_when_enough_was_taken,
           repossession_vector_wraps, as_many_revocations_as_there_are_are_under_way,
           revocation_of_what_has_ended_makes_room)
