#include "scene.h"
#include <upcall.h>

enum {
    BACK_SLOT = 3,  /* in the actors' tables: the root's environment, to grant back to it */
    ANN_GATE = 30, BOB_GATE = 31, /* in the root's */
    ENTRY = 0x500000, STACK = 0x600000, BADGE = 99, OWN_GATE = 10,
};

/* The root yields to the actor, which opens gate 2 on its virtual processor 0, grants it to the root, and waits. */
static void gate_make(uint32_t actor, frame_name environment, uint32_t root_slot)
{
    gate_name gate = environment * GATES_PER_ENVIRONMENT + 2;

    MUST(CALL(CAPABILITY_DERIVE, ROOT_SELF, actor, BACK_SLOT, RIGHTS_GIVEN, ROOT, 1));
    CALL(SLICE_YIELD_TO, actor, 0);
    ck_assert_uint_eq(running_on(0), vcpu_of(environment, 0));
    events_take(vcpu_of(environment, 0));
    MUST(CALL(GATE_CREATE, 2, 0, ENTRY, STACK, OWN_GATE));
    MUST(CALL(CAPABILITY_DERIVE, OWN_GATE, BACK_SLOT, root_slot, EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_GRANT, gate,
              BADGE));
    CALL(SLICE_SLEEP, EXO_NEVER, EXO_EVENT_MESSAGE, 1);
    ck_assert_uint_eq(running_on(0), root);
    events_take(root);
}

static void gates_make(void)
{
    scene_setup();
    gate_make(ANN_SLOT, ANN, ANN_GATE);
    gate_make(BOB_SLOT, BOB, BOB_GATE);
    MUST(CALL(CAPABILITY_DERIVE, BOB_GATE, ANN_SLOT, BOB_GATE, EXO_RIGHT_EXECUTE, BOB * GATES_PER_ENVIRONMENT + 2, BADGE));
}

/* The root's place when it calls. */
static void place_set(void)
{
    world_registers[0] = (struct exo_registers){.rip = 0x401000, .rsp = 0x7000000, .rflags = 0x246};
}

START_TEST(call_enters_the_gate_with_badge_and_message)
{
    place_set();
    world_registers[0].rbx = 6;
    world_registers[0].r15 = 7;
    CALL(GATE_CALL, ANN_GATE, 1, 2, 3, 4, 5);
    const struct exo_registers *now = &world_registers[0];
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(now->rip, ENTRY);
    ck_assert_uint_eq(now->rsp, STACK);
    ck_assert_uint_eq(now->rflags, 0x202);
    ck_assert_uint_eq(now->rax, BADGE);
    ck_assert_uint_eq(now->rdi, 2);
    ck_assert_uint_eq(now->rsi, 1);
    ck_assert_uint_eq(now->rdx, 2);
    ck_assert_uint_eq(now->r10, 3);
    ck_assert_uint_eq(now->r8, 4);
    ck_assert_uint_eq(now->r9, 5);
    ck_assert_uint_eq(now->rbx, 6);
    ck_assert_uint_eq(now->r15, 7);
    ck_assert_uint_eq(now->rcx | now->r11, 0);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_CALLING);
    ck_assert_uint_eq(processor_info(0)->payer, root);
}
END_TEST

START_TEST(reply_returns_to_the_callers_place)
{
    place_set();
    CALL(GATE_CALL, ANN_GATE);
    world_registers[0].r14 = 8;
    CALL(GATE_REPLY, 0, 11, 12, 13, 14, 15);
    const struct exo_registers *now = &world_registers[0];
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(now->rip, 0x401000);
    ck_assert_uint_eq(now->rsp, 0x7000000);
    ck_assert_uint_eq(now->rflags, 0x246);
    ck_assert_uint_eq(now->rax, EXO_OK);
    ck_assert_uint_eq(now->rsi, 11);
    ck_assert_uint_eq(now->r9, 15);
    ck_assert_uint_eq(now->r14, 8);
    ck_assert_uint_eq(now->rdi | now->rcx | now->r11, 0);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_WAITING);
    ck_assert_uint_eq(vcpu_at(ann)->caller, 0);
}
END_TEST

