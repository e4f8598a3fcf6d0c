#include "unit.h"

enum { FIRST = LARGE_FRAMES, BIG = 2 * LARGE_FRAMES + 16, TABLE2 = 24, TABLE3 = 26 };

/* Another world: large enough for a 2 MiB frame, whose parts the root owns. */
static void setup(void)
{
    world_reset(BIG, 2);
    for (frame_name frame = FIRST; frame < FIRST + LARGE_FRAMES; frame += TAKE_MAX)
        ck_assert_int_eq(world_call(0, 0, EXO_CALL_FRAME_TAKE, (const uint64_t[6]){ROOT_FRAMES, frame, TAKE_MAX}), TAKE_MAX);
}

static exo_result repeat(uint32_t number, uint64_t a0, uint64_t a1)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 100 && result == EXO_AGAIN; i++)
        result = unit_call(0, 0, number, (const uint64_t[6]){a0, a1});
    return result;
}

START_TEST(joined_frames_are_bound_as_one)
{
    setup();
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, FIRST), AGAIN);
    IS(repeat(EXO_CALL_LARGE_CREATE, ROOT_FRAMES, FIRST), OK);
    ck_assert_uint_eq(frame_at(FIRST)->kind, EXO_FRAME_LARGE);
    ck_assert_uint_eq(frame_at(FIRST + 511)->kind, EXO_FRAME_LARGE_PART);
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE2, TABLE2 + 1, 2));
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE3, TABLE3 + 1, 3));
    GIVES(BIND(0, .table = ROOT_TABLE, .frame = TABLE3, .flags = READ), 1);
    GIVES(BIND(0, .table = TABLE3, .frame = TABLE2, .flags = READ), 1);
    IS(BIND(0, .table = TABLE2, .frame = FIRST + 1, .capability = ROOT_FRAMES, .flags = READ | EXO_MAP_LARGE), WRONG_KIND);
    IS(BIND(0, .address = 0x1000, .table = TABLE2, .frame = FIRST, .capability = ROOT_FRAMES, .flags = READ | EXO_MAP_LARGE), BAD_ARGUMENT);
    GIVES(BIND(0, .table = TABLE2, .frame = FIRST, .capability = ROOT_FRAMES, .flags = WRITABLE | EXO_MAP_LARGE), 1);
    ck_assert_uint_eq(machine_touch(0, 0x5000, EXO_MAP_WRITE), FIRST + 5);
    IS(CALL(LARGE_FREE, FIRST), BOUND);
    IS(CALL(FRAME_FREE, ROOT_FRAMES, FIRST + 5, 1), WRONG_KIND);
    GIVES(UNBIND(0, .table = TABLE2), 1);
    IS(repeat(EXO_CALL_LARGE_FREE, FIRST, 0), OK);
    ck_assert_uint_eq(frame_at(FIRST + 5)->kind, EXO_FRAME_DATA);
}
END_TEST

START_TEST(part_of_it_is_no_reason_to_bind_all_of_it)
{
    setup();
    IS(repeat(EXO_CALL_LARGE_CREATE, ROOT_FRAMES, FIRST), OK);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, FIRST, LARGE_FRAMES - 1));
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE2, TABLE2 + 1, 2));
    IS(BIND(0, .table = TABLE2, .frame = FIRST, .capability = 10, .flags = READ | EXO_MAP_LARGE), BAD_CAPABILITY);
}
END_TEST

