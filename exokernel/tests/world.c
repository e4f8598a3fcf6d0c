#include "world.h"
#include <call.h>
#include <capability.h>
#include <dispatch.h>
#include <exo/errors.h>
#include <gate.h>
#include <slice.h>
#include <upcall.h>
#include <stdio.h>
#include <stdlib.h>

struct exo_registers world_registers[PROCESSOR_LIMIT];
uint32_t *world_failures;

void world_must(exo_result result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "the scene could not be set: %s gives %lld\n", what, (long long)result);
    abort();
}

/* The machine puts the place of who calls a gate into its vcpu, which nobody looks at unless the call is made: so it is put back,
 * for tests compare whole machines. */
static const struct place *gate_call_try(const struct exo_registers *registers)
{
    struct vcpu *self = vcpu_here();
    struct place before = self->place;
    self->place.rflags = registers->rflags;
    self->place.rip = registers->rip;
    self->place.rsp = registers->rsp;
    const struct place *place = gate_call_fast(registers->rdi);
    if (!place)
        self->place = before;
    return place;
}

/* The short way of the commonest transfers, as the machine's trap entry tries it first. */
static bool transfer_takes(uint32_t number, struct exo_registers *registers)
{
    const struct place *place = NULL;
    if (number == EXO_CALL_GATE_CALL)
        place = gate_call_try(registers);
    else if (number == EXO_CALL_GATE_REPLY && !registers->rdi)
        place = gate_reply_fast();
    else if (number == EXO_CALL_SLICE_YIELD_TO)
        place = slice_yield_fast(registers->rdi, registers->rsi);
    if (!place)
        return false;
    if (number == EXO_CALL_SLICE_YIELD_TO)
        *registers = (struct exo_registers){0};
    place_enter(place, registers);
    return true;
}

void world_call_ended(uint32_t number, exo_result status)
{
    if (status >= 0 || (number >= EXO_CALL_COUNT && status == EXO_BAD_CALL))
        return;
    if (number >= EXO_CALL_COUNT || !(exo_call_errors[number].statuses >> -status & 1))
        machine_broke("a call failed with a status that its entry in the ABI does not list");
    else if (world_failures)
        world_failures[number] |= 1u << -status;
}

static exo_result call_switching(uint32_t processor, uint64_t word, const uint64_t a[6])
{
    uint32_t number = word & 0xffff;
    vcpu_name running = kernel.processor[processor].running;
    struct exo_registers *registers = &world_registers[processor];
    registers->rax = word;
    registers->rdi = a[0];
    registers->rsi = a[1];
    registers->rdx = a[2];
    registers->r10 = a[3];
    registers->r8 = a[4];
    registers->r9 = a[5];
    if (!(word >> 32) && transfer_takes(number, registers))
        return (exo_result)registers->rax;
    call_enter_switching(registers);
    if (kernel.processor[processor].running == running)
        world_call_ended(number, (exo_result)registers->rax);
    return (exo_result)registers->rax;
}

exo_result world_call(uint32_t processor, uint32_t subject, uint32_t number, const uint64_t a[6])
{
    uint64_t word = (uint64_t)subject << 32 | EXO_CALL_MAGIC | number;
    machine.current = processor;
    if (EXO_SWITCHING_CALLS >> number & 1)
        return call_switching(processor, word, a);
    exo_result result = call_enter(a, word);
    world_call_ended(number, result);
    return result;
}

static struct exo_context *context_of(uint32_t processor)
{
    vcpu_name vcpu = kernel.processor[processor].running;
    return context_page(environment_page(vcpu / VCPUS_PER_ENVIRONMENT)->vcpu[vcpu % VCPUS_PER_ENVIRONMENT].context);
}

void world_batch(uint32_t processor, uint32_t i, const struct exo_mapping *mapping)
{
    context_of(processor)->batch[i] = *mapping;
}

exo_result world_map(uint32_t processor, uint32_t subject, uint32_t number, struct exo_mapping mapping)
{
    return world_call(processor, subject, number, WORDS_OF(mapping));
}

void world_take(uint32_t subject, uint32_t slot, frame_name first, uint32_t count)
{
    for (uint32_t done = 0; done < count; done += TAKE_MAX)
        MUST(CALL_FOR(subject, FRAME_TAKE, slot, first + done, count - done < TAKE_MAX ? count - done : TAKE_MAX));
}

void world_hold(uint32_t slot, uint32_t kind, uint32_t rights, uint32_t first, uint32_t count)
{
    *capability_at(capability_lookup(ROOT, slot)) = (struct capability){
        .id = kernel.next_id++, .first = first, .count = count, .kind = kind, .rights = rights, .state = CAPABILITY_LIVE,
    };
}