START_TEST(call_needs_a_gate_capability_with_the_right)
{
    MUST(CALL(CAPABILITY_DERIVE, ANN_GATE, 0, 40, EXO_RIGHT_WRITE, ANN * GATES_PER_ENVIRONMENT + 2, BADGE));
    IS(CALL(GATE_CALL, 40), NO_RIGHT);
    IS(CALL(GATE_CALL, ROOT_FRAMES), BAD_CAPABILITY);
    IS(CALL(GATE_CALL, 77), BAD_CAPABILITY);
    IS(CALL(GATE_CALL, 128), BAD_CAPABILITY);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_WAITING);
}
END_TEST

START_TEST(server_that_does_not_wait_is_busy)
{
    CALL(GATE_CALL, ANN_GATE);
    ck_assert_uint_eq(running_on(0), ann);
    IS(CALL(GATE_CALL, OWN_GATE), BUSY);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(callers_later_slots_run_the_callee)
{
    slot_give(BOB_SLOT, 1, 1);
    CALL(GATE_CALL, ANN_GATE);
    time_pass(0, MS);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_END);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), vcpu_of(BOB, 1));
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_READY);
    time_pass(0, 2 * MS);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(processor_info(0)->payer, root);
    CALL(GATE_REPLY, 0);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(callee_goes_on_across_the_callers_slots)
{
    CALL(GATE_CALL, ANN_GATE);
    time_pass(0, 3 * MS);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(context_of(ann)->pending, 0);
}
END_TEST

START_TEST(timer_ends_the_call_and_the_reply_is_too_late)
{
    CALL(TIMER_SET, 5000);
    place_set();
    CALL(GATE_CALL, ANN_GATE);
    world_registers[0].rip = 0x500020;
    time_pass(0, 5000);
    ck_assert_uint_eq(running_on(0), root);
    COMES_BACK(0, TIMED_OUT);
    ck_assert_uint_eq(world_registers[0].rip, 0x401000);
    ck_assert_uint_eq(world_registers[0].rbx, 0);
    ck_assert_uint_eq(context_of(ann)->forced.rip, 0x500020);
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    ck_assert_uint_eq(running_on(0), ann);
    IS(CALL(GATE_REPLY, 0), GONE);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(reply_without_a_call_or_with_a_mode_is_refused)
{
    IS(CALL(GATE_REPLY, 0), GONE);
    IS(CALL(GATE_REPLY, 1), BAD_ARGUMENT);
}
END_TEST

START_TEST(call_ends_when_the_callee_is_stopped)
{
    slot_give(BOB_SLOT, SLOTS_PER_PROCESSOR, 1);
    CALL(GATE_CALL, ANN_GATE);
    CALL(SLICE_SLEEP, EXO_NEVER, 0, 0);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert(vcpu_stop_now(ann));
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), root);
    COMES_BACK(0, GONE);
    IS(CALL(GATE_CALL, ANN_GATE), BUSY);
}
END_TEST

START_TEST(call_ends_when_the_callee_faults)
{
    place_set();
    CALL(GATE_CALL, ANN_GATE);
    upcall_fault(&world_registers[0], 14, 6, 0x1234);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->event.rax, (uint64_t)EXO_GONE);
    ck_assert_uint_eq(context_of(root)->event.rip, 0x401000);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_CHILD);
    ck_assert_uint_eq(world_registers[0].rip, 0x400000);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_FAULTED);
}
END_TEST

