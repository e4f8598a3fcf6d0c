/*
 * Visible revocation: a parent asks its copies for frames and slots. The good one answers before the deadline, the
 * bad one never does.
 */
#include "holder.h"
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define TAKEN_ADDRESS 0x24000000ull
#define PATIENCE_NS   4000000000ull

enum { WANTED = 64, DEADLINE_NS = 150000000, SLOTS_WANTED = 2, SLOT_TAKEN = 1u << 31, CAPABILITY_TAKEN = 1u << 29, NUMBER_GOOD = 0, NUMBER_BAD = 1 };

static struct offspring holder;
static uint64_t answered_ns;

static const struct exo_start_capability *time_second(void)
{
    return exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 1));
}

static bool sleep_until(volatile uint64_t *place, uint64_t value)
{
    for (uint64_t until = exo_time() + PATIENCE_NS; *place < value && exo_time() < until;)
        exo_sleep(exo_time() + 1000000, EXO_EVENT_TIMER, false);
    return *place >= value;
}

/* Two whole rounds of the holder later, what it tells is as of now. */
static bool holder_looks(void)
{
    return sleep_until(&SHARED->rounds, SHARED->rounds + 2);
}

static void time_pass(uint64_t deadline)
{
    while (exo_time() <= deadline)
        exo_sleep(deadline + 1, EXO_EVENT_TIMER, false);
}

static int64_t frames_ask(uint32_t count, uint64_t deadline)
{
    return exo_revoke(0, memory_frames.capability, holder.child.frame, holder.memory, count, deadline);
}

static int64_t frame_force(uint32_t frame)
{
    int64_t result;

    do
        result = exo_frame_reclaim(0, memory_frames.capability, frame);
    while (exo_again(result));
    return result;
}

static uint32_t frames_dirty(void)
{
    uint32_t dirty = 0;

    for (uint32_t i = 0; i < HOLDER_PAGES; i++) {
        const volatile struct exo_frame *info = exo_frame_info(SHARED->frames[i]);
        dirty += info->owner == exo_start.environment && info->kind == EXO_FRAME_DIRTY;
    }
    return dirty;
}

/* Take what came back, and look for the old owner's bytes. */
static bool dirty_frames_arrive_cleared(void)
{
    uint32_t table = exo_space_table(&memory_space, TAKEN_ADDRESS), taken = 0;
    bool fine = true;

    for (uint32_t i = 0; i < HOLDER_PAGES; i++) {
        uint32_t frame = SHARED->frames[i];
        if (exo_frame_info(frame)->owner != exo_start.environment)
            continue;
        fine &= check_refused("bind before it is taken",
                              memory_bind(TAKEN_ADDRESS, table, frame, memory_frames.capability, EXO_MAP_READ));
        int64_t result;
        do
            result = exo_frame_take(0, memory_frames.capability, frame, 1);
        while (exo_again(result));
        fine &= check_equal("take", result, 1);
        check_must("bind", memory_bind(TAKEN_ADDRESS, table, frame, memory_frames.capability, EXO_MAP_READ));
        for (uint32_t word = 0; word < EXO_FRAME_SIZE / sizeof(uint64_t); word++)
            fine &= ((const volatile uint64_t *)TAKEN_ADDRESS)[word] == 0;
        check_must("unbind", memory_unbind(TAKEN_ADDRESS, table, 0));
        fine &= check_equal("free", exo_frame_release(&memory_frames, frame), 1);
        taken++;
    }
    return fine & check_equal("frames", taken, WANTED);
}

static bool nothing_is_taken_that_was_not_asked_for(void)
{
    bool fine = true;

    for (uint32_t i = 0; i < HOLDER_PAGES; i++)
        fine &= check_equal("reclaim", frame_force(SHARED->frames[i]), EXO_KEPT);
    fine &= check_equal("withdraw",
                        exo_capability_withdraw(0, memory_frames.capability, holder.child.frame, holder.memory),
                        EXO_KEPT);
    for (uint32_t slot = time_second()->first; slot < time_second()->first + time_second()->count; slot++)
        fine &= check_equal("slot", exo_slot_reclaim(0, time_second()->slot, slot), EXO_KEPT);
    return fine;
}

