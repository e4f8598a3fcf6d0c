/*
 * What must hold between any two calls, in one place: unit tests, explorer, walker and fuzzer all call it. It reads the state
 * directly and uses none of core's own predicates, so that a fault in core cannot hide itself.
 */
#pragma once
#include <state.h>

/* NULL, or the first invariant that does not hold. */
const char *invariants_check(void);
const char *disk_invariants_check(void); /* the part of it that is about disks */
