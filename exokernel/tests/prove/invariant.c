/*
 * What holds of the kernel's state between calls, each claim about one thing and its neighbours, so that a call has to
 * keep it only where it writes. The prover takes a claim as true of the state before a call wherever it helps, and
 * shows it of the state after, for a thing that it knows nothing of. Claims are total: they check names before use.
 * Also: whether a frame's kind agrees with a view of its page.
 */
#include <arch.h>
#include <space.h>

enum { RIGHTS_ALL = 63, OFFSET_MASK = LARGE_FRAMES - 1 };

static bool frame_exists(frame_name frame)
{
    return frame < kernel.frame_count;
}

static uint32_t kind_of(frame_name frame)
{
    return frame_exists(frame) ? frame_at(frame)->kind : EXO_FRAME_ABSENT;
}

static uint32_t level_of(frame_name frame)
{
    uint32_t level = kind_of(frame) - TABLE_KIND_BASE;
    return level >= 1 && level <= TABLE_LEVELS ? level : 0;
}

/*
 * Ghosts: what the kernel does not keep, but the proof needs. Each binding's rank tells when it was linked: ranks fall along
 * a list, so that no ring of bindings is without a head.
 */
uint64_t ghost_of_binding[EXO_FRAME_LIMIT][TABLE_ENTRIES];
uint64_t ghost_links;

static uint64_t *rank_of(binding_name binding)
{
    return &ghost_of_binding[binding / TABLE_ENTRIES][binding % TABLE_ENTRIES];
}

void ghost_binding_link(binding_name binding, struct shadow_entry *shadow, struct exo_frame *info)
{
    *rank_of(binding) = ++ghost_links;
}

/* ---- views */

bool view_frame_table(frame_name frame)
{
    return frame_exists(frame);
}

bool view_processor_table(uint32_t processor)
{
    return processor < kernel.processor_count;
}

bool view_slot_table(uint32_t slot)
{
    return slot < kernel.processor_count * SLOTS_PER_PROCESSOR;
}

bool view_environment_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_ENVIRONMENT;
}

bool view_capability_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_CAPABILITIES;
}

bool view_table_pages(frame_name frame)
{
    return level_of(frame) != 0;
}

bool view_shadow_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_SHADOW;
}

bool view_context_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_CONTEXT;
}

bool view_trace_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_TRACE;
}

/* ---- the machine */

bool claim_kernel(void)
{
    return kernel.frame_count >= 1 && kernel.frame_count <= EXO_FRAME_LIMIT && kernel.processor_count >= 1 &&
           kernel.processor_count <= PROCESSOR_LIMIT && kernel.next_id >= 1 && frame_at(0)->kind <= EXO_FRAME_KERNEL;
}

/* Assumed, not shown: 2^62 capabilities and flushes are never reached; boot sets the trace rings up. */
bool assumed_kernel(void)
{
    return kernel.frame_count >= 1 && kernel.frame_count <= EXO_FRAME_LIMIT && kernel.processor_count <= PROCESSOR_LIMIT &&
           arch_processor() < kernel.processor_count && kernel.next_id < 1ull << 62 && system_info()->flush_epoch < 1ull << 62 &&
           ghost_links < 1ull << 62;
}

/* ---- frames and bindings */

static bool frame_is_owned(uint32_t kind)
{
    return kind >= EXO_FRAME_DIRTY && kind != EXO_FRAME_TRACE;
}

bool claim_frame_owner(frame_name frame)
{
    if (!frame_exists(frame))
        return true;
    const struct exo_frame *info = frame_at(frame);
    if (info->kind > EXO_FRAME_NET_QUEUE)
        return false;
    if (info->kind == EXO_FRAME_FREE)
        return info->owner == 0 && info->capability == 0 && info->stamp == 0;
    return !frame_is_owned(info->kind) || info->kind == EXO_FRAME_ENVIRONMENT ||
           kind_of(info->owner) == EXO_FRAME_ENVIRONMENT;
}

bool claim_frame_pair(frame_name frame)
{
    if (level_of(frame)) {
        const struct exo_frame *table = frame_at(frame);
        if (table->link >= kernel.frame_count)
            return false;
        const struct exo_frame *shadow = frame_at(table->link);
        return shadow->kind == EXO_FRAME_SHADOW && shadow->link == frame && shadow->owner == table->owner;
    }
    if (kind_of(frame) == EXO_FRAME_SHADOW) {
        const struct exo_frame *shadow = frame_at(frame);
        return shadow->link < kernel.frame_count && level_of(shadow->link) && frame_at(shadow->link)->link == frame;
    }
    return true;
}

