#include "scene.h"
#include <upcall.h>

START_TEST(owner_of_consecutive_slots_is_not_interrupted)
{
    time_pass(0, 5 * MS + 7);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending, 0);
    ck_assert_uint_eq(kernel.processor[0].slot, 5);
    ck_assert_uint_eq(slot_at(5)->turns, 1);
}
END_TEST

START_TEST(slice_ends_with_an_upcall_that_keeps_the_state)
{
    slot_give(ANN_SLOT, 1, 0);
    world_registers[0] = (struct exo_registers){.rip = 0x401234, .rbx = 7, .rflags = 0x202};
    time_pass(0, MS);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_END);
    ck_assert_uint_eq(context_of(root)->event.rip, 0x401234);
    ck_assert_uint_eq(context_of(root)->event.rbx, 7);
    ck_assert_uint_eq(world_registers[0].rip, 0x400000);
    ck_assert_uint_eq(world_registers[0].rax, CONTEXT_ADDRESS);
    ck_assert_uint_eq(world_registers[0].rbx, 0);
    ck_assert_uint_eq(world_registers[0].rflags, 0x202);
}
END_TEST

START_TEST(next_owner_starts_fresh_when_the_last_yields)
{
    slot_give(ANN_SLOT, 1, 0);
    time_pass(0, MS + 1000);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_READY);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_START | EXO_EVENT_FRESH);
    ck_assert_uint_eq(world_registers[0].rax, CONTEXT_ADDRESS);
    ck_assert_uint_eq(processor_info(0)->running, ann);
    ck_assert_uint_eq(processor_info(0)->payer, ann);
}
END_TEST

START_TEST(what_is_used_past_the_end_is_the_payers_debt)
{
    slot_give(ANN_SLOT, 1, 0);
    time_pass(0, MS + 1000);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(vcpu_at(root)->excess_ns, 1000);
    time_pass(0, 2 * MS);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->excess_ns, 1000);
}
END_TEST

START_TEST(slice_past_its_grace_is_saved_by_force)
{
    slot_give(ANN_SLOT, 1, 0);
    time_pass(0, MS);
    world_registers[0].r12 = 77;
    time_pass(0, MS + EXO_GRACE_NS);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(context_of(root)->forced.r12, 77);
    ck_assert_uint_eq(machine_log.fpu_saves, 1);
    ck_assert_uint_eq(vcpu_at(root)->excess_ns, EXO_GRACE_NS);
    ck_assert_uint_eq(processor_info(0)->forced, 1);
    time_pass(0, 2 * MS);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_START | EXO_EVENT_FRESH | EXO_EVENT_FORCED);
}
END_TEST

START_TEST(busy_handler_is_not_entered_again_at_the_end)
{
    slot_give(ANN_SLOT, 1, 0);
    context_of(root)->event_busy = 1;
    world_registers[0].rip = 0x401234;
    time_pass(0, MS);
    ck_assert_uint_eq(world_registers[0].rip, 0x401234);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_END);
    time_pass(0, MS + EXO_GRACE_NS);
    ck_assert_uint_eq(running_on(0), ann);
}
END_TEST

START_TEST(forced_state_is_kept_until_it_is_taken_off)
{
    upcall_force(root, arch_time(), &(struct exo_registers){.rbx = 1});
    upcall_force(root, arch_time(), &(struct exo_registers){.rbx = 2});
    ck_assert_uint_eq(context_of(root)->forced.rbx, 1);
    events_take(root);
    upcall_force(root, arch_time(), &(struct exo_registers){.rbx = 3});
    ck_assert_uint_eq(context_of(root)->forced.rbx, 3);
}
END_TEST

START_TEST(who_has_not_taken_its_start_off_starts_again)
{
    context_of(root)->pending = EXO_EVENT_START | EXO_EVENT_FRESH;
    upcall_force(root, arch_time(), &(struct exo_registers){.rbx = 1});
    ck_assert_uint_eq(context_of(root)->pending & EXO_EVENT_FORCED, 0);
    ck_assert_uint_eq(context_of(root)->forced.rbx, 0);
}
END_TEST

START_TEST(a_whole_slot_of_debt_forfeits_a_slot)
{
    vcpu_at(root)->excess_ns = MS + 5;
    time_pass(0, MS);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_END);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert_uint_eq(vcpu_at(root)->excess_ns, 5);
    time_pass(0, 2 * MS);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(slice_given_up_is_not_taken_back)
{
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), 0);
    vcpu_post(root, EXO_EVENT_MESSAGE);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), 0);
    time_pass(0, MS);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_START | EXO_EVENT_FRESH | EXO_EVENT_MESSAGE);
    ck_assert_uint_eq(processor_info(0)->idle_ns, MS);
}
END_TEST

