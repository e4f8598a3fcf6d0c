/*
 * What the boot loader says, by either of its two protocols: PVH (xen/include/public/arch-x86/hvm/start_info.h) or
 * multiboot2 (multiboot2 specification 2.0, 3.6). Read once, before any memory is taken: it stands in free memory.
 */
#include "machine.h"

enum { MULTIBOOT2 = 0x36d76289, PVH = 0x336ec578, RAM = 1 };

struct pvh_start {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_count, reserved;
};

struct pvh_module {
    uint64_t address, size, command_line, reserved;
};

struct pvh_range {
    uint64_t address, size;
    uint32_t kind, reserved;
};

struct tag {
    uint32_t kind, size;
};

struct tag_module {
    struct tag tag;
    uint32_t start, end;
};

struct tag_map {
    struct tag tag;
    uint32_t entry_size, version;
    struct {
        uint64_t address, size;
        uint32_t kind, reserved;
    } entry[];
};

enum { TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_MODULE = 3, TAG_MAP = 6, TAG_RSDP = 14, TAG_RSDP2 = 15 };

static void ram_add(struct firmware *firmware, uint64_t start, uint64_t size, uint32_t kind)
{
    const uint32_t limit = sizeof firmware->ram / sizeof firmware->ram[0];
    if (kind != RAM || firmware->ram_count == limit)
        return;
    uint32_t at = firmware->ram_count++;
    for (; at > 0 && firmware->ram[at - 1].start > start; at--)
        firmware->ram[at] = firmware->ram[at - 1];
    firmware->ram[at].start = start;
    firmware->ram[at].end = start + size;
}

static void command_line_read(struct firmware *firmware, const char *text)
{
    for (uint32_t i = 0; i + 1 < sizeof firmware->command_line && text[i]; i++)
        firmware->command_line[i] = text[i];
}

static void pvh_read(struct firmware *firmware, const struct pvh_start *start)
{
    const struct pvh_module *module = boot_pointer(start->modules);
    if (start->module_count > 0) {
        firmware->module = module->address;
        firmware->module_size = module->size;
    }
    const struct pvh_range *range = boot_pointer(start->memory_map);
    for (uint32_t i = 0; i < start->memory_map_count; i++)
        ram_add(firmware, range[i].address, range[i].size, range[i].kind);
    firmware->rsdp = start->rsdp;
    if (start->command_line)
        command_line_read(firmware, boot_pointer(start->command_line));
}

static void map_read(struct firmware *firmware, const struct tag_map *map)
{
    uint32_t count = (map->tag.size - sizeof *map) / map->entry_size;
    for (uint32_t i = 0; i < count; i++)
        ram_add(firmware, map->entry[i].address, map->entry[i].size, map->entry[i].kind);
}

static void multiboot_read(struct firmware *firmware, uint64_t info)
{
    uint64_t at = info + 8;
    for (;;) {
        const struct tag *tag = boot_pointer(at);
        if (tag->kind == TAG_END)
            return;
        if (tag->kind == TAG_MODULE && !firmware->module_size) {
            firmware->module = ((const struct tag_module *)tag)->start;
            firmware->module_size = ((const struct tag_module *)tag)->end - firmware->module;
        } else if (tag->kind == TAG_COMMAND_LINE) {
            command_line_read(firmware, (const char *)(tag + 1));
        } else if (tag->kind == TAG_MAP) {
            map_read(firmware, (const struct tag_map *)tag);
        } else if (tag->kind == TAG_RSDP || tag->kind == TAG_RSDP2) {
            firmware->rsdp = at + sizeof *tag;
        }
        at += (tag->size + 7) & ~7u;
    }
}

void loader_read(struct firmware *firmware, uint32_t magic, uint32_t info)
{
    if (magic == MULTIBOOT2)
        multiboot_read(firmware, info);
    else if (((const struct pvh_start *)boot_pointer(info))->magic == PVH)
        pvh_read(firmware, boot_pointer(info));
    else
        arch_panic("started by neither PVH nor multiboot2");
    if (firmware->module % EXO_FRAME_SIZE)
        arch_panic("the boot module is not page-aligned");
}
