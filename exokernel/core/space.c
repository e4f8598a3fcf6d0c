#include <space.h>
#include <arch.h>
#include <budget.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

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

/* shadow is the binding's own entry. */
static inline void binding_link(binding_name binding, struct shadow_entry *shadow, struct exo_frame *info)
{
    *shadow = (struct shadow_entry){.next = info->bindings, .previous = 0};
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

static inline struct exo_mapping mapping_of(uint64_t address, uint64_t entry, uint64_t way)
{
    return (struct exo_mapping){
        .address = address, .table = (uint32_t)entry, .frame = entry >> 32, .capability = (uint16_t)way,
        .flags = (uint16_t)(way >> 16), .more = way >> 32,
    };
}

/* A batch lies in memory that other processors may write: every word is read once. */
static inline struct exo_mapping mapping_read(uint32_t i)
{
    const volatile uint64_t *words = (const volatile uint64_t *)&context_here()->batch[i];

    _Static_assert(sizeof(struct exo_mapping) == 3 * sizeof *words, "three words");
    return mapping_of(words[0], words[1], words[2]);
}

/* The justification that was looked up last: neighbours mostly have the same. */
struct found {
    const struct capability *by; /* NULL: nothing was looked up */
    uint64_t stamp;              /* that it was found to justify */
    uint32_t slot;
    struct budget budget;
};

/* What the parts of a call cost at most, in instructions, capabilities at their deepest. */
enum { CALL_COST = 3900, COST_FIRST = 650, COST_MAPPING = 130, COST_BIND = 100, COST_LOOK_UP = 420, COST_UNBIND = 85 };
enum { PIECE = 4 }; /* mappings between two looks at the timer */

/* What comes first is within the budget, and then the call may end. */
#define FOUND_NOTHING {.budget = {.left = COST_FIRST, .rest = CALL_COST - COST_FIRST, .is_used = true}}

static ALWAYS_INLINE bool found_spend(struct found *found, uint32_t cost)
{
    if (found->budget.left < cost && !budget_renew(&found->budget, cost))
        return false;
    found->budget.left -= cost;
    return true;
}

/* The entries in a row, of one of the environment's own tables, that a mapping names. */
struct run {
    uint64_t *entry;
    struct shadow_entry *shadow;
    binding_name first;
    uint32_t count;
    uint32_t level;
};

static ALWAYS_INLINE exo_result run_find(const struct caller *caller, const struct exo_mapping *mapping, frame_name name,
                                         uint32_t level, struct run *ret_run)
{
    const struct exo_frame *table = frame_at(name);

    if (mapping->address & (EXO_FRAME_SIZE - 1) || mapping->address >= EXO_USER_LIMIT)
        return EXO_BAD_ARGUMENT;
    if (table->owner != caller->environment || table->closing)
        return EXO_NO_RIGHT;
    uint32_t index = table_index(mapping->address, level);
    uint32_t end = level == TABLE_LEVELS ? USER_ROOT_ENTRIES : TABLE_ENTRIES;
    if (index >= end || mapping->more >= end - index)
        return EXO_BAD_ARGUMENT;
    *ret_run = (struct run){
        .entry = &table_page(name)[index], .shadow = &shadow_page(table->link)[index],
        .first = name * TABLE_ENTRIES + index, .count = mapping->more + 1, .level = level,
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
    case EXO_FRAME_RING:
    case EXO_FRAME_NET_RING:
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

/* All of what stands in a frame of this kind. */
static bool covers_all(const struct capability *by, frame_name frame, uint32_t kind)
{
    return capability_covers(by, frame) && (kind != EXO_FRAME_LARGE || capability_covers(by, frame + LARGE_FRAMES - 1));
}

/* OK, or why not; AGAIN: this call has done enough, which cannot be at its first page. */
static exo_result found_fill(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame,
                             const struct exo_frame *info, struct found *found)
{
    if (!found_spend(found, COST_LOOK_UP))
        return EXO_AGAIN;
    capability_name name = capability_lookup(caller->environment, mapping->capability);
    const struct capability *by = capability_live(name);
    if (!by || by->kind != kind_of_claim(info) || !covers_all(by, frame, info->kind))
        return EXO_BAD_CAPABILITY;
    enum reach reach = capability_reach(name, by->id, info->stamp);
    if (reach == REACH_NOTHING)
        return EXO_BAD_CAPABILITY;
    if (info->stamp && reach != REACH_STAMP)
        return EXO_NO_RIGHT;
    *found = (struct found){.by = by, .stamp = info->stamp, .slot = mapping->capability, .budget = found->budget};
    return EXO_OK;
}

/* A page of data that a capability justifies as it did the last frame of this stamp, in a TABLE1. */
static ALWAYS_INLINE bool is_plain(const struct exo_mapping *mapping, frame_name frame, const struct capability *by, uint64_t stamp)
{
    const struct exo_frame *info = frame_at(frame);

    return info->kind == EXO_FRAME_DATA && !info->closing && info->stamp == stamp && by->kind == EXO_KIND_FRAMES &&
           frame - by->first < by->count && !(mapping->flags & ~(by->rights & MAP_RIGHTS));
}

static exo_result may_bind_frame(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame, uint32_t level,
                                 struct found *found)
{
    const struct exo_frame *info = frame_at(frame);

    if (!frame)
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
    exo_result result = found_fill(caller, mapping, frame, info, found);
    if (result < 0)
        return result;
    return mapping->flags & MAP_RIGHTS & ~found->by->rights ? EXO_NO_RIGHT : EXO_OK;
}

/* READ alone, with WRITE or with EXECUTE, and more that is known. */
static ALWAYS_INLINE bool flags_are_sound(uint32_t flags, uint32_t more)
{
    const uint32_t sound = 1 << EXO_MAP_READ | 1 << (EXO_MAP_READ | EXO_MAP_WRITE) | 1 << (EXO_MAP_READ | EXO_MAP_EXECUTE);

    return !(flags & ~(MAP_RIGHTS | more)) && sound >> (flags & MAP_RIGHTS) & 1;
}

static exo_result table_link(const struct caller *caller, const struct exo_mapping *mapping, const struct run *run)
{
    if (entry_is_present(*run->entry))
        return EXO_TAKEN;
    exo_result result = may_bind_table(caller, mapping, run->level);
    if (result < 0)
        return result;

    frame_name child = frame_clamped(mapping->frame);
    *run->entry = entry_make_table(child);
    binding_link(run->first, run->shadow, frame_at(child));
    return 1;
}

static ALWAYS_INLINE void entry_write(const struct exo_mapping *mapping, const struct run *run, uint32_t i, frame_name frame,
                                      uint32_t may)
{
    run->entry[i] = entry_make(frame, mapping->flags, may, mapping->capability);
    binding_link(run->first + i, &run->shadow[i], frame_at(frame));
}

static ALWAYS_INLINE exo_result frame_bind(const struct caller *caller, const struct exo_mapping *mapping, const struct run *run,
                                           uint32_t i, struct found *found)
{
    frame_name frame = frame_clamped(mapping->frame + i);

    if (entry_is_present(run->entry[i]))
        return EXO_TAKEN;
    if (!found_spend(found, COST_BIND))
        return EXO_AGAIN;
    if (run->level > 1 || !found->by || found->slot != mapping->capability || !is_plain(mapping, frame, found->by, found->stamp)) {
        exo_result result = may_bind_frame(caller, mapping, frame, run->level, found);
        if (result < 0)
            return result;
    }
    entry_write(mapping, run, i, frame, flags_of_kind(frame_at(frame)->kind, run->level) & found->by->rights & MAP_RIGHTS);
    return EXO_OK;
}

/* What a call does with each of its mappings: how many pages were changed, or why the first one was not. */
typedef exo_result run_change(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                              struct found *found);

static ALWAYS_INLINE exo_result run_bind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table,
                                         uint32_t level, struct found *found)
{
    struct run run;

    exo_result result = run_find(caller, mapping, table, level, &run);
    if (result < 0)
        return result;
    if (!flags_are_sound(mapping->flags, EXO_MAP_LARGE))
        return EXO_BAD_ARGUMENT;
    if (!found_spend(found, COST_MAPPING))
        return EXO_AGAIN;
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
static ALWAYS_INLINE void run_forget(const struct exo_mapping *mapping, const struct run *run, uint32_t count)
{
    flush_begin();
    if (mapping->flags & EXO_MAP_LAZY)
        return;
    if (run->level > 1) {
        arch_flush_all();
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        arch_flush_page(mapping->address + (uint64_t)i * EXO_FRAME_SIZE);
}

static ALWAYS_INLINE exo_result run_unbind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table,
                                           uint32_t level, struct found *found)
{
    struct run run;
    uint32_t done = 0;

    exo_result result = run_find(caller, mapping, table, level, &run);
    if (result < 0)
        return result;
    if (mapping->flags & ~EXO_MAP_LAZY || mapping->frame || mapping->capability)
        return EXO_BAD_ARGUMENT;
    if (!found_spend(found, COST_MAPPING))
        return EXO_AGAIN;
    for (; done < run.count && entry_is_present(run.entry[done]) && found_spend(found, COST_UNBIND); done++)
        space_clear_entry(run.first + done);
    if (done == 0)
        return EXO_WRONG_KIND;
    run_forget(mapping, &run, done);
    return done;
}

static ALWAYS_INLINE exo_result run_protect(const struct caller *caller, const struct exo_mapping *mapping, frame_name table,
                                            uint32_t level, struct found *found)
{
    struct run run;
    uint32_t done = 0;

    (void)found;
    exo_result result = run_find(caller, mapping, table, level, &run);
    if (result < 0)
        return result;
    if (!flags_are_sound(mapping->flags, EXO_MAP_AGE | EXO_MAP_CLEAN | EXO_MAP_LAZY) || mapping->frame ||
        mapping->capability)
        return EXO_BAD_ARGUMENT;
    const struct entry_plan plan = entry_plan(mapping->flags, run.level > 1);
    for (; done < run.count && !(plan.required & ~run.entry[done]); done++)
        entry_change(&run.entry[done], &plan);
    if (done == 0)
        return entry_is_present(*run.entry) && (run.level == 1 || entry_flags(*run.entry) & EXO_MAP_LARGE) ? EXO_NO_RIGHT :
                                                                                                          EXO_WRONG_KIND;
    run_forget(mapping, &run, done);
    return done;
}

static ALWAYS_INLINE exo_result mapping_change(const struct caller *caller, const struct exo_mapping *mapping, struct found *found,
                                               run_change *change)
{
    frame_name table = frame_clamped(mapping->table);
    uint32_t level = table_level(frame_at(table));

    if (!table)
        return EXO_BAD_NAME;
    return level ? change(caller, mapping, table, level, found) : EXO_WRONG_KIND;
}

exo_result space_bind(const struct caller *caller, const struct exo_mapping *mapping)
{
    struct found found = FOUND_NOTHING;

    return mapping_change(caller, mapping, &found, run_bind);
}

/* One mapping after the other, until one cannot be done whole or the call has done or cost enough. */
static ALWAYS_INLINE exo_result batch_change(const struct caller *caller, struct exo_mapping mapping, uint64_t further,
                                             run_change *change)
{
    struct found found = FOUND_NOTHING;
    uint32_t done = 0;

    if (further > MAPPINGS_MAX)
        return EXO_BAD_ARGUMENT;
    for (uint32_t i = 0;; i++) {
        exo_result result = EXO_BAD_ARGUMENT;

        if (mapping.more < BATCH_MAX - done)
            result = mapping_change(caller, &mapping, &found, change);
        if (result < 0)
            return done ? done : result;
        done += result;
        if (i == further || result <= mapping.more || done == BATCH_MAX || (i % PIECE == PIECE - 1 && arch_timer_is_due()))
            return done;
        mapping = mapping_read(i);
    }
}

static __attribute__((noinline)) exo_result batch_bind(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way,
                                                       uint64_t further)
{
    return batch_change(caller, mapping_of(address, entry, way), further, run_bind);
}

static __attribute__((noinline)) exo_result batch_protect(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way,
                                                          uint64_t further)
{
    return batch_change(caller, mapping_of(address, entry, way), further, run_protect);
}

static __attribute__((noinline)) exo_result batch_unbind(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way,
                                                         uint64_t further)
{
    return batch_change(caller, mapping_of(address, entry, way), further, run_unbind);
}

typedef exo_result batch_call(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further);

/* One page of a TABLE1, which is most, goes by code of its own, without loops; all else as a batch. */
static ALWAYS_INLINE exo_result page_or_batch(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way,
                                              uint64_t further, run_change *change, batch_call *batch)
{
    struct exo_mapping mapping = mapping_of(address, entry, (uint32_t)way);
    frame_name table = frame_clamped(mapping.table);
    struct found found = FOUND_NOTHING;

    if ((further | way >> 32) == 0 && frame_at(table)->kind == EXO_FRAME_TABLE1)
        return change(caller, &mapping, table, 1, &found);
    return batch(caller, address, entry, way, further);
}

/* Is this a page of data that the capability itself owns, and was it checked lately? What is not so common goes the long way. */
static ALWAYS_INLINE bool page_is_plain(const struct exo_mapping *mapping, frame_name frame, const struct capability *by)
{
    return by && by->state == CAPABILITY_LIVE && is_plain(mapping, frame, by, by->id) && arch_check_is_noted(by->id);
}

exo_result call_space_bind(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further)
{
    struct exo_mapping mapping = mapping_of(address, entry, (uint32_t)way);
    frame_name table = frame_clamped(mapping.table);
    struct run run;

    if ((further | way >> 32) == 0 && frame_at(table)->kind == EXO_FRAME_TABLE1 &&
        run_find(caller, &mapping, table, 1, &run) == EXO_OK && flags_are_sound(mapping.flags, 0) && !entry_is_present(*run.entry)) {
        frame_name frame = frame_clamped(mapping.frame);
        const struct capability *by = capability_of(caller->environment, mapping.capability);
        if (page_is_plain(&mapping, frame, by)) {
            entry_write(&mapping, &run, 0, frame, by->rights & MAP_RIGHTS);
            return 1;
        }
    }
    return batch_bind(caller, address, entry, way, further);
}

exo_result call_space_protect(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further)
{
    return page_or_batch(caller, address, entry, way, further, run_protect, batch_protect);
}

exo_result call_space_unbind(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further)
{
    return page_or_batch(caller, address, entry, way, further, run_unbind, batch_unbind);
}
