/*
 * What routines of the core promise, so that the prover can show each once and take its word where it is called.
 * For a routine f: pre_f is asked for at its calls, modifies_f names what it may change (and then all claims of invariant.c
 * hold where it is called and where it returns), post_f says what holds then, same_f when it changed nothing; loop_f is what
 * holds at the head of its loop, same_loop_f when no round has changed anything. Names of parameters are those of the core.
 */
#include <arch.h>
#include <capability.h>
#include <flush.h>
#include <space.h>
#include <sweep.h>

bool assumed_caller(const struct caller *caller);
bool assumed_entry(const struct caller *caller);
extern uint64_t ghost_of_binding[EXO_FRAME_LIMIT][TABLE_ENTRIES], ghost_links;

void havoc(const volatile void *place);
uint32_t any_name(void);

static uint32_t kind_of(frame_name frame)
{
    return frame < kernel.frame_count ? frame_at(frame)->kind : EXO_FRAME_ABSENT;
}

/* ---- capabilities */

static bool name_exists(capability_name name)
{
    frame_name frame = name / CAPABILITIES_PER_TABLE;

    return frame < kernel.frame_count && name % CAPABILITIES_PER_TABLE && frame_at(frame)->kind == EXO_FRAME_CAPABILITIES;
}

static bool name_is_live(capability_name name, uint64_t id)
{
    return name_exists(name) && capability_page(name / CAPABILITIES_PER_TABLE)->header.live &&
           capability_at(name)->state == CAPABILITY_LIVE && capability_at(name)->id == id;
}

/* And what it was derived from is live too. */
static bool name_is_derived(capability_name name, uint64_t id)
{
    const struct capability *capability = capability_at(name);

    return name_is_live(name, id) && (!capability->source || name_is_live(capability->source, capability->source_id));
}

void anywhere_capability_walk(void)
{
}

bool post_capability_walk(capability_name name, uint64_t id, uint64_t stamp, enum reach result)
{
    return result <= REACH_STAMP && (result == REACH_NOTHING || name_is_derived(name, id)) &&
           (result != REACH_STAMP || id == stamp || capability_at(name)->source);
}

bool loop_capability_walk(capability_name name, uint64_t id, capability_name name_addr, uint64_t id_addr, uint32_t depth, uint8_t found)
{
    const struct capability *capability = capability_at(name);

    if (depth == 0)
        return name == name_addr && id == id_addr && !found;
    return name_is_live(name, id) && capability->source &&
           (depth == 1 ? capability->source == name_addr && capability->source_id == id_addr : name_is_derived(name, id));
}

static capability_name name_in(frame_name environment, uint32_t slot)
{
    return capability_lookup(environment, slot);
}

static bool is_refusal(exo_result result)
{
    return result < 0 && result != EXO_AGAIN;
}

void modifies_capability_use(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, struct capability *ret_copy)
{
    havoc(ret_copy);
}

bool pre_capability_use(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, struct capability *ret_copy)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT;
}

void anywhere_capability_use(void)
{
}

bool post_capability_use(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, struct capability *ret_copy,
                         exo_result result)
{
    capability_name name = name_in(environment, slot);
    const struct capability *capability = capability_at(name);

    if (result != EXO_OK)
        return is_refusal(result);
    return name && name_is_derived(name, ret_copy->id) && ret_copy->kind == kind && !(rights & ~ret_copy->rights) &&
           ret_copy->state == CAPABILITY_LIVE && capability->kind == kind && ret_copy->rights == capability->rights &&
           ret_copy->first == capability->first && ret_copy->count == capability->count && ret_copy->depth == capability->depth &&
           ret_copy->source == capability->source && ret_copy->source_id == capability->source_id;
}

bool pre_capability_check(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, uint32_t name, uint64_t stamp)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT;
}

void anywhere_capability_check(void)
{
}

