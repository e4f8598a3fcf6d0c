#include "puppet.h"
#include <check.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/errors.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define PLACE_ADDRESS 0x20000000ull

enum { NEAR = 48, DEADLY_ODDS = 64, WILD_ODDS = 48, REST_ODDS = 24, FREE_SLOT = 20, FREE_SLOTS = 12 };

/*
 * Each call's arguments by what is drawn for them: s capability slot, o the same or 0, e the same of an environment
 * or 0, N an empty slot, f frame, t page table, E environment, T time slot, c count, n small number, r rights, a
 * address, d deadline, w word.
 */
static const char *const arguments[EXO_CALL_COUNT] = {
    [EXO_CALL_CAPABILITY_DERIVE] = "seNrfc",
    [EXO_CALL_CAPABILITY_WITHDRAW] = "oEN",
    [EXO_CALL_ENVIRONMENT_CREATE] = "sfN",
    [EXO_CALL_ENVIRONMENT_EXTEND] = "esfn",
    [EXO_CALL_ENVIRONMENT_SPACE] = "t",
    [EXO_CALL_ENVIRONMENT_DESTROY] = "N",
    [EXO_CALL_ENVIRONMENT_REAP] = "E",
    [EXO_CALL_FRAME_TAKE] = "sfc",
    [EXO_CALL_FRAME_FREE] = "sfc",
    [EXO_CALL_FRAME_RETURN] = "sfc",
    [EXO_CALL_FRAME_RECLAIM] = "sf",
    [EXO_CALL_TABLE_CREATE] = "sffn",
    [EXO_CALL_TABLE_FREE] = "t",
    [EXO_CALL_SPACE_BIND] = "ampn",
    [EXO_CALL_SPACE_PROTECT] = "ampn",
    [EXO_CALL_SPACE_UNBIND] = "ampn",
    [EXO_CALL_VCPU_CREATE] = "nsfa",
    [EXO_CALL_VCPU_ENTRY] = "nna",
    [EXO_CALL_VCPU_START] = "n",
    [EXO_CALL_VCPU_STOP] = "n",
    [EXO_CALL_SLOT_TAKE] = "sTn",
    [EXO_CALL_SLOT_FREE] = "sT",
    [EXO_CALL_SLOT_RECLAIM] = "sT",
    [EXO_CALL_SLOT_LEND] = "sTen",
    [EXO_CALL_TIMER_SET] = "d",
    [EXO_CALL_GATE_CREATE] = "nnaaN",
    [EXO_CALL_GATE_CALL] = "s",
    [EXO_CALL_GATE_REPLY] = "n",
    [EXO_CALL_GATE_SEND] = "swwwww",
    [EXO_CALL_REVOKE] = "sENcd",
    [EXO_CALL_CONSOLE_READ] = "s",
    [EXO_CALL_MACHINE_EXIT] = "sn",
    [EXO_CALL_SLICE_YIELD] = "",
    [EXO_CALL_SLICE_YIELD_TO] = "",
    [EXO_CALL_SLICE_SLEEP] = "",
    [EXO_CALL_SPACE_FLUSH] = "",
    [EXO_CALL_LARGE_CREATE] = "sf",
    [EXO_CALL_LARGE_FREE] = "f",
};

struct attempt {
    uint64_t word, argument[6];
};

static uint64_t state;
static uint16_t sibling_slot;
static uint32_t sibling_frame;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint64_t below(uint64_t limit)
{
    return draw() % limit;
}

static uint64_t draw_frame(void)
{
    uint64_t choice = below(8);

    if (choice < 5)
        return memory_frames.first + OFFSPRING_FRAMES - 1 - below(NEAR);
    if (choice == 5)
        return memory_frames.first + below(memory_frames.count);
    return choice == 6 ? SHARED->others[below(32)] : below(exo_system_info()->frame_count + 8);
}

