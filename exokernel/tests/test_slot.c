#include "scene.h"
#include <slot.h>

enum { SOME = SLOTS_PER_PROCESSOR + 3 }; /* a slot of processor 1, that nobody owns at first */

static exo_result reap(frame_name environment)
{
    for (uint32_t i = 0; i < 1000; i++) {
        exo_result result = CALL(ENVIRONMENT_REAP, environment);
        interrupts_settle();
        if (result != EXO_AGAIN)
            return result;
    }
    return EXO_AGAIN;
}

START_TEST(taken_slot_is_refused_to_another)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 1));
    ck_assert_uint_eq(slot_at(SOME)->owner, ANN);
    ck_assert_uint_eq(slot_at(SOME)->vcpu, vcpu_of(ANN, 1));
    IS(CALL_FOR(BOB_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0), TAKEN);
    IS(CALL(SLOT_TAKE, ROOT_SLOTS, SOME, 0), TAKEN);
}
END_TEST

START_TEST(owner_changes_who_runs_in_its_slot)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 1));
    slot_at(SOME)->turns = 5;
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 2));
    ck_assert_uint_eq(slot_at(SOME)->vcpu, vcpu_of(ANN, 2));
    ck_assert_uint_eq(slot_at(SOME)->turns, 5);
}
END_TEST

START_TEST(slot_beyond_the_machine_has_no_name)
{
    IS(CALL(SLOT_TAKE, ROOT_SLOTS, 2 * SLOTS_PER_PROCESSOR, 0), BAD_NAME);
    IS(CALL(SLOT_TAKE, ROOT_SLOTS, 0, 8), BAD_NAME);
    IS(CALL(SLOT_FREE, ROOT_SLOTS, ~0u), BAD_NAME);
    IS(CALL(SLOT_RECLAIM, ROOT_SLOTS, ~0u), BAD_NAME);
    IS(CALL(SLOT_LEND, ROOT_SLOTS, ~0u, 0, 0), BAD_NAME);
    IS(CALL(SLOT_LEND, ROOT_SLOTS, 0, 0, 9), BAD_NAME);
}
END_TEST

START_TEST(taking_needs_a_slots_capability_with_the_right)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, 0, 40, EXO_RIGHT_READ, SOME, 1));
    IS(CALL(SLOT_TAKE, 40, SOME, 0), NO_RIGHT);
    IS(CALL(SLOT_TAKE, 40, SOME + 1, 0), BAD_CAPABILITY);
    IS(CALL(SLOT_TAKE, ROOT_FRAMES, SOME, 0), BAD_CAPABILITY);
    IS(CALL(SLOT_TAKE, 41, SOME, 0), BAD_CAPABILITY);
}
END_TEST

START_TEST(only_the_owner_frees_and_lends)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    IS(CALL_FOR(BOB_SLOT, SLOT_FREE, OWN_SLOTS, SOME), NO_RIGHT);
    IS(CALL(SLOT_FREE, ROOT_SLOTS, SOME), NO_RIGHT);
    IS(CALL(SLOT_LEND, ROOT_SLOTS, SOME, 0, 0), NO_RIGHT);
    IS(CALL_FOR(ANN_SLOT, SLOT_FREE, OWN_SLOTS, SOME), OK);
    ck_assert_uint_eq(slot_at(SOME)->owner, 0);
    IS(CALL_FOR(ANN_SLOT, SLOT_FREE, OWN_SLOTS, SOME), NO_RIGHT);
}
END_TEST

START_TEST(part_of_the_owners_capability_is_no_ownership)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    MUST(CALL(CAPABILITY_DERIVE, BOB_SLOT, ANN_SLOT, 4, RIGHTS_GIVEN, BOB, 1));
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_SLOTS, 4, 5, RIGHTS_GIVEN, SOME, 1));
    IS(CALL_FOR(BOB_SLOT, SLOT_LEND, 5, SOME, 0, 0), NO_RIGHT);
    IS(CALL_FOR(BOB_SLOT, SLOT_FREE, 5, SOME), NO_RIGHT);
    IS(CALL_FOR(BOB_SLOT, SLOT_TAKE, 5, SOME, 0), TAKEN);
}
END_TEST

START_TEST(slot_is_freed_under_its_own_capability_only)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, 0, 40, RIGHTS_GIVEN, 0, 2));
    IS(CALL(SLOT_FREE, 40, 0), NO_RIGHT);
}
END_TEST