static bool the_good_one_gives_frames_before_the_deadline(void)
{
    uint64_t begun = exo_time();

    check_must("revoke", frames_ask(WANTED, begun + DEADLINE_NS * 10));
    while (frames_dirty() < WANTED && exo_time() < begun + DEADLINE_NS * 10)
        exo_sleep(exo_time() + 100000, EXO_EVENT_TIMER, false);
    answered_ns = exo_time() - begun;
    exo_print("  %u frames came back after %lu us", frames_dirty(), answered_ns / 1000);
    return check_equal("frames given", frames_dirty(), WANTED) &
           check_equal("in time", answered_ns < DEADLINE_NS * 10ull, true) &
           check_equal("the count it read", (int64_t)SHARED->count, WANTED) &
           check_equal("the capability it read", (int64_t)SHARED->slot, holder.memory) &
           check_equal("the deadline it read", (int64_t)SHARED->deadline, (int64_t)(begun + DEADLINE_NS * 10ull));
}

static bool nothing_more_is_taken_after_the_answer(void)
{
    bool fine = true;

    for (uint32_t i = WANTED; i < HOLDER_PAGES; i++)
        fine &= check_equal("reclaim", frame_force(SHARED->frames[i]), EXO_KEPT);
    fine &= check_equal("the holder runs on", holder_looks(), true);
    fine &= check_equal("pages it gave", (int64_t)SHARED->lost, WANTED);
    return fine & check_equal("pages that changed", (int64_t)SHARED->spoiled, 0);
}

static bool the_good_one_gives_slots_before_the_deadline(void)
{
    const struct exo_start_capability *time = time_second();
    uint64_t asked = SHARED->asked;

    check_must("revoke",
               exo_revoke(0, time->slot, holder.child.frame, holder.time, SLOTS_WANTED, exo_time() + PATIENCE_NS));
    bool fine = check_equal("it saw the request", sleep_until(&SHARED->asked, asked + 1) && holder_looks(), true);
    for (uint32_t i = 0; i < SLOTS_WANTED; i++)
        fine &= check_equal("owner of the slot", exo_slot_info(time->first + time->count - 1 - i)->owner,
                            exo_start.environment);
    fine &= check_equal("owner of the others", exo_slot_info(time->first)->owner, holder.child.frame);
    return fine & check_equal("reclaim after the answer", exo_slot_reclaim(0, time->slot, time->first), EXO_KEPT);
}

static bool the_bad_one_keeps_its_frames_until_the_imperative_is_over(void)
{
    uint64_t begun = exo_time();

    check_must("revoke", frames_ask(WANTED, begun + DEADLINE_NS));
    bool fine = check_equal("before the first deadline", frame_force(SHARED->frames[0]), EXO_KEPT);
    fine &= check_equal("it saw the request", sleep_until(&SHARED->asked, 1), true);
    time_pass(begun + DEADLINE_NS);
    fine &= check_equal("after the first deadline", frame_force(SHARED->frames[0]), EXO_KEPT);
    uint64_t deadline = exo_time() + DEADLINE_NS;
    check_must("imperative", frames_ask(WANTED, deadline));
    fine &= check_equal("a third time", frames_ask(WANTED, 0), EXO_BUSY);
    fine &= check_equal("it saw the imperative", sleep_until(&SHARED->imperative, 1), true);
    if (exo_time() < deadline - 1000000)
        fine &= check_equal("before the last deadline", frame_force(SHARED->frames[0]), EXO_KEPT);
    time_pass(deadline);
    return fine & check_equal("frames it still has", (int64_t)frames_dirty(), 0);
}

