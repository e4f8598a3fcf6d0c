#include "unit.h"
#include "machine.h"
#include "pool.h"
#include <string.h>

enum { PAGES = 1000, FRAMES = 64, MEMORY = 32 };

static uint64_t first_word(uint32_t page)
{
    return 0x9e3779b97f4a7c15ull * (page + 1);
}

static volatile uint64_t *words(uint32_t page)
{
    return pool_page(page);
}

static void disk_fill(void)
{
    for (uint32_t page = 0; page < PAGES; page++)
        *(uint64_t *)(machine.disk + (size_t)page * PAGE_SIZE) = first_word(page);
}

static void setup(void)
{
    machine_disk_clear();
    disk_fill();
    machine_start(FRAMES);
    ck_assert_int_eq(pool_open(PAGES, MEMORY, 2 * FRAMES, &replacement_clock), 0);
}

static void teardown(void)
{
    ck_assert(pool_is_sound());
}

TEST(touched_page_is_loaded)
{
    ck_assert(!pool_is_resident(7));
    ck_assert_uint_eq(words(7)[0], first_word(7));
    ck_assert(pool_is_resident(7));
    ck_assert_uint_eq(pool_figures.faults, 1);
    ck_assert_uint_eq(words(7)[0], first_word(7));
    ck_assert_uint_eq(pool_figures.faults, 1);
}
END_TEST

TEST(more_pages_than_frames_are_all_right)
{
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t page = 0; page < PAGES; page++)
            ck_assert_uint_eq(words(page)[0], first_word(page));
    ck_assert_uint_gt(pool_figures.evicted, PAGES);
    ck_assert_uint_eq(pool_figures.written, 0);
}
END_TEST

TEST(written_page_comes_back_from_the_disk)
{
    for (uint32_t page = 0; page < PAGES; page++)
        words(page)[1] = page;
    for (uint32_t page = 0; page < PAGES; page++)
        ck_assert_uint_eq(words(page)[1], page);
    ck_assert_uint_ge(pool_figures.written, PAGES - FRAMES);
}
END_TEST

TEST(clock_spares_what_is_used)
{
    uint32_t faults = 0;

    (void)words(1)[0];
    for (uint32_t page = 10; page < PAGES; page++) {
        (void)words(page)[0];
        faults -= pool_figures.faults;
        (void)words(1)[0];
        faults += pool_figures.faults;
    }
    ck_assert_uint_le(faults, 2);
}
END_TEST

TEST(row_of_pages_is_one_request)
{
    machine.requests = 0;
    ck_assert_int_eq(pool_load(100, 32), 0);
    ck_assert_uint_eq(machine.requests, 1);
    for (uint32_t page = 100; page < 132; page++)
        ck_assert(pool_is_resident(page));
    ck_assert_int_eq(pool_load(100, 32), 0);
    ck_assert_uint_eq(machine.requests, 1);
}
END_TEST

TEST(fresh_page_is_not_read)
{
    machine.requests = 0;
    ck_assert_int_eq(pool_fresh(5), 0);
    ck_assert_uint_eq(machine.requests, 0);
    ck_assert(pool_is_dirty(5));
}
END_TEST

TEST(written_pages_are_clean)
{
    words(3)[0] = 33;
    words(4)[0] = 44;
    (void)words(5)[0];
    ck_assert_int_eq(pool_write(0, 10), 0);
    ck_assert(!pool_is_dirty(3) && !pool_is_dirty(4));
    ck_assert_uint_eq(pool_figures.written, 2);
    ck_assert_uint_eq(*(uint64_t *)(machine.disk + 3 * PAGE_SIZE), 33);
    words(3)[0] = 34;
    ck_assert(pool_is_dirty(3));
}
END_TEST

TEST(failed_write_loses_nothing)
{
    words(3)[0] = 33;
    machine.fail_at = 1;
    ck_assert_int_eq(pool_write(3, 1), -16);
    ck_assert(pool_is_dirty(3));
    ck_assert_int_eq(pool_write(3, 1), 0);
    ck_assert_uint_eq(*(uint64_t *)(machine.disk + 3 * PAGE_SIZE), 33);
}
END_TEST

TEST(failed_eviction_loses_nothing)
{
    for (uint32_t page = 0; page < FRAMES; page++)
        words(page)[0] = page;
    machine.fail_at = 1;
    ck_assert_int_eq(pool_load(500, 1), -16);
    ck_assert(pool_is_sound());
    for (uint32_t page = 0; page < FRAMES; page++)
        ck_assert_uint_eq(words(page)[0], page);
    ck_assert_int_eq(pool_load(500, 1), 0);
}
END_TEST

TEST(failed_read_is_told)
{
    machine.fail_at = 1;
    ck_assert_int_eq(pool_load(9, 1), -16);
    ck_assert(!pool_is_resident(9));
    ck_assert_uint_eq(words(9)[0], first_word(9));
}
END_TEST