/* A name that a list of bindings may hold: of a present entry for the frame. */
static bool binding_is_of(binding_name binding, frame_name frame)
{
    frame_name table = binding / TABLE_ENTRIES;
    uint32_t index = binding % TABLE_ENTRIES;

    if (!level_of(table) || (level_of(table) == TABLE_LEVELS && index >= USER_ROOT_ENTRIES) ||
        kind_of(frame_at(table)->link) != EXO_FRAME_SHADOW || frame_at(table)->link >= kernel.frame_count)
        return false;
    uint64_t entry = table_page(table)[index];
    return entry_is_present(entry) && entry_frame(entry) == frame;
}

static struct shadow_entry *shadow_of(binding_name binding)
{
    return &shadow_page(frame_at(binding / TABLE_ENTRIES)->link)[binding % TABLE_ENTRIES];
}

static bool kind_may_be_bound(uint32_t kind)
{
    return (kind >= EXO_FRAME_DATA && kind <= EXO_FRAME_TABLE3) || kind == EXO_FRAME_ENVIRONMENT ||
           kind == EXO_FRAME_CAPABILITIES || kind == EXO_FRAME_CONTEXT || kind == EXO_FRAME_LARGE || kind == EXO_FRAME_TRACE ||
           kind == EXO_FRAME_RING || kind == EXO_FRAME_NET_RING;
}

bool claim_frame_bindings(frame_name frame)
{
    if (!frame_exists(frame) || !frame_at(frame)->bindings)
        return true;
    binding_name first = frame_at(frame)->bindings;
    return kind_may_be_bound(frame_at(frame)->kind) && binding_is_of(first, frame) && shadow_of(first)->previous == 0;
}

static bool leaf_is_sound(uint64_t entry, uint32_t level, uint32_t kind)
{
    bool writes = entry_flags(entry) & EXO_MAP_WRITE || entry_may(entry) & EXO_MAP_WRITE;
    bool executes = entry_flags(entry) & EXO_MAP_EXECUTE || entry_may(entry) & EXO_MAP_EXECUTE;

    if ((entry_flags(entry) & (EXO_MAP_WRITE | EXO_MAP_EXECUTE)) == (EXO_MAP_WRITE | EXO_MAP_EXECUTE) ||
        !(entry & ENTRY_USER))
        return false;
    if (level == 2 || kind == EXO_FRAME_LARGE)
        return level == 2 && kind == EXO_FRAME_LARGE;
    if (kind == EXO_FRAME_DATA)
        return level == 1;
    return level == 1 && kind_may_be_bound(kind) && !executes && 
           (!writes || kind == EXO_FRAME_CONTEXT || kind == EXO_FRAME_RING || kind == EXO_FRAME_NET_RING);
}

bool claim_binding(frame_name table, uint32_t index)
{
    uint32_t level = level_of(table);
    binding_name binding = table * TABLE_ENTRIES + index;

    if (!level || index >= TABLE_ENTRIES || (level == TABLE_LEVELS && index >= USER_ROOT_ENTRIES))
        return true;
    uint64_t entry = table_page(table)[index];
    if (!entry_is_present(entry))
        return entry == 0;
    frame_name frame = entry_frame(entry);
    if (!frame_exists(frame))
        return false;
    if (level == 1 || entry_flags(entry) & EXO_MAP_LARGE)
        return leaf_is_sound(entry, level, frame_at(frame)->kind) && binding;
    return level_of(frame) == level - 1 && frame_at(frame)->owner == frame_at(table)->owner;
}

/* What a frame's list of bindings consists of: an entry below the limit of its table, present, for a frame that exists. */
static bool is_binding(frame_name table, uint32_t index)
{
    if (!level_of(table) || index >= TABLE_ENTRIES || (level_of(table) == TABLE_LEVELS && index >= USER_ROOT_ENTRIES))
        return false;
    return entry_is_present(table_page(table)[index]) && frame_exists(entry_frame(table_page(table)[index]));
}

/* The first of its frame's list has the highest rank, and no previous one. */
bool claim_binding_list(frame_name table, uint32_t index)
{
    binding_name binding = table * TABLE_ENTRIES + index;

    if (!is_binding(table, index))
        return true;
    binding_name first = frame_at(entry_frame(table_page(table)[index]))->bindings;
    return first && *rank_of(binding) <= *rank_of(first) && *rank_of(binding) <= ghost_links &&
           (first == binding) == (shadow_of(binding)->previous == 0);
}