START_TEST(sleeper_wakes_at_its_deadline)
{
    CALL(SLICE_SLEEP, 300000, 0, 0);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_ASLEEP);
    ck_assert_uint_eq(machine.processor[0].timer, 300000);
    time_pass(0, 300000);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_START | EXO_EVENT_FRESH | EXO_EVENT_TIMER);
    ck_assert_uint_eq(vcpu_at(root)->timer, EXO_NEVER);
}
END_TEST

START_TEST(sleeper_wakes_for_an_event_it_waits_for)
{
    CALL(SLICE_SLEEP, EXO_NEVER, EXO_EVENT_MESSAGE, 0);
    vcpu_post(root, EXO_EVENT_CHILD);
    interrupts_settle();
    ck_assert_uint_eq(state_of(root), EXO_VCPU_ASLEEP);
    machine.current = 1;
    vcpu_post(root, EXO_EVENT_MESSAGE);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending,
                      EXO_EVENT_START | EXO_EVENT_FRESH | EXO_EVENT_MESSAGE | EXO_EVENT_CHILD);
}
END_TEST

START_TEST(sleep_returns_at_once_for_what_is_pending)
{
    context_of(root)->pending = EXO_EVENT_MESSAGE;
    IS(CALL(SLICE_SLEEP, EXO_NEVER, EXO_EVENT_MESSAGE, 1), OK);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_RUNNING);
}
END_TEST

START_TEST(sleep_for_unknown_events_is_refused)
{
    IS(CALL(SLICE_SLEEP, EXO_NEVER, EXO_EVENT_START, 0), BAD_ARGUMENT);
    IS(CALL(SLICE_SLEEP, EXO_NEVER, 1u << 31, 0), BAD_ARGUMENT);
    IS(CALL(SLICE_SLEEP, EXO_NEVER, 0, 2), BAD_ARGUMENT);
    ck_assert_uint_eq(vcpu_at(root)->timer, EXO_NEVER);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(sleeper_past_its_deadline_starts_in_its_next_slot)
{
    slot_give(ANN_SLOT, 1, 0);
    CALL(SLICE_SLEEP, MS + 1, 0, 0);
    time_pass(0, MS + 10);
    ck_assert_uint_eq(running_on(0), ann);
    time_pass(0, 2 * MS);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending & EXO_EVENT_TIMER, EXO_EVENT_TIMER);
}
END_TEST

START_TEST(timer_interrupts_who_set_it)
{
    IS(CALL(TIMER_SET, 400), OK);
    ck_assert_uint_eq(machine.processor[0].timer, 400);
    world_registers[0].rip = 0x401000;
    time_pass(0, 400);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_TIMER);
    ck_assert_uint_eq(context_of(root)->event_busy, 1);
    ck_assert_uint_eq(context_of(root)->event.rip, 0x401000);
    ck_assert_uint_eq(world_registers[0].rip, 0x400000);
}
END_TEST

START_TEST(timer_cancelled_does_not_fire)
{
    CALL(TIMER_SET, 400);
    CALL(TIMER_SET, EXO_NEVER);
    time_pass(0, 500);
    ck_assert_uint_eq(context_of(root)->pending, 0);
}
END_TEST

START_TEST(borrower_runs_while_the_owner_sleeps_and_is_recalled)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    CALL(SLICE_SLEEP, 300000, 0, 0);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(processor_info(0)->payer, ann);
    events_take(ann);
    world_registers[0] = (struct exo_registers){.rip = 0x402000, .rbp = 9};
    time_pass(0, 300000);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_READY);
    ck_assert_uint_eq(context_of(ann)->forced.rip, 0x402000);
    ck_assert_uint_eq(context_of(ann)->forced.rbp, 9);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_FORCED);
    ck_assert_uint_eq(vcpu_at(ann)->excess_ns, 0);
}
END_TEST

START_TEST(message_recalls_a_lent_slot)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    CALL(SLICE_SLEEP, EXO_NEVER, EXO_EVENT_MESSAGE, 0);
    ck_assert_uint_eq(running_on(0), ann);
    vcpu_post(root, EXO_EVENT_MESSAGE);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(recall_takes_the_slot_from_whom_the_borrower_yielded_to)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    CALL(SLICE_SLEEP, 300000, 0, 0);
    CALL(SLICE_YIELD_TO, 0, 1);
    ck_assert_uint_eq(running_on(0), vcpu_of(ANN, 1));
    ck_assert_uint_eq(processor_info(0)->payer, ann);
    time_pass(0, 300000);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(state_of(vcpu_of(ANN, 1)), EXO_VCPU_READY);
}
END_TEST

