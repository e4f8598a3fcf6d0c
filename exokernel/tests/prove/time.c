/*
 * Claims and contracts about time: processors, slots, virtual processors and the gate calls between them. Written as
 * invariant.c and contract.c are. Names go in order: a processor's and a slot's number, an environment and an index.
 */
#include <arch.h>
#include <capability.h>
#include <flow.h>
#include <slice.h>
#include <slot.h>
#include <vcpu.h>

void havoc(const volatile void *place);
uint32_t any_name(void);

enum { SLOTS_OF_CAPABILITIES = TABLES_PER_ENVIRONMENT * CAPABILITIES_PER_TABLE };

static bool is_environment(frame_name frame)
{
    return frame < kernel.frame_count && frame_at(frame)->kind == EXO_FRAME_ENVIRONMENT;
}

static bool vcpu_is_named(vcpu_name name)
{
    return is_environment(name / VCPUS_PER_ENVIRONMENT);
}

/* It has a context page, so its environment has not been reaped. */
static bool vcpu_is_created(vcpu_name name)
{
    return vcpu_is_named(name) && vcpu_at(name)->context;
}

static bool is_none_or_created(vcpu_name name)
{
    return !name || vcpu_is_created(name);
}

/* ---- processors */

bool claim_processor(uint32_t number)
{
    if (number >= kernel.processor_count)
        return true;
    const struct processor *processor = &kernel.processor[number];
    return processor->slot < kernel.processor_count * SLOTS_PER_PROCESSOR && is_none_or_created(processor->running) &&
           is_none_or_created(processor->payer) &&
           (!processor->running || vcpu_at(processor->running)->state == EXO_VCPU_RUNNING);
}

/* No two run the same. */
bool claim_processor_pair(uint32_t first, uint32_t second)
{
    if (first >= kernel.processor_count || second >= kernel.processor_count || first == second)
        return true;
    return !kernel.processor[first].running || kernel.processor[first].running != kernel.processor[second].running;
}

/* ---- slots */

/* It lives, or its reaping has not come to this processor's slots yet. */
static bool environment_may_have_slots(frame_name environment, uint32_t processor)
{
    return is_environment(environment) && (environment_page(environment)->state == ENVIRONMENT_ALIVE ||
                                           environment_page(environment)->reaped <= SLOTS_OF_CAPABILITIES + processor);
}

bool claim_slot(uint32_t slot)
{
    if (slot >= kernel.processor_count * SLOTS_PER_PROCESSOR)
        return true;
    const struct exo_slot *info = slot_at(slot);
    uint32_t processor = slot / SLOTS_PER_PROCESSOR;
    if (!info->owner)
        return !info->stamp && !info->capability && !info->vcpu && !info->borrower;
    return environment_may_have_slots(info->owner, processor) && info->vcpu / VCPUS_PER_ENVIRONMENT == info->owner &&
           (!info->borrower || environment_may_have_slots(info->borrower / VCPUS_PER_ENVIRONMENT, processor));
}

/* ---- virtual processors */

bool claim_vcpu(frame_name environment, uint32_t index)
{
    if (!is_environment(environment) || index >= VCPUS_PER_ENVIRONMENT)
        return true;
    const struct vcpu *vcpu = &environment_page(environment)->vcpu[index];
    if (vcpu->state > EXO_VCPU_FAULTED || vcpu->depth > DEPTH_MAX)
        return false;
    if (!vcpu->context)
        return vcpu->state == EXO_VCPU_OFF && !vcpu->callee && !vcpu->caller;
    return vcpu->context < kernel.frame_count && frame_at(vcpu->context)->kind == EXO_FRAME_CONTEXT &&
           frame_at(vcpu->context)->owner == environment;
}

/* No two have the same context page. Those of different environments have not, since a frame has one owner. */
bool claim_vcpu_pair(frame_name environment, uint32_t first, uint32_t second)
{
    if (!is_environment(environment) || first >= VCPUS_PER_ENVIRONMENT || second >= VCPUS_PER_ENVIRONMENT || first == second)
        return true;
    const struct vcpu *vcpu = environment_page(environment)->vcpu;
    return !vcpu[first].context || vcpu[first].context != vcpu[second].context;
}

