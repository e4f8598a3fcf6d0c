#include "scene.h"
#include <upcall.h>

enum { ANNS_FRAME = ANN + 20, EVENT_ENTRY = 0x400000 };

START_TEST(created_virtual_processor_knows_its_page)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9000));
    ck_assert_uint_eq(context_page(ANNS_FRAME)->self, 0x9000);
    ck_assert_uint_eq(frame_at(ANNS_FRAME)->kind, EXO_FRAME_CONTEXT);
    ck_assert_uint_eq(frame_at(ANNS_FRAME)->link, vcpu_of(ANN, 5));
    ck_assert_uint_eq(state_of(vcpu_of(ANN, 5)), EXO_VCPU_OFF);
}
END_TEST

START_TEST(creation_is_refused_with_bad_arguments)
{
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 8, OWN_FRAMES, ANNS_FRAME, 0x9000), BAD_NAME);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 0, OWN_FRAMES, ANNS_FRAME, 0x9000), TAKEN);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9008), BAD_ARGUMENT);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, EXO_USER_LIMIT), BAD_ARGUMENT);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, ~0xfffull), BAD_ARGUMENT);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, 4096, 0x9000), BAD_NAME);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, BOB + 20, 0x9000), BAD_CAPABILITY);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANN + 4, 0x9000), TAKEN);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_SLOTS, ANNS_FRAME, 0x9000), BAD_CAPABILITY);
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_FRAMES, 0, 9, EXO_RIGHT_READ | EXO_RIGHT_TAKE, ANNS_FRAME, 1));
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, 9, ANNS_FRAME, 0x9000), NO_RIGHT);
}
END_TEST

START_TEST(frame_just_freed_is_no_context_page_before_the_flush)
{
    GIVES(CALL_FOR(ANN_SLOT, FRAME_TAKE, OWN_FRAMES, ANNS_FRAME, 1), 1);
    machine.system.flush_epoch++;
    GIVES(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, ANNS_FRAME, 1), 1);
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9000), AGAIN);
    interrupts_settle();
    IS(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9000), OK);
}
END_TEST

START_TEST(entry_is_refused_with_a_bad_name_or_address)
{
    IS(CALL(VCPU_ENTRY, 8, EXO_ENTRY_EVENT, EVENT_ENTRY), BAD_NAME);
    IS(CALL(VCPU_ENTRY, 7, EXO_ENTRY_EVENT, EVENT_ENTRY), BAD_NAME);
    IS(CALL(VCPU_ENTRY, 0, 3, EVENT_ENTRY), BAD_ARGUMENT);
    IS(CALL(VCPU_ENTRY, 0, EXO_ENTRY_EVENT, EXO_USER_LIMIT), BAD_ARGUMENT);
    IS(CALL(VCPU_ENTRY, 0, EXO_ENTRY_EVENT, 0x405000), OK);
    ck_assert_uint_eq(vcpu_at(root)->start.rip, 0x405000);
}
END_TEST

START_TEST(second_start_is_busy)
{
    IS(CALL_FOR(ANN_SLOT, VCPU_START, 0), BUSY);
    IS(CALL(VCPU_START, 0), BUSY);
    IS(CALL(VCPU_START, 7), BAD_NAME);
    IS(CALL(VCPU_START, 8), BAD_NAME);
}
END_TEST

START_TEST(start_needs_an_event_entry_and_a_space)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9000));
    IS(CALL_FOR(ANN_SLOT, VCPU_START, 5), WRONG_KIND);
    MUST(CALL_FOR(ANN_SLOT, VCPU_ENTRY, 5, EXO_ENTRY_EVENT, EVENT_ENTRY));
    frame_name space = environment_page(ANN)->root;
    environment_page(ANN)->root = 0;
    IS(CALL_FOR(ANN_SLOT, VCPU_START, 5), WRONG_KIND);
    environment_page(ANN)->root = space;
    IS(CALL_FOR(ANN_SLOT, VCPU_START, 5), OK);
    ck_assert_uint_eq(state_of(vcpu_of(ANN, 5)), EXO_VCPU_READY);
}
END_TEST

START_TEST(start_on_an_idle_slot_of_its_own_runs_at_once)
{
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9000));
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
    IS(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), BAD_NAME);
    IS(CALL_FOR(ANN_SLOT, VCPU_STOP, 8), BAD_NAME);
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT, 0), BUSY);
}
END_TEST

START_TEST(stop_waits_until_the_other_processor_lets_go)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), ann);
    IS(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), AGAIN);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_RUNNING);
    IS(CALL_FOR(ANN_SLOT, VCPU_START, 0), BUSY);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), 0);
    IS(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), OK);
}
END_TEST

START_TEST(stop_waits_while_another_lives_on_its_time)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    CALL_ON(1, SLICE_YIELD_TO, 0, 1);
    ck_assert_uint_eq(running_on(1), vcpu_of(ANN, 1));
    IS(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), AGAIN);
    interrupts_settle();
    ck_assert_uint_eq(kernel.processor[1].payer, 0);
    IS(CALL_FOR(ANN_SLOT, VCPU_STOP, 0), OK);
}
END_TEST

START_TEST(who_stops_itself_is_gone_after_the_call)
{
    IS(CALL(VCPU_STOP, 0), AGAIN);
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
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT, 0), BUSY);
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
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 5, OWN_FRAMES, ANNS_FRAME, 0x9000));
    MUST(CALL_FOR(ANN_SLOT, VCPU_STOP, 5));
    IS(CALL_FOR(ANN_SLOT, VCPU_START, 5), BAD_NAME);
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
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT, 1), BAD_CAPABILITY);
}
END_TEST

START_TEST(every_entry_is_set_where_the_machine_looks_for_it)
{
    IS(CALL(VCPU_ENTRY, 0, EXO_ENTRY_EXCEPTION, 0x401000), OK);
    IS(CALL(VCPU_ENTRY, 0, EXO_ENTRY_FOREIGN, 0x402000), OK);
    ck_assert_uint_eq(vcpu_at(root)->entry[EXO_ENTRY_EXCEPTION], 0x401000);
    ck_assert_uint_eq(vcpu_at(root)->entry[EXO_ENTRY_FOREIGN], 0x402000);
    IS(CALL(VCPU_ENTRY, 0, EXO_ENTRY_EXCEPTION, EXO_USER_LIMIT), BAD_ARGUMENT);
}
END_TEST

UNIT_SUITE(vcpu, scene_setup, created_virtual_processor_knows_its_page, creation_is_refused_with_bad_arguments,
           frame_just_freed_is_no_context_page_before_the_flush, entry_is_refused_with_a_bad_name_or_address,
           second_start_is_busy, start_needs_an_event_entry_and_a_space,
           start_on_an_idle_slot_of_its_own_runs_at_once, stopped_virtual_processor_gives_its_page_back,
           stop_waits_until_the_other_processor_lets_go, stop_waits_while_another_lives_on_its_time,
           who_stops_itself_is_gone_after_the_call, fault_without_a_handler_stops_and_tells_the_creator,
           fault_in_a_handler_leaves_the_first_one_readable, faulted_virtual_processor_starts_again,
           fault_of_the_root_leaves_its_processor_idle, event_to_one_that_does_not_exist_is_lost,
           reclaimed_page_of_one_never_started_leaves_nothing_to_start, destroyed_environment_runs_nowhere,
           every_entry_is_set_where_the_machine_looks_for_it)
