#include "world_state.h"
#include <arch.h>
#include <stdio.h>
#include <string.h>

static bool frame_is(frame_name frame, uint32_t kind)
{
    return frame < kernel.frame_count && machine.frame[frame].kind == kind;
}

static struct state_context context_read(frame_name frame)
{
    const struct exo_context *context = &machine_contexts[frame];
    return (struct state_context){context->pending, context->event_busy, context->repossessed_count, context->revoke_count,
                                  context->inbox_full};
}

static struct exo_submission *newest_of(struct exo_ring *ring, uint32_t submitted)
{
    return &ring->submission[(submitted - 1) % EXO_RING_ENTRIES];
}

static struct state_ring ring_read(frame_name frame)
{
    struct exo_ring *ring = &machine_rings[frame];
    return (struct state_ring){ring->submitted, ring->completed, ring->reaped, 0, *newest_of(ring, ring->submitted)};
}

static void rings_save(struct state *state)
{
    for (frame_name frame = 0; frame < MACHINE_RING_FRAMES; frame++)
        if (frame_is(frame, EXO_FRAME_RING))
            state->ring[frame] = ring_read(frame);
    for (frame_name frame = 0; frame < MACHINE_FRAMES; frame++)
        if (frame_is(frame, EXO_FRAME_NET_QUEUE))
            state->net_queue[frame] = machine_net_queues[frame];
}

static void rings_load(const struct state *state)
{
    for (frame_name frame = 0; frame < MACHINE_RING_FRAMES; frame++) {
        const struct state_ring *kept = &state->ring[frame];
        struct exo_ring *ring = &machine_rings[frame];
        if (!frame_is(frame, EXO_FRAME_RING))
            continue;
        ring->submitted = kept->submitted;
        ring->completed = kept->completed;
        ring->reaped = kept->reaped;
        *newest_of(ring, kept->submitted) = kept->newest;
    }
    for (frame_name frame = 0; frame < MACHINE_FRAMES; frame++)
        if (frame_is(frame, EXO_FRAME_NET_QUEUE))
            machine_net_queues[frame] = state->net_queue[frame];
}

static bool rings_are_present(const struct state *state)
{
    for (frame_name frame = 0; frame < MACHINE_RING_FRAMES; frame++) {
        struct state_ring ring = ring_read(frame);
        if (frame_is(frame, EXO_FRAME_RING) && memcmp(&ring, &state->ring[frame], sizeof ring))
            return false;
    }
    for (frame_name frame = 0; frame < MACHINE_FRAMES; frame++)
        if (frame_is(frame, EXO_FRAME_NET_QUEUE) &&
            memcmp(&machine_net_queues[frame], &state->net_queue[frame], sizeof(struct net_queue)))
            return false;
    return true;
}

void state_save(struct state *state)
{
    state->kernel = kernel;
    state->machine = machine;
    memcpy(state->network, &network, STATE_NETWORK);
    memcpy(state->notes, machine_notes, sizeof machine_notes);
    for (frame_name frame = 0; frame < MACHINE_FRAMES; frame++)
        if (frame_is(frame, EXO_FRAME_CONTEXT))
            state->context[frame] = context_read(frame);
    rings_save(state);
}

void state_load_notes(const struct state *state)
{
    memcpy(machine_notes, state->notes, sizeof machine_notes);
}

void state_load(const struct state *state)
{
    kernel = state->kernel;
    machine = state->machine;
    memcpy(&network, state->network, STATE_NETWORK);
    state_load_notes(state);
    for (frame_name frame = 0; frame < MACHINE_FRAMES; frame++) {
        const struct state_context *kept = &state->context[frame];
        struct exo_context *context = &machine_contexts[frame];
        if (!frame_is(frame, EXO_FRAME_CONTEXT))
            continue;
        context->pending = kept->pending;
        context->event_busy = kept->event_busy;
        context->repossessed_count = kept->repossessed_count;
        context->revoke_count = kept->revoke_count;
        context->inbox_full = kept->inbox_full;
    }
    rings_load(state);
}

