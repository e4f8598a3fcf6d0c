#include <gate.h>
#include <capability.h>
#include <dispatch.h>
#include <frame.h>
#include <slice.h>
#include <upcall.h>
#include <vcpu.h>

enum {
    GATE_RIGHTS = EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_GRANT,
};

/* What a GATE capability opens. */
struct opening {
    gate_name gate;
    uint32_t badge;
};

/* A valid capability's gate is; that it is looked at spares its proof the way up to where the gate was made. */
static bool environment_is_there(gate_name gate)
{
    const struct exo_frame *info = frame_named(gate / GATES_PER_ENVIRONMENT);

    return info && info->kind == EXO_FRAME_ENVIRONMENT;
}

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
    if (kind != EXO_KIND_GATE || capability_reach(name, id, 0) == REACH_NOTHING || !environment_is_there(opening.gate))
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

void gate_return(struct vcpu *client, struct exo_registers *registers)
{
    const uint64_t *message = client->message;

    *registers = (struct exo_registers){
        .rsi = message[0], .rdx = message[1], .r10 = message[2], .r8 = message[3], .r9 = message[4], .rbx = message[5],
        .rbp = message[6], .r12 = message[7], .r13 = message[8], .r14 = message[9], .r15 = message[10],
    };
    place_enter(&client->place, registers);
    client->place.rax = EXO_OK;
    client->resume = RESUME_EVENT;
}

/* The gate's old capability ends, and with it all that were derived from it. */
static void gate_close(struct gate *gate)
{
    if (gate->stamp)
        capability_end(gate->capability, gate->stamp);
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
    if (!claim_is_live(source, frame_at(environment)->stamp))
        return EXO_GONE;
    if (capability_at(source)->depth >= DEPTH_MAX)
        return EXO_TOO_DEEP;

    gate_close(gate);
    capability_name capability = capability_lookup(environment, new_slot);
    uint64_t id = capability_mint(capability, source, EXO_KIND_GATE, GATE_RIGHTS, name, 0);
    *gate = (struct gate){.stamp = id, .entry = address, .stack = stack, .capability = capability, .vcpu = vcpu};
    return EXO_OK;
}

/* What the slot's capability opens, as it is remembered for the fast way. */
static exo_result gate_look(vcpu_name caller, uint32_t slot, struct recent_gate *ret_known)
{
    uint64_t generation = __atomic_load_n(&kernel.generation, __ATOMIC_ACQUIRE);
    struct opening opening;

    exo_result result = gate_open(caller / VCPUS_PER_ENVIRONMENT, slot, EXO_RIGHT_EXECUTE, &opening);
    if (result < 0)
        return result;
    const struct gate *gate = gate_at(opening.gate);
    *ret_known = (struct recent_gate){
        .slot = slot, .generation = generation, .caller = caller, .vcpu = gate_server(opening.gate),
        .place = {USER_FLAGS, gate->entry, gate->stack, opening.badge, opening.gate % GATES_PER_ENVIRONMENT},
    };
    return EXO_OK;
}

/* From who runs here into a gate. `place`: where it goes on, unless its vcpu holds that already. False: the gate's server does not
 * wait, or calls are nested too deep. */
static inline bool gate_enter(struct processor *here, vcpu_name caller, vcpu_name name, const struct place *place)
{
    struct vcpu *self = vcpu_here(), *server = vcpu_at(name);
    uint32_t depth = self->depth;

    if (depth >= DEPTH_MAX || !slice_claim(here, name, EXO_VCPU_WAITING))
        return false;
    server->caller = caller;
    server->depth = depth + 1;
    if (place)
        self->place = *place;
    self->resume = RESUME_CALLER;
    self->callee = name;
    __atomic_store_n(&self->state, EXO_VCPU_CALLING, __ATOMIC_RELEASE);
    arch_switch(name, server);
    return true;
}

const struct place *gate_call_fast(uint64_t slot)
{
    struct processor *here = processor_here();
    const struct recent_gate *known = &here->gate[slot % RECENT_MAX];
    vcpu_name caller = here->running;

    if (known->slot != slot || known->caller != caller || known->generation != kernel.generation)
        return NULL;
    vcpu_name name = known->vcpu;
    if (vcpu_at(name)->timer < here->armed || !gate_enter(here, caller, name, NULL))
        return NULL;
    return &known->place;
}

