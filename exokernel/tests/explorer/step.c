#include "scope.h"
#include "step.h"
#include "../world.h"
#include <disk.h>
#include <dispatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct step *steps;
uint32_t step_count, kind_count;
uint32_t kind_first[64 + ACTION_LIMIT + 1];

enum {
    STEPS_MAX = 1 << 16,
    FURTHER = 3, FURTHER_FLAGS, /* arguments of a step of space_bind or its like with a second mapping: a call has no argument 4 there */
};

static const struct actor *actors;
static uint32_t actor_count;

void list_actors(const struct actor *list, uint32_t count)
{
    actors = list;
    actor_count = count;
}

static void kind_begin(void)
{
    kind_first[kind_count++] = step_count;
}

static void step_add(const struct step *step)
{
    if (step_count == STEPS_MAX) {
        fprintf(stderr, "a scope has too many steps\n");
        abort();
    }
    steps[step_count++] = *step;
}

static void call_add(struct step *step)
{
    for (uint32_t i = 0; i < actor_count; i++) {
        if (actors[i].subject & ~LATE && !(EXO_SUBJECT_CALLS >> step->number & 1))
            continue;
        step->processor = actors[i].processor;
        step->subject = actors[i].subject;
        step_add(step);
    }
}

static void arguments_list(struct step *step, const struct domain *const domain[6], uint32_t i)
{
    if (i == 6 || !domain[i]) {
        call_add(step);
        return;
    }
    for (uint32_t k = 0; k < domain[i]->count; k++) {
        step->argument[i] = domain[i]->value[k];
        arguments_list(step, domain, i + 1);
    }
}

void list_call(uint32_t number, const struct domain *const domain[6])
{
    struct step step = {.action = ACTION_CALL, .number = number};
    kind_begin();
    arguments_list(&step, domain, 0);
}

/* One page with the first of the flags, and the next one with the second of them: what a batch knows of the first must not be held true
 * of the second. Its flags are the step's argument 4. */
static void pair_add(struct step *step, struct exo_mapping mapping, const struct domain *flags)
{
    if (mapping.address || flags->count < 2)
        return;
    mapping.flags = flags->value[0];
    memcpy(step->argument, WORDS_OF(mapping), sizeof step->argument);
    step->argument[FURTHER] = 1;
    step->argument[FURTHER_FLAGS] = flags->value[1];
    call_add(step);
}

void list_batch(uint32_t number, const struct domain *const domain[5])
{
    struct step step = {.action = ACTION_CALL, .number = number, };
    kind_begin();
    for (uint32_t a = 0; a < domain[0]->count; a++)
        for (uint32_t t = 0; t < domain[1]->count; t++)
            for (uint32_t f = 0; f < domain[2]->count; f++)
                for (uint32_t c = 0; c < domain[3]->count; c++) {
                    struct exo_mapping mapping = {
                        .address = domain[0]->value[a], .table = domain[1]->value[t], .frame = domain[2]->value[f],
                        .capability = domain[3]->value[c],
                    };
                    for (uint32_t m = 0; m < domain[4]->count * 2; m++) {
                        mapping.flags = domain[4]->value[m / 2];
                        mapping.more = m % 2;
                        memcpy(step.argument, WORDS_OF(mapping), sizeof step.argument);
                        if (m % 2 && mapping.address) /* a run of two fits at a table's first entry only */
                            continue;
                        call_add(&step);
                    }
                    mapping.more = 0;
                    pair_add(&step, mapping, domain[4]);
                }
}

void list_action(uint32_t action, const struct domain *first, const struct domain *second)
{
    kind_begin();
    for (uint32_t processor = 0; processor < kernel.processor_count; processor++)
        for (uint32_t a = 0; a < first->count; a++)
            for (uint32_t b = 0; b < second->count; b++)
                step_add(&(struct step){
                    .action = action, .processor = processor, .argument = {first->value[a], second->value[b]},
                });
}

void scope_enter(const struct scope *scope)
{
    if (!steps)
        steps = malloc(STEPS_MAX * sizeof *steps);
    step_count = kind_count = 0;
    scope->build();
    machine.current = 0;
    scope->list();
    kind_first[kind_count] = step_count;
}

static uint64_t deadline_of(uint64_t value)
{
    return value & AFTER(0) && value != EXO_NEVER ? machine.time + (value & ~AFTER(0)) : value;
}

/* The second mapping of a batch: as the first, a page further, with flags of its own. */
static void further_fill(const struct step *step)
{
    struct exo_mapping mapping;
    memcpy(&mapping, step->argument, sizeof mapping);
    mapping.address += EXO_FRAME_SIZE;
    mapping.flags = step->argument[FURTHER_FLAGS];
    machine.current = step->processor;
    world_batch(step->processor, 0, &mapping);
}

