/* The sizes of the kernel's structures in the explorer: as small as the same code allows. */
#pragma once
#include <exo/abi.h>
enum {
    TABLE_ENTRIES = 2,
    TABLE_INDEX_BITS = 9,
    TABLE_GROUP = 2, /* entries that a sweep looks at together: a power of two that divides their number */
    USER_ROOT_ENTRIES = 2,
    TABLE_LEVELS = 2,
    CAPABILITIES_PER_TABLE = 6,
    TABLES_PER_ENVIRONMENT = 1,
    VCPUS_PER_ENVIRONMENT = 2,
    GATES_PER_ENVIRONMENT = 1,
    REVOCATIONS_PER_ENVIRONMENT = 1,
    PROCESSOR_LIMIT = 2,
    SLOTS_PER_PROCESSOR = 2,
    BATCH_MAX = 2,
    MAPPINGS_MAX = 2,
    TAKE_MAX = 2,
    RECENT_MAX = 1, /* capability checks of a kind that a processor remembers */
    DEPTH_MAX = 3,
    SWEEP_MAX = 600, /* a binding and some frames */
    PIECE_MAX = 100, /* instructions between two looks at this processor's timer (budget.h) */
    PROGRAM_PAGES = 2,
    LARGE_FRAMES = 2,
    DEVICE_MAX = 1,
    DISK_LIMIT = 1,
    DISK_PLACES = 2,
    RING_SHARE = 1,
    FLOW_LIMIT = 3,
    FLOW_BUCKETS_BITS = 1,
};
