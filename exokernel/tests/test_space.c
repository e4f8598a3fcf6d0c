#include "unit.h"
#include <space.h>

enum { TABLE = 24, TABLE2 = 26, TABLE3 = 28, PAGE = FREE_FRAME, OTHER = FREE_FRAME + 1, ADDRESS = 0x3000 };

/* The root has a space of one region, with PAGE and OTHER its own; A has a table in its first two frames. */
static void setup(void)
{
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE, TABLE + 1, 1));
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE2, TABLE2 + 1, 2));
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE3, TABLE3 + 1, 3));
    GIVES(BIND(0, .table = ROOT_TABLE, .frame = TABLE3, .flags = READ), 1);
    GIVES(BIND(0, .table = TABLE3, .frame = TABLE2, .flags = READ), 1);
    GIVES(BIND(0, .table = TABLE2, .frame = TABLE, .flags = READ), 1);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, PAGE, 2), 2);
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 1));
}

static exo_result bind(uint32_t flags)
{
    return BIND(0, .address = ADDRESS, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = flags);
}

START_TEST(bound_frame_is_used_through_the_hardware)
{
    setup();
    GIVES(bind(WRITABLE), 1);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_READ), PAGE);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_WRITE), PAGE);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_EXECUTE), 0);
    ck_assert_uint_eq(machine_touch(0, ADDRESS + 0x1000, EXO_MAP_READ), 0);
    ck_assert(unit_entry(TABLE, ADDRESS, 1) & ENTRY_ACCESSED);
    ck_assert(unit_entry(TABLE, ADDRESS, 1) & ENTRY_DIRTY);
}
END_TEST

START_TEST(entry_records_what_it_may_become)
{
    setup();
    GIVES(bind(READ), 1);
    uint64_t entry = unit_entry(TABLE, ADDRESS, 1);
    ck_assert_uint_eq(entry_frame(entry), PAGE);
    ck_assert_uint_eq(entry_slot(entry), ROOT_FRAMES);
    ck_assert(entry & EXO_ENTRY_MAY_WRITE);
    ck_assert(entry & EXO_ENTRY_MAY_EXECUTE);
}
END_TEST

START_TEST(batch_stops_at_the_first_that_cannot_be)
{
    setup();
    struct exo_mapping mapping = {.table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ};
    for (uint32_t i = 1; i < 4; i++) {
        struct exo_mapping further = mapping;
        further.address = i << 12;
        further.frame = i == 2 ? NO_FRAME : PAGE;
        world_batch(0, i - 1, &further);
    }
    const uint64_t *words = WORDS_OF(mapping);
    GIVES(CALL(SPACE_BIND, words[0], words[1], words[2], 3), 2);
    ck_assert_uint_eq(entry_frame(unit_entry(TABLE, 0x1000, 1)), PAGE);
    ck_assert_uint_eq(unit_entry(TABLE, 0x3000, 1), 0);
}
END_TEST

START_TEST(one_entry_means_a_run_of_pages)
{
    setup();
    GIVES(BIND(0, .address = ADDRESS, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = WRITABLE, .more = 1), 2);
    ck_assert_uint_eq(entry_frame(unit_entry(TABLE, ADDRESS + 0x1000, 1)), OTHER);
    GIVES(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = READ, .more = 1), 2);
    ck_assert_uint_eq(machine_touch(0, ADDRESS + 0x1000, EXO_MAP_WRITE), 0);
    GIVES(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = WRITABLE, .more = 5), 2);
    GIVES(UNBIND(0, .address = ADDRESS + 0x1000, .table = TABLE, .more = 3), 1);
    ck_assert_uint_eq(unit_entry(TABLE, ADDRESS + 0x1000, 1), 0);
    GIVES(BIND(0, .address = 0x1000, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ, .more = 9), 2);
}
END_TEST

