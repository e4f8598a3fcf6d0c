/* The host machine behind the contract: see machine.h. */
#include <machine.h>
#include <arch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct kernel kernel;
struct network network;
struct machine machine;
struct machine_note machine_notes[PROCESSOR_LIMIT][MACHINE_NOTES];
struct exo_context machine_contexts[MACHINE_FRAMES];
struct exo_ring machine_rings[MACHINE_RING_FRAMES];
struct exo_trace_record machine_traces[MACHINE_TRACE_FRAMES][EXO_FRAME_SIZE / sizeof(struct exo_trace_record)];
struct machine_log machine_log;
uint8_t machine_bytes[MACHINE_FRAMES][EXO_FRAME_SIZE];
struct exo_net_ring machine_net_rings[MACHINE_FRAMES];
struct net_queue machine_net_queues[MACHINE_FRAMES];
int machine_network;
uint64_t machine_tick;

/* What user code is taken to write: as page-table entries, these would map frame 1 to user mode. */
#define USER_BYTES (1ull << 12 | ENTRY_PRESENT | ENTRY_USER | ENTRY_WRITE)
/* The kernel's own entries of a TABLE4: present, but not for user mode. */
#define KERNEL_ENTRY (ENTRY_PRESENT | ENTRY_WRITE)

void machine_broke(const char *what)
{
    if (!machine_log.broken)
        machine_log.broken = what;
}

const char *machine_check(void)
{
    if (machine_log.broken)
        return machine_log.broken;
    return machine.locked ? "the lock is still held" : NULL;
}

static void machine_clear(void)
{
    memset(&machine, 0, sizeof machine);
    memset(&machine_log, 0, sizeof machine_log);
    memset(machine_notes, 0, sizeof machine_notes);
    memset(machine_contexts, 0, sizeof machine_contexts);
    memset(machine_traces, 0, sizeof machine_traces);
    memset(machine_bytes, 0, sizeof machine_bytes);
    memset(machine_net_rings, 0, sizeof machine_net_rings);
    memset(machine_net_queues, 0, sizeof machine_net_queues);
    memset(machine_rings, 0, sizeof machine_rings);
    memset(&kernel, 0, sizeof kernel);
    memset(&network, 0, sizeof network);
}

void machine_reset(uint32_t frames, uint32_t processors)
{
    static bool is_used;

    if (is_used) /* a new process begins with zeros, most of which are never touched */
        machine_clear();
    is_used = true;
    machine_network = -1;
    machine_tick = 0;
    kernel.frame_count = frames;
    kernel.processor_count = processors;
    machine.system.frame_count = frames;
    machine.system.processor_count = processors;
    machine.system.xsave_size = sizeof machine_contexts[0].forced_fpu;
    machine.frame[0].kind = EXO_FRAME_KERNEL;
    for (uint32_t frame = 1; frame < frames; frame++)
        machine.frame[frame].kind = EXO_FRAME_FREE;
    for (uint32_t processor = 0; processor < processors; processor++) {
        machine.info[processor].online = 1;
        machine.processor[processor].timer = EXO_NEVER;
    }
}

uint32_t arch_processor(void)
{
    return machine.current;
}

void arch_lock(void)
{
    if (machine.locked)
        machine_broke("the lock was taken twice");
    machine.locked = 1;
}

void arch_unlock(void)
{
    if (!machine.locked)
        machine_broke("the lock was not held");
    machine.locked = 0;
}

uint64_t arch_time(void)
{
    return machine.time += machine_tick;
}

uint32_t machine_looks = UINT32_MAX;

bool arch_timer_is_due(void)
{
    return machine_looks != UINT32_MAX && (!machine_looks || !machine_looks--);
}

void arch_timer(uint64_t deadline)
{
    machine.processor[machine.current].timer = deadline;
}

void arch_flush_page(uint64_t address)
{
    struct machine_processor *processor = &machine.processor[machine.current];
    machine_log.page_flushes++;
    processor->walked = 0;
    for (uint32_t i = 0; i < MACHINE_TRANSLATIONS; i++)
        if (processor->translation[i].page == address / EXO_FRAME_SIZE)
            processor->translation[i] = (struct machine_translation){0};
}

static void translations_forget(struct machine_processor *processor)
{
    memset(processor->translation, 0, sizeof processor->translation);
    processor->next = 0;
    processor->walked = processor->walked_region = 0;
    processor->walked_stamp = 0;
    machine.info[machine.current].flushed = machine.system.flush_epoch;
}

static frame_name root_of(vcpu_name vcpu)
{
    return vcpu ? environment_page(vcpu / VCPUS_PER_ENVIRONMENT)->root : 0;
}

void arch_flush_all(void)
{
    struct machine_processor *processor = &machine.processor[machine.current];
    machine_log.flushes++;
    processor->root = root_of(processor->vcpu);
    translations_forget(processor);
}

void arch_interrupt(uint32_t processor)
{
    machine_log.interrupts++;
    machine.processor[machine_index(processor, kernel.processor_count, "interrupt to no processor")].interrupt = 1;
}

