#include "scene.h"
#include <upcall.h>

enum { FREE_FRAME = ANN + 20, EVENT_ENTRY = 0x400000 };

static vcpu_name root, ann, bob;

static void names_set(void)
{
    scene_make();
    root = vcpu_of(ROOT, 0);
    ann = vcpu_of(ANN, 0);
    bob = vcpu_of(BOB, 0);
}

START_TEST(created_virtual_processor_knows_its_page)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, 0x9000));
    ck_assert_uint_eq(context_page(FREE_FRAME)->self, 0x9000);
    ck_assert_uint_eq(frame_at(FREE_FRAME)->kind, EXO_FRAME_CONTEXT);
    ck_assert_uint_eq(frame_at(FREE_FRAME)->link, vcpu_of(ANN, 5));
    ck_assert_uint_eq(state_of(vcpu_of(ANN, 5)), EXO_VCPU_OFF);
}
END_TEST

START_TEST(creation_is_refused_with_bad_arguments)
{
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 8, OWN_FRAMES, FREE_FRAME, 0x9000), EXO_BAD_NAME);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 0, OWN_FRAMES, FREE_FRAME, 0x9000), EXO_TAKEN);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, 0x9008), EXO_BAD_ARGUMENT);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, EXO_USER_LIMIT), EXO_BAD_ARGUMENT);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, ~0xfffull), EXO_BAD_ARGUMENT);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, 4096, 0x9000), EXO_BAD_NAME);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, BOB + 20, 0x9000), EXO_BAD_CAPABILITY);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANN + 4, 0x9000), EXO_TAKEN);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_SLOTS, FREE_FRAME, 0x9000), EXO_BAD_CAPABILITY);
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_FRAMES, 0, 9, EXO_RIGHT_READ | EXO_RIGHT_TAKE, FREE_FRAME, 1));
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, 9, FREE_FRAME, 0x9000), EXO_NO_RIGHT);
}
END_TEST

START_TEST(entry_is_refused_with_a_bad_name_or_address)
{
    ck_assert_int_eq(CALL(VCPU_ENTRY, 8, EXO_ENTRY_EVENT, EVENT_ENTRY), EXO_BAD_NAME);
    ck_assert_int_eq(CALL(VCPU_ENTRY, 7, EXO_ENTRY_EVENT, EVENT_ENTRY), EXO_BAD_NAME);
    ck_assert_int_eq(CALL(VCPU_ENTRY, 0, 3, EVENT_ENTRY), EXO_BAD_ARGUMENT);
    ck_assert_int_eq(CALL(VCPU_ENTRY, 0, EXO_ENTRY_EVENT, EXO_USER_LIMIT), EXO_BAD_ARGUMENT);
    ck_assert_int_eq(CALL(VCPU_ENTRY, 0, EXO_ENTRY_EVENT, 0x405000), EXO_OK);
    ck_assert_uint_eq(vcpu_at(root)->start.rip, 0x405000);
}
END_TEST

START_TEST(second_start_is_busy)
{
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_START, 0), EXO_BUSY);
    ck_assert_int_eq(CALL(VCPU_START, 0), EXO_BUSY);
    ck_assert_int_eq(CALL(VCPU_START, 7), EXO_BAD_NAME);
    ck_assert_int_eq(CALL(VCPU_START, 8), EXO_BAD_NAME);
}
END_TEST

START_TEST(start_needs_an_event_entry_and_a_space)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, 0x9000));
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_START, 5), EXO_WRONG_KIND);
    MUST(CALL_FOR(ANN_SLOT, VCPU_ENTRY, 5, EXO_ENTRY_EVENT, EVENT_ENTRY));
    frame_name space = environment_page(ANN)->root;
    environment_page(ANN)->root = 0;
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_START, 5), EXO_WRONG_KIND);
    environment_page(ANN)->root = space;
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_START, 5), EXO_OK);
    ck_assert_uint_eq(state_of(vcpu_of(ANN, 5)), EXO_VCPU_READY);
}
END_TEST

START_TEST(start_on_an_idle_slot_of_its_own_runs_at_once)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, 0x9000));
    MUST(CALL_FOR(ANN_SLOT, VCPU_ENTRY, 5, EXO_ENTRY_EVENT, EVENT_ENTRY));
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 5);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), 0);
    MUST(CALL_FOR(ANN_SLOT, VCPU_START, 5));
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), vcpu_of(ANN, 5));
    ck_assert_uint_eq(world_registers[1].rax, 0x9000);
}
END_TEST

START_TEST(stopped_virtual_processor_gives_its_page_back)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_STOP, 0));
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_OFF);
    ck_assert_uint_eq(frame_at(ANN + 4)->kind, EXO_FRAME_DATA);
    ck_assert_uint_eq(frame_at(ANN + 4)->link, 0);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), EXO_BAD_NAME);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_STOP, 8), EXO_BAD_NAME);
    ck_assert_int_eq(CALL(SLICE_YIELD_TO, ANN_SLOT, 0), EXO_BUSY);
}
END_TEST

