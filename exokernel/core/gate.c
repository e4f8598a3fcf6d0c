#include <gate.h>
#include <capability.h>
#include <dispatch.h>
#include <slice.h>
#include <upcall.h>
#include <vcpu.h>

enum { GATE_RIGHTS = EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_GRANT, USER_FLAGS = 0x202 };

/* What a GATE capability opens. */
struct opening {
    gate_name gate;
    uint32_t badge;
};

/* Capabilities change under a lock that is not held here: fields are read between two looks at the id, which is never used twice. */
static exo_result gate_open(frame_name environment, uint32_t slot, uint32_t rights, struct opening *ret_opening)
{
    capability_name name = capability_lookup(environment, slot);
    const struct capability *capability = capability_live(name);

    if (!capability)
        return EXO_BAD_CAPABILITY;
    uint64_t id = __atomic_load_n(&capability->id, __ATOMIC_ACQUIRE);
    struct opening opening = {.gate = capability->first, .badge = capability->count};
    uint32_t kind = capability->kind, held = capability->rights;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (kind != EXO_KIND_GATE || capability_reach(name, id, 0) == REACH_NOTHING)
        return EXO_BAD_CAPABILITY;
    if (rights & ~held)
        return EXO_NO_RIGHT;
    *ret_opening = opening;
    return EXO_OK;
}

static vcpu_name gate_server(gate_name name)
{
    return name / GATES_PER_ENVIRONMENT * VCPUS_PER_ENVIRONMENT + gate_at(name)->vcpu % VCPUS_PER_ENVIRONMENT;
}

static void message_keep(struct vcpu *vcpu, const struct exo_registers *registers)
{
    const uint64_t message[MESSAGE_REGISTERS] = {
        registers->rsi, registers->rdx, registers->r10, registers->r8, registers->r9, registers->rbx,
        registers->rbp, registers->r12, registers->r13, registers->r14, registers->r15,
    };

    for (uint32_t i = 0; i < MESSAGE_REGISTERS; i++)
        vcpu->message[i] = message[i];
}

/* The client's own place, with a result; the message registers stay. */
static void client_restore(struct vcpu *client, int64_t status, struct exo_registers *registers)
{
    client->resume = RESUME_EVENT;
    registers->rip = client->return_rip;
    registers->rsp = client->return_rsp;
    registers->rflags = client->return_rflags;
    registers->rax = (uint64_t)status;
    registers->rdi = registers->rcx = registers->r11 = 0;
}

void gate_return(struct vcpu *client, struct exo_registers *registers)
{
    const uint64_t *message = client->message;

    *registers = (struct exo_registers){
        .rsi = message[0], .rdx = message[1], .r10 = message[2], .r8 = message[3], .r9 = message[4], .rbx = message[5],
        .rbp = message[6], .r12 = message[7], .r13 = message[8], .r14 = message[9], .r15 = message[10],
    };
    client_restore(client, client->status, registers);
}

/* The gate's old capability ends, and with it all that were derived from it. */
static void gate_close(struct gate *gate)
{
    struct capability *capability = capability_at(gate->capability);

    if (gate->stamp && capability->id == gate->stamp)
        *capability = (struct capability){0};
}

/* May the capability of this gate go into the slot? It may take its predecessor's place. */
static exo_result gate_slot_is_free(frame_name environment, const struct gate *gate, uint32_t slot)
{
    exo_result result = capability_slot_is_free(environment, slot);
    capability_name name = capability_lookup(environment, slot);

    if (result == EXO_TAKEN && gate->stamp && name == gate->capability && capability_at(name)->id == gate->stamp)
        return EXO_OK;
    return result;
}