bool post_capability_check(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, uint32_t name, uint64_t stamp,
                           exo_result result)
{
    capability_name held = name_in(environment, slot);
    const struct capability *capability = capability_at(held);

    if (result != EXO_OK)
        return is_refusal(result);
    return held && name_is_derived(held, capability->id) && capability->kind == kind && capability_covers(capability, name) &&
           !(rights & ~capability->rights) && (!stamp || capability->id == stamp || capability->source);
}

void modifies_capability_environment(frame_name environment, uint32_t slot, uint32_t rights, frame_name *ret_environment)
{
    havoc(ret_environment);
}

bool pre_capability_environment(frame_name environment, uint32_t slot, uint32_t rights, frame_name *ret_environment)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT && environment_page(environment)->state == ENVIRONMENT_ALIVE;
}

void anywhere_capability_environment(void)
{
}

bool post_capability_environment(frame_name environment, uint32_t slot, uint32_t rights, frame_name *ret_environment,
                                 exo_result result)
{
    if (result != EXO_OK)
        return is_refusal(result);
    return kind_of(*ret_environment) == EXO_FRAME_ENVIRONMENT && environment_page(*ret_environment)->state == ENVIRONMENT_ALIVE &&
           (slot || *ret_environment == environment);
}

bool pre_capability_slot_is_free(frame_name environment, uint32_t slot)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT;
}

bool post_capability_slot_is_free(frame_name environment, uint32_t slot, exo_result result)
{
    return result == EXO_OK || result == EXO_TAKEN ? name_exists(name_in(environment, slot)) : is_refusal(result);
}

/* ---- flushing */

void modifies_flush_is_over(uint64_t epoch)
{
    havoc(&system_info()->flush_epoch);
    havoc(&kernel.processor[any_name()].asked);
}

void anywhere_flush_is_over(void)
{
}

bool same_flush_is_over(uint64_t epoch, bool result)
{
    return result;
}

static bool has_passed(uint32_t processor, uint64_t epoch)
{
    return processor >= kernel.processor_count || processor == arch_processor() || processor_info(processor)->flushed >= epoch;
}

/* All other processors below this one have. */
static bool all_have_passed(uint32_t end, uint64_t epoch)
{
    return (end <= 0 || has_passed(0, epoch)) && (end <= 1 || has_passed(1, epoch)) && (end <= 2 || has_passed(2, epoch)) &&
           (end <= 3 || has_passed(3, epoch)) && (end <= 4 || has_passed(4, epoch)) && (end <= 5 || has_passed(5, epoch)) &&
           (end <= 6 || has_passed(6, epoch)) && (end <= 7 || has_passed(7, epoch));
}

bool post_flush_is_over(uint64_t epoch, bool result)
{
    return !result || all_have_passed(PROCESSOR_LIMIT, epoch);
}

bool loop_flush_is_over(uint64_t epoch, uint32_t p, bool over)
{
    return p <= PROCESSOR_LIMIT && p <= kernel.processor_count && (!over || all_have_passed(p, epoch));
}

bool same_loop_flush_is_over(bool over)
{
    return over;
}

/* ---- frames */

bool pre_frame_may_be_taken(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT;
}

void modifies_frame_may_be_taken(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame)
{
    havoc(&system_info()->flush_epoch);
    havoc(&kernel.processor[any_name()].asked);
}

bool same_frame_may_be_taken(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame, exo_result result)
{
    return result != EXO_AGAIN;
}

void anywhere_frame_may_be_taken(void)
{
}

bool post_frame_may_be_taken(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame, exo_result result)
{
    capability_name name = name_in(environment, slot);
    const struct capability *capability = capability_at(name);

    if (result != EXO_OK)
        return result < 0;
    return (kind_of(frame) == EXO_FRAME_FREE || (kind_of(frame) == EXO_FRAME_DIRTY && frame_at(frame)->owner == environment)) &&
           frame < kernel.frame_count && name && name_is_live(name, capability->id) && capability->kind == EXO_KIND_FRAMES &&
           capability_covers(capability, frame) && !(rights & ~capability->rights) && capability->rights & EXO_RIGHT_TAKE;
}

