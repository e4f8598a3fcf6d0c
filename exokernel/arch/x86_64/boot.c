/*
 * From the boot loader to the core: find memory and processors, take what the kernel keeps, make the tables,
 * start the other processors, and hand the rest to kernel_start.
 */
#include "machine.h"
#include <device.h>

enum { TRACE_FRAMES = 4, FRAMES_BELOW_4G = 1 << 20 };

struct kernel kernel;
struct network network;
struct firmware firmware;
static struct boot boot;

static void ranges_read(void)
{
    for (uint32_t i = 0; i < firmware.ram_count && boot.range_count < BOOT_RANGE_MAX; i++) {
        uint64_t first = (firmware.ram[i].start + 4095) >> 12, end = firmware.ram[i].end >> 12;
        end = end < EXO_FRAME_LIMIT ? end : EXO_FRAME_LIMIT;
        if (first < end) {
            boot.range[boot.range_count++] = (struct boot_range){first, end - first};
            boot.frame_count = end;
        }
    }
}

static void range_insert(uint32_t at, struct boot_range range)
{
    if (range.count == 0 || boot.range_count == BOOT_RANGE_MAX)
        return;
    for (uint32_t i = boot.range_count++; i > at; i--)
        boot.range[i] = boot.range[i - 1];
    boot.range[at] = range;
}

/* The frames from first to end are not free. */
static void ranges_remove(frame_name first, frame_name end)
{
    for (uint32_t i = 0; i < boot.range_count; i++) {
        struct boot_range *range = &boot.range[i];
        frame_name range_end = range->first + range->count;
        if (end <= range->first || range_end <= first)
            continue;
        range->count = first > range->first ? first - range->first : 0;
        if (end < range_end)
            range_insert(i + 1, (struct boot_range){end, range_end - end});
    }
}

/* Ranges that became empty. */
static void ranges_tidy(void)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < boot.range_count; i++)
        if (boot.range[i].count)
            boot.range[kept++] = boot.range[i];
    boot.range_count = kept;
}

/* From the end of the largest range that start.S's tables reach. */
frame_name boot_take(uint32_t count)
{
    struct boot_range *best = &boot.range[0];
    for (uint32_t i = 0; i < boot.range_count; i++)
        if (boot.range[i].first + boot.range[i].count <= FRAMES_BELOW_4G && boot.range[i].count > best->count)
            best = &boot.range[i];
    if (best->count <= count)
        arch_panic("too little memory");
    best->count -= count;
    frame_name taken = best->first + best->count;
    void *page = boot_pointer((uint64_t)taken << 12);
    uint64_t words = count * (EXO_FRAME_SIZE / 8ull);
    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0) : "memory");
    return taken;
}

static frame_name frame_after(uint64_t physical)
{
    return (physical + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE;
}

static void memory_find(void)
{
    ranges_read();
    if (!boot.range_count)
        arch_panic("the boot loader told of no memory");
    boot.module_frame = firmware.module / EXO_FRAME_SIZE;
    boot.module_size = firmware.module_size;
    ranges_remove(0, 1);
    ranges_remove(TRAMPOLINE / EXO_FRAME_SIZE, TRAMPOLINE / EXO_FRAME_SIZE + 1);
    ranges_remove(kernel_physical(kernel_start_of_image) / EXO_FRAME_SIZE, frame_after(kernel_physical(kernel_end_of_image)));
    if (boot.module_size)
        ranges_remove(boot.module_frame, frame_after(firmware.module + firmware.module_size));
    ranges_tidy();
}

const uint8_t *arch_module(void)
{
    return direct_page(boot.module_frame);
}

static void frames_keep(frame_name first, frame_name end)
{
    for (frame_name frame = first; frame < end; frame++)
        frame_at(frame)->kind = EXO_FRAME_KERNEL;
}

/* Mark the frames of a stretch of RAM that are neither free nor the module's. */
static void ram_mark(frame_name first, frame_name end)
{
    frame_name module_end = frame_after(firmware.module + firmware.module_size);
    for (uint32_t i = 0; i < boot.range_count; i++) {
        frame_name free = boot.range[i].first, free_end = free + boot.range[i].count;
        if (free_end <= first || free >= end)
            continue;
        frames_keep(first, free);
        first = free_end;
    }
    frames_keep(first, end);
    for (frame_name frame = boot.module_frame; boot.module_size && frame < module_end; frame++)
        frame_at(frame)->kind = EXO_FRAME_ABSENT;
}

static void frames_mark(void)
{
    for (uint32_t i = 0; i < firmware.ram_count; i++) {
        uint64_t first = frame_after(firmware.ram[i].start), end = firmware.ram[i].end / EXO_FRAME_SIZE;
        end = end < boot.frame_count ? end : boot.frame_count;
        if (first < end)
            ram_mark(first, end);
    }
}

_Noreturn void boot_main(uint32_t magic, uint32_t info)
{
    static uint32_t apic_ids[PROCESSOR_LIMIT];
    console_start();
    cpu_identify();
    loader_read(&firmware, magic, info);
    uint32_t possible = acpi_read(&firmware, apic_ids, PROCESSOR_LIMIT);
    memory_find();
    paging_build(&firmware, boot.frame_count, possible ? possible : 1);
    boot.trace_frame = boot_take(TRACE_FRAMES * (possible ? possible : 1));
    boot.trace_frames = TRACE_FRAMES;
    cpu_start(0);
    paging_load();
    apic_enable();
    cpus[0].apic_id = apic_id();
    timer_calibrate();
    kernel.processor_count = smp_start(apic_ids, possible);
    device_start(firmware.command_line);
    boot.random_seed = cpu_random();
    boot.secret = cpu_random() ^ rdtsc();
    boot.tsc_base = timer_tsc_base;
    boot.tsc_multiplier = timer_tsc_multiplier;
    boot.xsave_size = cpu_xsave_size();
    frames_mark();
    kernel_start(&boot);
    smp_release();
    cpu_enter();
}
