#include <sweep.h>
#include <arch.h>
#include <capability.h>
#include <disk.h>
#include <environment.h>
#include <flow.h>
#include <flush.h>
#include <frame.h>
#include <program.h>
#include <slot.h>
#include <space.h>
#include <vcpu.h>

static void binding_clear(binding_name binding, struct budget *budget)
{
    space_clear_entry(binding);
    flush_begin();
    budget->is_used = true;
}

bool sweep_unbind(frame_name frame, struct budget *budget)
{
    const struct exo_frame *info = frame_at(frame);

    while (info->bindings) {
        if (!budget_spend(budget, COST_CLEAR))
            return false;
        binding_clear(info->bindings, budget);
    }
    return true;
}

bool sweep_stop(frame_name environment, struct budget *budget)
{
    bool stopped = true;

    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++) {
        if (!environment_page(environment)->vcpu[i].context)
            continue;
        if (!budget_spend(budget, COST_STOP))
            return false;
        stopped &= vcpu_stop_now(environment * VCPUS_PER_ENVIRONMENT + i);
        budget->is_used = true;
    }
    return stopped;
}

/* How many entries stand in a row, in whole groups, of which none is present. */
static uint32_t empty_count(const uint64_t *start, uint32_t count, struct budget *budget)
{
    const uint64_t *entry = start, *end = start + budget_count(budget, COST_GROUP, count / TABLE_GROUP) * TABLE_GROUP;

    for (; entry < end; entry += TABLE_GROUP) {
        uint64_t any = 0;
        for (uint32_t i = 0; i < TABLE_GROUP; i++)
            any |= entry[i];
        if (entry_is_present(any))
            break;
    }
    budget_spend(budget, (uint32_t)(entry - start) / TABLE_GROUP * COST_GROUP);
    return (uint32_t)(entry - start);
}

/* Clear the entries from the frame's progress up to the end of their group. */
static bool group_clear(frame_name frame, struct budget *budget)
{
    struct exo_frame *info = frame_at(frame);

    do {
        bool is_present = entry_is_present(table_page(frame)[info->progress]);

        if (!budget_spend(budget, is_present ? COST_CLEAR : 2 * COST_SKIP))
            return false;
        if (is_present)
            binding_clear(frame * TABLE_ENTRIES + info->progress, budget);
        info->progress++;
        budget->is_used = true;
    } while (info->progress % TABLE_GROUP);
    return true;
}

/* Clear the entries from the frame's progress up to end, which is one of a group. */
static bool table_clear(frame_name frame, uint32_t end, struct budget *budget)
{
    struct exo_frame *info = frame_at(frame);

    while (info->progress < end) {
        uint32_t empty = empty_count(table_page(frame) + info->progress, end - info->progress, budget);

        info->progress += empty;
        budget->is_used |= empty > 0;
        if (info->progress < end && !group_clear(frame, budget))
            return false;
    }
    return true;
}

static bool table_undo(frame_name frame, struct budget *budget)
{
    struct exo_frame *info = frame_at(frame);
    uint32_t level = table_level(info);
    uint32_t end = level == TABLE_LEVELS ? USER_ROOT_ENTRIES : TABLE_ENTRIES;
    frame_name shadow = info->link;

    if (level == TABLE_LEVELS && environment_page(info->owner)->root == frame) {
        if (!sweep_stop(info->owner, budget))
            return false;
        environment_page(info->owner)->root = 0;
    }
    if (!table_clear(frame, end, budget))
        return false;
    frame_at(shadow)->kind = EXO_FRAME_DATA;
    frame_at(shadow)->link = 0;
    return true;
}

/* The virtual processor that uses this context page stops. */
static bool context_undo(frame_name frame, struct budget *budget)
{
    frame_name owner = frame_at(frame)->owner;

    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++) {
        const struct vcpu *vcpu = &environment_page(owner)->vcpu[i];
        if (vcpu->context == frame)
            return budget_spend(budget, COST_STOP) && vcpu_stop_now(owner * VCPUS_PER_ENVIRONMENT + i);
    }
    return true;
}

static bool ring_undo(frame_name frame, struct budget *budget)
{
    if (!budget_spend(budget, COST_RING))
        return false;
    disk_close(frame_at(frame)->owner, frame);
    return true;
}

static bool large_undo(frame_name first, struct budget *budget)
{
    struct exo_frame *info = frame_at(first);

    for (; info->progress > 0; info->progress--) {
        if (!budget_spend(budget, COST_PART))
            return false;
        budget->is_used = true;
        frame_at(first + info->progress)->kind = EXO_FRAME_DATA;
        frame_at(first + info->progress)->link = 0;
    }
    return true;
}

/* A part of something larger is undone by undoing the whole. */
static frame_name frame_of_whole(frame_name frame)
{
    const struct exo_frame *info = frame_at(frame);

    return info->kind == EXO_FRAME_SHADOW || info->kind == EXO_FRAME_LARGE_PART || info->kind == EXO_FRAME_NET_QUEUE ? info->link : frame;
}

