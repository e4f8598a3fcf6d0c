/*
 * The runtime: the part of libos-unix that lives in every process. Its image is part of this program; text and constants go to
 * the store once and are seen by all, the data are each process's own.
 */
#include "memory.h"
#include "process.h"
#include "shell.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/elf.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

extern const uint8_t process_image[], process_image_end[];

static uint32_t shared_first, shared_count; /* frames of the store, part after part */

static const struct exo_elf_header *header(void)
{
    return (const struct exo_elf_header *)process_image;
}

static const struct exo_elf_program *program(uint32_t i)
{
    return (const struct exo_elf_program *)(process_image + header()->program_offset) + i;
}

static bool is_shared(const struct exo_elf_program *part)
{
    return part->type == EXO_ELF_LOAD && !(part->flags & EXO_ELF_WRITE);
}

static uint32_t pages_of(uint64_t size)
{
    return (uint32_t)((size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE);
}

int64_t process_image_load(void)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < header()->program_count; i++)
        shared_count += is_shared(program(i)) ? pages_of(program(i)->file_size) : 0;
    shared_first = store_alloc_run(shared_count);
    if (!shared_first)
        return EXO_BAD_NAME;
    for (uint32_t i = 0; i < header()->program_count; i++) {
        if (!is_shared(program(i)))
            continue;
        memcpy(store_page(shared_first + at), process_image + program(i)->offset, program(i)->file_size);
        at += pages_of(program(i)->file_size);
    }
    return EXO_OK;
}

int64_t process_image_grant(const struct process *process)
{
    return exo_capability_derive(0, SERVER_SLOT_STORE, process->slot, SLOT_RUNTIME, EXO_RIGHT_READ | EXO_RIGHT_EXECUTE, shared_first,
                                 shared_count);
}

static const struct exo_elf_program *data_part(void)
{
    uint32_t i = 0;

    while (program(i)->type != EXO_ELF_LOAD || !(program(i)->flags & EXO_ELF_WRITE))
        i++;
    return program(i);
}

uint32_t process_data_pages(void)
{
    return pages_of(data_part()->file_size);
}

uint64_t process_runtime_entry(void)
{
    return header()->entry;
}

int64_t process_runtime_map(struct exo_space *space, const struct process *process)
{
    const uint32_t flags = EXO_MAP_READ | EXO_MAP_WRITE;
    int64_t result = EXO_OK;
    uint32_t at = 0;

    for (uint32_t i = 0; i < header()->program_count && result == EXO_OK; i++) {
        const struct exo_elf_program *part = program(i);
        if (!is_shared(part))
            continue;
        result = exo_space_map(space, part->address, shared_first + at, pages_of(part->file_size), SLOT_RUNTIME,
                               EXO_MAP_READ | (part->flags & EXO_ELF_EXECUTE ? EXO_MAP_EXECUTE : 0));
        at += pages_of(part->file_size);
    }
    if (result == EXO_OK)
        result = exo_space_map(space, data_part()->address, process->window_frame + WINDOW_PAGES, process_data_pages(), SLOT_WINDOW, flags);
    if (result == EXO_OK)
        result = exo_space_map(space, UNIX_WINDOW_ADDRESS, process->window_frame, WINDOW_PAGES, SLOT_WINDOW, flags);
    return result == EXO_OK ? exo_space_map(space, UNIX_STATE_ADDRESS, process->state_frame, 1, SLOT_STATE, EXO_MAP_READ) : result;
}

int64_t process_build(struct process *process)
{
    static struct exo_child child;
    struct exo_start *start = &child.start;
    const struct exo_elf_program *data = data_part();
    uint64_t done = (uint64_t)process_data_pages() * EXO_FRAME_SIZE;

    exo_child_adopt(&child, &memory.space, process->slot, SERVER_SLOT_WINDOW, process->frame);
    exo_text_copy(start->name, "process", sizeof start->name);
    start->capability[0] = (struct exo_start_capability){ .slot = SLOT_POOL, .kind = EXO_KIND_FRAMES,
                                                          .first = process->chunk[0].first, .count = process->chunk[0].count };
    start->capability_count = 1;
    int64_t result = exo_child_memory(&child, SLOT_POOL);
    if (result == EXO_OK)
        result = process_runtime_map(&child.space, process);
    memcpy(process->data, process_image + data->offset, data->file_size);
    if (result == EXO_OK)
        result = exo_child_fill(&child, data->address + done, pages_of(data->memory_size) - process_data_pages(),
                                EXO_MAP_READ | EXO_MAP_WRITE, 0, 0);
    return result == EXO_OK ? exo_child_start(&child, header()->entry) : result;
}

/* The parent's state but for what it says that its child does without: it may say what it likes. */
static void data_copy(struct process *process, const struct process *parent, const struct unix_fork *fork)
{
    uint32_t size = process_data_pages() * EXO_FRAME_SIZE, at = 0;

    for (uint32_t i = 0; i <= SKIPS; i++) {
        uint32_t start = i < SKIPS && fork->skip[i].start < size ? fork->skip[i].start : size;
        if (start > at)
            vector_copy(process->data + at, parent->data + at, start - at);
        at = i < SKIPS && fork->skip[i].end > at ? fork->skip[i].end : at;
    }
}

int64_t process_copy(struct process *process, const struct process *parent, struct unix_fork *fork)
{
    data_copy(process, parent, fork);
    fork->code_count = shell_code(process);
    fork->chunk = process->chunk[0];
    fork->view_count = process->view_count;
    memcpy(fork->view, process->view, process->view_count * sizeof *fork->view);
    return shell_start(process, &fork->start);
}
