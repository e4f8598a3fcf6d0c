/*
 * Processor time: who runs in a slot, boundaries, overrun, lending with recall, directed yield and sleep. Works only on
 * its own processor's `struct processor`, on the virtual processor that runs there and on those it claims; no lock.
 *
 * `registers` is the user state that the entry to the kernel saved and that its exit restores. When a function
 * returns with kernel.processor[this].running == 0 nobody runs: the registers are meaningless and the machine
 * halts with interrupts enabled until the next one. What an idle machine passes in is not looked at.
 */
#pragma once
#include <vcpu.h>

/* What can wake a sleeper. */
enum { SLEEP_EVENTS = EXO_EVENT_TIMER | EXO_EVENT_MESSAGE | EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE | EXO_EVENT_REPOSSESSED |
                      EXO_EVENT_CHILD | EXO_EVENT_IO };

/* The machine calls these with interrupts disabled. */
void slice_start(struct exo_registers *registers);       /* each processor, once, at its start */
void slice_timer(struct exo_registers *registers, uint64_t now); /* at or after what arch_timer was told */
void slice_interrupted(struct exo_registers *registers); /* after arch_interrupt */

/* This processor's running virtual processor, whose state was already changed, leaves: pick who comes next. */
void slice_leave(uint32_t processor, struct exo_registers *registers);
/* What was claimed is not kept: `before` runs on. */
static inline void slice_unclaim(struct processor *here, vcpu_name before)
{
    __atomic_store_n(&here->running, before, __ATOMIC_RELEASE);
    arch_interrupt(arch_processor()); /* an event for who runs here may have been missed meanwhile */
}
/* Make it RUNNING here if it is in the state `from`, so that no other processor has it; arch_switch must follow. */
static inline bool slice_claim(struct processor *here, vcpu_name name, uint8_t from)
{
    vcpu_name before = here->running;
    struct vcpu *vcpu = vcpu_at(name);

    if (vcpu_state(vcpu) != from)
        return false;
    __atomic_store_n(&here->running, name, __ATOMIC_RELEASE);
    if (vcpu_move(vcpu, from, EXO_VCPU_RUNNING))
        return true;
    slice_unclaim(here, before);
    return false;
}
/* slice_yield_to, if all is as usual: where who runs now begins, all other registers being 0. NULL: nothing was done. */
const struct place *slice_yield_fast(uint64_t target, uint64_t index);
/* Enter it at its event entry, or let it return from gate_call, as it left. */
void slice_enter(vcpu_name name, struct exo_registers *registers);
/* `name`, which runs here, falls asleep; on its predicate, if it has one. OK at once if an event is pending that would wake it. */
exo_result slice_sleep(vcpu_name name, struct exo_registers *registers, uint64_t deadline, uint32_t events, bool gates);
/* Have this processor's timer fire at `deadline` at the latest. */
void slice_arm(uint32_t processor, uint64_t deadline);

/* A virtual processor became READY: interrupt those processors on whose present slot it may run. */
void slice_notice(vcpu_name name);
/* The owner or borrower of a slot changed: interrupt its processor if it is the current one. */
void slice_slot_changed(uint32_t slot);