static uint64_t draw_table(void)
{
    const uint32_t tables[] = { exo_start.table4, exo_start.table3, exo_start.table2,
                                exo_start.table1[below(4)].frame };

    return below(3) ? exo_space_table(&memory_space, PLACE_ADDRESS) : below(2) ? draw_frame() : tables[below(4)];
}

static uint64_t draw_environment(void)
{
    const uint32_t environments[] = { exo_start.environment, exo_start.environment, sibling_frame,
                                      exo_system_info()->root };

    return below(4) ? environments[below(4)] : draw_frame();
}

static uint64_t draw_address(void)
{
    const uint64_t places[] = { (uint64_t)exo_event_entry, (uint64_t)exo_exception_entry,
                                EXO_USER_LIMIT - EXO_FRAME_SIZE, 0xffff800000000000 };

    return below(8) ? PLACE_ADDRESS + below(64) * EXO_FRAME_SIZE : places[below(4)];
}

static uint64_t draw_slot(void)
{
    uint64_t choice = below(8);

    if (choice < 4)
        return memory_frames.capability;
    return choice < 6 ? 1 + below(9) : FREE_SLOT + below(FREE_SLOTS);
}

/* The second and third word of a mapping: of a frame under a capability, or of neither. */
static uint64_t draw_entry(void)
{
    return exo_mapping_entry((uint32_t)draw_table(), below(2) ? (uint32_t)draw_frame() : 0);
}

static uint64_t draw_way(void)
{
    uint16_t flags = (uint16_t)(below(8) ? below(4) ? 1 : below(7) : draw());

    return exo_mapping_way(below(2) ? (uint16_t)draw_slot() : 0, flags, below(8) ? 0 : (uint32_t)(draw() >> below(64)));
}

static uint64_t argument_draw(char kind)
{
    if (below(WILD_ODDS) == 0)
        return draw() >> below(64);
    switch (kind) {
    case 's': return draw_slot();
    case 'o': return below(2) ? 0 : draw_slot();
    case 'e': return below(3) == 0 ? 0 : below(2) ? sibling_slot : draw_slot();
    case 'N': return FREE_SLOT + below(FREE_SLOTS);
    case 'f': return draw_frame();
    case 't': return draw_table();
    case 'E': return draw_environment();
    case 'T': return below(128);
    case 'c': return below(2) ? 1 : below(4) ? 1 + below(8) : below(70);
    case 'n': return below(10);
    case 'r': return below(64);
    case 'a': return draw_address();
    case 'm': return draw_entry();
    case 'p': return draw_way();
    case 'd': return exo_time() + below(3000000);
    default: return draw();
    }
}

static void batch_draw(void)
{
    bool binds = below(2);

    for (uint32_t i = 0; i < 8; i++)
        EXO_CONTEXT->batch[i] = (struct exo_mapping){
            .address = argument_draw('a'),
            .table = (uint32_t)draw_table(),
            .frame = binds ? (uint32_t)draw_frame() : 0,
            .capability = binds ? (uint16_t)draw_slot() : 0,
            .flags = (uint16_t)(below(8) ? below(4) ? 1 : below(7) : draw()),
            .more = below(8) ? 0 : (uint32_t)(draw() >> below(64)),
        };
}

static bool is_deadly(const struct attempt *attempt, uint32_t number)
{
    switch (number) {
    case EXO_CALL_VCPU_STOP: case EXO_CALL_VCPU_ENTRY: return attempt->argument[0] == 0;
    case EXO_CALL_ENVIRONMENT_SPACE: case EXO_CALL_SLOT_FREE: return true;
    case EXO_CALL_SPACE_UNBIND: return below(4) == 0;
    default: return false;
    }
}

static struct attempt attempt_draw(void)
{
    struct attempt attempt = { 0 };
    uint32_t number;