bool state_is_present(const struct state *state)
{
    if (memcmp(&state->machine, &machine, sizeof machine) || memcmp(&state->kernel, &kernel, sizeof kernel) ||
        memcmp(state->network, &network, STATE_NETWORK))
        return false;
    for (frame_name frame = 0; frame < MACHINE_FRAMES; frame++) {
        if (!frame_is(frame, EXO_FRAME_CONTEXT))
            continue;
        struct state_context context = context_read(frame);
        if (memcmp(&context, &state->context[frame], sizeof context))
            return false;
    }
    return rings_are_present(state);
}

bool state_is_flushed(const struct state *state)
{
    static struct machine present;
    static struct kernel present_kernel;
    present = machine;
    present_kernel = kernel;
    memcpy(machine.processor, state->machine.processor, sizeof machine.processor);
    for (uint32_t processor = 0; processor < kernel.processor_count; processor++)
        machine.info[processor].flushed = state->machine.info[processor].flushed;
    for (uint32_t processor = 0; processor < kernel.processor_count; processor++) {
        memcpy(kernel.processor[processor].gate, state->kernel.processor[processor].gate, sizeof kernel.processor->gate);
        memcpy(kernel.processor[processor].target, state->kernel.processor[processor].target, sizeof kernel.processor->target);
    }
    bool same = state_is_present(state);
    machine = present;
    kernel = present_kernel;
    return same;
}

static uint64_t hash_value;

static inline void mix(uint64_t word)
{
    __uint128_t product = (__uint128_t)(hash_value ^ word) * 0x9e3779b97f4a7c15ull;
    hash_value = (uint64_t)product ^ (uint64_t)(product >> 64) ^ 0x2545f4914f6cdd1dull;
}

static const struct capability *capability_of(capability_name name)
{
    uint32_t position = name % CAPABILITIES_PER_TABLE;
    frame_name table = name / CAPABILITIES_PER_TABLE;
    return position && frame_is(table, EXO_FRAME_CAPABILITIES) ? &machine.capabilities[table].slot[position - 1] : NULL;
}

/* Does this id still mean the capability of this name? */
static uint64_t refers(capability_name name, uint64_t id)
{
    const struct capability *capability = capability_of(name);
    return capability && capability->state != CAPABILITY_EMPTY && capability->id == id ? name : 0;
}

static uint64_t passed(uint64_t epoch)
{
    uint64_t mask = 0;
    for (uint32_t processor = 0; processor < kernel.processor_count; processor++)
        mask |= (uint64_t)(machine.info[processor].flushed >= epoch) << processor;
    for (uint32_t place = 0; place < DISK_PLACES; place++) /* and what devices work on since before it */
        mask |= (uint64_t)(kernel.disk[0].place[place].state == PLACE_IN_DEVICE && kernel.disk[0].place[place].stamp <= epoch) << (16 + place);
    return mask;
}

/* How far away a time is: never, past, or so many ns. */
static uint64_t ahead(uint64_t time)
{
    if (time == EXO_NEVER)
        return 1;
    return time <= machine.time ? 0 : time - machine.time + 1;
}

static void hash_capabilities(frame_name table)
{
    const struct capability_table *capabilities = &machine.capabilities[table];
    mix((uint64_t)capabilities->header.environment << 1 | capabilities->header.live);
    for (uint32_t i = 0; i < CAPABILITIES_PER_TABLE - 1; i++) {
        const struct capability *capability = &capabilities->slot[i];
        mix(capability->state);
        if (capability->state == CAPABILITY_EMPTY)
            continue;
        mix((uint64_t)capability->kind << 24 | capability->rights << 16 | capability->depth << 8);
        mix((uint64_t)capability->first << 32 | capability->count);
        mix(capability->source ? refers(capability->source, capability->source_id) << 1 | 1 : 0);
        if (capability->state == CAPABILITY_CLOSING && !capability->count)
            mix(passed(capability->id));
    }
}

