#include <upcall.h>
#include <slice.h>
#include <trace.h>
#include <vcpu.h>

static void upcall_enter(const struct vcpu *vcpu, struct exo_registers *registers)
{
    registers->rbx = registers->rdx = registers->rsi = registers->rbp = registers->r8 = registers->r9 = registers->r10 = 0;
    registers->r12 = registers->r13 = registers->r14 = registers->r15 = 0;
    place_enter(&vcpu->start, registers);
}

void upcall_start(vcpu_name name, struct exo_registers *registers)
{
    const struct vcpu *vcpu = vcpu_at(name);

    upcall_begin(vcpu);
    upcall_enter(vcpu, registers);
}

void upcall_deliver(vcpu_name name, struct exo_registers *registers)
{
    const struct vcpu *vcpu = vcpu_at(name);
    struct exo_context *context = context_page(vcpu->context);

    if (!__atomic_load_n(&context->pending, __ATOMIC_SEQ_CST) || __atomic_load_n(&context->event_busy, __ATOMIC_SEQ_CST))
        return;
    context->event_busy = 1;
    context->event = *registers;
    upcall_enter(vcpu, registers);
}

void upcall_force(vcpu_name name, uint64_t now, const struct exo_registers *registers)
{
    frame_name frame = vcpu_at(name)->context;
    struct exo_context *context = context_page(frame);

    processor_info(arch_processor())->forced++;
    trace_record(now, EXO_TRACE_FORCED, name, 0, 0);
    if (__atomic_load_n(&context->pending, __ATOMIC_SEQ_CST) & (EXO_EVENT_FORCED | EXO_EVENT_FRESH))
        return; /* it has not taken off the last start yet: nothing new to save, and it starts again */
    context->forced = *registers;
    arch_save_fpu(frame);
    upcall_mark(frame, EXO_EVENT_FORCED);
}

/* What a debugger, or whoever created it, finds in the context page. */
static void fault_note(struct exo_context *context, const struct exo_registers *registers, uint32_t vector, uint32_t error,
                       uint64_t address)
{
    if (__atomic_load_n(&context->exception_busy, __ATOMIC_SEQ_CST))
        return;
    context->exception_rip = registers->rip;
    context->exception_rflags = registers->rflags;
    context->exception_rsp = registers->rsp;
    context->exception_rax = registers->rax;
    context->exception_rcx = registers->rcx;
    context->exception_r11 = registers->r11;
    context->exception_vector = vector;
    context->exception_error = error;
    context->exception_address = address;
}

static void creator_tell(frame_name environment)
{
    frame_name creator = environment_page(environment)->creator;

    if (creator && frame_at(creator)->kind == EXO_FRAME_ENVIRONMENT)
        vcpu_post(creator * VCPUS_PER_ENVIRONMENT, EXO_EVENT_CHILD);
}

void upcall_fault(struct exo_registers *registers, uint32_t vector, uint32_t error, uint64_t address)
{
    uint32_t processor = arch_processor();
    vcpu_name name = kernel.processor[processor].running;
    struct vcpu *vcpu = vcpu_at(name);
    uint64_t now = arch_time();

    fault_note(context_page(vcpu->context), registers, vector, error, address);
    upcall_force(name, now, registers);
    trace_record(now, EXO_TRACE_FAULT, name, vector, address);
    vcpu_set(vcpu, EXO_VCPU_FAULTED);
    vcpu_give_up(name);
    creator_tell(name / VCPUS_PER_ENVIRONMENT);
    slice_leave(processor, registers);
}
