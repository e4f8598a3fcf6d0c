/*
 * Downloaded programs from end to end: loaded, refused, slept on by another environment whose words this one changes; then
 * attacks on the loader (attack.c).
 */
#include "programs.h"
#include <fault.h>
#include <memory.h>
#include <offspring.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>
#include "never.h"
#include "reads_behind.h"
#include "tells_address.h"
#include "time_has_come.h"
#include "word_is_set.h"
#include "writes_words.h"

#define PATIENCE_NS 20000000000ull /* nothing should take that long, on however busy a computer */

enum {
    MS = 1000000,
    COPY_SLOT = 40, COPY_SLOTS = 4, /* time slots of a copy */
};

struct shared {
    volatile uint64_t word, when, ready, woken, reason;
};
#define SHARED ((struct shared *)OFFSPRING_SHARED)

struct exo_refusal program_refusal;
static volatile uint32_t seen;

static void events_note(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    seen |= events;
}

int64_t program_load(const uint64_t *slots, uint32_t count, struct exo_code *code)
{
    return exo_code_load(code, &memory_space, &memory_frames, exo_start_slot(EXO_KIND_PROGRAMS, 0), EXO_CODE_PREDICATE, BUDGET, slots,
                         count, &program_refusal);
}

static bool is_refused(int64_t result, uint32_t reason)
{
    return check_equal("loading", result, EXO_REFUSED) & check_equal("the reason", program_refusal.reason, reason);
}

static bool program_is_loaded_and_unloaded(void)
{
    struct exo_code code;
    bool fine = check_equal("loading", LOAD(word_is_set, &code), EXO_OK);

    fine &= check_equal("its state", exo_program_info(code.page)->state, EXO_PROGRAM_READY);
    fine &= check_equal("its frame", exo_frame_info(code.frame)->kind, EXO_FRAME_PROGRAM);
    fine &= check_refused("freeing its frame", exo_frame_release(&memory_frames, code.frame));
    fine &= check_equal("unloading", exo_code_unload(&code, &memory_frames), EXO_OK);
    return fine & check_equal("the page", exo_program_info(code.page)->first, 0);
}

static bool program_that_reads_behind_its_region_is_refused(void)
{
    struct exo_code code;
    return is_refused(LOAD(reads_behind, &code), EXO_REFUSED_OUT_OF_BOUNDS);
}

static bool program_that_writes_what_it_may_only_read_is_refused(void)
{
    struct exo_code code;
    return is_refused(LOAD(writes_words, &code), EXO_REFUSED_NOT_WRITABLE);
}

static bool program_that_tells_an_address_is_refused(void)
{
    struct exo_code code;
    return is_refused(LOAD(tells_address, &code), EXO_REFUSED_NOT_SCALAR);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = exo_text_length(text), end_length = exo_text_length(end);
    bool fine = length >= end_length && exo_text_equals(text + length - end_length, end);

    if (!fine)
        exo_print("# %s", text);
    return fine;
}

static bool refusal_is_told_in_words_with_the_line_in_c(void)
{
    struct exo_code code;
    char text[200];
    bool fine = is_refused(LOAD(reads_behind, &code), EXO_REFUSED_OUT_OF_BOUNDS);

    exo_refusal_text(text, sizeof text, reads_behind_places, &program_refusal);
    fine &= check_equal("its line", ends_with(text, "predicates.c:33: return words[context->time & 1023];"), true);
    exo_known_text(text, sizeof text, &program_refusal.registers[program_refusal.culprit]);
    fine &= check_equal("the register", ends_with(text, "region 0 +0 + 0 to 8184, bits 0x0 where not 0x1ff8"), true);
    exo_known_text(text, sizeof text, &program_refusal.registers[10]);
    fine &= check_equal("the stack", ends_with(text, "stack +0"), true);
    exo_refusal_print("reads_behind", reads_behind_places, &program_refusal);
    return fine;
}

/* ---- a copy sleeps on a word of the shared page */

static uint32_t shared_page(void)
{
    return exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 1))->first;
}

/* In the copy: load, say so, sleep, tell why it woke. */
static int sleep_in_copy(const uint64_t *slots, uint32_t count)
{
    struct exo_code code;

    exo_event_handler = events_note;
    if (program_load(slots, count, &code) != EXO_OK)
        return 2;
    exo_events_block();
    seen = 0;
    SHARED->ready = 1;
    while (!(seen & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER))) {
        exo_sleep_on(exo_time() + PATIENCE_NS, EXO_EVENT_TIMER, &code, exo_start_slot(EXO_KIND_FRAMES, 1), shared_page(), false);
        exo_events_block();
    }
    SHARED->woken = exo_time();
    SHARED->reason = seen;
    exo_events_restore(false);
    return exo_code_unload(&code, &memory_frames) == EXO_OK ? 0 : 3;
}