START_TEST(nested_calls_unwind)
{
    CALL(GATE_CALL, ANN_GATE);
    CALL(GATE_CALL, BOB_GATE);
    ck_assert_uint_eq(running_on(0), bob);
    ck_assert_uint_eq(vcpu_at(bob)->depth, 2);
    ck_assert_uint_eq(processor_info(0)->payer, root);
    CALL(GATE_REPLY, 0);
    ck_assert_uint_eq(running_on(0), ann);
    CALL(GATE_REPLY, 0);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(inner_timer_cuts_a_nested_call)
{
    CALL(GATE_CALL, ANN_GATE);
    CALL(TIMER_SET, 7000);
    CALL(GATE_CALL, BOB_GATE);
    time_pass(0, 7000);
    ck_assert_uint_eq(running_on(0), ann);
    COMES_BACK(0, TIMED_OUT);
    ck_assert_uint_eq(state_of(bob), EXO_VCPU_READY);
    CALL(GATE_REPLY, 0);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(calls_nest_no_deeper_than_the_limit)
{
    vcpu_at(root)->depth = DEPTH_MAX;
    IS(CALL(GATE_CALL, ANN_GATE), BUSY);
    vcpu_at(root)->depth = 0;
}
END_TEST

START_TEST(reply_to_a_stopped_client_is_gone)
{
    CALL(GATE_CALL, ANN_GATE);
    CALL(SLICE_SLEEP, 1000, 0, 0);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert(vcpu_stop_now(root));
    slot_at(0)->vcpu = ann;
    slot_at(0)->owner = ANN;
    time_pass(0, 1000);
    ck_assert_uint_eq(running_on(0), ann);
    IS(CALL(GATE_REPLY, 0), GONE);
    scene_setup();
}
END_TEST

START_TEST(reply_in_the_callees_own_slot_keeps_the_message)
{
    slot_give(ANN_SLOT, 1, 0);
    place_set();
    CALL(GATE_CALL, ANN_GATE);
    CALL(SLICE_SLEEP, MS, 0, 0);
    ck_assert_uint_eq(running_on(0), 0);
    time_pass(0, MS);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(processor_info(0)->payer, ann);
    world_registers[0].rbp = 21;
    CALL(GATE_REPLY, 0, 31, 32, 33, 34, 35);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_READY);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_WAITING);
    time_pass(0, 2 * MS);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(world_registers[0].rip, 0x401000);
    ck_assert_uint_eq(world_registers[0].rax, EXO_OK);
    ck_assert_uint_eq(world_registers[0].rsi, 31);
    ck_assert_uint_eq(world_registers[0].r9, 35);
    ck_assert_uint_eq(world_registers[0].rbp, 21);
}
END_TEST

START_TEST(event_during_a_call_comes_with_the_reply)
{
    place_set();
    CALL(GATE_CALL, ANN_GATE);
    vcpu_post(root, EXO_EVENT_MESSAGE);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), ann);
    CALL(GATE_REPLY, 0);
    interrupts_settle();
    ck_assert_uint_eq(context_of(root)->event.rip, 0x401000);
    ck_assert_uint_eq(context_of(root)->event.rax, EXO_OK);
    ck_assert_uint_eq(world_registers[0].rip, 0x400000);
}
END_TEST

START_TEST(message_to_a_busy_server_wakes_it_after_the_reply)
{
    CALL(GATE_CALL, ANN_GATE);
    context_of(ann)->event_busy = 1;
    vcpu_post(ann, EXO_EVENT_MESSAGE);
    interrupts_settle();
    CALL(GATE_REPLY, 0);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_READY);
}
END_TEST

START_TEST(server_that_waits_without_replying_gives_up)
{
    CALL(GATE_CALL, ANN_GATE);
    CALL(SLICE_SLEEP, EXO_NEVER, 0, 1);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), root);
    COMES_BACK(0, GONE);
}
END_TEST

START_TEST(sleeping_callee_wakes_on_its_callers_slot)
{
    CALL(GATE_CALL, ANN_GATE);
    CALL(SLICE_SLEEP, 9000, EXO_EVENT_MESSAGE, 0);
    ck_assert_uint_eq(running_on(0), 0);
    vcpu_post(ann, EXO_EVENT_MESSAGE);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), ann);
    CALL(SLICE_SLEEP, 9000, 0, 0);
    time_pass(0, 9000);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(message_is_put_into_the_inbox_and_wakes)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    MUST(CALL(GATE_SEND, ANN_GATE, 1, 2, 3, 4, 5));
    const struct exo_context *context = context_of(ann);
    ck_assert_uint_eq(context->inbox_full, 1);
    ck_assert_uint_eq(context->inbox_badge, BADGE);
    ck_assert_uint_eq(context->inbox[0], 1);
    ck_assert_uint_eq(context->inbox[4], 5);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), ann);
    ck_assert_uint_eq(context->pending, EXO_EVENT_START | EXO_EVENT_FRESH | EXO_EVENT_MESSAGE);
}
END_TEST

