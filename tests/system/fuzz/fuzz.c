/*
 * Pairs of copies make random calls, on themselves and on each other, generation after generation. After each one
 * both are ended, and everything has to be as it was before: this program's own bytes, its entries in the exposed
 * tables, and its copies' share of frames and slots.
 */
#include "puppet.h"
#include <check.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define PATTERN_ADDRESS 0x26000000ull
#define STUCK_NS        90000000ull

enum { KINDS_LEAST = 20, PATTERN_PAGES = 32, PATTERN_WORDS = PATTERN_PAGES * EXO_FRAME_SIZE / sizeof(uint64_t) };

static struct offspring puppet[PUPPETS];
static uint32_t pattern_frame[PATTERN_PAGES];
static uint64_t calls, granted, finished, begun;
static uint64_t granted_by_call[EXO_CALL_COUNT];

static void pattern_make(void)
{
    volatile uint64_t *words = (volatile uint64_t *)PATTERN_ADDRESS;

    for (uint32_t i = 0; i < PATTERN_PAGES; i++)
        pattern_frame[i] = memory_page(PATTERN_ADDRESS + i * EXO_FRAME_SIZE);
    for (uint64_t i = 0; i < PATTERN_WORDS; i++)
        words[i] = i * 0x9e3779b97f4a7c15;
}

static bool pattern_stands(void)
{
    const volatile uint64_t *words = (const volatile uint64_t *)PATTERN_ADDRESS;
    bool fine = true;

    for (uint64_t i = 0; i < PATTERN_WORDS; i++)
        fine &= words[i] == i * 0x9e3779b97f4a7c15;
    check_equal("the pattern is whole", fine, true);
    for (uint32_t i = 0; i < PATTERN_PAGES; i++) {
        fine &= check_equal("owner of an own frame", exo_frame_info(pattern_frame[i])->owner, exo_start.environment);
        fine &= check_equal("its kind", exo_frame_info(pattern_frame[i])->kind, EXO_FRAME_DATA);
    }
    return fine;
}

/* What a copy gave back by frame_return is this program's now. */
static void returned_release(uint32_t frame)
{
    int64_t taken;

    do
        taken = exo_frame_take(0, memory_frames.capability, frame, 1);
    while (exo_again(taken));
    exo_frame_release(&memory_frames, frame);
}

static bool share_is_free(uint32_t number)
{
    bool fine = true;

    for (uint32_t i = 0; i < OFFSPRING_FRAMES; i++) {
        const volatile struct exo_frame *info = exo_frame_info(puppet[number].first + i);
        if (info->kind == EXO_FRAME_DIRTY && info->owner == exo_start.environment)
            returned_release(puppet[number].first + i);
        fine &= check_equal("kind of a copy's frame after its end", info->kind, EXO_FRAME_FREE);
        fine &= check_equal("bindings of a copy's frame after its end", info->bindings, 0);
    }
    return fine;
}

static const struct exo_start_capability *time_of(uint32_t number)
{
    return exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 1 + number));
}

/* Names to try: environments and context pages of all that run, and some frames of each. */
static void others_note(void)
{
    uint32_t count = 0;

    for (uint32_t frame = 1; frame < exo_system_info()->frame_count && count < 32; frame++) {
        uint8_t kind = exo_frame_info(frame)->kind;
        if (exo_frame_info(frame)->owner &&
            (kind == EXO_FRAME_ENVIRONMENT || kind == EXO_FRAME_CONTEXT || frame % 509 == 0))
            SHARED->others[count++] = frame;
    }
}

static uint16_t sibling_grant(uint32_t number)
{
    uint16_t slot;
    const struct offspring *sibling = &puppet[1 - number];

    check_must("a capability to the sibling",
               exo_child_grant(&puppet[number].child, sibling->child.slot, EXO_KIND_ENVIRONMENT,
                               EXO_RIGHT_READ | EXO_RIGHT_CONTROL | EXO_RIGHT_RUN | EXO_RIGHT_GRANT,
                               sibling->child.frame, 1, &slot));
    return slot;
}

/* Until both are done, or neither has made a call for a while. */
static void generation_watch(void)
{
    uint64_t seen = 0, since = exo_time();

    while (!(SHARED->done[0] && SHARED->done[1]) && exo_time() < since + STUCK_NS) {
        uint64_t now = SHARED->calls[0] + SHARED->calls[1];
        if (now != seen)
            since = exo_time();
        seen = now;
        exo_sleep(exo_time() + 2000000, EXO_EVENT_TIMER, false);
        __atomic_store_n(&EXO_CONTEXT->inbox_full, 0, __ATOMIC_SEQ_CST);
    }
}

static bool generation_run(uint64_t seed)
{
    uint16_t sibling[PUPPETS];
    bool fine = true;

    memset(SHARED, 0, sizeof *SHARED);
    others_note();
    for (uint32_t i = 0; i < PUPPETS; i++)
        offspring_make(&puppet[i], i, time_of(i)->first, time_of(i)->count);
    for (uint32_t i = 0; i < PUPPETS; i++)
        sibling[i] = sibling_grant(i);
    for (uint32_t i = 0; i < PUPPETS; i++)
        if (!offspring_run(&puppet[i]))
            puppet_live(i, seed * 2 + i + 1, puppet[i].parent, sibling[i]);
    SHARED->go = 1;
    generation_watch();
    for (uint32_t i = 0; i < PUPPETS; i++) {
        calls += SHARED->calls[i];
        granted += SHARED->granted[i];
        finished += SHARED->done[i];
        begun++;
    }
    for (uint32_t i = 0; i < EXO_CALL_COUNT; i++)
        granted_by_call[i] += SHARED->granted_by_call[i];
    if (!check_equal("a status that the ABI does not list", SHARED->unlisted, EXO_OK))
        fine = check_equal("by the call numbered", (int64_t)SHARED->unlisted_call, -1);
    for (uint32_t i = 0; i < PUPPETS; i++)
        fine &= check_equal("end of a copy", offspring_end(&puppet[i], time_of(i)->first, time_of(i)->count), EXO_OK);
    for (uint32_t i = 0; i < PUPPETS; i++)
        fine &= share_is_free(i);
    return fine & pattern_stands();
}

/* Whether the random calls are any good: most kinds of calls must have succeeded some time. */
static bool most_calls_were_granted(void)
{
    uint32_t kinds = 0;
    char never[200] = "";

    for (uint32_t i = 0; i < EXO_CALL_COUNT; i++) {
        kinds += granted_by_call[i] != 0;
        if (!granted_by_call[i])
            exo_format(never + exo_text_length(never), sizeof never - exo_text_length(never), " %u", i);
    }
    exo_print("  %u kinds of calls were granted; never the numbers%s", kinds, never);
    return kinds >= KINDS_LEAST;
}

int main(void)
{
    uint64_t seed = exo_argument("seed", 1), wanted = exo_argument("calls", 100000);
    bool fine = true;

    memory_open();
    offspring_open();
    pattern_make();
    while (calls < wanted && fine)
        fine &= generation_run(seed++ * 7919);
    exo_print("%lu calls, %lu of them granted, by %lu copies, %lu of which came to their end", calls, granted, begun,
              finished);
    check_print(fine, "nothing is left of random calls but time spent");
    check_print(most_calls_were_granted(), "most kinds of calls were granted");
    return check_status();
}
