#include "unit.h"
#include <string.h>

START_TEST(text_is_written_with_its_label)
{
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_WRITE, 'a' | 'b' << 8, 0));
    memcpy(context_page(ROOT_CONTEXT)->batch, "hello\nrest\n", 11);
    GIVES(CALL(CONSOLE_WRITE, 10, 11), 6);
    ck_assert_str_eq(machine_log.console, "ab| hello\n");
}
END_TEST

START_TEST(text_cannot_hide_its_label)
{
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_WRITE, 'a', 0));
    memcpy(context_page(ROOT_CONTEXT)->batch, "\rroot| \033[2K", 11);
    GIVES(CALL(CONSOLE_WRITE, 10, 11), 11);
    ck_assert_str_eq(machine_log.console, "a| ?root| ?[2K");
}
END_TEST

START_TEST(every_byte_is_judged_wherever_it_stands)
{
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_WRITE, 0, 0));
    uint8_t *text = (uint8_t *)context_page(ROOT_CONTEXT)->batch;
    for (uint32_t at = 0; at < 16; at++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            memset(text, '\n', 32); /* what lies behind is not looked at */
            memset(text, 'x', 16);
            text[at] = byte;
            machine_log.console_length = 0;
            GIVES(CALL(CONSOLE_WRITE, 10, 16), byte == '\n' ? at + 1 : 16);
            bool harmless = (byte >= ' ' && byte != 0x7f) || byte == '\n' || byte == '\t';
            ck_assert_uint_eq((uint8_t)machine_log.console[at], harmless ? byte : '?');
        }
}
END_TEST

START_TEST(lines_of_two_writers_do_not_mix)
{
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_WRITE, 'a', 0));
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 11, EXO_RIGHT_WRITE, 'b', 0));
    memcpy(context_page(ROOT_CONTEXT)->batch, "xyz", 3);
    GIVES(CALL(CONSOLE_WRITE, 10, 3), 3);
    GIVES(CALL(CONSOLE_WRITE, 11, 3), 3);
    ck_assert_str_eq(machine_log.console, "a| xyz\nb| xyz");
}
END_TEST

START_TEST(who_reads_the_console_drives_the_terminal)
{
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_WRITE, 0, 0));
    memcpy(context_page(ROOT_CONTEXT)->batch, "\r\033[2K", 5);
    GIVES(CALL(CONSOLE_WRITE, 10, 5), 5);
    ck_assert_str_eq(machine_log.console, "\r\033[2K");
}
END_TEST

START_TEST(console_checks_its_arguments)
{
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_READ, 0, 0));
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 11, EXO_RIGHT_WRITE, 0, 0));
    IS(CALL(CONSOLE_WRITE, ROOT_FRAMES, 3), BAD_CAPABILITY);
    IS(CALL(CONSOLE_WRITE, 10, 3), NO_RIGHT);
    IS(CALL(CONSOLE_WRITE, 11, 0), BAD_ARGUMENT);
    IS(CALL(CONSOLE_WRITE, 11, 257), BAD_ARGUMENT);
    IS(CALL(CONSOLE_READ, 100), BAD_CAPABILITY);
    IS(CALL(CONSOLE_READ, 11), NO_RIGHT);
    IS(CALL(CONSOLE_READ, 10), AGAIN);
    machine_log.input = "k";
    GIVES(CALL(CONSOLE_READ, 10), 'k');
}
END_TEST

START_TEST(machine_ends_for_who_may_end_it)
{
    MUST(CALL(CAPABILITY_DERIVE, MACHINE_SLOT, 0, 10, EXO_RIGHT_READ, 0, 0));
    IS(CALL(MACHINE_EXIT, ROOT_FRAMES, 3), BAD_CAPABILITY);
    IS(CALL(MACHINE_EXIT, 10, 3), NO_RIGHT);
    ck_assert_uint_eq(machine_log.exited, 0);
    CALL(MACHINE_EXIT, MACHINE_SLOT, 3);
    ck_assert_uint_eq(machine_log.exited, 1);
    ck_assert_uint_eq(machine_log.exit_code, 3);
}
END_TEST

START_TEST(long_line_is_taken_in_parts)
{
    enum { LENGTH = 200 };
    MUST(CALL(CAPABILITY_DERIVE, CONSOLE_SLOT, 0, 10, EXO_RIGHT_WRITE, 'a', 0));
    memset(context_page(ROOT_CONTEXT)->batch, 'x', LENGTH);
    exo_result taken = CALL(CONSOLE_WRITE, 10, LENGTH);
    ck_assert_int_gt(taken, 0);
    for (exo_result more = 0; taken < LENGTH; taken += more)
        ck_assert_int_gt(more = CALL(CONSOLE_WRITE, 10, LENGTH - taken), 0);
    ck_assert_uint_eq(machine_log.console_length, LENGTH + 3); /* the label once */
}
END_TEST

UNIT_SUITE(console, unit_setup, text_is_written_with_its_label, text_cannot_hide_its_label, every_byte_is_judged_wherever_it_stands,
           lines_of_two_writers_do_not_mix, who_reads_the_console_drives_the_terminal, console_checks_its_arguments,
           machine_ends_for_who_may_end_it,
           long_line_is_taken_in_parts)
