#include <check.h>
#include <exo/program.h>
#include <exo/text.h>

enum { NOTES_MAX = 8 };

static uint32_t passed, failed, notes;
static bool quiet;

bool check_print(bool holds, const char *sentence)
{
    char text[120];

    exo_text_copy(text, sentence, sizeof text);
    for (char *at = text; *at; at++)
        if (*at == '_')
            *at = ' ';
    if (!quiet || !holds)
        exo_print("%s %s", holds ? "PASS" : "FAIL", text);
    passed += holds;
    failed += !holds;
    notes = 0;
    return holds;
}

void check_run(const struct check_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_print(cases[i].holds(), cases[i].name);
}

bool check_is_quiet(void)
{
    return quiet;
}

void check_be_quiet(void)
{
    quiet = true;
}

uint32_t check_count(void)
{
    return passed + failed;
}

bool check_failed(void)
{
    return failed || !passed;
}

int check_status(void)
{
    exo_print("%u cases passed, %u failed", passed, failed);
    return check_failed();
}

bool check_equal(const char *what, int64_t value, int64_t expected)
{
    if (value == expected)
        return true;
    if (notes++ < NOTES_MAX)
        exo_print("  %s: %ld (%s) instead of %ld", what, value, exo_status_name(value), expected);
    return false;
}

bool check_refused(const char *what, int64_t result)
{
    if (result < 0)
        return true;
    if (notes++ < NOTES_MAX)
        exo_print("  %s: not refused: %ld", what, result);
    return false;
}

void check_must(const char *what, int64_t result)
{
    if (result >= 0)
        return;
    exo_print("FAIL %s: %s", what, exo_status_name(result));
    exo_exit(1);
}
