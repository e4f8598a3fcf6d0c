#include <scalar.h>

static uint64_t min64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t max64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint32_t min32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t max32(uint32_t a, uint32_t b) { return a > b ? a : b; }
static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t greater(int64_t a, int64_t b) { return a > b ? a : b; }
static int32_t lesser32(int32_t a, int32_t b) { return a < b ? a : b; }
static int32_t greater32(int32_t a, int32_t b) { return a > b ? a : b; }

/* All bits below and at the highest that is set. */
static uint64_t smear(uint64_t x)
{
    x |= x >> 1;
    x |= x >> HALF_BITS / 16;
    x |= x >> HALF_BITS / 8;
    x |= x >> HALF_BITS / 4;
    x |= x >> HALF_BITS / 2;
    return x | x >> HALF_BITS;
}

static void any_unsigned(struct code_scalar *s)
{
    s->low = 0;
    s->high = UINT64_MAX;
    s->low32 = 0;
    s->high32 = UINT32_MAX;
}

static void any_signed(struct code_scalar *s)
{
    s->least = INT64_MIN;
    s->most = INT64_MAX;
    s->least32 = INT32_MIN;
    s->most32 = INT32_MAX;
}

static void any_bits(struct code_scalar *s)
{
    s->bits = 0;
    s->unknown = UINT64_MAX;
}

static void make_empty(struct code_scalar *s)
{
    s->low = 1;
    s->high = 0;
}

void scalar_any(struct code_scalar *s)
{
    any_unsigned(s);
    any_signed(s);
    any_bits(s);
}

void scalar_set(struct code_scalar *s, uint64_t value)
{
    s->low = s->high = s->bits = value;
    s->least = s->most = (int64_t)value;
    s->low32 = s->high32 = (uint32_t)value;
    s->least32 = s->most32 = (int32_t)value;
    s->unknown = 0;
}

void scalar_limit(struct code_scalar *s, uint64_t high)
{
    scalar_any(s);
    s->high = high;
    scalar_reduce(s);
}

bool scalar_contains(const struct code_scalar *s, uint64_t value)
{
    return value >= s->low && value <= s->high && (int64_t)value >= s->least && (int64_t)value <= s->most &&
           (uint32_t)value >= s->low32 && (uint32_t)value <= s->high32 &&
           (int32_t)value >= s->least32 && (int32_t)value <= s->most32 && (value & ~s->unknown) == s->bits;
}

bool scalar_covers(const struct code_scalar *s, const struct code_scalar *part)
{
    return part->low >= s->low && part->high <= s->high && part->least >= s->least && part->most <= s->most &&
           part->low32 >= s->low32 && part->high32 <= s->high32 &&
           part->least32 >= s->least32 && part->most32 <= s->most32 &&
           ((part->unknown | (part->bits ^ s->bits)) & ~s->unknown) == 0;
}

/* ---- one description from another */

static void bits_from_range(struct code_scalar *s, uint64_t low, uint64_t high, uint64_t within)
{
    uint64_t differ = smear((low ^ high) & within) | ~within;
    uint64_t known = s->bits | (low & ~differ);

    s->unknown &= differ;
    s->bits = known & ~s->unknown;
}

static void range_from_bits(struct code_scalar *s)
{
    s->low = max64(s->low, s->bits);
    s->high = min64(s->high, s->bits | s->unknown);
    s->low32 = max32(s->low32, (uint32_t)s->bits);
    s->high32 = min32(s->high32, (uint32_t)(s->bits | s->unknown));
}

/* Where a range does not cross the border between the positive and the negative, it is the same in both orders. */
static void ranges_by_sign(struct code_scalar *s)
{
    if ((int64_t)s->low <= (int64_t)s->high && s->low <= s->high) {
        s->least = greater(s->least, (int64_t)s->low);
        s->most = lesser(s->most, (int64_t)s->high);
    }
    if ((uint64_t)s->least <= (uint64_t)s->most && s->least <= s->most) {
        s->low = max64(s->low, (uint64_t)s->least);
        s->high = min64(s->high, (uint64_t)s->most);
    }
    if ((int32_t)s->low32 <= (int32_t)s->high32 && s->low32 <= s->high32) {
        s->least32 = greater32(s->least32, (int32_t)s->low32);
        s->most32 = lesser32(s->most32, (int32_t)s->high32);
    }
    if ((uint32_t)s->least32 <= (uint32_t)s->most32 && s->least32 <= s->most32) {
        s->low32 = max32(s->low32, (uint32_t)s->least32);
        s->high32 = min32(s->high32, (uint32_t)s->most32);
    }
}

