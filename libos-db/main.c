/*
 * A load on the buffer pool: reads and writes spread unevenly over more pages than the pool has frames, for some time,
 * with a note of what every page must hold; at the end all pages are compared. Frames that are asked back are given.
 */
#include "pool.h"
#include "store.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { FRAMES = 64, WORDS = EXO_FRAME_SIZE / 8, HOT_PAGES = 32, BATCH = 64, MILLISECOND = 1000000 };

static uint64_t version[POOL_PAGES]; /* word 0 of a page that was written, else 0 */
static uint32_t operations;
static uint64_t answer_ns;

/* Frames are asked for at any instruction, and given where the pool is not being changed. */
static void revocation_answer(void)
{
    uint32_t wanted = EXO_CONTEXT->revoke_count;
    uint64_t before = exo_time();

    if (!wanted)
        return;
    bool blocked = exo_events_block();
    uint32_t given = pool_give((uint16_t)EXO_CONTEXT->revoke_capability, wanted);
    exo_events_restore(blocked);
    answer_ns = exo_time() - before;
    exo_print("asked for %u frames: gave %u in %lu us, %u are left", wanted, given, answer_ns / 1000, pool_frames());
}

static uint32_t random_next(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13; /* Marsaglia, xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* Three of four operations go to the hot pages; one of four writes. */
static bool operation_run(void)
{
    uint32_t random = random_next();
    uint32_t page = random & 3 ? (random >> 8) % HOT_PAGES : (random >> 8) % POOL_PAGES;
    volatile uint64_t *words = pool_page(page);
    uint64_t expected = version[page] ? version[page] : store_word(page, 0);

    operations++;
    if (words[0] != expected || words[WORDS - 1] != (version[page] ? version[page] : store_word(page, WORDS - 1))) {
        exo_print("page %u holds %#lx, not %#lx", page, words[0], expected);
        return false;
    }
    if ((random & 12) == 0) {
        version[page] = operations;
        words[0] = operations;
        words[WORDS - 1] = operations;
    }
    return true;
}

static uint32_t pages_wrong(void)
{
    uint32_t wrong = 0;

    for (uint32_t page = 0; page < POOL_PAGES; page++) {
        volatile uint64_t *words = pool_page(page);
        bool good = true;
        for (uint32_t i = 0; i < WORDS; i++) {
            bool written = version[page] && (i == 0 || i == WORDS - 1);
            good &= words[i] == (written ? version[page] : store_word(page, i));
        }
        wrong += !good;
    }
    return wrong;
}

int main(void)
{
    uint64_t end = exo_time() + exo_argument("milliseconds", 1000) * MILLISECOND;
    int64_t result = pool_open((uint32_t)exo_argument("frames", FRAMES));
    bool good = result == EXO_OK;

    if (!good)
        exo_print("no pool: %s", exo_status_name(result));
    while (good && exo_time() < end) {
        revocation_answer();
        for (uint32_t i = 0; i < BATCH && good; i++)
            good = operation_run();
    }
    uint32_t wrong = good ? pages_wrong() : POOL_PAGES;
    exo_print("%u operations on %u pages in %u frames: %u faults, %u evicted, %u written back, %u aged, %u given",
              operations, POOL_PAGES, pool_frames(), pool_figures.faults, pool_figures.evicted, pool_figures.written,
              pool_figures.aged, pool_figures.given);
    exo_print("%u pages verified, %u wrong", POOL_PAGES, wrong);
    return wrong ? 1 : 0;
}
