/*
 * The root environment: the kernel makes it with the same calls that environments use, maps its image in place
 * from the boot module, and gives it everything. Runs once, on one processor, before anything else.
 */
#include <boot.h>
#include <arch.h>
#include <capability.h>
#include <disk.h>
#include <dispatch.h>
#include <frame.h>
#include <net.h>
#include <space.h>

enum {
    SLOT_FRAMES = 1, SLOT_SLOTS, SLOT_SELF, SLOT_CONSOLE, SLOT_MACHINE, SLOT_PROGRAMS, SLOT_DISKS = 10, SLOT_FLOWS = 14,
    CONTEXT_ADDRESS = 0x10000,
    MODULE_ADDRESS = 0x10000000,
    PAGE_SHIFT = 12,
    TABLE1_SHIFT = 21,
    TABLE1_LIMIT = 512, /* the root's first address space is the first GiB */
};

enum {
    RIGHTS_ALL = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_KEPT | EXO_RIGHT_GRANT,
    RIGHTS_SELF = RIGHTS_ALL & ~EXO_RIGHT_KEPT,
    RIGHTS_DISK = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
};

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
    uint64_t offset, virtual_address, physical_address, file_size, memory_size, alignment;
};

enum { ELF_LOAD = 1, ELF_NOTE = 4, ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_X86_64 = 62, ELF_EXECUTABLE = 2, NOTE_SIZE = 24 };

/* What is being built. */
static struct {
    struct caller caller;
    const struct boot *boot;
    struct exo_start start;
    frame_name next; /* frames are taken downwards from here */
    frame_name lowest;
} root;

static void boot_must(exo_result result, const char *message)
{
    if (result < 0)
        arch_panic(message);
}

/* A free frame for the root, from the end of the largest range. */
static frame_name frame_next(void)
{
    if (root.next <= root.lowest)
        arch_panic("the largest range of memory is too small for the root environment");
    return --root.next;
}

static void frames_fill(void)
{
    const struct boot *boot = root.boot;

    for (uint32_t r = 0; r < boot->range_count; r++)
        for (uint32_t i = 0; i < boot->range[r].count; i++)
            frame_at(boot->range[r].first + i)->kind = EXO_FRAME_FREE;
}

static void system_fill(void)
{
    const struct boot *boot = root.boot;
    struct exo_system *system = system_info();

    system->abi_major = EXO_ABI_MAJOR;
    system->abi_minor = EXO_ABI_MINOR;
    system->frame_count = boot->frame_count;
    system->processor_count = kernel.processor_count;
    system->tsc_base = boot->tsc_base;
    system->tsc_multiplier = boot->tsc_multiplier;
    system->module_frame = boot->module_frame;
    system->module_size = boot->module_size;
    system->random_seed = boot->random_seed;
    system->xsave_size = boot->xsave_size;
    system->trace_frame = boot->trace_frame;
    system->trace_frames = boot->trace_frames;
    for (frame_name frame = 0; frame < boot->frame_count; frame++)
        system->kernel_frames += frame_at(frame)->kind == EXO_FRAME_KERNEL;
}

static void root_hold(uint32_t slot, uint32_t kind, uint32_t rights, uint32_t first, uint32_t count)
{
    *capability_at(capability_lookup(root.caller.environment, slot)) = (struct capability){
        .id = kernel.next_id++, .first = first, .count = count, .kind = kind, .rights = rights, .state = CAPABILITY_LIVE,
    };
    root.start.capability[root.start.capability_count++] = (struct exo_start_capability){
        .slot = slot, .kind = kind, .rights = rights, .first = first, .count = count,
    };
}

static void frame_give(frame_name frame, uint32_t kind, uint32_t slot)
{
    capability_name name = capability_lookup(root.caller.environment, slot);
    struct exo_frame *info = frame_at(frame);

    info->owner = root.caller.environment;
    info->capability = name;
    info->stamp = capability_at(name)->id;
    info->kind = kind;
}

