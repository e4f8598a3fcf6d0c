/*
 * The kernel's half of every address space (arch_layout.h). Built once, in the boot tables' world; what environments
 * get of it is the PML4 entries from 256 up, copied into their TABLE4s. No page in it is writable and executable.
 * Pages of the frame table that describe no memory are one shared page of zeros, read-only even for the kernel.
 */
#include "machine.h"

#define TABLE_FLAGS (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_ACCESSED)
#define LEAF_FLAGS (ENTRY_PRESENT | ENTRY_ACCESSED | ENTRY_DIRTY)
#define KERNEL_READ (LEAF_FLAGS | ENTRY_NO_EXECUTE)
#define KERNEL_WRITE (KERNEL_READ | ENTRY_WRITE)
#define KERNEL_EXECUTE LEAF_FLAGS
#define SHOWN_READ (KERNEL_READ | ENTRY_USER)
#define SHOWN_WRITE (SHOWN_READ | ENTRY_WRITE)

enum { FRAMES_PER_PAGE = EXO_FRAME_SIZE / sizeof(struct exo_frame), KERNEL_ENTRIES = 256 };

frame_name paging_root;
static frame_name paging_window; /* the page table of the window */

static uint64_t *boot_table(frame_name frame)
{
    return boot_pointer((uint64_t)frame << 12);
}

/* The entry for an address in the table of this level (1: pages), making the tables above. */
static uint64_t *entry_find(uint64_t address, uint32_t level)
{
    uint64_t *table = boot_table(paging_root);
    for (uint32_t at = 4; at > level; at--) {
        uint64_t *entry = &table[table_index(address, at)];
        if (!(*entry & ENTRY_PRESENT)) /* who may see a part is decided at the top: the rest allows users */
            *entry = (uint64_t)boot_take(1) << 12 | TABLE_FLAGS | (at < 4 ? ENTRY_USER : 0);
        table = boot_table(entry_frame(*entry));
    }
    return &table[table_index(address, level)];
}

/* The largest page that fits: its table's level. */
static uint32_t level_for(uint64_t address, uint64_t physical, uint64_t size)
{
    for (uint32_t level = cpu_features.gigabyte_pages ? 3 : 2; level > 1; level--) {
        uint64_t page = 1ull << (12 + 9 * (level - 1));
        if ((address | physical) % page == 0 && size >= page)
            return level;
    }
    return 1;
}

static void map(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags)
{
    while (size) {
        uint32_t level = level_for(address, physical, size);
        uint64_t page = 1ull << (12 + 9 * (level - 1));
        *entry_find(address, level) = physical | flags | (level > 1 ? ENTRY_LARGE : 0);
        address += page;
        physical += page;
        size -= page;
    }
}

static void map_direct(uint64_t start, uint64_t end, uint64_t flags)
{
    if (start < end)
        map(DIRECT_BASE + start, start, end - start, flags);
}

/* All RAM, whole frames; the kernel's code and constants stay constant here too. */
static void map_ram(const struct firmware *firmware, uint32_t frame_count)
{
    const uint64_t limit = (uint64_t)frame_count << 12;
    const uint64_t constant = kernel_physical(kernel_start_of_image), variable = kernel_physical(kernel_end_of_rodata);
    for (uint32_t i = 0; i < firmware->ram_count; i++) {
        uint64_t start = (firmware->ram[i].start + 4095) & ~4095ull, end = firmware->ram[i].end & ~4095ull;
        end = end < limit ? end : limit;
        map_direct(start, end < constant ? end : constant, KERNEL_WRITE);
        map_direct(start > constant ? start : constant, end < variable ? end : variable, KERNEL_READ);
        map_direct(start > variable ? start : variable, end, KERNEL_WRITE);
    }
}

static void map_part(const char *start, const char *end, uint64_t flags)
{
    map((uint64_t)start, kernel_physical(start), end - start, flags);
}

static void map_image(void)
{
    map_part(kernel_start_of_image, kernel_end_of_text, KERNEL_EXECUTE);
    map_part(kernel_end_of_text, kernel_end_of_rodata, KERNEL_READ);
    map_part(kernel_end_of_rodata, kernel_end_of_image, KERNEL_WRITE);
    for (uint32_t number = 0; number < PROCESSOR_LIMIT; number++)
        *entry_find(cpu_stack_guard(number), 1) = 0;
    map(APIC_ADDRESS, apic_physical(), 4096, KERNEL_WRITE | ENTRY_UNCACHED);
}

static bool page_describes_ram(const struct firmware *firmware, uint32_t page)
{
    const uint64_t size = (uint64_t)FRAMES_PER_PAGE << 12, start = page * size;
    for (uint32_t i = 0; i < firmware->ram_count; i++)
        if (firmware->ram[i].start < start + size && firmware->ram[i].end > start)
            return true;
    return false;
}

static void map_table(uint64_t address, uint32_t size)
{
    uint32_t pages = (size + 4095) / 4096;
    map(address - EXO_SYSTEM_ADDRESS + TABLES_BASE, (uint64_t)boot_take(pages) << 12, pages * 4096ull, SHOWN_WRITE);
}

static void map_frame_table(const struct firmware *firmware, uint32_t frame_count)
{
    const uint32_t pages = (frame_count + FRAMES_PER_PAGE - 1) / FRAMES_PER_PAGE;
    const frame_name zeros = boot_take(1);
    uint32_t real = 0;
    for (uint32_t page = 0; page < pages; page++)
        real += page_describes_ram(firmware, page);
    frame_name next = boot_take(real);
    uint64_t address = FRAMES_BASE;
    for (uint32_t page = 0; page < pages; page++, address += 4096) {
        bool is_real = page_describes_ram(firmware, page);
        *entry_find(address, 1) = (uint64_t)(is_real ? next++ : zeros) << 12 | (is_real ? SHOWN_WRITE : SHOWN_READ);
    }
}