START_TEST(borrower_that_yields_leaves_the_slot_idle)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), ann);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), 0);
}
END_TEST

START_TEST(sleeping_borrower_wakes_in_the_lent_slot)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    CALL(SLICE_SLEEP, EXO_NEVER, 0, 0);
    CALL(SLICE_SLEEP, 5000, 0, 0);
    ck_assert_uint_eq(running_on(0), 0);
    time_pass(0, 5000);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(processor_info(0)->payer, ann);
}
END_TEST

START_TEST(borrower_gets_the_end_when_the_loan_ends)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    CALL(SLICE_SLEEP, EXO_NEVER, 0, 0);
    events_take(ann);
    slot_at(0)->borrower = 0;
    slice_slot_changed(0);
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_END);
}
END_TEST

/* Root owns slots 0 and 1, lends them to two; both loans are recalled at once. */
static void loans_of_two_slots(uint64_t wake)
{
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 0, ANN_SLOT, 0));
    MUST(CALL(SLOT_LEND, ROOT_SLOTS, 1, ANN_SLOT, 1));
    CALL(SLICE_SLEEP, wake, 0, 0);
    ck_assert_uint_eq(running_on(0), ann);
    events_take(ann);
}

START_TEST(lender_waits_for_no_grace_at_the_boundary)
{
    loans_of_two_slots(MS);
    world_registers[0] = (struct exo_registers){.rip = 0x402000};
    time_pass(0, MS);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(ann)->forced.rip, 0x402000);
    ck_assert_uint_eq(kernel.processor[0].ending, 0);
}
END_TEST

START_TEST(lender_waits_for_no_grace_after_the_boundary)
{
    loans_of_two_slots(MS + 1000);
    time_pass(0, MS);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_END);
    time_pass(0, MS + 1000);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(vcpu_at(ann)->excess_ns, 1000);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_READY);
}
END_TEST

START_TEST(borrower_has_its_grace_before_the_next_one)
{
    loans_of_two_slots(2 * MS - 1);
    time_pass(0, MS + 1000);
    ck_assert_uint_eq(running_on(0), ann);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), vcpu_of(ANN, 1));
}
END_TEST

START_TEST(directed_yield_passes_the_slice_and_not_the_debt)
{
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    ck_assert_uint_eq(running_on(0), ann);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_READY);
    ck_assert_uint_eq(processor_info(0)->payer, root);
    ck_assert_uint_eq(world_registers[0].rax, CONTEXT_ADDRESS);
    events_take(ann);
    time_pass(0, MS);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_END);
    time_pass(0, MS + EXO_GRACE_NS);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(vcpu_at(root)->excess_ns, EXO_GRACE_NS);
    ck_assert_uint_eq(vcpu_at(ann)->excess_ns, 0);
}
END_TEST

START_TEST(who_was_yielded_to_gives_the_slice_back)
{
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(directed_yield_after_a_withdrawal_is_refused)
{
    for (uint32_t i = 0; i < 3; i++) {
        CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
        ck_assert_uint_eq(running_on(0), ann);
        ck_assert_uint_eq(context_of(ann)->pending & EXO_EVENT_FRESH, EXO_EVENT_FRESH);
        ck_assert_uint_eq(world_registers[0].rip, 0x400000);
        CALL(SLICE_YIELD);
    }
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT + RECENT_MAX, 0), BAD_CAPABILITY);
    MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT, 0), BAD_CAPABILITY);
    ck_assert_uint_eq(running_on(0), root);
}
END_TEST

START_TEST(directed_yield_is_refused_without_right_or_target)
{
    MUST(CALL(CAPABILITY_DERIVE, ANN_SLOT, 0, 40, EXO_RIGHT_READ, ANN, 1));
    IS(CALL(SLICE_YIELD_TO, 40, 0), NO_RIGHT);
    IS(CALL(SLICE_YIELD_TO, ROOT_FRAMES, 0), BAD_CAPABILITY);
    IS(CALL(SLICE_YIELD_TO, 99, 0), BAD_CAPABILITY);
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT, 8), BAD_NAME);
    IS(CALL(SLICE_YIELD_TO, ANN_SLOT, 7), BUSY);
    IS(CALL(SLICE_YIELD_TO, 0, 0), BUSY);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(state_of(root), EXO_VCPU_RUNNING);
}
END_TEST

