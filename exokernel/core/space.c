#include <space.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>

enum {
    MAP_RIGHTS = EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE, /* the same bits as the rights */
    PAGE_SHIFT = 12,
};

uint32_t table_level(const struct exo_frame *info)
{
    uint32_t level = info->kind - TABLE_KIND_BASE;

    return level >= 1 && level <= TABLE_LEVELS ? level : 0;
}

static uint64_t *entry_at(binding_name binding)
{
    return &table_page(binding / TABLE_ENTRIES)[binding % TABLE_ENTRIES];
}

static struct shadow_entry *shadow_at(binding_name binding)
{
    return &shadow_page(frame_at(binding / TABLE_ENTRIES)->link)[binding % TABLE_ENTRIES];
}

static void binding_link(binding_name binding, struct exo_frame *info)
{
    *shadow_at(binding) = (struct shadow_entry){.next = info->bindings, .previous = 0};
    if (info->bindings)
        shadow_at(info->bindings)->previous = binding;
    info->bindings = binding;
    if (table_level(info))
        info->progress++;
}

static void binding_unlink(binding_name binding, struct exo_frame *info)
{
    struct shadow_entry entry = *shadow_at(binding);

    if (entry.previous)
        shadow_at(entry.previous)->next = entry.next;
    else
        info->bindings = entry.next;
    if (entry.next)
        shadow_at(entry.next)->previous = entry.previous;
    *shadow_at(binding) = (struct shadow_entry){0};
    if (table_level(info))
        info->progress--;
}

void space_clear_entry(binding_name binding)
{
    uint64_t *entry = entry_at(binding);
    frame_name frame = entry_frame(*entry);
    struct exo_frame *info = frame_at(frame);

    if (table_level(info) == 0 && (binding_name)info->link == binding) /* a sweep is about to look at it */
        info->link = (info->link & ~(uint64_t)UINT32_MAX) | shadow_at(binding)->next;
    binding_unlink(binding, info);
    *entry = 0;
}

/* An environment's page is bound under its ENVIRONMENT capability, all else as frames. */
static uint32_t kind_of_claim(const struct exo_frame *info)
{
    return info->kind == EXO_FRAME_ENVIRONMENT ? EXO_KIND_ENVIRONMENT : EXO_KIND_FRAMES;
}

/* Does the capability in the environment's slot justify binding the frame, all of it, with these rights? */
static exo_result frame_check(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame)
{
    const struct exo_frame *info = frame_at(frame);

    if (info->kind == EXO_FRAME_LARGE) {
        exo_result result = capability_check(environment, slot, EXO_KIND_FRAMES, rights, frame + LARGE_FRAMES - 1, 0);
        if (result < 0)
            return result;
    }
    return capability_check(environment, slot, kind_of_claim(info), rights, frame, info->stamp);
}

bool space_is_view(binding_name binding)
{
    return frame_at(binding / TABLE_ENTRIES)->kind == EXO_FRAME_TABLE1;
}

binding_name space_next_binding(binding_name binding)
{
    return shadow_at(binding)->next;
}

bool space_is_justified(binding_name binding)
{
    uint64_t entry = *entry_at(binding);
    const struct exo_frame *table = frame_at(binding / TABLE_ENTRIES);

    if (!space_is_view(binding) && !(entry_flags(entry) & EXO_MAP_LARGE))
        return true;
    return frame_check(table->owner, entry_slot(entry), entry_may(entry) & MAP_RIGHTS, entry_frame(entry)) == EXO_OK;
}

/* A batch lies in memory that other processors may write: every field is read once. */
static struct exo_mapping mapping_read(const struct caller *caller, uint32_t i)
{
    const volatile struct exo_mapping *mapping = &context_page(caller->context)->batch[i];

    return (struct exo_mapping){
        .address = mapping->address, .table = mapping->table, .frame = mapping->frame,
        .capability = mapping->capability, .flags = mapping->flags, .reserved = mapping->reserved,
    };
}