TEST(held_page_stays)
{
    words(3)[0] = 33;
    pool_hold(3);
    for (uint32_t page = 10; page < PAGES; page++)
        (void)words(page)[0];
    ck_assert(pool_is_resident(3));
    ck_assert_uint_eq(*(uint64_t *)(machine.disk + 3 * PAGE_SIZE), first_word(3));
    pool_release(3);
    for (uint32_t page = 10; page < PAGES; page++)
        (void)words(page)[0];
    ck_assert(!pool_is_resident(3));
    ck_assert_uint_eq(*(uint64_t *)(machine.disk + 3 * PAGE_SIZE), 33);
}
END_TEST

TEST(forgotten_page_is_not_written)
{
    words(3)[0] = 33;
    pool_forget(3, 1);
    ck_assert_uint_eq(words(3)[0], first_word(3));
}
END_TEST

TEST(pool_shrinks_and_grows)
{
    for (uint32_t page = 0; page < FRAMES; page++)
        words(page)[0] = page;
    ck_assert_uint_eq(pool_give(2, 10), 0);
    ck_assert_uint_eq(pool_give(1, 40), 40);
    ck_assert_uint_eq(machine.frames_returned, 40);
    ck_assert_uint_eq(pool_frames(), FRAMES - 40);
    for (uint32_t page = 0; page < FRAMES; page++)
        ck_assert_uint_eq(words(page)[0], page);
    machine.frames_allowed = FRAMES;
    ck_assert_uint_eq(pool_grow(), 40);
    ck_assert_uint_eq(pool_frames(), FRAMES);
    for (uint32_t page = 0; page < FRAMES; page++)
        ck_assert_uint_eq(words(page)[0], page);
}
END_TEST

TEST(some_frames_are_never_given)
{
    for (uint32_t page = 0; page < FRAMES; page++)
        words(page)[0] = page;
    ck_assert_uint_lt(pool_give(1, FRAMES), FRAMES);
    ck_assert_uint_eq(words(999)[0], first_word(999));
}
END_TEST

TEST(memory_pages_take_frames_of_the_pool)
{
    uint64_t *kept = pool_memory_reserve(2), *memory[MEMORY];

    for (uint32_t page = 0; page < FRAMES; page++)
        (void)words(page)[0];
    kept[0] = 1;
    kept[512] = 2;
    for (uint32_t i = 0; i < 20; i++) {
        memory[i] = pool_memory_alloc();
        ck_assert_ptr_nonnull(memory[i]);
        memory[i][0] = i;
    }
    for (uint32_t page = 0; page < PAGES; page++)
        (void)words(page)[0];
    for (uint32_t i = 0; i < 20; i++)
        ck_assert_uint_eq(memory[i][0], i);
    ck_assert(kept[0] == 1 && kept[512] == 2);
    for (uint32_t i = 0; i < 20; i++)
        pool_memory_free(memory[i]);
}
END_TEST

TEST(frames_of_a_range_leave_with_what_is_in_them)
{
    enum { MANY = 200 };
    uint64_t *kept, *memory[8];

    machine_start(MANY);
    ck_assert_int_eq(pool_open(PAGES, MEMORY, MANY, &replacement_clock), 0);
    kept = pool_memory_reserve(8);
    for (uint32_t i = 0; i < 8; i++) {
        kept[i * 512] = 100 + i;
        memory[i] = pool_memory_alloc();
        memory[i][0] = 200 + i;
    }
    for (uint32_t page = 0; page < MANY; page++)
        words(page)[0] = page;
    ck_assert(pool_leave(1, 30));
    ck_assert_uint_eq(pool_frames(), MANY - 30);
    ck_assert(!pool_leave(31, 150)); /* too few would be left */
    ck_assert(pool_is_sound());
    for (uint32_t page = 0; page < PAGES; page++)
        ck_assert(!pool_is_resident(page) || POOL_ENTRIES[page] >> 12 > 30);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert(kept[i * 512] == 100 + i && memory[i][0] == 200 + i);
    for (uint32_t page = 0; page < MANY; page++)
        ck_assert_uint_eq(words(page)[0], page);
}
END_TEST

/* Random work against a model, with a policy that is nobody's friend. */
static uint32_t seed = 1;

