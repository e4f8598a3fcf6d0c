#include "unit.h"
#include <trace.h>

enum { RING = 70, RING_FRAMES = 2, PER_FRAME = EXO_FRAME_SIZE / sizeof(struct exo_trace_record), RECORDS = RING_FRAMES * PER_FRAME };

static void setup(void)
{
    unit_setup();
    machine.system.trace_frame = RING;
    machine.system.trace_frames = RING_FRAMES;
}

static const struct exo_trace_record *record_at(uint32_t processor, uint32_t index)
{
    return &trace_page(RING + processor * RING_FRAMES + index / PER_FRAME)[index % PER_FRAME];
}

START_TEST(record_says_what_when_and_where)
{
    machine.time = 1234;
    machine.current = 1;
    trace_record(arch_time(), EXO_TRACE_FAULT, 165, 14, 0xdead000);
    const struct exo_trace_record *record = record_at(1, 0);
    ck_assert_uint_eq(record->sequence, 1);
    ck_assert_uint_eq(record->time, 1234);
    ck_assert_uint_eq(record->event, EXO_TRACE_FAULT);
    ck_assert_uint_eq(record->processor, 1);
    ck_assert_uint_eq(record->vcpu, 165);
    ck_assert_uint_eq(record->detail, 14);
    ck_assert_uint_eq(record->value, 0xdead000);
    ck_assert_uint_eq(record_at(0, 0)->sequence, 0);
}
END_TEST

START_TEST(full_ring_begins_anew)
{
    for (uint32_t i = 0; i < RECORDS + 3; i++)
        trace_record(arch_time(), EXO_TRACE_SWITCH, 8, i, 0);
    ck_assert_uint_eq(record_at(0, 2)->sequence, RECORDS + 3);
    ck_assert_uint_eq(record_at(0, 2)->detail, RECORDS + 2);
    ck_assert_uint_eq(record_at(0, 3)->sequence, 4);
    ck_assert_uint_eq(record_at(0, RECORDS - 1)->sequence, RECORDS);
    ck_assert_uint_eq(record_at(1, 0)->sequence, 0);
}
END_TEST

START_TEST(life_of_an_environment_is_recorded)
{
    MUST(CALL(ENVIRONMENT_CREATE, ROOT_FRAMES, FREE_FRAME, 10));
    ck_assert_uint_eq(record_at(0, 0)->event, EXO_TRACE_CREATE);
    ck_assert_uint_eq(record_at(0, 0)->detail, FREE_FRAME);
    MUST(CALL(ENVIRONMENT_DESTROY, 10));
    ck_assert_uint_eq(record_at(0, 1)->event, EXO_TRACE_DESTROY);
    ck_assert_uint_eq(record_at(0, 1)->detail, FREE_FRAME);
}
END_TEST

START_TEST(revocation_and_force_are_recorded)
{
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST, 1), 1);
    unit_demand(1);
    IS(CALL(FRAME_RECLAIM, ROOT_FRAMES, A_FIRST), OK);
    ck_assert_uint_eq(record_at(0, 0)->event, EXO_TRACE_REVOKE);
    ck_assert_uint_eq(record_at(0, 0)->detail, 1);
    ck_assert_uint_eq(record_at(0, 2)->event, EXO_TRACE_REPOSSESS);
    ck_assert_uint_eq(record_at(0, 2)->detail, A_FIRST);
    ck_assert_uint_eq(record_at(0, 2)->vcpu, A * VCPUS_PER_ENVIRONMENT);
}
END_TEST

START_TEST(machine_without_rings_records_nothing)
{
    machine.system.trace_frame = 0;
    trace_record(arch_time(), EXO_TRACE_SWITCH, 8, 1, 0);
    ck_assert_uint_eq(kernel.processor[0].traced, 0);
}
END_TEST

UNIT_SUITE(trace, setup, record_says_what_when_and_where, full_ring_begins_anew, life_of_an_environment_is_recorded,
           revocation_and_force_are_recorded, machine_without_rings_records_nothing)
