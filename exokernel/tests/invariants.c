#include <invariants.h>
#include <network.h>
#include <arch.h>
#include <string.h>

/* Where the walk from a capability up to the root's ends. */
enum chain {
    CHAIN_BROKEN,  /* something on it is gone: nothing may depend on it any more */
    CHAIN_CLOSING, /* something on it is being withdrawn, and has not come to this name yet */
    CHAIN_VALID,
};

#define REQUIRE(condition, text)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return text;                                                                                               \
    } while (0)

static bool frame_is(frame_name frame, uint32_t kind)
{
    return frame && frame < kernel.frame_count && frame_at(frame)->kind == kind;
}

static bool is_table(uint32_t kind)
{
    return kind >= EXO_FRAME_TABLE1 && kind < EXO_FRAME_TABLE1 + TABLE_LEVELS;
}

static const struct capability *capability_of(capability_name name)
{
    uint32_t position = name % CAPABILITIES_PER_TABLE;
    if (!position || !frame_is(name / CAPABILITIES_PER_TABLE, EXO_FRAME_CAPABILITIES))
        return NULL;
    return &capability_page(name / CAPABILITIES_PER_TABLE)->slot[position - 1];
}

static const struct capability_header *header_of(capability_name name)
{
    return &capability_page(name / CAPABILITIES_PER_TABLE)->header;
}

static bool is_within(const struct capability *capability, uint32_t thing)
{
    return thing - capability->first < capability->count;
}

/* Does a withdrawal or a reaper still have to come by here? */
static bool is_unswept(const struct capability *capability, capability_name name, uint32_t thing)
{
    const struct capability_header *header = header_of(name);
    if (capability->state == CAPABILITY_CLOSING)
        return is_within(capability, thing);
    if (header->live || !frame_is(header->environment, EXO_FRAME_ENVIRONMENT))
        return false;
    uint32_t slot = header->index * CAPABILITIES_PER_TABLE + name % CAPABILITIES_PER_TABLE;
    return slot >= environment_page(header->environment)->reaped;
}

/* Is the sweep under way, or over and waiting until this processor has flushed? */
static bool is_flushing(capability_name name, uint32_t processor)
{
    const struct capability *capability = capability_of(name);
    return capability && capability->state == CAPABILITY_CLOSING &&
           (capability->count || capability->id > processor_info(processor)->flushed);
}

static enum chain chain_walk(capability_name name, uint64_t id, uint32_t thing, uint64_t stamp, bool *ret_stamped)
{
    *ret_stamped = false;
    for (uint32_t depth = 0; depth <= DEPTH_MAX; depth++) {
        const struct capability *capability = capability_of(name);
        if (!capability || capability->id != id || capability->state == CAPABILITY_EMPTY)
            return CHAIN_BROKEN;
        *ret_stamped |= id == stamp;
        if (capability->state == CAPABILITY_CLOSING || !header_of(name)->live)
            return is_unswept(capability, name, thing) ? CHAIN_CLOSING : CHAIN_BROKEN;
        if (!capability->source)
            return CHAIN_VALID;
        name = capability->source;
        id = capability->source_id;
    }
    return CHAIN_BROKEN;
}

/* Is something that justified the translation waiting for this processor? The way up is as it was then: what was derived from
 * something that is being withdrawn is dead, and its slot may be in use again before the withdrawal is over. */
static bool translation_is_flushing(const struct machine_translation *translation, uint32_t processor)
{
    bool is_flushing_now = is_flushing(translation->capability, processor);
    for (uint32_t i = 0; i < DEPTH_MAX && translation->above[i]; i++)
        is_flushing_now |= is_flushing(translation->above[i], processor);
    return is_flushing_now;
}

static enum chain claim_chain(capability_name name, uint64_t stamp, uint32_t thing)
{
    bool stamped;
    return chain_walk(name, stamp, thing, stamp, &stamped);
}

/* Is some withdrawal or reaping under way that has still to come to this frame or slot? */
static bool thing_is_unswept(uint32_t thing, uint32_t kind)
{
    for (frame_name table = 1; table < kernel.frame_count; table++) {
        if (!frame_is(table, EXO_FRAME_CAPABILITIES))
            continue;
        for (uint32_t position = 1; position < CAPABILITIES_PER_TABLE; position++) {
            capability_name name = table * CAPABILITIES_PER_TABLE + position;
            const struct capability *capability = capability_of(name);
            if (capability->state != CAPABILITY_EMPTY && capability->kind == kind &&
                (capability->state == CAPABILITY_CLOSING || !header_of(name)->live) && is_within(capability, thing) &&
                is_unswept(capability, name, thing))
                return true;
        }
    }
    return false;
}