static void ranges_by_half(struct code_scalar *s)
{
    uint64_t upper = s->low & ~(uint64_t)UINT32_MAX;

    if (s->low >> HALF_BITS == s->high >> HALF_BITS) {
        s->low32 = max32(s->low32, (uint32_t)s->low);
        s->high32 = min32(s->high32, (uint32_t)s->high);
        s->low = max64(s->low, upper | s->low32);
        s->high = min64(s->high, upper | s->high32);
    }
    if (s->least >= INT32_MIN && s->most <= INT32_MAX) {
        s->least32 = greater32(s->least32, (int32_t)s->least);
        s->most32 = lesser32(s->most32, (int32_t)s->most);
        s->least = greater(s->least, s->least32);
        s->most = lesser(s->most, s->most32);
    }
}

void scalar_reduce(struct code_scalar *s)
{
    range_from_bits(s);
    ranges_by_sign(s);
    ranges_by_half(s);
    ranges_by_sign(s);
    bits_from_range(s, s->low, s->high, UINT64_MAX);
    bits_from_range(s, s->low32, s->high32, UINT32_MAX);
    range_from_bits(s);
}

/* ---- both sets */

void scalar_join(struct code_scalar *s, const struct code_scalar *other)
{
    s->low = min64(s->low, other->low);
    s->high = max64(s->high, other->high);
    s->least = lesser(s->least, other->least);
    s->most = greater(s->most, other->most);
    s->low32 = min32(s->low32, other->low32);
    s->high32 = max32(s->high32, other->high32);
    s->least32 = lesser32(s->least32, other->least32);
    s->most32 = greater32(s->most32, other->most32);
    s->unknown |= other->unknown | (s->bits ^ other->bits);
    s->bits &= ~s->unknown;
}

/* Bounds that move are given up to the next power of two, so that they stop at what a branch in the loop allows. */
void scalar_widen(struct code_scalar *s, const struct code_scalar *other)
{
    uint64_t differ = (other->unknown | (s->bits ^ other->bits)) & ~s->unknown;

    s->low = other->low < s->low ? other->low & ~smear(other->low >> 1) : s->low;
    s->high = other->high > s->high ? smear(other->high) : s->high;
    s->least = other->least < s->least ? ~(int64_t)smear(~other->least) : s->least;
    s->most = other->most > s->most ? (int64_t)smear(other->most) : s->most;
    s->low32 = other->low32 < s->low32 ? other->low32 & ~smear(other->low32 >> 1) : s->low32;
    s->high32 = other->high32 > s->high32 ? smear(other->high32) : s->high32;
    s->least32 = other->least32 < s->least32 ? ~(int32_t)smear((uint32_t)~other->least32) : s->least32;
    s->most32 = other->most32 > s->most32 ? (int32_t)smear((uint32_t)other->most32) : s->most32;
    s->unknown |= -(differ & -differ);      /* from the lowest on that differs */
    s->bits &= ~s->unknown;
}

/* ---- arithmetic: the ranges as far as nothing overflows, and the bits (Vishwanathan et al., CGO 2022) */

static void range32_set(struct code_scalar *s, uint64_t low, uint64_t high)
{
    bool fits = high <= UINT32_MAX && low <= high;

    s->low32 = fits ? (uint32_t)low : 0;
    s->high32 = fits ? (uint32_t)high : UINT32_MAX;
}

static void signed32_set(struct code_scalar *s, int64_t least, int64_t most)
{
    bool fits = least >= INT32_MIN && most <= INT32_MAX;

    s->least32 = fits ? (int32_t)least : INT32_MIN;
    s->most32 = fits ? (int32_t)most : INT32_MAX;
}

static bool sum_overflows(int64_t a, int64_t b)
{
    int64_t sum = (int64_t)((uint64_t)a + (uint64_t)b);

    return ((a ^ sum) & (b ^ sum)) < 0;
}