bool sweep_undo(frame_name part, struct budget *budget)
{
    frame_name frame = frame_of_whole(part);
    struct exo_frame *info = frame_at(frame);
    bool done = true;

    if (!budget_spend(budget, COST_UNDO))
        return false;
    if (info->kind == EXO_FRAME_PROGRAM)
        return program_end(info->link, budget);
    if (!info->closing)
        info->closing = CLOSING_BY_SWEEP;
    if (!sweep_unbind(frame, budget))
        return false;
    if (table_level(info))
        done = table_undo(frame, budget);
    else if (info->kind == EXO_FRAME_CONTEXT)
        done = context_undo(frame, budget);
    else if (info->kind == EXO_FRAME_RING || info->kind == EXO_FRAME_QUEUE)
        done = ring_undo(frame, budget);
    else if (info->kind == EXO_FRAME_LARGE)
        done = large_undo(frame, budget);
    else if (info->kind == EXO_FRAME_NET_RING)
        net_ring_undo(frame);
    if (!done)
        return false;

    info->kind = EXO_FRAME_DATA;
    info->link = 0;
    info->closing = 0;
    info->progress = 0;
    return true;
}

/* Its range is of positions in a table of the machine, not of frames. */
static bool is_of_positions(const struct capability *capability)
{
    return capability->kind == EXO_KIND_SLOTS || capability->kind == EXO_KIND_PROGRAMS || capability->kind == EXO_KIND_FLOWS;
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
    return capability->state == CAPABILITY_CLOSING && !is_of_positions(capability) &&
           capability->count > 0 && capability->first == frame;
}

static void capability_advance(capability_name name, uint32_t count, struct budget *budget)
{
    struct capability *capability = capability_at(name);

    capability->first += count;
    capability->count -= count;
    if (capability->count == 0)
        capability->id = system_info()->flush_epoch;
    budget->is_used = true;
}

/* A binding of a frame: cleared if nothing justifies it any more. */
static void binding_sweep(binding_name binding, struct budget *budget)
{
    if (!space_is_justified(binding))
        binding_clear(binding, budget);
}

static bool pass_continue(frame_name frame, struct budget *budget)
{
    struct exo_frame *info = frame_at(frame);
    uint32_t cost = info->kind == EXO_FRAME_LARGE ? 2 * COST_BINDING : COST_BINDING;

    while ((binding_name)info->link) {
        binding_name binding = (binding_name)info->link;

        if (!budget_spend(budget, cost))
            return false;
        info->link = (info->link & ~(uint64_t)UINT32_MAX) | space_next_binding(binding);
        binding_sweep(binding, budget);
        budget->is_used = true;
    }
    return true;
}

/* A page table's link is its shadow, so there is no place for a pass: but it has TABLE_BINDINGS_MAX bindings at most. */
static bool table_bindings_sweep(frame_name frame, struct budget *budget)
{
    binding_name binding = frame_at(frame)->bindings;

    if (binding && !budget_spend(budget, frame_at(frame)->progress * COST_BINDING))
        return false;
    for (uint32_t i = 0; binding && i < TABLE_BINDINGS_MAX; i++) {
        binding_name next = space_next_binding(binding);

        binding_sweep(binding, budget);
        binding = next;
    }
    return true;
}

/* Break the frame's unjustified bindings. True when the closing capability may advance past it. */
static bool bindings_sweep(frame_name frame, capability_name name, struct budget *budget)
{
    struct exo_frame *info = frame_at(frame);

    if (table_level(info))
        return table_bindings_sweep(frame, budget);
    if (info->kind == EXO_FRAME_SHADOW || info->kind == EXO_FRAME_LARGE_PART || info->kind == EXO_FRAME_NET_QUEUE ||
        info->kind == EXO_FRAME_PROGRAM || info->kind == EXO_FRAME_DIRTY)
        return true; /* never bound; link has another use */
    if (!info->bindings) {
        info->link = 0; /* a pass that its owner cut short by unbinding must not be taken for a later one's */
        return true;
    }
    if (pass_is_under_way(frame) && (capability_name)(info->link >> 32) != name) {
        capability_name other = info->link >> 32;
        if (!pass_continue(frame, budget))
            return false;
        capability_advance(other, 1, budget);
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

/* False: no budget for the answer. */
static bool claim_look(struct claim *last, capability_name name, uint64_t stamp, struct budget *budget)
{
    if (last->name == name && last->stamp == stamp)
        return true;
    if (!budget_spend(budget, COST_CLAIM))
        return false;
    *last = (struct claim){name, stamp, claim_is_live(name, stamp)};
    return true;
}

/* Is there nothing to undo? */
static bool frame_is_unused(const struct exo_frame *info)
{
    return info->kind == EXO_FRAME_DIRTY || (info->kind == EXO_FRAME_DATA && !info->bindings);
}

/* One frame of a closing range. OK: done with it; AGAIN; or an environment to reap. */
static exo_result frame_sweep(frame_name frame, capability_name name, struct claim *last, struct budget *budget)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info)
        return EXO_OK;
    if (!budget_spend(budget, COST_FRAME))
        return EXO_AGAIN;
    if (!info->capability)
        return EXO_OK;
    if (!claim_look(last, info->capability, info->stamp, budget))
        return EXO_AGAIN;
    if (last->is_live)
        return bindings_sweep(frame, name, budget) ? EXO_OK : EXO_AGAIN;
    if (info->kind == EXO_FRAME_TRACE)
        return sweep_unbind(frame, budget) ? EXO_OK : EXO_AGAIN; /* the kernel goes on writing it */
    frame_name environment = environment_of(frame);
    if (environment && capability_at(name)->kind == EXO_KIND_ENVIRONMENT && environment_is_dying(environment))
        return sweep_unbind(frame, budget) ? EXO_OK : EXO_AGAIN; /* only to look at: who knows it does not wait for it */
    if (environment && environment_goes_elsewhere(environment, capability_holder(name)))
        return EXO_OK;
    if (environment) {
        if (!budget_spend(budget, COST_KILL))
            return EXO_AGAIN;
        environment_kill(environment);
        return environment;
    }
    if (!frame_is_unused(info) && !sweep_undo(frame, budget))
        return EXO_AGAIN;
    frame_release(frame);
    return EXO_OK;
}