/* The next one may be taken; the capability stays where it was found. */
bool loop_call_frame_take(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t taken, uint32_t count)
{
    frame_name next = frame + taken;
    capability_name name = name_in(caller->environment, capability);

    return taken < count && count <= TAKE_MAX && next < kernel.frame_count && name_exists(name) &&
           (kind_of(next) == EXO_FRAME_FREE || (kind_of(next) == EXO_FRAME_DIRTY && frame_at(next)->owner == caller->environment));
}

bool same_loop_frames_give_up(uint32_t given)
{
    return given == 0;
}

/* ---- bindings */

static uint32_t level_of(frame_name frame)
{
    return frame < kernel.frame_count ? table_level(frame_at(frame)) : 0;
}

static bool binding_exists(binding_name binding)
{
    frame_name table = binding / TABLE_ENTRIES;
    uint32_t level = level_of(table);

    return level && (level < TABLE_LEVELS || binding % TABLE_ENTRIES < USER_ROOT_ENTRIES) &&
           entry_is_present(table_page(table)[binding % TABLE_ENTRIES]);
}

static void any_binding_may_go(void)
{
    havoc(&table_page(any_name())[any_name()]);
    havoc(&shadow_page(any_name())[any_name()]);
    havoc(&frame_at(any_name())->bindings);
    havoc(&frame_at(any_name())->link);
    havoc(&frame_at(any_name())->progress);
}

static uint64_t old_link(frame_name frame)
{
    return frame_at(frame)->link;
}

static uint64_t old_progress(frame_name frame)
{
    return frame_at(frame)->progress;
}

/* Lists of page tables do not use the link, and other frames' progress does not count bindings. */
static bool links_are_kept(frame_name frame)
{
    return level_of(frame) || kind_of(frame) == EXO_FRAME_SHADOW || kind_of(frame) == EXO_FRAME_LARGE_PART ?
           frame_at(frame)->link == old_link(frame) : frame_at(frame)->progress == old_progress(frame);
}

bool pre_space_clear_entry(binding_name binding)
{
    return binding_exists(binding);
}

void modifies_space_clear_entry(binding_name binding)
{
    any_binding_may_go();
}

bool post_space_clear_entry(binding_name binding, frame_name any_frame)
{
    return table_page(binding / TABLE_ENTRIES)[binding % TABLE_ENTRIES] == 0 && links_are_kept(any_frame);
}

bool pre_sweep_unbind(frame_name frame, struct budget *budget)
{
    return frame < kernel.frame_count;
}

void modifies_sweep_unbind(frame_name frame, struct budget *budget)
{
    any_binding_may_go();
    havoc(&system_info()->flush_epoch);
    havoc(budget);
}

bool post_sweep_unbind(frame_name frame, struct budget *budget, bool result, frame_name any_frame)
{
    return (!result || !frame_at(frame)->bindings) && links_are_kept(any_frame);
}

bool loop_sweep_unbind(frame_name any_frame)
{
    return links_are_kept(any_frame);
}

/* What work costs is nothing that a claim speaks of: both answers are possible at each call. */
void modifies_budget_spend(struct budget *budget, uint32_t cost)
{
    havoc(budget);
}

void anywhere_budget_spend(void)
{
}

void modifies_budget_renew(struct budget *budget, uint32_t cost)
{
    havoc(budget);
}

void anywhere_budget_renew(void)
{
}

/* ---- batches */

struct found {
    const struct capability *by;
    uint64_t stamp;
    uint32_t slot;
    struct budget budget;
};

static bool found_is_good(const struct caller *caller, const struct found *found)
{
    capability_name name = name_in(caller->environment, found->slot);

    return !found->by || (name && name_exists(name) && found->by == capability_at(name));
}

