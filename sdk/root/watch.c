/*
 * Watching the system: environments end by a message to the root's gate or by a fault that they did not handle; some are
 * asked for memory back. The system is over when all that it waits for are.
 */
#include "root.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define TRACE_ADDRESS 0x30000000ull

enum {
    STATUS_FAULT = 139,
    GIVE_AFTER_NS = 700000000,  /* when memory is asked back */
    GIVE_WITHIN_NS = 200000000, /* how long the owner has to answer; as long again after the imperative */
    GIVE_LOOK_NS = 1000000,
};

/* The one revocation that is under way, and what it has come to. */
static struct {
    struct member *member;
    uint64_t asked, deadline;
    bool imperative;
} revocation;

static uint32_t trace_seen[EXO_PROCESSOR_LIMIT];
static bool trace_is_mapped;
static bool child_stopped; /* and what comes of it was not looked at yet */

static struct member *member_of(uint32_t environment)
{
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_RUNNING && root.member[i].child.frame == environment)
            return &root.member[i];
    return 0;
}

static void member_restart(struct member *member)
{
    if (!member_build(member))
        return;
    member_lend(member);
    if (!member_start(member))
        return;
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_RUNNING && plan_lends(&root.member[i].plan, member->plan.name))
            member_lend(&root.member[i]);
}

static void member_finish(struct member *member, int status)
{
    if (revocation.member == member)
        revocation.member = 0;
    member_end(member);
    member->status = status;
    if (status && member->plan.restart) {
        exo_print("%s: starts again", member->plan.name);
        member_restart(member);
    } else {
        member_bequeath(member);
    }
}

static void message_take(void)
{
    uint32_t number = (uint32_t)EXO_CONTEXT->inbox_badge;
    uint64_t request = EXO_CONTEXT->inbox[0], argument = EXO_CONTEXT->inbox[1];

    __atomic_store_n(&EXO_CONTEXT->inbox_full, 0, __ATOMIC_SEQ_CST);
    struct member *member = number - 1 < root.member_count ? &root.member[number - 1] : 0;
    if (!member || member->state != MEMBER_RUNNING)
        return;
    if (request == EXO_REQUEST_BORROW && argument + EXO_PROCESSOR_LIMIT <= EXO_VCPUS_PER_ENVIRONMENT + 1)
        member_borrow(member, (uint8_t)argument);
    if (request != EXO_REQUEST_EXIT)
        return;
    exo_print("%s: ended with status %u", member->plan.name, (uint32_t)argument & 0xff);
    member_finish(member, (int)(argument & 0xff));
}

/* Where a stopped environment was, from its context page, which it cannot change any more. */
static bool fault_place(struct member *member, struct exo_context *ret_context)
{
    uint16_t self = exo_start_slot(EXO_KIND_ENVIRONMENT, 0), back = 126;
    struct exo_child *child = &member->child;
    int64_t result;

    for (uint8_t i = 0; i < EXO_VCPUS_PER_ENVIRONMENT; i++)
        do
            result = exo_vcpu_stop(child->slot, i);
        while (exo_again(result));
    exo_capability_derive(0, self, child->slot, back, EXO_RIGHT_GRANT, exo_start.environment, 1);
    result = exo_capability_derive(child->slot, child->frames.capability, back, child->window, EXO_RIGHT_READ,
                                   child->start.context, 1);
    if (result != EXO_OK)
        return false;
    result = exo_space_map(&root.space, EXO_WINDOW_ADDRESS, child->start.context, 1, child->window, EXO_MAP_READ);
    if (result == EXO_OK) {
        memcpy(ret_context, (const void *)EXO_WINDOW_ADDRESS, sizeof *ret_context);
        exo_space_unmap(&root.space, EXO_WINDOW_ADDRESS, 1);
    }
    exo_drop(child->window);
    return result == EXO_OK;
}

/* What stopped it, from the trace or, without a record, from its context page. */
static void fault_report(struct member *member, const struct exo_trace_record *record)
{
    static struct exo_context context;

    if (!fault_place(member, &context))
        context = (struct exo_context){0};
    exo_print("%s: stopped by exception %u at %#lx, address %#lx", member->plan.name, record ? record->detail : context.exception_vector,
              context.exception_rip, record ? record->value : context.exception_address);
    member_finish(member, STATUS_FAULT);
}

/* New faults in one processor's trace ring. */
static void trace_look(uint32_t processor)
{
    uint32_t count = exo_system_info()->trace_frames * (EXO_FRAME_SIZE / sizeof(struct exo_trace_record));
    const volatile struct exo_trace_record *ring = (void *)TRACE_ADDRESS;
    uint32_t newest = trace_seen[processor];

    ring += (size_t)processor * count;
    for (uint32_t i = 0; i < count; i++) {
        struct exo_trace_record record = ring[i];
        if (record.sequence <= trace_seen[processor])
            continue;
        struct member *member = record.event == EXO_TRACE_FAULT ? member_of(record.vcpu / EXO_VCPUS_PER_ENVIRONMENT) : 0;
        if (member)
            fault_report(member, &record);
        newest = record.sequence > newest ? record.sequence : newest;
    }
    trace_seen[processor] = newest;
}

static void event_note(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    if (events & EXO_EVENT_CHILD)
        __atomic_store_n(&child_stopped, true, __ATOMIC_SEQ_CST);
}

