/* Wakeup predicates, and programs that no verifier may accept. */
#include <exo/abi.h>

/* The first word of the watched frame is not 0. */
uint64_t word_is_set(const struct exo_predicate *context)
{
    const volatile uint64_t *words = (const volatile uint64_t *)context->words;

    return words[0] != 0;
}

/* The time is past what the second word says; until then nobody need look again before that. */
uint64_t time_has_come(struct exo_predicate *context)
{
    const volatile uint64_t *words = (const volatile uint64_t *)context->words;
    uint64_t when = words[1];

    if (context->time >= when)
        return 1;
    context->until = when;
    return 0;
}

uint64_t never(const struct exo_predicate *context)
{
    return context->time == 0;
}

uint64_t reads_behind(const struct exo_predicate *context)
{
    const volatile uint64_t *words = (const volatile uint64_t *)context->words;

    return words[context->time & 1023];
}

uint64_t writes_words(const struct exo_predicate *context)
{
    volatile uint64_t *words = (volatile uint64_t *)context->words;

    words[0] = 1;
    return 0;
}

uint64_t tells_address(const struct exo_predicate *context)
{
    return (uint64_t)context;
}