static void any_binding_may_come(void)
{
    havoc(&table_page(any_name())[any_name()]);
    havoc(&shadow_page(any_name())[any_name()]);
    havoc(&frame_at(any_name())->bindings);
    havoc(&frame_at(any_name())->progress);
    havoc(&ghost_of_binding[any_name()][any_name()]);
    havoc(&ghost_links);
}

static bool run_is_named(const struct caller *caller, frame_name table, uint32_t level)
{
    return assumed_caller(caller) && level && level == level_of(table);
}

static bool run_is_done(exo_result result, uint64_t pages)
{
    return result < 0 || (result > 0 && result <= (exo_result)pages);
}

bool pre_may_bind_frame(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame, uint32_t level)
{
    return assumed_caller(caller) && frame < kernel.frame_count && level >= 1 && level <= TABLE_LEVELS;
}

void modifies_may_bind_frame(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame, uint32_t level,
                             struct found *found)
{
    havoc(found);
}

void anywhere_may_bind_frame(void)
{
}

static bool kind_is_written_when_bound(uint32_t kind)
{
    return kind == EXO_FRAME_DATA || kind == EXO_FRAME_LARGE || kind == EXO_FRAME_CONTEXT || kind == EXO_FRAME_RING ||
           kind == EXO_FRAME_NET_RING;
}

static bool kind_is_only_read_when_bound(uint32_t kind)
{
    return (kind >= EXO_FRAME_TABLE1 && kind <= EXO_FRAME_TABLE3) || kind == EXO_FRAME_ENVIRONMENT ||
           kind == EXO_FRAME_CAPABILITIES || kind == EXO_FRAME_TRACE;
}

/* Of what kind a frame is that is bound in a table of this level with these flags. */
static bool kind_allows(uint32_t kind, uint32_t level, uint32_t flags)
{
    if (kind == EXO_FRAME_LARGE ? level != 2 || !(flags & EXO_MAP_LARGE) : level != 1 || flags & EXO_MAP_LARGE)
        return false;
    if (flags & EXO_MAP_EXECUTE && kind != EXO_FRAME_DATA && kind != EXO_FRAME_LARGE)
        return false;
    return kind_is_written_when_bound(kind) || (kind_is_only_read_when_bound(kind) && !(flags & EXO_MAP_WRITE));
}

/* It is justified by the capability that is found now. */
bool post_may_bind_frame(const struct caller *caller, const struct exo_mapping *mapping, frame_name frame, uint32_t level,
                         struct found *found, exo_result result)
{
    const struct exo_frame *info = frame_at(frame);
    capability_name name = name_in(caller->environment, mapping->capability);

    if (result != EXO_OK)
        return result < 0;
    return frame && !info->closing && kind_allows(info->kind, level, mapping->flags) &&
           (!level_of(frame) || info->progress < TABLE_BINDINGS_MAX) && found->by && found_is_good(caller, found) &&
           found->slot == mapping->capability && name && name_is_derived(name, found->by->id) &&
           found->by->kind == (info->kind == EXO_FRAME_ENVIRONMENT ? EXO_KIND_ENVIRONMENT : EXO_KIND_FRAMES) &&
           capability_covers(found->by, frame) &&
           (info->kind != EXO_FRAME_LARGE || capability_covers(found->by, frame + LARGE_FRAMES - 1)) &&
           !(mapping->flags & (EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE) & ~found->by->rights);
}

bool pre_run_bind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level, struct found *found)
{
    return run_is_named(caller, table, level) && found_is_good(caller, found);
}

void modifies_run_bind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                       struct found *found)
{
    any_binding_may_come();
    havoc(found);
}

bool post_run_bind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                   struct found *found, exo_result result)
{
    return run_is_done(result, mapping->more + 1ull) && found_is_good(caller, found);
}

bool same_run_bind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                   struct found *found, exo_result result)
{
    return result < 0;
}

