/* How large the host machine is. The explorer has a smaller one. */
#pragma once
enum {
    MACHINE_FRAMES = 1536, /* frames 512 to 1023 can make a 2 MiB frame */
    MACHINE_CAPABILITY_FRAMES = MACHINE_FRAMES,  /* frames below this can be capability tables */
    MACHINE_ENVIRONMENT_FRAMES = MACHINE_FRAMES, /* and below this environments */
    MACHINE_RING_FRAMES = 128,                   /* and below this disk rings */
    MACHINE_TRACE_FRAMES = 8,
    MACHINE_NOTES = 64,
    MACHINE_TRANSLATIONS = 16 /* entries of a processor's modelled TLB */
};
