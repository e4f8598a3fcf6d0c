/*
 * A small world on the host machine, without a boot module: a root environment that owns everything, and more environments
 * made with calls. Used by the unit tests, the explorer and the fuzzer.
 */
#pragma once
#include <arch.h>

/* The root's capabilities. */
enum { ROOT_FRAMES = 1, ROOT_SLOTS, ROOT_SELF };
/* The root's frames; those of other environments are the test's choice. */
enum { ROOT = 1, ROOT_CAPABILITIES = 4, ROOT_CONTEXT = 7, ROOT_TABLE = 8, ROOT_TABLE_SHADOW = 9, ROOT_FRAMES_END = 10 };

enum {
    RIGHTS_ALL = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_KEPT | EXO_RIGHT_GRANT,
    RIGHTS_GIVEN = RIGHTS_ALL & ~EXO_RIGHT_KEPT,
    CONTEXT_ADDRESS = 0x7000,
};

/* An empty machine with the root environment; its virtual processor 0 runs on processor 0, which it owns all slots of. */
void world_reset(uint32_t frames, uint32_t processors);
/* Give the root a capability derived from nothing, as the kernel does at boot. */
void world_hold(uint32_t slot, uint32_t kind, uint32_t rights, uint32_t first, uint32_t count);

/* A system call by what runs on the processor; subject: the slot of an ENVIRONMENT capability, or 0. A status that the ABI does not
 * list for the call is a misuse of the machine (machine_check). */
exo_result world_call(uint32_t processor, uint32_t subject, uint32_t number, const uint64_t argument[6]);
/* The same as the root on processor 0: CALL(FRAME_TAKE, ROOT_FRAMES, 20, 1); and as a subject of the root. */
#define CALL(name, ...) world_call(0, 0, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
#define CALL_FOR(subject, name, ...) world_call(0, subject, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
#define CALL_ON(processor, name, ...) world_call(processor, 0, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
/* Calls that set the scene must not fail: ends the program if one does. */
#define MUST(call) world_must(call, #call)
void world_must(exo_result result, const char *what);

/* If not NULL: what each call failed with so far, 1 << -status, by number. */
extern uint32_t *world_failures;
/* A gate call ended with this status in its caller's registers: what world_call cannot see, since the caller had left. */
void world_call_ended(uint32_t number, exo_result status);

/* Fill entry i of the batch of what runs on the processor. */
void world_batch(uint32_t processor, uint32_t i, const struct exo_mapping *mapping);
/* The arguments of space_bind and its like for one mapping. */
#define WORDS_OF(mapping)                                                                                              \
    ((const uint64_t[6]){(mapping).address, (mapping).table | (uint64_t)(mapping).frame << 32,                         \
                         (mapping).capability | (uint64_t)(mapping).flags << 16 | (uint64_t)(mapping).more << 32})
/* One mapping, bound, protected or unbound. */
exo_result world_map(uint32_t processor, uint32_t subject, uint32_t number, struct exo_mapping mapping);

/* Frames in a row for whom the root holds in `subject` (0: itself), under its own `slot`: as many calls as that takes. */
void world_take(uint32_t subject, uint32_t slot, frame_name first, uint32_t count);

/* The root makes an environment in `environment`, with its capability table in `capabilities` and the ENVIRONMENT capability in
 * the root's slot `slot`. */
void world_environment(uint32_t slot, frame_name environment, frame_name capabilities);
/* The same, with a FRAMES capability for [first, first + count) in its own slot 1. */
void world_actor(uint32_t slot, frame_name environment, frame_name capabilities, frame_name first, uint32_t count);
/* Give it (slot: 0 for the root itself) a virtual processor with context page `context` and, if it has none, an address space in
 * `table` and `table + 1`; both taken under its own FRAMES capability in `frames_slot`. Then start it. */
void world_vcpu(uint32_t slot, uint32_t index, uint32_t frames_slot, frame_name context, frame_name table);
/* Give the virtual processor all slots of the processor, under the SLOTS capability in `slots_slot`, and let time begin there. */
void world_run(uint32_t slot, uint32_t index, uint32_t slots_slot, uint32_t processor);
/* What the machine does when the processor was interrupted by another one, or its timer is over. */
void world_interrupt(uint32_t processor);
void world_timer(uint32_t processor);

/* What the last switching call or interrupt left in the registers of each processor. */
extern struct exo_registers world_registers[PROCESSOR_LIMIT];
