/* Sorts the eight shared words, signed, in place. */
#include "context.h"

u64 sort(struct context *c)
{
    s64 *word = (s64 *)c->shared;
    u64 moved = 0;
    for (u32 i = 1; i < 8; i++)
        for (u32 j = i; j > 0 && j < 8 && word[j - 1] > word[j]; j--) {
            s64 smaller = word[j];
            word[j] = word[j - 1];
            word[j - 1] = smaller;
            moved++;
        }
    return moved;
}
