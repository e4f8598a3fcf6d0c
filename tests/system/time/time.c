/*
 * Processor time: slices begin and end by upcalls, and lie in the program's own slots; what is used beyond them is
 * repaid; sleep and timers are kept; a lent slot comes back at once. With `exact=1` time counts instructions, and all
 * figures are held to their bounds; otherwise only what a busy computer cannot spoil, and what must happen is waited for.
 */
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <offspring.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum {
    MS = 1000000,
    ROUND_NS = EXO_SLOTS_PER_PROCESSOR * EXO_SLOT_NS,
    WATCH_ROUNDS = 2,
    EXACT_NS = 30000,      /* a switch, with its interrupt, in counted instructions */
    OVERRUN_NS = 4 * EXO_GRACE_NS,
    OVERRUN_ROUNDS = 6,
    SLEEPS = 16,
};

struct shared {
    volatile uint64_t count, seen;
};
#define SHARED ((struct shared *)OFFSPRING_SHARED)

static volatile uint64_t starts, ends, timers;
static volatile bool overrun;

static void events_count(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    starts += (events & EXO_EVENT_START) != 0;
    ends += (events & EXO_EVENT_END) != 0;
    timers += (events & EXO_EVENT_TIMER) != 0;
    if (overrun && events & EXO_EVENT_END)
        for (uint64_t until = exo_time() + OVERRUN_NS; exo_time() < until;)
            __asm__ volatile("pause");
}

static bool is_exact(void)
{
    return exo_argument("exact", 0) != 0;
}

/* What an emulator that shares its computer cannot keep. */
static bool holds_if_exact(const char *what, bool holds)
{
    return !is_exact() || check_equal(what, holds, true);
}

/* The processor that all its slots are on. */
static const volatile struct exo_processor *home(void)
{
    return exo_processor_info((uint32_t)exo_argument("processor", 0));
}

static bool slot_is_own(uint32_t slot)
{
    return exo_slot_info(slot)->owner == exo_start.environment;
}

/* The program's pieces of time in a round: runs of slots. */
static uint32_t pieces(void)
{
    uint32_t count = 0, first = (uint32_t)exo_argument("processor", 0) * EXO_SLOTS_PER_PROCESSOR;

    for (uint32_t slot = 0; slot < EXO_SLOTS_PER_PROCESSOR; slot++)
        count += slot_is_own(first + slot) &&
                 !slot_is_own(first + (slot + EXO_SLOTS_PER_PROCESSOR - 1) % EXO_SLOTS_PER_PROCESSOR);
    return count;
}

static void rounds_pass(uint32_t rounds)
{
    for (uint64_t until = exo_time() + rounds * (uint64_t)ROUND_NS; exo_time() < until;)
        __asm__ volatile("pause");
}

static bool slices_start_and_end_by_upcalls(void)
{
    uint64_t starts_before = starts, ends_before = ends;

    do
        rounds_pass(WATCH_ROUNDS);
    while (!is_exact() && (starts == starts_before || ends == ends_before));
    uint64_t started = starts - starts_before, ended = ends - ends_before, due = WATCH_ROUNDS * pieces();
    exo_print("  %lu starts, %lu ends, %lu pieces of time", started, ended, due);
    bool fine = holds_if_exact("starts for ends", started <= ended + 1 && ended <= started + 1);
    fine &= holds_if_exact("as many as pieces", started + 2 >= due && started <= due + 2);
    return fine & check_equal("some", started > 0 && ended > 0, true);
}

static bool nothing_of_it_runs_in_slots_of_others(void)
{
    uint64_t looks = 0, elsewhere = 0;

    for (uint64_t until = exo_time() + WATCH_ROUNDS * (uint64_t)ROUND_NS; exo_time() < until; looks++)
        elsewhere += !slot_is_own(home()->slot);
    exo_print("  %lu looks, %lu of them in slots of others", looks, elsewhere);
    return check_equal("looks", looks > 0, true) & holds_if_exact("looks in slots of others", elsewhere == 0);
}

/* Each END is answered too late: the state is saved by force, the excess grows, and slots are forfeited until it is
 * paid. */
static bool time_used_beyond_the_slice_is_repaid(void)
{
    const volatile uint64_t *owed = &EXO_CONTEXT->excess_ns, *forced = &home()->forced;
    uint64_t most = 0, repaid = 0, before = *forced, last = *owed, until = exo_time() + OVERRUN_ROUNDS * (uint64_t)ROUND_NS;

    overrun = true;
    while (exo_time() < until || (!is_exact() && (*forced == before || most <= EXO_GRACE_NS / 2))) {
        uint64_t excess = *owed;
        most = excess > most ? excess : most;
        if (excess < last)
            repaid += last - excess;
        last = excess;
    }
    overrun = false;
    exo_print("  forced %lu times, most excess %lu us, repaid %lu us", *forced - before, most / 1000, repaid / 1000);
    bool fine = check_equal("saved by force", *forced > before, true);
    fine &= check_equal("excess was counted", most > EXO_GRACE_NS / 2, true);
    return fine & holds_if_exact("whole slots repaid", repaid >= EXO_SLOT_NS / 2);
}

