/* The sizes of the kernel's structures on this machine. The explorer has smaller ones. */
#pragma once
#include <exo/abi.h>
enum {
    TABLE_ENTRIES = EXO_TABLE_ENTRIES,
    TABLE_INDEX_BITS = 9,
    TABLE_GROUP = 16, /* entries that a sweep looks at together: a power of two that divides their number */
    USER_ROOT_ENTRIES = EXO_TABLE_ENTRIES / 2, /* entries of a TABLE4 that environments write */
    TABLE_LEVELS = 4,
    CAPABILITIES_PER_TABLE = EXO_CAPABILITIES_PER_TABLE,
    TABLES_PER_ENVIRONMENT = EXO_TABLES_PER_ENVIRONMENT,
    VCPUS_PER_ENVIRONMENT = EXO_VCPUS_PER_ENVIRONMENT,
    GATES_PER_ENVIRONMENT = EXO_GATES_PER_ENVIRONMENT,
    REVOCATIONS_PER_ENVIRONMENT = EXO_REVOCATIONS_PER_ENVIRONMENT,
    PROCESSOR_LIMIT = EXO_PROCESSOR_LIMIT,
    SLOTS_PER_PROCESSOR = EXO_SLOTS_PER_PROCESSOR,
    BATCH_MAX = EXO_BATCH_MAX,
    MAPPINGS_MAX = EXO_MAPPINGS_MAX,
    TAKE_MAX = EXO_TAKE_MAX,
    RECENT_MAX = 8, /* capability checks of a kind that a processor remembers */
    DEPTH_MAX = EXO_DEPTH_MAX,
    SWEEP_MAX = 3200, /* instructions that one step of a long operation takes at most (sweep.h) */
    PIECE_MAX = 500,  /* instructions between two looks at this processor's timer (budget.h) */
    PROGRAM_PAGES = EXO_PROGRAM_PAGES,
    LARGE_FRAMES = 512,
    DEVICE_MAX = 8,   /* devices that can interrupt */
    DISK_LIMIT = EXO_DISK_LIMIT,
    DISK_PLACES = 64, /* requests that a disk works on at once */
    RING_SHARE = EXO_RING_SHARE,
    FLOW_LIMIT = EXO_FLOW_LIMIT,
    FLOW_BUCKETS_BITS = 12, /* twice as many buckets as flows */
};
