/* Page-table entries of the host machine, in the format of x86-64 (Intel SDM 3A 4.5), so that tests read the same bits. */
#pragma once
#include <stdbool.h>
#include <state.h>

#define ENTRY_PRESENT 1ull
#define ENTRY_WRITE 2ull
#define ENTRY_USER 4ull
#define ENTRY_ACCESSED 32ull
#define ENTRY_DIRTY 64ull
#define ENTRY_LARGE 128ull
#define ENTRY_NO_EXECUTE (1ull << 63)
#define ENTRY_FRAME 0x000ffffffffff000ull

static inline uint64_t entry_make(frame_name frame, uint32_t map_flags, uint32_t may_flags, uint32_t slot)
{
    uint64_t entry = (uint64_t)frame << 12 | ENTRY_PRESENT | ENTRY_USER;
    entry |= map_flags & EXO_MAP_WRITE ? ENTRY_WRITE : 0;
    entry |= map_flags & EXO_MAP_EXECUTE ? 0 : ENTRY_NO_EXECUTE;
    entry |= map_flags & EXO_MAP_LARGE ? ENTRY_LARGE : 0;
    entry |= may_flags & EXO_MAP_WRITE ? EXO_ENTRY_MAY_WRITE : 0;
    entry |= may_flags & EXO_MAP_EXECUTE ? EXO_ENTRY_MAY_EXECUTE : 0;
    return entry | (uint64_t)(slot & 1) << 11 | (uint64_t)(slot >> 1 & 0x7ff) << 52;
}

static inline uint64_t entry_make_table(frame_name frame)
{
    return (uint64_t)frame << 12 | ENTRY_PRESENT | ENTRY_USER | ENTRY_WRITE;
}

static inline bool entry_is_present(uint64_t entry)
{
    return entry & ENTRY_PRESENT;
}

static inline frame_name entry_frame(uint64_t entry)
{
    return (frame_name)((entry & ENTRY_FRAME) >> 12);
}

static inline uint32_t entry_flags(uint64_t entry)
{
    return (entry & ENTRY_PRESENT ? EXO_MAP_READ : 0) | (entry & ENTRY_WRITE ? EXO_MAP_WRITE : 0) |
           (entry & ENTRY_NO_EXECUTE ? 0 : EXO_MAP_EXECUTE) | (entry & ENTRY_LARGE ? EXO_MAP_LARGE : 0);
}

static inline uint32_t entry_may(uint64_t entry)
{
    return EXO_MAP_READ | (entry & EXO_ENTRY_MAY_WRITE ? EXO_MAP_WRITE : 0) |
           (entry & EXO_ENTRY_MAY_EXECUTE ? EXO_MAP_EXECUTE : 0);
}

static inline uint32_t entry_slot(uint64_t entry)
{
    return (uint32_t)(entry >> 11 & 1) | (uint32_t)(entry >> 52 & 0x7ff) << 1;
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

/* Which entry of a table of this level (1 up) translates the address. */
static inline uint32_t table_index(uint64_t address, uint32_t level)
{
    return address >> (12 + TABLE_INDEX_BITS * (level - 1)) & (TABLE_ENTRIES - 1);
}
