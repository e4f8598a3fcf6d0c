/*
 * Capabilities: look-up, validity, derivation. Ids come from one counter and are never used twice, so a name
 * with an id means one capability for ever.
 */
#include <capability.h>
#include <arch.h>
#include <dispatch.h>

enum { RIGHTS_ALL = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_KEPT | EXO_RIGHT_GRANT };

capability_name capability_lookup(frame_name environment, uint32_t slot)
{
    uint32_t table = slot / CAPABILITIES_PER_TABLE;
    uint32_t position = slot % CAPABILITIES_PER_TABLE;

    if (table >= TABLES_PER_ENVIRONMENT || position == 0)
        return 0;
    frame_name frame = environment_page(environment)->tables[table % TABLES_PER_ENVIRONMENT]; /* also under speculation */
    return frame ? frame * CAPABILITIES_PER_TABLE + position : 0;
}

struct capability *capability_at(capability_name name)
{
    return &capability_page(name / CAPABILITIES_PER_TABLE)->slot[name % CAPABILITIES_PER_TABLE - 1];
}

static inline __attribute__((always_inline)) bool name_is_in_a_table(capability_name name)
{
    frame_name frame = name / CAPABILITIES_PER_TABLE;

    return frame < kernel.frame_count && name % CAPABILITIES_PER_TABLE != 0 &&
           frame_at(frame)->kind == EXO_FRAME_CAPABILITIES;
}

static inline __attribute__((always_inline)) struct capability *live_at(capability_name name)
{
    if (!name_is_in_a_table(name) || !capability_page(name / CAPABILITIES_PER_TABLE)->header.live)
        return NULL;
    struct capability *capability = capability_at(name);
    return capability->state == CAPABILITY_LIVE ? capability : NULL;
}

struct capability *capability_live(capability_name name)
{
    return live_at(name);
}

frame_name capability_holder(capability_name name)
{
    return capability_page(name / CAPABILITIES_PER_TABLE)->header.environment;
}

uint32_t capability_slot(capability_name name)
{
    return capability_page(name / CAPABILITIES_PER_TABLE)->header.index * CAPABILITIES_PER_TABLE + name % CAPABILITIES_PER_TABLE;
}

/* Up to one of the root's. Is the stamp among the ids on the way? */
static enum reach capability_walk(capability_name name, uint64_t id, uint64_t stamp)
{
    bool found = false;

    for (uint32_t depth = 0; depth <= DEPTH_MAX; depth++) {
        const struct capability *capability = live_at(name);

        if (!capability || capability->id != id)
            return REACH_NOTHING;
        found |= id == stamp;
        if (!capability->source)
            return found ? REACH_STAMP : REACH_ROOT;
        name = capability->source;
        id = capability->source_id;
    }
    return REACH_NOTHING;
}

enum reach capability_reach(capability_name name, uint64_t id, uint64_t stamp)
{
    if (arch_check_is_noted(id) && (stamp == id || stamp == 0))
        return stamp ? REACH_STAMP : REACH_ROOT;
    uint64_t generation = __atomic_load_n(&kernel.generation, __ATOMIC_ACQUIRE);
    enum reach reach = capability_walk(name, id, stamp);
    if (reach != REACH_NOTHING)
        arch_check_note(id, generation);
    return reach;
}

void capability_forget(void)
{
    __atomic_fetch_add(&kernel.generation, 1, __ATOMIC_SEQ_CST);
}

void capability_end(capability_name name, uint64_t id)
{
    struct capability *capability = capability_live(name);
    bool is_there = capability && capability->id == id;

    if (is_there)
        __atomic_store_n(&capability->id, 0, __ATOMIC_RELEASE);
    capability_forget(); /* before the rest goes: whoever finds it noted still reads it whole */
    if (is_there)
        *capability = (struct capability){0};
}

bool claim_is_live(capability_name name, uint64_t stamp)
{
    return capability_reach(name, stamp, 0) != REACH_NOTHING;
}

bool capability_covers(const struct capability *capability, uint32_t name)
{
    if (kind_is_revocable(capability->kind))
        return name - capability->first < capability->count;
    return name == capability->first;
}

/*
 * A copy of the capability there, which is good if capability_reach then finds the copy's id in place: whoever changes a
 * capability clears its id first and sets the new one last. So calls without the lock never see half of one.
 */
static bool capability_read(capability_name name, struct capability *ret_copy)
{
    const struct capability *capability = capability_live(name);

    if (!capability)
        return false;
    uint64_t id = __atomic_load_n(&capability->id, __ATOMIC_ACQUIRE);
    *ret_copy = *capability;
    ret_copy->id = id;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return true;
}

exo_result capability_use(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights,
                          struct capability *ret_copy)
{
    capability_name name = capability_lookup(environment, slot);
    struct capability copy;

    if (!capability_read(name, &copy) || copy.kind != kind)
        return EXO_BAD_CAPABILITY;
    if (capability_reach(name, copy.id, 0) == REACH_NOTHING)
        return EXO_BAD_CAPABILITY;
    if (rights & ~copy.rights)
        return EXO_NO_RIGHT;
    *ret_copy = copy;
    return EXO_OK;
}