static bool frame_is_unswept(frame_name frame)
{
    return thing_is_unswept(frame, EXO_KIND_FRAMES);
}

static const char *check_unowned(const struct exo_frame *info)
{
    REQUIRE(!info->owner && !info->capability && !info->stamp, "a frame that nobody owns has an owner");
    REQUIRE(!info->closing, "a frame that nobody owns is closing");
    return NULL;
}

/* An environment that is dying has lost its claim, which was what made it end, and its own pages go last. */
static bool is_dying(frame_name frame)
{
    if (frame_is(frame, EXO_FRAME_CAPABILITIES))
        frame = capability_page(frame)->header.environment;
    return frame_is(frame, EXO_FRAME_ENVIRONMENT) && environment_page(frame)->state == ENVIRONMENT_DYING;
}

static const char *check_owned(frame_name frame, const struct exo_frame *info)
{
    if (is_dying(frame))
        return NULL;
    REQUIRE(frame_is(info->owner, EXO_FRAME_ENVIRONMENT), "a frame's owner is no environment");
    REQUIRE(claim_chain(info->capability, info->stamp, frame) != CHAIN_BROKEN || frame_is_unswept(frame),
            "a frame's claim outlived its capability");
    return NULL;
}

static const char *check_table_pair(frame_name frame, const struct exo_frame *info)
{
    frame_name other = (frame_name)info->link;
    REQUIRE(info->link < kernel.frame_count, "a table's shadow is no frame");
    uint32_t kind = frame_at(other)->kind;
    REQUIRE(info->kind == EXO_FRAME_SHADOW ? is_table(kind) : kind == EXO_FRAME_SHADOW, "a table without its shadow");
    REQUIRE(frame_at(other)->link == frame, "a table's shadow is not its own");
    REQUIRE(frame_at(other)->owner == info->owner, "a table and its shadow have different owners");
    return NULL;
}

static const char *check_context(frame_name frame, const struct exo_frame *info)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++)
        found += environment_page(info->owner)->vcpu[i].context == frame;
    REQUIRE(found == 1, "a context page that is not of one of its owner's virtual processors");
    return NULL;
}

static const char *check_capability_table(frame_name frame, const struct exo_frame *info)
{
    const struct capability_header *header = &capability_page(frame)->header;
    (void)info;
    REQUIRE(frame_is(header->environment, EXO_FRAME_ENVIRONMENT), "a capability table of no environment");
    REQUIRE(header->index < TABLES_PER_ENVIRONMENT, "a capability table with a wild index");
    const struct environment *environment = environment_page(header->environment);
    REQUIRE(environment->tables[header->index] == frame, "a capability table that its environment does not know");
    REQUIRE(!header->live || environment->state == ENVIRONMENT_ALIVE, "a dying environment's capabilities are live");
    return NULL;
}

static const char *check_large_part(frame_name frame, const struct exo_frame *info)
{
    REQUIRE(info->link < frame && frame - info->link < LARGE_FRAMES, "a part of a 2 MiB frame is too far from its first");
    REQUIRE(frame_at((frame_name)info->link)->owner == info->owner, "a 2 MiB frame has two owners");
    REQUIRE(!info->bindings, "a part of a 2 MiB frame is bound by itself");
    return NULL;
}

static const char *check_program_frame(frame_name frame, const struct exo_frame *info)
{
    REQUIRE(info->link && info->link < PROGRAM_PAGES, "a program's frame names no program");
    const struct exo_program *program = program_at((uint32_t)info->link);
    REQUIRE(program->state != EXO_PROGRAM_NONE && program->owner == info->owner, "a program's frame is of another's program, or of none");
    REQUIRE(frame - program->frame < program->frames, "a program's frame that its program does not know");
    REQUIRE(!info->bindings, "a program's frame is bound");
    return NULL;
}

