/*
 * What a single step may do, seen from the state before and the state after it: what no look at one state can tell.
 */
#include "isolation.h"
#include "scope.h"
#include "world_state.h"
#include <arch.h>

static bool is_unowned(uint32_t kind)
{
    return kind == EXO_FRAME_FREE || kind == EXO_FRAME_DIRTY;
}

/* A frame arrives without the bytes of who had it. */
static const char *taken_check(const struct state *before)
{
    for (frame_name frame = 1; frame < kernel.frame_count; frame++)
        if (is_unowned(before->machine.frame[frame].kind) && machine.frame[frame].kind == EXO_FRAME_DATA && !machine_frame_is_clear(frame))
            return "a frame was taken with old bytes in it";
    return NULL;
}

static const struct capability *capability_before(const struct state *before, capability_name name, uint64_t id)
{
    frame_name table = name / CAPABILITIES_PER_TABLE;
    if (table >= MACHINE_CAPABILITY_FRAMES || before->machine.frame[table].kind != EXO_FRAME_CAPABILITIES)
        return NULL;
    const struct capability *capability = &before->machine.capabilities[table].slot[name % CAPABILITIES_PER_TABLE - 1];
    return capability->state == CAPABILITY_LIVE && capability->id == id ? capability : NULL;
}

/* Had somebody among the askers asked for it twice, and had his deadline passed? */
static bool was_overdue(const struct state *before, capability_name victim)
{
    for (frame_name frame = 1; frame < MACHINE_ENVIRONMENT_FRAMES; frame++) {
        if (before->machine.frame[frame].kind != EXO_FRAME_ENVIRONMENT)
            continue;
        for (uint32_t i = 0; i < REVOCATIONS_PER_ENVIRONMENT; i++) {
            const struct revocation *revocation = &before->machine.environment[frame].revocation[i];
            if (revocation->state == REVOCATION_IMPERATIVE && revocation->victim == victim && revocation->count > 0 &&
                before->machine.time >= revocation->deadline)
                return true;
        }
    }
    return false;
}

/* The same of it or of any capability above it that lies below one of the actor's. */
static bool chain_was_overdue(const struct state *before, capability_name name, uint64_t id)
{
    for (uint32_t depth = 0; depth <= DEPTH_MAX && name; depth++) {
        const struct capability *capability = capability_before(before, name, id);
        if (!capability)
            return false;
        if (was_overdue(before, name))
            return true;
        name = capability->source;
        id = capability->source_id;
    }
    return false;
}

/* What is reclaimed from a living environment was asked for in vain, and is of no guaranteed set. */
static const char *force_check(const struct step *step, const struct state *before)
{
    bool is_frame = step->number == EXO_CALL_FRAME_RECLAIM;
    uint32_t thing = (uint32_t)step->argument[1];
    if (!is_frame && step->number != EXO_CALL_SLOT_RECLAIM)
        return NULL;
    frame_name owner = is_frame ? before->machine.frame[thing].owner : before->machine.slot[thing].owner;
    capability_name name = is_frame ? before->machine.frame[thing].capability : before->machine.slot[thing].capability;
    uint64_t id = is_frame ? before->machine.frame[thing].stamp : before->machine.slot[thing].stamp;
    bool is_under_way = is_frame && before->machine.frame[thing].closing; /* it was overdue when that began */
    bool begins = is_frame && machine.frame[thing].closing;
    if (!owner || is_under_way || (!begins && (is_frame ? machine.frame[thing].owner : machine.slot[thing].owner) == owner))
        return NULL;
    const struct capability *claim = capability_before(before, name, id);
    if (!claim || before->machine.environment[owner].state != ENVIRONMENT_ALIVE)
        return NULL;
    if (claim->rights & EXO_RIGHT_KEPT)
        return "something of a guaranteed set was taken by force";
    return chain_was_overdue(before, name, id) ? NULL : "something was taken by force before its deadline";
}

static bool is_revocable(uint32_t kind)
{
    return kind == EXO_KIND_FRAMES || kind == EXO_KIND_SLOTS || kind == EXO_KIND_PROGRAMS || kind == EXO_KIND_FLOWS || kind == EXO_KIND_EXTENT;
}

