#include <offspring.h>
#include <check.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/upcall.h>

enum {
    GATE_SLOT = 31,
    RIGHTS_MEMORY = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
    RIGHTS_SELF = EXO_RIGHT_READ | EXO_RIGHT_CONTROL | EXO_RIGHT_RUN | EXO_RIGHT_GRANT,
};

static uint32_t shared_frame;
static volatile bool one_faulted;

static void events_look(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    if (events & EXO_EVENT_CHILD)
        one_faulted = true;
}

void offspring_open(void)
{
    exo_event_handler = events_look;
    check_must("a gate", exo_gate_create(0, 0, (uint64_t)exo_event_entry, 0, GATE_SLOT));
    shared_frame = memory_page(OFFSPRING_SHARED);
}

static void grant(struct offspring *offspring, uint16_t slot, enum exo_kind kind, uint32_t rights, uint32_t first,
                  uint32_t count, uint16_t *ret_slot)
{
    check_must("a grant", exo_child_grant(&offspring->child, slot, kind, rights, first, count, ret_slot));
}

static void console_grant(struct offspring *offspring)
{
    const struct exo_start_capability *console = exo_start_capability(exo_start_slot(EXO_KIND_CONSOLE, 0));

    grant(offspring, console->slot, EXO_KIND_CONSOLE, EXO_RIGHT_WRITE, console->first, console->count, 0);
}

/* The SLOTS capability of the program that covers a slot. */
static uint16_t time_slot(uint32_t slot)
{
    uint16_t found = 0;

    for (uint32_t n = 0; (found = exo_start_slot(EXO_KIND_SLOTS, n)); n++)
        if (slot - exo_start_capability(found)->first < exo_start_capability(found)->count)
            break;
    return found;
}

static void time_grant(struct offspring *offspring, uint32_t first, uint32_t count)
{
    uint16_t own = time_slot(first);

    grant(offspring, own, EXO_KIND_SLOTS, EXO_RIGHT_TAKE | EXO_RIGHT_GRANT, first, count, &offspring->time);
    for (uint32_t slot = first; slot < first + count; slot++) {
        if (exo_slot_info(slot)->owner == exo_start.environment)
            check_must("slot_free", exo_slot_free(0, own, slot));
        check_must("slot_take", exo_slot_take(offspring->child.slot, offspring->time, slot, 0));
    }
}

void offspring_make(struct offspring *offspring, uint32_t number, uint32_t first_slot, uint32_t slot_count)
{
    uint16_t slot = (uint16_t)(OFFSPRING_SLOT + OFFSPRING_SLOTS * number);
    struct exo_child *child = &offspring->child;

    offspring->number = number;
    offspring->first = memory_frames.first + memory_frames.count - (number + 1) * OFFSPRING_FRAMES;
    check_must("a copy", exo_child_create(child, &memory_space, slot, (uint16_t)(slot + 1), "copy"));
    child->start.number = number;
    console_grant(offspring);
    grant(offspring, GATE_SLOT, EXO_KIND_GATE, EXO_RIGHT_WRITE, exo_start.environment * EXO_GATES_PER_ENVIRONMENT,
          number + 1, 0);
    grant(offspring, child->slot, EXO_KIND_ENVIRONMENT, RIGHTS_SELF, child->frame, 1, 0);
    grant(offspring, memory_frames.capability, EXO_KIND_FRAMES, RIGHTS_MEMORY, offspring->first, OFFSPRING_FRAMES,
          &offspring->memory);
    grant(offspring, memory_frames.capability, EXO_KIND_FRAMES, EXO_RIGHT_READ | EXO_RIGHT_WRITE, shared_frame, 1, 0);
    grant(offspring, exo_start_slot(EXO_KIND_ENVIRONMENT, 0), EXO_KIND_ENVIRONMENT, EXO_RIGHT_RUN | EXO_RIGHT_GRANT,
          exo_start.environment, 1, &offspring->parent);
    if (slot_count)
        time_grant(offspring, first_slot, slot_count);
    check_must("memory of a copy", exo_child_memory(child, offspring->memory));
}

int offspring_run(struct offspring *offspring)
{
    int64_t result = exo_child_fork(&offspring->child);

    check_must("fork", result);
    if (result)
        return 1;
    memory_open();
    check_must("the shared page", exo_space_map(&memory_space, OFFSPRING_SHARED, shared_frame, 1,
                                                exo_start_slot(EXO_KIND_FRAMES, 1), EXO_MAP_READ | EXO_MAP_WRITE));
    return 0;
}

int offspring_wait(uint64_t deadline, uint32_t *ret_number)
{
    int status = OFFSPRING_TIMED_OUT;

    exo_events_block();
    while (!EXO_CONTEXT->inbox_full && !one_faulted && exo_time() < deadline) {
        exo_sleep(deadline, EXO_EVENT_MESSAGE | EXO_EVENT_CHILD | EXO_EVENT_TIMER, false);
        exo_events_block();
    }
    if (one_faulted) {
        one_faulted = false;
        status = OFFSPRING_FAULTED;
    } else if (EXO_CONTEXT->inbox_full) {
        *ret_number = (uint32_t)EXO_CONTEXT->inbox_badge - 1;
        status = (int)EXO_CONTEXT->inbox[1];
        __atomic_store_n(&EXO_CONTEXT->inbox_full, 0, __ATOMIC_SEQ_CST);
    }
    exo_events_restore(false);
    return status;
}

int64_t offspring_end(struct offspring *offspring, uint32_t first_slot, uint32_t slot_count)
{
    int64_t result = exo_child_end(offspring->child.slot, offspring->child.frame);

    for (uint32_t slot = first_slot; slot < first_slot + slot_count && result == EXO_OK; slot++)
        result = exo_slot_take(0, time_slot(slot), slot, 0);
    return result;
}
