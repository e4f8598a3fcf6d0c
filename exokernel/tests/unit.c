#include "unit.h"
#include "snapshot.h"
#include <exo/errors.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Files with suites; `error` looks at what the others provoked. */
#ifndef SUITES /* device_faults.py names fewer */
#define SUITES(suite)                                                                                                  \
    suite(ash) suite(boot) suite(call) suite(capability) suite(console) suite(disk) suite(environment) suite(flow)      \
    suite(flush) suite(frame) suite(gate) suite(handler) suite(large) suite(net) suite(predicate) suite(program)       \
    suite(revoke) suite(slice) suite(slot) suite(space) suite(sweep) suite(table)                                      \
    suite(trace) suite(vcpu)                                                                                           \
    suite(error)
#endif

/* The core has no heap that could leak, and each test is a process whose end would have all memory searched. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

exo_result unit_call(uint32_t processor, uint32_t subject, uint32_t number, const uint64_t argument[6])
{
    vcpu_name running = kernel.processor[processor].running;
    snapshot_keep();
    exo_result result = world_call(processor, subject, number, argument);
    if (result < 0 && result != EXO_AGAIN && kernel.processor[processor].running == running)
        ck_assert_msg(snapshot_is_present(), "%s failed with %s and changed something",
                      number < EXO_CALL_COUNT ? exo_call_errors[number].name : "no call", exo_status_names[-result]);
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
    world_actor(A_SLOT, A, A_CAPABILITIES, A_FIRST, A_COUNT);
    world_environment(B_SLOT, B, B_CAPABILITIES);
    world_hold(CONSOLE_SLOT, EXO_KIND_CONSOLE, RIGHTS_ALL, 0, 0);
    world_hold(MACHINE_SLOT, EXO_KIND_MACHINE, RIGHTS_ALL, 0, 0);
}

void unit_demand(uint32_t count)
{
    MUST(CALL(REVOKE, ROOT_FRAMES, A, 1, count, 0));
    MUST(CALL(REVOKE, ROOT_FRAMES, A, 1, count, 0));
}

static void invariants_hold(void)
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

void unit_add(SRunner *runner, const char *name, void (*setup)(void), const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, invariants_hold);
    tcase_set_timeout(cases, 60);
    for (; *tests; tests++)
        tcase_add_test(cases, *tests);
    suite_add_tcase(suite, cases);
    srunner_add_suite(runner, suite);
}

void unit_add_loop(SRunner *runner, const char *name, void (*setup)(void), const TTest *test, int count)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, invariants_hold);
    tcase_add_loop_test(cases, test, 0, count);
    suite_add_tcase(suite, cases);
    srunner_add_suite(runner, suite);
}

#define DECLARE(name) void suite_##name(SRunner *runner);
#define ADD(name) suite_##name(runner);
SUITES(DECLARE)

/* Tests run in processes of their own; what they see calls fail with is kept in memory that all share. */
int main(void)
{
    SRunner *runner = srunner_create(NULL);
    world_failures = mmap(NULL, EXO_CALL_COUNT * sizeof *world_failures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world_failures == MAP_FAILED)
        return EXIT_FAILURE;
    SUITES(ADD)
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