START_TEST(full_inbox_is_busy)
{
    MUST(CALL(GATE_SEND, ANN_GATE, 1, 2, 3, 4, 5));
    IS(CALL(GATE_SEND, ANN_GATE, 9, 9, 9, 9, 9), BUSY);
    ck_assert_uint_eq(context_of(ann)->inbox[0], 1);
}
END_TEST

START_TEST(send_needs_a_gate_capability_with_the_right)
{
    MUST(CALL(CAPABILITY_DERIVE, ANN_GATE, 0, 40, EXO_RIGHT_EXECUTE, ANN * GATES_PER_ENVIRONMENT + 2, BADGE));
    IS(CALL(GATE_SEND, 40), NO_RIGHT);
    IS(CALL(GATE_SEND, ROOT_SLOTS), BAD_CAPABILITY);
}
END_TEST

START_TEST(replaced_gate_ends_its_capabilities)
{
    CALL(SLICE_YIELD_TO, BOB_SLOT, 1);
    MUST(CALL(GATE_CREATE, 2, 0, ENTRY + 8, STACK, OWN_GATE));
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), root);
    IS(CALL(GATE_CALL, BOB_GATE), BAD_CAPABILITY);
}
END_TEST

START_TEST(call_after_a_withdrawal_forgets_what_was_checked)
{
    for (uint32_t i = 0; i < 3; i++) {
        CALL(GATE_CALL, ANN_GATE);
        ck_assert_uint_eq(running_on(0), ann);
        CALL(GATE_REPLY, 0);
    }
    ck_assert_uint_eq(kernel.processor[0].gate[ANN_GATE % RECENT_MAX].slot, ANN_GATE);
    IS(CALL(GATE_CALL, ANN_GATE + RECENT_MAX), BAD_CAPABILITY);
    exo_result result = CALL(CAPABILITY_WITHDRAW, 0, ROOT, ANN_GATE);
    ck_assert(result == EXO_OK || result == EXO_AGAIN); /* the other processor has still to flush */
    IS(CALL(GATE_CALL, ANN_GATE), BAD_CAPABILITY);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(checked_slot_of_one_environment_opens_nothing_for_another)
{
    CALL(GATE_CALL, ANN_GATE);
    CALL(GATE_REPLY, 0);
    CALL(SLICE_YIELD_TO, BOB_SLOT, 1);
    IS(CALL(GATE_CALL, ANN_GATE), BAD_CAPABILITY);
    IS(CALL(GATE_CALL, ANN_GATE | 1ull << 16), BAD_ARGUMENT);
}
END_TEST

START_TEST(timer_of_a_gates_server_is_kept)
{
    vcpu_at(ann)->timer = 600000;
    CALL(GATE_CALL, ANN_GATE);
    ck_assert_uint_eq(machine.processor[0].timer, 600000);
    events_take(ann);
    time_pass(0, 600000);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_TIMER);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(gate_of_a_dead_environment_is_closed)
{
    MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
    IS(CALL(GATE_CALL, ANN_GATE), BAD_CAPABILITY);
    IS(CALL(GATE_SEND, ANN_GATE), BAD_CAPABILITY);
}
END_TEST

START_TEST(gate_is_refused_with_a_bad_index_address_or_slot)
{
    IS(CALL(GATE_CREATE, 16, 0, ENTRY, STACK, 50), BAD_ARGUMENT);
    IS(CALL(GATE_CREATE, 0, 8, ENTRY, STACK, 50), BAD_NAME);
    IS(CALL(GATE_CREATE, 0, 0, EXO_USER_LIMIT, STACK, 50), BAD_ARGUMENT);
    IS(CALL(GATE_CREATE, 0, 0, ENTRY, EXO_USER_LIMIT, 50), BAD_ARGUMENT);
    IS(CALL(GATE_CREATE, 0, 0, ENTRY, STACK, 0), BAD_NAME);
    IS(CALL(GATE_CREATE, 0, 0, ENTRY, STACK, 4000), BAD_NAME);
    IS(CALL(GATE_CREATE, 0, 0, ENTRY, STACK, ROOT_SLOTS), TAKEN);
    IS(CALL(GATE_CREATE, 0, 0, ENTRY, STACK, 50), OK);
}
END_TEST

START_TEST(gate_of_an_environment_at_the_greatest_depth_is_refused)
{
    enum { DEEP = 100, DEEP_SLOT = 60 };
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 51, RIGHTS_GIVEN, DEEP, 20));
    for (uint32_t depth = 2; depth < DEPTH_MAX; depth++)
        MUST(CALL(CAPABILITY_DERIVE, 49 + depth, 0, 50 + depth, RIGHTS_GIVEN, DEEP, 20));
    MUST(CALL(ENVIRONMENT_CREATE, 49 + DEPTH_MAX, DEEP, DEEP_SLOT));
    MUST(CALL(ENVIRONMENT_EXTEND, DEEP_SLOT, ROOT_FRAMES, DEEP + 1, 0));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, DEEP_SLOT, 1, RIGHTS_GIVEN, DEEP, 20));
    world_vcpu(DEEP_SLOT, 0, 1, DEEP + 2, DEEP + 3);
    CALL(SLICE_YIELD_TO, DEEP_SLOT, 0);
    ck_assert_uint_eq(running_on(0), vcpu_of(DEEP, 0));
    IS(CALL(GATE_CREATE, 0, 0, ENTRY, STACK, 2), TOO_DEEP);
}
END_TEST

