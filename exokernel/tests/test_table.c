#include "unit.h"

START_TEST(table_and_shadow_know_each_other)
{
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 5, 1));
    ck_assert_uint_eq(frame_at(FREE_FRAME)->kind, EXO_FRAME_TABLE1);
    ck_assert_uint_eq(frame_at(FREE_FRAME)->link, FREE_FRAME + 5);
    ck_assert_uint_eq(frame_at(FREE_FRAME + 5)->kind, EXO_FRAME_SHADOW);
    ck_assert_uint_eq(frame_at(FREE_FRAME + 5)->link, FREE_FRAME);
}
END_TEST

START_TEST(root_table_holds_the_kernels_entries)
{
    ck_assert(!entry_is_present(table_page(ROOT_TABLE)[0]));
    ck_assert(entry_is_present(table_page(ROOT_TABLE)[TABLE_ENTRIES - 1]));
}
END_TEST

START_TEST(new_table_is_clear)
{
    for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
        table_page(FREE_FRAME)[i] = UINT64_MAX;
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 2));
    ck_assert(machine_frame_is_clear(FREE_FRAME));
}
END_TEST

START_TEST(create_checks_its_arguments)
{
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 0), BAD_ARGUMENT);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 5), BAD_ARGUMENT);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME, 1), BAD_ARGUMENT);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, NO_FRAME, FREE_FRAME, 1), BAD_NAME);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, NO_FRAME, 1), BAD_NAME);
    IS(CALL(TABLE_CREATE, 100, FREE_FRAME, FREE_FRAME + 1, 1), BAD_CAPABILITY);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, ROOT_CONTEXT, FREE_FRAME, 1), TAKEN);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, ROOT_CONTEXT, 1), TAKEN);
}
END_TEST

START_TEST(create_needs_write_and_take)
{
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ | EXO_RIGHT_TAKE, FREE_FRAME, 4));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, EXO_RIGHT_READ | EXO_RIGHT_WRITE, FREE_FRAME, 4));
    IS(CALL(TABLE_CREATE, 10, FREE_FRAME, FREE_FRAME + 1, 1), NO_RIGHT);
    IS(CALL(TABLE_CREATE, 11, FREE_FRAME, FREE_FRAME + 1, 1), NO_RIGHT);
}
END_TEST

START_TEST(frame_just_freed_is_no_table_before_the_flush)
{
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 2), 2);
    machine.system.flush_epoch++;
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, FREE_FRAME, 2), 2);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 1), AGAIN);
    world_interrupt(1);
    IS(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 1), OK);
}
END_TEST

START_TEST(freed_table_is_free_with_its_shadow)
{
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 1));
    IS(CALL(TABLE_FREE, FREE_FRAME), OK);
    ck_assert_uint_eq(frame_at(FREE_FRAME)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(FREE_FRAME + 1)->kind, EXO_FRAME_FREE);
}
END_TEST

START_TEST(free_checks_its_arguments)
{
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FRAME, 1), 1);
    IS(CALL(TABLE_FREE, NO_FRAME), BAD_NAME);
    IS(CALL(TABLE_FREE, FREE_FRAME), WRONG_KIND);
    IS(CALL(TABLE_FREE, ROOT_TABLE_SHADOW), WRONG_KIND);
    IS(CALL(TABLE_FREE, ROOT_TABLE), BOUND);
    IS(CALL_FOR(A_SLOT, TABLE_FREE, ROOT_TABLE), NO_RIGHT);
}
END_TEST

START_TEST(table_in_use_is_not_freed)
{
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME, FREE_FRAME + 1, 1));
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, FREE_FRAME + 2, FREE_FRAME + 3, 2));
    GIVES(BIND(0, .table = FREE_FRAME + 2, .frame = FREE_FRAME, .flags = READ), 1);
    IS(CALL(TABLE_FREE, FREE_FRAME), BOUND);
    IS(CALL(TABLE_FREE, FREE_FRAME + 2), BOUND);
    GIVES(UNBIND(0, .table = FREE_FRAME + 2), 1);
    IS(CALL(TABLE_FREE, FREE_FRAME), OK);
    IS(CALL(TABLE_FREE, FREE_FRAME + 2), OK);
}
END_TEST

UNIT_SUITE(table, unit_setup, table_and_shadow_know_each_other, root_table_holds_the_kernels_entries,
           new_table_is_clear, create_checks_its_arguments, create_needs_write_and_take,
           frame_just_freed_is_no_table_before_the_flush, freed_table_is_free_with_its_shadow,
           free_checks_its_arguments, table_in_use_is_not_freed)
