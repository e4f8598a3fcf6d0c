/*
 * Disks: rings through which environments ask for blocks of their extents to be read into and written from their frames. The device
 * works on frames without a copy, so while it has a request, nothing that the request names reaches a new owner: each carries
 * the flush epoch of its submission (flush.h). Rings with work wait in a list, and take turns.
 */
#pragma once
#include <state.h>

/* Under the lock: the disk's device may have answered, or core asked for this interrupt itself (device_disk_again). */
void disk_interrupted(uint32_t disk);
/* Once in a while, on processor 0: reset devices that do not answer. Takes the lock. */
void disk_watch(uint64_t now);
/* At boot: what disks there are. */
void disk_start(void);
/* Under the lock: close the ring whose half this frame of the environment's is; both halves become DATA. */
void disk_close(frame_name environment, frame_name half);
