/* scalar.c with words of 8 bits and halves of 4, exhaustively: products, quotients, remainders of all pairs of intervals and of all
   pairs of sets of known bits, and shifts by each distance of all intervals, signed ones too, and all sets of known bits. All members
   count: beside each set goes the narrowest one around the results of all its members, grown number by number, and the operation's
   result must cover that. Compiled by clang, which has integers of any width (C23's _BitInt), and run in two processes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define uint64_t unsigned _BitInt(8)
#define int64_t signed _BitInt(8)
#define uint32_t unsigned _BitInt(4)
#define int32_t signed _BitInt(4)
#undef UINT64_MAX
#undef INT64_MAX
#undef INT64_MIN
#undef UINT32_MAX
#undef INT32_MAX
#undef INT32_MIN
#define UINT64_MAX ((uint64_t)0xff)
#define INT64_MAX ((int64_t)0x7f)
#define INT64_MIN ((int64_t)-0x80)
#define UINT32_MAX ((uint32_t)0xf)
#define INT32_MAX ((int32_t)7)
#define INT32_MIN ((int32_t)-8)
#include <scalar.c>

enum { NUMBERS = 256, PROCESSES = 2 };

static struct code_scalar constants[NUMBERS], intervals[NUMBERS][NUMBERS], patterns[NUMBERS][NUMBERS], ranges[NUMBERS][NUMBERS];

/* ---- all sets of each description */

static struct code_scalar interval(int low, int high)
{
    struct code_scalar s;

    scalar_any(&s);
    s.low = (uint64_t)low;
    s.high = (uint64_t)high;
    scalar_reduce(&s);
    return s;
}

static struct code_scalar range(int least, int most)
{
    struct code_scalar s;

    scalar_any(&s);
    s.least = (int64_t)(least - NUMBERS / 2);
    s.most = (int64_t)(most - NUMBERS / 2);
    scalar_reduce(&s);
    return s;
}

static struct code_scalar pattern(int bits, int unknown)
{
    struct code_scalar s;

    scalar_any(&s);
    s.bits = (uint64_t)bits;
    s.unknown = (uint64_t)unknown;
    scalar_reduce(&s);
    return s;
}

static void sets_make(void)
{
    for (int a = 0; a < NUMBERS; a++) {
        scalar_set(&constants[a], (uint64_t)a);
        for (int b = 0; b < NUMBERS; b++) {
            if (a <= b)
                intervals[a][b] = interval(a, b);
            if (a <= b)
                ranges[a][b] = range(a, b);
            if (!(a & b))
                patterns[b][a] = pattern(a, b);
        }
    }
}

/* ---- operations on two sets */

struct pair {
    const char *name;
    void (*operation)(struct code_scalar *a, const struct code_scalar *b);
    int (*machine)(int x, int y);
};

static int product(int x, int y) { return x * y; }
static int quotient(int x, int y) { return y ? x / y : 0; }
static int rest(int x, int y) { return y ? x % y : x; }

static uint8_t results[NUMBERS][NUMBERS];

static bool pair_is_sound(const struct pair *pair, struct code_scalar a, const struct code_scalar *b, const struct code_scalar *around)
{
    const struct code_scalar before = a;

    pair->operation(&a, b);
    if (scalar_covers(&a, around))
        return true;
    printf("# %s of %u to %u, bits %#x, unknown %#x, and %u to %u, bits %#x, unknown %#x: %u to %u of %u to %u, unknown %#x of %#x\n", pair->name,
           (unsigned)before.low, (unsigned)before.high, (unsigned)before.bits, (unsigned)before.unknown, (unsigned)b->low, (unsigned)b->high,
           (unsigned)b->bits, (unsigned)b->unknown, (unsigned)a.low, (unsigned)a.high, (unsigned)around->low, (unsigned)around->high,
           (unsigned)a.unknown, (unsigned)around->unknown);
    fflush(stdout);
    return false;
}

/* row[y] is around the results of all members of the first set with y. */
static bool intervals_with(const struct pair *pair, const struct code_scalar *a, const struct code_scalar *row)
{
    for (int low = 0; low < NUMBERS; low++) {
        struct code_scalar around = row[low];

        for (int high = low; high < NUMBERS; high++) {
            scalar_join(&around, &row[high]);
            if (!pair_is_sound(pair, *a, &intervals[low][high], &around))
                return false;
        }
    }
    return true;
}

static bool intervals_are_sound(const struct pair *pair, int process)
{
    struct code_scalar row[NUMBERS];

    for (int low = process; low < NUMBERS; low += PROCESSES) {
        for (int y = 0; y < NUMBERS; y++)
            row[y] = constants[results[low][y]];
        for (int high = low; high < NUMBERS; high++) {
            for (int y = 0; y < NUMBERS; y++)
                scalar_join(&row[y], &constants[results[high][y]]);
            if (!intervals_with(pair, &intervals[low][high], row))
                return false;
        }
    }
    return true;
}

/* around[unknown][bits] is around the results of all members: of those with the lowest unknown bit clear, and of those with it set. */
static void patterns_around(const struct code_scalar *row, struct code_scalar around[NUMBERS][NUMBERS])
{
    for (int unknown = 0; unknown < NUMBERS; unknown++)
        for (int bits = 0; bits < NUMBERS; bits++) {
            int lowest = unknown & -unknown;

            if (bits & unknown)
                continue;
            around[unknown][bits] = unknown ? around[unknown - lowest][bits] : row[bits];
            if (unknown)
                scalar_join(&around[unknown][bits], &around[unknown - lowest][bits + lowest]);
        }
}

