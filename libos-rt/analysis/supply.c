#include "supply.h"

static bool is_owned(const struct rt_supply *given, uint32_t position)
{
    return given->owned >> position & 1;
}

static uint64_t position_from(const struct rt_supply *given, uint32_t position)
{
    uint32_t before = position ? position - 1 : given->positions - 1;

    if (!is_owned(given, position))
        return given->slot;
    uint64_t lost = is_owned(given, before) ? given->tick : given->late;
    return lost < given->slot ? lost : given->slot;
}

void supply_open(struct supply *supply, const struct rt_supply *given)
{
    *supply = (struct supply){.slot = given->slot, .cycle = given->slot * given->positions, .positions = given->positions};
    for (uint32_t i = 0; i < given->positions; i++) {
        supply->from[i] = position_from(given, i);
        supply->given[i + 1] = supply->given[i] + given->slot - supply->from[i];
        if (supply->from[i] == given->slot)
            continue;
        supply->end[supply->ends] = (i + 1) * given->slot;
        supply->before[supply->ends++] = supply->given[i + 1];
    }
}

/* From time 0, where position 0 begins, up to `time`. */
static uint64_t given_up_to(const struct supply *supply, uint64_t time)
{
    uint64_t cycles = time / supply->cycle, rest = time % supply->cycle;
    uint32_t position = (uint32_t)(rest / supply->slot);
    uint64_t within = rest % supply->slot, from = supply->from[position];

    return cycles * supply->given[supply->positions] + supply->given[position] + (within > from ? within - from : 0);
}

/* The first time up to which so much is given (at least 1). */
static uint64_t time_of(const struct supply *supply, uint64_t amount)
{
    uint64_t each = supply->given[supply->positions], cycles = (amount - 1) / each, rest = amount - cycles * each;
    uint32_t low = 0, high = supply->positions - 1;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (supply->given[middle + 1] >= rest)
            high = middle;
        else
            low = middle + 1;
    }
    return cycles * supply->cycle + low * supply->slot + supply->from[low] + rest - supply->given[low];
}

uint64_t supply_least(const struct supply *supply, uint64_t window)
{
    uint64_t least = UINT64_MAX;

    if (!supply->ends)
        return 0;
    for (uint32_t i = 0; i < supply->ends; i++) {
        uint64_t amount = given_up_to(supply, supply->end[i] + window) - supply->before[i];
        least = amount < least ? amount : least;
    }
    return least;
}

uint64_t supply_window(const struct supply *supply, uint64_t amount)
{
    uint64_t longest = 0;

    if (!amount)
        return 0;
    if (!supply->ends)
        return UINT64_MAX;
    for (uint32_t i = 0; i < supply->ends; i++) {
        uint64_t window = time_of(supply, supply->before[i] + amount) - supply->end[i];
        longest = window > longest ? window : longest;
    }
    return longest;
}