exo_result capability_check(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, uint32_t name,
                            uint64_t stamp)
{
    capability_name held = capability_lookup(environment, slot);
    struct capability copy;

    if (!capability_read(held, &copy) || copy.kind != kind || !capability_covers(&copy, name))
        return EXO_BAD_CAPABILITY;
    enum reach reach = capability_reach(held, copy.id, stamp);
    if (reach == REACH_NOTHING)
        return EXO_BAD_CAPABILITY;
    if (rights & ~copy.rights)
        return EXO_NO_RIGHT;
    return stamp && reach != REACH_STAMP ? EXO_NO_RIGHT : EXO_OK;
}

exo_result capability_environment(frame_name environment, uint32_t slot, uint32_t rights, frame_name *ret_environment)
{
    struct capability capability;

    if (slot == 0) {
        *ret_environment = environment;
        return EXO_OK;
    }
    exo_result result = capability_use(environment, slot, EXO_KIND_ENVIRONMENT, rights, &capability);
    if (result < 0)
        return result;
    frame_name named = capability.first;
    if (named >= kernel.frame_count || frame_at(named)->kind != EXO_FRAME_ENVIRONMENT ||
        environment_page(named)->state != ENVIRONMENT_ALIVE)
        return EXO_BAD_CAPABILITY;
    *ret_environment = named;
    return EXO_OK;
}

/* Frames, slots or an environment may be owned under it: it has to be swept before its slot is used again. */
static bool capability_may_own(const struct capability *capability)
{
    return capability->kind == EXO_KIND_ENVIRONMENT || capability->rights & EXO_RIGHT_TAKE;
}

exo_result capability_slot_is_free(frame_name environment, uint32_t slot)
{
    capability_name name = capability_lookup(environment, slot);

    if (!name)
        return EXO_BAD_NAME;
    const struct capability *old = capability_at(name);
    if (old->state == CAPABILITY_EMPTY)
        return EXO_OK;
    if (old->state == CAPABILITY_CLOSING || capability_may_own(old) || claim_is_live(name, old->id))
        return EXO_TAKEN;
    return EXO_OK;
}

uint64_t capability_mint(capability_name name, capability_name source, uint32_t kind, uint32_t rights, uint32_t first,
                         uint32_t count)
{
    const struct capability *above = capability_at(source);
    struct capability *capability = capability_at(name);
    uint64_t id = kernel.next_id++;

    __atomic_store_n(&capability->id, 0, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    capability->source_id = above->id;
    capability->source = source;
    capability->first = first;
    capability->count = count;
    capability->kind = kind;
    capability->rights = rights;
    capability->depth = above->depth + 1;
    capability->state = CAPABILITY_LIVE;
    __atomic_store_n(&capability->id, id, __ATOMIC_RELEASE);
    return id;
}

/* Is [first, first + count) a part of what the capability names? Gates and consoles have a badge or a label instead. */
static bool range_is_within(const struct capability *capability, uint32_t first, uint32_t count)
{
    uint32_t offset = first - capability->first;

    switch (capability->kind) {
    case EXO_KIND_FRAMES:
    case EXO_KIND_SLOTS:
    case EXO_KIND_PROGRAMS:
    case EXO_KIND_EXTENT:
    case EXO_KIND_FLOWS:
        return count >= 1 && offset < capability->count && count <= capability->count - offset;
    case EXO_KIND_GATE:
        return offset == 0 && (capability->count == 0 || count == capability->count);
    case EXO_KIND_CONSOLE:
        return (capability->first == 0 && capability->count == 0) || (offset == 0 && count == capability->count);
    default:
        return offset == 0 && count == capability->count;
    }
}

exo_result call_capability_derive(const struct caller *caller, uint16_t slot, uint16_t target, uint16_t new_slot,
                                  uint8_t rights, uint32_t first, uint32_t count)
{
    capability_name name = capability_lookup(caller->environment, slot);
    const struct capability *capability = capability_live(name);
    frame_name receiver;

    if (!capability || capability_reach(name, capability->id, 0) == REACH_NOTHING)
        return EXO_BAD_CAPABILITY;
    if (rights & ~RIGHTS_ALL)
        return EXO_BAD_ARGUMENT;
    if (rights & ~capability->rights || (target && !(capability->rights & EXO_RIGHT_GRANT)))
        return EXO_NO_RIGHT;
    if (!range_is_within(capability, first, count))
        return EXO_BAD_ARGUMENT;
    if (capability->depth >= DEPTH_MAX)
        return EXO_TOO_DEEP;
    exo_result result = capability_environment(caller->environment, target, EXO_RIGHT_GRANT, &receiver);
    if (result < 0)
        return result;
    result = capability_slot_is_free(receiver, new_slot);
    if (result < 0)
        return result;

    capability_mint(capability_lookup(receiver, new_slot), name, capability->kind, rights, first, count);
    return EXO_OK;
}
