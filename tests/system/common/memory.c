#include <memory.h>
#include <check.h>
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/program.h>
#include <exo/upcall.h>

struct exo_frames memory_frames;
struct exo_space memory_space;

void memory_open(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));

    exo_frames_open(&memory_frames, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&memory_space, &exo_start, &memory_frames);
}

uint32_t memory_page(uint64_t address)
{
    uint32_t frame = exo_frame_alloc(&memory_frames);

    check_must("a frame", frame ? EXO_OK : EXO_BAD_NAME);
    check_must("a page", exo_space_map(&memory_space, address, frame, 1, memory_frames.capability,
                                       EXO_MAP_READ | EXO_MAP_WRITE));
    return frame;
}

void memory_page_end(uint64_t address, uint32_t frame)
{
    check_must("end of a page", memory_unbind(address, exo_space_table(&memory_space, address), 0));
    check_must("a frame back", exo_frame_release(&memory_frames, frame));
}

int64_t memory_bind(uint64_t address, uint32_t table, uint32_t frame, uint16_t capability, uint32_t flags)
{
    return exo_space_bind(0, address, exo_mapping_entry(table, frame), exo_mapping_way(capability, (uint16_t)flags, 0), 0);
}

int64_t memory_bind_many(uint64_t address, uint32_t table, uint32_t frame, uint32_t more, uint32_t flags)
{
    return exo_space_bind(0, address, exo_mapping_entry(table, frame),
                          exo_mapping_way(memory_frames.capability, (uint16_t)flags, more), 0);
}

int64_t memory_protect(uint64_t address, uint32_t table, uint32_t flags)
{
    return exo_space_protect(0, address, exo_mapping_entry(table, 0), exo_mapping_way(0, (uint16_t)flags, 0), 0);
}

int64_t memory_unbind(uint64_t address, uint32_t table, uint32_t flags)
{
    return exo_space_unbind(0, address, exo_mapping_entry(table, 0), exo_mapping_way(0, (uint16_t)flags, 0), 0);
}

uint32_t memory_table(uint8_t level)
{
    uint32_t table = exo_frame_find(&memory_frames), shadow = exo_frame_find(&memory_frames);
    int64_t result;

    do
        result = exo_table_create(0, memory_frames.capability, table, shadow, level);
    while (exo_again(result));
    return result == EXO_OK ? table : 0;
}

