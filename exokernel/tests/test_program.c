/* Loading and ending programs, and all the ways in which what they stand on goes away meanwhile. */
#include "programs.h"
#include <program.h>
#include <string.h>

#define LOAD_AT(page, pages, frame, count) CALL_FOR(ANN_SLOT, PROGRAM_LOAD, OWN_PROGRAMS, page, pages, OWN_FRAMES, frame, count)

static const struct exo_refusal *refusal(void)
{
    return (const struct exo_refusal *)context_of(root)->batch;
}

static uint64_t run(uint32_t page)
{
    static uint8_t words[EXO_FRAME_SIZE];
    struct exo_predicate context = {.time = 77, .words = (uint64_t)words, .words_end = (uint64_t)words + sizeof words};
    struct code_run run = {.memory = {{(uint64_t)words, sizeof words}}, .context = &context};
    return program_run(page, &run);
}

/* How many frames of ANN's range are a program's. */
static uint32_t frames_held(void)
{
    uint32_t count = 0;
    for (frame_name frame = CODE; frame < CODE + COUNT; frame++)
        count += frame_at(frame)->kind == EXO_FRAME_PROGRAM;
    return count;
}

START_TEST(program_is_loaded_and_run)
{
    WRITE(LOAD(SIZE_DW, 0, 1, 0), ALU64_K(ALU_ADD, 0, 5), EXIT);
    IS(program_loaded(), OK);
    ck_assert_uint_eq(run(ANN_PAGE), 82);
    ck_assert_uint_eq(program_at(ANN_PAGE)->state, EXO_PROGRAM_READY);
    ck_assert_uint_eq(frames_held(), 1);
    ck_assert_uint_eq(machine.window[ANN_PAGE], CODE);
    IS(program_continued(ANN_PAGE), OK);
}
END_TEST

START_TEST(frames_beside_the_machine_code_come_back)
{
    WRITE(SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    for (frame_name frame = CODE + 1; frame < CODE + COUNT; frame++) {
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_DATA);
        GIVES(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, frame, 1), 1);
    }
    IS(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, CODE, 1), WRONG_KIND);
}
END_TEST

START_TEST(pages_that_the_machine_code_does_not_need_come_back)
{
    WRITE(SET(0, 1), EXIT);
    memmove(data_page(CODE + 3), data_page(CODE + 1), EXO_FRAME_SIZE);
    IS(LOAD_AT(ANN_PAGE, 3, CODE, COUNT), OK);
    ck_assert_uint_eq(program_at(ANN_PAGE + 2)->first, ANN_PAGE);
    IS(LOAD_AT(ANN_PAGE + 2, 1, CODE, COUNT), TAKEN);
    IS(program_continued(ANN_PAGE), OK);
    ck_assert_uint_eq(program_at(ANN_PAGE)->pages, 1);
    ck_assert_uint_eq(program_at(ANN_PAGE + 2)->first, 0);
}
END_TEST

