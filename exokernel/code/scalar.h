/* What the verifier knows of a number: sets of 64-bit numbers, and what each operation makes of them. Every function is
   sound: if the numbers lie in the arguments' sets, the result of the machine lies in the result's set. Each one is proved
   by tests/code/prove_scalar.py, from the compiled function, so there are no loops and no calls that are not inlined.
   Operations change their first argument in place; the second one may not be the same object. */
#ifndef CODE_SCALAR_H
#define CODE_SCALAR_H

#include <code.h>

enum { HALF_BITS = __builtin_popcount(UINT32_MAX) }; /* 32; tests/code/test_narrow.c narrows the types */

void scalar_any(struct code_scalar *s);
void scalar_set(struct code_scalar *s, uint64_t value);
void scalar_limit(struct code_scalar *s, uint64_t high);         /* 0 to high */

static inline bool scalar_is_constant(const struct code_scalar *s)
{
    return s->low == s->high;
}

/* No number at all: the place in the program is never reached so. */
static inline bool scalar_is_empty(const struct code_scalar *s)
{
    return s->low > s->high || s->least > s->most || s->low32 > s->high32 || s->least32 > s->most32;
}

bool scalar_contains(const struct code_scalar *s, uint64_t value);
bool scalar_covers(const struct code_scalar *s, const struct code_scalar *part);

/* Carries what each description says over to the others. */
void scalar_reduce(struct code_scalar *s);

/* The smallest set around both; and one that is soon too large to grow further. */
void scalar_join(struct code_scalar *s, const struct code_scalar *other);
void scalar_widen(struct code_scalar *s, const struct code_scalar *other);

void scalar_add(struct code_scalar *a, const struct code_scalar *b);
void scalar_subtract(struct code_scalar *a, const struct code_scalar *b);
void scalar_multiply(struct code_scalar *a, const struct code_scalar *b);
void scalar_and(struct code_scalar *a, const struct code_scalar *b);
void scalar_or(struct code_scalar *a, const struct code_scalar *b);
void scalar_xor(struct code_scalar *a, const struct code_scalar *b);
void scalar_divide(struct code_scalar *a, const struct code_scalar *b);     /* by 0: 0 */
void scalar_remainder(struct code_scalar *a, const struct code_scalar *b);  /* by 0: unchanged */

/* By 0 to 63. */
void scalar_shift_left(struct code_scalar *a, uint32_t by);
void scalar_shift_right(struct code_scalar *a, uint32_t by);
void scalar_shift_signed(struct code_scalar *a, uint32_t by);

/* By an unknown number. */
void scalar_shift_right_somewhat(struct code_scalar *a);

/* The lower 32 bits, upper ones 0 or copies of the sign. */
void scalar_truncate(struct code_scalar *s);
void scalar_extend_sign(struct code_scalar *s);

/* What is known of both where a comparison holds; `strict` is 0 or 1. */
void scalar_assume_equal(struct code_scalar *a, struct code_scalar *b);
void scalar_assume_unequal(struct code_scalar *a, struct code_scalar *b);
void scalar_assume_below(struct code_scalar *a, struct code_scalar *b, uint32_t strict);    /* unsigned: a + strict <= b */
void scalar_assume_less(struct code_scalar *a, struct code_scalar *b, uint32_t strict);     /* signed */
void scalar_assume_equal32(struct code_scalar *a, struct code_scalar *b);
void scalar_assume_unequal32(struct code_scalar *a, struct code_scalar *b);
void scalar_assume_below32(struct code_scalar *a, struct code_scalar *b, uint32_t strict);
void scalar_assume_less32(struct code_scalar *a, struct code_scalar *b, uint32_t strict);
void scalar_assume_clear(struct code_scalar *a, uint64_t mask);     /* a & mask == 0 */
void scalar_assume_touch(struct code_scalar *a, uint64_t mask);     /* a & mask != 0 */

#endif
