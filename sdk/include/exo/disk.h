/*
 * Disks: a ring to one of them, requests put into it and their completions. Nothing is copied: blocks go straight into and out of
 * frames, which the caller must leave alone until the completion.
 */
#pragma once
#include <stdbool.h>
#include <exo/space.h>

struct exo_disk_ring {
    struct exo_ring *ring;
    uint8_t disk;
    uint16_t extent; /* slots of the capabilities that requests are made under */
    uint16_t frames;
};

/* The program's extent: its n-th EXTENT capability at its start, or 0. */
const struct exo_start_capability *exo_disk_extent(uint32_t n);
/* The program's ring to the disk that the extent lies on, mapped at `address`; EVENT_IO goes to virtual processor 0. */
int64_t exo_disk_open(struct exo_disk_ring *ring, const struct exo_start_capability *extent, struct exo_space *space,
                      uint64_t address);
int64_t exo_disk_close(struct exo_disk_ring *ring, struct exo_space *space);

/* Put a request behind the others; false: there is no room until completions are taken. It begins with exo_disk_submit. */
bool exo_disk_put(struct exo_disk_ring *ring, enum exo_disk_operation operation, uint64_t tag, uint32_t block, uint32_t frame,
                  uint16_t count);
int64_t exo_disk_go(struct exo_disk_ring *ring);
/* The next completion; false: there is none yet. */
bool exo_disk_take(struct exo_disk_ring *ring, struct exo_completion *ret_completion);
/* The same, asleep until there is one or the deadline (ns) comes; also submits what still waits for its turn. */
bool exo_disk_wait(struct exo_disk_ring *ring, uint64_t deadline, struct exo_completion *ret_completion);
/* One request from beginning to end, when no others are under way: its status. */
int64_t exo_disk_run(struct exo_disk_ring *ring, enum exo_disk_operation operation, uint32_t block, uint32_t frame,
                     uint16_t count);