/* My next's previous is me, and ranks fall. */
bool claim_binding_next(frame_name table, uint32_t index)
{
    binding_name binding = table * TABLE_ENTRIES + index;

    if (!is_binding(table, index) || !shadow_of(binding)->next)
        return true;
    binding_name next = shadow_of(binding)->next;
    return binding_is_of(next, entry_frame(table_page(table)[index])) && shadow_of(next)->previous == binding &&
           *rank_of(next) < *rank_of(binding);
}

bool claim_binding_previous(frame_name table, uint32_t index)
{
    binding_name binding = table * TABLE_ENTRIES + index;

    if (!is_binding(table, index) || !shadow_of(binding)->previous)
        return true;
    binding_name previous = shadow_of(binding)->previous;
    return binding_is_of(previous, entry_frame(table_page(table)[index])) && shadow_of(previous)->next == binding;
}

/* Of two in a list, the lower one comes after the higher one. */
bool claim_binding_order(frame_name table, uint32_t index, frame_name other_table, uint32_t other_index)
{
    binding_name low = table * TABLE_ENTRIES + index, high = other_table * TABLE_ENTRIES + other_index;

    if (!is_binding(table, index) || !is_binding(other_table, other_index) || low == high ||
        entry_frame(table_page(table)[index]) != entry_frame(table_page(other_table)[other_index]))
        return true;
    if (*rank_of(low) >= *rank_of(high))
        return *rank_of(low) != *rank_of(high);
    return shadow_of(high)->next && *rank_of(low) <= *rank_of(shadow_of(high)->next);
}

/* The binding that a sweep will look at next is one of the frame's. */
bool claim_pass(frame_name frame)
{
    if (!kind_may_be_bound(kind_of(frame)) || level_of(frame) || !(frame_at(frame)->link >> 32))
        return true;
    binding_name next = (binding_name)frame_at(frame)->link;
    return !next || binding_is_of(next, frame);
}

/* ---- large frames */

bool claim_large(frame_name frame)
{
    uint32_t kind = kind_of(frame);

    if (kind == EXO_FRAME_LARGE)
        return frame % LARGE_FRAMES == 0 && kernel.frame_count - frame >= LARGE_FRAMES &&
               frame_at(frame)->progress < LARGE_FRAMES && (frame_at(frame)->closing || frame_at(frame)->progress == LARGE_FRAMES - 1);
    if (kind != EXO_FRAME_LARGE_PART)
        return true;
    frame_name first = frame & ~(frame_name)OFFSET_MASK;
    return frame_at(frame)->link == first && kind_of(first) == EXO_FRAME_LARGE && frame - first <= frame_at(first)->progress &&
           frame_at(frame)->owner == frame_at(first)->owner && !frame_at(frame)->bindings;
}

/* Progress is of page tables and large frames: a frame that becomes one begins at none. */
bool claim_progress(frame_name frame)
{
    return !frame_exists(frame) || level_of(frame) || kind_of(frame) == EXO_FRAME_LARGE || frame_at(frame)->progress == 0;
}

/* What the first one's progress counts are its parts. */
bool claim_large_part(frame_name frame)
{
    frame_name first = frame & ~(frame_name)OFFSET_MASK;

    if (kind_of(first) != EXO_FRAME_LARGE || frame == first || frame - first > frame_at(first)->progress)
        return true;
    return kind_of(frame) == EXO_FRAME_LARGE_PART;
}

/* ---- capabilities */

bool claim_capability_table(frame_name frame)
{
    if (kind_of(frame) != EXO_FRAME_CAPABILITIES)
        return true;
    const struct capability_header *header = &capability_page(frame)->header;
    return kind_of(header->environment) == EXO_FRAME_ENVIRONMENT && header->index < TABLES_PER_ENVIRONMENT &&
           environment_page(header->environment)->tables[header->index] == frame;
}

bool claim_environment_table(frame_name environment, uint32_t index)
{
    if (kind_of(environment) != EXO_FRAME_ENVIRONMENT || index >= TABLES_PER_ENVIRONMENT)
        return true;
    frame_name table = environment_page(environment)->tables[index];
    if (!table)
        return true;
    const struct capability_header *header = &capability_page(table)->header;
    return kind_of(table) == EXO_FRAME_CAPABILITIES && header->environment == environment && header->index == index &&
           (!header->live || environment_page(environment)->state == ENVIRONMENT_ALIVE);
}