START_TEST(run_is_changed_in_parts_while_the_timer_is_due)
{
    setup();
    world_take(0, ROOT_FRAMES, PAGE + 2, 14);
    machine_looks = 0;
    GIVES(BIND(0, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ, .more = 15), 1);
    GIVES(UNBIND(0, .table = TABLE), 1);
    machine_looks = UINT32_MAX;
    GIVES(BIND(0, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ, .more = 15), 16);
    machine_looks = 1;
    GIVES(UNBIND(0, .table = TABLE, .more = 15), 11);
    machine_looks = UINT32_MAX;
    GIVES(UNBIND(0, .address = 11 << 12, .table = TABLE, .more = 4), 5);
}
END_TEST

START_TEST(run_ends_with_its_table)
{
    setup();
    IS(BIND(0, .address = 511 << 12, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ, .more = 1), BAD_ARGUMENT);
    IS(BIND(0, .address = 0, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ, .more = UINT32_MAX), BAD_ARGUMENT);
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = TABLE, .flags = READ, .more = 1), BAD_ARGUMENT);
    GIVES(BIND(0, .address = 511 << 12, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), 1);
    IS(UNBIND(0, .address = 511 << 12, .table = TABLE, .more = 1), BAD_ARGUMENT);
    IS(PROTECT(0, .address = 511 << 12, .table = TABLE, .flags = READ, .more = 1), BAD_ARGUMENT);
}
END_TEST

START_TEST(batch_length_is_checked)
{
    setup();
    struct exo_mapping mapping = {.table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ};
    const uint64_t *bound = WORDS_OF(mapping);
    mapping.frame = mapping.capability = 0;
    const uint64_t *other = WORDS_OF(mapping);
    IS(CALL(SPACE_BIND, bound[0], bound[1], bound[2], MAPPINGS_MAX + 1), BAD_ARGUMENT);
    GIVES(CALL(SPACE_BIND, bound[0], bound[1], bound[2], MAPPINGS_MAX), 1);
    IS(CALL(SPACE_PROTECT, other[0], other[1], other[2], MAPPINGS_MAX + 1), BAD_ARGUMENT);
    IS(CALL(SPACE_UNBIND, other[0], other[1], other[2], MAPPINGS_MAX + 1), BAD_ARGUMENT);
}
END_TEST

START_TEST(bind_checks_table_and_address)
{
    setup();
    IS(BIND(0, .table = NO_FRAME, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), BAD_NAME);
    IS(BIND(0, .table = PAGE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), WRONG_KIND);
    IS(BIND(0, .table = A_FIRST, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), NO_RIGHT);
    IS(BIND(0, .address = 8, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), BAD_ARGUMENT);
    IS(BIND(0, .address = EXO_USER_LIMIT, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), BAD_ARGUMENT);
    IS(BIND(0, .address = 1ull << 47, .table = ROOT_TABLE, .frame = TABLE3, .flags = READ), BAD_ARGUMENT);
    IS(BIND(0, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ, .more = TABLE_ENTRIES), BAD_ARGUMENT);
}
END_TEST

START_TEST(bind_checks_flags)
{
    setup();
    IS(bind(0), BAD_ARGUMENT);
    IS(bind(EXO_MAP_WRITE), BAD_ARGUMENT);
    IS(bind(READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE), BAD_ARGUMENT);
    IS(bind(READ | EXO_MAP_AGE), BAD_ARGUMENT);
    IS(bind(READ | 0x100), BAD_ARGUMENT);
    ck_assert_int_lt(bind(READ | EXO_MAP_LARGE), 0);
}
END_TEST

START_TEST(bind_checks_the_frame)
{
    setup();
    IS(BIND(0, .table = TABLE, .frame = NO_FRAME, .capability = ROOT_FRAMES, .flags = READ), BAD_NAME);
    IS(BIND(0, .table = TABLE, .frame = FREE_FRAME + 9, .capability = ROOT_FRAMES, .flags = READ), WRONG_KIND);
    IS(BIND(0, .table = TABLE, .frame = ROOT_TABLE, .capability = ROOT_FRAMES, .flags = READ), WRONG_KIND);
    IS(BIND(0, .table = TABLE, .frame = TABLE + 1, .capability = ROOT_FRAMES, .flags = READ), WRONG_KIND);
    GIVES(bind(READ), 1);
    IS(bind(READ), TAKEN);
}
END_TEST

