#include <sweep.h>
#include <arch.h>
#include <capability.h>
#include <environment.h>
#include <flush.h>
#include <frame.h>
#include <slot.h>
#include <space.h>
#include <vcpu.h>

/* What steps cost, in the units of SWEEP_MAX: about 16 instructions, capabilities at their deepest. */
enum { COST_FRAME = 1, COST_CLAIM = 12, COST_BINDING = 16, COST_TABLE = 160 };

static bool budget_spend(uint32_t *budget, uint32_t cost)
{
    if (*budget == 0)
        return false;
    *budget -= cost < *budget ? cost : *budget;
    return true;
}

bool sweep_unbind(frame_name frame, uint32_t *budget)
{
    const struct exo_frame *info = frame_at(frame);

    while (info->bindings) {
        if (!budget_spend(budget, COST_BINDING))
            return false;
        space_clear_entry(info->bindings);
        flush_begin();
    }
    return true;
}

/* The virtual processors of an environment, off their processors. False: one is still on another processor. */
static bool environment_is_stopped(frame_name environment)
{
    bool stopped = true;

    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++)
        stopped &= vcpu_stop_now(environment * VCPUS_PER_ENVIRONMENT + i);
    return stopped;
}

/* Clear the entries from the frame's progress up to end. */
static bool table_clear(frame_name frame, uint32_t end, uint32_t *budget)
{
    struct exo_frame *info = frame_at(frame);
    const uint64_t *entry = table_page(frame);

    for (uint32_t i = info->progress; i < end; i++) {
        if (!entry_is_present(entry[i]))
            continue;
        info->progress = i;
        if (!budget_spend(budget, COST_BINDING))
            return false;
        space_clear_entry(frame * TABLE_ENTRIES + i);
        flush_begin();
    }
    return true;
}

static bool table_undo(frame_name frame, uint32_t *budget)
{
    struct exo_frame *info = frame_at(frame);
    uint32_t level = table_level(info);
    uint32_t end = level == TABLE_LEVELS ? USER_ROOT_ENTRIES : TABLE_ENTRIES;
    frame_name shadow = info->link;

    if (level == TABLE_LEVELS && environment_page(info->owner)->root == frame) {
        if (!environment_is_stopped(info->owner))
            return false;
        environment_page(info->owner)->root = 0;
    }
    if (!budget_spend(budget, COST_TABLE) || !table_clear(frame, end, budget))
        return false;
    frame_at(shadow)->kind = EXO_FRAME_DATA;
    frame_at(shadow)->link = 0;
    return true;
}

/* The virtual processor that uses this context page stops. */
static bool context_undo(frame_name frame)
{
    frame_name owner = frame_at(frame)->owner;

    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++) {
        const struct vcpu *vcpu = &environment_page(owner)->vcpu[i];
        if (vcpu->context == frame)
            return vcpu_stop_now(owner * VCPUS_PER_ENVIRONMENT + i);
    }
    return true;
}

static bool large_undo(frame_name first, uint32_t *budget)
{
    struct exo_frame *info = frame_at(first);

    for (; info->progress > 0; info->progress--) {
        if (!budget_spend(budget, COST_FRAME))
            return false;
        frame_at(first + info->progress)->kind = EXO_FRAME_DATA;
        frame_at(first + info->progress)->link = 0;
    }
    return true;
}

/* A part of something larger is undone by undoing the whole. */
static frame_name frame_of_whole(frame_name frame)
{
    const struct exo_frame *info = frame_at(frame);

    return info->kind == EXO_FRAME_SHADOW || info->kind == EXO_FRAME_LARGE_PART ? info->link : frame;
}

bool sweep_undo(frame_name part, uint32_t *budget)
{
    frame_name frame = frame_of_whole(part);
    struct exo_frame *info = frame_at(frame);
    bool done = true;

    if (!info->closing)
        info->closing = CLOSING_BY_SWEEP;
    if (!sweep_unbind(frame, budget))
        return false;
    if (table_level(info))
        done = table_undo(frame, budget);
    else if (info->kind == EXO_FRAME_CONTEXT)
        done = context_undo(frame);
    else if (info->kind == EXO_FRAME_LARGE)
        done = large_undo(frame, budget);
    if (!done)
        return false;

    info->kind = EXO_FRAME_DATA;
    info->link = 0;
    info->closing = 0;
    info->progress = 0;
    return true;
}

/*
 * A pass over a frame's bindings on behalf of one closing capability. Its name and the next binding to look at stand in
 * the frame's link (space_clear_entry moves it on when that binding goes), so that a list of any length is
 * looked through in steps, and whoever sweeps next finishes the pass that is under way before its own.
 */
static void pass_begin(struct exo_frame *info, capability_name name)
{
    info->link = (uint64_t)name << 32 | info->bindings;
}

static bool pass_is_under_way(frame_name frame)
{
    capability_name name = frame_at(frame)->link >> 32;

    if (!name || name / CAPABILITIES_PER_TABLE >= kernel.frame_count || name % CAPABILITIES_PER_TABLE == 0 ||
        frame_at(name / CAPABILITIES_PER_TABLE)->kind != EXO_FRAME_CAPABILITIES)
        return false;
    const struct capability *capability = capability_at(name);
    return capability->state == CAPABILITY_CLOSING && capability->kind != EXO_KIND_SLOTS &&
           capability->count > 0 && capability->first == frame;
}

static void capability_advance(capability_name name)
{
    struct capability *capability = capability_at(name);

    capability->first++;
    capability->count--;
    if (capability->count == 0)
        capability->id = system_info()->flush_epoch;
}