START_TEST(what_the_loader_left_in_the_machine_codes_frames_goes)
{
    WRITE(SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    const uint8_t *code = data_page(CODE);
    for (uint32_t i = 200; i < EXO_FRAME_SIZE; i++)
        ck_assert_uint_eq(code[i], 0);
}
END_TEST

START_TEST(refusal_says_where_and_why)
{
    WRITE(COPY(2, 1), LOAD(SIZE_DW, 3, 1, 16), LOAD(SIZE_W, 0, 3, 4094), EXIT);
    IS(program_loaded(), REFUSED);
    ck_assert_uint_eq(refusal()->reason, EXO_REFUSED_OUT_OF_BOUNDS);
    ck_assert_uint_eq(refusal()->instruction, 2);
    ck_assert_uint_eq(refusal()->culprit, 3);
    ck_assert_uint_eq(refusal()->registers[3].type, CODE_POINTER);
    ck_assert_uint_eq(machine.window[ANN_PAGE], 0);
    IS(program_unloaded(ANN_PAGE), OK);
    ck_assert_uint_eq(frames_held(), 0);
    WRITE(SET(0, 1), EXIT);
    IS(program_loaded(), OK);
}
END_TEST

START_TEST(wild_headers_are_refused)
{
    struct exo_code_header *header = data_page(CODE + 1);
    static const struct { uint32_t kind, count, budget, reason; } wild[] = {
        {0, 2, 1, EXO_REFUSED_BAD_KIND}, {99, 2, 1, EXO_REFUSED_BAD_KIND}, {UINT32_MAX, 2, 1, EXO_REFUSED_BAD_KIND},
        {EXO_CODE_PREDICATE, 2, EXO_PREDICATE_BUDGET + 1, EXO_REFUSED_BAD_KIND}, {EXO_CODE_PREDICATE, 0, 1, EXO_REFUSED_BAD_COUNT},
        {EXO_CODE_PREDICATE, 4096, 1, EXO_REFUSED_TOO_LARGE}, {EXO_CODE_PREDICATE, UINT32_MAX, 1, EXO_REFUSED_BAD_COUNT},
        {EXO_CODE_PREDICATE, 1500, 1, EXO_REFUSED_TOO_LARGE},
    };
    for (uint32_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        WRITE(SET(0, 1), EXIT);
        *header = (struct exo_code_header){.kind = wild[i].kind, .count = wild[i].count, .budget = wild[i].budget, .visits = 100};
        IS(program_loaded(), REFUSED);
        ck_assert_uint_eq(refusal()->reason, wild[i].reason);
        IS(program_unloaded(ANN_PAGE), OK);
    }
}
END_TEST

START_TEST(machine_code_that_does_not_fit_is_refused)
{
    struct code_instruction slots[700];
    for (uint32_t i = 0; i < 699; i++)
        slots[i] = (struct code_instruction)ALU64_K(ALU_DIV, 0, 3);
    slots[0] = SET(0, 7);
    slots[699] = EXIT;
    memset(data_page(CODE), 0, (size_t)COUNT * EXO_FRAME_SIZE);
    program_write(EXO_CODE_PREDICATE, slots, 700);
    ((struct exo_code_header *)data_page(CODE + 1))->count = 400;
    *((struct code_instruction *)((uint8_t *)data_page(CODE + 1) + sizeof(struct exo_code_header)) + 399) = EXIT;
    IS(program_loaded(), REFUSED);
    ck_assert_uint_eq(refusal()->reason, EXO_REFUSED_TOO_LARGE);
    ck_assert_uint_eq(refusal()->culprit, 12);
}
END_TEST

START_TEST(budget_is_the_programs)
{
    WRITE(SET(0, 0), ALU64_K(ALU_ADD, 0, 0), JUMP(-2), EXIT);
    IS(program_loaded(), OK);
    ck_assert_uint_eq(run(ANN_PAGE), 1); /* spent */
}
END_TEST

START_TEST(loading_wants_names_pages_and_frames)
{
    WRITE(SET(0, 1), EXIT);
    IS(LOAD_AT(ANN_PAGE, 0, CODE, COUNT), BAD_ARGUMENT);
    IS(LOAD_AT(ANN_PAGE, 65, CODE, 80), BAD_ARGUMENT);
    IS(LOAD_AT(ANN_PAGE, COUNT, CODE, COUNT), BAD_ARGUMENT);
    IS(LOAD_AT(ANN_PAGE, 1, CODE, EXO_PROGRAM_FRAMES_MAX + 1), BAD_ARGUMENT);
    IS(LOAD_AT(0, 1, CODE, COUNT), BAD_NAME);
    IS(LOAD_AT(PROGRAM_PAGES, 1, CODE, COUNT), BAD_NAME);
    IS(LOAD_AT(PROGRAM_PAGES - 1, 2, CODE, COUNT), BAD_NAME);
    IS(LOAD_AT(ANN_PAGE, 1, NO_FRAME, COUNT), BAD_NAME);
    IS(LOAD_AT(ANN_PAGE, 1, CODE, 1000), BAD_NAME);
    IS(LOAD_AT(ANN_PAGE + ANN_PAGES - 1, 2, CODE, COUNT), BAD_CAPABILITY);
    IS(LOAD_AT(ANN_PAGE - 1, 1, CODE, COUNT), BAD_CAPABILITY);
    IS(LOAD_AT(ANN_PAGE, 1, CODE + COUNT, 2), NO_RIGHT);
    IS(LOAD_AT(ANN_PAGE, 1, ANN + 4, 2), WRONG_KIND);
    IS(LOAD_AT(ANN_PAGE, 1, BOB, 2), BAD_CAPABILITY);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_LOAD, OWN_FRAMES, ANN_PAGE, 1, OWN_FRAMES, CODE, COUNT), BAD_CAPABILITY);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_LOAD, OWN_PROGRAMS, ANN_PAGE, 1, OWN_PROGRAMS, CODE, COUNT), BAD_CAPABILITY);
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_PROGRAMS, 0, 9, EXO_RIGHT_READ, ANN_PAGE, 1));
    IS(CALL_FOR(ANN_SLOT, PROGRAM_LOAD, 9, ANN_PAGE, 1, OWN_FRAMES, CODE, COUNT), NO_RIGHT);
    MUST(CALL_FOR(ANN_SLOT, CAPABILITY_DERIVE, OWN_FRAMES, 0, 10, RIGHTS_GIVEN, CODE, COUNT));
    IS(CALL_FOR(ANN_SLOT, PROGRAM_LOAD, OWN_PROGRAMS, ANN_PAGE, 1, 10, CODE, COUNT), NO_RIGHT);
    IS(LOAD_AT(ANN_PAGE, 1, CODE, COUNT), OK);
    IS(LOAD_AT(ANN_PAGE, 1, CODE, COUNT), TAKEN);
}
END_TEST

