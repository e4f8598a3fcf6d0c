/*
 * Races of two processors within one environment: one changes what a call is looking at, or goes on using what the
 * other has given away. The page tables, read through a view, and the frames' bytes show whether it got anywhere.
 */
#include "peer.h"
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define RACE_ADDRESS  0x20000000ull /* in a TABLE1 of its own */
#define BEFORE_ADDRESS 0x20001000ull
#define VIEW_ADDRESS  0x21000000ull
#define OTHER_ADDRESS 0x22000000ull

enum { ROUNDS = 50, MET_LEAST = 20, LOOKS = 3, ENTRY_WRITABLE = 2, HOLD = 50, LEAD_NS = 4000, SWEEP_NS = 800, WRITES = 10 };

static bool is_counted; /* time counts instructions, and a pause lets the other processor run */
static uint32_t table, own_frame, foreign_frame, foreign_table;

static volatile uint64_t *view(void)
{
    return (volatile uint64_t *)VIEW_ADDRESS;
}

static void hold(void)
{
    if (is_counted)
        __asm__ volatile("pause");
    for (volatile uint32_t i = 0; i < HOLD; i++)
        ;
}

/* The peer spoils the batch of virtual processor 0 while that calls. */
static void batch_spoil_frame(void)
{
    volatile struct exo_mapping *mapping = &EXO_CONTEXT->batch[0];

    mapping->frame = foreign_frame;
    hold();
    mapping->frame = own_frame;
}

static void batch_spoil_table(void)
{
    volatile struct exo_mapping *mapping = &EXO_CONTEXT->batch[0];

    mapping->table = foreign_table;
    hold();
    mapping->table = table;
}

static void batch_spoil_flags(void)
{
    volatile struct exo_mapping *mapping = &EXO_CONTEXT->batch[0];

    mapping->flags = 0xffff;
    hold();
    mapping->flags = EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE;
    mapping->flags = EXO_MAP_READ;
}

static void batch_spoil_capability(void)
{
    volatile struct exo_mapping *mapping = &EXO_CONTEXT->batch[0];

    mapping->capability = 0x7fff;
    hold();
    mapping->capability = memory_frames.capability;
}

/* What a bind that was not refused made of it must be what could have been asked for alone. */
static bool entry_is_sound(uint64_t entry)
{
    return check_equal("frame in the entry", entry >> 12 & (EXO_FRAME_LIMIT - 1), own_frame) &
           check_equal("writable", entry & ENTRY_WRITABLE, 0);
}

/* A page in registers, then one that the batch says. How many of the batch's were bound. */
static int64_t own_frame_bind(void)
{
    EXO_CONTEXT->batch[0] = (struct exo_mapping){
        .address = RACE_ADDRESS,
        .table = table,
        .frame = own_frame,
        .capability = memory_frames.capability,
        .flags = EXO_MAP_READ,
    };
    return exo_space_bind(0, BEFORE_ADDRESS, exo_mapping_entry(table, own_frame),
                          exo_mapping_way(memory_frames.capability, EXO_MAP_READ, 0), 1) - 1;
}

static void before_unbind(void)
{
    check_must("unbind the page that was in registers", memory_unbind(BEFORE_ADDRESS, table, 0));
}

/* What came of the call that the peer disturbed: the entry is sound, or there is none. */
static bool outcome_is_sound(int64_t result)
{
    uint64_t entry = view()[RACE_ADDRESS >> 12 & 511];

    return result == 1 ? entry_is_sound(entry) : check_equal("entry after a refusal", (int64_t)entry, 0);
}

/* The peer changes the batch all the time while calls are made: where processors run at once, some calls meet a change. */
static bool batch_survives_storm(void (*spoil)(void))
{
    uint32_t bound = 0, refused = 0;
    bool fine = true;

    peer_repeat(spoil);
    while (bound < ROUNDS) {
        bool blocked = exo_events_block();
        int64_t result = own_frame_bind();
        exo_events_restore(blocked);
        before_unbind();
        fine &= outcome_is_sound(result);
        refused += result != 1;
        if (result == 1) {
            bound++;
            peer_repeat(0);
            check_must("unbind", memory_unbind(RACE_ADDRESS, table, 0));
            peer_repeat(spoil);
        }
    }
    peer_repeat(0);
    exo_print("  %u bound, %u refused", bound, refused);
    return fine;
}

/*
 * Where time counts instructions, the peer's timer changes the batch once, at each instruction of the call in turn. Changes must
 * have come within the call, before its look at the batch and after it.
 */