static void hash_vcpu(const struct vcpu *vcpu)
{
    mix((uint64_t)vcpu->state | vcpu->resume << 8 | (uint64_t)vcpu->stop << 24 | (uint64_t)vcpu->depth << 32);
    if (!vcpu->context)
        return;
    mix((uint64_t)vcpu->context << 32 | vcpu->wake);
    mix((uint64_t)vcpu->callee << 32 | vcpu->caller);
    mix(ahead(vcpu->timer));
    mix(vcpu->place.rax ^ vcpu->excess_ns << 8);
    mix(vcpu->entry[0] ^ vcpu->entry[1] << 1 ^ vcpu->start.rip << 2);
}

static void hash_revocation(const struct revocation *revocation)
{
    mix(revocation->state);
    if (revocation->state == REVOCATION_NONE)
        return;
    mix(refers(revocation->victim, revocation->victim_id) << 32 | revocation->count);
    mix(ahead(revocation->deadline));
}

static void hash_environment(frame_name frame)
{
    const struct environment *environment = &machine.environment[frame];
    mix((uint64_t)environment->state << 48 | (uint64_t)environment->root << 32 | environment->creator << 16 | environment->reaped);
    for (uint32_t i = 0; i < TABLES_PER_ENVIRONMENT; i++)
        mix(environment->tables[i]);
    for (uint32_t i = 0; i < REVOCATIONS_PER_ENVIRONMENT; i++)
        hash_revocation(&environment->revocation[i]);
    for (uint32_t i = 0; i < GATES_PER_ENVIRONMENT; i++) {
        const struct gate *gate = &environment->gate[i];
        mix(gate->stamp ? refers(gate->capability, gate->stamp) << 8 | gate->vcpu << 1 | 1 : 0);
    }
    for (uint32_t i = 0; i < VCPUS_PER_ENVIRONMENT; i++)
        hash_vcpu(&environment->vcpu[i]);
    for (uint32_t i = 0; i < DISK_LIMIT; i++)
        mix(environment->ring[i]);
}

static void hash_submission(const struct exo_submission *submission)
{
    mix((uint64_t)submission->block << 32 | submission->frame);
    mix((uint64_t)submission->operation << 32 | submission->extent << 16 | submission->frames);
}

/* Counts by what they are ahead of each other. */
static void hash_queue(const struct queue *queue)
{
    mix((uint64_t)queue->environment << 32 | queue->ring << 16 | queue->disk << 8 | queue->vcpu);
    mix((uint64_t)queue->in_flight << 32 | queue->is_listed << 16 | queue->next << 8 | queue->previous);
    if (!queue->ring || queue->ring >= MACHINE_RING_FRAMES)
        return;
    struct exo_ring *ring = &machine_rings[queue->ring];
    mix((uint64_t)(ring->submitted - queue->started) << 32 | (ring->completed - ring->reaped) << 8 | (queue->started - queue->completed));
    if (ring->submitted != queue->started)
        hash_submission(newest_of(ring, ring->submitted));
}

static void hash_net_queue(const struct net_queue *queue)
{
    mix(refers(queue->memory, queue->memory_stamp) << 32 | queue->first << 16 | queue->count);
    mix((uint64_t)queue->vcpu << 32 | queue->window << 8 | queue->window_count);
    mix(queue->generation == kernel.generation + 1);
}

static void hash_disk(uint32_t number)
{
    const struct disk *disk = &kernel.disk[number];
    mix((uint64_t)disk->state << 48 | (uint64_t)disk->first << 32 | disk->last);
    mix((uint64_t)(disk->begun % DISK_PLACES) << 48 | (uint64_t)(disk->begun - disk->ended) << 32 | (disk->begun - disk->again) << 16 |
        (disk->begun - disk->oldest));
    for (uint32_t i = 0; i < DISK_PLACES; i++) {
        const struct disk_place *place = &disk->place[i];
        mix(place->state);
        if (place->state == PLACE_FREE)
            continue;
        mix((uint64_t)place->queue << 32 | place->environment);
        mix((uint64_t)place->block << 32 | place->frame);
        mix((uint64_t)place->operation << 32 | place->extent << 16 | place->frames);
        mix(machine.disk_device[number].place[i].answer != 0);
    }
}