START_TEST(reply_goes_the_long_way_when_the_clients_timer_comes_first)
{
    CALL(TIMER_SET, 5000);
    place_set();
    CALL(GATE_CALL, ANN_GATE);
    kernel.processor[0].armed = EXO_NEVER;
    CALL(GATE_REPLY, 0, 11);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(world_registers[0].rip, 0x401000);
    ck_assert_uint_eq(world_registers[0].rsi, 11);
    ck_assert_uint_eq(kernel.processor[0].armed, 5000);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_WAITING);
}
END_TEST

UNIT_SUITE(gate, gates_make, gate_of_an_environment_at_the_greatest_depth_is_refused,
           call_enters_the_gate_with_badge_and_message, reply_returns_to_the_callers_place,
           call_needs_a_gate_capability_with_the_right, server_that_does_not_wait_is_busy,
           callers_later_slots_run_the_callee, callee_goes_on_across_the_callers_slots,
           timer_ends_the_call_and_the_reply_is_too_late, reply_without_a_call_or_with_a_mode_is_refused,
           call_ends_when_the_callee_is_stopped, call_ends_when_the_callee_faults, nested_calls_unwind,
           inner_timer_cuts_a_nested_call, calls_nest_no_deeper_than_the_limit, reply_to_a_stopped_client_is_gone,
           reply_in_the_callees_own_slot_keeps_the_message, event_during_a_call_comes_with_the_reply,
           message_to_a_busy_server_wakes_it_after_the_reply, server_that_waits_without_replying_gives_up,
           sleeping_callee_wakes_on_its_callers_slot, message_is_put_into_the_inbox_and_wakes, full_inbox_is_busy,
           send_needs_a_gate_capability_with_the_right, call_after_a_withdrawal_forgets_what_was_checked,
           checked_slot_of_one_environment_opens_nothing_for_another, timer_of_a_gates_server_is_kept,
           replaced_gate_ends_its_capabilities, gate_of_a_dead_environment_is_closed,
           gate_is_refused_with_a_bad_index_address_or_slot,
           reply_goes_the_long_way_when_the_clients_timer_comes_first)
