/*
 * What the machine tells the core at boot, and how the root environment comes to be: the only environment that
 * the kernel makes, and the only image that it loads.
 */
#pragma once
#include <state.h>

enum { BOOT_RANGE_MAX = 64 };

struct boot_range {
    frame_name first;
    uint32_t count;
};

struct boot {
    uint32_t frame_count; /* entries of the frame table */
    uint32_t range_count;
    struct boot_range range[BOOT_RANGE_MAX]; /* free memory, ascending: without the kernel's frames and the module's */
    frame_name module_frame;
    uint32_t trace_frame; /* trace rings: trace_frames for each processor */
    uint64_t module_size; /* bytes */
    uint64_t secret;  /* another random number, that nobody is told */
    uint64_t random_seed, tsc_base, tsc_multiplier;
    uint32_t xsave_size, trace_frames;
};

/* Once, on the boot processor, with kernel.processor_count set and all tables zero, but for the kind of the frames that
 * the kernel keeps (FRAME_KERNEL). Entries of frames that are no memory cannot be written. Panics if there is no root to run. */
void kernel_start(const struct boot *boot);