/* Whom it called serves it, one deeper; whom it serves called it. Who waits in its gates serves nobody. */
bool claim_call(frame_name environment, uint32_t index)
{
    if (!is_environment(environment) || index >= VCPUS_PER_ENVIRONMENT)
        return true;
    const struct vcpu *vcpu = &environment_page(environment)->vcpu[index];
    vcpu_name name = environment * VCPUS_PER_ENVIRONMENT + index;
    if (vcpu->callee && !(vcpu->state == EXO_VCPU_CALLING && vcpu_is_created(vcpu->callee) &&
                          vcpu_at(vcpu->callee)->caller == name && vcpu_at(vcpu->callee)->depth == vcpu->depth + 1))
        return false;
    if (vcpu->caller && !(vcpu_is_created(vcpu->caller) && vcpu_at(vcpu->caller)->callee == name))
        return false;
    return vcpu->state != EXO_VCPU_WAITING || !vcpu->caller;
}

static bool is_none_or_named(vcpu_name name)
{
    return !name || vcpu_is_named(name);
}

/* ---- gates */

/* Under what an environment is owned is the capability of its creation: so what its gates are derived from is for itself. */
bool claim_creation(frame_name environment)
{
    const struct exo_frame *info = frame_at(environment);
    frame_name table = info->capability / CAPABILITIES_PER_TABLE;

    if (!is_environment(environment))
        return true;
    if (info->stamp >= kernel.next_id)
        return false;
    if (table >= kernel.frame_count || info->capability % CAPABILITIES_PER_TABLE == 0 || frame_at(table)->kind != EXO_FRAME_CAPABILITIES)
        return true;
    const struct capability *capability = capability_at(info->capability);
    return capability->state != CAPABILITY_LIVE || capability->id != info->stamp ||
           (capability->kind == EXO_KIND_ENVIRONMENT && capability->first == environment);
}

/* ---- contracts: the trace */

static void trace_may_grow(void)
{
    havoc(&kernel.processor[arch_processor()].traced);
    havoc(&trace_page(any_name())[any_name()]);
}

void anywhere_trace_record(void)
{
}

/* How large a trace ring is that ships: before anything else the state is made so. */
void ships(void)
{
    system_info()->trace_frames = 4;
}

static frame_name ring_of(uint32_t processor)
{
    return system_info()->trace_frame + processor * system_info()->trace_frames;
}

/* Assumed, not shown: boot sets the rings up, and nobody gives their frames back. */
bool assumed_ring(uint32_t processor)
{
    return !system_info()->trace_frame || processor >= kernel.processor_count ||
           (ring_of(processor) < kernel.frame_count && system_info()->trace_frames <= kernel.frame_count - ring_of(processor));
}

bool assumed_trace(uint32_t processor, frame_name frame)
{
    return !system_info()->trace_frame || processor >= kernel.processor_count ||
           frame - ring_of(processor) >= system_info()->trace_frames ||
           (frame < kernel.frame_count && frame_at(frame)->kind == EXO_FRAME_TRACE);
}

bool pre_trace_record(void)
{
    return kernel.processor_count <= PROCESSOR_LIMIT && kernel.frame_count <= EXO_FRAME_LIMIT;
}

void modifies_trace_record(void)
{
    trace_may_grow();
}

/* ---- contracts: chains of calls */

bool pre_callers_deadline(vcpu_name name)
{
    return is_none_or_named(name);
}

bool loop_callers_deadline(vcpu_name name_addr)
{
    return is_none_or_named(name_addr);
}

bool pre_callees_expire(vcpu_name name)
{
    return is_none_or_named(name);
}

/* Environments write their context pages too: what is in them is never known. */
static void contexts_may_change(void)
{
    havoc(context_page(any_name()));
}

/* What the end of a call and of a sleep changes, of any virtual processor. */
static void vcpus_may_wake(void)
{
    struct vcpu *vcpu = &environment_page(any_name())->vcpu[any_name()];

    havoc(&vcpu->state);
    havoc(&vcpu->timer);
    havoc(&vcpu->callee);
    havoc(&vcpu->caller);
    havoc(&vcpu->message);
    havoc(&vcpu->place.rax);
    contexts_may_change();
}

void modifies_callees_expire(vcpu_name name)
{
    vcpus_may_wake();
}

bool loop_callees_expire(vcpu_name name_addr)
{
    return is_none_or_named(name_addr);
}

bool pre_callers_expire(vcpu_name name)
{
    return is_none_or_named(name);
}

void modifies_callers_expire(vcpu_name name, uint64_t now, uint64_t deadline, bool *ended)
{
    vcpus_may_wake();
    havoc(ended);
}

bool loop_callers_expire(vcpu_name name_addr)
{
    return is_none_or_named(name_addr);
}

bool pre_slice_notice(vcpu_name name)
{
    return is_none_or_named(name);
}

bool loop_slice_notice(vcpu_name name_addr)
{
    return is_none_or_named(name_addr);
}

bool loop2_slice_notice(vcpu_name name_addr)
{
    return is_none_or_named(name_addr);
}

