/* How large the explorer's machine is. */
#pragma once
enum {
    MACHINE_FRAMES = 22,
    MACHINE_CAPABILITY_FRAMES = 7, /* frames below this can be capability tables */
    MACHINE_ENVIRONMENT_FRAMES = 4, /* and below this environments */
    MACHINE_RING_FRAMES = 18, /* frames below this can be halves of a disk ring */
    MACHINE_TRACE_FRAMES = 1,
    MACHINE_NOTES = 4,
    MACHINE_TRANSLATIONS = 2 /* entries of a processor's modelled TLB */
};
