/*
 * The C half of the upcalls: threads, the default handlers, and leaving the processor. The trampolines are in upcall.S.
 */
#include <exo/upcall.h>
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>
#include "upcall_offset.h"

#define SAME(a, b) _Static_assert((a) == (b), #a)
SAME(CONTEXT_ADDRESS, EXO_CONTEXT_ADDRESS);
SAME(CONTEXT_EXCEPTION_RIP, offsetof(struct exo_context, exception_rip));
SAME(CONTEXT_EXCEPTION_RFLAGS, offsetof(struct exo_context, exception_rflags));
SAME(CONTEXT_EXCEPTION_RSP, offsetof(struct exo_context, exception_rsp));
SAME(CONTEXT_EXCEPTION_RAX, offsetof(struct exo_context, exception_rax));
SAME(CONTEXT_EXCEPTION_RCX, offsetof(struct exo_context, exception_rcx));
SAME(CONTEXT_EXCEPTION_R11, offsetof(struct exo_context, exception_r11));
SAME(CONTEXT_EXCEPTION_VECTOR, offsetof(struct exo_context, exception_vector));
SAME(CONTEXT_EXCEPTION_ADDRESS, offsetof(struct exo_context, exception_address));
SAME(CONTEXT_EXCEPTION_BUSY, offsetof(struct exo_context, exception_busy));
SAME(CONTEXT_EVENT_BUSY, offsetof(struct exo_context, event_busy));
SAME(CONTEXT_PENDING, offsetof(struct exo_context, pending));
SAME(CONTEXT_EVENT, offsetof(struct exo_context, event));
SAME(CONTEXT_FORCED, offsetof(struct exo_context, forced));
SAME(CONTEXT_FORCED_FPU, offsetof(struct exo_context, forced_fpu));
SAME(THREAD_RESUME, offsetof(struct exo_thread, resume));
SAME(THREAD_STACK, offsetof(struct exo_thread, stack));
SAME(THREAD_STACK_SIZE, offsetof(struct exo_thread, stack_size));
SAME(THREAD_BLOCKED, offsetof(struct exo_thread, blocked));
SAME(THREAD_BEGIN, offsetof(struct exo_thread, begin));
SAME(THREAD_MAIN_STACK, offsetof(struct exo_thread, main_stack));
SAME(THREAD_FPU, offsetof(struct exo_thread, fpu));
SAME(THREAD_BASE, offsetof(struct exo_thread, base));
SAME(sizeof(struct exo_thread), 64);
SAME(FRAME_RAX, offsetof(struct exo_upcall_frame, rax));
SAME(FRAME_RIP, offsetof(struct exo_upcall_frame, rip));
SAME(FRAME_RSP, offsetof(struct exo_upcall_frame, rsp));
SAME(EVENT_START, EXO_EVENT_START);
SAME(EVENT_END, EXO_EVENT_END);
SAME(EVENT_FORCED, EXO_EVENT_FORCED);
SAME(EVENT_FRESH, EXO_EVENT_FRESH);
SAME(CALL_SLICE_YIELD, EXO_CALL_MAGIC | EXO_CALL_SLICE_YIELD);
SAME(CALL_GATE_CALL, EXO_CALL_MAGIC | EXO_CALL_GATE_CALL);
SAME(CALL_GATE_REPLY, EXO_CALL_MAGIC | EXO_CALL_GATE_REPLY);

#define UPCALL_STACK_SIZE 16384
#define MAIN_STACK_SIZE   65536

void exo_events_take(struct exo_thread *thread);
void exo_events_hold(struct exo_thread *thread, struct exo_context *context);
void exo_event_dispatch(uint32_t events, struct exo_upcall_frame *frame);

static uint8_t upcall_stack[UPCALL_STACK_SIZE] EXO_EAGER __attribute__((aligned(16)));
static uint8_t main_stack[MAIN_STACK_SIZE] __attribute__((aligned(4096)));

