/*
 * All that a handler of packets can do, from end to end: one environment asks, the other one sleeps while its handler works.
 *   mode=ask port=A to=B    sends packets of all sizes that ask for one thing after another, and compares the answers
 *   mode=serve port=B       looks at what its handler left in its memory, and who woke it
 */
#include "handler.h"
#include <check.h>
#include <memory.h>
#include <peer.h>
#include <exo/calls.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>
#include "serve.h"

#define WINDOW_ADDRESS 0x36000000ull
#define SERVED         ((volatile struct served *)WINDOW_ADDRESS)

enum { PATIENCE_NS = 50000000, TRIES = 200, NUMBERS = HANDLER_KINDS * HANDLER_ROUNDS, GATE = 1, LIMIT_NS = 1000000000 };

static uint32_t port, to;

static uint32_t length_of(uint32_t number)
{
    return PEER_FILL_AT + number * 7919 % (EXO_PACKET_MOST - PEER_FILL_AT + 1);
}

/* ---- who asks */

static bool answer_is(uint32_t number)
{
    uint32_t length, flow, found;
    uint8_t *packet = exo_net_receive(&peer_net, &length, &flow);

    if (!packet)
        return false;
    bool is_it = length == length_of(number) && peer_is_whole(packet, length, &found) && found == number &&
                 peer_port_of(packet, PEER_PORT_AT) == port;
    exo_net_done(&peer_net);
    return is_it;
}

/* The handler may not be there yet, and answers a message only if there was room for it. */
static bool exchange(uint32_t number)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        check_equal("sent", peer_send(port, to, number, length_of(number)), EXO_OK);
        while (exo_net_wait(&peer_net, exo_time() + PATIENCE_NS))
            if (answer_is(number))
                return true;
    }
    return false;
}

static bool handler_answers_packets_of_all_sizes(void)
{
    uint32_t answered = 0;

    for (uint32_t number = HANDLER_REPLY; number < NUMBERS; number += HANDLER_KINDS)
        answered += exchange(number);
    return check_equal("answers", answered, HANDLER_ROUNDS);
}

static bool the_other_kinds_are_sent(void)
{
    bool holds = true;

    for (uint32_t number = 0; number < NUMBERS; number++) {
        if (number % HANDLER_KINDS == HANDLER_SEND)
            holds &= check_equal("a message", exchange(number), true);
        else if (number % HANDLER_KINDS != HANDLER_REPLY)
            holds &= check_equal("sent", peer_send(port, to, number, length_of(number)), EXO_OK);
    }
    return holds;
}

/* ---- who serves */

static volatile uint32_t seen;
static uint32_t wakes, messages, wrong_messages, early; /* early: packets that came before the handler */

static void events_note(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    seen |= events;
}

static void message_fetch(void)
{
    if (!EXO_CONTEXT->inbox_full)
        return;
    messages++;
    wrong_messages += EXO_CONTEXT->inbox[0] % HANDLER_KINDS != HANDLER_SEND || EXO_CONTEXT->inbox[1] != peer_flows->first;
    __atomic_store_n(&EXO_CONTEXT->inbox_full, 0, __ATOMIC_SEQ_CST);
}

/* Nothing is ever put into its ring; what wakes it is its handler alone. */
static void sleep_while_the_handler_works(void)
{
    uint64_t until = exo_time() + 60ull * LIMIT_NS;

    exo_event_handler = events_note;
    while ((messages < HANDLER_ROUNDS || SERVED->woken < HANDLER_ROUNDS || SERVED->vectored < HANDLER_ROUNDS) && exo_time() < until) {
        exo_events_block();
        if (!(seen & (EXO_EVENT_IO | EXO_EVENT_MESSAGE)))
            exo_sleep(exo_time() + LIMIT_NS, EXO_EVENT_TIMER | EXO_EVENT_IO | EXO_EVENT_MESSAGE, false);
        exo_events_restore(false);
        wakes += (seen & EXO_EVENT_IO) != 0;
        seen = 0;
        message_fetch();
    }
}