/* Show environments what is mapped at an address of the kernel's: they share the TABLE1s. */
static void show(uint64_t shown, uint64_t address, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += 4096ull * TABLE_ENTRIES)
        *entry_find(shown + at, 2) = *entry_find(address + at, 2);
}

void paging_build(const struct firmware *firmware, uint32_t frame_count, uint32_t processor_count)
{
    paging_root = boot_take(1);
    map_ram(firmware, frame_count);
    map_image();
    map_table(EXO_SYSTEM_ADDRESS, sizeof(struct exo_system));
    map_table(EXO_PROCESSORS_ADDRESS, processor_count * sizeof(struct exo_processor));
    map_table(EXO_SLOTS_ADDRESS, processor_count * SLOTS_PER_PROCESSOR * sizeof(struct exo_slot));
    map_table(EXO_PROGRAMS_ADDRESS, PROGRAM_PAGES * sizeof(struct exo_program));
    map_table(EXO_FLOWS_ADDRESS, FLOW_LIMIT * sizeof(struct exo_flow));
    map_table(EXO_SHAPES_ADDRESS, SHAPE_LIMIT * sizeof(struct exo_shape));
    map_frame_table(firmware, frame_count);
    entry_find(WINDOW_BASE, 1);
    paging_window = entry_frame(*entry_find(WINDOW_BASE, 2));
    show(EXO_SYSTEM_ADDRESS, TABLES_BASE, 1);
    show(EXO_FRAMES_ADDRESS, FRAMES_BASE, frame_count * sizeof(struct exo_frame));
    uint64_t *shown = entry_find(EXO_SYSTEM_ADDRESS, 4);
    *shown = (*shown & ~ENTRY_WRITE) | ENTRY_USER | ENTRY_NO_EXECUTE;
}

void paging_map_device(uint64_t address, uint64_t physical, uint64_t size)
{
    map(address, physical, size, KERNEL_WRITE | ENTRY_UNCACHED);
}

void paging_load(void)
{
    cpu_here()->root = paging_root;
    __asm__ volatile("movq %0, %%cr3" : : "r"((uint64_t)paging_root << 12) : "memory");
}

/* By the widest stores that the processor has: 16 bytes, or 32. What the environment has in the register comes back. */
#define CLEAR(register, save, zero, store, bytes)                                                                                \
    __asm__ volatile(save " %%" register ", %1\n\t" zero "\n"                                                                    \
                     "1:\n\t.set at, 0\n\t.rept 32\n\t" store " %%" register ", at(%0)\n\t.set at, at + " bytes "\n\t.endr\n\t"    \
                     "addq $32 * " bytes ", %0\n\tcmpq %2, %0\n\tjb 1b\n\t" save " %1, %%" register                              \
                     : "+r"(at), "=m"(saved) : "r"(end) : "memory", "cc")

void arch_clear_page(frame_name frame)
{
    char *at = direct_page(frame), *end = at + EXO_FRAME_SIZE;
    uint64_t saved[4];
    if (cpu_features.avx)
        CLEAR("ymm0", "vmovdqu", "vpxor %%xmm0, %%xmm0, %%xmm0", "vmovdqa", "32");
    else
        CLEAR("xmm0", "movups", "xorps %%xmm0, %%xmm0", "movaps", "16");
}

/* What was mapped before was forgotten by every processor, and nothing is remembered of an empty entry. */
void arch_program_map(uint32_t page, frame_name frame, uint32_t count)
{
    _Static_assert(PROGRAM_PAGES == TABLE_ENTRIES, "the window is one page table");
    for (uint32_t i = 0; i < count; i++)
        table_page(paging_window)[page + i] = (uint64_t)(frame + i) << 12 | KERNEL_EXECUTE;
}

void arch_program_unmap(uint32_t page, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        table_page(paging_window)[page + i] = 0;
}

uint64_t arch_program_run(uint32_t page, struct code_run *run)
{
    return ((uint64_t (*)(struct code_run *))(WINDOW_BASE + (uint64_t)page * EXO_FRAME_SIZE))(run);
}

void arch_copy(void *to, const void *from, uint32_t size)
{
    uint64_t words = size / 8, rest = size % 8;
    __asm__ volatile("rep movsq\n\tmovl %k3, %%ecx\n\trep movsb" : "+D"(to), "+S"(from), "+c"(words) : "r"(rest) : "memory");
}

void arch_fill_root_table(frame_name frame)
{
    const uint64_t *from = table_page(paging_root) + KERNEL_ENTRIES;
    uint64_t *to = table_page(frame) + KERNEL_ENTRIES;
    uint64_t words = TABLE_ENTRIES - KERNEL_ENTRIES;
    __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(words) : : "memory");
}

bool arch_table_is_empty(frame_name frame, uint32_t level)
{
    const uint64_t *entry = table_page(frame);
    uint64_t any = 0;
    for (uint32_t i = 0; i < (level == 4 ? USER_ROOT_ENTRIES : TABLE_ENTRIES); i += 4)
        any |= entry[i] | entry[i + 1] | entry[i + 2] | entry[i + 3];
    return !(any & ENTRY_PRESENT);
}