START_TEST(bind_checks_the_capability)
{
    setup();
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, PAGE, 1));
    IS(BIND(0, .table = TABLE, .frame = PAGE, .capability = 100, .flags = READ), BAD_CAPABILITY);
    IS(BIND(0, .table = TABLE, .frame = PAGE, .capability = ROOT_SLOTS, .flags = READ), BAD_CAPABILITY);
    IS(BIND(0, .table = TABLE, .frame = OTHER, .capability = 10, .flags = READ), BAD_CAPABILITY);
    IS(BIND(0, .table = TABLE, .frame = PAGE, .capability = 10, .flags = WRITABLE), NO_RIGHT);
    IS(BIND(0, .table = TABLE, .frame = PAGE, .capability = 10, .flags = RUNNABLE), NO_RIGHT);
    GIVES(BIND(0, .table = TABLE, .frame = PAGE, .capability = 10, .flags = READ), 1);
}
END_TEST

START_TEST(frame_given_away_is_not_the_grantors_any_more)
{
    setup();
    GIVES(CALL_FOR(A_SLOT, FRAME_TAKE, 1, A_FIRST + 4, 1), 1);
    IS(BIND(0, .table = TABLE, .frame = A_FIRST + 4, .capability = ROOT_FRAMES, .flags = READ), NO_RIGHT);
}
END_TEST

START_TEST(kernel_pages_are_bound_readable_only)
{
    setup();
    static const frame_name page[] = {TABLE, TABLE2, TABLE3, ROOT_CAPABILITIES};
    for (uint64_t i = 0; i < 4; i++) {
        IS(BIND(0, .address = i << 12, .table = TABLE, .frame = page[i], .capability = ROOT_FRAMES, .flags = WRITABLE), NO_RIGHT);
        IS(BIND(0, .address = i << 12, .table = TABLE, .frame = page[i], .capability = ROOT_FRAMES, .flags = RUNNABLE), NO_RIGHT);
        GIVES(BIND(0, .address = i << 12, .table = TABLE, .frame = page[i], .capability = ROOT_FRAMES, .flags = READ), 1);
        IS(PROTECT(0, .address = i << 12, .table = TABLE, .flags = WRITABLE), NO_RIGHT);
    }
    IS(BIND(0, .address = 0x8000, .table = TABLE, .frame = A, .capability = ROOT_FRAMES, .flags = READ), BAD_CAPABILITY);
    GIVES(BIND(0, .address = 0x8000, .table = TABLE, .frame = A, .capability = A_SLOT, .flags = READ), 1);
}
END_TEST

START_TEST(upper_entries_are_ones_own_tables_of_the_next_level)
{
    setup();
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = TABLE3, .flags = READ), WRONG_KIND);
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = PAGE, .flags = READ), WRONG_KIND);
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = A_FIRST, .flags = READ), NO_RIGHT);
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = TABLE, .flags = WRITABLE), BAD_ARGUMENT);
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = TABLE, .capability = ROOT_FRAMES, .flags = READ), BAD_ARGUMENT);
    IS(BIND(0, .address = 0x200000, .table = TABLE2, .frame = NO_FRAME, .flags = READ), BAD_NAME);
    GIVES(BIND(0, .address = 0x200000, .table = TABLE2, .frame = TABLE, .flags = READ), 1);
}
END_TEST

START_TEST(protection_changes_within_what_was_allowed)
{
    setup();
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_WRITE, PAGE, 1));
    GIVES(BIND(0, .address = ADDRESS, .table = TABLE, .frame = PAGE, .capability = 10, .flags = READ), 1);
    GIVES(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = WRITABLE), 1);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_WRITE), PAGE);
    IS(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = RUNNABLE), NO_RIGHT);
    IS(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE), BAD_ARGUMENT);
    GIVES(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = READ), 1);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_WRITE), 0);
}
END_TEST