static bool batch_survives_sweep(void (*spoil)(void))
{
    uint32_t bound = 0, refused = 0;
    bool fine = true;

    for (uint64_t delay = 0; delay < SWEEP_NS; delay++) {
        bool blocked = exo_events_block();
        uint64_t start = exo_time() + LEAD_NS;
        peer_alarm(start + delay, spoil);
        while (exo_time() < start)
            ;
        uint64_t begun = exo_time();
        int64_t result = own_frame_bind();
        uint64_t ended = exo_time(), changed = peer_alarm_time();
        exo_events_restore(blocked);
        before_unbind();
        fine &= outcome_is_sound(result);
        if (result == 1)
            check_must("unbind", memory_unbind(RACE_ADDRESS, table, 0));
        bound += begun < changed && changed < ended && result == 1;
        refused += begun < changed && changed < ended && result != 1;
    }
    exo_print("  changed within the call: %u bound, %u refused", bound, refused);
    return fine & check_equal("changes after the look at the batch", bound >= MET_LEAST, true) &
           check_equal("changes before it", refused >= MET_LEAST, true);
}

static bool batch_survives(void (*spoil)(void))
{
    return is_counted ? batch_survives_sweep(spoil) : batch_survives_storm(spoil);
}

static bool a_frame_changed_during_the_call_is_not_bound(void)
{
    return batch_survives(batch_spoil_frame);
}

static bool a_table_changed_during_the_call_is_not_written(void)
{
    return batch_survives(batch_spoil_table);
}

static bool flags_changed_during_the_call_are_not_set(void)
{
    return batch_survives(batch_spoil_flags);
}

static bool a_capability_changed_during_the_call_justifies_nothing(void)
{
    return batch_survives(batch_spoil_capability);
}

static volatile uint64_t writes_done;

static void place_write(void)
{
    writes_done += peer_write(RACE_ADDRESS + 8 * (peer_rounds() & 511), 0xcccccccccccccccc);
}

/* Nobody may write to this page any more, though the peer tries to at each look. */
static bool page_stays(const volatile uint64_t *page, uint64_t value)
{
    for (uint32_t look = 0; look < LOOKS; look++) {
        peer_wait();
        for (uint32_t i = 0; i < EXO_FRAME_SIZE / sizeof *page; i++)
            if (page[i] != value)
                return check_equal("a word of the page", (int64_t)page[i], (int64_t)value);
    }
    return true;
}

/* A page that the peer is writing to, with a frame that was just taken. */
static uint32_t page_written_by_peer(void)
{
    uint32_t frame = exo_frame_alloc(&memory_frames);
    uint64_t before = writes_done;

    check_must("a frame", frame ? EXO_OK : EXO_BAD_NAME);
    check_must("bind", memory_bind(RACE_ADDRESS, table, frame, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
    while (writes_done < before + WRITES)
        __asm__ volatile("pause");
    return frame;
}

static void frame_take_again(uint32_t frame)
{
    int64_t taken;

    do
        taken = exo_frame_take(0, memory_frames.capability, frame, 1);
    while (exo_again(taken));
    check_must("frame_take", taken);
}

/* Freed and taken again, it belongs to somebody else as far as the peer's old translation goes. */
static bool a_stale_translation_does_not_reach_a_frame_taken_again(void)
{
    uint32_t flags[] = { 0, EXO_MAP_LAZY };
    bool fine = true;

    peer_repeat(place_write);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t frame = page_written_by_peer();
        check_must("unbind", memory_unbind(RACE_ADDRESS, table, flags[i & 1]));
        check_must("free", exo_frame_release(&memory_frames, frame));
        frame_take_again(frame);
        check_must("bind", memory_bind(OTHER_ADDRESS, exo_space_table(&memory_space, OTHER_ADDRESS), frame,
                                       memory_frames.capability, EXO_MAP_READ));
        fine &= page_stays((const volatile uint64_t *)OTHER_ADDRESS, 0);
        check_must("unbind", memory_unbind(OTHER_ADDRESS, exo_space_table(&memory_space, OTHER_ADDRESS), 0));
        check_must("free", exo_frame_release(&memory_frames, frame));
    }
    peer_repeat(0);
    return fine;
}

/* The worst case: what the peer still writes to would be a page table. */
static bool a_stale_translation_does_not_reach_a_page_table(void)
{
    uint64_t other = OTHER_ADDRESS;
    bool fine = true;

    peer_repeat(place_write);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t frame = page_written_by_peer(), shadow = exo_frame_find(&memory_frames);
        int64_t result;
        check_must("unbind", memory_unbind(RACE_ADDRESS, table, EXO_MAP_LAZY));
        check_must("free", exo_frame_release(&memory_frames, frame));
        do
            result = exo_table_create(0, memory_frames.capability, i & 1 ? frame : shadow, i & 1 ? shadow : frame, 1);
        while (exo_again(result));
        check_must("table_create", result);
        if (i & 1) {
            check_must("view", memory_bind(other, exo_space_table(&memory_space, other), frame,
                                           memory_frames.capability, EXO_MAP_READ));
            fine &= page_stays((const volatile uint64_t *)other, 0);
            check_must("unbind", memory_unbind(other, exo_space_table(&memory_space, other), 0));
        }
        fine &= check_equal("table_free", exo_table_free(0, i & 1 ? frame : shadow), EXO_OK);
    }
    peer_repeat(0);
    return fine;
}