static void copy_start(struct offspring *copy, uint64_t when, const uint64_t *slots, uint32_t count)
{
    const struct exo_start_capability *own = exo_start_capability(exo_start_slot(EXO_KIND_PROGRAMS, 0));

    memset(SHARED, 0, sizeof *SHARED);
    SHARED->when = when;
    offspring_make(copy, 0, COPY_SLOT, COPY_SLOTS);
    check_must("pages for the copy", exo_child_grant(&copy->child, own->slot, EXO_KIND_PROGRAMS,
                                                     EXO_RIGHT_READ | EXO_RIGHT_TAKE, own->first + own->count - 2, 2, 0));
    if (!offspring_run(copy))
        exo_exit(sleep_in_copy(slots, count));
}

static bool vcpu_sleeps(const struct offspring *copy)
{
    (void)copy;
    for (uint64_t until = exo_time() + PATIENCE_NS; !SHARED->ready && exo_time() < until;)
        exo_sleep(exo_time() + MS, EXO_EVENT_TIMER, false);
    exo_sleep(exo_time() + 130 * MS, EXO_EVENT_TIMER, false); /* two rounds of its slots */
    return check_equal("the sleeper sleeps", SHARED->woken, 0);
}

static bool copy_is_over(struct offspring *copy)
{
    uint32_t number;
    bool fine = check_equal("the copy's status", offspring_wait(exo_time() + 2 * PATIENCE_NS, &number), 0);

    return check_equal("its end", offspring_end(copy, COPY_SLOT, COPY_SLOTS), EXO_OK) & fine;
}

static bool sleeper_wakes_when_another_changes_its_word_and_says_so(void)
{
    struct offspring copy;

    copy_start(&copy, 0, word_is_set_code, sizeof word_is_set_code / 8);
    bool fine = vcpu_sleeps(&copy);
    fine &= check_equal("a notice without a change", exo_slice_notify(copy.child.slot, 0), 0);
    SHARED->word = 1;
    fine &= check_equal("a notice", exo_slice_notify(copy.child.slot, 0), 1);
    fine &= copy_is_over(&copy);
    return fine & check_equal("why it woke", SHARED->reason & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER), EXO_EVENT_PREDICATE);
}

static bool sleeper_wakes_in_its_own_slot_when_nobody_says_so(void)
{
    struct offspring copy;

    copy_start(&copy, 0, word_is_set_code, sizeof word_is_set_code / 8);
    bool fine = vcpu_sleeps(&copy);
    SHARED->word = 1;
    fine &= copy_is_over(&copy);
    return fine & check_equal("why it woke", SHARED->reason & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER), EXO_EVENT_PREDICATE);
}

static bool sleeper_wakes_when_its_program_sees_the_time(void)
{
    struct offspring copy;

    uint64_t when = exo_time() + 400 * MS;

    copy_start(&copy, when, time_has_come_code, sizeof time_has_come_code / 8);
    bool fine = copy_is_over(&copy);
    fine &= check_equal("why it woke", SHARED->reason & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER), EXO_EVENT_PREDICATE);
    return fine & check_equal("not before its time", SHARED->woken >= when, true);
}

static bool sleeper_wakes_at_its_deadline(void)
{
    struct exo_code code;
    uint64_t deadline = exo_time() + 20 * MS;
    bool fine = check_equal("loading", LOAD(never, &code), EXO_OK);

    exo_event_handler = events_note;
    exo_events_block();
    seen = 0;
    while (!(seen & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER))) {
        int64_t result = exo_sleep_on(deadline, EXO_EVENT_TIMER, &code, memory_frames.capability,
                                      exo_start_capability(memory_frames.capability)->first, false);
        exo_events_block();
        fine &= check_equal("sleeping on a frame that is no data", result == EXO_OK || result == EXO_WRONG_KIND, true);
        if (result < 0)
            break;
    }
    exo_events_restore(false);
    uint32_t page = memory_page(0x37000000);
    exo_events_block();
    for (seen = 0; !(seen & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER)); exo_events_block())
        fine &= check_equal("sleeping", exo_sleep_on(deadline, EXO_EVENT_TIMER, &code, memory_frames.capability, page, false), EXO_OK);
    exo_events_restore(false);
    fine &= check_equal("why it woke", seen & (EXO_EVENT_PREDICATE | EXO_EVENT_TIMER), EXO_EVENT_TIMER);
    fine &= check_equal("not before its deadline", exo_time() >= deadline, true);
    return fine & check_equal("unloading", exo_code_unload(&code, &memory_frames), EXO_OK);
}

static const struct check_case cases[] = {
    CASE(program_is_loaded_and_unloaded),
    CASE(program_that_reads_behind_its_region_is_refused),
    CASE(program_that_writes_what_it_may_only_read_is_refused),
    CASE(program_that_tells_an_address_is_refused),
    CASE(refusal_is_told_in_words_with_the_line_in_c),
    CASE(sleeper_wakes_at_its_deadline),
    CASE(sleeper_wakes_when_another_changes_its_word_and_says_so),
    CASE(sleeper_wakes_in_its_own_slot_when_nobody_says_so),
    CASE(sleeper_wakes_when_its_program_sees_the_time),
};

int main(void)
{
    memory_open();
    fault_begin();
    offspring_open();
    check_run(CASES(cases));
    check_run(attacks, attack_count);
    return check_status();
}
