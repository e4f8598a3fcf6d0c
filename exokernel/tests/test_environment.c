#include "unit.h"

enum { NEW = FREE_FRAME, NEW_SLOT = 12 };

static exo_result reap(frame_name environment)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 200 && result == EXO_AGAIN; i++) {
        result = CALL(ENVIRONMENT_REAP, environment);
        world_interrupt(1);
    }
    return result;
}

START_TEST(created_environment_has_nothing)
{
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, NEW, NEW_SLOT), OK);
    ck_assert_uint_eq(frame_at(NEW)->kind, EXO_FRAME_ENVIRONMENT);
    ck_assert_uint_eq(environment_page(NEW)->state, ENVIRONMENT_ALIVE);
    ck_assert_uint_eq(environment_page(NEW)->tables[0], 0);
    ck_assert_uint_eq(environment_page(NEW)->creator, ROOT);
    ck_assert_uint_eq(unit_capability(ROOT_CAPABILITIES, NEW_SLOT)->kind, EXO_KIND_ENVIRONMENT);
    ck_assert(!(unit_capability(ROOT_CAPABILITIES, NEW_SLOT)->rights & EXO_RIGHT_KEPT));
}
END_TEST

START_TEST(create_checks_its_arguments)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_TAKE, NEW, 4));
    IS(CALL(ENVIRONMENT_CREATE, 100, NEW, NEW_SLOT), BAD_CAPABILITY);
    IS(CALL(ENVIRONMENT_CREATE, 10, NEW, NEW_SLOT), NO_RIGHT);
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, NO_FRAME, NEW_SLOT), BAD_NAME);
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, NEW, 128), BAD_NAME);
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, NEW, A_SLOT), TAKEN);
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, A, NEW_SLOT), TAKEN);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, NEW, 1), 1);
    machine.system.flush_epoch++;
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, NEW, 1), 1);
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, NEW, NEW_SLOT), AGAIN);
}
END_TEST

START_TEST(create_at_the_greatest_depth_is_refused)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 20, RIGHTS_GIVEN, NEW, 4));
    for (uint32_t depth = 1; depth < DEPTH_MAX; depth++)
        MUST(CALL(CAPABILITY_DERIVE, 19 + depth, 0, 20 + depth, RIGHTS_GIVEN, NEW, 4));
    IS(CALL(ENVIRONMENT_CREATE, 19 + DEPTH_MAX, NEW, NEW_SLOT), TOO_DEEP);
}
END_TEST

START_TEST(extended_environment_has_more_slots)
{
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 130, EXO_RIGHT_READ, NEW, 1), BAD_NAME);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, ROOT_FRAMES, NEW, 1), OK);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 130, EXO_RIGHT_READ, NEW, 1), OK);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 128, EXO_RIGHT_READ, NEW, 1), BAD_NAME);
}
END_TEST

START_TEST(extend_checks_its_arguments)
{
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, EXO_RIGHT_READ, A, 1));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, EXO_RIGHT_READ | EXO_RIGHT_TAKE, NEW, 4));
    IS(CALL(ENVIRONMENT_EXTEND, 100, ROOT_FRAMES, NEW, 1), BAD_CAPABILITY);
    IS(CALL(ENVIRONMENT_EXTEND, 10, ROOT_FRAMES, NEW, 1), NO_RIGHT);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, 11, NEW, 1), NO_RIGHT);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, 100, NEW, 1), BAD_CAPABILITY);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, ROOT_FRAMES, NO_FRAME, 1), BAD_NAME);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, ROOT_FRAMES, B, 1), TAKEN);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, ROOT_FRAMES, NEW, 0), TAKEN);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, ROOT_FRAMES, NEW, TABLES_PER_ENVIRONMENT), BAD_ARGUMENT);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, NEW, 1), 1);
    machine.system.flush_epoch++;
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, NEW, 1), 1);
    IS(CALL(ENVIRONMENT_EXTEND, A_SLOT, ROOT_FRAMES, NEW, 1), AGAIN);
}
END_TEST

START_TEST(destroy_needs_its_right)
{
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_CONTROL, A, 1));
    IS(CALL(ENVIRONMENT_DESTROY, 10), NO_RIGHT);
    IS(CALL(ENVIRONMENT_DESTROY, 100), BAD_CAPABILITY);
    IS(CALL(ENVIRONMENT_DESTROY, ROOT_FRAMES), BAD_CAPABILITY);
}
END_TEST

START_TEST(destroyed_environment_is_nobodys_subject)
{
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, 0, 10, RIGHTS_GIVEN & ~EXO_RIGHT_KEPT, A, 1));
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    IS(CALL_FOR(10, FRAME_TAKE, 1, A_FIRST, 1), BAD_CAPABILITY);
    IS(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), BAD_CAPABILITY);
    IS(CALL(ENVIRONMENT_DESTROY, 10), BAD_CAPABILITY);
}
END_TEST

