/*
 * The known traps of kernels that let others write page tables, each by name: tables mapped writable, superpages,
 * type counts that leak, stale translations, cache attributes, addresses in entries that are not present. (Races of
 * two processors are in tests/system/race.)
 */
#include "attack.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

#define VIEW_ADDRESS 0x21000000ull
#define LARGE_ADDRESS 0x22000000ull

enum { LARGE_FRAMES = 512, BINDINGS_MOST = 8, ENTRY_ACCESSED = 32, ENTRY_CACHE = 1 << 3 | 1 << 4 | 1 << 7 | 1 << 8 };

static uint32_t view_table, table, data_frame;

static bool kernel_page_is_not_writable(uint32_t frame, uint16_t capability)
{
    uint64_t address = VIEW_ADDRESS + 0x10000;
    bool fine = true;

    for (uint32_t flags = 0; flags < 0x10000; flags++)
        if (flags & (EXO_MAP_WRITE | EXO_MAP_EXECUTE | EXO_MAP_LARGE))
            fine &= check_refused("bind", memory_bind(address, view_table, frame, capability, flags));
    return fine;
}

static bool page_tables_cannot_be_mapped_writable(void)
{
    bool fine = kernel_page_is_not_writable(exo_start.table4, memory_frames.capability);

    fine &= kernel_page_is_not_writable(exo_start.table3, memory_frames.capability);
    fine &= kernel_page_is_not_writable(exo_start.table2, memory_frames.capability);
    return fine & kernel_page_is_not_writable(table, memory_frames.capability);
}

static bool shadows_and_roots_cannot_be_mapped_at_all(void)
{
    uint64_t address = VIEW_ADDRESS + 0x11000;
    bool fine = check_refused("table 4", memory_bind(address, view_table, exo_start.table4, memory_frames.capability,
                                                     EXO_MAP_READ));

    for (uint32_t frame = memory_frames.first; frame < memory_frames.first + memory_frames.count; frame++)
        if (exo_frame_info(frame)->kind == EXO_FRAME_SHADOW)
            fine &= check_refused("shadow",
                                  memory_bind(address, view_table, frame, memory_frames.capability, EXO_MAP_READ));
    return fine;
}

static bool environments_and_capability_tables_cannot_be_mapped_writable(void)
{
    static uint32_t own; /* stays a capability table */
    uint16_t self = exo_start_slot(EXO_KIND_ENVIRONMENT, 0);
    uint32_t child;
    int64_t result;

    if (!own) {
        own = exo_frame_find(&memory_frames);
        do
            result = exo_environment_extend(0, memory_frames.capability, own, 5);
        while (exo_again(result));
        check_must("environment_extend", result);
    }
    child = exo_frame_find(&memory_frames);
    do
        result = exo_environment_create(0, memory_frames.capability, child, 110);
    while (exo_again(result));
    check_must("environment_create", result);
    bool fine = kernel_page_is_not_writable(own, memory_frames.capability);
    fine &= kernel_page_is_not_writable(exo_start.environment, self);
    fine &= kernel_page_is_not_writable(child, 110);
    fine &= kernel_page_is_not_writable(child, memory_frames.capability);
    return fine & check_equal("end of the child", exo_child_end(110, child), EXO_OK);
}

static bool frames_in_use_do_not_become_kernel_pages(void)
{
    uint32_t free = exo_frame_find(&memory_frames);
    const uint32_t used[] = { data_frame, table, exo_start.context, exo_start.table4 };
    bool fine = true;

    for (uint32_t i = 0; i < sizeof used / sizeof used[0]; i++) {
        fine &= check_refused("table", exo_table_create(0, memory_frames.capability, used[i], free, 1));
        fine &= check_refused("shadow", exo_table_create(0, memory_frames.capability, free, used[i], 1));
        fine &= check_refused("environment", exo_environment_create(0, memory_frames.capability, used[i], 110));
        fine &= check_refused("context", exo_vcpu_create(0, 6, memory_frames.capability, used[i], VIEW_ADDRESS));
    }
    return fine & check_refused("the same twice", exo_table_create(0, memory_frames.capability, free, free, 1));
}

/* The owner reads its table through a page; the entry is where the kernel says. */
static volatile uint64_t *table_view(void)
{
    return (volatile uint64_t *)VIEW_ADDRESS;
}

static bool a_table_is_readable_but_not_writable_by_its_owner(void)
{
    bool fine = check_equal("write", fault_at_write(VIEW_ADDRESS), true);
    uint64_t entry = table_view()[ATTACK_ADDRESS >> 12 & 511];

    fine &= check_equal("frame in the entry", entry >> 12 & (EXO_FRAME_LIMIT - 1), data_frame);
    return fine & check_equal("protect the view",
                              memory_protect(VIEW_ADDRESS, view_table, EXO_MAP_READ | EXO_MAP_WRITE), EXO_NO_RIGHT);
}

