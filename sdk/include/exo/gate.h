/*
 * Gates: calling them with a message, and serving them. The message is eleven words in registers, both ways.
 *
 * A server gives virtual processor 0, exo_gate_entry and a stack of its own to gate_create, sets exo_gate_handler,
 * and sleeps with gates served (exo_sleep; it returns if a caller is gone before the reply). Its handler runs with
 * events held back and ends by returning; the reply is what it left in the message.
 */
#pragma once
#include <stdint.h>

struct exo_message {
    uint64_t word[11]; /* rsi, rdx, r10, r8, r9, rbx, rbp, r12, r13, r14, r15 */
};

/* Synchronous; the reply takes the message's place. OK or an error, after which the message is undefined. A timer of the caller's that
 * passes meanwhile ends the call (TIMED_OUT). One that passes before it does not: who wants a limit sets the timer anew in the handler
 * of EXO_EVENT_TIMER, which runs only while no call is under way. */
int64_t exo_gate_invoke(uint16_t gate, struct exo_message *message);

extern void (*exo_gate_handler)(uint64_t badge, uint32_t index, struct exo_message *message);
void exo_gate_entry(void);