START_TEST(bound_frames_are_not_taken)
{
    WRITE(SET(0, 1), EXIT);
    MUST(CALL_FOR(ANN_SLOT, TABLE_CREATE, OWN_FRAMES, CODE + 8, CODE + 9, 1));
    MUST(BIND(ANN_SLOT, .table = CODE + 8, .frame = CODE + 2, .capability = OWN_FRAMES, .flags = WRITABLE));
    MUST(BIND(ANN_SLOT, .address = 4096, .table = CODE + 8, .frame = CODE, .capability = OWN_FRAMES, .flags = WRITABLE));
    IS(LOAD_AT(ANN_PAGE, 1, CODE, COUNT), BOUND);
    MUST(UNBIND(ANN_SLOT, .address = 4096, .table = CODE + 8));
    IS(LOAD_AT(ANN_PAGE, 1, CODE, COUNT), OK);
    IS(program_continued(ANN_PAGE), BOUND);
    MUST(UNBIND(ANN_SLOT, .table = CODE + 8));
    IS(program_continued(ANN_PAGE), OK);
}
END_TEST

START_TEST(program_frame_is_not_bound)
{
    WRITE(SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    MUST(CALL_FOR(ANN_SLOT, TABLE_CREATE, OWN_FRAMES, CODE + 8, CODE + 9, 1));
    IS(BIND(ANN_SLOT, .table = CODE + 8, .frame = CODE, .capability = OWN_FRAMES, .flags = READ), WRONG_KIND);
}
END_TEST

START_TEST(frames_unlike_the_first_are_not_taken)
{
    WRITE(SET(0, 1), EXIT);
    GIVES(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, CODE + 3, 1), 1);
    IS(LOAD_AT(ANN_PAGE, 1, CODE, COUNT), OK);
    IS(program_continued(ANN_PAGE), NO_RIGHT);
    MUST(CALL_FOR(ANN_SLOT, VCPU_STOP, 2));
    MUST(CALL_FOR(ANN_SLOT, VCPU_CREATE, 2, OWN_FRAMES, CODE + 3, CONTEXT_ADDRESS));
    IS(program_continued(ANN_PAGE), WRONG_KIND);
    IS(program_unloaded(ANN_PAGE), OK);
    ck_assert_uint_eq(frames_held(), 0);
}
END_TEST

START_TEST(program_is_its_owners)
{
    WRITE(SET(0, 1), EXIT);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_CONTINUE, ANN_PAGE), BAD_NAME);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, ANN_PAGE), BAD_NAME);
    IS(program_loaded(), OK);
    IS(CALL_FOR(BOB_SLOT, PROGRAM_CONTINUE, ANN_PAGE), BAD_NAME);
    IS(CALL_FOR(BOB_SLOT, PROGRAM_UNLOAD, OWN_FRAMES, ANN_PAGE), BAD_CAPABILITY);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_PROGRAMS, BOB_SLOT, OWN_PROGRAMS, EXO_RIGHT_READ, ANN_PAGE, 1));
    IS(CALL_FOR(BOB_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, ANN_PAGE), NO_RIGHT);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_PROGRAMS, BOB_SLOT, 9, RIGHTS_GIVEN, ANN_PAGE, 1));
    IS(CALL_FOR(BOB_SLOT, PROGRAM_UNLOAD, 9, ANN_PAGE), NO_RIGHT);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_CONTINUE, PROGRAM_PAGES + 5), BAD_NAME);
}
END_TEST

/* ---- what it stands on goes */

/* ANN's program has made `steps` steps. */
static void load_some(uint32_t steps)
{
    WRITE(SET(0, 1), EXIT);
    MUST(LOAD_AT(ANN_PAGE, 1, CODE, COUNT));
    for (uint32_t i = 0; i < steps; i++) {
        settle();
        CALL_FOR(ANN_SLOT, PROGRAM_CONTINUE, ANN_PAGE);
    }
}