START_TEST(reaped_environment_leaves_only_free_frames)
{
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + 2, 2), 2);
    GIVES(BIND(A_SLOT, .table = A_FIRST, .frame = A_FIRST + 2, .capability = 1, .flags = WRITABLE), 1);
    world_vcpu(A_SLOT, 0, 1, A_FIRST + 8, A_FIRST + 9);
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    IS(reap(A), OK);
    for (frame_name frame = A_FIRST; frame < A_FIRST + A_COUNT; frame++)
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(A)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(A_CAPABILITIES)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(what_the_dead_granted_is_broken)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + 2, 1), 1);
    MUST(CALL(CAPABILITY_DERIVE, B_SLOT, A_SLOT, 2, EXO_RIGHT_GRANT, B, 1));
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 1, 2, 1, EXO_RIGHT_READ, A_FIRST + 2, 1));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, B_SLOT, 2, RIGHTS_GIVEN, FREE_FRAME, 4));
    MUST(CALL_FOR(B_SLOT, TABLE_CREATE, 2, FREE_FRAME, FREE_FRAME + 1, 1));
    GIVES(BIND(B_SLOT, .table = FREE_FRAME, .frame = A_FIRST + 2, .capability = 1, .flags = READ), 1);
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    IS(BIND(B_SLOT, .address = 0x1000, .table = FREE_FRAME, .frame = A_FIRST + 2, .capability = 1, .flags = READ), BAD_CAPABILITY);
    IS(reap(A), OK);
    ck_assert_uint_eq(unit_entry(FREE_FRAME, 0, 1), 0);
}
END_TEST

START_TEST(children_are_reaped_before_their_parents)
{
    MUST(CALL_FOR(A_SLOT, ENVIRONMENT_CREATE, 1, A_FIRST, 3));
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    GIVES(reap(A), A_FIRST);
    ck_assert_uint_eq(environment_page(A_FIRST)->state, ENVIRONMENT_DYING);
    IS(reap(A_FIRST), OK);
    IS(reap(A), OK);
}
END_TEST

START_TEST(reap_checks_its_argument)
{
    IS(CALL(ENVIRONMENT_REAP, NO_FRAME), BAD_NAME);
    IS(CALL(ENVIRONMENT_REAP, FREE_FRAME), WRONG_KIND);
    IS(CALL(ENVIRONMENT_REAP, A), WRONG_KIND);
}
END_TEST

START_TEST(new_environment_in_an_old_frame_is_another)
{
    MUST(CALL(CAPABILITY_DERIVE, A_SLOT, B_SLOT, 3, RIGHTS_GIVEN, A, 1));
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    IS(reap(A), OK);
    world_interrupt(1);
    IS(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, A, A_SLOT), OK);
    IS(CALL(CAPABILITY_DERIVE, B_SLOT, 0, 10, RIGHTS_GIVEN, B, 1), OK);
    IS(CALL_FOR(B_SLOT, CAPABILITY_DERIVE, 3, 0, 4, EXO_RIGHT_READ, A, 1), BAD_CAPABILITY);
}
END_TEST

START_TEST(only_the_owner_extends)
{
    MUST(CALL(CAPABILITY_DERIVE, B_SLOT, A_SLOT, 3, RIGHTS_GIVEN, B, 1));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, A_SLOT, 2, RIGHTS_GIVEN, SLOTS_PER_PROCESSOR, SLOTS_PER_PROCESSOR));
    world_vcpu(A_SLOT, 0, 1, A_FIRST, A_FIRST + 1);
    world_run(A_SLOT, 0, 2, 1);
    IS(CALL_ON(1, ENVIRONMENT_EXTEND, 3, 1, A_FIRST + 4, 1), NO_RIGHT);
    IS(CALL_ON(1, ENVIRONMENT_EXTEND, 0, 1, A_FIRST + 4, 1), OK);
    ck_assert_uint_eq(capability_page(A_FIRST + 4)->header.environment, A);
}
END_TEST

START_TEST(end_of_the_root_is_the_end_of_the_machine)
{
    IS(CALL(ENVIRONMENT_DESTROY, ROOT_SELF), OK);
    ck_assert_uint_eq(machine_log.exited, 1);
    ck_assert_uint_eq(machine_log.exit_code, 1);
    ck_assert_str_eq(machine_log.console, "exo: the root environment was destroyed\n");
}
END_TEST

START_TEST(what_the_dead_derived_for_themselves_goes_with_its_source)
{
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 1, 0, 2, RIGHTS_GIVEN, A_FIRST, 4));
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 2, 0, 3, RIGHTS_GIVEN, A_FIRST, 2));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 3, A_FIRST, 2), 2);
    IS(CALL(ENVIRONMENT_DESTROY, A_SLOT), OK);
    IS(reap(A), OK);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(A_FIRST + 1)->kind, EXO_FRAME_FREE);
}
END_TEST

UNIT_SUITE(environment, unit_setup, created_environment_has_nothing, create_checks_its_arguments,
           create_at_the_greatest_depth_is_refused, extended_environment_has_more_slots,
           extend_checks_its_arguments, destroy_needs_its_right, destroyed_environment_is_nobodys_subject,
           reaped_environment_leaves_only_free_frames, what_the_dead_granted_is_broken,
           children_are_reaped_before_their_parents, reap_checks_its_argument,
           new_environment_in_an_old_frame_is_another, only_the_owner_extends,
           end_of_the_root_is_the_end_of_the_machine, what_the_dead_derived_for_themselves_goes_with_its_source)