static bool frames_are_taken_by_force_as_many_as_were_asked_for(void)
{
    uint64_t begun = exo_time();
    bool fine = true;

    for (uint32_t i = 0; i < WANTED; i++)
        fine &= check_equal("reclaim", frame_force(SHARED->frames[i]), EXO_OK);
    exo_print("  64 frames taken by force in %lu us", (exo_time() - begun) / 1000);
    fine &= check_equal("one more", frame_force(SHARED->frames[WANTED]), EXO_KEPT);
    return fine & check_equal("frames that came", frames_dirty(), WANTED);
}

static bool what_was_taken_stands_in_the_repossession_vector(void)
{
    bool fine = check_equal("the holder runs on", holder_looks(), true);

    fine &= check_equal("entries", SHARED->taken, WANTED);
    for (uint32_t i = 0; i < WANTED; i++)
        fine &= check_equal("entry", SHARED->repossessed[i], SHARED->frames[i]);
    fine &= check_equal("pages it lost", (int64_t)SHARED->lost, WANTED);
    return fine & check_equal("pages that changed", (int64_t)SHARED->spoiled, 0);
}

static bool guaranteed_frames_are_never_taken(void)
{
    uint16_t kept = exo_start_slot(EXO_KIND_FRAMES, 1);
    uint32_t first = exo_start_capability(kept)->first;
    bool fine = true;

    for (uint32_t i = 0; i < HOLDER_KEPT; i++) {
        fine &= check_equal("owner", exo_frame_info(first + i)->owner, holder.child.frame);
        fine &= check_equal("reclaim", exo_frame_reclaim(0, kept, first + i), EXO_KEPT);
    }
    for (uint16_t slot = 1; slot < 16; slot++)
        fine &= check_refused("revoke", exo_revoke(0, kept, holder.child.frame, slot, 1, 0));
    return fine;
}

static bool slots_are_taken_by_force_after_their_deadline(void)
{
    const struct exo_start_capability *time = time_second();
    uint32_t slot = time->first + time->count - 1;
    bool fine = true;

    check_must("revoke", exo_revoke(0, time->slot, holder.child.frame, holder.time, 1, exo_time()));
    fine &= check_equal("after the first deadline", exo_slot_reclaim(0, time->slot, slot), EXO_KEPT);
    uint64_t deadline = exo_time() + DEADLINE_NS;
    check_must("imperative", exo_revoke(0, time->slot, holder.child.frame, holder.time, 1, deadline));
    fine &= check_equal("before the last deadline", exo_slot_reclaim(0, time->slot, slot), EXO_KEPT);
    time_pass(deadline);
    fine &= check_equal("after it", exo_slot_reclaim(0, time->slot, slot), EXO_OK);
    fine &= check_equal("owner", exo_slot_info(slot)->owner, 0);
    fine &= check_equal("another", exo_slot_reclaim(0, time->slot, slot - 1), EXO_KEPT);
    fine &= check_equal("the holder runs on", holder_looks(), true);
    fine &= check_equal("entries", SHARED->taken, WANTED + 1);
    return fine & check_equal("entry", SHARED->repossessed[WANTED % 64], slot | SLOT_TAKEN);
}

/* Not thing by thing, but the capability itself, with all that is owned under it. */
static bool a_capability_is_taken_by_force_and_its_holder_told(void)
{
    uint32_t before = SHARED->taken;
    uint64_t deadline = exo_time() + DEADLINE_NS;
    uint16_t slot;
    int64_t result;

    check_must("grant", exo_child_grant(&holder.child, memory_frames.capability, EXO_KIND_FRAMES,
                                        EXO_RIGHT_READ | EXO_RIGHT_TAKE, holder.first, 1, &slot));
    for (uint32_t i = 0; i < 2; i++)
        check_must("revoke", exo_revoke(0, memory_frames.capability, holder.child.frame, slot, 1, deadline));
    bool fine = check_equal("before the deadline",
                            exo_capability_withdraw(0, memory_frames.capability, holder.child.frame, slot), EXO_KEPT);
    time_pass(deadline);
    do
        result = exo_capability_withdraw(0, memory_frames.capability, holder.child.frame, slot);
    while (exo_again(result));
    fine &= check_equal("withdrawn", result, EXO_OK) & check_equal("the holder runs on", holder_looks(), true);
    fine &= check_equal("entries", SHARED->taken, before + 1);
    return fine & check_equal("entry", SHARED->repossessed[before % 64], slot | CAPABILITY_TAKEN);
}

