#include <vcpu.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>
#include <predicate.h>
#include <slice.h>
#include <upcall.h>

/* Interrupt the processors that run it or live on its time. True if there are any. */
static bool vcpu_interrupt(vcpu_name name)
{
    bool found = false;

    for (uint32_t p = 0; p < PROCESSOR_LIMIT && p < kernel.processor_count; p++) {
        const struct processor *processor = &kernel.processor[p];
        if (__atomic_load_n(&processor->running, __ATOMIC_SEQ_CST) != name &&
            __atomic_load_n(&processor->payer, __ATOMIC_SEQ_CST) != name)
            continue;
        arch_interrupt(p);
        found = true;
    }
    return found;
}

void vcpu_post(vcpu_name name, uint32_t events)
{
    struct vcpu *vcpu = vcpu_at(name);

    upcall_mark(vcpu->context, events);
    uint32_t state = vcpu_state(vcpu);
    if ((state == EXO_VCPU_ASLEEP || state == EXO_VCPU_WAITING) && vcpu->wake & events) {
        if (vcpu_move(vcpu, state, EXO_VCPU_READY))
            slice_notice(name);
    }
    if (vcpu_state(vcpu) == EXO_VCPU_RUNNING)
        vcpu_interrupt(name);
}

bool vcpu_end_call(vcpu_name name, vcpu_name callee, int64_t status)
{
    struct vcpu *client = vcpu_at(name);
    vcpu_name expected = name;

    if (!__atomic_compare_exchange_n(&client->callee, &callee, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    __atomic_compare_exchange_n(&vcpu_at(callee)->caller, &expected, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < MESSAGE_REGISTERS; i++)
        client->message[i] = 0;
    client->place.rax = (uint64_t)status;
    vcpu_set(client, EXO_VCPU_READY);
    return true;
}

void vcpu_give_up(vcpu_name name)
{
    vcpu_name client = __atomic_load_n(&vcpu_at(name)->caller, __ATOMIC_SEQ_CST);

    if (client && vcpu_end_call(client, name, EXO_GONE))
        slice_notice(client);
}

bool vcpu_expire(vcpu_name name, uint64_t now)
{
    struct vcpu *vcpu = vcpu_at(name);
    uint64_t timer = vcpu->timer;
    uint32_t state = vcpu_state(vcpu);

    if (now < timer || state == EXO_VCPU_OFF || state == EXO_VCPU_FAULTED)
        return false;
    if (state == EXO_VCPU_RUNNING && kernel.processor[arch_processor()].running != name)
        return false;
    if (!__atomic_compare_exchange_n(&vcpu->timer, &timer, EXO_NEVER, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    vcpu_name callee = state == EXO_VCPU_CALLING ? vcpu->callee : 0;
    if (callee && vcpu_end_call(name, callee, EXO_TIMED_OUT))
        return true;
    if (!predicate_is_slept_on(vcpu) || now >= vcpu->watch.deadline)
        upcall_mark(vcpu->context, EXO_EVENT_TIMER);
    else if (!predicate_look(name, now))
        return false;
    if (state == EXO_VCPU_ASLEEP || state == EXO_VCPU_WAITING)
        vcpu_move(vcpu, state, EXO_VCPU_READY);
    return false;
}

/* It is READY, asleep or off: make it OFF. False if a processor took it, or it waits in a gate call that another ends. */
static bool vcpu_turn_off(struct vcpu *vcpu)
{
    uint32_t state = vcpu_state(vcpu);

    if (state == EXO_VCPU_OFF)
        return true;
    return state != EXO_VCPU_RUNNING && state != EXO_VCPU_CALLING && vcpu_move(vcpu, state, EXO_VCPU_OFF);
}

bool vcpu_halt(vcpu_name name)
{
    struct vcpu *vcpu = vcpu_at(name);

    if (!vcpu->context)
        return true;
    vcpu->stop = 1;
    if (vcpu_state(vcpu) == EXO_VCPU_CALLING && vcpu->callee)
        vcpu_end_call(name, vcpu->callee, EXO_GONE);
    bool off = vcpu_turn_off(vcpu);
    return !vcpu_interrupt(name) && off;
}

bool vcpu_stop_now(vcpu_name name)
{
    struct vcpu *vcpu = vcpu_at(name);
    frame_name context = vcpu->context;

    if (!context)
        return true;
    if (!vcpu_halt(name))
        return false;
    vcpu_give_up(name);
    *vcpu = (struct vcpu){0};
    flush_begin(); /* who is about to mark an event in the context page ends before the frame can be taken again */
    frame_at(context)->link = 0;
    frame_at(context)->kind = EXO_FRAME_DATA;
    return true;
}

static struct vcpu *vcpu_created(frame_name environment, uint32_t index)
{
    if (index >= VCPUS_PER_ENVIRONMENT)
        return NULL;
    struct vcpu *vcpu = &environment_page(environment)->vcpu[arch_clamp(index, VCPUS_PER_ENVIRONMENT)];
    return vcpu->context ? vcpu : NULL;
}

exo_result call_vcpu_create(const struct caller *caller, uint8_t index, uint16_t capability, uint32_t frame,
                            uint64_t address)
{
    if (index >= VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_NAME;
    if (address % EXO_FRAME_SIZE || address > EXO_USER_LIMIT - EXO_FRAME_SIZE)
        return EXO_BAD_ARGUMENT;
    if (vcpu_created(caller->environment, index))
        return EXO_TAKEN;
    exo_result result = frame_may_be_taken(caller->environment, capability, EXO_RIGHT_WRITE, frame);
    if (result < 0)
        return result;

    vcpu_name name = caller->environment * VCPUS_PER_ENVIRONMENT + index;
    frame_claim(caller->environment, capability, frame, EXO_FRAME_CONTEXT);
    frame_at(frame)->link = name;
    context_page(frame)->self = address;
    *vcpu_at(name) = (struct vcpu){.context = frame, .start = {.rflags = USER_FLAGS, .rax = address}, .timer = EXO_NEVER};
    return EXO_OK;
}

exo_result call_vcpu_entry(const struct caller *caller, uint8_t index, uint8_t entry, uint64_t address)
{
    struct vcpu *vcpu = vcpu_created(caller->environment, index);

    if (!vcpu)
        return EXO_BAD_NAME;
    if (entry > EXO_ENTRY_EVENT || address >= EXO_USER_LIMIT)
        return EXO_BAD_ARGUMENT;

    if (entry == EXO_ENTRY_EVENT)
        vcpu->start.rip = address;
    else
        vcpu->entry[arch_clamp(entry, EXO_ENTRY_EVENT)] = address;
    return EXO_OK;
}

exo_result call_vcpu_start(const struct caller *caller, uint8_t index)
{
    struct vcpu *vcpu = vcpu_created(caller->environment, index);

    if (!vcpu)
        return EXO_BAD_NAME;
    uint32_t state = vcpu_state(vcpu);
    if (vcpu->stop || (state != EXO_VCPU_OFF && state != EXO_VCPU_FAULTED))
        return EXO_BUSY;
    if (!environment_page(caller->environment)->root || !vcpu->start.rip)
        return EXO_WRONG_KIND;

    vcpu->resume = RESUME_EVENT;
    vcpu_set(vcpu, EXO_VCPU_READY);
    slice_notice(caller->environment * VCPUS_PER_ENVIRONMENT + index);
    return EXO_OK;
}

exo_result call_vcpu_stop(const struct caller *caller, uint8_t index)
{
    if (!vcpu_created(caller->environment, index))
        return EXO_BAD_NAME;
    return vcpu_stop_now(caller->environment * VCPUS_PER_ENVIRONMENT + index) ? EXO_OK : EXO_AGAIN;
}
