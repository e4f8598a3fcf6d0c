/* Is a set of tasks feasible? Both answer "admitted" only if it surely is; see the sources for the tests' origin. */
#pragma once
#include <exo/rt.h>

enum { ANALYSIS_STEPS = 100000 }; /* then it gives up, and refuses */

void demand_admit(const struct rt_claim *claim, uint32_t count, const struct rt_supply *supply,
                  const struct rt_overhead *overhead, struct rt_verdict *verdict);
void response_admit(const struct rt_claim *claim, uint32_t count, const struct rt_supply *supply,
                    const struct rt_overhead *overhead, struct rt_verdict *verdict);

/* What one job takes of the processor, with the changes to it and from it. */
static inline uint64_t claim_cost(const struct rt_claim *claim, const struct rt_overhead *overhead)
{
    return claim->runtime + 2 * overhead->switching;
}

/* The most urgent level that locks a mutex. */
static inline uint64_t mutex_ceiling(const struct rt_claim *claim, uint32_t count, uint32_t mutex)
{
    uint64_t ceiling = UINT64_MAX;

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < claim[i].section_count; k++)
            if (claim[i].section[k].mutex == mutex && claim[i].level < ceiling)
                ceiling = claim[i].level;
    return ceiling;
}

/* Does the set need more than the whole time? Rounded in its favour: a quick no, never a yes. */
static inline bool claims_overload(const struct rt_claim *claim, uint32_t count)
{
    uint64_t share = 0;

    for (uint32_t i = 0; i < count; i++)
        share += (claim[i].runtime << 32) / claim[i].period; /* runtimes are below 2^32: RT_PERIOD_MOST */
    return share > 1ull << 32;
}