static const char *check_frame(frame_name frame)
{
    const struct exo_frame *info = frame_at(frame);
    const char *broken;
    switch (info->kind) {
    case EXO_FRAME_ABSENT:
    case EXO_FRAME_KERNEL:
    case EXO_FRAME_FREE:
        REQUIRE(!info->bindings, "a frame that nobody owns is bound");
        return check_unowned(info);
    case EXO_FRAME_TRACE:
        return NULL;
    case EXO_FRAME_DIRTY:
        REQUIRE(!info->bindings, "a frame that was taken back is bound");
        break;
    }
    if ((broken = check_owned(frame, info)))
        return broken;
    if (is_table(info->kind) || info->kind == EXO_FRAME_SHADOW)
        return check_table_pair(frame, info);
    if (info->kind == EXO_FRAME_CONTEXT)
        return check_context(frame, info);
    if (info->kind == EXO_FRAME_CAPABILITIES)
        return check_capability_table(frame, info);
    if (info->kind == EXO_FRAME_LARGE_PART)
        return check_large_part(frame, info);
    if (info->kind == EXO_FRAME_PROGRAM)
        return check_program_frame(frame, info);
    REQUIRE(info->kind <= EXO_FRAME_NET_QUEUE, "a frame of an unknown kind");
    return NULL;
}

static uint64_t entry_of(binding_name binding)
{
    return table_page(binding / TABLE_ENTRIES)[binding % TABLE_ENTRIES];
}

static const struct shadow_entry *shadow_of(binding_name binding)
{
    return &shadow_page((frame_name)frame_at(binding / TABLE_ENTRIES)->link)[binding % TABLE_ENTRIES];
}

static bool binding_is_of(binding_name binding, frame_name frame)
{
    frame_name table = binding / TABLE_ENTRIES;
    return table && table < kernel.frame_count && is_table(frame_at(table)->kind) && entry_is_present(entry_of(binding)) &&
           entry_frame(entry_of(binding)) == frame;
}

static const char *check_links(binding_name binding, frame_name frame)
{
    const struct shadow_entry *shadow = shadow_of(binding);
    if (shadow->previous) {
        REQUIRE(binding_is_of(shadow->previous, frame), "a binding's previous one is not of the same frame");
        REQUIRE(shadow_of(shadow->previous)->next == binding, "a binding's previous one has another next");
    } else {
        REQUIRE(frame_at(frame)->bindings == binding, "a binding without a previous one is not its frame's first");
    }
    if (shadow->next) {
        REQUIRE(binding_is_of(shadow->next, frame), "a binding's next one is not of the same frame");
        REQUIRE(shadow_of(shadow->next)->previous == binding, "a binding's next one has another previous");
    }
    return NULL;
}

static bool kind_may_be_written(uint32_t kind)
{
    return kind == EXO_FRAME_DATA || kind == EXO_FRAME_CONTEXT || kind == EXO_FRAME_LARGE || kind == EXO_FRAME_RING ||
           kind == EXO_FRAME_NET_RING;
}

static bool kind_may_be_read(uint32_t kind)
{
    return kind_may_be_written(kind) || (is_table(kind) && kind != EXO_FRAME_TABLE4) ||
           kind == EXO_FRAME_ENVIRONMENT || kind == EXO_FRAME_CAPABILITIES || kind == EXO_FRAME_TRACE;
}

/* Does nothing run in it any more? Then its page tables, which go before it does, are nobody's way to a frame. */
static bool is_stopped(frame_name environment)
{
    if (environment_page(environment)->state != ENVIRONMENT_DYING)
        return false;
    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++)
        if (environment_page(environment)->vcpu[i].context)
            return false;
    return true;
}

static const char *check_justified(const struct exo_frame *table, uint64_t entry)
{
    frame_name frame = entry_frame(entry);
    const struct exo_frame *info = frame_at(frame);
    uint32_t slot = entry_slot(entry), needed = (entry_flags(entry) | entry_may(entry)) & ~EXO_MAP_LARGE;
    uint32_t kind = info->kind == EXO_FRAME_ENVIRONMENT ? EXO_KIND_ENVIRONMENT : EXO_KIND_FRAMES;
    frame_name capabilities = environment_page(table->owner)->tables[slot / CAPABILITIES_PER_TABLE];
    capability_name name = capabilities * CAPABILITIES_PER_TABLE + slot % CAPABILITIES_PER_TABLE;
    const struct capability *capability = capabilities ? capability_of(name) : NULL;
    bool stamped;

    if (capability && capability->state == CAPABILITY_LIVE && capability->kind == kind) {
        bool covers = kind == EXO_KIND_FRAMES ? is_within(capability, frame) : capability->first == frame;
        enum chain chain = chain_walk(name, capability->id, frame, info->stamp, &stamped);
        if (chain == CHAIN_CLOSING)
            return NULL;
        if (chain == CHAIN_VALID && covers && !(needed & ~capability->rights) && (stamped || !info->stamp))
            return NULL;
    }
    if (claim_chain(info->capability, info->stamp, frame) == CHAIN_CLOSING || info->closing || is_stopped(table->owner))
        return NULL;
    REQUIRE(frame_is_unswept(frame), "a binding that no capability justifies");
    return NULL;
}