static bool difference_overflows(int64_t a, int64_t b)
{
    int64_t difference = (int64_t)((uint64_t)a - (uint64_t)b);

    return ((a ^ b) & (a ^ difference)) < 0;
}

static void bits_add(struct code_scalar *a, const struct code_scalar *b)
{
    uint64_t bits = a->bits + b->bits;
    uint64_t differ = (a->unknown + b->unknown + bits) ^ bits;

    a->unknown |= differ | b->unknown;
    a->bits = bits & ~a->unknown;
}

void scalar_add(struct code_scalar *a, const struct code_scalar *b)
{
    bool over = a->high + b->high < a->high;
    bool over_signed = sum_overflows(a->least, b->least) || sum_overflows(a->most, b->most);

    a->low = over ? 0 : a->low + b->low;
    a->high = over ? UINT64_MAX : a->high + b->high;
    a->least = over_signed ? INT64_MIN : (int64_t)((uint64_t)a->least + (uint64_t)b->least);
    a->most = over_signed ? INT64_MAX : (int64_t)((uint64_t)a->most + (uint64_t)b->most);
    range32_set(a, (uint64_t)a->low32 + b->low32, (uint64_t)a->high32 + b->high32);
    signed32_set(a, (int64_t)a->least32 + b->least32, (int64_t)a->most32 + b->most32);
    bits_add(a, b);
    scalar_reduce(a);
}

static void bits_subtract(struct code_scalar *a, const struct code_scalar *b)
{
    uint64_t bits = a->bits - b->bits;
    uint64_t differ = (bits + a->unknown) ^ (bits - b->unknown);

    a->unknown |= differ | b->unknown;
    a->bits = bits & ~a->unknown;
}

void scalar_subtract(struct code_scalar *a, const struct code_scalar *b)
{
    bool under = a->low < b->high;
    bool under_signed = difference_overflows(a->least, b->most) || difference_overflows(a->most, b->least);

    a->low = under ? 0 : a->low - b->high;
    a->high = under ? UINT64_MAX : a->high - b->low;
    a->least = under_signed ? INT64_MIN : (int64_t)((uint64_t)a->least - (uint64_t)b->most);
    a->most = under_signed ? INT64_MAX : (int64_t)((uint64_t)a->most - (uint64_t)b->least);
    range32_set(a, (uint64_t)a->low32 - b->high32, (uint64_t)a->high32 - b->low32);
    signed32_set(a, (int64_t)a->least32 - b->most32, (int64_t)a->most32 - b->least32);
    bits_subtract(a, b);
    scalar_reduce(a);
}

/* Factors of half the width do not overflow. The product is a multiple of the greatest powers of two that divide the factors. */
void scalar_multiply(struct code_scalar *a, const struct code_scalar *b)
{
    uint64_t ones_a = a->bits | a->unknown, ones_b = b->bits | b->unknown;
    uint64_t power = (ones_a & -ones_a) * (ones_b & -ones_b);
    bool fits = (a->high | b->high) >> HALF_BITS == 0;
    uint64_t low = fits ? a->low * b->low : 0;
    uint64_t high = fits ? a->high * b->high : UINT64_MAX;
    bool constant = a->low == a->high && b->low == b->high;
    uint64_t product = a->low * b->low;

    any_unsigned(a);
    any_signed(a);
    a->low = constant ? product : low;
    a->high = constant ? product : high;
    a->bits = 0;
    a->unknown = -power;
    scalar_reduce(a);
}

void scalar_and(struct code_scalar *a, const struct code_scalar *b)
{
    uint64_t ones = (a->bits | a->unknown) & (b->bits | b->unknown);

    any_signed(a);
    a->low = a->low32 = 0;
    a->high = min64(a->high, b->high);
    a->high32 = min32(a->high32, b->high32);
    a->bits &= b->bits;
    a->unknown = ones & ~a->bits;
    scalar_reduce(a);
}

void scalar_or(struct code_scalar *a, const struct code_scalar *b)
{
    any_signed(a);
    a->low = max64(a->low, b->low);
    a->low32 = max32(a->low32, b->low32);
    a->high = UINT64_MAX;
    a->high32 = UINT32_MAX;
    a->bits |= b->bits;
    a->unknown = (a->unknown | b->unknown) & ~a->bits;
    scalar_reduce(a);
}

