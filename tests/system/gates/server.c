#include "server.h"
#include <check.h>
#include <exo/calls.h>
#include <exo/gate.h>
#include <exo/program.h>
#include <exo/upcall.h>

enum { GATE = 3, SLOT_GATE = 100 };

static uint8_t gate_stack[8192] __attribute__((aligned(16)));

static void serve(uint64_t badge, uint32_t index, struct exo_message *message)
{
    uint64_t request = message->word[0];

    SHARED->calls++;
    for (uint32_t i = 0; i < 11; i++)
        message->word[i] += badge + (index - GATE);
    if (request == SERVER_HANG)
        while (!SHARED->release)
            __asm__ volatile("pause");
    if (request == SERVER_DIE) {
        exo_vcpu_entry(0, 0, EXO_ENTRY_EXCEPTION, 0);
        *(volatile uint8_t *)0 = 0;
    }
}

static void message_note(void)
{
    for (uint32_t i = 0; i < 5; i++)
        SHARED->word[i] = EXO_CONTEXT->inbox[i];
    SHARED->badge = EXO_CONTEXT->inbox_badge;
    __atomic_store_n(&EXO_CONTEXT->inbox_full, 0, __ATOMIC_SEQ_CST);
    SHARED->messages++;
}

static void gate_give(uint16_t parent, uint16_t slot, uint8_t rights, uint32_t badge)
{
    check_must("gate for the client",
               exo_capability_derive(0, SLOT_GATE, parent, slot, rights,
                                     exo_start.environment * EXO_GATES_PER_ENVIRONMENT + GATE, badge));
}

void server_live(uint16_t parent)
{
    exo_gate_handler = serve;
    check_must("gate_create", exo_gate_create(GATE, 0, (uint64_t)exo_gate_entry,
                                              (uint64_t)(gate_stack + sizeof gate_stack), SLOT_GATE));
    gate_give(parent, GATE_BOTH, EXO_RIGHT_EXECUTE | EXO_RIGHT_WRITE, BADGE_BOTH);
    gate_give(parent, GATE_SEND, EXO_RIGHT_WRITE, BADGE_SEND);
    gate_give(parent, GATE_CALL, EXO_RIGHT_EXECUTE, BADGE_CALL);
    gate_give(parent, GATE_OPEN, EXO_RIGHT_EXECUTE, 0);
    SHARED->ready = 1;
    for (;;) {
        exo_events_block();
        if (EXO_CONTEXT->inbox_full)
            message_note();
        else
            exo_sleep(EXO_NEVER, EXO_EVENT_MESSAGE, true);
        exo_events_restore(false);
    }
}
