#include "unit.h"

enum { CONTROL = EXO_RIGHT_CONTROL, TAKE = EXO_RIGHT_TAKE };

START_TEST(derived_capability_names_part_with_fewer_rights)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, 30, 4), OK);
    const struct capability *derived = unit_capability(ROOT_CAPABILITIES, 10);
    ck_assert_uint_eq(derived->first, 30);
    ck_assert_uint_eq(derived->count, 4);
    ck_assert_uint_eq(derived->rights, EXO_RIGHT_READ);
    ck_assert_uint_eq(derived->depth, 1);
}
END_TEST

START_TEST(more_rights_than_the_source_are_refused)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, 30, 4), OK);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ | EXO_RIGHT_WRITE, 30, 4), NO_RIGHT);
}
END_TEST

START_TEST(unknown_rights_are_refused)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, 0x40, 30, 4), BAD_ARGUMENT);
}
END_TEST

START_TEST(range_beyond_the_source_is_refused)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, 30, 4), OK);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ, 29, 2), BAD_ARGUMENT);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ, 33, 2), BAD_ARGUMENT);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ, 30, 0), BAD_ARGUMENT);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ, 31, UINT32_MAX), BAD_ARGUMENT);
}
END_TEST

START_TEST(taken_slot_is_refused)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, ROOT_SLOTS, EXO_RIGHT_READ, 30, 4), TAKEN);
}
END_TEST

START_TEST(slot_that_does_not_exist_is_refused)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 0, EXO_RIGHT_READ, 30, 4), BAD_NAME);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 128, EXO_RIGHT_READ, 30, 4), BAD_NAME);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 200, EXO_RIGHT_READ, 30, 4), BAD_NAME);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 0xffff, EXO_RIGHT_READ, 30, 4), BAD_NAME);
}
END_TEST

START_TEST(empty_slot_is_no_capability)
{
    IS(CALL(CAPABILITY_DERIVE, 100, 0, 10, EXO_RIGHT_READ, 30, 4), BAD_CAPABILITY);
    IS(CALL(CAPABILITY_DERIVE, 0, 0, 10, EXO_RIGHT_READ, 30, 4), BAD_CAPABILITY);
}
END_TEST

START_TEST(grant_needs_grant_on_both)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, 30, 4), OK);
    IS(CALL(CAPABILITY_DERIVE, 10, A_SLOT, 2, EXO_RIGHT_READ, 30, 4), NO_RIGHT);
    IS(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 11, EXO_RIGHT_READ, A, 1), OK);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 11, 2, EXO_RIGHT_READ, 30, 4), NO_RIGHT);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, ROOT_SLOTS, 2, EXO_RIGHT_READ, 30, 4), BAD_CAPABILITY);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 2, EXO_RIGHT_READ, 30, 4), OK);
}
END_TEST

START_TEST(derivation_ends_at_the_greatest_depth)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, RIGHTS_GIVEN, 30, 4), OK);
    for (uint32_t depth = 1; depth < DEPTH_MAX; depth++)
        IS(CALL(CAPABILITY_DERIVE, 9 + depth, 0, 10 + depth, RIGHTS_GIVEN, 30, 4), OK);
    IS(CALL(CAPABILITY_DERIVE, 9 + DEPTH_MAX, 0, 50, RIGHTS_GIVEN, 30, 4), TOO_DEEP);
}
END_TEST

START_TEST(environment_capability_keeps_its_name)
{
    IS(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, EXO_RIGHT_READ, B, 1), BAD_ARGUMENT);
    IS(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, EXO_RIGHT_READ, A, 2), BAD_ARGUMENT);
    IS(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, EXO_RIGHT_READ, A, 1), OK);
}
END_TEST

START_TEST(label_is_set_once)
{
    IS(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_WRITE, 0x41414141, 0), OK);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_WRITE, 0x42424242, 0), BAD_ARGUMENT);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_WRITE, 0x41414141, 0), OK);
}
END_TEST

