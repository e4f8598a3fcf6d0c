/*
 * That a call changes nothing of an environment that it has no business with. An environment has business with itself and with
 * those it holds capabilities to that let it do something, and with the capabilities to them; with what is held, owned or bound under a capability that was derived from one of theirs; and with
 * what lost its justification and waits to be swept. Everything else of every other environment must stay as it is.
 */
#include "isolation.h"
#include "scope.h"
#include "world_state.h"
#include <arch.h>
#include <string.h>

enum { EVERYBODY = 0xff };

/* Sets of environments, as bits by their frames. Who is involved, as of step_prepare. */
static struct {
    uint8_t controlled[MACHINE_ENVIRONMENT_FRAMES];
    uint8_t capability[MACHINE_CAPABILITY_FRAMES][CAPABILITIES_PER_TABLE];
    uint8_t frame[MACHINE_FRAMES];
    uint8_t entry[MACHINE_FRAMES][TABLE_ENTRIES];
    uint8_t slot[PROCESSOR_LIMIT * SLOTS_PER_PROCESSOR];
    uint8_t flow[FLOW_LIMIT];
} involved;

static bool frame_is(frame_name frame, uint32_t kind)
{
    return machine.frame[frame].kind == kind;
}

static bool is_table(frame_name frame)
{
    return machine.frame[frame].kind >= EXO_FRAME_TABLE1 && machine.frame[frame].kind < EXO_FRAME_TABLE1 + TABLE_LEVELS;
}

/* The holders of a capability and of all above it; EVERYBODY if it is not valid. */
static uint8_t holders_of(capability_name name, uint64_t id)
{
    uint8_t holders = 0;
    for (uint32_t depth = 0; depth <= DEPTH_MAX; depth++) {
        frame_name table = name / CAPABILITIES_PER_TABLE;
        uint32_t position = name % CAPABILITIES_PER_TABLE;
        if (!position || table >= MACHINE_CAPABILITY_FRAMES || !frame_is(table, EXO_FRAME_CAPABILITIES))
            return EVERYBODY;
        const struct capability_table *page = &machine.capabilities[table];
        const struct capability *capability = &page->slot[position - 1];
        if (!page->header.live || capability->state != CAPABILITY_LIVE || capability->id != id)
            return EVERYBODY;
        holders |= 1 << page->header.environment;
        if (!capability->source)
            return holders;
        name = capability->source;
        id = capability->source_id;
    }
    return EVERYBODY;
}

static void table_prepare(frame_name table)
{
    for (uint32_t position = 1; position < CAPABILITIES_PER_TABLE; position++) {
        const struct capability *capability = &machine.capabilities[table].slot[position - 1];
        frame_name holder = machine.capabilities[table].header.environment;
        uint8_t holders = capability->state == CAPABILITY_EMPTY ? 1 << holder
                                                                : holders_of(table * CAPABILITIES_PER_TABLE + position, capability->id);
        if (capability->state != CAPABILITY_EMPTY && capability->kind == EXO_KIND_ENVIRONMENT)
            holders |= 1 << capability->first;
        involved.capability[table][position] = holders;
        if (holders != EVERYBODY && capability->kind == EXO_KIND_ENVIRONMENT && capability->state == CAPABILITY_LIVE &&
            capability->rights & (EXO_RIGHT_CONTROL | EXO_RIGHT_DESTROY | EXO_RIGHT_GRANT))
            involved.controlled[holder] |= 1 << capability->first;
    }
}

static void entries_prepare(frame_name table)
{
    frame_name owner = machine.frame[table].owner;
    for (uint32_t i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t entry = machine.words[table].table[i];
        involved.entry[table][i] = 1 << owner;
        if (!entry_is_present(entry))
            continue;
        frame_name frame = entry_frame(entry);
        uint32_t position = entry_slot(entry) % CAPABILITIES_PER_TABLE;
        involved.entry[table][i] |= involved.frame[frame] | 1 << machine.frame[frame].owner;
        if (position && machine.environment[owner].tables[0])
            involved.entry[table][i] |= involved.capability[machine.environment[owner].tables[0]][position];
    }
}

void step_prepare(void)
{
    for (frame_name frame = 1; frame < MACHINE_ENVIRONMENT_FRAMES; frame++)
        involved.controlled[frame] = 1 << frame;
    for (frame_name frame = 1; frame < MACHINE_CAPABILITY_FRAMES; frame++)
        if (frame_is(frame, EXO_FRAME_CAPABILITIES))
            table_prepare(frame);
    for (frame_name frame = 1; frame < kernel.frame_count; frame++)
        involved.frame[frame] = holders_of(machine.frame[frame].capability, machine.frame[frame].stamp);
    for (frame_name frame = 1; frame < kernel.frame_count; frame++)
        if (is_table(frame))
            entries_prepare(frame);
    for (uint32_t slot = 0; slot < kernel.processor_count * SLOTS_PER_PROCESSOR; slot++)
        involved.slot[slot] = holders_of(machine.slot[slot].capability, machine.slot[slot].stamp);
    for (uint32_t flow = 0; flow < FLOW_LIMIT; flow++)
        involved.flow[flow] = holders_of(machine.flow[flow].capability, machine.flow[flow].stamp);
}