/* The record of a fault may be overwritten before it is looked at: whose virtual processor 0 can be started again was stopped. */
static void stopped_look(void)
{
    if (!__atomic_exchange_n(&child_stopped, false, __ATOMIC_SEQ_CST))
        return;
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_RUNNING && exo_vcpu_start(root.member[i].child.slot, 0) == EXO_OK)
            fault_report(&root.member[i], 0);
}

static void trace_map(void)
{
    const struct exo_system *system = exo_system_info();

    trace_is_mapped = system->trace_frame &&
                      exo_space_map(&root.space, TRACE_ADDRESS, system->trace_frame,
                                    system->trace_frames * system->processor_count,
                                    exo_start_slot(EXO_KIND_FRAMES, 0), EXO_MAP_READ) == EXO_OK;
}

static uint32_t frames_given(const struct member *member)
{
    uint32_t given = 0;

    for (uint32_t i = 0; i < member->plan.memory - member->plan.kept; i++) {
        const volatile struct exo_frame *frame = exo_frame_info(member->first + i);
        given += frame->owner == exo_start.environment && frame->kind == EXO_FRAME_DIRTY;
    }
    return given;
}

/* What is still owned is taken, from the end of the range. */
static uint32_t frames_force(const struct member *member, uint32_t wanted)
{
    uint16_t all = exo_start_slot(EXO_KIND_FRAMES, 0);
    uint32_t taken = 0;

    for (uint32_t i = member->plan.memory - member->plan.kept; i-- > 0 && taken < wanted;) {
        int64_t result;
        if (exo_frame_info(member->first + i)->owner != member->child.frame)
            continue;
        do
            result = exo_frame_reclaim(0, all, member->first + i);
        while (exo_again(result));
        taken += result == EXO_OK;
    }
    return taken;
}

static int64_t revocation_ask(struct member *member, uint32_t count)
{
    revocation.deadline = exo_time() + GIVE_WITHIN_NS;
    return exo_revoke(0, exo_start_slot(EXO_KIND_FRAMES, 0), member->child.frame, member->memory_slot, count,
                      revocation.deadline);
}

static void revocation_end(struct member *member, uint32_t forced)
{
    exo_print("%s: asked for %u frames, gave %u in %lu us, %u taken by force", member->plan.name, member->plan.give,
              frames_given(member) - forced, (exo_time() - revocation.asked) / 1000, forced);
    member->plan.give = 0;
    revocation.member = 0;
}

static void revocation_go_on(void)
{
    struct member *member = revocation.member;
    uint32_t given = frames_given(member);

    if (given >= member->plan.give) {
        revocation_end(member, 0);
    } else if (exo_time() < revocation.deadline) {
        return;
    } else if (!revocation.imperative) {
        revocation.imperative = true;
        revocation_ask(member, member->plan.give - given);
    } else {
        revocation_end(member, frames_force(member, member->plan.give - given));
    }
}

static void revocation_begin(void)
{
    for (uint32_t i = 0; i < root.member_count && !revocation.member; i++) {
        struct member *member = &root.member[i];
        if (!member->plan.give || !member->memory_slot || member->state != MEMBER_RUNNING ||
            exo_time() < member->started + GIVE_AFTER_NS)
            continue;
        revocation.asked = exo_time();
        revocation.imperative = false;
        revocation.member = member;
        int64_t result = revocation_ask(member, member->plan.give);
        if (result != EXO_OK) {
            exo_print("%s: cannot be asked for memory: %s", member->plan.name, exo_status_name(result));
            member->plan.give = 0;
            revocation.member = 0;
        }
    }
}

/* When to look again without being told. */
static uint64_t watch_deadline(uint64_t deadline)
{
    if (revocation.member)
        return exo_time() + GIVE_LOOK_NS;
    for (uint32_t i = 0; i < root.member_count; i++) {
        const struct member *member = &root.member[i];
        uint64_t due = member->started + GIVE_AFTER_NS;
        if (member->plan.give && member->state == MEMBER_RUNNING && due < deadline)
            deadline = due;
    }
    return deadline;
}

static bool system_is_over(void)
{
    bool some_wait = false;

    for (uint32_t i = 0; i < root.member_count; i++)
        some_wait |= root.member[i].plan.wait;
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_RUNNING && (root.member[i].plan.wait || !some_wait))
            return false;
    return true;
}

int watch(void)
{
    int status = 0;

    exo_event_handler = event_note;
    trace_map();
    while (!system_is_over()) {
        exo_events_block();
        if (__atomic_load_n(&EXO_CONTEXT->inbox_full, __ATOMIC_SEQ_CST))
            message_take();
        for (uint32_t i = 0; trace_is_mapped && i < exo_system_info()->processor_count; i++)
            trace_look(i);
        stopped_look();
        revocation_begin();
        if (revocation.member)
            revocation_go_on();
        uint64_t loans_due = loans_look(), report_due = report_look();
        if (!EXO_CONTEXT->inbox_full && !child_stopped && !system_is_over())
            exo_sleep(watch_deadline(loans_due < report_due ? loans_due : report_due), EXO_EVENT_MESSAGE | EXO_EVENT_CHILD | EXO_EVENT_TIMER, false);
        exo_events_restore(false);
    }
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].status > status)
            status = root.member[i].status;
    return status;
}
