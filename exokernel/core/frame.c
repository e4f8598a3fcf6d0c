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

struct exo_frame *frame_named(frame_name frame)
{
    return frame < kernel.frame_count ? frame_at(arch_clamp(frame, kernel.frame_count)) : NULL;
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

static exo_result frame_take_one(const struct caller *caller, uint32_t slot, frame_name frame)
{
    exo_result result = frame_may_be_taken(caller->environment, slot, 0, frame);

    if (result == EXO_OK)
        frame_claim(caller->environment, slot, frame, EXO_FRAME_DATA);
    return result;
}

/* Does the environment own this DATA frame, unbound, under just this capability, and is that still valid? */
static exo_result frame_may_be_given_up(const struct caller *caller, uint32_t slot, frame_name frame)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, slot, EXO_KIND_FRAMES, 0, frame, info->stamp);
    if (result < 0)
        return result;
    if (info->capability != capability_lookup(caller->environment, slot))
        return EXO_NO_RIGHT;
    if (info->kind != EXO_FRAME_DATA)
        return EXO_WRONG_KIND;
    return info->bindings ? EXO_BOUND : EXO_OK;
}

static exo_result frame_free_one(const struct caller *caller, uint32_t slot, frame_name frame)
{
    exo_result result = frame_may_be_given_up(caller, slot, frame);

    if (result == EXO_OK) {
        frame_release(frame);
        revoke_note_returned(caller->environment, slot);
    }
    return result;
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

static exo_result frame_return_one(const struct caller *caller, uint32_t slot, frame_name frame)
{
    exo_result result = frame_may_be_given_up(caller, slot, frame);

    if (result < 0)
        return result;
    const struct capability *capability = capability_at(capability_lookup(caller->environment, slot));
    if (!capability->source)
        return EXO_BAD_CAPABILITY;
    frame_pass_to(frame, capability->source, capability->source_id);
    revoke_note_returned(caller->environment, slot);
    return EXO_OK;
}

exo_result call_frame_take(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t count)
{
    if (count == 0 || count > TAKE_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        exo_result result = frame_take_one(caller, capability, frame + i);
        if (result < 0)
            return i ? i : result;
    }
    return count;
}

exo_result call_frame_free(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t count)
{
    if (count == 0 || count > BATCH_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        exo_result result = frame_free_one(caller, capability, frame + i);
        if (result < 0)
            return i ? i : result;
    }
    return count;
}

exo_result call_frame_return(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t count)
{
    if (count == 0 || count > BATCH_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        exo_result result = frame_return_one(caller, capability, frame + i);
        if (result < 0)
            return i ? i : result;
    }
    return count;
}

/* What can be undone without taking the environment itself apart. */
static bool kind_can_be_forced(uint32_t kind)
{
    return kind == EXO_FRAME_DATA || kind == EXO_FRAME_TABLE1 || kind == EXO_FRAME_TABLE2 ||
           kind == EXO_FRAME_TABLE3 || kind == EXO_FRAME_LARGE;
}

exo_result call_frame_reclaim(const struct caller *caller, uint16_t capability, uint32_t frame)
{
    const struct exo_frame *info = frame_named(frame);
    capability_name victim;
    uint32_t budget = SWEEP_MAX;

    if (!info)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_FRAMES, EXO_RIGHT_TAKE, frame, 0);
    if (result < 0)
        return result;
    if (!kind_can_be_forced(info->kind))
        return EXO_WRONG_KIND;
    result = revoke_may_force(caller->environment, capability, info->capability, info->stamp, &victim);
    if (result < 0)
        return result;
    if (!sweep_undo(frame, &budget))
        return EXO_AGAIN;

    capability_name name = capability_lookup(caller->environment, capability);
    frame_pass_to(frame, name, capability_at(name)->id);
    revoke_note_taken(victim, frame);
    return EXO_OK;
}
