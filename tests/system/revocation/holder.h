/* A copy of the program that holds frames and slots which its parent wants back, and what it tells in the shared
 * page. */
#pragma once
#include <stdbool.h>
#include <exo/abi.h>
#include <offspring.h>

#define HOLDER_ADDRESS 0x20000000ull
#define HOLDER_PATTERN 0x5ec2e75ec2e75ec2ull

enum { HOLDER_PAGES = 96, HOLDER_KEPT = EXO_TAKE_MAX };

struct holder_shared {
    volatile uint64_t ready, rounds;
    volatile uint64_t asked, imperative;       /* events seen */
    volatile uint64_t deadline, slot, count;   /* what the context page said at the first */
    volatile uint64_t lost;                    /* pages that fault */
    volatile uint64_t spoiled;                 /* pages that it still has but that changed */
    volatile uint32_t frames[HOLDER_PAGES];
    volatile uint32_t taken, repossessed[64];
};
#define SHARED ((struct holder_shared *)OFFSPRING_SHARED)

/* In the copy. good: answers at once. */
void holder_live(bool good) __attribute__((noreturn));