START_TEST(create_and_free_check_their_arguments)
{
    setup();
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, RIGHTS_GIVEN, FIRST, LARGE_FRAMES));
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, FIRST + 1), BAD_ARGUMENT);
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, 2 * LARGE_FRAMES), BAD_NAME);
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, 16 * LARGE_FRAMES), BAD_NAME);
    IS(CALL(LARGE_CREATE, 100, FIRST), BAD_CAPABILITY);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, EXO_RIGHT_READ, FIRST, LARGE_FRAMES));
    IS(CALL(LARGE_CREATE, 11, FIRST), NO_RIGHT);
    IS(CALL(LARGE_FREE, NO_FRAME), BAD_NAME);
    IS(CALL(LARGE_FREE, FIRST), WRONG_KIND);
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE2, TABLE2 + 1, 1));
    GIVES(BIND(0, .table = TABLE2, .frame = FIRST, .capability = ROOT_FRAMES, .flags = READ), 1);
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, FIRST), BOUND);
    GIVES(UNBIND(0, .table = TABLE2), 1);
    GIVES(BIND(0, .table = TABLE2, .frame = FIRST + 1, .capability = ROOT_FRAMES, .flags = READ), 1);
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, FIRST), WRONG_KIND);
}
END_TEST

START_TEST(another_part_in_use_stops_the_joining)
{
    setup();
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE2, TABLE2 + 1, 1));
    GIVES(BIND(0, .table = TABLE2, .frame = FIRST + 300, .capability = ROOT_FRAMES, .flags = READ), 1);
    IS(repeat(EXO_CALL_LARGE_CREATE, ROOT_FRAMES, FIRST), WRONG_KIND);
    IS(repeat(EXO_CALL_LARGE_FREE, FIRST, 0), OK);
    ck_assert_uint_eq(frame_at(FIRST + 1)->kind, EXO_FRAME_DATA);
}
END_TEST

START_TEST(frames_of_another_are_neither_joined_nor_split)
{
    setup();
    world_actor(20, 10, 11, FIRST, LARGE_FRAMES);
    IS(CALL_FOR(20, LARGE_CREATE, 1, FIRST), NO_RIGHT);
    IS(repeat(EXO_CALL_LARGE_CREATE, ROOT_FRAMES, FIRST), OK);
    IS(CALL_FOR(20, LARGE_FREE, FIRST), NO_RIGHT);
}
END_TEST

START_TEST(what_is_in_other_use_is_not_joined)
{
    setup();
    GIVES(CALL(FRAME_FREE, ROOT_FRAMES, FIRST, 2), 2);
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, FIRST), NO_RIGHT);
    world_interrupt(1); /* which passes the epoch from which on the two are free */
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, FIRST, FIRST + 1, 1));
    IS(CALL(LARGE_CREATE, ROOT_FRAMES, FIRST), WRONG_KIND);
}
END_TEST

START_TEST(binding_of_it_ends_with_its_capability)
{
    setup();
    IS(repeat(EXO_CALL_LARGE_CREATE, ROOT_FRAMES, FIRST), OK);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 10, EXO_RIGHT_READ, FIRST, LARGE_FRAMES));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, 0, 11, EXO_RIGHT_READ, FIRST, LARGE_FRAMES));
    MUST(CALL(TABLE_CREATE, ROOT_FRAMES, TABLE2, TABLE2 + 1, 2));
    GIVES(BIND(0, .table = TABLE2, .frame = FIRST, .capability = 10, .flags = READ | EXO_MAP_LARGE), 1);
    GIVES(BIND(0, .address = 1 << 21, .table = TABLE2, .frame = FIRST, .capability = 11, .flags = READ | EXO_MAP_LARGE), 1);
    IS(BIND(0, .address = 2 << 21, .table = TABLE2, .frame = FIRST, .capability = 11, .flags = READ | EXO_MAP_LARGE, .more = 1),
       BAD_ARGUMENT);
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 100 && result == EXO_AGAIN; i++, world_interrupt(1))
        result = CALL(CAPABILITY_WITHDRAW, 0, ROOT, 10);
    IS(result, OK);
    ck_assert(!entry_is_present(table_page(TABLE2)[0]));
    ck_assert(entry_is_present(table_page(TABLE2)[1]));
}
END_TEST

UNIT_SUITE(large, unit_setup, joined_frames_are_bound_as_one, part_of_it_is_no_reason_to_bind_all_of_it,
           create_and_free_check_their_arguments, another_part_in_use_stops_the_joining,
           frames_of_another_are_neither_joined_nor_split, what_is_in_other_use_is_not_joined,
           binding_of_it_ends_with_its_capability)
