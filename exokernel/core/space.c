#include <space.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>

enum {
    MAP_RIGHTS = EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE, /* the same bits as the rights */
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

/* A batch lies in memory that other processors may write: every word is read once. */
static inline struct exo_mapping mapping_read(const struct caller *caller, uint32_t i)
{
    const volatile uint64_t *source = (const volatile uint64_t *)&context_page(caller->context)->batch[i];
    const uint64_t words[3] = {source[0], source[1], source[2]};
    struct exo_mapping mapping;

    _Static_assert(sizeof mapping == sizeof words, "three words");
    __builtin_memcpy(&mapping, words, sizeof mapping);
    return mapping;
}

/* The entries in a row, of one of the environment's own tables, that a mapping names. */
struct run {
    binding_name first;
    uint32_t count;
    uint32_t level;
};

static inline exo_result run_find(const struct caller *caller, const struct exo_mapping *mapping, struct run *ret_run)
{
    const struct exo_frame *table = frame_named(mapping->table);

    if (!table)
        return EXO_BAD_NAME;
    if (mapping->address & (EXO_FRAME_SIZE - 1) || mapping->address >= EXO_USER_LIMIT)
        return EXO_BAD_ARGUMENT;
    uint32_t level = table_level(table);
    if (!level)
        return EXO_WRONG_KIND;
    if (table->owner != caller->environment || table->closing)
        return EXO_NO_RIGHT;
    uint32_t index = table_index(mapping->address, level);
    uint32_t end = level == TABLE_LEVELS ? USER_ROOT_ENTRIES : TABLE_ENTRIES;
    if (index >= end || mapping->more >= end - index)
        return EXO_BAD_ARGUMENT;
    *ret_run = (struct run){
        .first = frame_clamped(mapping->table) * TABLE_ENTRIES + index, .count = mapping->more + 1, .level = level,
    };
    return EXO_OK;
}

static exo_result may_bind_table(const struct caller *caller, const struct exo_mapping *mapping, uint32_t level)
{
    const struct exo_frame *child = frame_named(mapping->frame);

    if (!child)
        return EXO_BAD_NAME;
    if (mapping->flags != EXO_MAP_READ || mapping->capability || mapping->more)
        return EXO_BAD_ARGUMENT;
    if (table_level(child) != level - 1)
        return EXO_WRONG_KIND;
    if (child->owner != caller->environment || child->closing)
        return EXO_NO_RIGHT;
    return child->progress >= TABLE_BINDINGS_MAX ? EXO_TAKEN : EXO_OK;
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

/* What was found out last in a batch: neighbours mostly have the same claim and the same justification. */
struct found {
    uint64_t stamp;
    uint32_t slot, rights;
    uint32_t walks; /* how many more may be looked up */
};

enum { WALKS_MAX = 12 };

/* OK, or why not; AGAIN: this batch has looked up enough. */
static exo_result frame_is_allowed(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame,
                                   struct found *found)
{
    const struct exo_frame *info = frame_at(frame);
    uint32_t rights = mapping->flags & MAP_RIGHTS;

    if (info->kind == EXO_FRAME_DATA && found->stamp == info->stamp && found->slot == mapping->capability &&
        found->rights == rights && capability_covers(capability_at(capability_lookup(caller->environment, found->slot)), frame))
        return EXO_OK;
    if (found->walks == 0)
        return EXO_AGAIN;
    found->walks--;
    exo_result result = frame_check(caller->environment, mapping->capability, rights, frame);
    if (result == EXO_OK)
        *found = (struct found){.stamp = info->stamp, .slot = mapping->capability, .rights = rights, .walks = found->walks};
    return result;
}

static exo_result may_bind_frame(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame,
                                 uint32_t level, struct found *found)
{
    const struct exo_frame *info = frame_named(frame);

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
    if (table_level(info) && info->progress >= TABLE_BINDINGS_MAX)
        return EXO_TAKEN;
    return frame_is_allowed(caller, mapping, frame, found);
}

static bool flags_are_sound(uint32_t flags, uint32_t known)
{
    return !(flags & ~known) && flags & EXO_MAP_READ && (flags & (EXO_MAP_WRITE | EXO_MAP_EXECUTE)) !=
                                                            (EXO_MAP_WRITE | EXO_MAP_EXECUTE);
}

static exo_result table_link(const struct caller *caller, const struct exo_mapping *mapping, const struct run *run)
{
    if (entry_is_present(*entry_at(run->first)))
        return EXO_TAKEN;
    exo_result result = may_bind_table(caller, mapping, run->level);
    if (result < 0)
        return result;

    frame_name child = frame_clamped(mapping->frame);
    *entry_at(run->first) = entry_make_table(child);
    binding_link(run->first, frame_at(child));
    return 1;
}

static exo_result frame_bind(const struct caller *caller, const struct exo_mapping *mapping, const struct run *run, uint32_t i,
                             struct found *found)
{
    frame_name frame = mapping->frame + i;
    binding_name binding = run->first + i;

    if (entry_is_present(*entry_at(binding)))
        return EXO_TAKEN;
    exo_result result = may_bind_frame(caller, mapping, frame, run->level, found);
    if (result < 0)
        return result;

    struct exo_frame *info = frame_at(frame_clamped(frame));
    uint32_t rights = capability_at(capability_lookup(caller->environment, mapping->capability))->rights;
    uint32_t may = flags_of_kind(info->kind, run->level) & rights & MAP_RIGHTS;
    *entry_at(binding) = entry_make(frame, mapping->flags, may, mapping->capability);
    binding_link(binding, info);
    return EXO_OK;
}

/* How many were bound, or why the first one was not. */
static exo_result run_bind(const struct caller *caller, const struct exo_mapping *mapping, struct found *found)
{
    struct run run;

    exo_result result = run_find(caller, mapping, &run);
    if (result < 0)
        return result;
    if (!flags_are_sound(mapping->flags, MAP_RIGHTS | EXO_MAP_LARGE))
        return EXO_BAD_ARGUMENT;
    if (run.level > 1 && !(mapping->flags & EXO_MAP_LARGE))
        return table_link(caller, mapping, &run);
    if (mapping->flags & EXO_MAP_LARGE && mapping->more)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < run.count; i++) {
        result = frame_bind(caller, mapping, &run, i, found);
        if (result < 0)
            return i ? i : result;
    }
    return run.count;
}

/* This processor forgets removed or changed translations; the others when they pass the epoch. */
static inline void run_forget(const struct caller *caller, const struct exo_mapping *mapping, const struct run *run, uint32_t count)
{
    flush_begin();
    if (mapping->flags & EXO_MAP_LAZY || caller->environment != caller->self)
        return;
    if (run->level > 1) {
        arch_flush_all();
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        arch_flush_page(mapping->address + (uint64_t)i * EXO_FRAME_SIZE);
}

static exo_result run_unbind(const struct caller *caller, const struct exo_mapping *mapping)
{
    struct run run;
    uint32_t done = 0;

    exo_result result = run_find(caller, mapping, &run);
    if (result < 0)
        return result;
    if (mapping->flags & ~EXO_MAP_LAZY || mapping->frame || mapping->capability)
        return EXO_BAD_ARGUMENT;
    for (; done < run.count && entry_is_present(*entry_at(run.first + done)); done++)
        space_clear_entry(run.first + done);
    if (done == 0)
        return EXO_WRONG_KIND;
    run_forget(caller, mapping, &run, done);
    return done;
}

static exo_result run_protect(const struct caller *caller, const struct exo_mapping *mapping)
{
    struct run run;
    uint32_t done = 0;

    exo_result result = run_find(caller, mapping, &run);
    if (result < 0)
        return result;
    if (!flags_are_sound(mapping->flags, MAP_RIGHTS | EXO_MAP_AGE | EXO_MAP_CLEAN | EXO_MAP_LAZY) || mapping->frame ||
        mapping->capability)
        return EXO_BAD_ARGUMENT;
    const struct entry_plan plan = entry_plan(mapping->flags, run.level > 1);
    uint64_t *entry = entry_at(run.first);
    for (; done < run.count && !(plan.required & ~entry[done]); done++)
        entry_change(&entry[done], &plan);
    if (done == 0)
        return entry_is_present(*entry) && (run.level == 1 || entry_flags(*entry) & EXO_MAP_LARGE) ? EXO_NO_RIGHT : EXO_WRONG_KIND;
    run_forget(caller, mapping, &run, done);
    return done;
}

exo_result space_bind(const struct caller *caller, const struct exo_mapping *mapping)
{
    struct found found = {.walks = WALKS_MAX};

    return run_bind(caller, mapping, &found);
}

enum change { CHANGE_BIND, CHANGE_PROTECT, CHANGE_UNBIND };

/* Entry by entry of the batch, until one cannot be done whole or `limit` pages are. */
static exo_result batch_apply(const struct caller *caller, uint32_t count, enum change change, uint32_t limit)
{
    struct found found = {.walks = WALKS_MAX};
    uint32_t done = 0;

    if (count == 0 || count > limit)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0; i < count; i++) {
        struct exo_mapping mapping = mapping_read(caller, i);
        exo_result result = EXO_BAD_ARGUMENT;

        if (mapping.more < limit - done)
            result = change == CHANGE_BIND ? run_bind(caller, &mapping, &found) :
                     change == CHANGE_PROTECT ? run_protect(caller, &mapping) : run_unbind(caller, &mapping);
        if (result < 0)
            return done ? done : result;
        done += result;
        if (result <= mapping.more || done == limit)
            return done;
    }
    return done;
}

exo_result call_space_bind(const struct caller *caller, uint32_t count)
{
    return batch_apply(caller, count, CHANGE_BIND, BIND_MAX);
}

exo_result call_space_protect(const struct caller *caller, uint32_t count)
{
    return batch_apply(caller, count, CHANGE_PROTECT, BATCH_MAX);
}

exo_result call_space_unbind(const struct caller *caller, uint32_t count)
{
    return batch_apply(caller, count, CHANGE_UNBIND, BATCH_MAX);
}