START_TEST(directed_yield_past_the_end_only_yields)
{
    slot_give(BOB_SLOT, 1, 0);
    time_pass(0, MS);
    CALL(SLICE_YIELD_TO, ANN_SLOT, 0);
    ck_assert_uint_eq(running_on(0), bob);
    ck_assert_uint_eq(state_of(ann), EXO_VCPU_READY);
}
END_TEST

START_TEST(one_virtual_processor_is_on_one_processor)
{
    for (uint32_t i = 0; i < SLOTS_PER_PROCESSOR; i++)
        slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR + i, 0);
    slot_give(ANN_SLOT, 1, 0);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), ann);
    time_pass(0, MS);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_END);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), 0);
    ck_assert_uint_eq(running_on(1), ann);
    IS(CALL_ON(1, SLICE_YIELD_TO, 0, 0), BUSY);
}
END_TEST

START_TEST(event_for_who_runs_elsewhere_is_delivered_there)
{
    slot_give(ANN_SLOT, SLOTS_PER_PROCESSOR, 0);
    interrupts_settle();
    ck_assert_uint_eq(running_on(1), ann);
    events_take(ann);
    world_registers[1].rip = 0x403000;
    vcpu_post(ann, EXO_EVENT_MESSAGE);
    ck_assert_uint_eq(machine.processor[1].interrupt, 1);
    interrupts_settle();
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_MESSAGE);
    ck_assert_uint_eq(context_of(ann)->event.rip, 0x403000);
    ck_assert_uint_eq(world_registers[1].rip, 0x400000);
}
END_TEST

START_TEST(slot_that_is_given_up_ends_the_slice)
{
    MUST(CALL(SLOT_FREE, ROOT_SLOTS, 0));
    interrupts_settle();
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(context_of(root)->pending, EXO_EVENT_END);
    CALL(SLICE_YIELD);
    ck_assert_uint_eq(running_on(0), 0);
}
END_TEST

START_TEST(interrupt_flushes_what_the_epoch_asks_for)
{
    processor_info(1)->flushed = 0;
    system_info()->flush_epoch = 5;
    world_interrupt(1);
    ck_assert_uint_eq(processor_info(1)->flushed, 5);
}
END_TEST

START_TEST(time_past_32_bits_of_nanoseconds_keeps_the_vector)
{
    uint64_t far = (1ull << 53) / MS * MS;

    CALL(SLICE_SLEEP, far + 7, 0, 0);
    machine.time = far + 7;
    world_timer(0);
    ck_assert_uint_eq(running_on(0), root);
    ck_assert_uint_eq(kernel.processor[0].slot_end, far + MS);
    ck_assert_uint_eq(kernel.processor[0].slot, far / MS % SLOTS_PER_PROCESSOR);
}
END_TEST

UNIT_SUITE(slice, scene_setup, owner_of_consecutive_slots_is_not_interrupted,
           slice_ends_with_an_upcall_that_keeps_the_state, next_owner_starts_fresh_when_the_last_yields,
           what_is_used_past_the_end_is_the_payers_debt, slice_past_its_grace_is_saved_by_force,
           busy_handler_is_not_entered_again_at_the_end, forced_state_is_kept_until_it_is_taken_off,
           who_has_not_taken_its_start_off_starts_again, a_whole_slot_of_debt_forfeits_a_slot,
           slice_given_up_is_not_taken_back, sleeper_wakes_at_its_deadline, sleeper_wakes_for_an_event_it_waits_for,
           sleep_returns_at_once_for_what_is_pending, sleep_for_unknown_events_is_refused,
           sleeper_past_its_deadline_starts_in_its_next_slot, timer_interrupts_who_set_it,
           timer_cancelled_does_not_fire, borrower_runs_while_the_owner_sleeps_and_is_recalled,
           message_recalls_a_lent_slot, recall_takes_the_slot_from_whom_the_borrower_yielded_to,
           borrower_that_yields_leaves_the_slot_idle, sleeping_borrower_wakes_in_the_lent_slot,
           borrower_gets_the_end_when_the_loan_ends, lender_waits_for_no_grace_at_the_boundary,
           lender_waits_for_no_grace_after_the_boundary, borrower_has_its_grace_before_the_next_one, directed_yield_passes_the_slice_and_not_the_debt,
           who_was_yielded_to_gives_the_slice_back, directed_yield_after_a_withdrawal_is_refused,
           directed_yield_is_refused_without_right_or_target, directed_yield_past_the_end_only_yields,
           one_virtual_processor_is_on_one_processor, event_for_who_runs_elsewhere_is_delivered_there,
           slot_that_is_given_up_ends_the_slice, interrupt_flushes_what_the_epoch_asks_for,
           time_past_32_bits_of_nanoseconds_keeps_the_vector)