START_TEST(withdrawn_capability_takes_its_descendants_along)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 2, EXO_RIGHT_READ | EXO_RIGHT_GRANT, FREE_FRAME, 4), OK);
    IS(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 2, 0, 3, EXO_RIGHT_READ, FREE_FRAME, 1), OK);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 2), AGAIN);
    IS(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 3, 0, 5, EXO_RIGHT_READ, FREE_FRAME, 1), BAD_CAPABILITY);
    world_interrupt(1);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 2), OK);
    ck_assert_uint_eq(unit_capability(A_CAPABILITIES, 2)->state, CAPABILITY_EMPTY);
}
END_TEST

START_TEST(only_what_derives_from_ones_own_is_withdrawn)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 2, EXO_RIGHT_READ, FREE_FRAME, 4), OK);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, FREE_FRAME, 4), OK);
    IS(CALL(CAPABILITY_WITHDRAW, 10, A, 2), NO_RIGHT);
    IS(CALL(CAPABILITY_WITHDRAW, 0, A, 2), NO_RIGHT);
    IS(CALL(CAPABILITY_WITHDRAW, 100, A, 2), BAD_CAPABILITY);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 9), BAD_NAME);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, FREE_FRAME, 2), BAD_NAME);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, NO_FRAME, 2), BAD_NAME);
}
END_TEST

START_TEST(owning_capability_is_not_withdrawn_unasked)
{
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 1), KEPT);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0), OK);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 1), KEPT);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 1000), OK);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 1), KEPT);
    machine.time += 1000;
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 1), AGAIN);
}
END_TEST

/* Of each kind that is revoked: asked for, waited for, taken, told. */
START_TEST(taken_capability_is_told_to_its_holder)
{
    static const struct {
        uint32_t kind, first, count;
    } wanted[] = {{EXO_KIND_FRAMES, FREE_FRAME, 4}, {EXO_KIND_SLOTS, 0, 4}, {EXO_KIND_PROGRAMS, 0, 4}, {EXO_KIND_FLOWS, 0, 4}, {EXO_KIND_EXTENT, 8, 4}};

    world_vcpu(A_SLOT, 0, 1, A_FIRST + 8, A_FIRST + 9);
    struct exo_context *context = context_page(A_FIRST + 8);
    for (uint32_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        uint32_t above = 20 + i, below = 10 + i;
        world_hold(above, wanted[i].kind, RIGHTS_GIVEN, wanted[i].first, wanted[i].count);
        MUST(CALL(CAPABILITY_DERIVE, above, A_SLOT, below, RIGHTS_GIVEN, wanted[i].first, wanted[i].count));
        context->pending = 0;
        IS(CALL(CAPABILITY_WITHDRAW, above, A, below), KEPT);
        IS(CALL(REVOKE, above, A, below, 4, 0), OK);
        ck_assert_uint_eq(context->revoke_capability, below);
        IS(CALL(REVOKE, above, A, below, 4, machine.time + 10), OK);
        IS(CALL(CAPABILITY_WITHDRAW, above, A, below), KEPT);
        machine.time += 10;
        ck_assert_uint_eq(context->repossessed_count, i);
        IS(CALL(CAPABILITY_WITHDRAW, above, A, below), AGAIN);
        ck_assert_uint_eq(context->repossessed_count, i + 1);
        ck_assert_uint_eq(context->repossessed[i], 1u << 29 | below);
        ck_assert_uint_eq(context->pending & EXO_EVENT_REPOSSESSED, EXO_EVENT_REPOSSESSED);
        IS(CALL(CAPABILITY_WITHDRAW, above, A, below), AGAIN);
        ck_assert_uint_eq(context->repossessed_count, i + 1); /* once */
        while (CALL(CAPABILITY_WITHDRAW, above, A, below) == EXO_AGAIN)
            world_interrupt(1);
    }
}
END_TEST

START_TEST(guaranteed_extent_is_kept)
{
    world_hold(20, EXO_KIND_EXTENT, RIGHTS_ALL, 8, 4);
    MUST(CALL(CAPABILITY_DERIVE, 20, A_SLOT, 10, RIGHTS_ALL, 8, 4));
    IS(CALL(REVOKE, 20, A, 10, 4, 0), KEPT);
    IS(CALL(CAPABILITY_WITHDRAW, 20, A, 10), KEPT);
    IS(CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, 10), AGAIN); /* its holder may drop it */
}
END_TEST