static bool patterns_with(const struct pair *pair, const struct code_scalar *a, const struct code_scalar *row)
{
    static struct code_scalar around[NUMBERS][NUMBERS];

    patterns_around(row, around);
    for (int unknown = 0; unknown < NUMBERS; unknown++)
        for (int bits = 0; bits < NUMBERS; bits++)
            if (!(bits & unknown))
                if (!pair_is_sound(pair, *a, &patterns[unknown][bits], &around[unknown][bits]))
                    return false;
    return true;
}

static bool patterns_are_sound(const struct pair *pair, int process)
{
    struct code_scalar row[NUMBERS];

    for (int unknown = process; unknown < NUMBERS; unknown += PROCESSES)
        for (int bits = 0; bits < NUMBERS; bits++) {
            if (bits & unknown)
                continue;
            for (int y = 0; y < NUMBERS; y++) {
                row[y] = constants[results[bits][y]];
                for (int part = unknown; part; part = (part - 1) & unknown)
                    scalar_join(&row[y], &constants[results[bits | part][y]]);
            }
            if (!patterns_with(pair, &patterns[unknown][bits], row))
                return false;
        }
    return true;
}

static bool pairs_are_sound(const struct pair *pair, int process)
{
    for (int x = 0; x < NUMBERS; x++)
        for (int y = 0; y < NUMBERS; y++)
            results[x][y] = (uint8_t)pair->machine(x, y);
    return patterns_are_sound(pair, process) && intervals_are_sound(pair, process);
}

/* ---- shifts */

struct shift {
    const char *name;
    void (*operation)(struct code_scalar *a, uint32_t by);
    int (*machine)(int x, int by);
};

static int left(int x, int by) { return x << by; }
static int right(int x, int by) { return x >> by; }
static int right_signed(int x, int by) { return (int8_t)x >> by; }

static void shift_somewhat(struct code_scalar *a, uint32_t by)
{
    (void)by;
    scalar_shift_right_somewhat(a);
}

static bool shift_is_sound(const struct shift *shift, int by, struct code_scalar set, const struct code_scalar *around)
{
    shift->operation(&set, (uint32_t)by);
    if (!scalar_covers(&set, around))
        printf("# %s by %d, around %u to %u\n", shift->name, by, (unsigned)around->low, (unsigned)around->high);
    return scalar_covers(&set, around);
}

/* Of each description; results of numbers that follow each other in the order of that description. */
static bool shifts_are_sound_by(const struct shift *shift, int by)
{
    static struct code_scalar around[NUMBERS][NUMBERS];
    struct code_scalar row[NUMBERS];

    for (int x = 0; x < NUMBERS; x++)
        row[x] = constants[(uint8_t)shift->machine(x, by)];
    patterns_around(row, around);
    for (int a = 0; a < NUMBERS; a++) {
        struct code_scalar around_interval = row[a], around_range = row[(uint8_t)(a + NUMBERS / 2)];

        for (int b = 0; b < NUMBERS; b++)
            if (!(a & b))
                if (!shift_is_sound(shift, by, patterns[b][a], &around[b][a]))
                    return false;
        for (int b = a; b < NUMBERS; b++) {
            scalar_join(&around_interval, &row[b]);
            scalar_join(&around_range, &row[(uint8_t)(b + NUMBERS / 2)]);
            if (!shift_is_sound(shift, by, intervals[a][b], &around_interval))
                return false;
            if (!shift_is_sound(shift, by, ranges[a][b], &around_range))
                return false;
        }
    }
    return true;
}

static bool shifts_are_sound(const struct shift *shift)
{
    for (int by = 0; by < 8; by++)
        if (!shifts_are_sound_by(shift, by))
            return false;
    return true;
}

/* ---- all */

static const struct pair pairs[] = {
    {"products", scalar_multiply, product}, {"quotients", scalar_divide, quotient}, {"remainders", scalar_remainder, rest},
};
static const struct shift shifts[] = {
    {"shifts_left", scalar_shift_left, left}, {"shifts_right", scalar_shift_right, right},
    {"signed_shifts", scalar_shift_signed, right_signed}, {"shifts_right_by_unknown_distances", shift_somewhat, right},
};

/* Each process takes every second set as the first operand. */
static bool in_processes(const struct pair *pair)
{
    bool sound = true;

    for (int process = 0; process < PROCESSES; process++)
        if (fork() == 0)
            _exit(!pairs_are_sound(pair, process));
    for (int process = 0; process < PROCESSES; process++) {
        int status;

        sound &= wait(&status) > 0 && status == 0;
    }
    return sound;
}

static int test_count;

static int report(const char *name, bool sound)
{
    printf("%sok %d - all_%s_are_sound\n", sound ? "" : "not ", ++test_count, name);
    fflush(stdout);
    return !sound;
}

int main(void)
{
    int failed = 0;

    sets_make();
    for (size_t n = 0; n < sizeof shifts / sizeof *shifts && !failed; n++)
        failed += report(shifts[n].name, shifts_are_sound(&shifts[n]));
    for (size_t n = 0; n < sizeof pairs / sizeof *pairs && !failed; n++)
        failed += report(pairs[n].name, in_processes(&pairs[n]));
    printf("1..%d\n", test_count);
    return failed != 0;
}