static bool nobody_revokes_from_above_or_beside(void)
{
    uint16_t self = exo_start_slot(EXO_KIND_FRAMES, 0);
    bool fine = check_refused("from oneself", exo_revoke(0, self, exo_start.environment, self, 1, 0));

    fine &= check_refused("by another capability",
                          exo_revoke(0, time_second()->slot, holder.child.frame, holder.memory, 1, 0));
    fine &= check_refused("what is no frames or slots", exo_revoke(0, self, holder.child.frame, holder.parent, 1, 0));
    return fine &
           check_refused("of an environment that is none", exo_revoke(0, self, holder.first, holder.memory, 1, 0));
}

/* A copy with guaranteed frames beside its memory. */
static void holder_start(uint32_t number, bool good)
{
    uint16_t kept = exo_start_slot(EXO_KIND_FRAMES, 1);

    memset(SHARED, 0, sizeof *SHARED);
    offspring_make(&holder, number, time_second()->first, time_second()->count);
    check_must("kept frames", exo_child_grant(&holder.child, kept, EXO_KIND_FRAMES,
                                              EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE | EXO_RIGHT_KEPT,
                                              exo_start_capability(kept)->first, HOLDER_KEPT, 0));
    if (!offspring_run(&holder))
        holder_live(good);
    check_must("the holder starts", sleep_until(&SHARED->ready, 1) ? EXO_OK : EXO_TIMED_OUT);
}

/* Reaping needs no capability; who ends it afterwards finds it done. */
static bool it_may_be_reaped_by_another(void)
{
    bool fine = check_equal("destroyed", exo_environment_destroy(holder.child.slot), EXO_OK);
    int64_t result;

    do
        result = exo_environment_reap(holder.child.frame);
    while (exo_again(result));
    return fine & check_equal("reaped", result, EXO_OK);
}

static bool its_end_gives_everything_back(void)
{
    bool fine = check_equal("end", offspring_end(&holder, time_second()->first, time_second()->count), EXO_OK);
    uint32_t owned = 0;

    for (uint32_t i = 0; i < OFFSPRING_FRAMES; i++)
        owned += exo_frame_info(holder.first + i)->kind != EXO_FRAME_FREE;
    return fine & check_equal("frames that are not free", owned, 0);
}

int main(void)
{
    static const struct check_case good[] = {
        CASE(nothing_is_taken_that_was_not_asked_for),
        CASE(the_good_one_gives_frames_before_the_deadline),
        CASE(nothing_more_is_taken_after_the_answer),
        CASE(dirty_frames_arrive_cleared),
        CASE(the_good_one_gives_slots_before_the_deadline),
        CASE(its_end_gives_everything_back),
    };
    static const struct check_case bad[] = {
        CASE(nothing_is_taken_that_was_not_asked_for),
        CASE(nobody_revokes_from_above_or_beside),
        CASE(the_bad_one_keeps_its_frames_until_the_imperative_is_over),
        CASE(frames_are_taken_by_force_as_many_as_were_asked_for),
        CASE(what_was_taken_stands_in_the_repossession_vector),
        CASE(dirty_frames_arrive_cleared),
        CASE(guaranteed_frames_are_never_taken),
        CASE(slots_are_taken_by_force_after_their_deadline),
        CASE(a_capability_is_taken_by_force_and_its_holder_told),
        CASE(it_may_be_reaped_by_another),
        CASE(its_end_gives_everything_back),
    };

    memory_open();
    fault_begin();
    offspring_open();
    holder_start(NUMBER_GOOD, true);
    check_run(CASES(good));
    holder_start(NUMBER_BAD, false);
    check_run(CASES(bad));
    return check_status();
}
