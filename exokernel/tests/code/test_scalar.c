/* Operations of scalar.c as compiled for this computer, on small sets: every set of 3 known or unknown bits and every interval of
   8 numbers, moved to where nothing, the lower half or all 64 bits overflow, with every pair of members. test_narrow.c tries all sets
   of narrower numbers, prove_scalar.py proves those of 64 bits. */
#include <scalar.h>
#include <check.h>

enum { SETS_MAX = 512, NUMBERS = 8 };

static struct small { struct code_scalar set; uint64_t number[NUMBERS]; uint32_t count; } sets[SETS_MAX];
static uint32_t set_count;

static void add(struct code_scalar set, const uint64_t *number, uint32_t count)
{
    struct small *small = &sets[set_count++];

    ck_assert_uint_le(set_count, SETS_MAX);
    scalar_reduce(&set);
    small->set = set;
    small->count = count;
    for (uint32_t n = 0; n < count; n++)
        small->number[n] = number[n];
}

static void add_interval(uint64_t low, uint32_t count)
{
    struct code_scalar set;
    uint64_t number[NUMBERS];

    scalar_any(&set);
    set.low = low;
    set.high = low + count - 1;
    for (uint32_t n = 0; n < count; n++)
        number[n] = low + n;
    add(set, number, count);
}

static void add_bits(uint32_t bits, uint32_t unknown, uint32_t by)
{
    struct code_scalar set;
    uint64_t number[NUMBERS];
    uint32_t count = 0;

    scalar_any(&set);
    set.bits = (uint64_t)bits << by;
    set.unknown = (uint64_t)unknown << by;
    for (uint64_t n = 0; n < NUMBERS; n++)
        if ((n & ~unknown) == bits)
            number[count++] = n << by;
    add(set, number, count);
}

static void setup(void)
{
    static const uint64_t starts[] = { 0, 0x7ffffffc, 0xfffffffc, 0x7ffffffffffffffc, 0xfffffffffffffff8 };
    static const uint32_t moves[] = { 0, 30, 31, 61 };

    set_count = 0;
    for (uint32_t n = 0; n < 5; n++)
        for (uint32_t low = 0; low < NUMBERS; low++)
            for (uint32_t count = 1; low + count <= NUMBERS; count += 2)
                add_interval(starts[n] + low, count);
    for (uint32_t n = 0; n < 4; n++)
        for (uint32_t bits = 0; bits < 8; bits++)
            for (uint32_t unknown = 1; unknown < 8; unknown++)
                if (!(bits & unknown))
                    add_bits(bits, unknown, moves[n]);
}

typedef void operation(struct code_scalar *a, const struct code_scalar *b);
typedef uint64_t machine(uint64_t a, uint64_t b);

static void operation_is_sound(operation *operation, machine *machine)
{
    for (uint32_t i = 0; i < set_count; i++)
        for (uint32_t j = 0; j < set_count; j++) {
            struct code_scalar result = sets[i].set;

            operation(&result, &sets[j].set);
            for (uint32_t n = 0; n < sets[i].count * sets[j].count; n++) {
                uint64_t x = sets[i].number[n % sets[i].count], y = sets[j].number[n / sets[i].count];

                ck_assert_msg(scalar_contains(&result, machine(x, y)), "%lx and %lx give %lx", x, y, machine(x, y));
            }
        }
}

static uint64_t product(uint64_t a, uint64_t b)
{
    return a * b;
}

static uint64_t quotient(uint64_t a, uint64_t b)
{
    return b ? a / b : 0;
}

static uint64_t rest(uint64_t a, uint64_t b)
{
    return b ? a % b : a;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a + b;
}

START_TEST(products_are_sound)
{
    operation_is_sound(scalar_multiply, product);
}
END_TEST

START_TEST(quotients_are_sound)
{
    operation_is_sound(scalar_divide, quotient);
}
END_TEST

START_TEST(remainders_are_sound)
{
    operation_is_sound(scalar_remainder, rest);
}
END_TEST

START_TEST(sums_are_sound)
{
    operation_is_sound(scalar_add, sum);
}
END_TEST

START_TEST(arithmetic_keeps_what_is_known)
{
    struct code_scalar a, b;

    scalar_limit(&a, 15);
    scalar_set(&b, 4);
    scalar_multiply(&a, &b);
    ck_assert(a.low == 0 && a.high == 60 && a.most == 60 && a.high32 == 60 && (a.unknown & 3) == 0);
    scalar_add(&a, &b);
    ck_assert(a.low == 4 && a.high == 64);
    scalar_divide(&a, &b);
    ck_assert(a.low == 1 && a.high == 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scalar");
    TCase *tests = tcase_create("scalar");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, products_are_sound);
    tcase_add_test(tests, quotients_are_sound);
    tcase_add_test(tests, remainders_are_sound);
    tcase_add_test(tests, sums_are_sound);
    tcase_add_test(tests, arithmetic_keeps_what_is_known);
    suite_add_tcase(suite, tests);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