START_TEST(protect_and_unbind_check_their_arguments)
{
    setup();
    IS(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = READ), WRONG_KIND);
    IS(UNBIND(0, .address = ADDRESS, .table = TABLE), WRONG_KIND);
    GIVES(bind(READ), 1);
    IS(PROTECT(0, .address = ADDRESS, .table = NO_FRAME, .flags = READ), BAD_NAME);
    IS(UNBIND(0, .address = ADDRESS, .table = NO_FRAME), BAD_NAME);
    IS(PROTECT(0, .address = ADDRESS, .table = A_FIRST, .flags = READ), NO_RIGHT);
    IS(UNBIND(0, .address = ADDRESS, .table = A_FIRST), NO_RIGHT);
    IS(PROTECT(0, .address = ADDRESS, .table = TABLE, .frame = PAGE, .flags = READ), BAD_ARGUMENT);
    IS(UNBIND(0, .address = ADDRESS, .table = TABLE, .frame = PAGE), BAD_ARGUMENT);
    IS(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = 0), BAD_ARGUMENT);
    IS(UNBIND(0, .address = ADDRESS, .table = TABLE, .flags = READ), BAD_ARGUMENT);
    IS(PROTECT(0, .table = TABLE2, .flags = READ), WRONG_KIND);
}
END_TEST

START_TEST(accessed_and_dirty_are_cleared_by_request)
{
    setup();
    GIVES(bind(WRITABLE), 1);
    machine_touch(0, ADDRESS, EXO_MAP_WRITE);
    GIVES(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = WRITABLE | EXO_MAP_AGE), 1);
    ck_assert(!(unit_entry(TABLE, ADDRESS, 1) & ENTRY_ACCESSED));
    ck_assert(unit_entry(TABLE, ADDRESS, 1) & ENTRY_DIRTY);
    GIVES(PROTECT(0, .address = ADDRESS, .table = TABLE, .flags = WRITABLE | EXO_MAP_CLEAN), 1);
    ck_assert(!(unit_entry(TABLE, ADDRESS, 1) & ENTRY_DIRTY));
    machine_touch(0, ADDRESS, EXO_MAP_WRITE);
    ck_assert(unit_entry(TABLE, ADDRESS, 1) & ENTRY_DIRTY);
}
END_TEST

START_TEST(unbound_address_faults_here_at_once)
{
    setup();
    GIVES(bind(WRITABLE), 1);
    machine_touch(0, ADDRESS, EXO_MAP_READ);
    uint64_t epoch = machine.system.flush_epoch;
    GIVES(UNBIND(0, .address = ADDRESS, .table = TABLE), 1);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_READ), 0);
    ck_assert_uint_gt(machine.system.flush_epoch, epoch);
    ck_assert_uint_eq(frame_at(PAGE)->bindings, 0);
}
END_TEST

START_TEST(lazy_unbind_leaves_the_flush_to_the_caller)
{
    setup();
    GIVES(bind(WRITABLE), 1);
    machine_touch(0, ADDRESS, EXO_MAP_READ);
    GIVES(UNBIND(0, .address = ADDRESS, .table = TABLE, .flags = EXO_MAP_LAZY), 1);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_READ), PAGE);
    GIVES(CALL(SPACE_FLUSH), (int64_t)machine.system.flush_epoch);
    ck_assert_uint_eq(machine_touch(0, ADDRESS, EXO_MAP_READ), 0);
    ck_assert_uint_eq(machine.processor[1].interrupt, 1);
    ck_assert_uint_lt(machine.info[1].flushed, machine.system.flush_epoch);
    world_interrupt(1);
    ck_assert_uint_eq(machine.info[1].flushed, machine.system.flush_epoch);
}
END_TEST

START_TEST(any_of_many_bindings_is_unlinked)
{
    setup();
    for (uint64_t i = 0; i < 5; i++)
        GIVES(BIND(0, .address = i << 12, .table = TABLE, .frame = PAGE, .capability = ROOT_FRAMES, .flags = READ), 1);
    static const uint64_t order[] = {2, 4, 0, 3, 1};
    for (uint64_t i = 0; i < 5; i++) {
        GIVES(UNBIND(0, .address = order[i] << 12, .table = TABLE), 1);
        const char *broken = invariants_check();
        ck_assert_msg(!broken, "%s", broken);
    }
    ck_assert_uint_eq(frame_at(PAGE)->bindings, 0);
}
END_TEST

