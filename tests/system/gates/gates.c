/*
 * Protected control transfer between two environments: the server is a copy of this program. With `server=slots` it
 * owns the program's second range of slots (on whichever processor the manifest says), otherwise none: then all its
 * time is its callers'.
 */
#include "server.h"
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/gate.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define PATIENCE_NS 20000000000ull /* nothing should take that long, on however busy a computer */

enum { CALLS = 5000, TIMEOUT_NS = 3000000 };

static struct offspring server;

/* Let the server run until the place holds at least the value. */
static bool server_reaches(volatile uint64_t *place, uint64_t value)
{
    for (uint64_t until = exo_time() + PATIENCE_NS; *place < value && exo_time() < until;)
        if (exo_yield_to(server.child.slot, 0) != EXO_OK)
            exo_sleep(exo_time() + 500000, EXO_EVENT_TIMER, false);
    return *place >= value;
}

static int64_t call(uint16_t gate, uint64_t request)
{
    struct exo_message message = { .word = { request } };

    return exo_gate_invoke(gate, &message);
}

/* Until the server waits again. */
static int64_t call_patiently(uint16_t gate, struct exo_message *message)
{
    int64_t result;

    for (uint64_t until = exo_time() + PATIENCE_NS;
         (result = exo_gate_invoke(gate, message)) == EXO_BUSY && exo_time() < until;)
        if (exo_yield_to(server.child.slot, 0) != EXO_OK)
            exo_yield();
    return result;
}

static bool echo_is_right(uint16_t gate, uint64_t badge, uint64_t seed)
{
    struct exo_message message = { .word = { SERVER_ECHO } };
    bool fine;

    for (uint32_t i = 1; i < 11; i++)
        message.word[i] = seed * (i + 0x9e3779b97f4a7c15);
    fine = check_equal("call", call_patiently(gate, &message), EXO_OK);
    fine &= check_equal("first word", (int64_t)message.word[0], (int64_t)(SERVER_ECHO + badge));
    for (uint32_t i = 1; i < 11; i++)
        fine &= check_equal("word", (int64_t)message.word[i], (int64_t)(seed * (i + 0x9e3779b97f4a7c15) + badge));
    return fine;
}

static bool calls_come_back_with_all_their_words(void)
{
    uint64_t before = SHARED->calls;
    bool fine = true;

    for (uint64_t i = 0; i < CALLS; i++)
        fine &= echo_is_right(GATE_BOTH, BADGE_BOTH, i);
    return fine & check_equal("calls served", (int64_t)(SHARED->calls - before), CALLS);
}

static bool the_badge_is_that_of_the_capability(void)
{
    return echo_is_right(GATE_BOTH, BADGE_BOTH, 1) & echo_is_right(GATE_CALL, BADGE_CALL, 2) &
           echo_is_right(GATE_OPEN, 0, 3);
}

static int64_t badge_derive(uint16_t from, uint32_t badge)
{
    return exo_capability_derive(0, from, 0, GATE_OTHER, EXO_RIGHT_EXECUTE,
                                 server.child.frame * EXO_GATES_PER_ENVIRONMENT + 3, badge);
}

static bool a_badge_is_set_once_and_cannot_be_forged(void)
{
    bool fine = check_refused("another badge", badge_derive(GATE_BOTH, BADGE_CALL));

    fine &= check_refused("no badge", badge_derive(GATE_BOTH, 0));
    fine &= check_refused("another gate",
                          exo_capability_derive(0, GATE_BOTH, 0, GATE_OTHER, EXO_RIGHT_EXECUTE,
                                                server.child.frame * EXO_GATES_PER_ENVIRONMENT + 4, BADGE_BOTH));
    fine &= check_equal("set a badge", badge_derive(GATE_OPEN, 77), EXO_OK);
    fine &= echo_is_right(GATE_OTHER, 77, 4);
    return fine & check_equal("drop", exo_drop(GATE_OTHER), EXO_OK);
}

static bool calls_and_messages_need_their_rights(void)
{
    bool fine = check_equal("call with the right to send", call(GATE_SEND, SERVER_ECHO), EXO_NO_RIGHT);

    fine &= check_equal("send with the right to call", exo_gate_send(GATE_CALL, 1, 2, 3, 4, 5), EXO_NO_RIGHT);
    fine &= check_equal("call without capability", call(GATE_OTHER, SERVER_ECHO), EXO_BAD_CAPABILITY);
    return fine & check_equal("call of no gate", call(server.child.slot, SERVER_ECHO), EXO_BAD_CAPABILITY);
}

static bool messages_arrive_with_badge_and_words(void)
{
    bool fine = true;

    for (uint64_t i = 0; i < 200; i++) {
        uint64_t before = SHARED->messages;
        fine &= check_equal("send", exo_gate_send(i & 1 ? GATE_SEND : GATE_BOTH, i, i + 1, i + 2, i + 3, ~i), EXO_OK);
        fine &= check_equal("arrival", server_reaches(&SHARED->messages, before + 1), true);
        fine &= check_equal("badge", (int64_t)SHARED->badge, i & 1 ? BADGE_SEND : BADGE_BOTH);
        fine &= check_equal("first word", (int64_t)SHARED->word[0], (int64_t)i);
        fine &= check_equal("last word", (int64_t)SHARED->word[4], (int64_t)~i);
    }
    return fine;
}