static uint64_t page_sum(void)
{
    const volatile uint64_t *page = (const volatile uint64_t *)RACE_ADDRESS;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < EXO_FRAME_SIZE / sizeof *page; i++)
        sum += page[i];
    return sum;
}

static bool a_page_made_readable_is_not_written_after_the_flush(void)
{
    uint32_t frame;
    bool fine = true;

    peer_repeat(place_write);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        frame = page_written_by_peer();
        check_must("protect", memory_protect(RACE_ADDRESS, table, EXO_MAP_READ));
        exo_space_settle();
        uint64_t written = writes_done, sum = page_sum();
        for (uint32_t look = 0; look < LOOKS; look++) {
            peer_wait();
            fine &= check_equal("the page's sum", (int64_t)page_sum(), (int64_t)sum);
        }
        fine &= check_equal("writes after the flush", writes_done <= written + 1, true);
        check_must("unbind", memory_unbind(RACE_ADDRESS, table, 0));
        exo_space_settle();
        check_must("free", exo_frame_release(&memory_frames, frame));
    }
    peer_repeat(0);
    return fine;
}

/* A table that is unbound while the peer walks through it, freed and taken again as data full of forged entries. */
static bool a_stale_table_is_not_walked_after_it_was_taken_again(void)
{
    uint64_t other = OTHER_ADDRESS + 0x10000;
    uint32_t spare = exo_space_table(&memory_space, other);
    volatile uint64_t *forged = (volatile uint64_t *)other;
    bool fine = true;

    for (uint32_t i = 0; i < ROUNDS / 4; i++) {
        uint32_t frame = exo_frame_alloc(&memory_frames), leaf = memory_table(1);
        check_must("unbind the table", memory_unbind(RACE_ADDRESS, exo_start.table2, 0));
        check_must("bind another", memory_bind(RACE_ADDRESS, exo_start.table2, leaf, 0, EXO_MAP_READ));
        check_must("bind",
                   memory_bind(RACE_ADDRESS, leaf, frame, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
        peer_repeat(place_write);
        check_must("unbind", memory_unbind(RACE_ADDRESS, leaf, EXO_MAP_LAZY));
        check_must("unbind the table", memory_unbind(RACE_ADDRESS, exo_start.table2, EXO_MAP_LAZY));
        check_must("bind the first", memory_bind(RACE_ADDRESS, exo_start.table2, table, 0, EXO_MAP_READ));
        check_must("table_free", exo_table_free(0, leaf));
        frame_take_again(leaf);
        check_must("bind as data",
                   memory_bind(other, spare, leaf, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
        uint64_t written = writes_done;
        for (uint32_t word = 0; word < EXO_TABLE_ENTRIES; word++)
            forged[word] = (uint64_t)foreign_frame << 12 | 7;
        for (uint32_t look = 0; look < LOOKS; look++)
            peer_wait();
        fine &= check_equal("writes through forged entries", writes_done <= written + 1, true);
        peer_repeat(0);
        check_must("unbind", memory_unbind(other, spare, 0));
        check_must("free", exo_frame_release(&memory_frames, leaf));
        check_must("free", exo_frame_release(&memory_frames, frame));
    }
    return fine;
}

/* Somebody else's frame and page table, from the exposed table. */
static uint32_t foreign_of_kind(uint32_t kind)
{
    for (uint32_t frame = 1; frame < exo_system_info()->frame_count; frame++)
        if (exo_frame_info(frame)->kind == kind && exo_frame_info(frame)->owner != exo_start.environment)
            return frame;
    return 0;
}

int main(void)
{
    static const struct check_case batches[] = {
        CASE(a_frame_changed_during_the_call_is_not_bound),
        CASE(a_table_changed_during_the_call_is_not_written),
        CASE(flags_changed_during_the_call_are_not_set),
        CASE(a_capability_changed_during_the_call_justifies_nothing),
    };
    static const struct check_case translations[] = {
        CASE(a_stale_translation_does_not_reach_a_frame_taken_again),
        CASE(a_stale_translation_does_not_reach_a_page_table),
        CASE(a_page_made_readable_is_not_written_after_the_flush),
        CASE(a_stale_table_is_not_walked_after_it_was_taken_again),
    };

    is_counted = exo_argument("counted", 0);
    memory_open();
    fault_begin();
    foreign_frame = foreign_of_kind(EXO_FRAME_DATA);
    foreign_table = foreign_of_kind(EXO_FRAME_TABLE1);
    own_frame = exo_frame_alloc(&memory_frames);
    table = exo_space_table(&memory_space, RACE_ADDRESS);
    check_must("view", memory_bind(VIEW_ADDRESS, exo_space_table(&memory_space, VIEW_ADDRESS), table,
                                   memory_frames.capability, EXO_MAP_READ));
    peer_start();
    check_run(CASES(batches));
    if (!is_counted)
        check_run(CASES(translations));
    return check_status();
}