static void frame_give(frame_name frame, uint32_t kind, uint32_t slot)
{
    capability_name name = capability_lookup(ROOT, slot);
    machine.frame[frame] = (struct exo_frame){
        .owner = ROOT, .capability = name, .stamp = capability_at(name)->id, .kind = kind,
    };
}

static void root_make(void)
{
    kernel.next_id = 1;
    machine.frame[ROOT].kind = EXO_FRAME_ENVIRONMENT;
    machine.frame[ROOT_CAPABILITIES].kind = EXO_FRAME_CAPABILITIES;
    environment_page(ROOT)->state = ENVIRONMENT_ALIVE;
    environment_page(ROOT)->tables[0] = ROOT_CAPABILITIES;
    capability_page(ROOT_CAPABILITIES)->header = (struct capability_header){.environment = ROOT, .live = 1};
    world_hold(ROOT_FRAMES, EXO_KIND_FRAMES, RIGHTS_ALL, 0, kernel.frame_count);
    world_hold(ROOT_SLOTS, EXO_KIND_SLOTS, RIGHTS_ALL, 0, kernel.processor_count * SLOTS_PER_PROCESSOR);
    world_hold(ROOT_SELF, EXO_KIND_ENVIRONMENT, RIGHTS_GIVEN, ROOT, 1);
    frame_give(ROOT, EXO_FRAME_ENVIRONMENT, ROOT_SELF);
    frame_give(ROOT_CAPABILITIES, EXO_FRAME_CAPABILITIES, ROOT_FRAMES);
    machine.system.root = ROOT;
}

/* Before anything runs, the root's calls are made as the kernel makes them at boot. */
static struct caller caller_for(uint32_t slot)
{
    struct caller caller = {.self = ROOT, .environment = ROOT};
    MUST(capability_environment(ROOT, slot, EXO_RIGHT_CONTROL, &caller.environment));
    return caller;
}

void world_vcpu(uint32_t slot, uint32_t index, uint32_t frames_slot, frame_name context, frame_name table)
{
    struct caller caller = caller_for(slot);
    MUST(call_vcpu_create(&caller, index, frames_slot, context, CONTEXT_ADDRESS));
    MUST(call_vcpu_entry(&caller, index, EXO_ENTRY_EVENT, 0x400000));
    if (!environment_page(caller.environment)->root) {
        MUST(call_table_create(&caller, frames_slot, table, table + 1, TABLE_LEVELS));
        MUST(call_environment_space(&caller, table));
    }
    MUST(call_vcpu_start(&caller, index));
}

void world_run(uint32_t slot, uint32_t index, uint32_t slots_slot, uint32_t processor)
{
    struct caller caller = caller_for(slot);
    for (uint32_t i = 0; i < SLOTS_PER_PROCESSOR; i++)
        MUST(call_slot_take(&caller, slots_slot, processor * SLOTS_PER_PROCESSOR + i, index));
    machine.current = processor;
    slice_start(&world_registers[processor]);
    machine.current = 0;
}

void world_reset(uint32_t frames, uint32_t processors)
{
    machine_reset(frames, processors);
    root_make();
    world_vcpu(0, 0, ROOT_FRAMES, ROOT_CONTEXT, ROOT_TABLE);
    world_run(0, 0, ROOT_SLOTS, 0);
}

void world_environment(uint32_t slot, frame_name environment, frame_name capabilities)
{
    struct caller caller = {.self = ROOT, .environment = ROOT};
    MUST(call_environment_create(&caller, ROOT_FRAMES, environment, slot));
    MUST(call_environment_extend(&caller, slot, ROOT_FRAMES, capabilities, 0));
}

void world_actor(uint32_t slot, frame_name environment, frame_name capabilities, frame_name first, uint32_t count)
{
    const struct caller root = {.environment = ROOT, .self = ROOT};
    world_environment(slot, environment, capabilities);
    MUST(call_capability_derive(&root, ROOT_FRAMES, slot, 1, RIGHTS_GIVEN, first, count));
}

void world_interrupt(uint32_t processor)
{
    machine.current = processor;
    machine.processor[processor].interrupt = 0;
    slice_interrupted(&world_registers[processor]);
}

void world_timer(uint32_t processor)
{
    machine.current = processor;
    if (machine.time < machine.processor[processor].timer)
        machine.time = machine.processor[processor].timer;
    machine.processor[processor].timer = EXO_NEVER;
    slice_timer(&world_registers[processor], arch_time());
}
