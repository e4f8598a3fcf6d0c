/*
 * Actors for the tests of time: two environments beside the root, each with virtual processors that are READY, frames and slots of
 * its own. ANN's frames are [32, 64), BOB's [64, 96). The root runs on processor 0 and owns its slots.
 */
#pragma once
#include "invariants.h"
#include "world.h"
#include <check.h>
#include <stdlib.h>
#include <slice.h>
#include <vcpu.h>

/* Slots of the root that hold the actors' ENVIRONMENT capabilities, and slots of the actors. */
enum { ANN_SLOT = 20, BOB_SLOT = 21, OWN_FRAMES = 1, OWN_SLOTS = 2 };
enum { ANN = 32, BOB = 64, MS = EXO_SLOT_NS };

static inline vcpu_name vcpu_of(frame_name environment, uint32_t index)
{
    return environment * VCPUS_PER_ENVIRONMENT + index;
}

static inline struct exo_context *context_of(vcpu_name name)
{
    return context_page(vcpu_at(name)->context);
}

static inline vcpu_name running_on(uint32_t processor)
{
    return kernel.processor[processor].running;
}

static inline uint32_t state_of(vcpu_name name)
{
    return vcpu_at(name)->state;
}

/* What a libOS does when it is entered: take the events off, and be interruptible again. */
static inline uint32_t events_take(vcpu_name name)
{
    struct exo_context *context = context_of(name);
    uint32_t pending = context->pending;

    context->pending = 0;
    context->event_busy = 0;
    return pending;
}

/* Deliver interrupts until there are none. */
static inline void interrupts_settle(void)
{
    for (uint32_t round = 0; round < 4; round++)
        for (uint32_t p = 0; p < kernel.processor_count; p++)
            if (machine.processor[p].interrupt)
                world_interrupt(p);
}

static inline void time_pass(uint32_t processor, uint64_t until)
{
    while (machine.processor[processor].timer <= until)
        world_timer(processor);
    machine.time = until;
}

static inline void actor_make(uint32_t slot, frame_name environment, uint32_t vcpus)
{
    world_environment(slot, environment, environment + 1);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, slot, OWN_FRAMES, RIGHTS_GIVEN, environment, 32));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, slot, OWN_SLOTS, RIGHTS_GIVEN, 0, kernel.processor_count * SLOTS_PER_PROCESSOR));
    for (uint32_t i = 0; i < vcpus; i++)
        world_vcpu(slot, i, OWN_FRAMES, environment + 4 + i, environment + 12);
}

/* The root gives slot `slot` up, and the actor's virtual processor takes it. */
static inline void slot_give(uint32_t actor, uint32_t slot, uint32_t vcpu)
{
    if (slot_at(slot)->owner)
        MUST(CALL(SLOT_FREE, ROOT_SLOTS, slot));
    MUST(CALL_FOR(actor, SLOT_TAKE, OWN_SLOTS, slot, vcpu));
}

static inline void scene_make(void)
{
    world_reset(128, 2);
    actor_make(ANN_SLOT, ANN, 3);
    actor_make(BOB_SLOT, BOB, 3);
    machine.current = 1;
    slice_start(&world_registers[1]);
    interrupts_settle();
    events_take(vcpu_of(ROOT, 0));
}

static inline void scene_check(void)
{
    ck_assert_ptr_null(machine_check());
    ck_assert_ptr_null(invariants_check());
}

/* Run one suite on this scene; the exit status. */
static inline int scene_run(const char *name, void (*setup)(void), const TTest *const *tests, uint32_t count)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, scene_check);
    for (uint32_t i = 0; i < count; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