static bool pass_continue(frame_name frame, uint32_t *budget)
{
    struct exo_frame *info = frame_at(frame);

    while ((binding_name)info->link) {
        binding_name binding = (binding_name)info->link;

        if (!budget_spend(budget, COST_BINDING))
            return false;
        if (space_is_justified(binding)) {
            info->link = (info->link & ~(uint64_t)UINT32_MAX) | space_next_binding(binding);
        } else {
            space_clear_entry(binding);
            flush_begin();
        }
    }
    return true;
}

/* A page table's link is its shadow, so there is no place for a pass: but it has TABLE_BINDINGS_MAX bindings at most. */
static bool table_bindings_sweep(frame_name frame, uint32_t *budget)
{
    binding_name binding = frame_at(frame)->bindings;

    for (uint32_t i = 0; binding && i < TABLE_BINDINGS_MAX; i++) {
        binding_name next = space_next_binding(binding);

        if (!budget_spend(budget, COST_BINDING))
            return false;
        if (!space_is_justified(binding)) {
            space_clear_entry(binding);
            flush_begin();
        }
        binding = next;
    }
    return true;
}

/* Break the frame's unjustified bindings. True when the closing capability may advance past it. */
static bool bindings_sweep(frame_name frame, capability_name name, uint32_t *budget)
{
    struct exo_frame *info = frame_at(frame);

    if (table_level(info))
        return table_bindings_sweep(frame, budget);
    if (info->kind == EXO_FRAME_SHADOW || info->kind == EXO_FRAME_LARGE_PART || info->kind == EXO_FRAME_DIRTY)
        return true; /* never bound; link has another use */
    if (!info->bindings) {
        info->link = 0; /* a pass that its owner cut short by unbinding must not be taken for a later one's */
        return true;
    }
    if (pass_is_under_way(frame) && (capability_name)(info->link >> 32) != name) {
        capability_name other = info->link >> 32;
        if (!pass_continue(frame, budget))
            return false;
        capability_advance(other);
        pass_begin(info, name);
    } else if (!pass_is_under_way(frame)) {
        pass_begin(info, name);
    }
    if (!pass_continue(frame, budget))
        return false;
    info->link = 0;
    return true;
}

/* The dying environment that a frame with a dead claim belongs to, or 0 if it is none of an environment's own. */
static frame_name environment_of(frame_name frame)
{
    uint32_t kind = frame_at(frame)->kind;

    if (kind == EXO_FRAME_ENVIRONMENT)
        return frame;
    return kind == EXO_FRAME_CAPABILITIES ? capability_page(frame)->header.environment : 0;
}

static bool environment_is_dying(frame_name environment)
{
    return environment_page(environment)->state == ENVIRONMENT_DYING;
}

/* An environment's own pages go last, at the end of its reaping. And of two that die at once only the owner waits for the
 * other: owners form a forest, so no two wait for each other. */
static bool environment_goes_elsewhere(frame_name environment, frame_name holder)
{
    if (!environment_is_dying(environment) || !environment_is_dying(holder))
        return false;
    return environment == holder || frame_at(environment)->owner != holder;
}

/* Neighbours are mostly owned under the same capability: the last answer is remembered within one call. */
struct claim {
    capability_name name;
    uint64_t stamp;
    bool is_live;
};

static bool claim_look(struct claim *last, const struct exo_frame *info, uint32_t *budget)
{
    if (last->name != info->capability || last->stamp != info->stamp) {
        budget_spend(budget, COST_CLAIM);
        *last = (struct claim){info->capability, info->stamp, claim_is_live(info->capability, info->stamp)};
    }
    return last->is_live;
}

/* One frame of a closing range. OK: done with it; AGAIN; or an environment to reap. */
static exo_result frame_sweep(frame_name frame, capability_name name, struct claim *last, uint32_t *budget)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info || !info->capability)
        return EXO_OK;
    if (claim_look(last, info, budget))
        return bindings_sweep(frame, name, budget) ? EXO_OK : EXO_AGAIN;
    frame_name environment = environment_of(frame);
    if (environment && capability_at(name)->kind == EXO_KIND_ENVIRONMENT && environment_is_dying(environment))
        return sweep_unbind(frame, budget) ? EXO_OK : EXO_AGAIN; /* only to look at: who knows it does not wait for it */
    if (environment && environment_goes_elsewhere(environment, capability_holder(name)))
        return EXO_OK;
    if (environment) {
        environment_kill(environment);
        return environment;
    }
    if (info->kind != EXO_FRAME_DIRTY && !sweep_undo(frame, budget))
        return EXO_AGAIN;
    frame_release(frame);
    return EXO_OK;
}

static void slot_sweep(uint32_t slot)
{
    const struct exo_slot *info = slot_at(slot);

    if (info->capability && !claim_is_live(info->capability, info->stamp))
        slot_clear(slot);
}

void sweep_begin(capability_name name)
{
    struct capability *capability = capability_at(name);

    capability->state = CAPABILITY_CLOSING;
    capability_forget();
    uint64_t epoch = flush_begin();
    if (capability->kind != EXO_KIND_FRAMES && capability->kind != EXO_KIND_SLOTS && capability->kind != EXO_KIND_ENVIRONMENT) {
        capability->count = 0;
        capability->id = epoch;
    }
}

exo_result sweep_continue(capability_name name, uint32_t *budget)
{
    struct capability *capability = capability_at(name);
    struct claim last = {0};

    while (capability->count > 0) {
        if (!budget_spend(budget, COST_FRAME))
            return EXO_AGAIN;
        if (capability->kind == EXO_KIND_SLOTS) {
            slot_sweep(capability->first);
        } else {
            exo_result result = frame_sweep(capability->first, name, &last, budget);
            if (result != EXO_OK)
                return result;
        }
        capability_advance(name);
    }
    if (!flush_is_over(capability->id))
        return EXO_AGAIN;
    *capability = (struct capability){0};
    return EXO_OK;
}
