#include <predicate.h>
#include <capability.h>
#include <dispatch.h>
#include <frame.h>
#include <program.h>
#include <slice.h>
#include <upcall.h>

enum { REGION_WORDS };

static const struct code_field fields[] = {
    {.offset = offsetof(struct exo_predicate, time), .size = 8, .type = CODE_FIELD_SCALAR},
    {.offset = offsetof(struct exo_predicate, until), .size = 8, .type = CODE_FIELD_SCALAR, .writable = true},
    {.offset = offsetof(struct exo_predicate, words), .size = 8, .type = CODE_FIELD_START, .region = REGION_WORDS},
    {.offset = offsetof(struct exo_predicate, words_end), .size = 8, .type = CODE_FIELD_END, .region = REGION_WORDS},
};

static const struct code_region regions[] = {
    [REGION_WORDS] = {.size_min = EXO_FRAME_SIZE, .size_max = EXO_FRAME_SIZE},
};

const struct code_kind predicate_kind = {
    .name = "predicate", .fields = fields, .field_count = sizeof fields / sizeof *fields, .regions = regions,
    .region_count = sizeof regions / sizeof *regions, .context_size = sizeof(struct exo_predicate), .spent = 1,
};

bool predicate_is_slept_on(const struct vcpu *vcpu)
{
    uint32_t state = vcpu_state(vcpu);

    return (state == EXO_VCPU_ASLEEP || state == EXO_VCPU_WAITING) && vcpu->watch.program;
}

/* May the environment still read the frame? */
static exo_result words_check(frame_name environment, uint32_t slot, frame_name frame)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info)
        return EXO_BAD_NAME;
    if (info->kind != EXO_FRAME_DATA || info->closing)
        return EXO_WRONG_KIND;
    return capability_check(environment, slot, EXO_KIND_FRAMES, EXO_RIGHT_READ, frame, info->stamp);
}

/* The program and the frame are there until this processor passes the next flush epoch, whoever takes them meanwhile. */
bool predicate_holds(vcpu_name name, uint64_t now, uint64_t *ret_until)
{
    const struct watch watch = vcpu_at(name)->watch;

    if (!program_is_ready(watch.program, watch.id) ||
        words_check(name / VCPUS_PER_ENVIRONMENT, watch.slot, watch.frame) != EXO_OK)
        return true;
    uint64_t words = (uint64_t)data_page(frame_clamped(watch.frame));
    struct exo_predicate context = {.time = now, .until = watch.deadline, .words = words, .words_end = words + EXO_FRAME_SIZE};
    struct code_run run = {.memory[REGION_WORDS] = {words, EXO_FRAME_SIZE}, .context = &context};
    if (program_run(watch.program, &run))
        return true;
    uint64_t soonest = now + EXO_GRACE_NS, until = context.until < watch.deadline ? context.until : watch.deadline;
    *ret_until = until < soonest && soonest < watch.deadline ? soonest : until;
    return false;
}

bool predicate_look(vcpu_name name, uint64_t now)
{
    struct vcpu *vcpu = vcpu_at(name);
    uint64_t timer = __atomic_load_n(&vcpu->timer, __ATOMIC_SEQ_CST), until = vcpu->watch.deadline;

    if (!predicate_is_slept_on(vcpu))
        return false;
    bool holds = predicate_holds(name, now, &until);
    if (holds)
        upcall_mark(vcpu->context, EXO_EVENT_PREDICATE);
    if (until != timer) /* not if it was woken meanwhile and set its timer itself */
        __atomic_compare_exchange_n(&vcpu->timer, &timer, until, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return holds;
}

void predicate_wake(vcpu_name name, uint64_t now)
{
    struct vcpu *vcpu = vcpu_at(name);
    uint32_t state = vcpu_state(vcpu);

    if (predicate_look(name, now) && (state == EXO_VCPU_ASLEEP || state == EXO_VCPU_WAITING))
        vcpu_move(vcpu, state, EXO_VCPU_READY);
}

/* What is to be slept on: a program of the caller's own, and a frame that it may read. */
static exo_result watch_find(frame_name environment, uint32_t program, uint32_t slot, frame_name frame, struct watch *ret_watch)
{
    exo_result result = program_find(environment, program, EXO_CODE_PREDICATE, &ret_watch->id);
    if (result == EXO_OK)
        result = words_check(environment, slot, frame);
    if (result < 0)
        return result;
    ret_watch->program = program;
    ret_watch->frame = frame;
    ret_watch->slot = slot;
    return EXO_OK;
}

exo_result call_slice_sleep_on(const struct caller *caller, struct exo_registers *registers, uint64_t deadline, uint32_t events,
                               uint32_t program, uint16_t capability, uint32_t frame, uint8_t gates)
{
    struct watch watch = {.deadline = deadline};

    if (events & ~(uint32_t)SLEEP_EVENTS || gates > 1)
        return EXO_BAD_ARGUMENT;
    exo_result result = watch_find(caller->environment, program, capability, frame, &watch);
    if (result < 0)
        return result;
    vcpu_at(caller->vcpu)->watch = watch;
    return slice_sleep(caller->vcpu, registers, deadline, events | EXO_EVENT_PREDICATE, gates);
}

exo_result call_slice_notify(const struct caller *caller, uint16_t target, uint8_t vcpu)
{
    frame_name environment;

    if (vcpu >= VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_NAME;
    exo_result result = capability_environment(caller->environment, target, EXO_RIGHT_RUN, &environment);
    if (result < 0)
        return result;
    vcpu_name name = environment * VCPUS_PER_ENVIRONMENT + (uint32_t)arch_clamp(vcpu, VCPUS_PER_ENVIRONMENT);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* what the caller wrote is seen before the sleeper's state is looked at */
    if (!predicate_look(name, arch_time()))
        return 0;
    vcpu_post(name, EXO_EVENT_PREDICATE);
    return 1;
}
