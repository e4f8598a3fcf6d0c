/* The ABI's table of calls and errors, both ways: what is listed was provoked by the tests before; world_call refuses what is not. */
#include "unit.h"
#include <exo/errors.h>
#include <stdio.h>

START_TEST(every_call_failed_with_every_status_that_the_abi_lists)
{
    char text[4096] = "";
    size_t length = 0;

    for (uint32_t number = 0; number < EXO_CALL_COUNT; number++) {
        uint32_t missing = exo_call_errors[number].statuses & ~world_failures[number];
        for (uint32_t status = 0; status < 32; status++)
            if (missing >> status & 1 && length < sizeof text)
                length += (size_t)snprintf(text + length, sizeof text - length, " %s: %s;", exo_call_errors[number].name,
                                           exo_status_names[status]);
    }
    ck_assert_msg(!length, "never seen:%s", text);
}
END_TEST

START_TEST(status_that_is_not_listed_is_noticed)
{
    world_call_ended(EXO_CALL_NULL, EXO_KEPT);
    ck_assert_ptr_nonnull(machine_check());
    machine_log.broken = NULL;
}
END_TEST

UNIT_SUITE(error, unit_setup, every_call_failed_with_every_status_that_the_abi_lists,
           status_that_is_not_listed_is_noticed)