static exo_result call_take(const struct step *step)
{
    uint64_t argument[6];
    for (uint32_t i = 0; i < 6; i++)
        argument[i] = deadline_of(step->argument[i]);
    if (step->argument[FURTHER] == 1 && step->number >= EXO_CALL_SPACE_BIND && step->number <= EXO_CALL_SPACE_UNBIND)
        further_fill(step);
    machine_looks = step->subject & LATE ? 0 : UINT32_MAX;
    exo_result result = world_call(step->processor, step->subject & ~(uint32_t)LATE, step->number, argument);
    machine_looks = UINT32_MAX;
    return result;
}

static void events_accept(uint32_t processor)
{
    vcpu_name vcpu = kernel.processor[processor].running;
    frame_name context = environment_page(vcpu / VCPUS_PER_ENVIRONMENT)->vcpu[vcpu % VCPUS_PER_ENVIRONMENT].context;
    if (!context)
        return;
    context_page(context)->pending = 0;
    context_page(context)->event_busy = 0;
    context_page(context)->inbox_full = 0;
}

static struct exo_ring *ring_here(uint32_t processor, struct queue **ret_queue)
{
    frame_name queue = environment_page(kernel.processor[processor].running / VCPUS_PER_ENVIRONMENT)->ring[0];
    if (!queue)
        return NULL;
    *ret_queue = queue_page(queue);
    return ring_page((*ret_queue)->ring);
}

static void completions_accept(uint32_t processor)
{
    struct queue *queue;
    struct exo_ring *ring = ring_here(processor, &queue);
    if (ring)
        ring->reaped = ring->completed;
}

static exo_result request_write(const struct step *step)
{
    struct queue *queue;
    struct exo_ring *ring = ring_here(step->processor, &queue);
    if (!ring || ring->submitted != queue->started)
        return EXO_BUSY;
    bool moves = step->argument[0] == EXO_DISK_READ || step->argument[0] == EXO_DISK_WRITE;
    ring->submission[ring->submitted % EXO_RING_ENTRIES] = (struct exo_submission){
        .block = DISK_BLOCK, .count = moves, .frame = moves ? step->argument[1] : 0, .extent = DISK_EXTENT,
        .frames = moves ? ROOT_FRAMES : 0, .operation = step->argument[0],
    };
    ring->submitted++;
    return EXO_OK;
}

static exo_result disk_answer(uint32_t place)
{
    struct machine_disk *disk = &machine.disk_device[0];
    if (!disk->place[place].order || disk->place[place].answer)
        return EXO_BUSY;
    disk->place[place].answer = ++disk->answers;
    machine.current = 0;
    disk_interrupted(0);
    return EXO_OK;
}

exo_result step_take(const struct step *step, bool *ret_must_stay)
{
    vcpu_name running = kernel.processor[step->processor].running;
    bool runs = running && frame_at(running / VCPUS_PER_ENVIRONMENT)->kind == EXO_FRAME_ENVIRONMENT;
    *ret_must_stay = true;
    if (!runs && (step->action == ACTION_CALL || step->action == ACTION_TOUCH || step->action == ACTION_ACCEPT || step->action == ACTION_ASK))
        return EXO_BUSY;
    exo_result result = EXO_OK;
    switch (step->action) {
    case ACTION_CALL:
        result = call_take(step);
        *ret_must_stay = result < 0 && result != EXO_AGAIN && kernel.processor[step->processor].running == running;
        break;
    case ACTION_TOUCH:
        *ret_must_stay = false;
        machine_touch(step->processor, step->argument[0], (uint32_t)step->argument[1]);
        break;
    case ACTION_INTERRUPT:
        if (!machine.processor[step->processor].interrupt)
            return EXO_BUSY;
        *ret_must_stay = false;
        world_interrupt(step->processor);
        break;
    case ACTION_TIMER:
        if (machine.processor[step->processor].timer == EXO_NEVER)
            return EXO_BUSY;
        *ret_must_stay = false;
        world_timer(step->processor);
        break;
    case ACTION_WAIT:
        *ret_must_stay = false;
        machine.time += step->argument[0];
        break;
    case ACTION_ACCEPT:
        *ret_must_stay = false;
        events_accept(step->processor);
        completions_accept(step->processor);
        break;
    case ACTION_ASK:
        *ret_must_stay = false;
        result = request_write(step);
        break;
    case ACTION_ANSWER:
        *ret_must_stay = false;
        result = disk_answer((uint32_t)step->argument[0]);
        break;
    }
    machine.current = 0;
    return result;
}

void step_print(const struct step *step)
{
    static const char *const name[] = {"call", "touch", "interrupt", "timer", "wait", "accept", "ask", "answer"};
    printf("#   processor %u %s", step->processor, name[step->action]);
    if (step->action == ACTION_CALL)
        printf(" %u as %u%s", step->number, step->subject & ~LATE, step->subject & LATE ? ", late" : "");
    for (uint32_t i = 0; i < 6; i++)
        printf(" %llx", (unsigned long long)step->argument[i]);
    printf("\n");
}
