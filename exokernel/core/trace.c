#include <trace.h>
#include <arch.h>

enum { RECORDS_PER_FRAME = EXO_FRAME_SIZE / sizeof(struct exo_trace_record) };

void trace_record(uint64_t time, uint32_t event, vcpu_name vcpu, uint32_t detail, uint64_t value)
{
    const struct exo_system *system = system_info();
    uint32_t processor = arch_processor();

    if (!system->trace_frame || !system->trace_frames)
        return;
    uint32_t count = kernel.processor[processor].traced++;
    uint32_t index = count % (system->trace_frames * RECORDS_PER_FRAME);
    frame_name frame = system->trace_frame + processor * system->trace_frames + index / RECORDS_PER_FRAME;
    struct exo_trace_record *record = &trace_page(frame)[index % RECORDS_PER_FRAME];
    *record = (struct exo_trace_record){
        .time = time, .event = event, .processor = processor, .vcpu = vcpu, .detail = detail, .value = value,
    };
    __atomic_store_n(&record->sequence, count + 1, __ATOMIC_RELEASE);
}