exo_result call_gate_call(const struct caller *caller, struct exo_registers *registers, uint16_t gate)
{
    struct processor *here = &kernel.processor[arch_processor()];
    const struct place place = {registers->rflags, registers->rip, registers->rsp, EXO_OK, 0};
    struct recent_gate known;

    exo_result result = gate_look(caller->vcpu, gate, &known);
    if (result < 0)
        return result;
    if (!gate_enter(here, caller->vcpu, known.vcpu, &place))
        return EXO_BUSY;

    here->gate[gate % RECENT_MAX] = known;
    place_enter(&known.place, registers);
    slice_arm(arch_processor(), vcpu_at(known.vcpu)->timer);
    return (exo_result)registers->rax;
}

/* Serve no more: WAITING, or READY if an event came meanwhile that it waits for. */
static inline void server_wait(struct vcpu *server)
{
    const uint32_t *pending = &context_here()->pending;

    server->depth = 0;
    vcpu_set(server, EXO_VCPU_WAITING); /* from here on it may be gone */
    if (__atomic_load_n(pending, __ATOMIC_SEQ_CST) & server->wake)
        vcpu_move(server, EXO_VCPU_WAITING, EXO_VCPU_READY);
}

/* Is the one that runs here working on time of its own, or on none any more? Then its client must wait for its own. */
static inline bool server_must_not_pass_time(const struct processor *here)
{
    return here->payer == here->running || here->ending;
}

/* The running server ends its client's call; false if something else ended it. */
static inline bool gate_leave(vcpu_name name, struct vcpu *client)
{
    return __atomic_compare_exchange_n(&client->callee, &name, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* From the server, whose client's call was ended by gate_leave, to the client. */
static inline void gate_resume(struct processor *here, struct vcpu *server, vcpu_name name, struct vcpu *client)
{
    __atomic_store_n(&here->running, name, __ATOMIC_RELEASE);
    server->caller = 0;
    client->resume = RESUME_EVENT;
    __atomic_store_n(&client->state, EXO_VCPU_RUNNING, __ATOMIC_RELEASE);
    server_wait(server);
    arch_switch(name, client);
}

/* Did an event come for the client during its call? It is delivered once it is back. */
static inline bool client_is_awaited(void)
{
    const struct exo_context *context = context_here();

    return __atomic_load_n(&context->pending, __ATOMIC_SEQ_CST) && !context->event_busy;
}

/* Out of line, so that nothing of the fast way lives across a call. */
static __attribute__((noinline)) const struct place *place_interrupted(const struct place *place)
{
    arch_interrupt(arch_processor());
    return place;
}

const struct place *gate_reply_fast(void)
{
    struct processor *here = processor_here();
    vcpu_name self = here->running;
    struct vcpu *server = vcpu_here();
    vcpu_name name = server->caller;

    if (!name || server_must_not_pass_time(here))
        return NULL;
    struct vcpu *client = vcpu_at(name);
    if (client->timer < here->armed || !gate_leave(self, client))
        return NULL;
    gate_resume(here, server, name, client);
    return client_is_awaited() ? place_interrupted(&client->place) : &client->place;
}

/* The client goes on when its own time comes. */
static void gate_reply_later(struct vcpu *server, struct exo_registers *registers)
{
    vcpu_name name = server->caller;
    struct vcpu *client = vcpu_at(name);

    server->caller = 0;
    message_keep(client, registers);
    vcpu_set(client, EXO_VCPU_READY);
    slice_notice(name);
    server_wait(server);
    slice_leave(arch_processor(), registers);
}

exo_result call_gate_reply(const struct caller *caller, struct exo_registers *registers, uint8_t mode)
{
    struct processor *here = &kernel.processor[arch_processor()];
    struct vcpu *server = vcpu_at(caller->vcpu);
    vcpu_name name = server->caller;

    if (mode != 0)
        return EXO_BAD_ARGUMENT;
    if (!name || !gate_leave(caller->vcpu, vcpu_at(name)))
        return EXO_GONE;
    if (server_must_not_pass_time(here)) {
        gate_reply_later(server, registers);
        return (exo_result)registers->rax;
    }
    struct vcpu *client = vcpu_at(name);
    gate_resume(here, server, name, client);
    place_enter(&client->place, registers);
    slice_arm(arch_processor(), client->timer);
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