static const struct capability *capability_named(capability_name name)
{
    return &capability_page(name / CAPABILITIES_PER_TABLE)->slot[name % CAPABILITIES_PER_TABLE - 1];
}

static bool capability_exists(capability_name name)
{
    return name % CAPABILITIES_PER_TABLE && kind_of(name / CAPABILITIES_PER_TABLE) == EXO_FRAME_CAPABILITIES;
}

bool claim_capability(capability_name name)
{
    if (!capability_exists(name))
        return true;
    const struct capability *capability = capability_named(name);
    if (capability->state > CAPABILITY_CLOSING)
        return false;
    if (capability->state == CAPABILITY_EMPTY)
        return true;
    if (capability->kind == EXO_KIND_SLOTS) {
        uint32_t limit = kernel.processor_count * SLOTS_PER_PROCESSOR;
        if (capability->first > limit || capability->count > limit - capability->first)
            return false;
    }
    if (capability->kind < EXO_KIND_FRAMES || capability->kind > EXO_KIND_FLOWS || capability->rights & ~RIGHTS_ALL ||
        capability->depth > DEPTH_MAX)
        return false;
    return capability->state == CAPABILITY_CLOSING ||
           (capability->id && capability->id < kernel.next_id &&
            (capability->source ? capability->depth && capability->source_id < capability->id : !capability->depth));
}

static bool range_is_within(const struct capability *inner, const struct capability *outer)
{
    uint32_t offset = inner->first - outer->first;

    switch (inner->kind) {
    case EXO_KIND_FRAMES:
    case EXO_KIND_SLOTS:
    case EXO_KIND_PROGRAMS:
    case EXO_KIND_EXTENT:
    case EXO_KIND_FLOWS:
        return inner->count >= 1 && offset < outer->count && inner->count <= outer->count - offset;
    case EXO_KIND_GATE:
        return offset == 0 && (outer->count == 0 || inner->count == outer->count);
    case EXO_KIND_CONSOLE:
        return (outer->first == 0 && outer->count == 0) || (offset == 0 && inner->count == outer->count);
    default:
        return offset == 0 && inner->count == outer->count;
    }
}

/* What the capability was derived from, as long as both live; else NULL. */
static const struct capability *source_of(capability_name name)
{
    if (!capability_exists(name) || capability_named(name)->state != CAPABILITY_LIVE || !capability_named(name)->source)
        return NULL;
    const struct capability *inner = capability_named(name);
    if (!capability_exists(inner->source))
        return NULL;
    const struct capability *outer = capability_named(inner->source);
    return outer->state == CAPABILITY_LIVE && outer->id == inner->source_id ? outer : NULL;
}

bool claim_depth(capability_name name)
{
    const struct capability *outer = source_of(name);

    return !outer || capability_named(name)->depth == outer->depth + 1;
}

/* What is derived is no more than what it was derived from. */
bool claim_derivation(capability_name name)
{
    const struct capability *outer = source_of(name), *inner = capability_named(name);

    if (!outer)
        return true;
    if (inner->kind != outer->kind)
        return inner->kind == EXO_KIND_ENVIRONMENT || inner->kind == EXO_KIND_GATE;
    return !(inner->rights & ~outer->rights) && range_is_within(inner, outer);
}

/* ---- environments */

bool claim_environment(frame_name frame)
{
    if (kind_of(frame) != EXO_FRAME_ENVIRONMENT)
        return true;
    const struct environment *environment = environment_page(frame);
    return (environment->state == ENVIRONMENT_ALIVE || environment->state == ENVIRONMENT_DYING) &&
           (!environment->root ||
            (kind_of(environment->root) == EXO_FRAME_TABLE4 && frame_at(environment->root)->owner == frame));
}

/* ---- the caller, as the dispatcher fills it in */

bool assumed_caller(const struct caller *caller)
{
    return kind_of(caller->environment) == EXO_FRAME_ENVIRONMENT && caller->environment &&
           environment_page(caller->environment)->state == ENVIRONMENT_ALIVE && kind_of(caller->self) == EXO_FRAME_ENVIRONMENT &&
           caller->vcpu / VCPUS_PER_ENVIRONMENT == caller->self && caller->vcpu &&
           kind_of(environment_page(caller->self)->vcpu[caller->vcpu % VCPUS_PER_ENVIRONMENT].context) == EXO_FRAME_CONTEXT;
}

/* And where the call begins it runs here. */
bool assumed_entry(const struct caller *caller)
{
    return kernel.processor[arch_processor()].running == caller->vcpu;
}
