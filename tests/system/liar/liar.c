/*
 * A filter that lies: a handler that claims packets and drops them, says nonsense, answers as another, answers itself, never ends, sends
 * to everybody's gates. Meanwhile two others talk, which must not notice; and a third sends to the liar.
 */
#include "liar.h"
#include <check.h>
#include <memory.h>
#include <peer.h>
#include <exo/calls.h>
#include <exo/code.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>
#include "lie.h"

#define WINDOW_ADDRESS 0x36000000ull
#define LIED           ((volatile struct lied *)WINDOW_ADDRESS)

enum { PATIENCE_NS = 50000000, RUNS_LEAST = 10 };

static uint32_t delivered;
static uint64_t before; /* packets that came before the handler */

/* Packets to its port, but its own answers. */
static uint64_t packets_of_others(void)
{
    const volatile struct exo_flow *flow = exo_flow_info(peer_flows->first);

    return flow->received + flow->dropped - flow->sent;
}

static void handler_load(void)
{
    static struct exo_code code;
    static struct exo_refusal refusal;
    uint32_t window = exo_frame_alloc(&memory_frames);

    check_must("a window", exo_space_map(&memory_space, WINDOW_ADDRESS, window, 1, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
    int64_t result = exo_code_load(&code, &memory_space, &memory_frames, exo_start_slot(EXO_KIND_PROGRAMS, 0), EXO_CODE_MESSAGE,
                                   EXO_MESSAGE_BUDGET, lie_code, sizeof lie_code / sizeof *lie_code, &refusal);
    if (result == EXO_REFUSED)
        exo_refusal_print("lie", lie_places, &refusal);
    check_must("loading", result);
    before = packets_of_others();
    check_must("a handler", exo_flow_handler(0, peer_flows->slot, peer_flows->first, (uint16_t)code.page, window, 1));
}

static void packets_take(uint64_t until)
{
    uint32_t length, flow;

    while (exo_time() < until) {
        for (; exo_net_receive(&peer_net, &length, &flow); exo_net_done(&peer_net))
            delivered++;
        exo_net_wait(&peer_net, exo_time() + PATIENCE_NS);
    }
}

static bool each_lie_was_told(void)
{
    bool holds = true;

    for (uint32_t i = 0; i < LIES; i++)
        holds &= LIED->runs[i] > RUNS_LEAST || check_equal("lies of a kind", LIED->runs[i], i);
    return holds;
}

static bool it_saw_its_own_packets_only(void)
{
    return check_equal("packets of others", LIED->strays, 0);
}

static bool nothing_was_sent_as_another(void)
{
    return check_equal("answers as the victim", LIED->spoofed, 0) & check_equal("messages", LIED->sent, 0);
}

/* Its answers to itself came into its ring, or were dropped there, and that was all: it ran once for each packet of others. */
static bool no_answer_was_handled(void)
{
    uint64_t runs = 0;

    for (uint32_t i = 0; i < LIES; i++)
        runs += LIED->runs[i];
    return runs <= packets_of_others() - before || check_equal("runs", (int64_t)runs, (int64_t)(packets_of_others() - before));
}

static bool what_it_did_not_claim_was_delivered(void)
{
    return check_equal("delivered", delivered > RUNS_LEAST, true) & check_equal("spins", LIED->spins > RUNS_LEAST, true);
}

int main(void)
{
    static const struct check_case cases[] = {
        CASE(each_lie_was_told), CASE(it_saw_its_own_packets_only), CASE(nothing_was_sent_as_another), CASE(no_answer_was_handled),
        CASE(what_it_did_not_claim_was_delivered),
    };

    peer_open();
    handler_load();
    packets_take(exo_time() + exo_argument("ms", 3000) * 1000000);
    check_must("no handler", exo_flow_handler(0, peer_flows->slot, peer_flows->first, 0, 0, 0));
    check_run(CASES(cases));
    return check_status();
}