static uint32_t sum_of(const uint8_t *bytes, uint32_t length)
{
    uint32_t sum = 0;

    for (uint32_t at = 0; at < length; at++)
        sum += (uint32_t)bytes[at] << at % 2 * 8;
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

static bool messages_are_vectored_and_summed_while_copied(void)
{
    static uint8_t packet[EXO_PACKET_MOST];
    bool holds = check_equal("messages", SERVED->vectored, HANDLER_ROUNDS);

    for (uint32_t round = 0; holds && round < HANDLER_ROUNDS; round++) {
        uint32_t number = round * HANDLER_KINDS + HANDLER_VECTOR, length = length_of(number);
        peer_make(packet, to, port, number, length);
        holds &= check_equal("length", SERVED->length[round], length) & check_equal("sum", SERVED->sum[round], sum_of(packet, length));
        if (round >= HANDLER_ROUNDS - HANDLER_PLACES)
            holds &= check_equal("bytes", memcmp((const uint8_t *)WINDOW_ADDRESS + HANDLER_PLACES_AT + round % HANDLER_PLACES * HANDLER_PLACE,
                                                 packet, length), 0);
    }
    return holds;
}

static bool replies_are_initiated(void)
{
    return check_equal("replies", SERVED->replied >= HANDLER_ROUNDS, true);
}

static bool control_is_initiated(void)
{
    return check_equal("sent", SERVED->sent, HANDLER_ROUNDS) & check_equal("messages", messages, HANDLER_ROUNDS) &
           check_equal("wrong ones", wrong_messages, 0);
}

static bool owner_is_woken_by_its_handler_only(void)
{
    return check_equal("woken", SERVED->woken, HANDLER_ROUNDS) & check_equal("wakes seen", wakes > 0 && wakes <= HANDLER_ROUNDS, true) &
           check_equal("packets in its ring", peer_net.ring->receive_done, early);
}

static void handler_load(void)
{
    static struct exo_code code;
    static struct exo_refusal refusal;
    uint32_t window = exo_frame_alloc_run(&memory_frames, HANDLER_WINDOW / EXO_FRAME_SIZE, 1);

    check_must("a window", exo_space_map(&memory_space, WINDOW_ADDRESS, window, HANDLER_WINDOW / EXO_FRAME_SIZE, memory_frames.capability,
                                         EXO_MAP_READ | EXO_MAP_WRITE));
    memset((void *)WINDOW_ADDRESS, 0, sizeof(struct served));
    check_must("a gate", exo_gate_create(GATE, 0, (uint64_t)exo_event_entry, 0, HANDLER_GATE_SLOT));
    int64_t result = exo_code_load(&code, &memory_space, &memory_frames, exo_start_slot(EXO_KIND_PROGRAMS, 0), EXO_CODE_MESSAGE,
                                   EXO_MESSAGE_BUDGET, serve_code, sizeof serve_code / sizeof *serve_code, &refusal);
    if (result == EXO_REFUSED)
        exo_refusal_print("serve", serve_places, &refusal);
    check_must("loading", result);
    check_must("a handler", exo_flow_handler(0, peer_flows->slot, peer_flows->first, (uint16_t)code.page, window, HANDLER_WINDOW / EXO_FRAME_SIZE));
    early = peer_net.ring->receive_done;
}

int main(void)
{
    static const struct check_case ask[] = {CASE(handler_answers_packets_of_all_sizes), CASE(the_other_kinds_are_sent)};
    static const struct check_case serve[] = {
        CASE(messages_are_vectored_and_summed_while_copied), CASE(replies_are_initiated), CASE(control_is_initiated),
        CASE(owner_is_woken_by_its_handler_only),
    };

    peer_open();
    port = (uint32_t)exo_argument("port", 0);
    to = (uint32_t)exo_argument("to", 0);
    if (exo_argument_is("mode", "ask")) {
        check_run(CASES(ask));
        return check_status();
    }
    handler_load();
    sleep_while_the_handler_works();
    check_run(CASES(serve));
    return check_status();
}
