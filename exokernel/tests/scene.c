#include "scene.h"

enum { ACTOR_FRAMES = 32, ACTOR_VCPUS = 3 };

uint32_t events_take(vcpu_name name)
{
    struct exo_context *context = context_of(name);
    uint32_t pending = context->pending;

    context->pending = 0;
    context->event_busy = 0;
    return pending;
}

void interrupts_settle(void)
{
    for (uint32_t round = 0; round < 4; round++)
        for (uint32_t p = 0; p < kernel.processor_count; p++)
            if (machine.processor[p].interrupt)
                world_interrupt(p);
}

void time_pass(uint32_t processor, uint64_t until)
{
    while (machine.processor[processor].timer <= until)
        world_timer(processor);
    machine.time = until;
}

static void actor_make(uint32_t slot, frame_name environment)
{
    world_actor(slot, environment, environment + 1, environment, ACTOR_FRAMES);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_SLOTS, slot, OWN_SLOTS, RIGHTS_GIVEN, 0, kernel.processor_count * SLOTS_PER_PROCESSOR));
    for (uint32_t i = 0; i < ACTOR_VCPUS; i++)
        world_vcpu(slot, i, OWN_FRAMES, environment + 4 + i, environment + 12);
}

void slot_give(uint32_t actor, uint32_t slot, uint32_t vcpu)
{
    if (slot_at(slot)->owner)
        MUST(CALL(SLOT_FREE, ROOT_SLOTS, slot));
    MUST(CALL_FOR(actor, SLOT_TAKE, OWN_SLOTS, slot, vcpu));
}

void call_is_back(uint32_t processor, exo_result status)
{
    ck_assert_int_eq(world_registers[processor].rax, status);
    world_call_ended(EXO_CALL_GATE_CALL, status);
}

void scene_setup(void)
{
    world_reset(128, 2);
    actor_make(ANN_SLOT, ANN);
    actor_make(BOB_SLOT, BOB);
    machine.current = 1;
    slice_start(&world_registers[1]);
    interrupts_settle();
    events_take(root);
}