/* The holder's repossession vector got an entry; who has no virtual processor, or a stopped one, has none. */
static bool is_told(const struct state *before, frame_name holder)
{
    const struct vcpu *vcpu = &machine.environment[holder].vcpu[0];
    frame_name context = vcpu->state == EXO_VCPU_OFF ? 0 : vcpu->context;
    return !context || machine_contexts[context].repossessed_count == before->context[context].repossessed_count + 1;
}

/* The same of a capability that owns, withdrawn from a living holder: and he is told. */
static const char *withdrawal_check(const struct step *step, const struct state *before)
{
    frame_name holder = (frame_name)step->argument[1];
    if (step->number != EXO_CALL_CAPABILITY_WITHDRAW || !step->argument[0] || holder >= MACHINE_ENVIRONMENT_FRAMES ||
        before->machine.frame[holder].kind != EXO_FRAME_ENVIRONMENT || before->machine.environment[holder].state != ENVIRONMENT_ALIVE)
        return NULL;
    frame_name table = before->machine.environment[holder].tables[0];
    const struct capability *then = &before->machine.capabilities[table].slot[step->argument[2] - 1];
    bool begins = then->state == CAPABILITY_LIVE && machine.capabilities[table].slot[step->argument[2] - 1].state != CAPABILITY_LIVE;
    if (!begins || !is_revocable(then->kind) || !(then->rights & EXO_RIGHT_TAKE))
        return NULL;
    if (then->rights & EXO_RIGHT_KEPT)
        return "a capability to a guaranteed set was withdrawn from its holder";
    if (!chain_was_overdue(before, table * CAPABILITIES_PER_TABLE + step->argument[2], then->id))
        return "a capability was withdrawn from its holder before its deadline";
    return is_told(before, holder) ? NULL : "a capability was withdrawn by force and its holder not told";
}

static bool vcpu_is_there(const struct machine *in, vcpu_name vcpu)
{
    frame_name environment = vcpu / VCPUS_PER_ENVIRONMENT;
    return vcpu && environment < MACHINE_ENVIRONMENT_FRAMES && in->frame[environment].kind == EXO_FRAME_ENVIRONMENT &&
           in->environment[environment].vcpu[vcpu % VCPUS_PER_ENVIRONMENT].context;
}

static uint64_t excess_of(const struct machine *in, vcpu_name vcpu)
{
    return in->environment[vcpu / VCPUS_PER_ENVIRONMENT].vcpu[vcpu % VCPUS_PER_ENVIRONMENT].excess_ns;
}

static bool is_off(const struct machine *in, vcpu_name vcpu)
{
    return in->environment[vcpu / VCPUS_PER_ENVIRONMENT].vcpu[vcpu % VCPUS_PER_ENVIRONMENT].state == EXO_VCPU_OFF;
}

/* A slice that ends late is its payer's debt, to the nanosecond; a debt goes down by whole slots only. */
static const char *debt_check(const struct state *before)
{
    uint64_t charged[MACHINE_ENVIRONMENT_FRAMES * VCPUS_PER_ENVIRONMENT] = {0};
    for (uint32_t i = 0; i < kernel.processor_count; i++) {
        const struct processor *then = &before->kernel.processor[i];
        if (then->ending && !kernel.processor[i].ending && vcpu_is_there(&machine, then->payer))
            charged[then->payer] += machine.time - (then->slot_end - EXO_SLOT_NS);
    }
    for (vcpu_name vcpu = 1; vcpu < MACHINE_ENVIRONMENT_FRAMES * VCPUS_PER_ENVIRONMENT; vcpu++) {
        if (!vcpu_is_there(&before->machine, vcpu) || !vcpu_is_there(&machine, vcpu) || is_off(&before->machine, vcpu))
            continue; /* one that is stopped has no debts */
        uint64_t owed = excess_of(&before->machine, vcpu) + charged[vcpu], owes = excess_of(&machine, vcpu);
        if (owes > owed || (owed - owes) % EXO_SLOT_NS)
            return "time used and time owed do not add up";
    }
    return NULL;
}

const char *step_check(const struct step *step, const struct state *before)
{
    const char *broken = taken_check(before);
    if (!broken && step->action == ACTION_CALL)
        broken = force_check(step, before);
    if (!broken && step->action == ACTION_CALL)
        broken = withdrawal_check(step, before);
    if (!broken)
        broken = debt_check(before);
    return broken ? broken : isolation_check(step, before);
}
