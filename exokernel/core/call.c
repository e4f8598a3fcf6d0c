#include <call.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>

enum { NUMBER_MASK = 0xffff, SUBJECT_SHIFT = 32, SUBJECT_LIMIT = 1 << 16 };

static bool call_is(uint32_t number, uint64_t calls)
{
    return calls >> number & 1;
}

static inline struct caller caller_now(void)
{
    vcpu_name vcpu = processor_here()->running;
    frame_name self = vcpu / VCPUS_PER_ENVIRONMENT;

    return (struct caller){
        .processor = arch_processor(), .vcpu = vcpu, .environment = self, .self = self,
        .context = environment_page(self)->vcpu[vcpu % VCPUS_PER_ENVIRONMENT].context,
    };
}

/* Under the lock the caller and the subject cannot die between the check and the call. */
static exo_result subject_resolve(struct caller *caller, uint64_t subject)
{
    if (environment_page(caller->self)->state != ENVIRONMENT_ALIVE)
        return EXO_GONE;
    return subject ? capability_environment(caller->self, (uint32_t)subject, EXO_RIGHT_CONTROL, &caller->environment) : EXO_OK;
}

static __attribute__((noinline)) exo_result call_enter_locked(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                                              uint64_t a5, uint64_t word)
{
    uint32_t number = word & NUMBER_MASK;
    uint64_t subject = word >> SUBJECT_SHIFT;

    if (subject && (subject >= SUBJECT_LIMIT || !call_is(number, EXO_SUBJECT_CALLS)))
        return EXO_BAD_ARGUMENT;
    arch_lock();
    struct caller caller = caller_now();
    exo_result result = subject_resolve(&caller, subject);
    if (result == EXO_OK)
        result = call_dispatch_caller(&caller, number, a0, a1, a2, a3, a4, a5);
    arch_unlock();
    return result;
}

static __attribute__((noinline)) exo_result call_enter_free(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                                            uint64_t a5, uint64_t word)
{
    struct caller caller = caller_now();

    return call_dispatch_caller(&caller, word & NUMBER_MASK, a0, a1, a2, a3, a4, a5);
}

exo_result call_enter(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t word)
{
    uint32_t number = word & NUMBER_MASK;

    if (number >= EXO_CALL_COUNT)
        return EXO_BAD_CALL;
    if (call_is(number, EXO_LOCKED_CALLS))
        return call_enter_locked(a0, a1, a2, a3, a4, a5, word);
    if (word >> SUBJECT_SHIFT)
        return EXO_BAD_ARGUMENT;
    if (call_is(number, EXO_ANYONE_CALLS))
        return call_dispatch_anyone(number, a0, a1, a2, a3, a4, a5);
    return call_enter_free(a0, a1, a2, a3, a4, a5, word);
}

void call_enter_switching(struct exo_registers *registers)
{
    uint32_t number = registers->rax & NUMBER_MASK;
    struct caller caller = caller_now();

    if (registers->rax >> SUBJECT_SHIFT)
        registers->rax = EXO_BAD_ARGUMENT;
    else
        registers->rax = call_dispatch_switching(&caller, registers, number, registers->rdi, registers->rsi, registers->rdx,
                                                 registers->r10, registers->r8, registers->r9);
}

exo_result call_null(void)
{
    return EXO_OK;
}
