/*
 * The machine contract as the prover sees it: the tables and, for each kind of donated page, one array over all frames
 * there can be. The prover checks each access against the frame's kind, so that these arrays may stand for the
 * same memory. Page-table entries and limits are those of x86-64, which is what ships.
 */
#pragma once
#include <arch_entry.h>

extern struct exo_frame frame_table[EXO_FRAME_LIMIT];
extern struct exo_slot slot_table[PROCESSOR_LIMIT * SLOTS_PER_PROCESSOR];
extern struct exo_processor processor_table[PROCESSOR_LIMIT];
extern struct exo_system system_table;
extern struct environment environment_pages[EXO_FRAME_LIMIT];
extern struct capability_table capability_pages[EXO_FRAME_LIMIT];
extern uint64_t table_pages[EXO_FRAME_LIMIT][TABLE_ENTRIES];
extern struct shadow_entry shadow_pages[EXO_FRAME_LIMIT][TABLE_ENTRIES];
extern struct exo_context context_pages[EXO_FRAME_LIMIT];
extern struct exo_ring ring_pages[EXO_FRAME_LIMIT];
extern struct queue queue_pages[EXO_FRAME_LIMIT];
extern struct exo_disk disk_table[DISK_LIMIT];
extern struct exo_trace_record trace_pages[EXO_FRAME_LIMIT][EXO_FRAME_SIZE / sizeof(struct exo_trace_record)];

extern struct exo_program program_table[PROGRAM_PAGES];
extern struct exo_flow flow_table[FLOW_LIMIT];
extern struct exo_shape shape_table[SHAPE_LIMIT];
extern struct exo_net_ring net_ring_pages[EXO_FRAME_LIMIT];
extern struct net_queue net_queue_pages[EXO_FRAME_LIMIT];
extern uint8_t data_pages[EXO_FRAME_LIMIT][EXO_FRAME_SIZE];

uint32_t arch_processor(void);

static inline struct exo_program *program_at(uint32_t page)
{
    return &program_table[page];
}

static inline struct exo_frame *frame_at(frame_name frame)
{
    return &frame_table[frame];
}

static inline struct exo_slot *slot_at(uint32_t slot)
{
    return &slot_table[slot];
}

static inline struct exo_processor *processor_info(uint32_t processor)
{
    return &processor_table[processor];
}

static inline struct exo_system *system_info(void)
{
    return &system_table;
}

static inline struct environment *environment_page(frame_name frame)
{
    return &environment_pages[frame];
}

static inline struct vcpu *vcpu_at(vcpu_name name)
{
    return &environment_page(name / VCPUS_PER_ENVIRONMENT)->vcpu[name % VCPUS_PER_ENVIRONMENT];
}

static inline struct capability_table *capability_page(frame_name frame)
{
    return &capability_pages[frame];
}

static inline uint64_t *table_page(frame_name frame)
{
    return table_pages[frame];
}

static inline struct shadow_entry *shadow_page(frame_name frame)
{
    return shadow_pages[frame];
}

static inline struct exo_context *context_page(frame_name frame)
{
    return &context_pages[frame];
}

static inline struct exo_trace_record *trace_page(frame_name frame)
{
    return trace_pages[frame];
}

static inline struct exo_ring *ring_page(frame_name frame)
{
    return &ring_pages[frame];
}

static inline struct queue *queue_page(frame_name frame)
{
    return &queue_pages[frame];
}

static inline struct exo_disk *disk_info(uint32_t disk)
{
    return &disk_table[disk];
}

static inline struct exo_flow *flow_at(uint32_t flow)
{
    return &flow_table[flow];
}

static inline struct exo_shape *shape_at(uint32_t shape)
{
    return &shape_table[shape];
}

static inline struct exo_net_ring *net_ring_page(frame_name frame)
{
    return &net_ring_pages[frame];
}

static inline struct net_queue *net_queue_page(frame_name frame)
{
    return &net_queue_pages[frame];
}

static inline void *data_page(frame_name frame)
{
    return data_pages[frame];
}

static inline struct processor *processor_here(void)
{
    return &kernel.processor[arch_processor()];
}

static inline struct vcpu *vcpu_here(void)
{
    return vcpu_at(processor_here()->running);
}

static inline struct exo_context *context_here(void)
{
    return context_page(vcpu_here()->context);
}

static inline uint64_t arch_clamp(uint64_t index, uint64_t limit)
{
    return index < limit ? index : 0;
}

static inline uint32_t table_index(uint64_t address, uint32_t level)
{
    return address >> (12 + 9 * (level - 1)) & (TABLE_ENTRIES - 1);
}

/* No notes are kept: every check walks. */
static inline bool arch_check_is_noted(uint64_t id)
{
    (void)id;
    return false;
}

static inline void arch_check_note(uint64_t id, uint64_t generation)
{
    (void)id;
    (void)generation;
}