bool loop_run_bind(const struct caller *caller, const struct exo_mapping *mapping, struct found *found, uint32_t i)
{
    return i <= mapping->more + 1 && found_is_good(caller, found);
}

bool same_loop_run_bind(uint32_t i)
{
    return i == 0;
}

bool pre_run_unbind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level)
{
    return run_is_named(caller, table, level);
}

void modifies_run_unbind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                         struct found *found)
{
    havoc(found);
    any_binding_may_go();
    havoc(&system_info()->flush_epoch);
}

bool post_run_unbind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                     struct found *found, exo_result result)
{
    return run_is_done(result, mapping->more + 1ull);
}

bool same_run_unbind(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                     struct found *found, exo_result result)
{
    return result < 0;
}

bool loop_run_unbind(const struct exo_mapping *mapping, uint32_t done)
{
    return done <= mapping->more + 1;
}

bool same_loop_run_unbind(uint32_t done)
{
    return done == 0;
}

bool pre_run_protect(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level)
{
    return run_is_named(caller, table, level);
}

void modifies_run_protect(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level)
{
    havoc(&table_page(any_name())[any_name()]);
    havoc(&system_info()->flush_epoch);
}

bool post_run_protect(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                      struct found *found, exo_result result)
{
    return run_is_done(result, mapping->more + 1ull);
}

bool same_run_protect(const struct caller *caller, const struct exo_mapping *mapping, frame_name table, uint32_t level,
                      struct found *found, exo_result result)
{
    return result < 0;
}

bool loop_run_protect(const struct exo_mapping *mapping, uint32_t done)
{
    return done <= mapping->more + 1;
}

bool same_loop_run_protect(uint32_t done)
{
    return done == 0;
}

bool pre_batch_bind(const struct caller *caller)
{
    return assumed_caller(caller) && assumed_entry(caller);
}

void modifies_batch_bind(const struct caller *caller)
{
    any_binding_may_come();
}

bool same_batch_bind(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further,
                     exo_result result)
{
    return result < 0;
}

bool loop_batch_bind(const struct caller *caller, uint32_t i, uint32_t done, uint64_t further, const struct found *found)
{
    return i <= further && further <= MAPPINGS_MAX && done < BATCH_MAX && found_is_good(caller, found);
}

bool same_loop_batch_bind(uint32_t done)
{
    return done == 0;
}

bool pre_batch_protect(const struct caller *caller)
{
    return assumed_caller(caller) && assumed_entry(caller);
}

void modifies_batch_protect(const struct caller *caller)
{
    havoc(&table_page(any_name())[any_name()]);
    havoc(&system_info()->flush_epoch);
}

bool same_batch_protect(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further,
                        exo_result result)
{
    return result < 0;
}

bool loop_batch_protect(uint32_t i, uint32_t done, uint64_t further)
{
    return i <= further && further <= MAPPINGS_MAX && done < BATCH_MAX;
}

bool same_loop_batch_protect(uint32_t done)
{
    return done == 0;
}

bool pre_batch_unbind(const struct caller *caller)
{
    return assumed_caller(caller) && assumed_entry(caller);
}

void modifies_batch_unbind(const struct caller *caller)
{
    any_binding_may_go();
    havoc(&system_info()->flush_epoch);
}

bool same_batch_unbind(const struct caller *caller, uint64_t address, uint64_t entry, uint64_t way, uint64_t further,
                       exo_result result)
{
    return result < 0;
}

bool loop_batch_unbind(uint32_t i, uint32_t done, uint64_t further)
{
    return i <= further && further <= MAPPINGS_MAX && done < BATCH_MAX;
}

bool same_loop_batch_unbind(uint32_t done)
{
    return done == 0;
}

/* ---- revocation */

bool post_link_below(capability_name claim, uint64_t stamp, capability_name above, uint64_t above_id, capability_name result)
{
    return !result || (name_is_live(result, capability_at(result)->id) && capability_at(result)->source == above);
}

