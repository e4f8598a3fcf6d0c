#include "snapshot.h"
#include <arch.h>
#include <string.h>

static struct {
    struct kernel kernel;
    struct exo_system system;
    struct exo_slot slot[PROCESSOR_LIMIT * SLOTS_PER_PROCESSOR];
    struct exo_program program[PROGRAM_PAGES];
    frame_name window[PROGRAM_PAGES];
    struct exo_frame frame[SNAPSHOT_FRAMES];
    union machine_words words[SNAPSHOT_FRAMES];
    struct capability_table capabilities[SNAPSHOT_FRAMES];
    struct environment environment[SNAPSHOT_FRAMES];
    struct exo_context context[SNAPSHOT_FRAMES];
    struct network network;
    struct exo_flow flow[FLOW_LIMIT];
    struct exo_shape shape[SHAPE_LIMIT];
    struct exo_net_ring net_ring[SNAPSHOT_FRAMES];
    struct net_queue net_queue[SNAPSHOT_FRAMES];
    struct queue queue[SNAPSHOT_FRAMES];
    struct exo_ring ring[SNAPSHOT_FRAMES];
    struct exo_disk disk[DISK_LIMIT];
    struct machine_disk disk_device[DISK_LIMIT];
    struct machine_processor processor[PROCESSOR_LIMIT];
    struct exo_processor info[PROCESSOR_LIMIT];
    uint64_t time;
} kept;

static const struct part {
    void *copy, *original;
    size_t size;
    bool may_change; /* by a call that fails */
} parts[] = {
    {&kept.kernel, &kernel, sizeof kept.kernel, false},
    {&kept.system, &machine.system, sizeof kept.system, false},
    {kept.slot, machine.slot, sizeof kept.slot, false},
    {kept.program, machine.program, sizeof kept.program, false},
    {kept.window, machine.window, sizeof kept.window, false},
    {kept.frame, machine.frame, sizeof kept.frame, false},
    {kept.words, machine.words, sizeof kept.words, false},
    {kept.capabilities, machine.capabilities, sizeof kept.capabilities, false},
    {kept.environment, machine.environment, sizeof kept.environment, false},
    {kept.context, machine_contexts, sizeof kept.context, false},
    {&kept.network, &network, sizeof kept.network, false},
    {kept.flow, machine.flow, sizeof kept.flow, false},
    {kept.shape, machine.shape, sizeof kept.shape, false},
    {kept.net_ring, machine_net_rings, sizeof kept.net_ring, false},
    {kept.net_queue, machine_net_queues, sizeof kept.net_queue, false},
    {kept.queue, machine.queue, sizeof kept.queue, false},
    {kept.ring, machine_rings, sizeof kept.ring, false},
    {kept.disk, machine.disk, sizeof kept.disk, false},
    {kept.disk_device, machine.disk_device, sizeof kept.disk_device, false},
    {kept.processor, machine.processor, sizeof kept.processor, true},
    {kept.info, machine.info, sizeof kept.info, true},
    {&kept.time, &machine.time, sizeof kept.time, true},
};

enum { PARTS = sizeof parts / sizeof *parts };

void snapshot_keep(void)
{
    for (const struct part *part = parts; part < parts + PARTS; part++)
        memcpy(part->copy, part->original, part->size);
}

bool snapshot_is_present(void)
{
    for (const struct part *part = parts; part < parts + PARTS; part++)
        if (!part->may_change && memcmp(part->copy, part->original, part->size))
            return false;
    return true;
}

void snapshot_restore(void)
{
    for (const struct part *part = parts; part < parts + PARTS; part++)
        memcpy(part->original, part->copy, part->size);
    memset(machine_notes, 0, sizeof machine_notes);
    machine.locked = machine.current = 0;
    machine_log.console_length = 0;
}
