/* A histogram on the stack, helpers and an atomic counter: the most frequent byte of the first 256, and how often. */
#include "context.h"

u64 table(struct context *c)
{
    u16 seen[64] = {0};
    u32 best = 0;
    for (u64 i = 0; i < 256 && c->start + i + 1 <= c->end; i++) {
        seen[c->start[i] & 63]++;
        OPAQUE(i);
    }
    for (u64 i = 1; i < 64; i++) {
        if (seen[i] > seen[best & 63])
            best = i;
        OPAQUE(i);
    }
    u64 *words = shared_words(best);
    if (words)
        __sync_fetch_and_add(words + 1, seen[best & 63]);
    c->word[1] = log_value(best);
    return sum_of(seen, 16, 0, 1, 3);
}
