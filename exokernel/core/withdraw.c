/*
 * Withdrawing a capability, or dropping one's own. What owns (TAKE) is taken from a living environment only after
 * a revocation; what only gave access ends at once.
 */
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <frame.h>
#include <revoke.h>
#include <sweep.h>

enum { CAPABILITY_TAKEN = 1u << 29 }; /* marks the slot of a capability in the repossession vector */

/* The capability to end, if the subject may: its own, or one derived from its own in this slot. */
static exo_result victim_find(const struct caller *caller, uint32_t slot, frame_name victim, uint32_t victim_slot,
                              capability_name *ret_name)
{
    const struct exo_frame *info = frame_named(victim);
    capability_name above = capability_lookup(caller->environment, slot);
    const struct capability *capability = capability_live(above);

    if (slot && (!capability || !claim_is_live(above, capability->id)))
        return EXO_BAD_CAPABILITY;
    if (!info || info->kind != EXO_FRAME_ENVIRONMENT)
        return EXO_BAD_NAME;
    victim = frame_clamped(victim);
    if (environment_page(victim)->state != ENVIRONMENT_ALIVE)
        return EXO_BAD_NAME;
    capability_name name = capability_lookup(victim, victim_slot);
    if (!name || capability_at(name)->state == CAPABILITY_EMPTY)
        return EXO_BAD_NAME;
    const struct capability *ended = capability_at(name);
    if (slot == 0 && victim != caller->environment)
        return EXO_NO_RIGHT;
    if (slot && capability_reach(ended->source, ended->source_id, capability->id) != REACH_STAMP)
        return EXO_NO_RIGHT;
    *ret_name = name;
    return EXO_OK;
}

static bool capability_owns(const struct capability *capability)
{
    return kind_is_revocable(capability->kind) && capability->rights & EXO_RIGHT_TAKE;
}

/* The first capability to an environment is what the environment itself is owned under. */
static bool capability_is_of_creation(const struct capability *capability)
{
    return capability->kind == EXO_KIND_ENVIRONMENT && capability->state == CAPABILITY_LIVE &&
           frame_at(capability->first)->kind == EXO_FRAME_ENVIRONMENT &&
           frame_at(capability->first)->stamp == capability->id;
}

exo_result call_capability_withdraw(const struct caller *caller, uint16_t slot, uint32_t victim, uint16_t victim_slot)
{
    capability_name name, asked;
    struct budget budget = {.rest = SWEEP_MAX};

    exo_result result = victim_find(caller, slot, victim, victim_slot, &name);
    if (result < 0)
        return result;
    const struct capability *capability = capability_at(name);
    if (slot && capability->state == CAPABILITY_LIVE && (capability_owns(capability) || capability_is_of_creation(capability))) {
        result = revoke_may_force(caller->environment, slot, name, capability->id, false, &asked);
        if (result < 0)
            return result;
        revoke_note_taken(name, CAPABILITY_TAKEN | victim_slot);
    }

    if (capability->state == CAPABILITY_LIVE)
        sweep_begin(name);
    return sweep_continue(name, &budget);
}