static const char *capabilities_check(const struct state *before, frame_name table, uint8_t actors)
{
    for (uint32_t position = 1; position < CAPABILITIES_PER_TABLE; position++)
        if (!(involved.capability[table][position] & actors) &&
            memcmp(&machine.capabilities[table].slot[position - 1], &before->machine.capabilities[table].slot[position - 1],
                   sizeof(struct capability)))
            return "a call changed a capability that it has no business with";
    return NULL;
}

static const char *entries_check(const struct state *before, frame_name table, uint8_t actors)
{
    for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
        if (!(involved.entry[table][i] & actors) && machine.words[table].table[i] != before->machine.words[table].table[i])
            return "a call changed a binding that it has no business with";
    return NULL;
}

static const char *environment_check(const struct state *before, frame_name frame)
{
    const struct environment *now = &machine.environment[frame], *then = &before->machine.environment[frame];
    if (now->state != then->state || now->root != then->root || memcmp(now->tables, then->tables, sizeof now->tables) ||
        memcmp(now->gate, then->gate, sizeof now->gate))
        return "a call changed an environment that it has no business with";
    return NULL;
}

/* A frame of an environment that the actors have no business with. */
static const char *frame_check(const struct state *before, frame_name frame, uint8_t actors)
{
    const struct exo_frame *now = &machine.frame[frame], *then = &before->machine.frame[frame];
    const char *broken = NULL;
    if (then->kind == EXO_FRAME_CAPABILITIES)
        broken = capabilities_check(before, frame, actors);
    else if (then->kind >= EXO_FRAME_TABLE1 && then->kind < EXO_FRAME_TABLE1 + TABLE_LEVELS)
        broken = entries_check(before, frame, actors);
    else if (then->kind == EXO_FRAME_ENVIRONMENT)
        broken = environment_check(before, frame);
    else if (then->kind != EXO_FRAME_SHADOW && memcmp(&machine.words[frame], &before->machine.words[frame], sizeof machine.words[frame]))
        broken = "a call changed bytes that it has no business with";
    if (now->owner != then->owner || now->kind != then->kind || now->capability != then->capability || now->stamp != then->stamp ||
        now->closing != then->closing)
        broken = "a call changed a frame that it has no business with";
    return broken;
}

/* Whose it is: an environment's own page and tables are its, whoever owns the frames. */
static frame_name belongs_to(const struct state *before, frame_name frame)
{
    const struct exo_frame *info = &before->machine.frame[frame];
    if (info->kind == EXO_FRAME_ENVIRONMENT)
        return frame;
    return info->kind == EXO_FRAME_CAPABILITIES ? before->machine.capabilities[frame].header.environment : info->owner;
}

static const char *flows_check(const struct state *before, uint8_t actors)
{
    for (uint32_t flow = 0; flow < FLOW_LIMIT; flow++) {
        const struct exo_flow *now = &machine.flow[flow], *then = &before->machine.flow[flow];
        if (!then->owner || actors >> then->owner & 1 || involved.flow[flow] & actors)
            continue;
        if (now->owner != then->owner || now->state != then->state || now->stamp != then->stamp || now->capability != then->capability)
            return "a call changed a flow that it has no business with";
    }
    return NULL;
}

const char *isolation_check(const struct step *step, const struct state *before)
{
    vcpu_name running = before->kernel.processor[step->processor].running;
    frame_name actor = running / VCPUS_PER_ENVIRONMENT;
    if (step->action != ACTION_CALL || !actor || step->number == EXO_CALL_ENVIRONMENT_REAP)
        return NULL;
    uint8_t actors = involved.controlled[actor];
    uint32_t slot = step->subject & ~(uint32_t)LATE;

    if (slot) {
        frame_name subject = before->machine.capabilities[before->machine.environment[actor].tables[0]].slot[slot - 1].first;
        if (actors >> subject & 1)
            actors |= involved.controlled[subject];
    }

    for (frame_name frame = 1; frame < kernel.frame_count; frame++) {
        frame_name whose = belongs_to(before, frame);
        if (!whose || actors >> whose & 1 || involved.frame[frame] & actors)
            continue;
        if (before->machine.environment[whose].state != ENVIRONMENT_ALIVE)
            continue;
        const char *broken = frame_check(before, frame, actors);
        if (broken)
            return broken;
    }
    for (uint32_t slot = 0; slot < kernel.processor_count * SLOTS_PER_PROCESSOR; slot++) {
        const struct exo_slot *now = &machine.slot[slot], *then = &before->machine.slot[slot];
        if (!then->owner || actors >> then->owner & 1 || involved.slot[slot] & actors)
            continue;
        if (now->owner != then->owner || now->vcpu != then->vcpu || now->stamp != then->stamp)
            return "a call changed a slot that it has no business with";
    }
    return flows_check(before, actors);
}
