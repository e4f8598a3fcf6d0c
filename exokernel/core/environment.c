#include <environment.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>
#include <slot.h>
#include <space.h>
#include <sweep.h>
#include <trace.h>
#include <vcpu.h>

enum {
    SLOTS_PER_ENVIRONMENT = TABLES_PER_ENVIRONMENT * CAPABILITIES_PER_TABLE,
};

exo_result call_environment_create(const struct caller *caller, uint16_t capability, uint32_t frame, uint16_t new_slot)
{
    exo_result result = frame_may_be_taken(caller->environment, capability, EXO_RIGHT_WRITE, frame);
    if (result < 0)
        return result;
    result = capability_slot_is_free(caller->environment, new_slot);
    if (result < 0)
        return result;
    capability_name source = capability_lookup(caller->environment, capability);
    if (capability_at(source)->depth >= DEPTH_MAX)
        return EXO_TOO_DEEP;

    frame_claim(caller->environment, capability, frame, EXO_FRAME_ENVIRONMENT);
    capability_name name = capability_lookup(caller->environment, new_slot);
    uint32_t rights = EXO_RIGHT_READ | EXO_RIGHT_CONTROL | EXO_RIGHT_RUN | EXO_RIGHT_DESTROY | EXO_RIGHT_GRANT;
    frame_at(frame)->stamp = capability_mint(name, source, EXO_KIND_ENVIRONMENT, rights, frame, 1);
    frame_at(frame)->capability = name;
    environment_page(frame)->state = ENVIRONMENT_ALIVE;
    environment_page(frame)->creator = caller->environment;
    trace_record(arch_time(), EXO_TRACE_CREATE, 0, frame, 0);
    return EXO_OK;
}

exo_result call_environment_extend(const struct caller *caller, uint16_t target, uint16_t capability, uint32_t frame,
                                   uint8_t index)
{
    frame_name environment;

    if (index >= TABLES_PER_ENVIRONMENT)
        return EXO_BAD_ARGUMENT;
    exo_result result = capability_environment(caller->environment, target, EXO_RIGHT_CONTROL, &environment);
    if (result < 0)
        return result;
    if (environment != caller->environment && frame_at(environment)->owner != caller->environment)
        return EXO_NO_RIGHT;
    if (environment_page(environment)->tables[index])
        return EXO_TAKEN;
    result = frame_may_be_taken(caller->environment, capability, EXO_RIGHT_WRITE, frame);
    if (result < 0)
        return result;

    frame_claim(caller->environment, capability, frame, EXO_FRAME_CAPABILITIES);
    capability_page(frame)->header = (struct capability_header){.environment = environment, .index = index, .live = 1};
    environment_page(environment)->tables[index] = frame;
    return EXO_OK;
}

exo_result call_environment_space(const struct caller *caller, uint32_t table)
{
    const struct exo_frame *info = frame_named(table);

    if (!info)
        return EXO_BAD_NAME;
    if (info->kind != TABLE_KIND_ROOT)
        return EXO_WRONG_KIND;
    if (info->owner != caller->environment || info->closing)
        return EXO_NO_RIGHT;

    environment_page(caller->environment)->root = table;
    flush_begin();
    if (caller->environment == caller->self)
        arch_flush_all();
    return EXO_OK;
}

void environment_kill(frame_name frame)
{
    struct environment *environment = environment_page(frame);
    struct exo_frame *info = frame_at(frame);

    if (environment->state == ENVIRONMENT_DYING)
        return;
    for (uint32_t i = 0; i < TABLES_PER_ENVIRONMENT; i++)
        if (environment->tables[i])
            capability_page(environment->tables[i])->header.live = 0;
    environment->state = ENVIRONMENT_DYING;
    environment->reaped = 0;
    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++)
        vcpu_halt(frame * VCPUS_PER_ENVIRONMENT + i);
    capability_end(info->capability, info->stamp);
    flush_begin();
    trace_record(arch_time(), EXO_TRACE_DESTROY, 0, frame, 0);
    if (frame == system_info()->root) {
        arch_console_write("exo: the root environment was destroyed\n", 40);
        arch_exit(1);
    }
}

exo_result call_environment_destroy(const struct caller *caller, uint16_t slot)
{
    frame_name environment;

    if (slot == 0)
        return EXO_BAD_CAPABILITY;
    exo_result result = capability_environment(caller->environment, slot, EXO_RIGHT_DESTROY, &environment);
    if (result < 0)
        return result;
    environment_kill(environment);
    return EXO_OK;
}

/* Was it derived from another one of the dying environment's? Then the sweep of that one covers it: both have been invalid
 * since the environment began to die. */