static const char *check_leaf(const struct exo_frame *table, uint64_t entry)
{
    uint32_t kind = frame_at(entry_frame(entry))->kind, may = entry_flags(entry) | entry_may(entry);
    REQUIRE((entry_flags(entry) & (EXO_MAP_WRITE | EXO_MAP_EXECUTE)) != (EXO_MAP_WRITE | EXO_MAP_EXECUTE),
            "a binding is writable and executable");
    REQUIRE(kind_may_be_read(kind), "a frame of this kind is never bound");
    REQUIRE(!(may & EXO_MAP_WRITE) || kind_may_be_written(kind), "a kernel page is bound writable");
    REQUIRE(!(may & EXO_MAP_EXECUTE) || kind == EXO_FRAME_DATA || kind == EXO_FRAME_LARGE, "a kernel page is bound executable");
    REQUIRE(!(may & EXO_MAP_LARGE) == (kind != EXO_FRAME_LARGE), "a 2 MiB binding of a small frame, or the reverse");
    return check_justified(table, entry);
}

static const char *check_table(frame_name frame, uint32_t *bindings)
{
    const struct exo_frame *table = frame_at(frame);
    uint32_t level = table->kind - EXO_FRAME_TABLE1 + 1;
    uint32_t entries = level == TABLE_LEVELS ? USER_ROOT_ENTRIES : TABLE_ENTRIES;
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t entry = table_page(frame)[i];
        if (!entry_is_present(entry))
            continue;
        const char *broken = NULL;
        frame_name bound = entry_frame(entry);
        REQUIRE(bound && bound < kernel.frame_count, "a binding of no frame");
        bindings[bound]++;
        if (level == 1 || entry_flags(entry) & EXO_MAP_LARGE)
            broken = check_leaf(table, entry);
        else if (frame_at(bound)->kind != table->kind - 1 || frame_at(bound)->owner != table->owner)
            broken = "an upper entry that is not one of the owner's tables of the next level";
        if (!broken)
            broken = check_links(frame * TABLE_ENTRIES + i, bound);
        if (broken)
            return broken;
    }
    for (uint32_t i = entries; i < TABLE_ENTRIES; i++)
        REQUIRE(entry_is_present(table_page(frame)[i]), "the kernel's own entry is gone from a root table");
    return NULL;
}

/* Every present entry is linked to its neighbours (check_links); that as many are found from the frame makes the lists whole. */
static const char *check_list_length(frame_name frame, uint32_t bindings)
{
    uint32_t length = 0;
    for (binding_name binding = frame_at(frame)->bindings; binding; binding = shadow_of(binding)->next) {
        REQUIRE(binding_is_of(binding, frame), "a frame's list holds another frame's binding");
        REQUIRE(++length <= bindings, "a frame's list of bindings is too long");
    }
    REQUIRE(length == bindings, "a binding is missing in its frame's list");
    return NULL;
}

static const char *check_bindings(void)
{
    static uint32_t bindings[MACHINE_FRAMES];
    const char *broken;
    memset(bindings, 0, sizeof *bindings * kernel.frame_count);
    for (frame_name frame = 1; frame < kernel.frame_count; frame++)
        if (is_table(frame_at(frame)->kind) && (broken = check_table(frame, bindings)))
            return broken;
    for (frame_name frame = 1; frame < kernel.frame_count; frame++)
        REQUIRE(!is_table(frame_at(frame)->kind) || frame_at(frame)->closing || frame_at(frame)->progress == bindings[frame],
                "a page table does not know how often it is bound");
    for (frame_name frame = 0; frame < kernel.frame_count; frame++)
        if ((bindings[frame] || frame_at(frame)->bindings) && (broken = check_list_length(frame, bindings[frame])))
            return broken;
    return NULL;
}