/* The environment and its capabilities: the only ones that derive from nothing. */
static void environment_make(void)
{
    frame_name environment = frame_next(), table = frame_next();

    arch_clear_page(environment);
    arch_clear_page(table);
    frame_at(environment)->kind = EXO_FRAME_ENVIRONMENT;
    frame_at(table)->kind = EXO_FRAME_CAPABILITIES;
    environment_page(environment)->state = ENVIRONMENT_ALIVE;
    environment_page(environment)->tables[0] = table;
    capability_page(table)->header = (struct capability_header){.environment = environment, .live = 1};
    root.caller = (struct caller){.self = environment, .environment = environment};
    root_hold(SLOT_FRAMES, EXO_KIND_FRAMES, RIGHTS_ALL, 0, root.boot->frame_count);
    root_hold(SLOT_SLOTS, EXO_KIND_SLOTS, RIGHTS_ALL, 0, kernel.processor_count * SLOTS_PER_PROCESSOR);
    root_hold(SLOT_SELF, EXO_KIND_ENVIRONMENT, RIGHTS_SELF, environment, 1);
    root_hold(SLOT_CONSOLE, EXO_KIND_CONSOLE, RIGHTS_ALL, 0, 0);
    root_hold(SLOT_MACHINE, EXO_KIND_MACHINE, RIGHTS_ALL, 0, 0);
    root_hold(SLOT_PROGRAMS, EXO_KIND_PROGRAMS, RIGHTS_ALL, 1, PROGRAM_PAGES - 1);
    for (uint32_t disk = 0; disk < DISK_LIMIT; disk++)
        if (disk_info(disk)->blocks)
            root_hold(SLOT_DISKS + disk, EXO_KIND_EXTENT, RIGHTS_DISK, disk << EXO_DISK_SHIFT, disk_info(disk)->blocks);
    root_hold(SLOT_FLOWS, EXO_KIND_FLOWS, RIGHTS_ALL, 0, FLOW_LIMIT);
    frame_give(environment, EXO_FRAME_ENVIRONMENT, SLOT_SELF);
    frame_give(table, EXO_FRAME_CAPABILITIES, SLOT_FRAMES);
    root.start.environment = environment;
    system_info()->root = environment;
}

static frame_name table_make(uint32_t level)
{
    frame_name table = frame_next(), shadow = frame_next();

    boot_must(call_table_create(&root.caller, SLOT_FRAMES, table, shadow, level), "cannot make the root's page tables");
    return table;
}

static void root_bind(uint64_t address, frame_name table, frame_name frame, uint32_t flags, uint32_t slot)
{
    const struct exo_mapping mapping = {.address = address, .table = table, .frame = frame, .capability = slot, .flags = flags};

    boot_must(space_bind(&root.caller, &mapping), "cannot map the root: its image overlaps itself, the module or the context page");
}

static void space_make(void)
{
    root.start.table4 = table_make(4);
    root.start.table3 = table_make(3);
    root.start.table2 = table_make(2);
    root_bind(0, root.start.table4, root.start.table3, EXO_MAP_READ, 0);
    root_bind(0, root.start.table3, root.start.table2, EXO_MAP_READ, 0);
    boot_must(call_environment_space(&root.caller, root.start.table4), "cannot set the root's address space");
}

/* The TABLE1 for an address of the first GiB, made when it is missing. */
static frame_name table1_for(uint64_t address)
{
    uint64_t index = address >> TABLE1_SHIFT;

    for (uint32_t i = 0; i < root.start.table1_count; i++)
        if (root.start.table1[i].index == index)
            return root.start.table1[i].frame;
    if (index >= TABLE1_LIMIT)
        arch_panic("the root image lies outside the first GiB");
    if (root.start.table1_count == EXO_START_TABLES)
        arch_panic("the boot module is too large for the root's first page tables");
    frame_name table = table_make(1);
    root_bind(index << TABLE1_SHIFT, root.start.table2, table, EXO_MAP_READ, 0);
    root.start.table1[root.start.table1_count++] = (struct exo_start_table){.index = index, .frame = table};
    return table;
}

static void page_map(uint64_t address, frame_name frame, uint32_t flags)
{
    root_bind(address, table1_for(address), frame, flags, SLOT_FRAMES);
}

static void module_map(void)
{
    uint64_t frames = (root.boot->module_size + EXO_FRAME_SIZE - 1) >> PAGE_SHIFT;

    for (uint64_t i = 0; i < frames; i++) {
        frame_give(root.boot->module_frame + i, EXO_FRAME_DATA, SLOT_FRAMES);
        page_map(MODULE_ADDRESS + (i << PAGE_SHIFT), root.boot->module_frame + i, EXO_MAP_READ);
    }
    root.start.module_address = MODULE_ADDRESS;
    root.start.module_size = root.boot->module_size;
}

static const void *module_at(uint64_t offset, uint64_t length)
{
    if (offset > root.boot->module_size || length > root.boot->module_size - offset || offset % 8)
        arch_panic("the root image is cut off or its headers are misplaced");
    return arch_module() + offset;
}

static void segment_map(const struct elf_program *program)
{
    uint64_t pages = (program->memory_size + EXO_FRAME_SIZE - 1) >> PAGE_SHIFT;
    uint32_t flags = EXO_MAP_READ | (program->flags & ELF_WRITE ? EXO_MAP_WRITE : 0) |
                     (program->flags & ELF_EXECUTE ? EXO_MAP_EXECUTE : 0);
    uint64_t end = program->virtual_address + (pages << PAGE_SHIFT);

    if (program->offset % EXO_FRAME_SIZE || program->virtual_address % EXO_FRAME_SIZE ||
        program->memory_size > ((program->file_size + EXO_FRAME_SIZE - 1) & ~(uint64_t)(EXO_FRAME_SIZE - 1)))
        arch_panic("the root image's segments must be whole pages, .bss included");
    if (program->flags & ELF_WRITE && program->flags & ELF_EXECUTE)
        arch_panic("a segment of the root image is writable and executable");
    module_at(program->offset, program->file_size);
    for (uint64_t i = 0; i < pages; i++)
        page_map(program->virtual_address + (i << PAGE_SHIFT),
                 root.boot->module_frame + (program->offset >> PAGE_SHIFT) + i, flags);
    if (end > root.start.free_address)
        root.start.free_address = end;
}

