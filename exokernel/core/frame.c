/*
 * Frames: taking by name, freeing, returning to the grantor, taking back by force.
 */
#include <frame.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <revoke.h>
#include <sweep.h>

enum { GIVE_MOST = 32 }; /* frames that one call gives up: all that it does between two looks at the timer */

frame_name frame_clamped(frame_name frame)
{
    return (frame_name)arch_clamp(frame, kernel.frame_count);
}

struct exo_frame *frame_named(frame_name frame)
{
    return frame < kernel.frame_count ? frame_at(frame_clamped(frame)) : NULL;
}

exo_result frame_may_be_taken(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info)
        return EXO_BAD_NAME;
    if (info->kind != EXO_FRAME_FREE && info->kind != EXO_FRAME_DIRTY)
        return EXO_TAKEN;
    if (info->kind == EXO_FRAME_DIRTY && info->owner != environment)
        return EXO_TAKEN;
    exo_result result = capability_check(environment, slot, EXO_KIND_FRAMES, rights | EXO_RIGHT_TAKE, frame, info->stamp);
    if (result < 0)
        return result;
    return flush_is_over(info->link) ? EXO_OK : EXO_AGAIN;
}

void frame_claim(frame_name environment, uint32_t slot, frame_name frame, uint32_t kind)
{
    struct exo_frame *info = frame_at(frame);
    capability_name name = capability_lookup(environment, slot);

    arch_clear_page(frame);
    info->owner = environment;
    info->capability = name;
    info->stamp = capability_at(name)->id;
    info->link = 0;
    info->kind = kind;
}

void frame_release(frame_name frame)
{
    struct exo_frame *info = frame_at(frame);

    info->owner = 0;
    info->capability = 0;
    info->stamp = 0;
    info->link = system_info()->flush_epoch;
    info->kind = EXO_FRAME_FREE;
    info->closing = 0;
    info->progress = 0;
}

void frame_release_used(frame_name frame)
{
    frame_release(frame);
    frame_at(frame)->link = flush_begin();
}

/* A capability under which the caller gives frames up. */
struct holding {
    capability_name name;
    struct capability capability;
};

/* Does the caller own this DATA frame, unbound, under just this capability? */
static exo_result frame_may_be_given_up(const struct holding *holding, frame_name frame)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info)
        return EXO_BAD_NAME;
    if (info->capability != holding->name || info->stamp != holding->capability.id)
        return EXO_NO_RIGHT;
    if (info->kind != EXO_FRAME_DATA)
        return EXO_WRONG_KIND;
    return info->bindings ? EXO_BOUND : EXO_OK;
}

/* The new owner's claim is the capability that the old owner's was derived from. */
static void frame_pass_to(frame_name frame, capability_name name, uint64_t id)
{
    struct exo_frame *info = frame_at(frame);

    frame_release(frame);
    info->owner = capability_holder(name);
    info->capability = name;
    info->stamp = id;
    info->kind = EXO_FRAME_DIRTY;
}

/* May it be taken under this capability because its neighbour before it may? */
static bool frame_is_alike(const struct capability *capability, frame_name frame, const struct exo_frame *before)
{
    const struct exo_frame *info = frame_named(frame);

    return info && info->kind == before->kind && info->owner == before->owner && info->stamp == before->stamp &&
           capability_covers(capability, frame) && flush_is_over(info->link);
}

exo_result call_frame_take(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t count)
{
    uint32_t taken = 0;

    if (count == 0 || count > TAKE_MAX)
        return EXO_BAD_ARGUMENT;
    exo_result result = frame_may_be_taken(caller->environment, capability, 0, frame);
    if (result < 0)
        return result;
    const struct capability *held = capability_at(capability_lookup(caller->environment, capability));
    const struct exo_frame first = *frame_named(frame);
    do
        frame_claim(caller->environment, capability, frame + taken++, EXO_FRAME_DATA);
    while (taken < count && frame_is_alike(held, frame + taken, &first));
    return taken;
}

/* Give up frames in a row, to nobody or to whom they came from; says how many. */
static exo_result frames_give_up(const struct caller *caller, uint32_t slot, frame_name first, uint32_t count, bool to_source)
{
    struct holding holding = {.name = capability_lookup(caller->environment, slot)};
    uint32_t given = 0;

    if (count == 0 || count > BATCH_MAX)
        return EXO_BAD_ARGUMENT;
    exo_result result = capability_use(caller->environment, slot, EXO_KIND_FRAMES, 0, &holding.capability);
    if (result == EXO_OK && to_source && !holding.capability.source)
        result = EXO_BAD_CAPABILITY;
    while (result == EXO_OK && given < count && given < GIVE_MOST) {
        result = frame_may_be_given_up(&holding, first + given);
        if (result < 0)
            break;
        if (to_source)
            frame_pass_to(first + given, holding.capability.source, holding.capability.source_id);
        else
            frame_release(first + given);
        given++;
    }
    if (given && to_source)
        revoke_note_returned(caller->environment, slot, given);
    return given ? given : result;
}

exo_result call_frame_free(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t count)
{
    return frames_give_up(caller, capability, frame, count, false);
}

exo_result call_frame_return(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t count)
{
    return frames_give_up(caller, capability, frame, count, true);
}

/* What can be undone without taking the environment itself apart. */
static bool kind_can_be_forced(uint32_t kind)
{
    return kind == EXO_FRAME_DATA || kind == EXO_FRAME_DIRTY || kind == EXO_FRAME_TABLE1 || kind == EXO_FRAME_TABLE2 ||
           kind == EXO_FRAME_TABLE3 || kind == EXO_FRAME_LARGE || kind == EXO_FRAME_PROGRAM ||
           kind == EXO_FRAME_NET_RING || kind == EXO_FRAME_RING || kind == EXO_FRAME_QUEUE;
}

exo_result call_frame_reclaim(const struct caller *caller, uint16_t capability, uint32_t frame)
{
    const struct exo_frame *info = frame_named(frame);
    capability_name victim;
    struct budget budget = {.rest = SWEEP_MAX};

    if (!info)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_FRAMES, EXO_RIGHT_TAKE, frame, 0);
    if (result < 0)
        return result;
    if (!kind_can_be_forced(info->kind))
        return EXO_WRONG_KIND;
    bool is_under_way = info->closing == CLOSING_BY_FORCE;
    result = revoke_may_force(caller->environment, capability, info->capability, info->stamp, is_under_way, &victim);
    if (result < 0)
        return result;
    if (!is_under_way)
        revoke_note_taken(victim, frame);
    frame_at(frame)->closing = CLOSING_BY_FORCE;
    if (info->kind != EXO_FRAME_DIRTY && !sweep_undo(frame, &budget))
        return EXO_AGAIN;

    capability_name name = capability_lookup(caller->environment, capability);
    frame_pass_to(frame, name, capability_at(name)->id);
    return EXO_OK;
}