static const char *check_narrowed(const struct capability *capability)
{
    const struct capability *source = capability_of(capability->source);
    if (!source || source->id != capability->source_id || source->state != CAPABILITY_LIVE)
        return NULL;
    REQUIRE(capability->depth == source->depth + 1, "a capability's depth is wrong");
    if (capability->kind != source->kind)
        return NULL;
    REQUIRE(!(capability->rights & ~source->rights), "a capability has more rights than the one it was derived from");
    if (capability->kind == EXO_KIND_FRAMES || capability->kind == EXO_KIND_SLOTS || capability->kind == EXO_KIND_PROGRAMS ||
        capability->kind == EXO_KIND_FLOWS || capability->kind == EXO_KIND_EXTENT)
        REQUIRE(capability->count && is_within(source, capability->first) && is_within(source, capability->first + capability->count - 1),
                "a capability names more than the one it was derived from");
    else
        REQUIRE(capability->first == source->first || capability->kind == EXO_KIND_CONSOLE,
                "a capability names another thing than the one it was derived from");
    return NULL;
}

/* A valid capability for an environment or a gate names the very one that it was made for. */
static const char *check_named(capability_name name, const struct capability *capability)
{
    bool stamped;
    uint64_t stamp = 0;
    if (capability->kind == EXO_KIND_ENVIRONMENT) {
        stamp = capability->first < kernel.frame_count ? frame_at(capability->first)->stamp : 0;
        if (chain_walk(name, capability->id, capability->first, stamp, &stamped) == CHAIN_VALID)
            REQUIRE(stamped && frame_is(capability->first, EXO_FRAME_ENVIRONMENT), "a valid capability names an environment that is gone");
    }
    return NULL;
}

static const char *check_capability(capability_name name)
{
    const struct capability *capability = capability_of(name);
    const char *broken;
    if (capability->state == CAPABILITY_EMPTY)
        return NULL;
    REQUIRE(capability->state <= CAPABILITY_CLOSING, "a capability in an unknown state");
    bool is_swept = capability->state == CAPABILITY_CLOSING && !capability->count; /* then its id is an epoch */
    REQUIRE(is_swept || (capability->id && capability->id < kernel.next_id), "a capability with an id that was not given out");
    REQUIRE(capability->kind > EXO_KIND_NONE && capability->kind <= EXO_KIND_FLOWS, "a capability of an unknown kind");
    REQUIRE(capability->depth <= DEPTH_MAX, "a capability is too deep");
    if (capability->state == CAPABILITY_CLOSING)
        return NULL;
    if (capability->source && (broken = check_narrowed(capability)))
        return broken;
    return check_named(name, capability);
}

static const char *check_capabilities(void)
{
    const char *broken;
    for (frame_name frame = 1; frame < kernel.frame_count; frame++) {
        if (!frame_is(frame, EXO_FRAME_CAPABILITIES))
            continue;
        for (uint32_t position = 1; position < CAPABILITIES_PER_TABLE; position++)
            if ((broken = check_capability(frame * CAPABILITIES_PER_TABLE + position)))
                return broken;
    }
    return NULL;
}

static bool vcpu_exists(vcpu_name vcpu)
{
    frame_name environment = vcpu / VCPUS_PER_ENVIRONMENT;
    return frame_is(environment, EXO_FRAME_ENVIRONMENT);
}

static const struct vcpu *vcpu_of(vcpu_name vcpu)
{
    return &environment_page(vcpu / VCPUS_PER_ENVIRONMENT)->vcpu[vcpu % VCPUS_PER_ENVIRONMENT];
}

static const char *check_vcpu(frame_name environment, uint32_t index)
{
    const struct vcpu *vcpu = &environment_page(environment)->vcpu[index];
    REQUIRE(vcpu->state <= EXO_VCPU_FAULTED, "a virtual processor in an unknown state");
    REQUIRE(!vcpu->context || frame_is(vcpu->context, EXO_FRAME_CONTEXT), "a virtual processor whose context page is none");
    REQUIRE(!vcpu->context || frame_at(vcpu->context)->owner == environment, "a virtual processor with another's context page");
    REQUIRE(vcpu->state == EXO_VCPU_OFF || vcpu->context, "a virtual processor without a context page is not off");
    REQUIRE(vcpu->depth <= DEPTH_MAX, "a gate call that is too deep");
    REQUIRE(!vcpu->place.rdi && (!vcpu->place.rax || (vcpu->resume == RESUME_CALLER && (vcpu->state == EXO_VCPU_READY || vcpu->stop))),
            "the result of a gate call is left over");
    return NULL;
}

