/*
 * Page-table entries: the hardware's bits (Intel SDM 3A 4.5), and the kernel's notes in those that it leaves to
 * software. Bit 9: may become writable; bit 10: may become executable; bits 11 and 52 to 62: the capability slot that
 * justified the binding (protection keys stay off, so 59 to 62 are free). A present entry is always readable.
 * Pure arithmetic, so that the host's machine shares it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <exo/abi.h>

#define ENTRY_PRESENT (1ull << 0)
#define ENTRY_WRITE (1ull << 1)
#define ENTRY_USER (1ull << 2)
#define ENTRY_UNCACHED (3ull << 3)
#define ENTRY_ACCESSED (1ull << 5)
#define ENTRY_DIRTY (1ull << 6)
#define ENTRY_LARGE (1ull << 7)
#define ENTRY_FRAME 0x000ffffffffff000ull
#define ENTRY_NO_EXECUTE (1ull << 63)
#define ENTRY_SLOT_LOW (1ull << 11)
#define ENTRY_SLOT_HIGH (0x7ffull << 52)

static inline uint64_t entry_bits(uint32_t map_flags)
{
    return (map_flags & EXO_MAP_WRITE ? ENTRY_WRITE : 0) | (map_flags & EXO_MAP_LARGE ? ENTRY_LARGE : 0) |
           (map_flags & EXO_MAP_EXECUTE ? 0 : ENTRY_NO_EXECUTE);
}

/* A leaf for user mode: as it is (map_flags), as it may become (may_flags), and by which capability slot. */
static inline uint64_t entry_make(uint32_t frame, uint32_t map_flags, uint32_t may_flags, uint32_t slot)
{
    return (uint64_t)frame << 12 | ENTRY_PRESENT | ENTRY_USER | entry_bits(map_flags) |
           (may_flags & EXO_MAP_WRITE ? EXO_ENTRY_MAY_WRITE : 0) |
           (may_flags & EXO_MAP_EXECUTE ? EXO_ENTRY_MAY_EXECUTE : 0) |
           (uint64_t)(slot & 1) << 11 | (uint64_t)(slot >> 1 & 0x7ff) << 52;
}

/* An entry that names the next lower table. */
static inline uint64_t entry_make_table(uint32_t frame)
{
    return (uint64_t)frame << 12 | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER;
}

static inline bool entry_is_present(uint64_t entry)
{
    return entry & ENTRY_PRESENT;
}

static inline uint32_t entry_frame(uint64_t entry)
{
    return (entry & ENTRY_FRAME) >> 12;
}

static inline uint32_t entry_flags(uint64_t entry)
{
    return EXO_MAP_READ | (entry & ENTRY_WRITE ? EXO_MAP_WRITE : 0) |
           (entry & ENTRY_NO_EXECUTE ? 0 : EXO_MAP_EXECUTE) | (entry & ENTRY_LARGE ? EXO_MAP_LARGE : 0);
}

static inline uint32_t entry_may(uint64_t entry)
{
    return EXO_MAP_READ | (entry & EXO_ENTRY_MAY_WRITE ? EXO_MAP_WRITE : 0) |
           (entry & EXO_ENTRY_MAY_EXECUTE ? EXO_MAP_EXECUTE : 0) | (entry & ENTRY_LARGE ? EXO_MAP_LARGE : 0);
}

static inline uint32_t entry_slot(uint64_t entry)
{
    return (entry >> 11 & 1) | (entry >> 52 & 0x7ff) << 1;
}

/* A change of an entry's flags, worked out once for many entries: which bits it must have, which stay, which are set. */
struct entry_plan {
    uint64_t required, kept, set;
};

/* For these rights. Every set of them has its own constants: protecting a page is a hot path. */
#define ENTRY_PLAN(write, execute)                                                                                     \
    {                                                                                                                  \
        .required = ENTRY_PRESENT | ((write) ? EXO_ENTRY_MAY_WRITE : 0) | ((execute) ? EXO_ENTRY_MAY_EXECUTE : 0),      \
        .kept = ~(((write) ? 0 : ENTRY_WRITE) | ((execute) ? ENTRY_NO_EXECUTE : 0)),                                    \
        .set = ((write) ? ENTRY_WRITE : 0) | ((execute) ? 0 : ENTRY_NO_EXECUTE),                                        \
    }

static inline struct entry_plan entry_plan(uint32_t flags, bool is_large)
{
    static const struct entry_plan plans[4] = {ENTRY_PLAN(0, 0), ENTRY_PLAN(1, 0), ENTRY_PLAN(0, 1), ENTRY_PLAN(1, 1)};
    struct entry_plan plan = plans[flags / EXO_MAP_WRITE % 4];

    _Static_assert(EXO_MAP_WRITE == 2 && EXO_MAP_EXECUTE == 4, "two neighbouring bits");
    _Static_assert(EXO_MAP_AGE << 1 == ENTRY_ACCESSED && EXO_MAP_CLEAN << 1 == ENTRY_DIRTY, "one shift for both");
    plan.required |= is_large ? ENTRY_LARGE : 0;
    plan.kept &= ~((uint64_t)(flags & (EXO_MAP_AGE | EXO_MAP_CLEAN)) << 1);
    return plan;
}

/* Hardware may set the accessed and dirty bits at the same time, so the others change by atomic AND and OR. */
static inline void entry_change(uint64_t *entry, const struct entry_plan *plan)
{
    __atomic_fetch_and(entry, plan->kept, __ATOMIC_RELAXED);
    __atomic_fetch_or(entry, plan->set, __ATOMIC_RELAXED);
}

