/*
 * A program that minds its own business beside hostile ones: it computes over its own memory in its own slots, again
 * and again, and looks whether all is still as it left it: its bytes, its results, its frames and its slots in the
 * exposed tables.
 */
#include <check.h>
#include <memory.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define PAGES_ADDRESS 0x20000000ull

enum { PATIENCE = 8, PAGES = 96, WORDS = PAGES * EXO_FRAME_SIZE / sizeof(uint64_t) };

static uint32_t frames[PAGES];
static uint64_t turns_before[EXO_SLOTS_PER_PROCESSOR * EXO_PROCESSOR_LIMIT];
static uint64_t *const words = (uint64_t *)PAGES_ADDRESS;

static uint64_t word_next(uint64_t word)
{
    word ^= word << 13;
    word ^= word >> 7;
    return word ^ word << 17;
}

static void words_fill(uint64_t seed)
{
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = seed = word_next(seed);
}

/* How many words differ from what words_fill left. */
static uint32_t words_wrong(uint64_t seed)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        wrong += words[i] != (seed = word_next(seed));
    return wrong;
}

/* The checksum of one computation whose right result is known: computed here without memory, and over the pages. */
static bool checksum_is_right(uint64_t seed)
{
    uint64_t through_memory = 0, in_registers = 0;

    words_fill(seed);
    for (uint32_t i = 0; i < WORDS; i++)
        through_memory = through_memory * 31 + words[i];
    for (uint32_t i = 0; i < WORDS; i++)
        in_registers = in_registers * 31 + (seed = word_next(seed));
    return through_memory == in_registers;
}

static bool frames_are_mine(void)
{
    bool fine = true;

    for (uint32_t i = 0; i < PAGES; i++) {
        const volatile struct exo_frame *info = exo_frame_info(frames[i]);
        fine &= check_equal("owner of a frame", info->owner, exo_start.environment);
        fine &= check_equal("kind of a frame", info->kind, EXO_FRAME_DATA);
        fine &= check_equal("closing", info->closing, 0);
    }
    return fine;
}

static const struct exo_start_capability *slots_given(uint32_t n)
{
    uint16_t slot = exo_start_slot(EXO_KIND_SLOTS, n);
    return slot ? exo_start_capability(slot) : 0;
}

static void turns_note(void)
{
    const struct exo_start_capability *given;

    for (uint32_t n = 0; (given = slots_given(n)); n++)
        for (uint32_t slot = given->first; slot < given->first + given->count; slot++)
            turns_before[slot] = exo_slot_info(slot)->turns;
}

static bool slots_are_mine(void)
{
    const struct exo_start_capability *given;
    bool fine = true;

    for (uint32_t n = 0; (given = slots_given(n)); n++)
        for (uint32_t slot = given->first; slot < given->first + given->count; slot++) {
            fine &= check_equal("owner of a slot", exo_slot_info(slot)->owner, exo_start.environment);
            fine &= check_equal("virtual processor of a slot", exo_slot_info(slot)->vcpu,
                                exo_start.environment * EXO_VCPUS_PER_ENVIRONMENT);
        }
    return fine;
}

/* In each slot of its first range. */
static bool turns_came(uint64_t least)
{
    const struct exo_start_capability *given = slots_given(0);
    bool came = true;

    for (uint32_t slot = given->first; slot < given->first + given->count; slot++)
        came &= exo_slot_info(slot)->turns - turns_before[slot] >= least;
    return came;
}

/* Works for a while; a round each way of being disturbed. */
static bool work(uint64_t until)
{
    uint32_t rounds = 0;
    bool fine = true;

    for (uint64_t seed = 88172645463325252; exo_time() < until; seed += 2, rounds++) {
        fine &= checksum_is_right(seed);
        exo_yield();
        fine &= check_equal("words changed while others ran", words_wrong(seed), 0);
        fine &= frames_are_mine();
    }
    exo_print("%u rounds", rounds);
    return fine && rounds > 2;
}

int main(void)
{
    uint64_t begun = exo_time(), lasts = exo_argument("ms", 1500) * 1000000;

    memory_open();
    for (uint32_t i = 0; i < PAGES; i++)
        frames[i] = memory_page(PAGES_ADDRESS + i * EXO_FRAME_SIZE);
    turns_note();
    check_print(work(begun + lasts), "the victim's results stay right");
    check_print(frames_are_mine(), "the victim's frames stay its own");
    /* A turn each 64 ms is due. Without `percent=` of them to have, the computer that emulates may be slow. */
    uint64_t due = lasts / (EXO_SLOTS_PER_PROCESSOR * EXO_SLOT_NS), least = due * exo_argument("percent", 0) / 100;
    for (least = least ? least : 1;
         !turns_came(least) && exo_time() < begun + PATIENCE * lasts && !exo_argument("percent", 0);)
        exo_yield();
    check_print(slots_are_mine() & check_equal("its turns came", turns_came(least), true),
                "the victim's slots stay its own and its turns come");
    return check_status();
}
