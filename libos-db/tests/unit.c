#include "unit.h"
#include <stdlib.h>

int main(void)
{
    Suite *suite = suite_create("db");

    suite_add_tcase(suite, tests_of_pool());
    suite_add_tcase(suite, tests_of_sql());
    suite_add_tcase(suite, tests_of_tree());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