START_TEST(withdrawal_breaks_the_bindings_it_justified)
{
    setup();
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 2, EXO_RIGHT_READ | EXO_RIGHT_WRITE, PAGE, 1));
    GIVES(BIND(A_SLOT, .table = A_FIRST, .frame = PAGE, .capability = 2, .flags = WRITABLE), 1);
    GIVES(bind(WRITABLE), 1);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 2), AGAIN);
    ck_assert_uint_eq(unit_entry(A_FIRST, 0, 1), 0);
    ck_assert_uint_eq(entry_frame(unit_entry(TABLE, ADDRESS, 1)), PAGE);
    world_interrupt(1);
    IS(CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 2), OK);
}
END_TEST

START_TEST(root_table_of_a_space_is_set_and_checked)
{
    IS(CALL(ENVIRONMENT_SPACE, NO_FRAME), BAD_NAME);
    IS(CALL(ENVIRONMENT_SPACE, FREE_FRAME), WRONG_KIND);
    IS(CALL_FOR(A_SLOT, ENVIRONMENT_SPACE, ROOT_TABLE), NO_RIGHT);
    MUST(CALL_FOR(A_SLOT, TABLE_CREATE, 1, A_FIRST, A_FIRST + 1, 4));
    IS(CALL_FOR(A_SLOT, ENVIRONMENT_SPACE, A_FIRST), OK);
    ck_assert_uint_eq(environment_page(A)->root, A_FIRST);
}
END_TEST

START_TEST(batch_with_many_justifications_ends_early_and_goes_on)
{
    enum { PAGES = 14 };
    setup();
    for (uint32_t i = 0; i < PAGES; i++)
        MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 20 + i, EXO_RIGHT_READ, PAGE, 1));
    for (uint32_t done = 0, calls = 0; done < PAGES; calls++) {
        for (uint32_t i = done + 1; i < PAGES; i++)
            world_batch(0, i - done - 1, &(struct exo_mapping){
                .address = i << 12, .table = TABLE, .frame = PAGE, .capability = 20 + i, .flags = READ,
            });
        uint64_t entry = TABLE | (uint64_t)PAGE << 32, way = (20 + done) | (uint64_t)READ << 16;
        exo_result bound = CALL(SPACE_BIND, done << 12, entry, way, PAGES - done - 1);
        ck_assert_int_gt(bound, 0);
        ck_assert(calls || bound < PAGES);
        done += bound;
    }
    ck_assert(entry_is_present(unit_entry(TABLE, (PAGES - 1) << 12, 1)));
}
END_TEST

START_TEST(tables_are_bound_in_a_few_places_at_most)
{
    setup();
    for (uint64_t i = frame_at(TABLE)->progress; i < TABLE_BINDINGS_MAX; i++)
        GIVES(BIND(0, .address = i << 21, .table = TABLE2, .frame = TABLE, .flags = READ), 1);
    IS(BIND(0, .address = 100 << 21, .table = TABLE2, .frame = TABLE, .flags = READ), TAKEN);
    IS(BIND(0, .address = 0, .table = TABLE, .frame = TABLE, .capability = ROOT_FRAMES, .flags = READ), TAKEN);
}
END_TEST

UNIT_SUITE(space, unit_setup, bound_frame_is_used_through_the_hardware, entry_records_what_it_may_become,
           batch_stops_at_the_first_that_cannot_be, one_entry_means_a_run_of_pages, run_is_changed_in_parts_while_the_timer_is_due, run_ends_with_its_table,
           batch_length_is_checked, bind_checks_table_and_address, bind_checks_flags, bind_checks_the_frame,
           bind_checks_the_capability, frame_given_away_is_not_the_grantors_any_more,
           kernel_pages_are_bound_readable_only, upper_entries_are_ones_own_tables_of_the_next_level,
           protection_changes_within_what_was_allowed, protect_and_unbind_check_their_arguments,
           accessed_and_dirty_are_cleared_by_request, unbound_address_faults_here_at_once,
           lazy_unbind_leaves_the_flush_to_the_caller, any_of_many_bindings_is_unlinked,
           withdrawal_breaks_the_bindings_it_justified, root_table_of_a_space_is_set_and_checked,
           batch_with_many_justifications_ends_early_and_goes_on, tables_are_bound_in_a_few_places_at_most)