static void (*events_before)(uint32_t events, struct exo_upcall_frame *frame);

/* A timer that passes before the call would end nothing. */
static void timer_renew(uint32_t events, struct exo_upcall_frame *frame)
{
    if (events & EXO_EVENT_TIMER)
        exo_timer_set(exo_time() + TIMEOUT_NS);
    events_before(events, frame);
}

/* The server hangs in its handler; from then on it is busy, and its inbox is emptied by nobody. */
static bool a_call_ends_at_the_callers_timer(void)
{
    uint64_t begun = exo_time();

    SHARED->release = 0;
    bool waits = echo_is_right(GATE_BOTH, BADGE_BOTH, 5);
    events_before = exo_event_handler;
    exo_event_handler = timer_renew;
    exo_timer_set(exo_time() + TIMEOUT_NS);
    bool fine = check_equal("call", call(GATE_BOTH, SERVER_HANG), EXO_TIMED_OUT);
    exo_event_handler = events_before;
    return fine & waits & check_equal("lasted as long as the timer", exo_time() - begun >= TIMEOUT_NS, true);
}

static bool a_busy_server_is_not_entered(void)
{
    bool fine = true;

    for (uint32_t i = 0; i < 1000; i++)
        fine &= check_equal("call", call(GATE_BOTH, SERVER_ECHO), EXO_BUSY);
    return fine;
}

static bool a_full_inbox_refuses_the_second_message(void)
{
    bool fine = check_equal("first", exo_gate_send(GATE_SEND, 41, 0, 0, 0, 0), EXO_OK);

    fine &= check_equal("second", exo_gate_send(GATE_SEND, 42, 0, 0, 0, 0), EXO_BUSY);
    return fine & check_equal("by another capability", exo_gate_send(GATE_BOTH, 43, 0, 0, 0, 0), EXO_BUSY);
}

static bool after_a_late_reply_the_server_goes_on(void)
{
    uint64_t before = SHARED->messages;

    SHARED->release = 1;
    bool fine = check_equal("the first message arrives", server_reaches(&SHARED->messages, before + 1), true);
    fine &= check_equal("its word", (int64_t)SHARED->word[0], 41);
    return fine & echo_is_right(GATE_BOTH, BADGE_BOTH, 6);
}

static bool a_virtual_processor_cannot_call_itself(void)
{
    check_must("gate_create", exo_gate_create(5, 0, (uint64_t)exo_gate_entry, 0, GATE_OTHER));
    bool fine = check_equal("call", call(GATE_OTHER, SERVER_ECHO), EXO_BUSY);
    return fine & check_equal("drop", exo_drop(GATE_OTHER), EXO_OK);
}

static bool the_death_of_the_server_ends_the_call(void)
{
    bool fine = check_equal("call", call(GATE_BOTH, SERVER_DIE), EXO_GONE);

    fine &= check_refused("call of the dead", call(GATE_BOTH, SERVER_ECHO));
    uint32_t number;
    return fine &
           check_equal("its creator is told", offspring_wait(exo_time() + PATIENCE_NS, &number), OFFSPRING_FAULTED);
}

static bool capabilities_to_its_gate_end_with_it(void)
{
    bool fine = check_equal("end", exo_child_end(server.child.slot, server.child.frame), EXO_OK);

    fine &= check_equal("call", call(GATE_BOTH, SERVER_ECHO), EXO_BAD_CAPABILITY);
    return fine & check_equal("send", exo_gate_send(GATE_SEND, 1, 2, 3, 4, 5), EXO_BAD_CAPABILITY);
}

static void server_start(void)
{
    const struct exo_start_capability *time = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 1));
    bool has_slots = exo_argument_is("server", "slots");

    offspring_make(&server, 0, has_slots ? time->first : 0, has_slots ? time->count : 0);
    if (!offspring_run(&server))
        server_live(server.parent);
    check_print(server_reaches(&SHARED->ready, 1), "the server runs on time that is yielded to it");
}

int main(void)
{
    static const struct check_case cases[] = {
        CASE(calls_come_back_with_all_their_words),
        CASE(the_badge_is_that_of_the_capability),
        CASE(a_badge_is_set_once_and_cannot_be_forged),
        CASE(calls_and_messages_need_their_rights),
        CASE(messages_arrive_with_badge_and_words),
        CASE(a_call_ends_at_the_callers_timer),
        CASE(a_busy_server_is_not_entered),
        CASE(a_full_inbox_refuses_the_second_message),
        CASE(after_a_late_reply_the_server_goes_on),
        CASE(a_virtual_processor_cannot_call_itself),
        CASE(the_death_of_the_server_ends_the_call),
        CASE(capabilities_to_its_gate_end_with_it),
    };

    memory_open();
    fault_begin();
    offspring_open();
    server_start();
    check_run(CASES(cases));
    return check_status();
}
