/* Operations of scalar.c that are beyond the solver, exhaustively on small sets: every set of 3 known or unknown bits and every
   interval of 8 numbers, moved to where nothing, the lower half or all 64 bits overflow, with every pair of members. */
#include <scalar.h>
#include <check.h>
#include <stdlib.h>

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

/* All sets that known bits describe, of so many bits: each value of each known bit. With all pairs of their members. */
static void pair_is_sound(operation *operation, machine *machine, uint32_t a_bits, uint32_t a_unknown, uint32_t b_bits, uint32_t b_unknown)
{
    struct code_scalar a, b;

    scalar_set(&a, a_bits);
    scalar_set(&b, b_bits);
    a.unknown = a_unknown;
    b.unknown = b_unknown;
    a.high = a.most = a.high32 = a.most32 = a_bits | a_unknown;
    b.high = b.most = b.high32 = b.most32 = b_bits | b_unknown;
    operation(&a, &b);
    uint32_t x = 0, y = 0; /* the next subset of `unknown` follows by subtraction */
    do {
        do {
            if (!scalar_contains(&a, machine(a_bits | x, b_bits | y)))
                ck_abort_msg("%#x/%#x and %#x/%#x: %#x, %#x", a_bits, a_unknown, b_bits, b_unknown, a_bits | x, b_bits | y);
            y = (y - b_unknown) & b_unknown;
        } while (y);
        x = (x - a_unknown) & a_unknown;
    } while (x);
}

static void bits_are_sound(operation *operation, machine *machine, uint32_t width)
{
    uint32_t all = (1u << width) - 1;

    for (uint32_t a_unknown = 0; a_unknown <= all; a_unknown++)
        for (uint32_t a_bits = 0; a_bits <= all; a_bits++)
            for (uint32_t b_unknown = 0; !(a_bits & a_unknown) && b_unknown <= all; b_unknown++)
                for (uint32_t b_bits = 0; b_bits <= all; b_bits++)
                    if (!(b_bits & b_unknown))
                        pair_is_sound(operation, machine, a_bits, a_unknown, b_bits, b_unknown);
}

/* The four corners of all pairs of intervals of so many bits, and what lies beside them within. */
static void intervals_are_sound(operation *operation, machine *machine, uint32_t width)
{
    uint32_t end = 1u << width;

    for (uint32_t a_low = 0; a_low < end; a_low++)
        for (uint32_t a_high = a_low; a_high < end; a_high++)
            for (uint32_t b_low = 0; b_low < end; b_low++)
                for (uint32_t b_high = b_low; b_high < end; b_high++) {
                    struct code_scalar a, b;
                    const uint32_t x[] = {a_low, a_low + (a_high > a_low), (a_low + a_high) / 2, a_high};
                    const uint32_t y[] = {b_low, b_low + (b_high > b_low), (b_low + b_high) / 2, b_high};
                    scalar_limit(&a, a_high);
                    scalar_limit(&b, b_high);
                    a.low = a_low;
                    b.low = b_low;
                    scalar_reduce(&a);
                    scalar_reduce(&b);
                    operation(&a, &b);
                    for (uint32_t i = 0; i < 16; i++)
                        ck_assert(scalar_contains(&a, machine(x[i / 4], y[i % 4])));
                }
}

/* All sets of known bits of 8 bits in a long run, intervals of 7; else of 5. */
static void all_are_sound(operation *operation, machine *machine)
{
    bool is_long = getenv("EXO_LONG") != NULL;

    bits_are_sound(operation, machine, is_long ? 8 : 5);
    intervals_are_sound(operation, machine, is_long ? 7 : 5);
}

START_TEST(products_are_sound)
{
    operation_is_sound(scalar_multiply, product);
    all_are_sound(scalar_multiply, product);
}
END_TEST

START_TEST(quotients_are_sound)
{
    operation_is_sound(scalar_divide, quotient);
    all_are_sound(scalar_divide, quotient);
}
END_TEST

START_TEST(remainders_are_sound)
{
    operation_is_sound(scalar_remainder, rest);
    all_are_sound(scalar_remainder, rest);
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
    tcase_set_timeout(tests, getenv("EXO_LONG") ? 7200 : 60);
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