void arch_clear_page(frame_name frame)
{
    machine_log.cleared++;
    memset(table_page(frame), 0, sizeof(union machine_words));
    memset(context_page(frame), 0, sizeof(struct exo_context));
    memset(data_page(frame), 0, EXO_FRAME_SIZE);
    memset(net_ring_page(frame), 0, sizeof(struct exo_net_ring));
    memset(net_queue_page(frame), 0, sizeof(struct net_queue));
    if (frame < MACHINE_CAPABILITY_FRAMES)
        memset(capability_page(frame), 0, sizeof(struct capability_table));
    if (frame < MACHINE_ENVIRONMENT_FRAMES)
        memset(environment_page(frame), 0, sizeof(struct environment));
    if (frame < MACHINE_RING_FRAMES) {
        memset(ring_page(frame), 0, sizeof(struct exo_ring));
        memset(queue_page(frame), 0, sizeof(struct queue));
    }
}

static uint32_t window_page(uint32_t page)
{
    return (uint32_t)machine_index(page, PROGRAM_PAGES, "no such page of the window");
}

void arch_program_map(uint32_t page, frame_name frame, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (machine.window[window_page(page + i)])
            machine_broke("a page of the window was mapped twice");
        machine.window[window_page(page + i)] = frame + i;
    }
}

void arch_program_unmap(uint32_t page, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        machine.window[window_page(page + i)] = 0;
}

/* The machine code is copied to where this computer may execute it: what the window shows, and nothing behind it. */
uint64_t arch_program_run(uint32_t page, struct code_run *run)
{
    const size_t size = (size_t)EXO_PROGRAM_PAGES_MAX * EXO_FRAME_SIZE;
    static uint8_t *copy;
    if (!copy)
        copy = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED || !machine.window[window_page(page)]) {
        machine_broke("a program runs that is not mapped");
        return 0;
    }
    memset(copy, 0xcc, size);
    for (uint32_t i = 0; i < EXO_PROGRAM_PAGES_MAX && page + i < PROGRAM_PAGES && machine.window[page + i]; i++)
        memcpy(copy + (size_t)i * EXO_FRAME_SIZE, data_page(machine.window[page + i]), EXO_FRAME_SIZE);
    return ((uint64_t (*)(struct code_run *))copy)(run);
}

jmp_buf *machine_panicked;

void arch_panic(const char *message)
{
    machine_log.panic = message;
    if (machine_panicked)
        longjmp(*machine_panicked, 1);
    fprintf(stderr, "kernel panic: %s\n", message);
    abort();
}

const uint8_t *machine_module;

const uint8_t *arch_module(void)
{
    return machine_module;
}