void scalar_xor(struct code_scalar *a, const struct code_scalar *b)
{
    any_unsigned(a);
    any_signed(a);
    a->unknown |= b->unknown;
    a->bits = (a->bits ^ b->bits) & ~a->unknown;
    scalar_reduce(a);
}

void scalar_divide(struct code_scalar *a, const struct code_scalar *b)
{
    uint64_t low = b->high ? a->low / b->high : 0;
    uint64_t high = b->low ? a->high / b->low : a->high;

    any_unsigned(a);
    any_signed(a);
    any_bits(a);
    a->low = b->low ? low : 0;
    a->high = high;
    scalar_reduce(a);
}

void scalar_remainder(struct code_scalar *a, const struct code_scalar *b)
{
    uint64_t high = b->low ? min64(a->high, b->high - 1) : a->high;

    any_unsigned(a);
    any_signed(a);
    any_bits(a);
    a->high = high;
    scalar_reduce(a);
}

void scalar_shift_left(struct code_scalar *a, uint32_t by)
{
    bool fits = a->high <= UINT64_MAX >> by;
    uint64_t low = fits ? a->low << by : 0;
    uint64_t high = fits ? a->high << by : UINT64_MAX;

    any_unsigned(a);
    any_signed(a);
    a->low = low;
    a->high = high;
    a->bits <<= by;
    a->unknown <<= by;
    scalar_reduce(a);
}

void scalar_shift_right(struct code_scalar *a, uint32_t by)
{
    uint64_t low = a->low >> by, high = a->high >> by;

    any_unsigned(a);
    any_signed(a);
    a->low = low;
    a->high = high;
    a->bits >>= by;
    a->unknown >>= by;
    scalar_reduce(a);
}

void scalar_shift_signed(struct code_scalar *a, uint32_t by)
{
    int64_t least = a->least >> by, most = a->most >> by;

    any_unsigned(a);
    any_signed(a);
    a->least = least;
    a->most = most;
    a->bits = (uint64_t)((int64_t)a->bits >> by);
    a->unknown = (uint64_t)((int64_t)a->unknown >> by);
    scalar_reduce(a);
}

void scalar_shift_right_somewhat(struct code_scalar *a)
{
    uint64_t high = a->high;

    scalar_any(a);
    a->high = high;
    scalar_reduce(a);
}

void scalar_truncate(struct code_scalar *s)
{
    s->low = s->low32;
    s->high = s->high32;
    s->least = 0;
    s->most = UINT32_MAX;
    s->bits &= UINT32_MAX;
    s->unknown &= UINT32_MAX;
    scalar_reduce(s);
}

void scalar_extend_sign(struct code_scalar *s)
{
    s->low = 0;
    s->high = UINT64_MAX;
    s->least = s->least32;
    s->most = s->most32;
    s->bits = (uint64_t)(int64_t)(int32_t)s->bits;
    s->unknown = (uint64_t)(int64_t)(int32_t)s->unknown;
    scalar_reduce(s);
}

/* ---- where a comparison holds */

static void bits_intersect(struct code_scalar *a, struct code_scalar *b, uint64_t within)
{
    uint64_t bits = (a->bits | b->bits) & within;
    uint64_t unknown = (a->unknown & b->unknown) | ~within;

    a->bits = (a->bits | bits) & ~(a->unknown & unknown);
    a->unknown &= unknown;
    b->bits = (b->bits | bits) & ~(b->unknown & unknown);
    b->unknown &= unknown;
}

static void ranges32_intersect(struct code_scalar *a, struct code_scalar *b)
{
    a->low32 = b->low32 = max32(a->low32, b->low32);
    a->high32 = b->high32 = min32(a->high32, b->high32);
    a->least32 = b->least32 = greater32(a->least32, b->least32);
    a->most32 = b->most32 = lesser32(a->most32, b->most32);
}

void scalar_assume_equal(struct code_scalar *a, struct code_scalar *b)
{
    if (~(a->unknown | b->unknown) & (a->bits ^ b->bits)) {
        make_empty(a);
        return;
    }
    a->low = b->low = max64(a->low, b->low);
    a->high = b->high = min64(a->high, b->high);
    a->least = b->least = greater(a->least, b->least);
    a->most = b->most = lesser(a->most, b->most);
    ranges32_intersect(a, b);
    bits_intersect(a, b, UINT64_MAX);
    scalar_reduce(a);
    scalar_reduce(b);
}