enum { STEPS = 9 }; /* more than a small program takes */

static exo_result until_done(uint32_t subject, uint32_t number, const uint64_t argument[6])
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < 200 && result == EXO_AGAIN; i++) {
        result = unit_call(0, subject, number, argument);
        const char *broken = invariants_check();
        ck_assert_msg(!broken, "invariant: %s", broken);
        settle();
    }
    return result;
}
#define UNTIL_DONE(subject, name, ...) until_done(subject, EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})

static void nothing_is_left(void)
{
    ck_assert_uint_eq(frames_held(), 0);
    ck_assert_uint_eq(program_at(ANN_PAGE)->first, 0);
    ck_assert_uint_eq(machine.window[ANN_PAGE], 0);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_CONTINUE, ANN_PAGE), BAD_NAME);
}

static void demand(uint32_t victim_slot, uint32_t root_slot)
{
    MUST(CALL(REVOKE, root_slot, ANN, victim_slot, 5, 0));
    MUST(CALL(REVOKE, root_slot, ANN, victim_slot, 5, 0));
}

START_TEST(frames_are_withdrawn_at_every_step)
{
    for (uint32_t steps = 0; steps <= STEPS; steps++) {
        programs_setup();
        load_some(steps);
        demand(OWN_FRAMES, ROOT_FRAMES);
        IS(UNTIL_DONE(0, CAPABILITY_WITHDRAW, ROOT_FRAMES, ANN, OWN_FRAMES), OK);
        nothing_is_left();
        for (frame_name frame = CODE; frame < CODE + COUNT; frame++)
            ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_FREE);
    }
}
END_TEST

START_TEST(pages_are_withdrawn_at_every_step)
{
    for (uint32_t steps = 0; steps <= STEPS; steps++) {
        programs_setup();
        load_some(steps);
        demand(OWN_PROGRAMS, ROOT_PROGRAMS);
        IS(UNTIL_DONE(0, CAPABILITY_WITHDRAW, ROOT_PROGRAMS, ANN, OWN_PROGRAMS), OK);
        nothing_is_left();
        ck_assert_uint_eq(frame_at(CODE)->kind, EXO_FRAME_DATA);
        ck_assert_uint_eq(frame_at(CODE)->owner, ANN);
    }
}
END_TEST

START_TEST(frame_is_reclaimed_at_every_step)
{
    for (uint32_t steps = 0; steps <= STEPS; steps++) {
        programs_setup();
        frame_name frame = CODE;
        load_some(steps);
        demand(OWN_FRAMES, ROOT_FRAMES);
        IS(UNTIL_DONE(0, FRAME_RECLAIM, ROOT_FRAMES, frame), OK);
        nothing_is_left();
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_DIRTY);
        ck_assert_uint_eq(frame_at(frame)->owner, ROOT);
        ck_assert_uint_eq(context_of(ann)->repossessed_count, 1);
    }
}
END_TEST

START_TEST(loader_dies_at_every_step)
{
    for (uint32_t steps = 0; steps <= STEPS; steps++) {
        programs_setup();
        load_some(steps);
        MUST(CALL(ENVIRONMENT_DESTROY, ANN_SLOT));
        IS(UNTIL_DONE(0, ENVIRONMENT_REAP, ANN), OK);
        ck_assert_uint_eq(program_at(ANN_PAGE)->first, 0);
        for (frame_name frame = CODE; frame < CODE + COUNT; frame++)
            ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_FREE);
    }
}
END_TEST

START_TEST(program_is_unloaded_at_every_step)
{
    for (uint32_t steps = 0; steps <= STEPS; steps++) {
        programs_setup();
        load_some(steps);
        IS(UNTIL_DONE(ANN_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, ANN_PAGE), OK);
        nothing_is_left();
    }
}
END_TEST

START_TEST(program_is_taken_by_force)
{
    load_some(STEPS);
    IS(CALL(PROGRAM_UNLOAD, ROOT_PROGRAMS, ANN_PAGE), KEPT);
    demand(OWN_PROGRAMS, ROOT_PROGRAMS);
    IS(UNTIL_DONE(0, PROGRAM_UNLOAD, ROOT_PROGRAMS, ANN_PAGE), OK);
    nothing_is_left();
    ck_assert_uint_eq(context_of(ann)->repossessed_count, 1);
    ck_assert_uint_eq(context_of(ann)->repossessed[0], ANN_PAGE | 1u << 30);
}
END_TEST

