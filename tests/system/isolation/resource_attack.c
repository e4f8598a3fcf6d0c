/* Using up all that there is: the end comes at the attacker's own share, and it can give everything back. */
#include "attack.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum {
    FRAMES_MOST = 4096, FRAMES_LEFT = 200, BASE_SLOT = 104, FIRST_TABLE = 10, SLOT_LIMIT = 4096,
    SLOTS_A_TABLE = EXO_CAPABILITIES_PER_TABLE - 1,
    SPARE_SLOTS = (EXO_TABLES_PER_ENVIRONMENT - FIRST_TABLE) * SLOTS_A_TABLE,
};

static uint32_t taken[FRAMES_MOST];

/* Of the tables that the attacker gives itself, which have a header each. */
static uint16_t spare_slot(uint32_t n)
{
    return (uint16_t)((FIRST_TABLE + n / SLOTS_A_TABLE) * EXO_CAPABILITIES_PER_TABLE + 1 + n % SLOTS_A_TABLE);
}

/* Takes so many frames, or all that there are; says how many. */
static uint32_t frames_take(uint32_t most)
{
    uint32_t count = 0, frame;

    while (count < most && (frame = exo_frame_alloc(&memory_frames)))
        taken[count++] = frame;
    return count;
}

static bool frames_give(uint32_t count)
{
    bool fine = true;

    while (count--)
        fine &= check_equal("free", exo_frame_release(&memory_frames, taken[count]), 1);
    return fine;
}

static bool frames_end_at_the_own_share(void)
{
    uint32_t free = exo_frames_free(&memory_frames), count = frames_take(FRAMES_MOST);
    bool fine = check_equal("all that were free", count >= free, true);

    if (!check_is_quiet())
        exo_print("  %u frames taken", count);
    for (uint32_t i = 0; i < count; i++)
        fine &= check_equal("a frame of the own share", frame_is_mine(taken[i]), true);
    fine &= check_refused("one more", exo_frame_take(0, memory_frames.capability, memory_frames.first, 1));
    return fine & frames_give(count);
}

/* They stay, in a siege for all rounds. */
static bool capability_tables_end_at_their_number(void)
{
    static bool extended;
    bool fine = true;

    for (uint8_t index = FIRST_TABLE; index < EXO_TABLES_PER_ENVIRONMENT; index++) {
        uint32_t frame = exo_frame_find(&memory_frames);
        int64_t result;
        do
            result = exo_environment_extend(0, memory_frames.capability, frame, index);
        while (exo_again(result));
        fine &= check_equal("environment_extend", result, extended ? EXO_TAKEN : EXO_OK);
    }
    extended = true;
    return fine & check_refused("a table beyond the last",
                                exo_environment_extend(0, memory_frames.capability, exo_frame_find(&memory_frames),
                                                       EXO_TABLES_PER_ENVIRONMENT));
}

static int64_t base_into_slot(uint32_t slot)
{
    return exo_capability_derive(0, BASE_SLOT, 0, (uint16_t)slot, EXO_RIGHT_READ, memory_frames.first, 1);
}

/* All 32 capability tables, each of its slots; then no further one. Without their base they are nothing, and others may take their place. */
static bool capability_slots_end_at_their_number(void)
{
    uint32_t filled = 0;
    bool fine = capability_tables_end_at_their_number();

    check_must("base", exo_capability_derive(0, memory_frames.capability, 0, BASE_SLOT, EXO_RIGHT_READ, memory_frames.first, 1));
    for (uint32_t slot = FIRST_TABLE * EXO_CAPABILITIES_PER_TABLE; slot < SLOT_LIMIT; slot++)
        filled += base_into_slot(slot) == EXO_OK;
    fine &= check_equal("slots filled", filled, SPARE_SLOTS);
    for (uint32_t slot = SLOT_LIMIT; slot < 0x10000; slot += 127)
        fine &= check_refused("a slot beyond the last", base_into_slot(slot));
    return fine & check_equal("drop the base", exo_drop(BASE_SLOT), EXO_OK);
}

static bool derivations_end_at_their_depth(void)
{
    uint16_t from = memory_frames.capability;
    int64_t result = EXO_OK;
    uint32_t depth = 0;

    for (uint16_t slot = 104; slot < 116 && result == EXO_OK; slot++, depth += result == EXO_OK) {
        result = exo_capability_derive(0, from, 0, slot, EXO_RIGHT_READ, memory_frames.first, 1);
        from = slot;
    }
    bool fine = check_equal("status at the end", result, EXO_TOO_DEEP);
    fine &= check_equal("reached a depth", depth > 0 && depth < EXO_DEPTH_MAX, true);
    return fine & check_equal("drop all", exo_drop(104), EXO_OK);
}

static int64_t virtual_processor_make(uint8_t index, uint32_t frame)
{
    int64_t result;

    do
        result = exo_vcpu_create(0, index, memory_frames.capability, frame, ATTACK_ADDRESS);
    while (exo_again(result));
    return result;
}

