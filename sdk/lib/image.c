/*
 * Program images: static ELF64 executables for x86-64 with page-aligned segments of one kind of access each, and the note
 * that names their ABI version. Images are not trusted: every offset is checked before it is used.
 */
#include <exo/child.h>
#include <exo/elf.h>
#include <exo/text.h>

struct elf_note {
    uint32_t name_size, size, type;
    char name[4];
    uint32_t major, minor;
};

enum { PROGRAMS_MAX = 16 };

struct image {
    const uint8_t *bytes;
    size_t size;
    struct exo_elf_header header;
    struct exo_elf_program program[PROGRAMS_MAX];
};

static char image_error[160];

#define REFUSE(...) (exo_format(image_error, sizeof image_error, __VA_ARGS__), image_error)

static bool part_is_within(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset;
}

static uint64_t pages_of(const struct exo_elf_program *program)
{
    return (program->memory_size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE;
}

static const char *header_read(struct image *image)
{
    if (image->size < sizeof image->header || memcmp(image->bytes, "\177ELF", 4))
        return REFUSE("it is no ELF file");
    memcpy(&image->header, image->bytes, sizeof image->header);
    const struct exo_elf_header *header = &image->header;
    if (header->identity[4] != 2 || header->identity[5] != 1 || header->machine != EXO_ELF_X86_64)
        return REFUSE("it is not for 64-bit x86");
    if (header->type != EXO_ELF_EXECUTABLE)
        return REFUSE("it is no static executable (link with -static -no-pie)");
    if (header->program_size != sizeof(struct exo_elf_program) || header->program_count > PROGRAMS_MAX)
        return REFUSE("it has %u program headers of %u bytes, wanted: at most %u of %u", header->program_count,
                      header->program_size, PROGRAMS_MAX, (unsigned)sizeof(struct exo_elf_program));
    if (!part_is_within(image, header->program_offset, header->program_count * sizeof(struct exo_elf_program)))
        return REFUSE("its program headers lie outside the file");
    memcpy(image->program, image->bytes + header->program_offset, header->program_count * sizeof(struct exo_elf_program));
    return 0;
}

static const char *note_check(const struct image *image)
{
    struct elf_note note;

    for (uint32_t i = 0; i < image->header.program_count; i++) {
        const struct exo_elf_program *program = &image->program[i];
        if (program->type != EXO_ELF_NOTE || program->file_size < sizeof note)
            continue;
        if (!part_is_within(image, program->offset, program->file_size))
            return REFUSE("its note lies outside the file, which is cut off");
        memcpy(&note, image->bytes + program->offset, sizeof note);
        if (note.name_size != 4 || memcmp(note.name, "Exo", 4) || note.type != 1 || note.size != 8)
            continue;
        if (note.major != EXO_ABI_MAJOR || note.minor > EXO_ABI_MINOR)
            return REFUSE("it is built for ABI %u.%u, this system has ABI %u.%u", note.major, note.minor, EXO_ABI_MAJOR,
                          EXO_ABI_MINOR);
        return 0;
    }
    return REFUSE("it has no note of its ABI version (link with program.ld)");
}

static const char *segment_check(const struct image *image, uint32_t index)
{
    const struct exo_elf_program *program = &image->program[index];
    uint64_t end = program->address + program->memory_size;

    if (program->address % EXO_FRAME_SIZE)
        return REFUSE("segment %u begins at %#lx, which is no page boundary", index, program->address);
    if (end < program->address || end > EXO_WINDOW_ADDRESS || program->address < 0x20000)
        return REFUSE("segment %u lies at %#lx to %#lx, outside 0x20000 to %#llx", index, program->address, end,
                      EXO_WINDOW_ADDRESS);
    if (program->file_size > program->memory_size || !part_is_within(image, program->offset, program->file_size))
        return REFUSE("segment %u lies outside the file", index);
    if ((program->flags & (EXO_ELF_WRITE | EXO_ELF_EXECUTE)) == (EXO_ELF_WRITE | EXO_ELF_EXECUTE))
        return REFUSE("segment %u is writable and executable at once", index);
    for (uint32_t i = 0; i < index; i++) {
        const struct exo_elf_program *other = &image->program[i];
        if (other->type == EXO_ELF_LOAD && program->address < other->address + pages_of(other) * EXO_FRAME_SIZE &&
            other->address < program->address + pages_of(program) * EXO_FRAME_SIZE)
            return REFUSE("segments %u and %u overlap at %#lx", i, index, program->address);
    }
    return 0;
}

static const char *image_check(const struct image *image)
{
    bool entry_is_inside = false;

    for (uint32_t i = 0; i < image->header.program_count; i++) {
        const struct exo_elf_program *program = &image->program[i];
        if (program->type == EXO_ELF_INTERPRETER)
            return REFUSE("it wants a dynamic linker (link with -static -no-pie)");
        if (program->type != EXO_ELF_LOAD)
            continue;
        const char *error = segment_check(image, i);
        if (error)
            return error;
        entry_is_inside |= program->flags & EXO_ELF_EXECUTE && image->header.entry >= program->address &&
                           image->header.entry < program->address + program->memory_size;
    }
    return entry_is_inside ? 0 : REFUSE("its entry point %#lx is in no executable segment", image->header.entry);
}

uint32_t exo_image_pages(const void *bytes, size_t size)
{
    struct image image = { .bytes = bytes, .size = size };
    uint64_t pages = 0;

    if (header_read(&image) || image_check(&image))
        return 0;
    for (uint32_t i = 0; i < image.header.program_count; i++)
        if (image.program[i].type == EXO_ELF_LOAD)
            pages += pages_of(&image.program[i]);
    return (uint32_t)pages;
}

static const char *segment_load(struct exo_child *child, const struct image *image, const struct exo_elf_program *program)
{
    uint32_t flags = EXO_MAP_READ | (program->flags & EXO_ELF_WRITE ? EXO_MAP_WRITE : 0) |
                     (program->flags & EXO_ELF_EXECUTE ? EXO_MAP_EXECUTE : 0);
    uint64_t end = program->address + pages_of(program) * EXO_FRAME_SIZE;
    int64_t result = exo_child_fill(child, program->address, (uint32_t)pages_of(program), flags,
                                    image->bytes + program->offset, program->file_size);

    if (result == EXO_BAD_NAME)
        return REFUSE("its memory of %u frames is too small for it", child->frames.count);
    if (result != EXO_OK)
        return REFUSE("segment at %#lx: %s", program->address, exo_status_name(result));
    if (end > child->start.free_address)
        child->start.free_address = end;
    return 0;
}

const char *exo_child_load(struct exo_child *child, const void *bytes, size_t size, uint64_t *ret_entry)
{
    static struct image image;
    const char *error;

    image.bytes = bytes;
    image.size = size;
    if ((error = header_read(&image)) || (error = note_check(&image)) || (error = image_check(&image)))
        return error;
    for (uint32_t i = 0; i < image.header.program_count; i++)
        if (image.program[i].type == EXO_ELF_LOAD && (error = segment_load(child, &image, &image.program[i])))
            return error;
    *ret_entry = image.header.entry;
    return 0;
}
