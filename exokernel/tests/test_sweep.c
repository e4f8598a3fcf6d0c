/* What a withdrawal finds and breaks, in steps: bindings of many kinds, other passes over the same frame, whole environments. */
#include "unit.h"

enum { SHARED_FRAME = A_FIRST + 8, BINDINGS = 400, NARROW = 2, OTHER = 3 };

static exo_result withdraw(uint32_t subject, frame_name victim, uint32_t victim_slot)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 200 && result == EXO_AGAIN; i++) {
        result = CALL_FOR(subject, CAPABILITY_WITHDRAW, 0, victim, victim_slot);
        world_interrupt(1);
    }
    return result;
}

/* A's SHARED_FRAME is bound [first, end) times in A's table, justified by the capability in the slot. */
static void bind_often(uint64_t first, uint64_t end, uint32_t slot)
{
    for (uint64_t i = first; i < end; i++)
        GIVES(BIND(A_SLOT, .address = i << 12, .table = A_FIRST, .frame = SHARED_FRAME, .capability = slot, .flags = READ), 1);
}

static void shared_make(void)
{
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, SHARED_FRAME, 1), 1);
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 1, 0, NARROW, EXO_RIGHT_READ, SHARED_FRAME, 1));
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 1, 0, OTHER, EXO_RIGHT_READ, SHARED_FRAME, 1));
}

static uint32_t entries_present(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
        count += entry_is_present(table_page(A_FIRST)[i]);
    return count;
}

START_TEST(withdrawal_in_steps_breaks_only_what_it_justified)
{
    shared_make();
    bind_often(0, BINDINGS, NARROW);
    bind_often(BINDINGS, BINDINGS + 3, 1);
    IS(CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, NARROW), AGAIN);
    ck_assert_uint_gt(entries_present(), 3);
    IS(withdraw(A_SLOT, A, NARROW), OK);
    ck_assert_uint_eq(entries_present(), 3);
}
END_TEST

START_TEST(withdrawal_gets_on_while_the_timer_is_always_due)
{
    uint32_t calls = 0;
    shared_make();
    bind_often(0, BINDINGS, NARROW);
    machine_looks = 0;
    for (uint32_t before = BINDINGS + 1; entries_present(); calls++) {
        ck_assert_uint_lt(entries_present(), before);
        before = entries_present();
        CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, NARROW);
    }
    ck_assert_uint_gt(calls, 10 * 3); /* on time it takes 400 of 3200 instructions for each */
    IS(withdraw(A_SLOT, A, NARROW), OK);
    machine_looks = UINT32_MAX;
}
END_TEST

START_TEST(second_withdrawal_finishes_the_pass_of_the_first)
{
    shared_make();
    bind_often(0, BINDINGS / 2, NARROW);
    bind_often(BINDINGS / 2, BINDINGS, OTHER);
    IS(CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, NARROW), AGAIN);
    IS(withdraw(A_SLOT, A, OTHER), OK);
    IS(withdraw(A_SLOT, A, NARROW), OK);
    ck_assert_uint_eq(entries_present(), 0);
    ck_assert_uint_eq(frame_at(SHARED_FRAME)->bindings, 0);
}
END_TEST

START_TEST(binding_that_goes_meanwhile_does_not_lose_the_pass)
{
    shared_make();
    bind_often(0, BINDINGS, NARROW);
    IS(CALL_FOR(A_SLOT, CAPABILITY_WITHDRAW, 0, A, NARROW), AGAIN);
    for (uint64_t i = 0; i < BINDINGS; i += 2)
        UNBIND(A_SLOT, .address = i << 12, .table = A_FIRST); /* about half are gone already */
    IS(withdraw(A_SLOT, A, NARROW), OK);
    ck_assert_uint_eq(entries_present(), 0);
}
END_TEST

START_TEST(view_of_a_page_table_ends_with_its_capability)
{
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 1, 0, NARROW, EXO_RIGHT_READ, A_FIRST, 1));
    GIVES(BIND(A_SLOT, .table = A_FIRST, .frame = A_FIRST, .capability = NARROW, .flags = READ), 1);
    GIVES(BIND(A_SLOT, .address = 0x1000, .table = A_FIRST, .frame = A_FIRST, .capability = 1, .flags = READ), 1);
    IS(withdraw(A_SLOT, A, NARROW), OK);
    ck_assert_uint_eq(entries_present(), 1);
    ck_assert_uint_eq(frame_at(A_FIRST)->progress, 1);
}
END_TEST

