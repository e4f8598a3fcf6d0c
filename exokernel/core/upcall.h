/*
 * Upcalls: entering a virtual processor at its event entry with its context page filled in, saving its state by force,
 * and what happens when a fault finds no handler. The fast path of exceptions and foreign system calls is the machine's own.
 * The context page is the libOS's to write at any time: each field is read once, and nothing but the page depends on it.
 */
#pragma once
#include <arch.h>

enum { USER_FLAGS = 0x202 }; /* interrupts enabled, and the bit that is always 1 (Intel SDM 1 3.4.3) */

/* Make events pending in a context page; 0: in none. */
static inline void upcall_mark(frame_name context, uint32_t events)
{
    if (context)
        __atomic_fetch_or(&context_page(context)->pending, events, __ATOMIC_SEQ_CST);
}

static inline void place_enter(const struct place *place, struct exo_registers *registers)
{
    registers->rflags = place->rflags;
    registers->rip = place->rip;
    registers->rsp = place->rsp;
    registers->rax = place->rax;
    registers->rdi = place->rdi;
    registers->rcx = registers->r11 = 0;
}

/* Fill the context page of who was just switched to in for an entry at its event entry: START and FRESH become pending. */
static inline void upcall_begin(const struct vcpu *vcpu)
{
    struct exo_context *context = context_here();

    context->event_busy = 1;
    context->excess_ns = vcpu->excess_ns;
    __atomic_fetch_and(&context->pending, ~(uint32_t)EXO_EVENT_END, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&context->pending, EXO_EVENT_START | EXO_EVENT_FRESH, __ATOMIC_SEQ_CST);
}

/* Registers for an entry at the event entry of one whose state is kept elsewhere. START and FRESH become pending. */
void upcall_start(vcpu_name name, struct exo_registers *registers);
/* If it may be interrupted and has something pending: its state goes to context.event and it is entered. */
void upcall_deliver(vcpu_name name, struct exo_registers *registers);
/* Save its state in context.forced, unless what was saved there before was not taken off yet (FORCED is still pending), or it
 * has not yet noticed its last start (FRESH is), which then happens again. */
void upcall_force(vcpu_name name, uint64_t now, const struct exo_registers *registers);

/* The machine calls this when this processor's running virtual processor faulted and has no exception entry, or is in it. */
void upcall_fault(struct exo_registers *registers, uint32_t vector, uint32_t error, uint64_t address);
