#include <slot.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <revoke.h>
#include <slice.h>

enum { SLOT_TAKEN = 1u << 31 }; /* marks a slot in the repossession vector */

struct exo_slot *slot_named(uint32_t slot)
{
    uint32_t count = kernel.processor_count * SLOTS_PER_PROCESSOR;

    return slot < count ? slot_at((uint32_t)arch_clamp(slot, count)) : NULL;
}

void slot_clear(uint32_t slot)
{
    struct exo_slot *info = slot_at(slot);

    *info = (struct exo_slot){0};
    slice_slot_changed(slot);
}

void slot_forget_borrower(frame_name environment, uint32_t processor)
{
    for (uint32_t i = 0; i < SLOTS_PER_PROCESSOR; i++) {
        struct exo_slot *info = slot_at(processor * SLOTS_PER_PROCESSOR + i);

        if (info->owner == environment)
            slot_clear(processor * SLOTS_PER_PROCESSOR + i);
        if (info->borrower / VCPUS_PER_ENVIRONMENT == environment)
            info->borrower = 0;
    }
}

/* May the environment do with the slot what only its owner may, under this capability? */
static exo_result slot_check(const struct exo_slot *info, const struct caller *caller, uint32_t capability, uint32_t slot)
{
    if (!info)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_SLOTS, 0, slot, info->stamp);
    if (result < 0)
        return result;
    return info->owner == caller->environment ? EXO_OK : EXO_NO_RIGHT;
}

exo_result call_slot_take(const struct caller *caller, uint16_t capability, uint32_t slot, uint8_t vcpu)
{
    struct exo_slot *info = slot_named(slot);

    if (!info || vcpu >= VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_SLOTS, EXO_RIGHT_TAKE, slot, 0);
    if (result < 0)
        return result;
    if (info->owner && claim_is_live(info->capability, info->stamp)) {
        if (info->owner != caller->environment)
            return EXO_TAKEN;
        result = slot_check(info, caller, capability, slot);
        if (result < 0)
            return result;
    } else {
        capability_name name = capability_lookup(caller->environment, capability);
        *info = (struct exo_slot){.owner = caller->environment, .capability = name, .stamp = capability_at(name)->id};
    }
    info->vcpu = caller->environment * VCPUS_PER_ENVIRONMENT + vcpu;
    slice_slot_changed(slot);
    return EXO_OK;
}

exo_result call_slot_free(const struct caller *caller, uint16_t capability, uint32_t slot)
{
    struct exo_slot *info = slot_named(slot);

    exo_result result = slot_check(info, caller, capability, slot);
    if (result < 0)
        return result;
    if (info->capability != capability_lookup(caller->environment, capability))
        return EXO_NO_RIGHT;

    const struct capability *held = capability_at(info->capability);
    frame_name asker = revoke_asker(info->capability);
    slot_clear(slot);
    if (asker) {
        *info = (struct exo_slot){
            .owner = asker, .capability = held->source, .stamp = held->source_id, .vcpu = asker * VCPUS_PER_ENVIRONMENT,
        };
        revoke_note_returned(caller->environment, capability, 1);
    }
    return EXO_OK;
}

exo_result call_slot_reclaim(const struct caller *caller, uint16_t capability, uint32_t slot)
{
    struct exo_slot *info = slot_named(slot);
    capability_name victim;

    if (!info)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_SLOTS, EXO_RIGHT_TAKE, slot, 0);
    if (result < 0)
        return result;
    result = revoke_may_force(caller->environment, capability, info->capability, info->stamp, false, &victim);
    if (result < 0)
        return result;

    slot_clear(slot);
    revoke_note_taken(victim, slot | SLOT_TAKEN);
    return EXO_OK;
}

exo_result call_slot_lend(const struct caller *caller, uint16_t capability, uint32_t slot, uint16_t target, uint8_t vcpu)
{
    struct exo_slot *info = slot_named(slot);
    frame_name environment;

    exo_result result = slot_check(info, caller, capability, slot);
    if (result < 0)
        return result;
    if (vcpu > VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_NAME;
    result = capability_environment(caller->environment, target, EXO_RIGHT_RUN, &environment);
    if (result < 0)
        return result;

    info->borrower = vcpu == VCPUS_PER_ENVIRONMENT ? 0 : environment * VCPUS_PER_ENVIRONMENT + vcpu;
    slice_slot_changed(slot);
    return EXO_OK;
}