START_TEST(dropped_capability_frees_what_was_owned_under_it)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 2), 2);
    exo_result result = EXO_AGAIN;
    for (int i = 0; i < 100 && result == EXO_AGAIN; i++) {
        result = CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, 1);
        world_interrupt(1);
    }
    IS(result, OK);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(A_FIRST + 1)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(new_capability_in_an_old_slot_is_another)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, RIGHTS_GIVEN, FREE_FRAME, 4), OK);
    IS(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ, FREE_FRAME, 4), OK);
    uint64_t id = unit_capability(ROOT_CAPABILITIES, 10)->id;
    while (CALL(CAPABILITY_WITHDRAW, 0, ROOT, 10) == EXO_AGAIN)
        world_interrupt(1);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, RIGHTS_GIVEN, FREE_FRAME, 4), OK);
    ck_assert_uint_ne(unit_capability(ROOT_CAPABILITIES, 10)->id, id);
    IS(CALL(CAPABILITY_DERIVE, 11, 0, 12, EXO_RIGHT_READ, FREE_FRAME, 1), BAD_CAPABILITY);
}
END_TEST

START_TEST(capability_below_a_withdrawn_one_justifies_nothing)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_TAKE, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ | EXO_RIGHT_TAKE, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 12, EXO_RIGHT_READ, 0, 0));
    MUST(CALL(CAPABILITY_DERIVE, 12, 0, 13, EXO_RIGHT_READ, 0, 0));
    IS(CALL(CAPABILITY_WITHDRAW, 0, ROOT, 10), AGAIN);
    IS(CALL(CAPABILITY_WITHDRAW, 0, ROOT, 12), AGAIN);
    IS(CALL(FRAME_TAKE, 11, FREE_FRAME, 1), BAD_CAPABILITY);
    IS(CALL(CONSOLE_READ, 13), BAD_CAPABILITY);
}
END_TEST

START_TEST(slot_of_a_dead_capability_that_owns_nothing_is_used_again)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_TAKE, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, 10, 0, 11, EXO_RIGHT_READ, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, 10, 0, 12, EXO_RIGHT_READ | EXO_RIGHT_TAKE, FREE_FRAME, 4));
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, EXO_RIGHT_READ, 30, 1), TAKEN);
    IS(CALL(CAPABILITY_WITHDRAW, 0, ROOT, 10), AGAIN);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, EXO_RIGHT_READ, 30, 1), OK);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 12, EXO_RIGHT_READ, 30, 1), TAKEN);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, 30, 1), TAKEN);
}
END_TEST

START_TEST(environment_is_not_withdrawn_from_above_unasked)
{
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, ROOT, A_SLOT), KEPT);
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, B_SLOT, 2, EXO_RIGHT_READ, A, 1));
    IS(CALL(CAPABILITY_WITHDRAW, A_SLOT, B, 2), AGAIN);
}
END_TEST

START_TEST(nothing_is_withdrawn_from_the_dying)
{
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 1), BAD_NAME);
    IS(CALL(REVOKE, ROOT_FRAMES, A, 1, 1, 0), BAD_NAME);
}
END_TEST

UNIT_SUITE(capability, unit_setup, derived_capability_names_part_with_fewer_rights,
           more_rights_than_the_source_are_refused, unknown_rights_are_refused, range_beyond_the_source_is_refused,
           taken_slot_is_refused, slot_that_does_not_exist_is_refused, empty_slot_is_no_capability,
           grant_needs_grant_on_both, derivation_ends_at_the_greatest_depth, environment_capability_keeps_its_name,
           label_is_set_once, withdrawn_capability_takes_its_descendants_along,
           only_what_derives_from_ones_own_is_withdrawn, owning_capability_is_not_withdrawn_unasked, taken_capability_is_told_to_its_holder, guaranteed_extent_is_kept,
           dropped_capability_frees_what_was_owned_under_it, new_capability_in_an_old_slot_is_another,
           capability_below_a_withdrawn_one_justifies_nothing,
           slot_of_a_dead_capability_that_owns_nothing_is_used_again,
           environment_is_not_withdrawn_from_above_unasked, nothing_is_withdrawn_from_the_dying)
