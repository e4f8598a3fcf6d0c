/* Attacks on the loader: forged names and capabilities, frames that somebody can still write, a full window, a loader that dies. */
#include "programs.h"
#include <fault.h>
#include <memory.h>
#include <offspring.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>
#include "word_is_set.h"

enum { MS = 1000000, FRAMES = 8, COPY_SLOT = 44, COPY_SLOTS = 2, ROUNDS = 6, PLACE = 0x36000000 };

static uint16_t window(void)
{
    return exo_start_slot(EXO_KIND_PROGRAMS, 0);
}

static uint32_t own_page(void)
{
    return exo_start_capability(window())->first;
}

/* So many frames in a row, the second of them with the program. */
static uint32_t frames_make(void)
{
    const struct exo_code_header header = {
        .kind = EXO_CODE_PREDICATE, .count = sizeof word_is_set_code / 8, .budget = BUDGET, .visits = 1000,
    };
    uint32_t first = exo_frame_alloc_run(&memory_frames, FRAMES, 1);

    check_must("frames", first ? EXO_OK : EXO_TAKEN);
    check_must("a page", exo_space_map(&memory_space, PLACE, first + 1, 1, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
    memcpy((void *)PLACE, &header, sizeof header);
    memcpy((uint8_t *)PLACE + sizeof header, word_is_set_code, sizeof word_is_set_code);
    return first;
}

static void frames_drop(uint32_t first)
{
    for (uint32_t i = 0; i < FRAMES; i++)
        exo_frame_release(&memory_frames, first + i);
}

static int64_t unload(uint32_t page)
{
    int64_t result;

    do
        result = exo_program_unload(0, window(), page);
    while (exo_again(result));
    return result;
}

static bool names_of_others_are_refused(void)
{
    const struct exo_start_capability *own = exo_start_capability(window());
    uint32_t first = frames_make(), odd[] = {0, own->first - 1, own->first + own->count, 511, 512, 1u << 16, 0x7fffffff, 0xffffffff};
    bool fine = true;

    check_must("unbind", exo_space_unmap(&memory_space, PLACE, 1));
    for (uint32_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        fine &= check_refused("a page", exo_program_load(0, window(), odd[i], 1, memory_frames.capability, first, FRAMES));
        fine &= check_refused("going on", exo_program_continue(0, odd[i]));
        fine &= check_refused("unloading", exo_program_unload(0, window(), odd[i]));
    }
    for (uint32_t slot = 0; slot < 64; slot++)
        if (slot != window())
            fine &= check_refused("a slot", exo_program_load(0, (uint16_t)slot, own->first, 1, memory_frames.capability, first, FRAMES));
    for (uint32_t slot = 0; slot < 64; slot++)
        if (slot != memory_frames.capability)
            fine &= check_refused("a slot of frames", exo_program_load(0, window(), own->first, 1, (uint16_t)slot, first, FRAMES));
    for (uint32_t frame = 0; frame < exo_system_info()->frame_count; frame += frame < 64 ? 1 : 61)
        if (frame - memory_frames.first >= memory_frames.count)
            fine &= check_refused("a frame", exo_program_load(0, window(), own->first, 1, memory_frames.capability, frame, FRAMES));
    fine &= check_refused("a count", exo_program_load(0, window(), own->first, 1, memory_frames.capability, first, 0xffffffff));
    frames_drop(first);
    return fine;
}

static bool program_that_can_still_be_written_is_not_read(void)
{
    uint32_t first = frames_make();
    bool fine = check_equal("loading", exo_program_load(0, window(), own_page(), 1, memory_frames.capability, first, FRAMES), EXO_OK);

    fine &= check_equal("a bound frame", exo_program_continue(0, own_page()), EXO_BOUND);
    check_must("unbind", exo_space_unmap(&memory_space, PLACE, 1));
    fine &= check_equal("the page is gone", fault_at_write(PLACE), true);
    int64_t result;
    do
        result = exo_program_continue(0, own_page());
    while (exo_again(result));
    fine &= check_equal("loading", result, EXO_OK);
    fine &= check_refused("binding it again", memory_bind(PLACE, exo_space_table(&memory_space, PLACE), first, memory_frames.capability,
                                                          EXO_MAP_READ));
    fine &= check_equal("unloading", unload(own_page()), EXO_OK);
    frames_drop(first);
    return fine;
}

static bool window_is_not_read_or_run_by_user_code(void)
{
    struct exo_code code;
    bool fine = check_equal("loading", LOAD(word_is_set, &code), EXO_OK);
    uint64_t address = 0xffffffffe0000000 + (uint64_t)code.page * EXO_FRAME_SIZE;

    fine &= check_equal("reading", fault_at_read(address), true) & check_equal("writing", fault_at_write(address), true);
    return fine & check_equal("unloading", exo_code_unload(&code, &memory_frames), EXO_OK);
}

static bool full_window_takes_no_more_and_empties(void)
{
    struct exo_code code[64];
    uint32_t count = 0, pages = exo_start_capability(window())->count;
    int64_t result = EXO_OK;

    while (count < 64 && (result = LOAD(word_is_set, &code[count])) == EXO_OK)
        count++;
    bool fine = check_equal("programs", count, pages) & check_equal("one more", result, EXO_TAKEN);
    for (uint32_t i = 0; i < count; i++)
        fine &= check_equal("unloading", exo_code_unload(&code[i], &memory_frames), EXO_OK);
    return fine;
}

/* The copy loads and unloads for ever, and is destroyed at some moment. */
static bool loader_that_dies_leaves_nothing(void)
{
    const struct exo_start_capability *own = exo_start_capability(window());
    struct offspring copy;
    bool fine = true;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t page = own->first + own->count - 2;
        offspring_make(&copy, 1, COPY_SLOT, COPY_SLOTS);
        check_must("pages for the copy", exo_child_grant(&copy.child, own->slot, EXO_KIND_PROGRAMS, EXO_RIGHT_READ | EXO_RIGHT_TAKE,
                                                         page, 2, 0));
        if (!offspring_run(&copy))
            for (;;) {
                struct exo_code code;
                LOAD(word_is_set, &code);
                if (round % 2)
                    exo_code_unload(&code, &memory_frames);
            }
        exo_sleep(exo_time() + 70 * MS + round * 150000, EXO_EVENT_TIMER, false);
        fine &= check_equal("its end", offspring_end(&copy, COPY_SLOT, COPY_SLOTS), EXO_OK);
        fine &= check_equal("its page", exo_program_info(page)->first, 0) & check_equal("the other", exo_program_info(page + 1)->first, 0);
        for (uint32_t i = 0; i < OFFSPRING_FRAMES; i++)
            fine &= check_equal("a frame", exo_frame_info(copy.first + i)->kind == EXO_FRAME_PROGRAM, false);
    }
    return fine;
}

const struct check_case attacks[] = {
    CASE(names_of_others_are_refused),
    CASE(program_that_can_still_be_written_is_not_read),
    CASE(window_is_not_read_or_run_by_user_code),
    CASE(full_window_takes_no_more_and_empties),
    CASE(loader_that_dies_leaves_nothing),
};
const size_t attack_count = sizeof attacks / sizeof attacks[0];