/* The middle of the longest own piece: a wake-up there finds its slot. */
static uint64_t own_moment(void)
{
    uint64_t now = exo_time(), round = now - now % ROUND_NS, moment = round + exo_argument("middle", 16) * EXO_SLOT_NS;

    return moment > now + MS / 4 ? moment : moment + ROUND_NS;
}

static bool sleep_ends_at_its_deadline(void)
{
    uint64_t least = EXO_NEVER, early = 0;

    for (uint32_t i = 0; i < SLEEPS / 4; i++) {
        uint64_t deadline = own_moment();
        exo_sleep(deadline, EXO_EVENT_TIMER, false);
        uint64_t now = exo_time();
        early += now < deadline;
        if (now >= deadline && now - deadline < least)
            least = now - deadline;
    }
    exo_print("  woken %lu ns after the deadline at best", least);
    return check_equal("woken early", (int64_t)early, 0) & holds_if_exact("woken in time", least < EXACT_NS);
}

static bool the_timer_comes_while_the_program_runs(void)
{
    uint64_t least = EXO_NEVER;
    bool fine = true;

    for (uint32_t i = 0; i < SLEEPS; i++) {
        uint64_t before = timers, deadline = exo_time() + 200000;
        exo_timer_set(deadline);
        while (timers == before)
            __asm__ volatile("pause");
        fine &= check_equal("timers", (int64_t)(timers - before), 1);
        fine &= check_equal("not early", exo_time() >= deadline, true);
        least = exo_time() - deadline < least ? exo_time() - deadline : least;
    }
    exo_timer_set(EXO_NEVER);
    exo_print("  %lu ns after its time at best", least);
    return fine & holds_if_exact("in time", least < EXACT_NS);
}

static struct offspring borrower;

static void borrower_live(void)
{
    for (;;)
        SHARED->count++;
}

static void slots_lend(uint8_t vcpu)
{
    for (uint32_t n = 0; exo_start_slot(EXO_KIND_SLOTS, n); n++) {
        const struct exo_start_capability *time = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, n));
        for (uint32_t slot = time->first; slot < time->first + time->count; slot++)
            check_must("slot_lend", exo_slot_lend(0, time->slot, slot, borrower.child.slot, vcpu));
    }
}

static bool without_a_loan_the_other_does_not_run(void)
{
    uint64_t before = SHARED->count;

    exo_sleep(exo_time() + 2 * (uint64_t)ROUND_NS, EXO_EVENT_TIMER, false);
    return check_equal("its count", (int64_t)SHARED->count, (int64_t)before);
}

static bool a_lent_slot_is_used_while_its_owner_sleeps(void)
{
    uint64_t before = SHARED->count;

    slots_lend(0);
    for (uint32_t i = 0; SHARED->count == before && (i < SLEEPS || !is_exact()); i++)
        exo_sleep(exo_time() + 2 * (uint64_t)ROUND_NS, EXO_EVENT_TIMER, false);
    return check_equal("it ran", SHARED->count > before, true);
}

static bool the_borrower_does_not_run_beside_its_owner(void)
{
    uint64_t before = SHARED->count;

    rounds_pass(2);
    return holds_if_exact("its count", SHARED->count == before);
}

/* The borrower never gives anything back by itself. */
static bool a_loan_is_recalled_at_once(void)
{
    uint64_t least = EXO_NEVER, ran = 0;

    for (uint32_t i = 0; i < SLEEPS / 4; i++) {
        uint64_t before = SHARED->count, deadline = own_moment();
        exo_sleep(deadline, EXO_EVENT_TIMER, false);
        uint64_t late = exo_time() - deadline;
        ran += SHARED->count > before;
        least = late < least ? late : least;
    }
    exo_print("  back %lu ns after the timer at best", least);
    return holds_if_exact("sleeps that it ran in", ran > 0) & holds_if_exact("in time", least < EXACT_NS);
}

static bool after_the_loan_the_other_stops(void)
{
    slots_lend(EXO_VCPUS_PER_ENVIRONMENT);
    uint64_t before = SHARED->count;
    exo_sleep(exo_time() + 2 * (uint64_t)ROUND_NS, EXO_EVENT_TIMER, false);
    return check_equal("its count", (int64_t)SHARED->count, (int64_t)before) &
           check_equal("its end", exo_child_end(borrower.child.slot, borrower.child.frame), EXO_OK);
}

int main(void)
{
    static const struct check_case cases[] = {
        CASE(slices_start_and_end_by_upcalls),
        CASE(nothing_of_it_runs_in_slots_of_others),
        CASE(sleep_ends_at_its_deadline),
        CASE(the_timer_comes_while_the_program_runs),
        CASE(without_a_loan_the_other_does_not_run),
        CASE(a_lent_slot_is_used_while_its_owner_sleeps),
        CASE(the_borrower_does_not_run_beside_its_owner),
        CASE(a_loan_is_recalled_at_once),
        CASE(after_the_loan_the_other_stops),
        CASE(time_used_beyond_the_slice_is_repaid),
    };

    memory_open();
    fault_begin();
    offspring_open();
    offspring_make(&borrower, 0, 0, 0);
    if (!offspring_run(&borrower))
        borrower_live();
    exo_event_handler = events_count;
    check_run(CASES(cases));
    return check_status();
}