static const char *check_environment(frame_name frame)
{
    const struct environment *environment = environment_page(frame);
    const char *broken;
    REQUIRE(environment->state == ENVIRONMENT_ALIVE || environment->state == ENVIRONMENT_DYING, "an environment in an unknown state");
    if (environment->root) {
        REQUIRE(frame_is(environment->root, EXO_FRAME_TABLE1 + TABLE_LEVELS - 1), "an address space whose root is no root table");
        REQUIRE(frame_at(environment->root)->owner == frame, "an address space whose root another environment owns");
    }
    for (uint32_t i = 0; i < TABLES_PER_ENVIRONMENT; i++) {
        frame_name table = environment->tables[i];
        if (!table)
            continue;
        REQUIRE(frame_is(table, EXO_FRAME_CAPABILITIES), "an environment's capability table is none");
        REQUIRE(capability_page(table)->header.environment == frame && capability_page(table)->header.index == i,
                "an environment with another's capability table");
    }
    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++)
        if ((broken = check_vcpu(frame, i)))
            return broken;
    return NULL;
}

static const char *check_slot(uint32_t slot)
{
    const struct exo_slot *info = slot_at(slot);
    if (!info->owner) {
        REQUIRE(!info->stamp && !info->vcpu && !info->borrower, "a slot that nobody owns is used");
        return NULL;
    }
    REQUIRE(frame_is(info->owner, EXO_FRAME_ENVIRONMENT), "a slot's owner is no environment");
    REQUIRE(claim_chain(info->capability, info->stamp, slot) != CHAIN_BROKEN || thing_is_unswept(slot, EXO_KIND_SLOTS),
            "a slot's claim outlived its capability");
    REQUIRE(!info->vcpu || info->vcpu / VCPUS_PER_ENVIRONMENT == info->owner, "a slot runs another environment's virtual processor");
    return NULL;
}

/* A page of the window: unused, or one of a program's, which has an owner, its frames, and its machine code mapped while it is READY. */
static const char *check_page(uint32_t page)
{
    uint32_t first = program_at(page)->first;
    const struct exo_program *program = program_at(first);
    if (!first) {
        REQUIRE(!program_at(page)->owner && !program_at(page)->state && !machine.window[page], "an unused page of the window is used");
        return NULL;
    }
    REQUIRE(program->first == first && page - first < program->pages, "a page of the window is of a program that does not know it");
    REQUIRE(!machine.window[page] || program->state == EXO_PROGRAM_READY || program->state == EXO_PROGRAM_ENDING,
            "a program that is not ready is mapped");
    REQUIRE(program->state != EXO_PROGRAM_READY || machine.window[page] == program->frame + page - first,
            "a program is not mapped as its frames are");
    return NULL;
}

static const char *check_program(uint32_t page)
{
    const struct exo_program *program = program_at(page);
    const char *broken = check_page(page);
    if (broken || program->first != page || !page)
        return broken;
    REQUIRE(frame_is(program->owner, EXO_FRAME_ENVIRONMENT), "a program's owner is no environment");
    REQUIRE(claim_chain(program->capability, program->stamp, page) != CHAIN_BROKEN || thing_is_unswept(page, EXO_KIND_PROGRAMS),
            "a program's claim outlived its capability");
    REQUIRE(!program->id == (program->state != EXO_PROGRAM_READY), "a program has an id and is not ready, or the reverse");
    REQUIRE(program->frames >= program->pages || program->state == EXO_PROGRAM_TAKING || program->state >= EXO_PROGRAM_ENDING,
            "a program has lost frames");
    for (uint32_t i = 0; i < program->frames; i++)
        REQUIRE(frame_is(program->frame + i, EXO_FRAME_PROGRAM) && frame_at(program->frame + i)->link == page,
                "a program's frame is used for something else");
    return NULL;
}