static void hash_words(frame_name frame)
{
    for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
        mix(machine.words[frame].table[i]);
}

static void hash_frame(frame_name frame)
{
    const struct exo_frame *info = &machine.frame[frame];
    mix((uint64_t)info->kind << 48 | (uint64_t)info->closing << 40 | (uint64_t)info->progress << 16 | info->owner);
    mix(refers(info->capability, info->stamp) << 32 | info->bindings);
    mix(info->kind == EXO_FRAME_FREE || info->kind == EXO_FRAME_DIRTY ? passed(info->link) : info->link);
    switch (info->kind) {
    case EXO_FRAME_ENVIRONMENT:
        return hash_environment(frame);
    case EXO_FRAME_CAPABILITIES:
        return hash_capabilities(frame);
    case EXO_FRAME_CONTEXT:
        mix((uint64_t)machine_contexts[frame].pending << 32 | machine_contexts[frame].event_busy << 1 |
            (machine_contexts[frame].inbox_full & 1));
        return;
    case EXO_FRAME_QUEUE:
        return hash_queue(&machine.queue[frame]);
    case EXO_FRAME_NET_QUEUE:
        return hash_net_queue(&machine_net_queues[frame]);
    case EXO_FRAME_SHADOW:
        for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
            mix((uint64_t)machine.words[frame].shadow[i].next << 32 | machine.words[frame].shadow[i].previous);
        return;
    default:
        hash_words(frame);
    }
}

static void hash_recent(const struct processor *processor, uint32_t i)
{
    const struct recent_gate *gate = &processor->gate[i];
    const struct recent_target *target = &processor->target[i];
    bool is_good = gate->caller && gate->generation == kernel.generation;
    mix(is_good ? (uint64_t)gate->caller << 32 | gate->vcpu << 8 | gate->slot : 0);
    mix(is_good ? gate->place.rax | gate->place.rdi << 32 : 0);
    is_good = target->caller && target->generation == kernel.generation;
    mix(is_good ? (uint64_t)target->caller << 32 | target->vcpu << 8 | target->slot : 0);
}

static void hash_processor(uint32_t number)
{
    const struct processor *processor = &kernel.processor[number];
    const struct machine_processor *hardware = &machine.processor[number];
    mix((uint64_t)processor->running << 32 | processor->payer);
    mix((uint64_t)processor->slot << 32 | processor->passed << 16 | processor->ending << 8 | processor->idle << 4 | hardware->interrupt);
    mix(ahead(processor->slot_end));
    mix(processor->ending ? ahead(processor->grace) : 0);
    for (uint32_t i = 0; i < RECENT_MAX; i++)
        hash_recent(processor, i);
    mix(ahead(hardware->timer));
    mix(machine.info[number].flushed >= machine.system.flush_epoch);
    mix((uint64_t)hardware->root << 32 | hardware->walked);
    mix(hardware->walked_region);
    mix(hardware->walked && machine.frame[hardware->walked].stamp == hardware->walked_stamp);
    for (uint32_t i = 0; i < MACHINE_TRANSLATIONS; i++) {
        const struct machine_translation *translation = &hardware->translation[i];
        mix(translation->frame);
        if (!translation->frame)
            continue;
        mix(translation->page << 8 | translation->flags << 1 | translation->dirty);
        mix(refers(translation->capability, translation->id));
        for (uint32_t level = 0; level < DEPTH_MAX && translation->above[level]; level++)
            mix(translation->above[level]);
    }
}