bool pre_slice_stand_in(uint32_t processor, vcpu_name name)
{
    return processor < kernel.processor_count && is_none_or_named(name);
}

bool loop_slice_stand_in(vcpu_name name, vcpu_name name_addr, uint32_t depth)
{
    return is_none_or_named(name_addr) && (depth ? !name_addr || vcpu_is_created(name) : name_addr == name);
}

bool post_slice_stand_in(uint32_t processor, vcpu_name name, vcpu_name result)
{
    return !result || (vcpu_is_created(name) && vcpu_is_created(result) &&
                       (vcpu_at(result)->state == EXO_VCPU_READY || kernel.processor[processor].running == result));
}

/* ---- contracts: virtual processors */

static void vcpu_may_end_call(vcpu_name name)
{
    struct vcpu *vcpu = vcpu_at(name);

    if (vcpu->callee)
        havoc(&vcpu_at(vcpu->callee)->caller);
    havoc(&vcpu->state);
    havoc(&vcpu->callee);
    havoc(&vcpu->message);
    havoc(&vcpu->place.rax);
}

bool pre_vcpu_expire(vcpu_name name)
{
    return vcpu_is_named(name);
}

void modifies_vcpu_expire(vcpu_name name)
{
    vcpu_may_end_call(name);
    havoc(&vcpu_at(name)->timer);
    contexts_may_change();
}

static bool lives_on(uint32_t processor, vcpu_name name)
{
    return processor < kernel.processor_count &&
           (kernel.processor[processor].running == name || kernel.processor[processor].payer == name);
}

/* On none of the processors below this one. */
static bool lives_on_none(uint32_t end, vcpu_name name)
{
    return !(end > 0 && lives_on(0, name)) && !(end > 1 && lives_on(1, name)) && !(end > 2 && lives_on(2, name)) &&
           !(end > 3 && lives_on(3, name)) && !(end > 4 && lives_on(4, name)) && !(end > 5 && lives_on(5, name)) &&
           !(end > 6 && lives_on(6, name)) && !(end > 7 && lives_on(7, name));
}

bool post_vcpu_interrupt(vcpu_name name, bool result)
{
    return result || lives_on_none(PROCESSOR_LIMIT, name);
}

bool loop_vcpu_interrupt(vcpu_name name, uint32_t p, bool found)
{
    return found || lives_on_none(p, name);
}

bool pre_vcpu_post(vcpu_name name)
{
    return vcpu_is_named(name);
}

void modifies_vcpu_post(vcpu_name name)
{
    havoc(&vcpu_at(name)->state);
    contexts_may_change();
}

bool pre_vcpu_halt(vcpu_name name)
{
    return vcpu_is_named(name);
}

void modifies_vcpu_halt(vcpu_name name)
{
    vcpu_may_end_call(name);
    havoc(&vcpu_at(name)->stop);
}

bool post_vcpu_halt(vcpu_name name, bool result)
{
    return !result || (vcpu_at(name)->state == EXO_VCPU_OFF && (!vcpu_at(name)->context || lives_on_none(PROCESSOR_LIMIT, name)));
}

bool pre_vcpu_stop_now(vcpu_name name)
{
    return vcpu_is_named(name);
}

void modifies_vcpu_stop_now(vcpu_name name)
{
    struct vcpu *vcpu = vcpu_at(name);

    if (vcpu->context) {
        havoc(&frame_at(vcpu->context)->kind);
        havoc(&frame_at(vcpu->context)->link);
    }
    if (vcpu->caller)
        vcpu_may_end_call(vcpu->caller);
    if (vcpu->callee)
        havoc(&vcpu_at(vcpu->callee)->caller);
    havoc(vcpu);
    havoc(&system_info()->flush_epoch);
}

static frame_name old_context(vcpu_name name)
{
    return vcpu_at(name)->context;
}

bool post_vcpu_stop_now(vcpu_name name, bool result)
{
    frame_name context = old_context(name);
    uint32_t kind = frame_at(context)->kind;

    return result ? !vcpu_at(name)->context && (!context || kind == EXO_FRAME_DATA)
                  : vcpu_at(name)->context == context && kind == EXO_FRAME_CONTEXT;
}

/* ---- contracts: who runs */

void anywhere_slice_charge(void)
{
}

bool pre_slice_charge(uint32_t processor)
{
    return kernel.processor_count <= PROCESSOR_LIMIT && kernel.frame_count <= EXO_FRAME_LIMIT &&
           processor < kernel.processor_count && is_none_or_named(kernel.processor[processor].payer);
}

void modifies_slice_charge(uint32_t processor)
{
    havoc(&kernel.processor[processor].ending);
    if (kernel.processor[processor].payer)
        havoc(&vcpu_at(kernel.processor[processor].payer)->excess_ns);
}