static bool capability_is_covered(const struct capability *capability, frame_name environment)
{
    frame_name table = capability->source / CAPABILITIES_PER_TABLE;

    return frame_at(table)->kind == EXO_FRAME_CAPABILITIES && capability_page(table)->header.environment == environment;
}

/* Does something rest on it that does not go with the environment's page tables and virtual processors anyway: what is owned under it, and
 * what others have bound or own under what was granted from it? */
static bool capability_must_be_swept(const struct capability *capability, frame_name environment)
{
    if (capability->kind == EXO_KIND_ENVIRONMENT || capability->state == CAPABILITY_CLOSING)
        return true;
    return kind_is_of_ranges(capability->kind) && capability->rights & (EXO_RIGHT_TAKE | EXO_RIGHT_GRANT) &&
           !capability_is_covered(capability, environment);
}

/* End what a slot of a dying environment holds; the slot itself goes with its table, whose header says already that nothing in it is valid.
 * OK: done. */
static exo_result slot_reap(capability_name name, frame_name environment, struct budget *budget)
{
    if (!capability_must_be_swept(capability_at(name), environment))
        return EXO_OK;
    if (capability_at(name)->state == CAPABILITY_LIVE)
        sweep_begin(name);
    return sweep_range(name, budget);
}

/* How many slots in a row, from this position of a table on, hold nothing. The first is the header. */
static uint32_t empty_count(frame_name table, uint32_t position, struct budget *budget)
{
    if (position == 0)
        return 1;
    const struct capability *start = &capability_page(table)->slot[position - 1], *slot = start;
    uint32_t most = budget_count(budget, COST_SKIP, CAPABILITIES_PER_TABLE - position);

    while (slot < start + most && slot->state == CAPABILITY_EMPTY)
        slot++;
    budget_spend(budget, (slot - start) * COST_SKIP);
    return slot - start;
}

/* The slots of a dying environment, one after another. OK: nothing rests on any of them, from the epoch on that it notes. */
static exo_result slots_reap(struct environment *environment, frame_name frame, struct budget *budget)
{
    while (environment->reaped < SLOTS_PER_ENVIRONMENT) {
        uint32_t position = environment->reaped % CAPABILITIES_PER_TABLE;
        frame_name table = environment->tables[environment->reaped / CAPABILITIES_PER_TABLE];

        if (!budget_spend(budget, COST_SLOT))
            return EXO_AGAIN;
        uint32_t empty = table ? empty_count(table, position, budget) : CAPABILITIES_PER_TABLE - position;
        if (empty == 0) {
            exo_result result = slot_reap(table * CAPABILITIES_PER_TABLE + position, frame, budget);
            if (result != EXO_OK)
                return result;
        }
        environment->reaped += empty ? empty : 1;
        budget->is_used = true;
    }
    if (!environment->epoch)
        environment->epoch = system_info()->flush_epoch;
    return EXO_OK;
}

/* Nobody lends it time any more. */
static bool loans_reap(struct environment *environment, frame_name frame, struct budget *budget)
{
    for (uint32_t p = environment->reaped - SLOTS_PER_ENVIRONMENT; p < kernel.processor_count; p++) {
        if (!budget_spend(budget, COST_LOANS))
            return false;
        slot_forget_borrower(frame, p);
        environment->reaped++;
        budget->is_used = true;
    }
    return true;
}

static bool tables_reap(struct environment *environment, struct budget *budget)
{
    for (uint32_t i = 0; i < TABLES_PER_ENVIRONMENT; i++) {
        frame_name table = environment->tables[i];

        if (!table)
            continue;
        if (!budget_spend(budget, COST_SLOT) || !sweep_unbind(table, budget))
            return false;
        environment->tables[i] = 0;
        frame_release_used(table);
        budget->is_used = true;
    }
    return true;
}

exo_result call_environment_reap(const struct caller *caller, uint32_t frame)
{
    const struct exo_frame *info = frame_named(frame);
    struct budget budget = {.rest = SWEEP_MAX};

    (void)caller;
    if (!info)
        return EXO_BAD_NAME;
    frame = frame_clamped(frame);
    if (info->kind != EXO_FRAME_ENVIRONMENT || environment_page(frame)->state != ENVIRONMENT_DYING)
        return EXO_WRONG_KIND;
    struct environment *environment = environment_page(frame);
    if (!sweep_stop(frame, &budget))
        return EXO_AGAIN;
    exo_result result = slots_reap(environment, frame, &budget);
    if (result != EXO_OK)
        return result;
    if (!loans_reap(environment, frame, &budget) || !flush_is_over(environment->epoch) || !tables_reap(environment, &budget) ||
        !sweep_unbind(frame, &budget))
        return EXO_AGAIN;
    frame_release_used(frame);
    return EXO_OK;
}
