/* Control transfers between two environments on one processor: the other one is a copy of this program. */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { SLOT_PEER = 40, SLOT_WINDOW, SLOT_PEER_GATE, PEER_FRAMES = 256, PEER_GATE = 20 };

extern uint64_t bench_bounce_target;

static struct exo_child peer;
static uint8_t echo_stack[256] __attribute__((aligned(16)));

static void peer_make(uint32_t first, uint16_t *ret_self)
{
    uint16_t memory;

    bench_must(exo_child_create(&peer, &bench_space, SLOT_PEER, SLOT_WINDOW, "peer"), "create");
    bench_must(exo_child_grant(&peer, exo_start_slot(EXO_KIND_ENVIRONMENT, 0), EXO_KIND_ENVIRONMENT,
                               EXO_RIGHT_RUN | EXO_RIGHT_GRANT, exo_start.environment, 1, ret_self), "grant");
    bench_must(exo_child_grant(&peer, bench_frames.capability, EXO_KIND_FRAMES,
                               EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
                               first, PEER_FRAMES, &memory), "grant");
    bench_must(exo_child_memory(&peer, memory), "memory");
}

/* The copy: opens its gate for us, waits, and later bounces. */
static void peer_run(uint16_t back)
{
    exo_gate_create(0, 0, (uint64_t)bench_gate_echo, (uint64_t)(echo_stack + sizeof echo_stack), PEER_GATE);
    exo_capability_derive(0, PEER_GATE, back, SLOT_PEER_GATE, EXO_RIGHT_EXECUTE | EXO_RIGHT_WRITE,
                          exo_start.environment * EXO_GATES_PER_ENVIRONMENT, 1);
    exo_sleep(EXO_NEVER, EXO_EVENT_MESSAGE, true);
    bench_bounce_target = back;
    exo_vcpu_entry(0, 0, EXO_ENTRY_EVENT, (uint64_t)bench_bounce_entry);
    exo_yield_to(back, 0);
}

static void gate_measure(void)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t before = exo_ticks();
        int64_t result = exo_gate_call(SLOT_PEER_GATE);
        bench_least(&least, exo_ticks() - before - bench_empty);
        bench_must(result, "gate_call");
    }
    bench_print("gate_sync", least, "instructions");
}

static void yield_measure(void)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < REPETITIONS; i++)
        bench_least(&least, bench_yield_pair(SLOT_PEER) - bench_empty);
    bench_print("yield_to", least / 2, "instructions");
}

/* The peer is given a capability to us: RUN lets it yield back, GRANT lets it give us its gate. */
void bench_switches(void)
{
    static uint16_t back;
    const struct exo_start_capability *memory = exo_start_capability(bench_frames.capability);

    peer_make(memory->first + memory->count - PEER_FRAMES, &back);
    int64_t result = exo_child_fork(&peer);
    if (result == 0)
        peer_run(back);
    bench_must(result, "fork");
    bench_must(exo_yield_to(SLOT_PEER, 0), "yield_to");
    gate_measure();
    bench_must(exo_gate_send(SLOT_PEER_GATE, 0, 0, 0, 0, 0), "gate_send");
    bench_must(exo_yield_to(SLOT_PEER, 0), "yield_to");
    yield_measure();
    bench_must(exo_child_end(SLOT_PEER, peer.frame), "end");
}