exo_result call_gate_create(const struct caller *caller, uint8_t index, uint8_t vcpu, uint64_t address, uint64_t stack,
                            uint16_t new_slot)
{
    frame_name environment = caller->environment;
    capability_name source = frame_at(environment)->capability;

    if (index >= GATES_PER_ENVIRONMENT || address >= EXO_USER_LIMIT || stack >= EXO_USER_LIMIT)
        return EXO_BAD_ARGUMENT;
    if (vcpu >= VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_NAME;
    gate_name name = environment * GATES_PER_ENVIRONMENT + (uint32_t)arch_clamp(index, GATES_PER_ENVIRONMENT);
    struct gate *gate = gate_at(name);
    exo_result result = gate_slot_is_free(environment, gate, new_slot);
    if (result < 0)
        return result;
    if (capability_at(source)->depth >= DEPTH_MAX)
        return EXO_TOO_DEEP;

    gate_close(gate);
    capability_name capability = capability_lookup(environment, new_slot);
    uint64_t id = capability_mint(capability, source, EXO_KIND_GATE, GATE_RIGHTS, name, 0);
    *gate = (struct gate){.stamp = id, .entry = address, .stack = stack, .capability = capability, .vcpu = vcpu};
    return EXO_OK;
}

exo_result call_gate_call(const struct caller *caller, struct exo_registers *registers, uint16_t gate)
{
    struct vcpu *self = vcpu_at(caller->vcpu);
    struct opening opening;

    exo_result result = gate_open(caller->environment, gate, EXO_RIGHT_EXECUTE, &opening);
    if (result < 0)
        return result;
    const struct gate *open = gate_at(opening.gate);
    vcpu_name name = gate_server(opening.gate);
    struct vcpu *callee = vcpu_at(name);
    if (self->depth >= DEPTH_MAX || !slice_claim(caller->processor, name, EXO_VCPU_WAITING))
        return EXO_BUSY;

    callee->caller = caller->vcpu;
    callee->depth = self->depth + 1;
    self->return_rip = registers->rip;
    self->return_rsp = registers->rsp;
    self->return_rflags = registers->rflags;
    self->resume = RESUME_CALLER;
    self->callee = name;
    vcpu_set(self, EXO_VCPU_CALLING);
    registers->rip = open->entry;
    registers->rsp = open->stack;
    registers->rflags = USER_FLAGS;
    registers->rdi = opening.gate % GATES_PER_ENVIRONMENT;
    registers->rcx = registers->r11 = 0;
    slice_switch(caller->processor, name);
    slice_arm(caller->processor, callee->timer);
    return opening.badge;
}

/* Serve no more: WAITING, or READY if an event came meanwhile that it waits for. */
static void server_wait(struct vcpu *server)
{
    server->depth = 0;
    vcpu_set(server, EXO_VCPU_WAITING);
    if (__atomic_load_n(&context_page(server->context)->pending, __ATOMIC_SEQ_CST) & server->wake)
        vcpu_move(server, EXO_VCPU_WAITING, EXO_VCPU_READY);
}

exo_result call_gate_reply(const struct caller *caller, struct exo_registers *registers, uint8_t mode)
{
    struct processor *processor = &kernel.processor[caller->processor];
    struct vcpu *self = vcpu_at(caller->vcpu);
    vcpu_name name = self->caller, callee = caller->vcpu;

    if (mode != 0)
        return EXO_BAD_ARGUMENT;
    if (!name)
        return EXO_GONE;
    struct vcpu *client = vcpu_at(name);
    if (!__atomic_compare_exchange_n(&client->callee, &callee, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return EXO_GONE;

    self->caller = 0;
    if (processor->payer == caller->vcpu || processor->ending) {
        message_keep(client, registers);
        client->status = EXO_OK;
        vcpu_set(client, EXO_VCPU_READY);
        slice_notice(name);
        server_wait(self);
        slice_leave(caller->processor, registers);
        return (exo_result)registers->rax;
    }
    __atomic_store_n(&processor->running, name, __ATOMIC_RELEASE);
    vcpu_set(client, EXO_VCPU_RUNNING);
    server_wait(self);
    client_restore(client, EXO_OK, registers);
    slice_switch(caller->processor, name);
    slice_arm(caller->processor, client->timer);
    upcall_deliver(name, registers);
    return (exo_result)registers->rax;
}

exo_result call_gate_send(const struct caller *caller, uint16_t gate, uint64_t word0, uint64_t word1, uint64_t word2,
                          uint64_t word3, uint64_t word4)
{
    struct opening opening;

    exo_result result = gate_open(caller->environment, gate, EXO_RIGHT_WRITE, &opening);
    if (result < 0)
        return result;
    vcpu_name name = gate_server(opening.gate);
    frame_name frame = vcpu_at(name)->context;
    if (!frame || context_page(frame)->inbox_full)
        return EXO_BUSY;

    struct exo_context *context = context_page(frame);
    context->inbox_badge = opening.badge;
    context->inbox[0] = word0;
    context->inbox[1] = word1;
    context->inbox[2] = word2;
    context->inbox[3] = word3;
    context->inbox[4] = word4;
    __atomic_store_n(&context->inbox_full, 1, __ATOMIC_RELEASE);
    vcpu_post(name, EXO_EVENT_MESSAGE);
    return EXO_OK;
}
