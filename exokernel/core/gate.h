/*
 * Protected control transfer. A gate's capability hangs below the one that its environment is owned under, so it ends with the
 * environment; it is emptied when the gate is replaced. Calls and replies take no lock: who moves the callee from
 * WAITING to RUNNING has it, and who moves the client's `callee` to 0 ends the call (vcpu.h).
 */
#pragma once
#include <arch.h>

static inline struct gate *gate_at(gate_name name)
{
    return &environment_page(name / GATES_PER_ENVIRONMENT)->gate[name % GATES_PER_ENVIRONMENT];
}

/* gate_call and gate_reply, if all is as usual: where who runs now goes on, the message registers staying as they are. The machine
 * has put where the caller goes on into vcpu_here()->place; no address there or in a gate is wild (sysret).
 * NULL: nothing was done; take the long way, which also says why. */
const struct place *gate_call_fast(uint64_t slot);
const struct place *gate_reply_fast(void); /* mode 0 */

/* Registers for one that comes back from gate_call, with what was kept in its vcpu when the call ended. */
void gate_return(struct vcpu *client, struct exo_registers *registers);