/* Frames that have just become a program's may still be written: nobody reads them until every processor has flushed. */
static bool frame_is_being_taken(const struct exo_frame *info, uint32_t processor)
{
    const struct exo_program *program = info->kind == EXO_FRAME_PROGRAM ? program_at((uint32_t)info->link) : NULL;
    return program && (program->state == EXO_PROGRAM_TAKING || program->state == EXO_PROGRAM_ENDING ||
                       program->epoch > processor_info(processor)->flushed);
}

static const char *check_flow_claim(uint32_t flow)
{
    const struct exo_flow *info = flow_at(flow);
    if (!info->owner)
        return NULL;
    REQUIRE(frame_is(info->owner, EXO_FRAME_ENVIRONMENT), "a flow's owner is no environment");
    REQUIRE(claim_chain(info->capability, info->stamp, flow) != CHAIN_BROKEN || thing_is_unswept(flow, EXO_KIND_FLOWS),
            "a flow's claim outlived its capability");
    return NULL;
}

/* The valid capability in an environment's slot, or NULL. */
static const struct capability *capability_valid(frame_name environment, uint64_t slot)
{
    bool stamped;
    frame_name table = frame_is(environment, EXO_FRAME_ENVIRONMENT) && slot / CAPABILITIES_PER_TABLE < TABLES_PER_ENVIRONMENT
                           ? environment_page(environment)->tables[slot / CAPABILITIES_PER_TABLE] : 0;
    capability_name name = table * CAPABILITIES_PER_TABLE + (uint32_t)(slot % CAPABILITIES_PER_TABLE);
    const struct capability *capability = table ? capability_of(name) : NULL;
    return capability && chain_walk(name, capability->id, 0, 0, &stamped) == CHAIN_VALID ? capability : NULL;
}

/* What a processor remembers to have checked must still be so. */
static const char *check_recent_gate(const struct recent_gate *recent)
{
    if (!recent->caller || recent->generation != kernel.generation)
        return NULL;
    const struct capability *capability = capability_valid(recent->caller / VCPUS_PER_ENVIRONMENT, recent->slot);
    REQUIRE(capability && capability->kind == EXO_KIND_GATE && capability->rights & EXO_RIGHT_EXECUTE,
            "a processor remembers a gate's capability that is not valid any more");
    frame_name environment = capability->first / GATES_PER_ENVIRONMENT;
    const struct gate *gate = &environment_page(environment)->gate[capability->first % GATES_PER_ENVIRONMENT];
    const struct place *place = &recent->place;
    REQUIRE(recent->vcpu == environment * VCPUS_PER_ENVIRONMENT + gate->vcpu && place->rip == gate->entry && place->rsp == gate->stack &&
            place->rax == capability->count && place->rdi == capability->first % GATES_PER_ENVIRONMENT,
            "a processor remembers a gate as it is not");
    return NULL;
}

static const char *check_recent_target(const struct recent_target *recent)
{
    if (!recent->caller || recent->generation != kernel.generation)
        return NULL;
    frame_name self = recent->caller / VCPUS_PER_ENVIRONMENT, environment = recent->vcpu / VCPUS_PER_ENVIRONMENT;
    REQUIRE(recent->index == recent->vcpu % VCPUS_PER_ENVIRONMENT, "a processor remembers another virtual processor than was named");
    if (!recent->slot) {
        REQUIRE(environment == self, "a processor remembers another environment as the caller's own");
        return NULL;
    }
    const struct capability *capability = capability_valid(self, recent->slot);
    REQUIRE(capability && capability->kind == EXO_KIND_ENVIRONMENT && capability->first == environment &&
            capability->rights & EXO_RIGHT_RUN, "a processor remembers a capability to run that is not valid any more");
    return NULL;
}

static bool id_is_valid(uint64_t id)
{
    bool stamped;
    for (frame_name table = 1; table < kernel.frame_count; table++) {
        if (!frame_is(table, EXO_FRAME_CAPABILITIES))
            continue;
        for (uint32_t position = 1; position < CAPABILITIES_PER_TABLE; position++)
            if (capability_page(table)->slot[position - 1].id == id && capability_page(table)->slot[position - 1].state == CAPABILITY_LIVE)
                return chain_walk(table * CAPABILITIES_PER_TABLE + position, id, 0, 0, &stamped) == CHAIN_VALID;
    }
    return false;
}