/* The binding that an entry of a batch names in one of the environment's own tables. */
static exo_result mapping_find(const struct caller *caller, const struct exo_mapping *mapping, binding_name *ret_binding,
                               uint32_t *ret_level)
{
    const struct exo_frame *table = frame_named(mapping->table);

    if (!table)
        return EXO_BAD_NAME;
    if (mapping->reserved || mapping->address & (EXO_FRAME_SIZE - 1) || mapping->address >= EXO_USER_LIMIT)
        return EXO_BAD_ARGUMENT;
    uint32_t level = table_level(table);
    if (!level)
        return EXO_WRONG_KIND;
    if (table->owner != caller->environment || table->closing)
        return EXO_NO_RIGHT;
    uint32_t index = table_index(mapping->address, level);
    if (level == TABLE_LEVELS && index >= USER_ROOT_ENTRIES)
        return EXO_BAD_ARGUMENT;
    *ret_binding = mapping->table * TABLE_ENTRIES + index;
    *ret_level = level;
    return EXO_OK;
}

static exo_result may_bind_table(const struct caller *caller, const struct exo_mapping *mapping, uint32_t level)
{
    const struct exo_frame *child = frame_named(mapping->frame);

    if (!child)
        return EXO_BAD_NAME;
    if (mapping->flags != EXO_MAP_READ || mapping->capability)
        return EXO_BAD_ARGUMENT;
    if (table_level(child) != level - 1)
        return EXO_WRONG_KIND;
    return child->owner == caller->environment && !child->closing ? EXO_OK : EXO_NO_RIGHT;
}

/* The flags that a frame of this kind may ever be bound with in a table of this level; 0: none. */
static uint32_t flags_of_kind(uint32_t kind, uint32_t level)
{
    switch (kind) {
    case EXO_FRAME_DATA:
        return level == 1 ? EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE : 0;
    case EXO_FRAME_LARGE:
        return level == 2 ? EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE | EXO_MAP_LARGE : 0;
    case EXO_FRAME_CONTEXT:
        return level == 1 ? EXO_MAP_READ | EXO_MAP_WRITE : 0;
    case EXO_FRAME_TABLE1:
    case EXO_FRAME_TABLE2:
    case EXO_FRAME_TABLE3:
    case EXO_FRAME_ENVIRONMENT:
    case EXO_FRAME_CAPABILITIES:
    case EXO_FRAME_TRACE:
        return level == 1 ? EXO_MAP_READ : 0;
    default:
        return 0;
    }
}

static exo_result may_bind_frame(const struct caller *caller, const struct exo_mapping *mapping, uint32_t level)
{
    const struct exo_frame *info = frame_named(mapping->frame);

    if (!info)
        return EXO_BAD_NAME;
    uint32_t allowed = flags_of_kind(info->kind, level);
    if (!allowed)
        return EXO_WRONG_KIND;
    if (mapping->flags & ~allowed || (allowed & EXO_MAP_LARGE & ~mapping->flags))
        return EXO_NO_RIGHT;
    if (mapping->flags & EXO_MAP_LARGE && mapping->address & ((uint64_t)LARGE_FRAMES * EXO_FRAME_SIZE - 1))
        return EXO_BAD_ARGUMENT;
    if (info->closing)
        return EXO_NO_RIGHT;
    return frame_check(caller->environment, mapping->capability, mapping->flags & MAP_RIGHTS, mapping->frame);
}

static bool flags_are_sound(uint32_t flags, uint32_t known)
{
    return !(flags & ~known) && flags & EXO_MAP_READ && (flags & (EXO_MAP_WRITE | EXO_MAP_EXECUTE)) !=
                                                            (EXO_MAP_WRITE | EXO_MAP_EXECUTE);
}