static bool virtual_processors_end_at_their_number(void)
{
    uint32_t context[EXO_VCPUS_PER_ENVIRONMENT], frame;
    bool fine = true;

    for (uint8_t i = 1; i < EXO_VCPUS_PER_ENVIRONMENT; i++) {
        context[i] = exo_frame_find(&memory_frames);
        fine &= check_equal("vcpu_create", virtual_processor_make(i, context[i]), EXO_OK);
    }
    frame = exo_frame_find(&memory_frames);
    fine &= check_refused("a ninth virtual processor", virtual_processor_make(EXO_VCPUS_PER_ENVIRONMENT, frame));
    fine &= check_refused("one of them again", virtual_processor_make(EXO_VCPUS_PER_ENVIRONMENT - 1, frame));
    fine &= check_refused("the running one again", virtual_processor_make(0, frame));
    fine &= check_refused("start the running one", exo_vcpu_start(0, 0));
    for (uint8_t i = 1; i < EXO_VCPUS_PER_ENVIRONMENT; i++) {
        fine &= check_equal("vcpu_stop", exo_vcpu_stop(0, i), EXO_OK);
        fine &= check_equal("free", exo_frame_release(&memory_frames, context[i]), 1);
    }
    const struct exo_start_capability *slots = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 0));
    if (!slots)
        return fine; /* it lives on borrowed time */
    return fine & check_refused("a slot for the ninth", exo_slot_take(0, slots->slot, slots->first, EXO_VCPUS_PER_ENVIRONMENT));
}

static bool gates_end_at_their_number(void)
{
    bool fine = true;

    for (uint8_t i = 0; i < EXO_GATES_PER_ENVIRONMENT; i++)
        fine &= check_equal("gate_create", exo_gate_create(i, 0, 0x400000, ATTACK_ADDRESS, BASE_SLOT + i), EXO_OK);
    fine &= check_refused("a seventeenth gate",
                          exo_gate_create(EXO_GATES_PER_ENVIRONMENT, 0, 0x400000, ATTACK_ADDRESS, BASE_SLOT + EXO_GATES_PER_ENVIRONMENT));
    fine &= check_refused("a gate of the ninth", exo_gate_create(0, EXO_VCPUS_PER_ENVIRONMENT, 0x400000, ATTACK_ADDRESS, BASE_SLOT));
    for (uint8_t i = 0; i < EXO_GATES_PER_ENVIRONMENT; i++)
        fine &= check_equal("drop", exo_drop(BASE_SLOT + i), EXO_OK);
    return fine;
}

/* A child is asked for more things at once than one may ask for. */
static bool revocations_end_at_their_number(void)
{
    uint32_t child = exo_frame_find(&memory_frames), table, most = EXO_REVOCATIONS_PER_ENVIRONMENT;
    int64_t result;
    bool fine = true;

    do
        result = exo_environment_create(0, memory_frames.capability, child, BASE_SLOT);
    while (exo_again(result));
    check_must("environment_create", result);
    table = exo_frame_find(&memory_frames);
    do
        result = exo_environment_extend(BASE_SLOT, memory_frames.capability, table, 0);
    while (exo_again(result));
    check_must("environment_extend", result);
    for (uint16_t slot = 1; slot <= most + 1; slot++) {
        check_must("derive", exo_capability_derive(0, memory_frames.capability, BASE_SLOT, slot, EXO_RIGHT_READ | EXO_RIGHT_TAKE,
                                                   memory_frames.first, 1));
        fine &= check_equal("revoke", exo_revoke(0, memory_frames.capability, child, slot, 1, EXO_NEVER), slot <= most ? EXO_OK : EXO_BUSY);
    }
    return fine & check_equal("end of the child", exo_child_end(BASE_SLOT, child), EXO_OK);
}

static bool virtual_processors_gates_and_revocations_end_at_their_number(void)
{
    bool fine = virtual_processors_end_at_their_number();

    fine &= gates_end_at_their_number();
    return fine & revocations_end_at_their_number();
}

static int64_t environment_make(uint32_t frame, uint32_t n)
{
    int64_t result;

    do
        result = exo_environment_create(0, memory_frames.capability, frame, spare_slot(n));
    while (exo_again(result));
    return result;
}

/* Environments until frames run out, of which most are in use; then all are ended, and every frame is free again. */
static bool environments_end_with_the_own_frames(void)
{
    static uint32_t children[2 * FRAMES_LEFT];
    uint32_t used = frames_take(exo_frames_free(&memory_frames) - FRAMES_LEFT), free = exo_frames_free(&memory_frames);
    uint32_t count = 0, frame;
    bool fine = true;

    for (; count < 2 * FRAMES_LEFT && (frame = exo_frame_find(&memory_frames)); count++) {
        fine &= check_equal("environment_create", environment_make(frame, count), EXO_OK);
        children[count] = frame;
    }
    fine &= check_equal("environments", count, free);
    fine &= check_equal("frames free", exo_frames_free(&memory_frames), 0);
    fine &= check_refused("one more", environment_make(children[0], count));
    for (uint32_t n = 0; n < count; n++)
        fine &= check_equal("end", exo_child_end(spare_slot(n), children[n]), EXO_OK);
    fine &= check_equal("frames free again", exo_frames_free(&memory_frames), free);
    return fine & frames_give(used);
}

void attack_resources(void)
{
    static const struct check_case cases[] = {
        CASE(frames_end_at_the_own_share),
        CASE(derivations_end_at_their_depth),
        CASE(virtual_processors_gates_and_revocations_end_at_their_number),
        CASE(capability_slots_end_at_their_number),
        CASE(environments_end_with_the_own_frames),
    };
    check_run(CASES(cases));
}