START_TEST(loan_needs_the_right_to_run_the_borrower)
{
    MUST(CALL(CAPABILITY_DERIVE, ANN_SLOT, 0, 40, EXO_RIGHT_READ, ANN, 1));
    IS(CALL(SLOT_LEND, ROOT_SLOTS, 0, 40, 0), NO_RIGHT);
    IS(CALL(SLOT_LEND, ROOT_SLOTS, 0, ROOT_FRAMES, 0), BAD_CAPABILITY);
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 2));
    ck_assert_uint_eq(slot_at(0)->borrower, vcpu_of(ANN, 2));
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, 0, 8));
    ck_assert_uint_eq(slot_at(0)->borrower, 0);
}
END_TEST

START_TEST(slot_is_reclaimed_only_after_revocation_and_deadline)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    IS(CALL(SLOT_RECLAIM, ROOT_SLOTS, SOME), KEPT);
    MUST(CALL(REVOKE, ROOT_SLOTS, ANN, OWN_SLOTS, 1, 100));
    IS(CALL(SLOT_RECLAIM, ROOT_SLOTS, SOME), KEPT);
    MUST(CALL(REVOKE, ROOT_SLOTS, ANN, OWN_SLOTS, 1, 2000));
    IS(CALL(SLOT_RECLAIM, ROOT_SLOTS, SOME), KEPT);
    machine.time = 2000;
    IS(CALL(SLOT_RECLAIM, ROOT_SLOTS, SOME), OK);
    ck_assert_uint_eq(slot_at(SOME)->owner, 0);
    const struct exo_context *context = context_of(vcpu_of(ANN, 0));
    ck_assert_uint_eq(context->repossessed_count, 1);
    ck_assert_uint_eq(context->repossessed[0], SOME | 1u << 31);
    ck_assert_uint_eq(context->pending & EXO_EVENT_REPOSSESSED, EXO_EVENT_REPOSSESSED);
}
END_TEST

START_TEST(freed_slot_answers_the_revocation)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    MUST(CALL(REVOKE, ROOT_SLOTS, ANN, OWN_SLOTS, 1, 100));
    ck_assert_uint_eq(context_of(vcpu_of(ANN, 0))->revoke_count, 1);
    MUST(CALL_FOR(ANN_SLOT, SLOT_FREE, OWN_SLOTS, SOME));
    ck_assert_uint_eq(context_of(vcpu_of(ANN, 0))->revoke_count, 0);
}
END_TEST

START_TEST(slot_of_another_line_is_not_reclaimed)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    IS(CALL_FOR(BOB_SLOT, SLOT_RECLAIM, OWN_SLOTS, SOME), NO_RIGHT);
    IS(CALL(SLOT_RECLAIM, ROOT_FRAMES, SOME), BAD_CAPABILITY);
    IS(CALL(SLOT_RECLAIM, ROOT_SLOTS, SOME + 1), NO_RIGHT);
}
END_TEST

START_TEST(slot_under_a_dead_claim_may_be_taken)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
    MUST(CALL_FOR(BOB_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 1));
    ck_assert_uint_eq(slot_at(SOME)->owner, BOB);
    ck_assert_uint_eq(slot_at(SOME)->borrower, 0);
}
END_TEST

START_TEST(reaped_environment_borrows_and_owns_nothing)
{
    MUST(CALL_FOR(ANN_SLOT, SLOT_TAKE, OWN_SLOTS, SOME, 0));
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    interrupts_settle();
    MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
    IS(reap(ANN), OK);
    ck_assert_uint_eq(slot_at(0)->borrower, 0);
    ck_assert_uint_eq(slot_at(SOME)->owner, 0);
    ck_assert_uint_eq(frame_at(ANN)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(own_slot_is_changed_under_its_own_capability_only)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, 0, 40, RIGHTS_GIVEN, SOME, 2));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, 0, 41, RIGHTS_GIVEN, SOME, 2));
    MUST(CALL(SLOT_TAKE, 40, SOME, 0));
    IS(CALL(SLOT_TAKE, 41, SOME, 0), NO_RIGHT);
    IS(CALL(SLOT_TAKE, 40, SOME, 0), OK);
}
END_TEST

UNIT_SUITE(slot, scene_setup, taken_slot_is_refused_to_another, owner_changes_who_runs_in_its_slot,
           slot_beyond_the_machine_has_no_name, taking_needs_a_slots_capability_with_the_right,
           only_the_owner_frees_and_lends, part_of_the_owners_capability_is_no_ownership,
           slot_is_freed_under_its_own_capability_only, loan_needs_the_right_to_run_the_borrower,
           slot_is_reclaimed_only_after_revocation_and_deadline, freed_slot_answers_the_revocation,
           slot_of_another_line_is_not_reclaimed, slot_under_a_dead_claim_may_be_taken,
           reaped_environment_borrows_and_owns_nothing, own_slot_is_changed_under_its_own_capability_only)