exo_result space_bind_one(const struct caller *caller, const struct exo_mapping *mapping)
{
    binding_name binding;
    uint32_t level;

    exo_result result = mapping_find(caller, mapping, &binding, &level);
    if (result < 0)
        return result;
    if (!flags_are_sound(mapping->flags, MAP_RIGHTS | EXO_MAP_LARGE))
        return EXO_BAD_ARGUMENT;
    if (entry_is_present(*entry_at(binding)))
        return EXO_TAKEN;
    bool is_table = level > 1 && !(mapping->flags & EXO_MAP_LARGE);
    result = is_table ? may_bind_table(caller, mapping, level) : may_bind_frame(caller, mapping, level);
    if (result < 0)
        return result;

    struct exo_frame *info = frame_at(mapping->frame);
    if (table_level(info) && info->progress >= TABLE_BINDINGS_MAX)
        return EXO_TAKEN;
    if (is_table) {
        *entry_at(binding) = entry_make_table(mapping->frame);
    } else {
        uint32_t rights = capability_at(capability_lookup(caller->environment, mapping->capability))->rights;
        uint32_t may = flags_of_kind(info->kind, level) & rights & MAP_RIGHTS;
        *entry_at(binding) = entry_make(mapping->frame, mapping->flags, may, mapping->capability);
    }
    binding_link(binding, info);
    return EXO_OK;
}

/* This processor forgets a removed or changed translation; the others when they pass the epoch. */
static void translation_forget(const struct caller *caller, const struct exo_mapping *mapping, uint32_t level)
{
    flush_begin();
    if (mapping->flags & EXO_MAP_LAZY || caller->environment != caller->self)
        return;
    if (level == 1)
        arch_flush_page(mapping->address);
    else
        arch_flush_all();
}

exo_result space_unbind_one(const struct caller *caller, const struct exo_mapping *mapping)
{
    binding_name binding;
    uint32_t level;

    exo_result result = mapping_find(caller, mapping, &binding, &level);
    if (result < 0)
        return result;
    if (mapping->flags & ~EXO_MAP_LAZY || mapping->frame || mapping->capability)
        return EXO_BAD_ARGUMENT;
    if (!entry_is_present(*entry_at(binding)))
        return EXO_WRONG_KIND;

    space_clear_entry(binding);
    translation_forget(caller, mapping, level);
    return EXO_OK;
}

exo_result space_protect_one(const struct caller *caller, const struct exo_mapping *mapping)
{
    binding_name binding;
    uint32_t level;

    exo_result result = mapping_find(caller, mapping, &binding, &level);
    if (result < 0)
        return result;
    if (!flags_are_sound(mapping->flags, MAP_RIGHTS | EXO_MAP_AGE | EXO_MAP_CLEAN | EXO_MAP_LAZY) || mapping->frame ||
        mapping->capability)
        return EXO_BAD_ARGUMENT;
    uint64_t entry = *entry_at(binding);
    if (!entry_is_present(entry) || (level > 1 && !(entry_flags(entry) & EXO_MAP_LARGE)))
        return EXO_WRONG_KIND;
    if (mapping->flags & MAP_RIGHTS & ~entry_may(entry))
        return EXO_NO_RIGHT;

    entry_change(entry_at(binding), mapping->flags);
    translation_forget(caller, mapping, level);
    return EXO_OK;
}

exo_result call_space_bind(const struct caller *caller, uint32_t count)
{
    if (count == 0 || count > BIND_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        struct exo_mapping mapping = mapping_read(caller, i);
        exo_result result = space_bind_one(caller, &mapping);
        if (result < 0)
            return i ? i : result;
    }
    return count;
}

exo_result call_space_protect(const struct caller *caller, uint32_t count)
{
    if (count == 0 || count > BATCH_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        struct exo_mapping mapping = mapping_read(caller, i);
        exo_result result = space_protect_one(caller, &mapping);
        if (result < 0)
            return i ? i : result;
    }
    return count;
}

exo_result call_space_unbind(const struct caller *caller, uint32_t count)
{
    if (count == 0 || count > BATCH_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        struct exo_mapping mapping = mapping_read(caller, i);
        exo_result result = space_unbind_one(caller, &mapping);
        if (result < 0)
            return i ? i : result;
    }
    return count;
}
