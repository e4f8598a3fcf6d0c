/*
 * A holder of a loan: takes all of it as often as it can, fills it, and gives it back when it is asked; with `stubborn=1` it does not.
 * Nothing of what another wrote may ever be read.
 */
#include <check.h>
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/frames.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/space.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define PAGES 0x20000000ull

enum { LOAN_MOST = 512, LOOK_NS = 5000000 };

static struct exo_frames own, loan;
static struct exo_space space;
static uint32_t held;
static volatile bool asked;

static volatile uint64_t *page(uint32_t i)
{
    return (volatile uint64_t *)(PAGES + (uint64_t)i * EXO_FRAME_SIZE);
}

static void event_handle(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    if (events & (EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE) && EXO_CONTEXT->revoke_capability == loan.capability)
        asked = true;
}

/* Every frame must be clear, and is filled. */
static bool loan_take(void)
{
    bool clear = true;
    uint32_t frame;

    while (held < LOAN_MOST && (frame = exo_frame_alloc(&loan)) != 0) {
        check_must("map", exo_space_map(&space, (uint64_t)page(held), frame, 1, loan.capability, EXO_MAP_READ | EXO_MAP_WRITE));
        for (uint32_t i = 0; i < EXO_FRAME_SIZE / sizeof(uint64_t); i++) {
            clear &= page(held)[i] == 0;
            page(held)[i] = exo_start.number;
        }
        held++;
    }
    return clear;
}

static void loan_give(void)
{
    exo_space_unmap(&space, PAGES, held);
    exo_drop(loan.capability); /* with the frames that are owned under it */
    held = 0;
    asked = false;
    exo_frames_open(&loan, 0, loan.capability, loan.first, loan.count);
}

static uint32_t frames_mine(void)
{
    uint32_t mine = 0;

    for (uint32_t i = 0; i < loan.count; i++)
        mine += exo_frame_info(loan.first + i)->owner == exo_start.environment;
    return mine;
}

int main(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    const struct exo_start_capability *lent = exo_start_loan(0);
    bool clear = true, stubborn = exo_argument("stubborn", 0);
    uint64_t end = exo_time() + exo_argument("milliseconds", 300) * 1000000;
    uint32_t turns = 0;

    exo_frames_open(&own, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&space, &exo_start, &own);
    exo_frames_open(&loan, 0, lent->slot, lent->first, lent->count);
    exo_event_handler = event_handle;
    while (exo_time() < end) {
        bool had = held != 0;
        clear &= loan_take();
        turns += !had && held;
        if (asked && !stubborn)
            loan_give();
        if (held && frames_mine() == 0) { /* taken by force; the bindings went with the frames */
            held = 0;
            exo_frames_open(&loan, 0, lent->slot, lent->first, lent->count);
        }
        exo_sleep(exo_time() + LOOK_NS, EXO_EVENT_TIMER | EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE, false);
    }
    exo_print("%u turns, %u frames at the end", turns, frames_mine());
    check_print(clear, "nothing of another's is left in a loan");
    return check_status();
}
