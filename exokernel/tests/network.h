/*
 * What must hold of flows, shapes and rings, read without core's own predicates; part of invariants_check. And the demultiplexer
 * as it would be without a hash table: for tests to compare with.
 */
#pragma once
#include <state.h>

/* NULL, or the first invariant that does not hold. */
const char *network_check(void);
/* Is there a packet that matches both? By bits. */
bool network_overlaps(const struct exo_flow *a, const struct exo_flow *b);
/* The open flow with the most bits in its pattern among those that the header matches, + 1; 0: none. Claims are taken to be valid. */
uint32_t network_find(const uint8_t header[EXO_HEADER_SIZE]);