void anywhere_link_below(void)
{
}

bool pre_revoke_may_force(frame_name environment, uint32_t slot)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT && name_exists(name_in(environment, slot));
}

void modifies_revoke_may_force(frame_name environment, uint32_t slot, capability_name claim, uint64_t stamp, bool is_under_way,
                               capability_name *ret_victim)
{
    havoc(ret_victim);
}

bool post_revoke_may_force(frame_name environment, uint32_t slot, capability_name claim, uint64_t stamp, bool is_under_way,
                           capability_name *ret_victim, exo_result result)
{
    if (result != EXO_OK)
        return is_refusal(result);
    return name_is_live(*ret_victim, capability_at(*ret_victim)->id) && !(capability_at(*ret_victim)->rights & EXO_RIGHT_KEPT) &&
           capability_at(*ret_victim)->source == name_in(environment, slot);
}

static void revocation_may_end(void)
{
    havoc(&environment_page(any_name())->revocation[any_name()]);
    havoc(context_page(any_name()));
}

bool pre_revocation_count_down(capability_name victim)
{
    return name_exists(victim) && name_exists(capability_at(victim)->source);
}

void modifies_revocation_count_down(capability_name victim)
{
    revocation_may_end();
}

struct holding {
    capability_name name;
    struct capability capability;
};

/* It is under a valid capability that frames are given up, and to whom that was derived from. */
bool loop_frames_give_up(const struct caller *caller, uint32_t slot, bool to_source, uint32_t given, uint32_t count,
                         exo_result result, const struct holding *holding)
{
    capability_name name = name_in(caller->environment, slot);

    return given <= count && count <= BATCH_MAX && (result == EXO_OK || given == 0) &&
           (result != EXO_OK || (name_exists(name) && (!to_source || (name_exists(holding->capability.source) &&
                                                                      capability_at(name)->source == holding->capability.source))));
}

/* ---- the end of environments */

bool pre_environment_kill(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_ENVIRONMENT;
}

static void any_call_may_end(void)
{
    struct vcpu *vcpu = &environment_page(any_name())->vcpu[any_name()];

    havoc(&vcpu->state);
    havoc(&vcpu->callee);
    havoc(&vcpu->caller);
    havoc(&vcpu->message);
    havoc(&vcpu->place.rax);
    havoc(&vcpu->stop);
}

void modifies_environment_kill(frame_name frame)
{
    havoc(&environment_page(frame)->state);
    havoc(&environment_page(frame)->reaped);
    havoc(&capability_page(any_name())->header.live);
    havoc(&capability_page(any_name())->slot[any_name()]);
    any_call_may_end();
    havoc(&kernel.generation);
    havoc(&system_info()->flush_epoch);
    havoc(&kernel.processor[arch_processor()].traced);
    havoc(&trace_page(any_name())[any_name()]);
}

bool post_environment_kill(frame_name frame)
{
    return environment_page(frame)->state == ENVIRONMENT_DYING;
}

/* The tables before this one are invalid. */
bool loop_environment_kill(frame_name frame, uint32_t i, uint32_t any_index)
{
    frame_name table = environment_page(frame)->tables[any_index % TABLES_PER_ENVIRONMENT];

    return i <= TABLES_PER_ENVIRONMENT && (any_index >= i || !table || !capability_page(table)->header.live);
}

/* ---- large frames */

/* While parts are joined the first one is large, and closing. */
bool loop_parts_join(frame_name frame)
{
    const struct exo_frame *first = frame_at(frame);

    return kind_of(frame) == EXO_FRAME_LARGE && first->closing && frame % LARGE_FRAMES == 0 &&
           kernel.frame_count - frame >= LARGE_FRAMES && first->progress < LARGE_FRAMES;
}

/* While parts are given back the first one is large, and closing. */
bool loop_large_undo(frame_name first)
{
    return kind_of(first) == EXO_FRAME_LARGE && frame_at(first)->closing;
}
