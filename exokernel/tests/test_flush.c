#include "unit.h"
#include <flush.h>

static uint64_t passed(uint32_t processor)
{
    return machine.info[processor].flushed;
}

START_TEST(epoch_is_over_when_every_processor_has_passed_it)
{
    uint64_t epoch = flush_begin();
    ck_assert_uint_eq(epoch, machine.system.flush_epoch);
    ck_assert(!flush_is_over(epoch));
    ck_assert_uint_eq(passed(0), epoch); /* who asks flushes at once */
    ck_assert_uint_lt(passed(1), epoch);
    ck_assert_uint_eq(machine.processor[1].interrupt, 1);
    world_interrupt(1);
    machine.current = 0;
    ck_assert(flush_is_over(epoch));
}
END_TEST

START_TEST(processor_is_not_asked_again_at_once)
{
    machine.time = 1000;
    flush_is_over(flush_begin());
    ck_assert_uint_eq(machine.processor[1].interrupt, 1);
    machine.processor[1].interrupt = 0;
    flush_is_over(flush_begin());
    ck_assert_uint_eq(machine.processor[1].interrupt, 0);
    machine.time += EXO_SLOT_NS;
    flush_is_over(flush_begin());
    ck_assert_uint_eq(machine.processor[1].interrupt, 1);
}
END_TEST

START_TEST(past_epoch_is_over_without_a_flush)
{
    uint64_t epoch = flush_begin();
    flush_is_over(epoch);
    world_interrupt(1);
    machine.current = 0;
    uint64_t flushes = machine_log.flushes;
    ck_assert(flush_is_over(epoch));
    ck_assert_uint_eq(machine_log.flushes, flushes);
}
END_TEST

START_TEST(call_returns_the_epoch_to_wait_for)
{
    flush_begin();
    GIVES(CALL(SPACE_FLUSH), (int64_t)machine.system.flush_epoch);
    ck_assert_uint_eq(passed(0), machine.system.flush_epoch);
}
END_TEST

UNIT_SUITE(flush, unit_setup, epoch_is_over_when_every_processor_has_passed_it, processor_is_not_asked_again_at_once,
           past_epoch_is_over_without_a_flush, call_returns_the_epoch_to_wait_for)