void scalar_assume_equal32(struct code_scalar *a, struct code_scalar *b)
{
    if ((uint32_t)(~(a->unknown | b->unknown) & (a->bits ^ b->bits))) {
        make_empty(a);
        return;
    }
    ranges32_intersect(a, b);
    bits_intersect(a, b, UINT32_MAX);
    scalar_reduce(a);
    scalar_reduce(b);
}

/* A border that is the other's only number is moved by one. */
static void trim(struct code_scalar *s, const struct code_scalar *other)
{
    if (other->low != other->high)
        return;
    if (s->low == s->high && s->low == other->low) {
        make_empty(s);
        return;
    }
    s->low += s->low == other->low;
    s->high -= s->high == other->low;
    if (s->least < s->most) {
        s->least += s->least == (int64_t)other->low;
        s->most -= s->most == (int64_t)other->low;
    }
    scalar_reduce(s);
}

void scalar_assume_unequal(struct code_scalar *a, struct code_scalar *b)
{
    trim(a, b);
    trim(b, a);
}

static void trim32(struct code_scalar *s, const struct code_scalar *other)
{
    if (other->low32 != other->high32)
        return;
    if (s->low32 == s->high32 && s->low32 == other->low32) {
        make_empty(s);
        return;
    }
    s->low32 += s->low32 == other->low32;
    s->high32 -= s->high32 == other->low32;
    if (s->least32 < s->most32) {
        s->least32 += s->least32 == (int32_t)other->low32;
        s->most32 -= s->most32 == (int32_t)other->low32;
    }
    scalar_reduce(s);
}

void scalar_assume_unequal32(struct code_scalar *a, struct code_scalar *b)
{
    trim32(a, b);
    trim32(b, a);
}

void scalar_assume_below(struct code_scalar *a, struct code_scalar *b, uint32_t strict)
{
    if (strict && (b->high == 0 || a->low == UINT64_MAX)) {
        make_empty(a);
        return;
    }
    a->high = min64(a->high, b->high - strict);
    b->low = max64(b->low, a->low + strict);
    scalar_reduce(a);
    scalar_reduce(b);
}

void scalar_assume_less(struct code_scalar *a, struct code_scalar *b, uint32_t strict)
{
    if (strict && (b->most == INT64_MIN || a->least == INT64_MAX)) {
        make_empty(a);
        return;
    }
    a->most = lesser(a->most, b->most - strict);
    b->least = greater(b->least, a->least + strict);
    scalar_reduce(a);
    scalar_reduce(b);
}

void scalar_assume_below32(struct code_scalar *a, struct code_scalar *b, uint32_t strict)
{
    if (strict && (b->high32 == 0 || a->low32 == UINT32_MAX)) {
        make_empty(a);
        return;
    }
    a->high32 = min32(a->high32, b->high32 - strict);
    b->low32 = max32(b->low32, a->low32 + strict);
    scalar_reduce(a);
    scalar_reduce(b);
}

void scalar_assume_less32(struct code_scalar *a, struct code_scalar *b, uint32_t strict)
{
    if (strict && (b->most32 == INT32_MIN || a->least32 == INT32_MAX)) {
        make_empty(a);
        return;
    }
    a->most32 = lesser32(a->most32, b->most32 - (int32_t)strict);
    b->least32 = greater32(b->least32, a->least32 + (int32_t)strict);
    scalar_reduce(a);
    scalar_reduce(b);
}

void scalar_assume_clear(struct code_scalar *a, uint64_t mask)
{
    if (a->bits & mask) {
        make_empty(a);
        return;
    }
    a->unknown &= ~mask;
    scalar_reduce(a);
}

void scalar_assume_touch(struct code_scalar *a, uint64_t mask)
{
    uint64_t possible = (a->bits | a->unknown) & mask;

    if (!possible) {
        make_empty(a);
        return;
    }
    if ((possible & (possible - 1)) == 0) {
        a->bits |= possible;
        a->unknown &= ~possible;
        scalar_reduce(a);
    }
}
