/* A copy of the program that makes random calls until it has made enough, or is dead. */
#pragma once
#include <stdint.h>
#include <offspring.h>

enum { PUPPETS = 2, PUPPET_CALLS = 4000 };

struct puppet_shared {
    volatile uint64_t go; /* both are there */
    volatile uint64_t calls[PUPPETS], granted[PUPPETS], done[PUPPETS];
    volatile uint32_t others[32]; /* frames of others */
    volatile uint32_t granted_by_call[EXO_CALL_COUNT];
    volatile uint64_t unlisted_call; /* one that failed with a status that the ABI does not list for it */
    volatile int64_t unlisted;       /* the status, or 0 */
};
#define SHARED ((struct puppet_shared *)OFFSPRING_SHARED)

/* parent: a capability to drop first; sibling: the slot of the capability to the other puppet. */
void puppet_live(uint32_t number, uint64_t seed, uint16_t parent, uint16_t sibling) __attribute__((noreturn));