static uint32_t old_ending(uint32_t processor)
{
    return kernel.processor[processor].ending;
}

static uint64_t old_excess(vcpu_name name)
{
    return vcpu_at(name)->excess_ns;
}

/* What was used past the boundary is the payer's debt. */
bool post_slice_charge(uint32_t processor, uint64_t now)
{
    const struct processor *self = &kernel.processor[processor];

    return !self->payer || !old_ending(processor) ||
           vcpu_at(self->payer)->excess_ns == old_excess(self->payer) + now - (self->slot_end - EXO_SLOT_NS);
}

bool pre_slice_advance(uint32_t processor)
{
    return processor < kernel.processor_count;
}

void modifies_slice_advance(uint32_t processor)
{
    struct processor *self = &kernel.processor[processor];

    havoc(&self->slot_end);
    havoc(&self->passed);
    havoc(&self->slot);
    havoc(&processor_info(processor)->slot);
    havoc(&processor_info(processor)->slot_end);
    havoc(&environment_page(any_name())->vcpu[any_name()].excess_ns);
    havoc(&network.is_deaf);
    vcpus_may_wake();
}

bool pre_slice_expire(uint32_t processor)
{
    return processor < kernel.processor_count;
}

void modifies_slice_expire(uint32_t processor, uint64_t now, bool *ended)
{
    vcpus_may_wake();
    havoc(ended);
}

bool pre_slice_next(uint32_t processor)
{
    return processor == arch_processor() && processor < kernel.processor_count && !kernel.processor[processor].running;
}

void modifies_slice_next(uint32_t processor, uint64_t now, struct exo_registers *registers)
{
    havoc(registers);
    struct processor *self = &kernel.processor[processor];
    struct vcpu *vcpu = &environment_page(any_name())->vcpu[any_name()];

    havoc(&self->running);
    havoc(&self->payer);
    havoc(&self->idle);
    havoc(&self->idle_since);
    havoc(&self->armed);
    trace_may_grow();
    havoc(&processor_info(processor)->idle_ns);
    havoc(&processor_info(processor)->payer);
    havoc(&slot_at(self->slot)->turns);
    havoc(&vcpu->state);
    havoc(&vcpu->resume);
    havoc(&vcpu->place.rax);
    contexts_may_change();
}

bool pre_slice_turn(uint32_t processor)
{
    return pre_slice_next(processor);
}

void modifies_slice_turn(uint32_t processor, uint64_t now, struct exo_registers *registers)
{
    modifies_slice_advance(processor);
    modifies_slice_next(processor, now, registers);
    havoc(&slot_at(any_name())->turns); /* of the slot that began */
}

bool pre_slice_arm_all(uint32_t processor)
{
    return processor < kernel.processor_count;
}

void modifies_slice_arm_all(uint32_t processor)
{
    havoc(&kernel.processor[processor].armed);
}

/* While who runs changes. */
void anywhere_slice_enter(void)
{
}

static bool context_is_sound(vcpu_name name)
{
    frame_name context = vcpu_at(name)->context;

    return context < kernel.frame_count && frame_at(context)->kind == EXO_FRAME_CONTEXT;
}

bool pre_slice_enter(vcpu_name name)
{
    return kernel.frame_count <= EXO_FRAME_LIMIT && kernel.processor_count <= PROCESSOR_LIMIT && vcpu_is_created(name) &&
           context_is_sound(name) && kernel.processor[arch_processor()].running == name;
}

void modifies_slice_enter(vcpu_name name, struct exo_registers *registers)
{
    havoc(registers);
    havoc(&vcpu_at(name)->resume);
    havoc(&vcpu_at(name)->place.rax);
    contexts_may_change();
}

bool pre_slice_pick(uint32_t processor)
{
    return processor < kernel.processor_count;
}

void modifies_slice_pick(uint32_t processor, vcpu_name *ret_payer)
{
    havoc(ret_payer);
}

bool post_slice_pick(uint32_t processor, vcpu_name *ret_payer, vcpu_name result)
{
    return is_none_or_named(*ret_payer) &&
           (!result || (vcpu_is_created(*ret_payer) && vcpu_is_created(result) &&
                        (vcpu_at(result)->state == EXO_VCPU_READY || kernel.processor[processor].running == result)));
}

/* ---- contracts: the console */

bool loop_line_take(uint32_t taken, uint32_t length)
{
    return taken < length && taken < 128 && taken % 8 == 0;
}

bool loop_label_write(uint32_t i, uint32_t length)
{
    return length <= i && i <= 8;
}