static bool is_zero(const void *start, size_t size)
{
    const char *bytes = start;
    return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

void arch_copy(void *to, const void *from, uint32_t size)
{
    memcpy(to, from, size);
}

bool machine_frame_is_clear(frame_name frame)
{
    return is_zero(table_page(frame), sizeof(union machine_words)) && is_zero(context_page(frame), sizeof(struct exo_context)) &&
           is_zero(data_page(frame), EXO_FRAME_SIZE) && is_zero(net_ring_page(frame), sizeof(struct exo_net_ring)) &&
           is_zero(net_queue_page(frame), sizeof(struct net_queue)) &&
           (frame >= MACHINE_CAPABILITY_FRAMES || is_zero(capability_page(frame), sizeof(struct capability_table))) &&
           (frame >= MACHINE_ENVIRONMENT_FRAMES || is_zero(environment_page(frame), sizeof(struct environment))) &&
           (frame >= MACHINE_RING_FRAMES || (is_zero(ring_page(frame), sizeof(struct exo_ring)) &&
                                             is_zero(queue_page(frame), sizeof(struct queue))));
}

void arch_fill_root_table(frame_name frame)
{
    for (uint32_t i = USER_ROOT_ENTRIES; i < TABLE_ENTRIES; i++)
        table_page(frame)[i] = KERNEL_ENTRY;
}

bool arch_table_is_empty(frame_name frame, uint32_t level)
{
    uint32_t entries = level == TABLE_LEVELS ? USER_ROOT_ENTRIES : TABLE_ENTRIES;
    for (uint32_t i = 0; i < entries; i++)
        if (entry_is_present(table_page(frame)[i]))
            return false;
    return true;
}

static void machine_run(vcpu_name vcpu)
{
    struct machine_processor *processor = &machine.processor[machine.current];
    machine_log.switches++;
    processor->vcpu = vcpu;
    machine.info[machine.current].running = vcpu;
    machine.info[machine.current].switches++;
    if (processor->root == root_of(vcpu))
        return;
    processor->root = root_of(vcpu);
    translations_forget(processor);
}

void arch_switch(vcpu_name name, struct vcpu *vcpu)
{
    if (vcpu != vcpu_at(name))
        machine_broke("arch_switch: a virtual processor under another's name");
    machine_run(name);
}

void arch_idle(void)
{
    machine_run(0);
}

void arch_save_fpu(frame_name context)
{
    machine_log.fpu_saves++;
    context_page(context)->forced_fpu[0] = 1;
}

void arch_console_write(const char *text, uint32_t length)
{
    uint32_t room = sizeof machine_log.console - 1 - machine_log.console_length;
    uint32_t written = length < room ? length : room;
    memcpy(machine_log.console + machine_log.console_length, text, written);
    machine_log.console_length += written;
}

int arch_console_read(void)
{
    return machine_log.input && *machine_log.input ? (unsigned char)*machine_log.input++ : -1;
}

void arch_exit(uint32_t code)
{
    machine_log.exited++;
    machine_log.exit_code = code;
}

static uint64_t *entry_of(frame_name table, uint64_t address, uint32_t level)
{
    return &table_page(table)[table_index(address, level)];
}

enum { REGION_BITS = 21 };

static bool entry_is_for_user(uint64_t entry)
{
    return (entry & (ENTRY_PRESENT | ENTRY_USER)) == (ENTRY_PRESENT | ENTRY_USER);
}

/* The leaf entry that translates an address, with the accessed bit set on the way down as hardware does; NULL at a hole.
 * A leaf table that was read before for the same region is used without looking at the tables above it. */
static uint64_t *machine_walk(struct machine_processor *processor, uint64_t address, uint32_t *leaf_table, uint32_t *leaf_level)
{
    bool known = processor->walked && processor->walked_region == (uint32_t)(address >> REGION_BITS);
    frame_name table = known ? processor->walked : processor->root;

    for (uint32_t level = known ? 1 : TABLE_LEVELS; table; level--) {
        uint64_t *entry = entry_of(table, address, level);
        *leaf_table = table;
        *leaf_level = level;
        if (level == 1) {
            processor->walked = table;
            processor->walked_region = (uint32_t)(address >> REGION_BITS);
            processor->walked_stamp = known ? processor->walked_stamp : frame_at(table)->stamp;
        }
        if (!entry_is_for_user(*entry))
            return NULL;
        if (level == 1 || *entry & ENTRY_LARGE)
            return entry;
        *entry |= ENTRY_ACCESSED;
        table = entry_frame(*entry);
    }
    return NULL;
}

static void translation_justify(struct machine_translation *translation, uint32_t slot)
{
    const struct environment *owner = environment_page(frame_at(translation->table)->owner);
    frame_name table = owner->tables[slot / CAPABILITIES_PER_TABLE % TABLES_PER_ENVIRONMENT];
    uint32_t position = slot % CAPABILITIES_PER_TABLE;
    if (!table || !position)
        return;
    translation->capability = table * CAPABILITIES_PER_TABLE + position;
    translation->id = capability_page(table)->slot[position - 1].id;
    capability_name name = translation->capability;
    for (uint32_t i = 0; i < DEPTH_MAX && name && frame_at(name / CAPABILITIES_PER_TABLE)->kind == EXO_FRAME_CAPABILITIES; i++) {
        name = capability_page(name / CAPABILITIES_PER_TABLE)->slot[name % CAPABILITIES_PER_TABLE - 1].source;
        translation->above[i] = name;
    }
}

/* Read a translation from the page tables; false at a page fault. */
static bool translation_load(struct machine_translation *translation, struct machine_processor *processor, uint64_t address,
                             uint32_t access)
{
    uint32_t table, level;
    uint64_t *entry = machine_walk(processor, address, &table, &level);
    if (!entry || !(entry_flags(*entry) & access))
        return false;
    *entry |= ENTRY_ACCESSED | (access & EXO_MAP_WRITE ? ENTRY_DIRTY : 0);
    *translation = (struct machine_translation){
        .page = address / EXO_FRAME_SIZE,
        .frame = entry_frame(*entry) + (level == 2 ? (uint32_t)(address / EXO_FRAME_SIZE % LARGE_FRAMES) : 0),
        .flags = entry_flags(*entry) & (EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE),
        .table = table,
        .dirty = *entry & ENTRY_DIRTY ? 1 : 0,
    };
    translation_justify(translation, entry_slot(*entry));
    return true;
}

static struct machine_translation *translation_find(struct machine_processor *processor, uint64_t address)
{
    for (uint32_t i = 0; i < MACHINE_TRANSLATIONS; i++)
        if (processor->translation[i].frame && processor->translation[i].page == address / EXO_FRAME_SIZE)
            return &processor->translation[i];
    return NULL;
}

frame_name machine_touch(uint32_t number, uint64_t address, uint32_t access)
{
    struct machine_processor *processor = &machine.processor[number];
    struct machine_translation *known = translation_find(processor, address), loaded;
    if (!known || !(known->flags & access) || (access & EXO_MAP_WRITE && !known->dirty)) {
        if (!translation_load(&loaded, processor, address, access))
            return 0;
        if (!known) {
            known = &processor->translation[processor->next];
            processor->next = (processor->next + 1) % MACHINE_TRANSLATIONS;
        }
        *known = loaded;
    }
    if (access & EXO_MAP_WRITE && frame_at(known->frame)->kind != EXO_FRAME_CONTEXT)
        for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
            table_page(known->frame)[i] = USER_BYTES;
    return known->frame;
}
