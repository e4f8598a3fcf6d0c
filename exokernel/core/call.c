#include <call.h>
#include <arch.h>
#include <capability.h>
#include <handlers.h>

enum { NUMBER_MASK = 0xffff, SUBJECT_SHIFT = 32, SUBJECT_LIMIT = 1 << 16 };

static uint32_t number_of(uint64_t word)
{
    return word & NUMBER_MASK;
}

static bool call_is(uint64_t word, uint64_t calls)
{
    return number_of(word) < EXO_CALL_COUNT && calls >> number_of(word) & 1;
}

/* An index that stays in the table whatever the processor guesses. */
static uint32_t handler_of(uint64_t word)
{
    return number_of(word) % HANDLER_COUNT;
}

static inline void caller_fill(struct caller *ret_caller)
{
    vcpu_name vcpu = processor_here()->running;

    ret_caller->vcpu = vcpu;
    ret_caller->self = ret_caller->environment = vcpu / VCPUS_PER_ENVIRONMENT;
}

/* Under the lock the caller and the subject cannot die between the check and the call. */
static bool is_alive(const struct caller *caller)
{
    return environment_page(caller->self)->state == ENVIRONMENT_ALIVE;
}

static __attribute__((noinline)) exo_result enter_with_subject(const uint64_t *a, uint64_t word)
{
    uint64_t subject = word >> SUBJECT_SHIFT;

    if (subject >= SUBJECT_LIMIT || !call_is(word, EXO_SUBJECT_CALLS))
        return EXO_BAD_ARGUMENT;
    arch_lock();
    struct caller caller;
    caller_fill(&caller);
    exo_result result = EXO_GONE;
    if (is_alive(&caller))
        result = capability_environment(caller.self, (uint32_t)subject, EXO_RIGHT_CONTROL, &caller.environment);
    if (result == EXO_OK)
        result = handlers_caller[handler_of(word)](&caller, a);
    arch_unlock();
    return result;
}

exo_result call_enter_locked(const uint64_t *a, uint64_t word)
{
    if (word >> SUBJECT_SHIFT)
        return enter_with_subject(a, word);
    arch_lock();
    struct caller caller;
    caller_fill(&caller);
    exo_result result = EXO_GONE;
    if (__builtin_expect(is_alive(&caller), true))
        result = handlers_caller[handler_of(word)](&caller, a);
    arch_unlock();
    return result;
}

exo_result call_enter(const uint64_t *a, uint64_t word)
{
    if (number_of(word) >= EXO_CALL_COUNT)
        return EXO_BAD_CALL;
    if (call_is(word, EXO_LOCKED_CALLS))
        return call_enter_locked(a, word);
    if (word >> SUBJECT_SHIFT)
        return EXO_BAD_ARGUMENT;
    if (call_is(word, EXO_ANYONE_CALLS))
        return handlers_anyone[handler_of(word)](a);
    struct caller caller;
    caller_fill(&caller);
    return handlers_caller[handler_of(word)](&caller, a);
}

void call_enter_switching(struct exo_registers *registers)
{
    const uint64_t a[6] = {registers->rdi, registers->rsi, registers->rdx, registers->r10, registers->r8, registers->r9};
    uint64_t word = registers->rax;
    struct caller caller;
    caller_fill(&caller);

    if (word >> SUBJECT_SHIFT)
        registers->rax = EXO_BAD_ARGUMENT;
    else
        registers->rax = handlers_switching[handler_of(word)](&caller, registers, a);
}

exo_result call_null(void)
{
    return EXO_OK;
}