START_TEST(unloading_answers_a_revocation)
{
    load_some(STEPS);
    MUST(CALL(REVOKE, ROOT_PROGRAMS, ANN, OWN_PROGRAMS, 1, EXO_NEVER));
    IS(program_unloaded(ANN_PAGE), OK);
    ck_assert_uint_eq(context_of(ann)->revoke_count, 0);
}
END_TEST

/* A run may be under way on another processor until that one has flushed: the code stays where it is. */
START_TEST(ending_waits_for_processors_that_may_run_it)
{
    load_some(STEPS);
    interrupts_settle();
    uint64_t id = program_at(ANN_PAGE)->id;
    ck_assert(program_is_ready(ANN_PAGE, id));
    for (uint32_t i = 0; i < 20; i++)
        IS(CALL_FOR(ANN_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, ANN_PAGE), AGAIN);
    ck_assert(!program_is_ready(ANN_PAGE, id));
    ck_assert_uint_eq(machine.window[ANN_PAGE], CODE);
    ck_assert_uint_eq(frame_at(CODE)->kind, EXO_FRAME_PROGRAM);
    world_interrupt(1); /* now nobody runs it, but processor 1 may still know where it was */
    for (uint32_t i = 0; i < 20; i++)
        IS(CALL_FOR(ANN_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, ANN_PAGE), AGAIN);
    ck_assert_uint_eq(machine.window[ANN_PAGE], 0);
    ck_assert_uint_eq(frame_at(CODE)->kind, EXO_FRAME_PROGRAM);
    IS(LOAD_AT(ANN_PAGE, 1, CODE, COUNT), TAKEN);
    world_interrupt(1);
    IS(CALL_FOR(ANN_SLOT, PROGRAM_UNLOAD, OWN_PROGRAMS, ANN_PAGE), OK);
}
END_TEST

/* A translation that was not flushed could change what the verifier reads. */
START_TEST(reading_waits_for_processors_that_may_write)
{
    WRITE(SET(0, 1), EXIT);
    MUST(CALL(SPACE_FLUSH));
    MUST(LOAD_AT(ANN_PAGE, 1, CODE, COUNT));
    for (uint32_t i = 0; i < 20; i++)
        IS(CALL_FOR(ANN_SLOT, PROGRAM_CONTINUE, ANN_PAGE), AGAIN);
    ck_assert_uint_eq(program_at(ANN_PAGE)->state, EXO_PROGRAM_FLUSHING);
    world_interrupt(1);
    IS(program_continued(ANN_PAGE), OK);
}
END_TEST

START_TEST(window_has_so_many_pages_and_no_more)
{
    uint32_t loaded = 0;
    for (uint32_t page = ANN_PAGE; page < ANN_PAGE + ANN_PAGES; page++)
        loaded += LOAD_AT(page, 1, CODE, COUNT) == EXO_OK;
    ck_assert_uint_eq(loaded, 1); /* the first took the frame */
    IS(program_unloaded(ANN_PAGE), OK);
    for (uint32_t i = 0; i < 40; i++) {
        load_some(STEPS);
        IS(program_unloaded(ANN_PAGE), OK);
    }
    ck_assert_uint_eq(program_at(ANN_PAGE)->first, 0);
}
END_TEST

START_TEST(another_program_in_its_place_is_another)
{
    load_some(STEPS);
    uint64_t id = program_at(ANN_PAGE)->id;
    IS(program_unloaded(ANN_PAGE), OK);
    load_some(STEPS);
    ck_assert(!program_is_ready(ANN_PAGE, id));
    ck_assert(program_is_ready(ANN_PAGE, program_at(ANN_PAGE)->id));
}
END_TEST

UNIT_SUITE(program, programs_setup, program_is_loaded_and_run, frames_beside_the_machine_code_come_back,
           pages_that_the_machine_code_does_not_need_come_back, what_the_loader_left_in_the_machine_codes_frames_goes,
           refusal_says_where_and_why, wild_headers_are_refused, machine_code_that_does_not_fit_is_refused,
           budget_is_the_programs, loading_wants_names_pages_and_frames, bound_frames_are_not_taken,
           program_frame_is_not_bound, frames_unlike_the_first_are_not_taken, program_is_its_owners,
           frames_are_withdrawn_at_every_step, pages_are_withdrawn_at_every_step, frame_is_reclaimed_at_every_step,
           loader_dies_at_every_step, program_is_unloaded_at_every_step, program_is_taken_by_force,
           unloading_answers_a_revocation, ending_waits_for_processors_that_may_run_it,
           reading_waits_for_processors_that_may_write, window_has_so_many_pages_and_no_more,
           another_program_in_its_place_is_another)