/* Decimal digits at the end of [text, end); returns the first. */
static char *number_put(char *text, uint32_t number)
{
    do
        *--text = '0' + number % 10;
    while (number /= 10);
    return text;
}

static char *words_put(char *text, const char *words, uint32_t length)
{
    return __builtin_memcpy(text - length, words, length);
}

/* Written from its end. */
static _Noreturn void version_refuse(uint32_t major, uint32_t minor)
{
    static const char built[] = "the root image was built for ABI ", has[] = ", the kernel has ABI ";
    static char text[120];
    char *at = number_put(text + sizeof text - 1, EXO_ABI_MINOR);

    at = number_put(words_put(at, ".", 1), EXO_ABI_MAJOR);
    at = number_put(words_put(at, has, sizeof has - 1), minor);
    at = number_put(words_put(at, ".", 1), major);
    arch_panic(words_put(at, built, sizeof built - 1));
}

/* The note says for which ABI the image was built (name "Exo", type 1: major, minor). */
static void note_check(const struct elf_program *program)
{
    if (program->file_size < NOTE_SIZE)
        return;
    const uint32_t *note = module_at(program->offset & ~(uint64_t)7, program->offset % 8 + NOTE_SIZE);
    note += program->offset % 8 / 4;
    if (note[0] != 4 || note[1] != 8 || note[2] != 1 || note[3] != 0x006f7845)
        return;
    if (note[4] != EXO_ABI_MAJOR || note[5] != EXO_ABI_MINOR)
        version_refuse(note[4], note[5]);
    root.start.magic = EXO_START_MAGIC;
}

static uint64_t image_map(void)
{
    const struct elf_header *header = module_at(0, sizeof *header);

    if (header->identity[0] != 0x7f || header->identity[1] != 'E' || header->identity[2] != 'L' || header->identity[3] != 'F' ||
        header->machine != ELF_X86_64 || header->type != ELF_EXECUTABLE || header->program_size != sizeof(struct elf_program))
        arch_panic("the boot module does not begin with a static x86-64 ELF executable");
    for (uint32_t i = 0; i < header->program_count; i++) {
        const struct elf_program *program = module_at(header->program_offset + i * sizeof *program, sizeof *program);
        if (program->type == ELF_LOAD)
            segment_map(program);
        else if (program->type == ELF_NOTE)
            note_check(program);
    }
    if (root.start.magic != EXO_START_MAGIC)
        arch_panic("the root image has no note of its ABI version");
    return header->entry;
}

static void vcpu_make(uint64_t entry)
{
    frame_name context = frame_next();

    boot_must(call_vcpu_create(&root.caller, 0, SLOT_FRAMES, context, CONTEXT_ADDRESS), "cannot make the root's virtual processor");
    page_map(CONTEXT_ADDRESS, context, EXO_MAP_READ | EXO_MAP_WRITE);
    boot_must(call_vcpu_entry(&root.caller, 0, EXO_ENTRY_EVENT, entry), "the root's entry point is no user address");
    root.start.size = sizeof root.start;
    root.start.context = context;
    root.start.context_address = CONTEXT_ADDRESS;
    __builtin_memcpy(root.start.name, "root", 5);
    __builtin_memcpy(context_page(context)->batch, &root.start, sizeof root.start);
    boot_must(call_vcpu_start(&root.caller, 0), "cannot start the root");
    for (uint32_t slot = 0; slot < SLOTS_PER_PROCESSOR; slot++)
        boot_must(call_slot_take(&root.caller, SLOT_SLOTS, slot, 0), "cannot give the root its time slots");
}

void kernel_start(const struct boot *boot)
{
    if (boot->range_count == 0 || boot->module_size == 0)
        arch_panic("no boot module: nothing to run");
    const struct boot_range *largest = &boot->range[0];
    for (uint32_t r = 1; r < boot->range_count; r++)
        if (boot->range[r].count > largest->count)
            largest = &boot->range[r];

    root.boot = boot;
    root.lowest = largest->first;
    root.next = largest->first + largest->count;
    kernel.next_id = 1;
    kernel.generation = 1;
    kernel.frame_count = boot->frame_count;
    frames_fill();
    system_fill();
    disk_start();
    net_start(boot->secret);
    environment_make();
    for (uint32_t i = 0; i < boot->trace_frames * kernel.processor_count; i++)
        frame_give(boot->trace_frame + i, EXO_FRAME_TRACE, SLOT_FRAMES);
    space_make();
    module_map();
    vcpu_make(image_map());
}
