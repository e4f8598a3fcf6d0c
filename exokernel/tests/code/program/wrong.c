/* Three programs that are refused, each in the line that is marked. */
#include "context.h"

u64 reads_behind(struct context *c)
{
    u8 *p = c->start;
    if (p + 14 > c->end)
        return 0;
    return p[14]; /* line 9 */
}

u64 tells_address(struct context *c)
{
    c->word[0] = 1;
    c->word[1] = (u64)c->start; /* line 15 */
    return 0;
}

u64 forgets_null(struct context *c)
{
    u64 *words = shared_words(c->half);
    return words[1]; /* line 22 */
}
