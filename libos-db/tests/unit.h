/* A test is a sentence; each runs in a process of its own, on a machine that was just switched on with an empty disk. */
#pragma once
#include <check.h>

#define TEST(name) START_TEST(name)
TCase *tests_of_pool(void);
TCase *tests_of_store(void);
TCase *tests_of_sql(void);
TCase *tests_of_cuts(void);
TCase *tests_of_tree(void);
