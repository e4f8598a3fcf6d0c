#include <revoke.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <frame.h>
#include <trace.h>
#include <vcpu.h>

/* The capability on the way up from the claim that was derived from `above` itself; 0 if there is none. */
static capability_name link_below(capability_name claim, uint64_t stamp, capability_name above, uint64_t above_id)
{
    for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
        const struct capability *capability = capability_live(claim);

        if (!capability || capability->id != stamp || !capability->source)
            return 0;
        if (capability->source == above && capability->source_id == above_id)
            return claim;
        claim = capability->source;
        stamp = capability->source_id;
    }
    return 0;
}

/* The asker's record of what it asks of the victim capability, or NULL. */
static struct revocation *revocation_find(frame_name asker, capability_name victim)
{
    for (uint32_t i = 0; i < REVOCATIONS_PER_ENVIRONMENT; i++) {
        struct revocation *revocation = &environment_page(asker)->revocation[i];
        if (revocation->state != REVOCATION_NONE && revocation->victim == victim &&
            revocation->victim_id == capability_at(victim)->id)
            return revocation;
    }
    return NULL;
}

/* One that is unused, or whose victim has ended. */
static struct revocation *revocation_unused(frame_name asker)
{
    for (uint32_t i = 0; i < REVOCATIONS_PER_ENVIRONMENT; i++) {
        struct revocation *revocation = &environment_page(asker)->revocation[i];
        if (revocation->state == REVOCATION_NONE || !claim_is_live(revocation->victim, revocation->victim_id))
            return revocation;
    }
    return NULL;
}

static bool revocation_is_overdue(frame_name asker, capability_name victim)
{
    const struct revocation *revocation = revocation_find(asker, victim);

    return revocation && revocation->state == REVOCATION_IMPERATIVE && arch_time() >= revocation->deadline;
}

exo_result revoke_may_force(frame_name environment, uint32_t slot, capability_name claim, uint64_t stamp, bool is_under_way,
                            capability_name *ret_victim)
{
    capability_name above = capability_lookup(environment, slot);
    capability_name victim = link_below(claim, stamp, above, capability_at(above)->id);

    if (!victim)
        return EXO_NO_RIGHT;
    if (capability_at(victim)->rights & EXO_RIGHT_KEPT || !(is_under_way || revocation_is_overdue(environment, victim)))
        return EXO_KEPT;
    *ret_victim = victim;
    return EXO_OK;
}

/* Events about an environment's resources go to its first virtual processor. */
static struct exo_context *first_context(frame_name environment)
{
    const struct vcpu *vcpu = &environment_page(environment)->vcpu[0];

    return vcpu->state == EXO_VCPU_OFF ? NULL : context_page(vcpu->context);
}

static void revocation_show(const struct revocation *revocation, uint32_t events)
{
    frame_name holder = capability_holder(revocation->victim);
    struct exo_context *context = first_context(holder);

    if (!context)
        return;
    context->revoke_deadline = revocation->deadline;
    context->revoke_capability = capability_slot(revocation->victim);
    context->revoke_count = revocation->count;
    if (events)
        vcpu_post(holder * VCPUS_PER_ENVIRONMENT, events);
}

frame_name revoke_asker(capability_name victim)
{
    capability_name source = capability_at(victim)->source;
    frame_name asker = source ? capability_holder(source) : 0;

    return asker && revocation_find(asker, victim) ? asker : 0;
}

/* So many of those asked for under this capability came back. */
static void revocation_count_down(capability_name victim, uint32_t count)
{
    const struct capability *capability = capability_at(victim);
    struct revocation *revocation = revocation_find(capability_holder(capability->source), victim);

    if (!revocation)
        return;
    revocation->count -= count < revocation->count ? count : revocation->count;
    if (revocation->count == 0)
        revocation->state = REVOCATION_NONE;
    revocation_show(revocation, 0);
}

void revoke_note_returned(frame_name environment, uint32_t slot, uint32_t count)
{
    capability_name name = capability_lookup(environment, slot);

    if (capability_at(name)->source)
        revocation_count_down(name, count);
}

void revoke_note_taken(capability_name victim, uint32_t name)
{
    frame_name holder = capability_holder(victim);
    struct exo_context *context = first_context(holder);

    if (context) {
        uint32_t count = context->repossessed_count;
        context->repossessed[count % 64] = name;
        context->repossessed_count = count + 1;
        vcpu_post(holder * VCPUS_PER_ENVIRONMENT, EXO_EVENT_REPOSSESSED);
    }
    trace_record(arch_time(), EXO_TRACE_REPOSSESS, holder * VCPUS_PER_ENVIRONMENT, name, 0);
    revocation_count_down(victim, 1);
}

/* The capability that is asked: living, of a kind that can be given back, and derived from `above` itself. */
static exo_result asked_find(capability_name above, frame_name victim, uint32_t victim_slot, capability_name *ret_asked)
{
    const struct exo_frame *info = frame_named(victim);

    if (!info || info->kind != EXO_FRAME_ENVIRONMENT)
        return EXO_BAD_NAME;
    victim = frame_clamped(victim);
    if (environment_page(victim)->state != ENVIRONMENT_ALIVE)
        return EXO_BAD_NAME;
    capability_name name = capability_lookup(victim, victim_slot);
    const struct capability *asked = capability_live(name);
    if (!asked || !kind_is_revocable(asked->kind))
        return EXO_BAD_NAME;
    if (asked->source != above || asked->source_id != capability_at(above)->id || !(asked->rights & EXO_RIGHT_TAKE))
        return EXO_NO_RIGHT;
    *ret_asked = name;
    return asked->rights & EXO_RIGHT_KEPT ? EXO_KEPT : EXO_OK;
}

exo_result call_revoke(const struct caller *caller, uint16_t slot, uint32_t victim, uint16_t victim_slot, uint32_t count,
                       uint64_t deadline)
{
    capability_name above = capability_lookup(caller->environment, slot), asked;
    const struct capability *capability = capability_live(above);

    if (!capability || !claim_is_live(above, capability->id))
        return EXO_BAD_CAPABILITY;
    if (!(capability->rights & EXO_RIGHT_TAKE))
        return EXO_NO_RIGHT;
    exo_result result = asked_find(above, victim, victim_slot, &asked);
    if (result < 0)
        return result;
    struct revocation *revocation = revocation_find(caller->environment, asked);
    bool again = revocation != NULL;
    if (count == 0) {
        if (again)
            revocation->state = REVOCATION_NONE;
        return EXO_OK;
    }
    if (again && revocation->state == REVOCATION_IMPERATIVE)
        return EXO_BUSY;
    if (!again)
        revocation = revocation_unused(caller->environment);
    if (!revocation)
        return EXO_BUSY;

    *revocation = (struct revocation){
        .deadline = deadline, .victim_id = capability_at(asked)->id, .victim = asked, .count = count,
        .state = again ? REVOCATION_IMPERATIVE : REVOCATION_ASKED,
    };
    trace_record(arch_time(), EXO_TRACE_REVOKE, victim * VCPUS_PER_ENVIRONMENT, count, deadline);
    revocation_show(revocation, again ? EXO_EVENT_IMPERATIVE : EXO_EVENT_REVOKE);
    return EXO_OK;
}