    do
        number = (uint32_t)below(EXO_CALL_COUNT);
    while (!arguments[number]);
    for (uint32_t i = 0; i < exo_text_length(arguments[number]); i++)
        attempt.argument[i] = argument_draw(arguments[number][i]);
    uint64_t subject = below(5) ? 0 : below(3) ? sibling_slot : draw_slot();
    attempt.word = EXO_CALL_MAGIC | number | subject << 32;
    if (is_deadly(&attempt, number) && below(DEADLY_ODDS))
        attempt.word = EXO_CALL_MAGIC | EXO_CALL_NULL;
    return attempt;
}

/* One argument of a call that was granted, or its number or subject. */
static void attempt_mutate(struct attempt *attempt)
{
    const char *kinds = arguments[attempt->word & 0xffff];
    uint64_t i = below(7);

    if (i < 6 && kinds && i < exo_text_length(kinds))
        attempt->argument[i] = argument_draw(kinds[i]);
    else if (i < 6)
        attempt->argument[i] ^= 1ull << below(64);
    else
        attempt->word ^= 1ull << (below(2) ? below(6) : 32 + below(5));
}

static int64_t attempt_make(const struct attempt *attempt)
{
    const uint64_t *a = attempt->argument;
    bool blocked = exo_events_block();

    batch_draw();
    int64_t result = exo_trap6(attempt->word, a[0], a[1], a[2], a[3], a[4], a[5]);
    exo_events_restore(blocked);
    return result;
}

static bool is_listed(uint32_t call, int64_t status)
{
    if (call >= EXO_CALL_COUNT)
        return status == EXO_BAD_CALL;
    return status >= 0 || (status > -32 && exo_call_errors[call].statuses >> -status & 1);
}

/* Make it and count it; true if it was granted. */
static bool attempt_count(uint32_t number, const struct attempt *attempt)
{
    uint32_t call = attempt->word & 0xffff;
    int64_t status = attempt_make(attempt);

    if (!is_listed(call, status)) {
        SHARED->unlisted_call = call;
        SHARED->unlisted = status;
    }
    if (status < 0)
        return false;
    SHARED->granted[number]++;
    SHARED->granted_by_call[call]++;
    return true;
}

/* These leave the processor and are called by the library, which knows how to come back. */
static void time_spend(uint32_t call)
{
    if (below(REST_ODDS))
        return;
    SHARED->granted_by_call[call]++;
    switch (call) {
    case EXO_CALL_SLICE_YIELD: exo_yield(); break;
    case EXO_CALL_SLICE_YIELD_TO: exo_yield_to((uint16_t)argument_draw('e'), (uint8_t)below(2)); break;
    default:
        exo_sleep(exo_time() + below(100000), (uint32_t)(1 << below(10)) & ~(EXO_EVENT_START | EXO_EVENT_END),
                  below(2));
        break;
    }
}

/* What it did to itself is its own affair. */
static void fault_rest(struct exo_upcall_frame *frame)
{
    (void)frame;
    for (;;)
        exo_sleep(EXO_NEVER, 0, false);
}

void puppet_live(uint32_t number, uint64_t seed, uint16_t parent, uint16_t sibling)
{
    struct attempt kept = { .word = EXO_CALL_MAGIC }, attempt;

    state = seed;
    sibling_slot = sibling;
    sibling_frame = exo_start_capability(sibling) ? exo_start_capability(sibling)->first : 0;
    exo_exception_handler = fault_rest;
    exo_drop(parent);
    while (!SHARED->go)
        exo_yield();
    for (uint32_t i = 0; i < PUPPET_CALLS; i++) {
        attempt = kept;
        if (below(2))
            attempt_mutate(&attempt);
        else
            attempt = attempt_draw();
        uint32_t call = attempt.word & 0xffff;
        if (call >= EXO_CALL_SLICE_YIELD && call <= EXO_CALL_SLICE_SLEEP)
            time_spend(call);
        else if (attempt_count(number, &attempt))
            kept = attempt;
        SHARED->calls[number]++;
    }
    SHARED->done[number] = 1;
    exo_exit(0);
}
