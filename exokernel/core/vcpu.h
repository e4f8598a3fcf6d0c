/*
 * Virtual processors: their states and how they change hands between processors. A state is changed by
 * compare-and-swap only, but for RUNNING, which its own processor alone leaves. A virtual processor is
 * RUNNING exactly while some processor's `running` names it. No function here takes the lock.
 */
#pragma once
#include <arch.h>

static inline uint32_t vcpu_state(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->state, __ATOMIC_SEQ_CST);
}

/* True if it was in the state `from` and now is in `to`: nobody else has it. */
static inline bool vcpu_move(struct vcpu *vcpu, uint8_t from, uint8_t to)
{
    return __atomic_compare_exchange_n(&vcpu->state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Of the virtual processor that runs here: what it does from now on. */
static inline void vcpu_set(struct vcpu *vcpu, uint8_t state)
{
    __atomic_store_n(&vcpu->state, state, __ATOMIC_SEQ_CST);
}

/* Make events pending; wake it if it waits for one of them; interrupt the processor that it runs on or should
 * run on. Does nothing to one that was not created. */
void vcpu_post(vcpu_name name, uint32_t events);
/* End the gate call in which `client` waits for `callee`: it becomes READY and gate_call returns `status`. False if it was over. */
bool vcpu_end_call(vcpu_name client, vcpu_name callee, int64_t status);
/* It will not answer the gate call that it serves, if any: GONE. */
void vcpu_give_up(vcpu_name name);
/* If its timer is over: TIMER is pending, and a sleeper or caller becomes READY. True if that ended a gate call.
 * One that runs on another processor is left to that processor. */
bool vcpu_expire(vcpu_name name, uint64_t now);
/* Under the lock. It runs no more, and is only to be stopped: OFF, a gate call that it makes ended with GONE. False while a processor
 * still has it (an interrupt was sent, also to this processor if it runs here). */
bool vcpu_halt(vcpu_name name);
/* Under the lock. Stop it for good: halted, its context page DATA, a gate call that it serves ended with GONE. False while a processor still
 * has it: call again. */
bool vcpu_stop_now(vcpu_name name);