static uint32_t random_next(uint32_t below)
{
    seed = seed * 1664525 + 1013904223; /* Numerical Recipes */
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static void anyone_choose(uint32_t wanted)
{
    for (uint32_t tries = 0; tries < 1000 && wanted; tries++) {
        uint32_t slot = random_next(slot_count());
        if (!slot_may_leave(slot))
            continue;
        slot_leaves(slot);
        wanted--;
    }
}

static const struct replacement replacement_anyone = { .name = "anyone", .choose = anyone_choose };
static uint64_t model[PAGES];

static void step(void)
{
    uint32_t page = random_next(PAGES);

    switch (random_next(12)) {
    case 0:
        ck_assert_int_eq(pool_write(page, random_next(PAGES - page)), 0);
        break;
    case 1:
        pool_give(1, random_next(8));
        break;
    case 2:
        machine.frames_allowed += random_next(10) + hardware_frames_free() < FRAMES ? random_next(10) : 0;
        pool_grow();
        break;
    case 3:
        ck_assert_int_eq(pool_load(page, random_next(PAGES - page) % 80), 0);
        break;
    case 4: case 5: case 6:
        model[page] = words(page)[0] = seed;
        break;
    default:
        ck_assert_uint_eq(words(page)[0], model[page]);
    }
}

TEST(random_work_agrees_with_a_model)
{
    static const struct replacement *const policies[] = { &replacement_clock, &replacement_anyone };

    for (uint32_t i = 0; i < 2; i++) {
        machine_start(FRAMES);
        ck_assert_int_eq(pool_open(PAGES, MEMORY, 2 * FRAMES, policies[i]), 0);
        for (uint32_t page = 0; page < PAGES; page++)
            model[page] = *(uint64_t *)(machine.disk + (size_t)page * PAGE_SIZE);
        for (uint32_t n = 0; n < 20000; n++)
            step();
        ck_assert(pool_is_sound());
        for (uint32_t page = 0; page < PAGES; page++)
            ck_assert_uint_eq(words(page)[0], model[page]);
        ck_assert_int_eq(pool_write(0, PAGES), 0);
    }
}
END_TEST

static uint32_t lost;

static void lost_note(uint32_t pages)
{
    lost += pages;
}

TEST(clean_frames_taken_by_force_cost_nothing_but_their_loading)
{
    pool_lost = lost_note;
    for (uint32_t page = 0; page < PAGES; page++) {
        ck_assert_uint_eq(words(page)[0], first_word(page));
        if (page % 50 == 7) {
            ck_assert(machine_rob(page));
            ck_assert_uint_eq(words(page)[0], first_word(page));
        }
    }
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_eq(pool_figures.robbed, PAGES / 50);
    ck_assert_uint_eq(pool_frames(), FRAMES - PAGES / 50);
}
END_TEST

TEST(frame_taken_while_the_disk_reads_into_it_or_writes_it_is_done_without)
{
    pool_lost = lost_note;
    for (uint32_t round = 0; round < 20; round++) {
        machine.rob_at = 1 + round % 3;
        for (uint32_t page = round % 7; page < PAGES; page += 7)
            ck_assert_uint_eq(words(page)[0], first_word(page));
        ck_assert_uint_eq(machine.rob_at, 0);
    }
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_eq(pool_frames(), FRAMES - 20);
}
END_TEST

TEST(changed_page_taken_by_force_is_told)
{
    pool_lost = lost_note;
    pool_change(5);
    words(5)[0] = 1;
    pool_change(6);
    words(6)[0] = 2;
    ck_assert_int_eq(pool_write(6, 1), 0);
    ck_assert(machine_rob(6));
    ck_assert_uint_eq(words(6)[0], 2);
    ck_assert_uint_eq(lost, 0);
    ck_assert(machine_rob(5));
    ck_assert(pool_look());
    ck_assert_uint_eq(lost, 1);
    ck_assert(machine_rob((uint32_t)(((uint64_t)pool_memory_alloc() - POOL_ADDRESS) / PAGE_SIZE)));
    ck_assert(pool_look());
    ck_assert_uint_eq(lost, 2);
}
END_TEST

TCase *tests_of_pool(void)
{
    TCase *tests = tcase_create("pool");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, touched_page_is_loaded);
    tcase_add_test(tests, more_pages_than_frames_are_all_right);
    tcase_add_test(tests, written_page_comes_back_from_the_disk);
    tcase_add_test(tests, clock_spares_what_is_used);
    tcase_add_test(tests, row_of_pages_is_one_request);
    tcase_add_test(tests, fresh_page_is_not_read);
    tcase_add_test(tests, written_pages_are_clean);
    tcase_add_test(tests, failed_write_loses_nothing);
    tcase_add_test(tests, failed_eviction_loses_nothing);
    tcase_add_test(tests, failed_read_is_told);
    tcase_add_test(tests, held_page_stays);
    tcase_add_test(tests, forgotten_page_is_not_written);
    tcase_add_test(tests, pool_shrinks_and_grows);
    tcase_add_test(tests, some_frames_are_never_given);
    tcase_add_test(tests, memory_pages_take_frames_of_the_pool);
    tcase_add_test(tests, frames_of_a_range_leave_with_what_is_in_them);
    tcase_add_test(tests, random_work_agrees_with_a_model);
    tcase_add_test(tests, clean_frames_taken_by_force_cost_nothing_but_their_loading);
    tcase_add_test(tests, frame_taken_while_the_disk_reads_into_it_or_writes_it_is_done_without);
    tcase_add_test(tests, changed_page_taken_by_force_is_told);
    return tests;
}