struct exo_thread exo_threads[EXO_VCPUS_PER_ENVIRONMENT] EXO_EAGER_DATA = {
    [0] = {
        .stack = (uint64_t)upcall_stack + UPCALL_STACK_SIZE,
        .stack_size = UPCALL_STACK_SIZE,
        .begin = (uint64_t)exo_program_begin,
        .main_stack = (uint64_t)main_stack + MAIN_STACK_SIZE,
    },
};

static void exception_report(struct exo_upcall_frame *frame)
{
    exo_print("exception %u, error %#x, at %#lx, address %#lx", frame->vector, frame->error, frame->rip, frame->address);
    exo_exit(EXO_EXIT_EXCEPTION);
}

void (*exo_event_handler)(uint32_t events, struct exo_upcall_frame *frame) EXO_EAGER_DATA = 0;
void (*exo_exception_handler)(struct exo_upcall_frame *frame) EXO_EAGER_DATA = exception_report;

void exo_event_dispatch(uint32_t events, struct exo_upcall_frame *frame)
{
    if (exo_event_handler)
        exo_event_handler(events, frame);
}

int64_t exo_thread_yield(struct exo_thread *thread)
{
    return exo_switch(thread, EXO_CALL_MAGIC | EXO_CALL_SLICE_YIELD, 0, 0, 0);
}

int64_t exo_thread_yield_to(struct exo_thread *thread, uint16_t environment, uint8_t vcpu)
{
    return exo_switch(thread, EXO_CALL_MAGIC | EXO_CALL_SLICE_YIELD_TO, environment, vcpu, 0);
}

int64_t exo_thread_sleep(struct exo_thread *thread, uint64_t deadline, uint32_t events, bool gates)
{
    return exo_switch(thread, EXO_CALL_MAGIC | EXO_CALL_SLICE_SLEEP, deadline, events, gates);
}

int64_t exo_thread_start(struct exo_space *space, uint8_t index, uint16_t capability, uint32_t context,
                         void begin(struct exo_context *context), uint64_t main_stack, uint64_t upcall_stack,
                         uint64_t upcall_stack_size)
{
    uint64_t address = EXO_CONTEXT_ADDRESS + (uint64_t)index * EXO_FRAME_SIZE;
    int64_t result;

    exo_threads[index] = (struct exo_thread){
        .stack = upcall_stack, .stack_size = upcall_stack_size, .begin = (uint64_t)begin, .main_stack = main_stack,
    };
    do
        result = exo_vcpu_create(0, index, capability, context, address);
    while (exo_again(result));
    if (result == EXO_OK)
        result = exo_space_map(space, address, context, 1, capability, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result == EXO_OK)
        result = exo_vcpu_entry(0, index, EXO_ENTRY_EVENT, (uint64_t)exo_event_entry);
    if (result == EXO_OK)
        result = exo_vcpu_entry(0, index, EXO_ENTRY_EXCEPTION, (uint64_t)exo_exception_entry);
    return result == EXO_OK ? exo_vcpu_start(0, index) : result;
}

int64_t exo_yield(void)
{
    return exo_thread_yield(exo_threads);
}

int64_t exo_yield_to(uint16_t environment, uint8_t vcpu)
{
    return exo_thread_yield_to(exo_threads, environment, vcpu);
}

int64_t exo_sleep(uint64_t deadline, uint32_t events, bool gates)
{
    return exo_thread_sleep(exo_threads, deadline, events, gates);
}

bool exo_events_block(void)
{
    bool blocked = exo_threads[0].blocked;
    exo_events_hold(exo_threads, EXO_CONTEXT);
    return blocked;
}

void exo_events_restore(bool blocked)
{
    if (blocked)
        return;
    __atomic_store_n(&exo_threads[0].blocked, 0, __ATOMIC_RELAXED);
    __atomic_exchange_n(&EXO_CONTEXT->event_busy, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&EXO_CONTEXT->pending, __ATOMIC_SEQ_CST))
        exo_events_take(exo_threads);
}

int64_t exo_fork(int64_t (*build)(void *argument), void *argument)
{
    bool blocked = exo_events_block();
    int64_t result = exo_fork_call(exo_threads, build, argument);

    if (result == 0) {
        exo_program_adopt();
        return 0;
    }
    exo_events_restore(blocked);
    return result;
}