/* L1TF: an entry that is not present but holds an address lets the processor guess what is there. */
static bool entries_that_are_not_present_hold_no_address_bits(void)
{
    bool fine = true;

    for (uint32_t i = 0; i < EXO_TABLE_ENTRIES; i++)
        if (!(table_view()[i] & 1))
            fine &= check_equal("entry", (int64_t)table_view()[i], 0);
    uint64_t address = ATTACK_ADDRESS + 0x30000;
    check_must("bind", memory_bind(address, table, data_frame, memory_frames.capability, EXO_MAP_READ));
    fine &= check_equal("present", table_view()[address >> 12 & 511] & 1, 1);
    check_must("unbind", memory_unbind(address, table, 0));
    return fine & check_equal("after unbind", (int64_t)table_view()[address >> 12 & 511], 0);
}

/* No flag sets the bits PWT, PCD, PAT or GLOBAL. */
static bool cache_attributes_do_not_come_from_users(void)
{
    uint64_t address = ATTACK_ADDRESS + 0x31000;
    bool fine = true;

    for (uint32_t flags = 0; flags < 0x10000; flags++) {
        int64_t result = memory_bind(address, table, data_frame, memory_frames.capability, flags);
        fine &= check_equal("bind", result >= 0, flags == 1 || flags == 3 || flags == 5);
        if (result < 0)
            continue;
        fine &= check_equal("cache bits", table_view()[address >> 12 & 511] & ENTRY_CACHE, 0);
        check_must("unbind", memory_unbind(address, table, 0));
    }
    return fine;
}

static bool protection_takes_no_unknown_flags(void)
{
    uint32_t known = EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE | EXO_MAP_AGE | EXO_MAP_CLEAN | EXO_MAP_LAZY;
    bool fine = true;

    for (uint32_t flags = 0; flags < 0x10000; flags++)
        if (flags & ~known)
            fine &= check_refused("protect", memory_protect(ATTACK_ADDRESS, table, flags));
    for (uint32_t flags = 1; flags < 0x10000; flags++)
        if (flags != EXO_MAP_LAZY)
            fine &= check_refused("unbind", memory_unbind(ATTACK_ADDRESS, table, flags));
    fine &= check_equal("protect back", memory_protect(ATTACK_ADDRESS, table, EXO_MAP_READ | EXO_MAP_WRITE), 1);
    return fine & check_equal("cache bits", table_view()[ATTACK_ADDRESS >> 12 & 511] & ENTRY_CACHE, 0);
}

