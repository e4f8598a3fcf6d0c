#include "unit.h"
#include <stdlib.h>
#include <string.h>

/* The part of the state that a failed call must not touch, for the frames that there are. */
static struct {
    struct kernel kernel;
    struct exo_system system;
    struct exo_slot slot[PROCESSOR_LIMIT * SLOTS_PER_PROCESSOR];
    struct exo_frame frame[FRAMES];
    union machine_words words[FRAMES];
    struct capability_table capabilities[FRAMES];
    struct environment environment[FRAMES];
    struct exo_context context[FRAMES];
} kept;

/* Calls f(copy, original, size) for each part. */
static bool parts_visit(bool (*visit)(void *, void *, size_t))
{
    return visit(&kept.kernel, &kernel, sizeof kernel) && visit(&kept.system, &machine.system, sizeof kept.system) &&
           visit(kept.slot, machine.slot, sizeof kept.slot) && visit(kept.frame, machine.frame, sizeof kept.frame) &&
           visit(kept.words, machine.words, sizeof kept.words) &&
           visit(kept.capabilities, machine.capabilities, sizeof kept.capabilities) &&
           visit(kept.environment, machine.environment, sizeof kept.environment) &&
           visit(kept.context, machine_contexts, sizeof kept.context);
}

static bool part_keep(void *copy, void *original, size_t size)
{
    memcpy(copy, original, size);
    return true;
}

static bool part_is_same(void *copy, void *original, size_t size)
{
    return memcmp(copy, original, size) == 0;
}

exo_result unit_call(uint32_t processor, uint32_t subject, uint32_t number, const uint64_t argument[6])
{
    parts_visit(part_keep);
    exo_result result = world_call(processor, subject, number, argument);
    if (result < 0 && result != EXO_AGAIN)
        ck_assert_msg(parts_visit(part_is_same), "call %u failed with %lld and changed something", number, (long long)result);
    machine.current = 0;
    return result;
}

exo_result unit_map(uint32_t subject, uint32_t number, struct exo_mapping mapping)
{
    return unit_call(0, subject, number, WORDS_OF(mapping));
}

void unit_setup(void)
{
    world_reset(FRAMES, 2);
    world_environment(A_SLOT, A, A_CAPABILITIES);
    world_environment(B_SLOT, B, B_CAPABILITIES);
    world_hold(CONSOLE_SLOT, EXO_KIND_CONSOLE, RIGHTS_ALL, 0, 0);
    world_hold(MACHINE_SLOT, EXO_KIND_MACHINE, RIGHTS_ALL, 0, 0);
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FRAMES, A_SLOT, 1, RIGHTS_GIVEN, A_FIRST, A_COUNT));
}

void unit_teardown(void)
{
    const char *broken = invariants_check();
    ck_assert_msg(!broken, "invariant: %s", broken);
}

uint64_t unit_entry(frame_name table, uint64_t address, uint32_t level)
{
    return table_page(table)[table_index(address, level)];
}

const struct capability *unit_capability(frame_name capabilities, uint32_t slot)
{
    return &capability_page(capabilities)->slot[slot - 1];
}

int unit_run(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, unit_setup, unit_teardown);
    tcase_set_timeout(cases, 60);
    for (; *tests; tests++)
        tcase_add_test(cases, *tests);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