START_TEST(virtual_processor_stops_when_its_context_page_goes)
{
    world_vcpu(A_SLOT, 0, 1, A_FIRST, A_FIRST + 2);
    IS(withdraw(A_SLOT, A, 1), OK);
    ck_assert_uint_eq(environment_page(A)->vcpu[0].context, 0);
    ck_assert_uint_eq(environment_page(A)->root, 0);
    for (frame_name frame = A_FIRST; frame < A_FIRST + 4; frame++)
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(environment_made_under_it_is_named_to_be_reaped)
{
    MUST(CALL_FOR(A_SLOT, ENVIRONMENT_CREATE, 1, A_FIRST, NARROW));
    GIVES(withdraw(A_SLOT, A, 1), A_FIRST);
    ck_assert_uint_eq(environment_page(A_FIRST)->state, ENVIRONMENT_DYING);
    GIVES(withdraw(A_SLOT, A, 1), A_FIRST);
    while (CALL(ENVIRONMENT_REAP, A_FIRST) == EXO_AGAIN)
        world_interrupt(1);
    IS(withdraw(A_SLOT, A, 1), OK);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(capability_of_its_creation_takes_an_environment_along)
{
    GIVES(withdraw(0, ROOT, A_SLOT), A);
    ck_assert_uint_eq(environment_page(A)->state, ENVIRONMENT_DYING);
    IS(withdraw(0, ROOT, A_SLOT), OK);
    ck_assert_uint_eq(unit_capability(ROOT_CAPABILITIES, A_SLOT)->state, CAPABILITY_EMPTY);
    IS(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 5, EXO_RIGHT_READ, FREE_FRAME, 1), BAD_CAPABILITY);
}
END_TEST

START_TEST(dead_owners_time_slots_are_free)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, A_SLOT, NARROW, RIGHTS_GIVEN, SLOTS_PER_PROCESSOR, SLOTS_PER_PROCESSOR));
    MUST(CALL_FOR(A_SLOT, SLOT_TAKE, NARROW, SLOTS_PER_PROCESSOR + 5, 0));
    IS(withdraw(A_SLOT, A, NARROW), OK);
    ck_assert_uint_eq(slot_at(SLOTS_PER_PROCESSOR + 5)->owner, 0);
}
END_TEST

/* The kernel writes its trace rings as long as it runs, whoever may look at them. */
START_TEST(frames_of_trace_rings_are_never_given_to_anybody)
{
    MUST(CALL_FOR(A_SLOT, CAPABILITY_DERIVE, 1, 0, NARROW, RIGHTS_GIVEN, A_FIRST, 2));
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, NARROW, A_FIRST, 2), 2);
    frame_at(A_FIRST)->kind = EXO_FRAME_TRACE;
    IS(withdraw(A_SLOT, A, NARROW), OK);
    ck_assert_uint_eq(frame_at(A_FIRST)->kind, EXO_FRAME_TRACE);
    ck_assert_uint_eq(frame_at(A_FIRST + 1)->kind, EXO_FRAME_FREE);
    frame_at(A_FIRST)->kind = EXO_FRAME_KERNEL; /* for the invariants: as boot leaves it */
    frame_at(A_FIRST)->owner = frame_at(A_FIRST)->capability = 0;
    frame_at(A_FIRST)->stamp = 0;
}
END_TEST

UNIT_SUITE(sweep, unit_setup, withdrawal_in_steps_breaks_only_what_it_justified, withdrawal_gets_on_while_the_timer_is_always_due, second_withdrawal_finishes_the_pass_of_the_first,
           binding_that_goes_meanwhile_does_not_lose_the_pass, view_of_a_page_table_ends_with_its_capability,
           virtual_processor_stops_when_its_context_page_goes, environment_made_under_it_is_named_to_be_reaped,
           capability_of_its_creation_takes_an_environment_along, dead_owners_time_slots_are_free,
           frames_of_trace_rings_are_never_given_to_anybody)
