/* The hot part of the machine contract on the host: arrays with checked indices. */
#pragma once
#include <arch_entry.h>
#include <machine.h>

static inline uint64_t machine_index(uint64_t index, uint64_t limit, const char *what)
{
    if (index < limit)
        return index;
    machine_broke(what);
    return 0;
}

/* Which entry of a table of this level (1 up) translates the address. */
static inline uint32_t table_index(uint64_t address, uint32_t level)
{
    return address >> (12 + TABLE_INDEX_BITS * (level - 1)) & (TABLE_ENTRIES - 1);
}

static inline struct exo_frame *frame_at(frame_name frame)
{
    return &machine.frame[machine_index(frame, kernel.frame_count, "frame_at: no such frame")];
}

static inline struct exo_slot *slot_at(uint32_t slot)
{
    return &machine.slot[machine_index(slot, kernel.processor_count * SLOTS_PER_PROCESSOR, "slot_at: no such slot")];
}

static inline struct exo_flow *flow_at(uint32_t flow)
{
    return &machine.flow[machine_index(flow, FLOW_LIMIT, "flow_at: no such flow")];
}

static inline struct exo_shape *shape_at(uint32_t shape)
{
    return &machine.shape[machine_index(shape, SHAPE_LIMIT, "shape_at: no such shape")];
}

static inline struct exo_net_ring *net_ring_page(frame_name frame)
{
    return &machine_net_rings[machine_index(frame, kernel.frame_count, "ring in a frame that does not exist")];
}

static inline struct net_queue *net_queue_page(frame_name frame)
{
    return &machine_net_queues[machine_index(frame, kernel.frame_count, "queue in a frame that does not exist")];
}

static inline void *data_page(frame_name frame)
{
    return machine_bytes[machine_index(frame, kernel.frame_count, "bytes of a frame that does not exist")];
}

static inline struct exo_processor *processor_info(uint32_t processor)
{
    return &machine.info[machine_index(processor, kernel.processor_count, "processor_info: no such processor")];
}

static inline struct exo_system *system_info(void)
{
    return &machine.system;
}

static inline struct environment *environment_page(frame_name frame)
{
    return &machine.environment[machine_index(frame, MACHINE_ENVIRONMENT_FRAMES, "no environment can be in this frame")];
}

static inline struct vcpu *vcpu_at(vcpu_name name)
{
    return &environment_page(name / VCPUS_PER_ENVIRONMENT)->vcpu[name % VCPUS_PER_ENVIRONMENT];
}

static inline struct capability_table *capability_page(frame_name frame)
{
    return &machine.capabilities[machine_index(frame, MACHINE_CAPABILITY_FRAMES, "no capability table can be in this frame")];
}

static inline uint64_t *table_page(frame_name frame)
{
    return machine.words[machine_index(frame, kernel.frame_count, "words of a frame that does not exist")].table;
}

static inline struct shadow_entry *shadow_page(frame_name frame)
{
    return machine.words[machine_index(frame, kernel.frame_count, "shadow in a frame that does not exist")].shadow;
}

static inline struct exo_context *context_page(frame_name frame)
{
    return &machine_contexts[machine_index(frame, kernel.frame_count, "context page of a frame that does not exist")];
}

static inline struct exo_trace_record *trace_page(frame_name frame)
{
    return machine_traces[machine_index(frame - machine.system.trace_frame, MACHINE_TRACE_FRAMES, "no trace in this frame")];
}

static inline struct exo_program *program_at(uint32_t page)
{
    return &machine.program[machine_index(page, PROGRAM_PAGES, "program_at: no such page")];
}

static inline struct exo_ring *ring_page(frame_name frame)
{
    return &machine_rings[machine_index(frame, MACHINE_RING_FRAMES, "no ring can be in this frame")];
}

static inline struct queue *queue_page(frame_name frame)
{
    return &machine.queue[machine_index(frame, MACHINE_RING_FRAMES, "no half of a ring can be in this frame")];
}

static inline struct exo_disk *disk_info(uint32_t disk)
{
    return &machine.disk[machine_index(disk, DISK_LIMIT, "disk_info: no such disk")];
}

static inline struct processor *processor_here(void)
{
    return &kernel.processor[machine_index(machine.current, kernel.processor_count, "processor_here: no such processor")];
}

static inline struct vcpu *vcpu_here(void)
{
    return vcpu_at(machine.processor[machine.current].vcpu);
}

static inline struct exo_context *context_here(void)
{
    return context_page(vcpu_here()->context);
}

static inline uint64_t arch_clamp(uint64_t index, uint64_t limit)
{
    return index < limit ? index : 0;
}

/* As the real machine keeps them: one note for each class of ids, good while nothing was withdrawn. */
static inline bool arch_check_is_noted(uint64_t id)
{
    const struct machine_note *note = &machine_notes[machine.current][id % MACHINE_NOTES];
    return note->id == id && note->generation == kernel.generation;
}

static inline void arch_check_note(uint64_t id, uint64_t generation)
{
    machine_notes[machine.current][id % MACHINE_NOTES] = (struct machine_note){id, generation};
}