/* Births only by their order, and a claim's wider flow by whether it is still that. */
static void hash_flow(uint32_t name)
{
    const struct exo_flow *flow = &machine.flow[name];
    mix((uint64_t)flow->owner << 32 | flow->state << 16 | flow->shape << 8 | flow->source_shape);
    if (!flow->owner)
        return;
    mix(refers(flow->capability, flow->stamp) << 32 | flow->next << 16 | flow->progress);
    mix((uint64_t)flow->within << 32 | flow->depth << 8 | (flow->within && machine.flow[flow->within - 1].born == flow->within_born));
    mix(flow->within ? refers(flow->within_capability, flow->within_stamp) : 0);
    mix(refers(flow->reader, flow->reader_stamp));
    mix(flow->ring && frame_is(flow->ring + 1, EXO_FRAME_NET_QUEUE) && machine_net_queues[flow->ring + 1].stamp == flow->ring_stamp ? flow->ring : 0);
    mix(flow->state == EXO_FLOW_OPEN && flow->generation == kernel.generation + 1);
    for (uint32_t other = 0; other < FLOW_LIMIT; other++)
        mix(!flow->born << 1 | (machine.flow[other].born < flow->born));
}

uint64_t state_hash(void)
{
    hash_value = 0x243f6a8885a308d3ull;
    for (frame_name frame = 1; frame < kernel.frame_count; frame++)
        hash_frame(frame);
    for (uint32_t slot = 0; slot < kernel.processor_count * SLOTS_PER_PROCESSOR; slot++) {
        const struct exo_slot *info = &machine.slot[slot];
        mix((uint64_t)info->owner << 32 | info->vcpu);
        mix(refers(info->capability, info->stamp) << 32 | info->borrower);
    }
    for (uint32_t flow = 0; flow < FLOW_LIMIT; flow++)
        hash_flow(flow);
    for (uint32_t shape = 0; shape < SHAPE_LIMIT; shape++)
        mix((uint64_t)machine.shape[shape].set << 32 | machine.shape[shape].bits << 16 | machine.shape[shape].flows);
    for (uint32_t disk = 0; disk < DISK_LIMIT; disk++)
        hash_disk(disk);
    for (uint32_t bucket = 0; bucket < FLOW_BUCKETS; bucket++)
        mix(network.bucket[bucket]);
    for (uint32_t processor = 0; processor < kernel.processor_count; processor++)
        hash_processor(processor);
    mix(machine.time % ((uint64_t)EXO_SLOT_NS * SLOTS_PER_PROCESSOR));
    return hash_value ? hash_value : 1;
}

static void capabilities_print(frame_name table)
{
    for (uint32_t i = 0; i < CAPABILITIES_PER_TABLE - 1; i++) {
        const struct capability *capability = &machine.capabilities[table].slot[i];
        if (capability->state != CAPABILITY_EMPTY)
            printf("#       slot %u: %s id %llu kind %u rights %x range %u+%u from %u.%u id %llu\n", i + 1,
                   capability->state == CAPABILITY_LIVE ? "live" : "closing", (unsigned long long)capability->id, capability->kind,
                   capability->rights, capability->first, capability->count, capability->source / CAPABILITIES_PER_TABLE,
                   capability->source % CAPABILITIES_PER_TABLE, (unsigned long long)capability->source_id);
    }
}

void state_print(void)
{
    for (frame_name frame = 1; frame < kernel.frame_count; frame++) {
        const struct exo_frame *info = &machine.frame[frame];
        if (info->kind == EXO_FRAME_FREE && info->link <= machine.info[0].flushed)
            continue;
        printf("#     frame %u: kind %u owner %u under %u.%u stamp %llu link %llx bindings %u closing %u\n", frame, info->kind, info->owner,
               info->capability / CAPABILITIES_PER_TABLE, info->capability % CAPABILITIES_PER_TABLE, (unsigned long long)info->stamp,
               (unsigned long long)info->link, info->bindings, info->closing);
        if (info->kind == EXO_FRAME_CAPABILITIES)
            capabilities_print(frame);
    }
    for (uint32_t processor = 0; processor < kernel.processor_count; processor++)
        printf("#     processor %u: runs %u.%u, flushed %llu of %llu\n", processor,
               kernel.processor[processor].running / VCPUS_PER_ENVIRONMENT, kernel.processor[processor].running % VCPUS_PER_ENVIRONMENT,
               (unsigned long long)machine.info[processor].flushed, (unsigned long long)machine.system.flush_epoch);
}
