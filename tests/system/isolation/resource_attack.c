/* Using up all that there is: the end comes at the attacker's own share, and it can give everything back. */
#include "attack.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { FRAMES_MOST = 4096, FIRST_TABLE = 10, SLOT_LIMIT = 4096 };

static uint32_t taken[FRAMES_MOST];

static bool frames_end_at_the_own_share(void)
{
    uint32_t count = 0, frame, free = exo_frames_free(&memory_frames);
    bool fine = true;

    while (count < FRAMES_MOST && (frame = exo_frame_alloc(&memory_frames))) {
        fine &= check_equal("a frame of the own share", frame_is_mine(frame), true);
        taken[count++] = frame;
    }
    if (!check_is_quiet())
        exo_print("  %u frames taken", count);
    fine &= check_equal("all that were free", count >= free, true);
    fine &= check_refused("one more", exo_frame_take(0, memory_frames.capability, memory_frames.first, 1));
    while (count--)
        fine &= check_equal("free", exo_frame_release(&memory_frames, taken[count]), 1);
    return fine;
}

/* All 32 capability tables, each of its slots; then no further one. */
static bool capability_slots_end_at_their_number(void)
{
    uint32_t filled = 0;
    bool fine = true;

    for (uint8_t index = FIRST_TABLE; index < EXO_TABLES_PER_ENVIRONMENT; index++) {
        uint32_t frame = exo_frame_find(&memory_frames);
        int64_t result;
        do
            result = exo_environment_extend(0, memory_frames.capability, frame, index);
        while (exo_again(result));
        fine &= check_equal("environment_extend", result, EXO_OK);
    }
    uint32_t spare = exo_frame_find(&memory_frames);
    fine &= check_refused("a table beyond the last",
                          exo_environment_extend(0, memory_frames.capability, spare, EXO_TABLES_PER_ENVIRONMENT));
    for (uint32_t slot = FIRST_TABLE * EXO_CAPABILITIES_PER_TABLE; slot < SLOT_LIMIT; slot++)
        filled += exo_capability_derive(0, memory_frames.capability, 0, (uint16_t)slot, EXO_RIGHT_READ,
                                        memory_frames.first, 1) == EXO_OK;
    fine &= check_equal("slots filled", filled,
                        (EXO_TABLES_PER_ENVIRONMENT - FIRST_TABLE) * (EXO_CAPABILITIES_PER_TABLE - 1));
    for (uint32_t slot = SLOT_LIMIT; slot < 0x10000; slot += 127)
        fine &= check_refused("a slot beyond the last",
                              exo_capability_derive(0, memory_frames.capability, 0, (uint16_t)slot, EXO_RIGHT_READ,
                                                    memory_frames.first, 1));
    for (uint32_t slot = FIRST_TABLE * EXO_CAPABILITIES_PER_TABLE + 1;
         slot < FIRST_TABLE * EXO_CAPABILITIES_PER_TABLE + 64; slot++)
        fine &= check_equal("drop", exo_drop((uint16_t)slot), EXO_OK);
    return fine;
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

static bool virtual_processors_and_gates_end_at_their_number(void)
{
    uint32_t frame = exo_frame_find(&memory_frames);
    bool fine =
        check_refused("a ninth virtual processor",
                      exo_vcpu_create(0, EXO_VCPUS_PER_ENVIRONMENT, memory_frames.capability, frame, ATTACK_ADDRESS));

    fine &= check_refused("the running one again",
                          exo_vcpu_create(0, 0, memory_frames.capability, frame, ATTACK_ADDRESS));
    fine &= check_refused("start the running one", exo_vcpu_start(0, 0));
    fine &= check_refused("a seventeenth gate",
                          exo_gate_create(EXO_GATES_PER_ENVIRONMENT, 0, 0x400000, ATTACK_ADDRESS, 116));
    fine &= check_refused("a gate of the ninth",
                          exo_gate_create(0, EXO_VCPUS_PER_ENVIRONMENT, 0x400000, ATTACK_ADDRESS, 116));
    const struct exo_start_capability *slots = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 0));
    if (!slots)
        return fine; /* it lives on borrowed time */
    return fine & check_refused("a slot for the ninth", exo_slot_take(0, slots->slot, slots->first, EXO_VCPUS_PER_ENVIRONMENT));
}

/* Environments until frames run out, each of two frames; then all are ended. */
static bool environments_end_with_the_own_frames(void)
{
    static uint32_t children[400];
    uint32_t count = 0;
    bool fine = true;

    while (count < 400) {
        uint32_t frame = exo_frame_find(&memory_frames);
        int64_t result;
        uint16_t slot = (uint16_t)(FIRST_TABLE * EXO_CAPABILITIES_PER_TABLE + 1 + count % 63);
        if (count >= 63 || !frame)
            break;
        do
            result = exo_environment_create(0, memory_frames.capability, frame, slot);
        while (exo_again(result));
        if (result != EXO_OK)
            break;
        children[count++] = frame;
    }
    fine &= check_equal("environments", count, 63);
    for (uint32_t i = 0; i < count; i++)
        fine &= check_equal("end",
                            exo_child_end((uint16_t)(FIRST_TABLE * EXO_CAPABILITIES_PER_TABLE + 1 + i), children[i]),
                            EXO_OK);
    return fine;
}

void attack_resources(void)
{
    static const struct check_case cases[] = {
        CASE(frames_end_at_the_own_share),
        CASE(derivations_end_at_their_depth),
        CASE(virtual_processors_and_gates_end_at_their_number),
        CASE(capability_slots_end_at_their_number),
        CASE(environments_end_with_the_own_frames),
    };
    check_run(CASES(cases));
}