static exo_result slot_sweep(uint32_t slot, struct claim *last, struct budget *budget)
{
    const struct exo_slot *info = slot_at(slot);

    if (!budget_spend(budget, COST_SLOT))
        return EXO_AGAIN;
    if (!info->capability)
        return EXO_OK;
    if (!claim_look(last, info->capability, info->stamp, budget))
        return EXO_AGAIN;
    if (!last->is_live)
        slot_clear(slot);
    return EXO_OK;
}

static exo_result program_sweep(uint32_t page, struct claim *last, struct budget *budget)
{
    const struct exo_program *info = program_named(page);

    if (!budget_spend(budget, COST_SLOT))
        return EXO_AGAIN;
    if (!info || !info->capability)
        return EXO_OK;
    if (!claim_look(last, info->capability, info->stamp, budget))
        return EXO_AGAIN;
    return last->is_live || program_end(page, budget) ? EXO_OK : EXO_AGAIN;
}

static exo_result flow_sweep(uint32_t flow, struct claim *last, struct budget *budget)
{
    const struct exo_flow *info = flow_at(flow);

    if (!budget_spend(budget, info->capability ? COST_SLOT + COST_FLOW : COST_SKIP))
        return EXO_AGAIN;
    if (!info->capability)
        return EXO_OK;
    if (!claim_look(last, info->capability, info->stamp, budget))
        return EXO_AGAIN;
    if (!last->is_live)
        flow_clear(flow);
    return EXO_OK;
}

/* How many frames that nobody owns stand in a row at the beginning of what is left. */
static uint32_t unowned_count(const struct capability *capability, struct budget *budget)
{
    const struct exo_frame *start = frame_at(capability->first), *info = start;

    if (capability->first >= kernel.frame_count || start->capability)
        return 0;
    uint32_t left = kernel.frame_count - capability->first;
    uint32_t most = budget_count(budget, COST_SKIP, left < capability->count ? left : capability->count);
    while (info < start + most && !info->capability)
        info++;
    budget_spend(budget, (info - start) * COST_SKIP);
    return info - start;
}

void sweep_begin(capability_name name)
{
    struct capability *capability = capability_at(name);

    capability->state = CAPABILITY_CLOSING;
    capability_forget();
    uint64_t epoch = flush_begin();
    if (!kind_is_of_ranges(capability->kind) && capability->kind != EXO_KIND_ENVIRONMENT) {
        capability->count = 0;
        capability->id = epoch;
    }
}

/* The next thing of a closing range. */
static exo_result next_sweep(capability_name name, struct claim *last, struct budget *budget)
{
    const struct capability *capability = capability_at(name);

    switch (capability->kind) {
    case EXO_KIND_SLOTS:
        return slot_sweep(capability->first, last, budget);
    case EXO_KIND_PROGRAMS:
        return program_sweep(capability->first, last, budget);
    case EXO_KIND_FLOWS:
        return flow_sweep(capability->first, last, budget);
    default:
        return frame_sweep(capability->first, name, last, budget);
    }
}

exo_result sweep_range(capability_name name, struct budget *budget)
{
    const struct capability *capability = capability_at(name);
    bool skips = !is_of_positions(capability);
    struct claim last = {0};

    while (capability->count > 0) {
        uint32_t done = skips ? unowned_count(capability, budget) : 0;

        if (done == 0) {
            exo_result result = next_sweep(name, &last, budget);
            if (result != EXO_OK)
                return result;
            done = 1;
        }
        capability_advance(name, done, budget);
    }
    return EXO_OK;
}

exo_result sweep_continue(capability_name name, struct budget *budget)
{
    struct capability *capability = capability_at(name);

    exo_result result = sweep_range(name, budget);
    if (result != EXO_OK)
        return result;
    if (!budget_spend(budget, COST_END) || !flush_is_over(capability->id))
        return EXO_AGAIN;
    *capability = (struct capability){0};
    return EXO_OK;
}