START_TEST(stop_waits_until_the_other_processor_lets_go)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), ann);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), EXO_AGAIN);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_RUNNING);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_START, 0), EXO_BUSY);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), 0);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), EXO_OK);
}
END_TEST

START_TEST(stop_waits_while_another_lives_on_its_time)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    CALL_ON(1, SLICE_YIELD_TO, 0, 1);
    ck_assert_uint_eq(running_on(1), vcpu_of(ANN, 1));
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), EXO_AGAIN);
    interrupts_settle();
    ck_assert_uint_eq(kernel.processor[1].payer, 0);
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), EXO_OK);
}
END_TEST

START_TEST(who_stops_itself_is_gone_after_the_call)
{
    ck_assert_int_eq(CALL(VCPU_STOP, 0), EXO_AGAIN);
    ck_assert_uint_eq(machine.processor[0].interrupt, 1);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_OFF);
}
END_TEST

START_TEST(fault_without_a_handler_stops_and_tells_the_creator)
{
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    events_take(ann);
    world_registers[0] = (struct exo_registers){.rip = 0x40beef, .rsp = 0x7770, .rax = 3};
    upcall_fault(&world_registers[0], 14, 7, 0xdead000);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_FAULTED);
    ck_assert_uint_eq(context_of(ann)->exception_rip, 0x40beef);
    ck_assert_uint_eq(context_of(ann)->exception_vector, 14);
    ck_assert_uint_eq(context_of(ann)->exception_error, 7);
    ck_assert_uint_eq(context_of(ann)->exception_address, 0xdead000);
    ck_assert_uint_eq(context_of(ann)->forced.rip, 0x40beef);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending & EXO_EVENT_CHILD, EXO_EVENT_CHILD);
    ck_assert_uint_eq(context_of(bob)->pending, 0);
    ck_assert_int_eq(CALL(SLICE_YIELD_TO, ANN_SLOT, 0), EXO_BUSY);
}
END_TEST

START_TEST(fault_in_a_handler_leaves_the_first_one_readable)
{
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    events_take(ann);
    context_of(ann)->exception_busy = 1;
    context_of(ann)->exception_rip = 0x1111;
    world_registers[0].rip = 0x2222;
    upcall_fault(&world_registers[0], 6, 0, 0);
    ck_assert_uint_eq(context_of(ann)->exception_rip, 0x1111);
    ck_assert_uint_eq(context_of(ann)->forced.rip, 0x2222);
}
END_TEST

START_TEST(faulted_virtual_processor_starts_again)
{
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    upcall_fault(&world_registers[0], 6, 0, 0);
    MUST(CALL_FOR(ANN_SLOT, VCPU_START, 0));
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(fault_of_the_root_leaves_its_processor_idle)
{
    upcall_fault(&world_registers[0], 13, 0, 0);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_FAULTED);
}
END_TEST

START_TEST(event_to_one_that_does_not_exist_is_lost)
{
    vcpu_post(vcpu_of(ANN, 6), EXO_EVENT_MESSAGE);
    ck_assert_uint_eq(state_of(vcpu_of(ANN, 6)), EXO_VCPU_OFF);
}
END_TEST

START_TEST(reclaimed_page_of_one_never_started_leaves_nothing_to_start)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, FREE_FRAME, 0x9000));
    MUST(CALL_FOR(ANN_SLOT, VCPU_STOP, 5));
    ck_assert_int_eq(CALL_FOR(ANN_SLOT, VCPU_START, 5), EXO_BAD_NAME);
}
END_TEST

START_TEST(destroyed_environment_runs_nowhere)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), ann);
    MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), 0);
    ck_assert_int_eq(CALL(SLICE_YIELD_TO, ANN_SLOT, 1), EXO_BAD_CAPABILITY);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        created_virtual_processor_knows_its_page, creation_is_refused_with_bad_arguments,
        entry_is_refused_with_a_bad_name_or_address, second_start_is_busy, start_needs_an_event_entry_and_a_space,
        start_on_an_idle_slot_of_its_own_runs_at_once, stopped_virtual_processor_gives_its_page_back,
        stop_waits_until_the_other_processor_lets_go, stop_waits_while_another_lives_on_its_time,
        who_stops_itself_is_gone_after_the_call, fault_without_a_handler_stops_and_tells_the_creator,
        fault_in_a_handler_leaves_the_first_one_readable, faulted_virtual_processor_starts_again,
        fault_of_the_root_leaves_its_processor_idle, event_to_one_that_does_not_exist_is_lost,
        reclaimed_page_of_one_never_started_leaves_nothing_to_start, destroyed_environment_runs_nowhere,
    };

    return scene_run("vcpu", names_set, tests, sizeof tests / sizeof *tests);
}
