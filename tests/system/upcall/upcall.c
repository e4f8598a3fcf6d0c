/*
 * Events that come while an exception is being taken, at each instruction of the library's entry: the handler of events takes
 * exceptions of its own, and what was interrupted goes on. Timers come a nanosecond later each round; beside a lender that wants its
 * time back, the state is also saved by force.
 */
#include <check.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { SPAN_NS = 700, ENTRY_BYTES = 128 }; /* from setting a timer to the exception's handler; the entry, up to its own handler */
#define NOWHERE 0xdead000ull

static volatile uint64_t exceptions, faults, events_seen, timers, met;

/* In one instruction: what counts is itself interrupted. */
static void count(volatile uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void exception_skip(struct exo_upcall_frame *frame)
{
    if (frame->vector == 14)
        count(&exceptions);
    frame->rip = frame->rcx;
}

/* One page fault, after which exception_skip goes on. */
static void fault_take(void)
{
    count(&faults);
    __asm__ volatile("lea 1f(%%rip), %%rcx\n"
                     "movb $1, (%0)\n"
                     "1:" : : "r"(NOWHERE) : "rcx", "memory");
}

static void event_fault(uint32_t events, struct exo_upcall_frame *frame)
{
    events_seen++;
    met += frame->rip - (uint64_t)exo_exception_entry < ENTRY_BYTES;
    fault_take();
    timers += (events & EXO_EVENT_TIMER) != 0;
}

int main(void)
{
    uint64_t rounds = exo_argument("rounds", 10 * SPAN_NS), refused = 0;

    exo_exception_handler = exception_skip;
    exo_event_handler = event_fault;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t before = timers;

        refused += exo_timer_set(exo_time() + round % SPAN_NS) < 0;
        fault_take();
        while (timers == before)
            __asm__ volatile("pause");
    }
    exo_event_handler = 0;
    if (exo_argument("crash", 0)) { /* as in the middle of another exception: the kernel stops it */
        EXO_CONTEXT->exception_busy = 1;
        fault_take();
    }
    check_print(check_equal("refused timers", (int64_t)refused, 0) && check_equal("exceptions", (int64_t)exceptions, (int64_t)faults),
                "each exception comes to its handler once");
    check_print(check_equal("rounds with a timer", timers >= rounds, true), "each event comes to its handler");
    check_print(check_equal("met", met >= exo_argument("meet", 1), true), "events came while an exception was being taken");
    exo_print("  %lu exceptions, %lu events, %lu of them in the exception's entry", exceptions, events_seen, met);
    return check_status();
}