static const char *check_notes(uint32_t number)
{
    for (uint32_t i = 0; i < MACHINE_NOTES; i++) {
        const struct machine_note *note = &machine_notes[number][i];
        if (!note->id || note->generation != kernel.generation)
            continue;
        REQUIRE(id_is_valid(note->id), "a processor notes a capability as valid that is not");
    }
    return NULL;
}

static const char *check_processor(uint32_t number)
{
    const struct processor *processor = &kernel.processor[number];
    const char *broken = check_notes(number);
    for (uint32_t i = 0; i < RECENT_MAX && !broken; i++) {
        broken = check_recent_gate(&processor->gate[i]);
        broken = broken ? broken : check_recent_target(&processor->target[i]);
    }
    if (broken)
        return broken;
    REQUIRE(processor->running == machine.processor[number].vcpu, "the machine runs another virtual processor than the kernel thinks");
    if (!processor->running)
        return NULL;
    REQUIRE(vcpu_exists(processor->running), "a virtual processor of no environment runs");
    REQUIRE(vcpu_of(processor->running)->state == EXO_VCPU_RUNNING, "what runs is not running");
    return NULL;
}

/* What hardware still remembers must be as good as a binding: nothing removed may be used after it changed hands. */
static const char *check_translation(uint32_t number, const struct machine_translation *translation)
{
    const struct exo_frame *info = frame_at(translation->frame);
    bool stamped, flushing = (info->kind == EXO_FRAME_FREE || info->kind == EXO_FRAME_DIRTY) &&
                             info->link > processor_info(number)->flushed;
    if (flushing || frame_is_being_taken(info, number))
        return NULL;
    REQUIRE(!(translation->flags & EXO_MAP_WRITE) || kind_may_be_written(info->kind) || info->kind == EXO_FRAME_LARGE_PART,
            "a processor can still write a frame that is the kernel's now");
    REQUIRE(info->kind != EXO_FRAME_FREE && info->kind != EXO_FRAME_DIRTY, "a processor can use a frame that may be taken");
    enum chain chain = chain_walk(translation->capability, translation->id, translation->frame, info->stamp, &stamped);
    REQUIRE(chain != CHAIN_BROKEN || frame_is_unswept(translation->frame) || info->closing ||
                translation_is_flushing(translation, number), "a processor can use a frame after the withdrawal was over");
    REQUIRE(chain != CHAIN_VALID || stamped || !info->stamp, "a processor can use a frame that has a new owner");
    return NULL;
}

/* A leaf table in a processor's paging-structure cache must still be one, or hold nothing that it could load. */
static const char *check_walked(const struct machine_processor *processor)
{
    if (!processor->walked)
        return NULL;
    const struct exo_frame *info = frame_at(processor->walked);
    if (info->kind == EXO_FRAME_TABLE1)
        REQUIRE(info->stamp == processor->walked_stamp, "a processor walks another owner's page table");
    else
        for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
            REQUIRE(!entry_is_present(table_page(processor->walked)[i]), "a processor walks a frame that is no page table");
    return NULL;
}

static const char *check_translations(uint32_t number)
{
    const struct machine_processor *processor = &machine.processor[number];
    const char *broken;
    for (uint32_t i = 0; i < MACHINE_TRANSLATIONS; i++)
        if (processor->translation[i].frame && (broken = check_translation(number, &processor->translation[i])))
            return broken;
    return check_walked(processor);
}

const char *invariants_check(void)
{
    const char *broken = machine_check();
    for (frame_name frame = 0; frame < kernel.frame_count && !broken; frame++) {
        broken = check_frame(frame);
        if (!broken && frame_is(frame, EXO_FRAME_ENVIRONMENT))
            broken = check_environment(frame);
    }
    if (!broken)
        broken = check_bindings();
    if (!broken)
        broken = check_capabilities();
    for (uint32_t slot = 0; slot < kernel.processor_count * SLOTS_PER_PROCESSOR && !broken; slot++)
        broken = check_slot(slot);
    for (uint32_t page = 0; page < PROGRAM_PAGES && !broken; page++)
        broken = check_program(page);
    for (uint32_t flow = 0; flow < network.flow_end && !broken; flow++)
        broken = check_flow_claim(flow);
    if (!broken)
        broken = network_check();
    for (uint32_t processor = 0; processor < kernel.processor_count && !broken; processor++) {
        broken = check_processor(processor);
        if (!broken)
            broken = check_translations(processor);
    }
    if (!broken)
        broken = disk_invariants_check();
    return broken;
}