static bool stale_translations_end_with_unbind(void)
{
    uint64_t address = ATTACK_ADDRESS + 0x32000;
    bool fine = true;

    for (uint32_t i = 0; i < 100; i++) {
        check_must("bind",
                   memory_bind(address, table, data_frame, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
        fine &= check_equal("write", fault_at_write(address), false);
        check_must("protect", memory_protect(address, table, EXO_MAP_READ));
        fine &= check_equal("write after protect", fault_at_write(address), true);
        check_must("unbind", memory_unbind(address, table, 0));
        fine &= check_equal("read after unbind", fault_at_read(address), true);
    }
    return fine;
}

/* LAZY leaves the translation to the caller, but not longer than until the frame is somebody's again. */
static bool lazy_translations_end_before_a_frame_is_taken_again(void)
{
    uint64_t address = ATTACK_ADDRESS + 0x33000;
    bool fine = true;

    for (uint32_t i = 0; i < 100; i++) {
        uint32_t frame = exo_frame_alloc(&memory_frames);
        check_must("bind", memory_bind(address, table, frame, memory_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE));
        fine &= check_equal("write", fault_at_write(address), false);
        check_must("unbind", memory_unbind(address, table, EXO_MAP_LAZY));
        check_must("free", exo_frame_release(&memory_frames, frame));
        int64_t taken;
        do
            taken = exo_frame_take(0, memory_frames.capability, frame, 1);
        while (exo_again(taken));
        fine &= check_equal("take", taken, 1);
        fine &= check_equal("read after it was taken", fault_at_read(address), true);
        check_must("bind", memory_bind(address, table, frame, memory_frames.capability, EXO_MAP_READ));
        fine &= check_equal("byte of the taken frame", *(volatile uint8_t *)address, 0);
        check_must("unbind", memory_unbind(address, table, 0));
        check_must("free", exo_frame_release(&memory_frames, frame));
    }
    return fine;
}

/* The paging-structure caches: a whole table goes, and another comes in its place. */
static bool stale_translations_end_when_a_table_is_unbound(void)
{
    uint64_t address = VIEW_ADDRESS + 0x4000000;
    uint32_t first = memory_table(1), second = memory_table(1);

    check_must("bind", memory_bind(address, exo_start.table2, first, 0, EXO_MAP_READ));
    check_must("bind", memory_bind(address, first, data_frame, memory_frames.capability, EXO_MAP_READ));
    bool fine = check_equal("read", fault_at_read(address), false);
    check_must("unbind", memory_unbind(address, exo_start.table2, 0));
    fine &= check_equal("read after unbind", fault_at_read(address), true);
    check_must("bind", memory_bind(address, exo_start.table2, second, 0, EXO_MAP_READ));
    fine &= check_equal("read through another", fault_at_read(address), true);
    check_must("unbind", memory_unbind(address, exo_start.table2, 0));
    fine &= check_equal("free with an entry", exo_table_free(0, first), EXO_BOUND);
    check_must("unbind", memory_unbind(address, first, 0));
    fine &= check_equal("free", exo_table_free(0, first), EXO_OK);
    return fine & check_equal("free", exo_table_free(0, second), EXO_OK);
}

/* Many times bound and unbound, a table is still a table while it is bound, and free when it is not. */
static bool type_counts_do_not_leak(void)
{
    uint64_t address = VIEW_ADDRESS + 0x4000000;
    uint32_t child = memory_table(1);
    bool fine = true;

    for (uint32_t i = 0; i < 1000; i++) {
        check_must("bind", memory_bind(address, exo_start.table2, child, 0, EXO_MAP_READ));
        fine &= check_equal("free while bound", exo_table_free(0, child), EXO_BOUND);
        check_must("unbind", memory_unbind(address, exo_start.table2, 0));
    }
    for (uint32_t i = 0; i < BINDINGS_MOST; i++)
        check_must("bind", memory_bind(address + ((uint64_t)i << 21), exo_start.table2, child, 0, EXO_MAP_READ));
    fine &= check_refused("one binding too many",
                          memory_bind(address + (BINDINGS_MOST << 21), exo_start.table2, child, 0, EXO_MAP_READ));
    for (uint32_t i = 0; i < BINDINGS_MOST; i++) {
        fine &= check_equal("free while bound", exo_table_free(0, child), EXO_BOUND);
        check_must("unbind", memory_unbind(address + ((uint64_t)i << 21), exo_start.table2, 0));
    }
    fine &= check_equal("free", exo_table_free(0, child), EXO_OK);
    return fine & check_equal("kind", exo_frame_info(child)->kind, EXO_FRAME_FREE);
}

static bool tables_fit_only_where_their_level_says(void)
{
    uint64_t address = VIEW_ADDRESS + 0x4000000;
    bool fine = true;

    for (uint8_t level = 1; level <= 4; level++) {
        uint32_t child = memory_table(level);
        if (level != 1)
            fine &= check_refused("in a table 2", memory_bind(address, exo_start.table2, child, 0, EXO_MAP_READ));
        if (level != 2)
            fine &= check_refused("in a table 3", memory_bind(0x40000000, exo_start.table3, child, 0, EXO_MAP_READ));
        if (level != 3)
            fine &= check_refused("in a table 4", memory_bind(0x8000000000, exo_start.table4, child, 0, EXO_MAP_READ));
        fine &= check_refused("in itself", memory_bind(address, child, child, 0, EXO_MAP_READ));
        fine &= check_refused("as data", memory_bind(address, child, data_frame,
                                                     level == 1 ? 0 : memory_frames.capability, EXO_MAP_READ));
        if (level != 4)
            fine &= check_refused("as a space", exo_environment_space(0, child));
        fine &= check_equal("free", exo_table_free(0, child), EXO_OK);
    }
    fine &= check_refused("the kernel's half",
                          memory_bind(0xffff800000000000, exo_start.table4, exo_start.table3, 0, EXO_MAP_READ));
    return fine & check_equal("free of the own root", exo_table_free(0, exo_start.table4), EXO_BOUND);
}

static bool superpages_are_whole_and_aligned(void)
{
    uint32_t first = (memory_frames.first + LARGE_FRAMES - 1) / LARGE_FRAMES * LARGE_FRAMES;
    uint16_t capability = memory_frames.capability;
    bool fine = check_equal("not aligned", exo_large_create(0, capability, first + 1), EXO_BAD_ARGUMENT);

    fine &= check_refused("owned in part", exo_large_create(0, capability, first));
    fine &= check_refused("the kernel's first", exo_large_create(0, capability, 0));
    fine &= check_refused("bound, but no large frame", memory_bind(LARGE_ADDRESS, exo_start.table2, data_frame,
                                                                   capability, EXO_MAP_READ | EXO_MAP_LARGE));
    return fine & check_refused("beyond the range",
                                exo_large_create(0, capability,
                                                 first + (memory_frames.count / LARGE_FRAMES + 1) * LARGE_FRAMES));
}

static bool parts_of_superpages_are_not_pages(void)
{
    uint32_t first = exo_frame_alloc_run(&memory_frames, LARGE_FRAMES, LARGE_FRAMES);
    uint16_t capability = memory_frames.capability;
    int64_t result;

    check_must("512 frames in a row", first ? EXO_OK : EXO_BAD_NAME);
    do
        result = exo_large_create(0, capability, first);
    while (exo_again(result));
    bool fine = check_equal("large_create", result, EXO_OK);
    fine &= check_refused("part as a page",
                          memory_bind(VIEW_ADDRESS + 0x20000, view_table, first + 1, capability, EXO_MAP_READ));
    fine &= check_refused("first as a page",
                          memory_bind(VIEW_ADDRESS + 0x20000, view_table, first, capability, EXO_MAP_READ));
    fine &= check_refused("part as a superpage", memory_bind(LARGE_ADDRESS, exo_start.table2, first + 1, capability,
                                                             EXO_MAP_READ | EXO_MAP_LARGE));
    fine &= check_refused("part freed", exo_frame_free(0, capability, first + 1, 1));
    fine &= check_refused("part as a table", exo_table_create(0, capability, first + 1, first + 2, 1));
    fine &= check_refused("writable and executable",
                          memory_bind(LARGE_ADDRESS, exo_start.table2, first, capability,
                                      EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE | EXO_MAP_LARGE));
    fine &= check_equal("at an odd place",
                        memory_bind(LARGE_ADDRESS + 0x1000, exo_start.table2, first, capability,
                                    EXO_MAP_READ | EXO_MAP_LARGE),
                        EXO_BAD_ARGUMENT);
    fine &= check_equal("bind",
                        memory_bind(LARGE_ADDRESS, exo_start.table2, first, capability,
                                    EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_LARGE),
                        1);
    fine &= check_equal("write", fault_at_write(LARGE_ADDRESS + 0x1fffff), false);
    fine &= check_equal("execute", fault_at_execute(LARGE_ADDRESS), true);
    fine &= check_refused("free while bound", exo_large_free(0, first));
    fine &= check_refused("a table in a superpage",
                          memory_bind(LARGE_ADDRESS, first, data_frame, capability, EXO_MAP_READ));
    fine &= check_equal("unbind", memory_unbind(LARGE_ADDRESS, exo_start.table2, 0), 1);
    fine &= check_equal("read after unbind", fault_at_read(LARGE_ADDRESS + 0x1fffff), true);
    do
        result = exo_large_free(0, first);
    while (exo_again(result));
    fine &= check_equal("large_free", result, EXO_OK);
    for (uint32_t i = 0; i < LARGE_FRAMES; i += EXO_BATCH_MAX)
        fine &= check_equal("free", exo_frames_give_up(exo_frame_free, capability, first + i, EXO_BATCH_MAX), EXO_BATCH_MAX);
    return fine;
}

void attack_tables(void)
{
    static const struct check_case cases[] = {
        CASE(page_tables_cannot_be_mapped_writable),
        CASE(shadows_and_roots_cannot_be_mapped_at_all),
        CASE(environments_and_capability_tables_cannot_be_mapped_writable),
        CASE(frames_in_use_do_not_become_kernel_pages),
        CASE(a_table_is_readable_but_not_writable_by_its_owner),
        CASE(entries_that_are_not_present_hold_no_address_bits),
        CASE(cache_attributes_do_not_come_from_users),
        CASE(protection_takes_no_unknown_flags),
        CASE(stale_translations_end_with_unbind),
        CASE(lazy_translations_end_before_a_frame_is_taken_again),
        CASE(stale_translations_end_when_a_table_is_unbound),
        CASE(type_counts_do_not_leak),
        CASE(tables_fit_only_where_their_level_says),
        CASE(superpages_are_whole_and_aligned),
        CASE(parts_of_superpages_are_not_pages),
    };
    data_frame = memory_page(ATTACK_ADDRESS);
    table = exo_space_table(&memory_space, ATTACK_ADDRESS);
    view_table = exo_space_table(&memory_space, VIEW_ADDRESS);
    check_must("view", memory_bind(VIEW_ADDRESS, view_table, table, memory_frames.capability, EXO_MAP_READ));
    check_run(CASES(cases));
    check_must("end of the view", memory_unbind(VIEW_ADDRESS, view_table, 0));
    memory_page_end(ATTACK_ADDRESS, data_frame);
}
