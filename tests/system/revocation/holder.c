#include "holder.h"
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/upcall.h>

static volatile uint32_t events_seen;

static void events_note(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    events_seen |= events;
}

static volatile uint64_t *page(uint32_t i)
{
    return (volatile uint64_t *)(HOLDER_ADDRESS + (uint64_t)i * EXO_FRAME_SIZE);
}

static void pages_make(void)
{
    for (uint32_t i = 0; i < HOLDER_PAGES; i++) {
        SHARED->frames[i] = memory_page((uint64_t)page(i));
        for (uint32_t word = 0; word < EXO_FRAME_SIZE / sizeof(uint64_t); word++)
            page(i)[word] = HOLDER_PATTERN + i;
    }
}

/* Guaranteed frames, if it was given any. */
static void kept_make(void)
{
    const struct exo_start_capability *kept = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 2));
    int64_t taken = 0;

    while (kept && ((taken = exo_frame_take(0, kept->slot, kept->first, HOLDER_KEPT)) == EXO_AGAIN))
        exo_space_flush();
    check_must("kept frames", taken);
}

static void frames_give(uint32_t count)
{
    uint32_t table = exo_space_table(&memory_space, HOLDER_ADDRESS);

    for (uint32_t i = 0; i < count; i++) {
        check_must("unbind", memory_unbind((uint64_t)page(i), table, 0));
        check_must("frame_return", exo_frame_return(0, memory_frames.capability, SHARED->frames[i], 1));
    }
}

static void slots_give(uint16_t capability, uint32_t count)
{
    const struct exo_start_capability *time = exo_start_capability(capability);

    for (uint32_t i = 0; i < count; i++)
        check_must("slot_free", exo_slot_free(0, capability, time->first + time->count - 1 - i));
}

static void events_answer(bool good)
{
    uint32_t events = __atomic_exchange_n(&events_seen, 0, __ATOMIC_SEQ_CST), count = EXO_CONTEXT->revoke_count;
    uint16_t capability = (uint16_t)EXO_CONTEXT->revoke_capability;

    if (events & EXO_EVENT_REVOKE) {
        SHARED->deadline = EXO_CONTEXT->revoke_deadline;
        SHARED->slot = capability;
        SHARED->count = count;
        SHARED->asked++;
        if (good && capability == memory_frames.capability)
            frames_give(count);
        else if (good)
            slots_give(capability, count);
    }
    SHARED->imperative += (events & EXO_EVENT_IMPERATIVE) != 0;
}

static void state_tell(void)
{
    uint64_t lost = 0, spoiled = 0;

    for (uint32_t i = 0; i < HOLDER_PAGES; i++)
        if (fault_at_read((uint64_t)page(i)))
            lost++;
        else
            spoiled += page(i)[i] != HOLDER_PATTERN + i;
    SHARED->lost = lost;
    SHARED->spoiled = spoiled;
    SHARED->taken = EXO_CONTEXT->repossessed_count;
    for (uint32_t i = 0; i < 64; i++)
        SHARED->repossessed[i] = EXO_CONTEXT->repossessed[i];
    SHARED->rounds++;
}

void holder_live(bool good)
{
    exo_event_handler = events_note;
    pages_make();
    kept_make();
    SHARED->ready = 1;
    for (;;) {
        events_answer(good);
        state_tell();
        exo_yield();
    }
}
