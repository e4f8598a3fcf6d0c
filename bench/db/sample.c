/* Numbers in no order, the same in each run, and medians. */
#include "bench.h"

static uint64_t samples[SAMPLES_MOST];
static uint32_t sample_count;

uint32_t bench_random(uint32_t below)
{
    static uint64_t state = 88172645463325252ull;

    state ^= state << 13; /* Marsaglia, xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

void sample_add(uint64_t value)
{
    samples[sample_count++ % SAMPLES_MOST] = value;
}

uint64_t samples_median(void)
{
    uint32_t count = sample_count < SAMPLES_MOST ? sample_count : SAMPLES_MOST;

    if (!count)
        return 0;
    for (uint32_t i = 1; i < count; i++) {
        uint64_t value = samples[i];
        uint32_t at = i;
        for (; at && samples[at - 1] > value; at--)
            samples[at] = samples[at - 1];
        samples[at] = value;
    }
    sample_count = 0;
    return samples[count / 2];
}
