/*
 * The runtime: the part of libos-unix that lives in every process. Its image is part of this program; text and constants go to
 * the store once and are seen by all, the data are each process's own.
 */
#include "memory.h"
#include "process.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>

extern const uint8_t process_image[], process_image_end[];

struct elf_header {
    uint8_t identity[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t header_size, program_size, program_count, section_size, section_count, section_names;
};

struct elf_program {
    uint32_t type, flags;
    uint64_t offset, address, physical_address, file_size, memory_size, alignment;
};

enum { ELF_LOAD = 1, ELF_EXECUTE = 1, ELF_WRITE = 2, SHARED_MAX = 256 };

static struct {
    uint64_t address[SHARED_MAX];
    uint32_t frame[SHARED_MAX];
    bool executes[SHARED_MAX];
    uint32_t count;
} shared;

static const struct elf_header *header(void)
{
    return (const struct elf_header *)process_image;
}

static const struct elf_program *program(uint32_t i)
{
    return (const struct elf_program *)(process_image + header()->program_offset) + i;
}

static int64_t part_share(const struct elf_program *part)
{
    for (uint64_t done = 0; done < part->file_size; done += EXO_FRAME_SIZE) {
        uint64_t left = part->file_size - done;
        uint32_t frame = store_alloc();
        if (!frame || shared.count == SHARED_MAX)
            return EXO_BAD_NAME;
        memcpy(store_page(frame), process_image + part->offset + done, left < EXO_FRAME_SIZE ? left : EXO_FRAME_SIZE);
        shared.address[shared.count] = part->address + done;
        shared.executes[shared.count] = part->flags & ELF_EXECUTE;
        shared.frame[shared.count++] = frame;
    }
    return EXO_OK;
}

int64_t process_image_load(void)
{
    int64_t result = EXO_OK;

    for (uint32_t i = 0; i < header()->program_count && result == EXO_OK; i++)
        if (program(i)->type == ELF_LOAD && !(program(i)->flags & ELF_WRITE))
            result = part_share(program(i));
    return result;
}

static int64_t data_fill(struct exo_child *child)
{
    int64_t result = EXO_OK;

    for (uint32_t i = 0; i < header()->program_count && result == EXO_OK; i++) {
        const struct elf_program *part = program(i);
        if (part->type == ELF_LOAD && part->flags & ELF_WRITE)
            result = exo_child_fill(child, part->address, (uint32_t)((part->memory_size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE),
                                    EXO_MAP_READ | EXO_MAP_WRITE, process_image + part->offset, part->file_size);
    }
    return result;
}

static int64_t shared_map(struct exo_child *child)
{
    int64_t result = EXO_OK;

    for (uint32_t i = 0; i < shared.count && result == EXO_OK; i++)
        result = exo_space_map(&child->space, shared.address[i], shared.frame[i], 1, SLOT_FILES,
                               EXO_MAP_READ | (shared.executes[i] ? EXO_MAP_EXECUTE : 0));
    return result;
}

int64_t process_build(struct process *process)
{
    static struct exo_child child;
    struct exo_start *start = &child.start;

    exo_child_adopt(&child, &memory.space, process->slot, SERVER_SLOT_WINDOW, process->frame);
    exo_text_copy(start->name, "process", sizeof start->name);
    start->capability[0] = (struct exo_start_capability){ .slot = SLOT_POOL, .kind = EXO_KIND_FRAMES,
                                                          .first = memory.own.first, .count = memory.own.count };
    start->capability[1] = (struct exo_start_capability){ .slot = SLOT_SELF, .kind = EXO_KIND_ENVIRONMENT,
                                                          .first = process->frame, .count = 1 };
    start->capability_count = 2;
    int64_t result = exo_child_memory(&child, SLOT_POOL);
    if (result == EXO_OK)
        result = shared_map(&child);
    if (result == EXO_OK)
        result = data_fill(&child);
    if (result == EXO_OK)
        result = exo_space_map(&child.space, UNIX_WINDOW_ADDRESS, process->window_frame, WINDOW_PAGES, SLOT_WINDOW,
                               EXO_MAP_READ | EXO_MAP_WRITE);
    if (result == EXO_OK)
        result = exo_space_map(&child.space, UNIX_STATE_ADDRESS, process->state_frame, 1, SLOT_STATE, EXO_MAP_READ);
    if (result == EXO_OK)
        result = exo_child_start(&child, header()->entry);
    return result;
}
