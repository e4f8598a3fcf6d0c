/*
 * Actors for the tests of time: two environments beside the root, each with three virtual processors that are READY, frames and slots
 * of its own. ANN's frames are [32, 64), BOB's [64, 96). The root runs on processor 0 and owns its slots.
 */
#pragma once
#include "unit.h"
#include <slice.h>
#include <vcpu.h>

/* Slots of the root that hold the actors' ENVIRONMENT capabilities, and slots of the actors. */
enum { ANN_SLOT = 20, BOB_SLOT = 21, OWN_FRAMES = 1, OWN_SLOTS = 2 };
enum { ANN = 32, BOB = 64, MS = EXO_SLOT_NS };

/* Everyone's first virtual processor. */
static const vcpu_name root = ROOT * VCPUS_PER_ENVIRONMENT, ann = ANN * VCPUS_PER_ENVIRONMENT, bob = BOB * VCPUS_PER_ENVIRONMENT;

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
uint32_t events_take(vcpu_name name);
/* Deliver interrupts until there are none. */
void interrupts_settle(void);
void time_pass(uint32_t processor, uint64_t until);
/* The root gives slot `slot` up, and the actor's virtual processor takes it. */
void slot_give(uint32_t actor, uint32_t slot, uint32_t vcpu);
/* Who runs on the processor came back from a gate call with this status. */
void call_is_back(uint32_t processor, exo_result status);
#define COMES_BACK(processor, status) call_is_back(processor, EXO_##status)

void scene_setup(void);
