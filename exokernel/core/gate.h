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

/* gate_call and gate_reply, if all is as usual: the caller's place becomes the next one's, the message registers stay.
 * Nothing was done if the transfer is 0: then take the long way, which also says why. */
struct transfer gate_call_fast(uint64_t slot, struct place *place);
struct transfer gate_reply_fast(uint64_t mode, struct place *place);

/* Registers for one that comes back from gate_call, with what was kept in its vcpu when the call ended. */
void gate_return(struct vcpu *client, struct exo_registers *registers);
