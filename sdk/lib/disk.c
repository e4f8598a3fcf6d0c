#include <exo/disk.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/upcall.h>

const struct exo_start_capability *exo_disk_extent(uint32_t n)
{
    uint16_t slot = exo_start_slot(EXO_KIND_EXTENT, n);
    return slot ? exo_start_capability(slot) : 0;
}

int64_t exo_disk_open(struct exo_disk_ring *ring, const struct exo_start_capability *extent, struct exo_space *space,
                      uint64_t address)
{
    struct exo_frames *frames = space->frames;
    uint8_t disk = (uint8_t)(extent->first >> EXO_DISK_SHIFT);
    uint32_t frame = exo_frame_find(frames), queue = exo_frame_find(frames);
    int64_t result;

    if (!frame || !queue)
        return EXO_TAKEN;
    do
        result = exo_ring_create(0, disk, frames->capability, frame, queue, 0);
    while (exo_again(result));
    if (result == EXO_OK)
        result = exo_space_map(space, address, frame, 1, frames->capability, EXO_MAP_READ | EXO_MAP_WRITE);
    *ring = (struct exo_disk_ring){
        .ring = (struct exo_ring *)address, .disk = disk, .extent = extent->slot, .frames = frames->capability,
    };
    return result;
}

int64_t exo_disk_close(struct exo_disk_ring *ring, struct exo_space *space)
{
    exo_space_unmap(space, (uint64_t)ring->ring, 1);
    return exo_ring_free(0, ring->disk);
}

bool exo_disk_put(struct exo_disk_ring *ring, enum exo_disk_operation operation, uint64_t tag, uint32_t block, uint32_t frame,
                  uint16_t count)
{
    struct exo_ring *shared = ring->ring;
    uint32_t at = shared->submitted;
    bool moves = operation == EXO_DISK_READ || operation == EXO_DISK_WRITE;

    if (at - shared->reaped >= EXO_RING_ENTRIES)
        return false;
    shared->submission[at % EXO_RING_ENTRIES] = (struct exo_submission){
        .tag = tag, .block = block, .frame = moves ? frame : 0, .count = count, .extent = ring->extent,
        .frames = moves ? ring->frames : 0, .operation = (uint8_t)operation,
    };
    __atomic_store_n(&shared->submitted, at + 1, __ATOMIC_RELEASE);
    return true;
}

int64_t exo_disk_go(struct exo_disk_ring *ring)
{
    return exo_disk_submit(ring->disk);
}

static bool is_completed(const struct exo_disk_ring *ring)
{
    return __atomic_load_n(&ring->ring->completed, __ATOMIC_ACQUIRE) != ring->ring->reaped;
}

bool exo_disk_take(struct exo_disk_ring *ring, struct exo_completion *ret_completion)
{
    struct exo_ring *shared = ring->ring;

    if (!is_completed(ring))
        return false;
    *ret_completion = shared->completion[shared->reaped % EXO_RING_ENTRIES];
    __atomic_store_n(&shared->reaped, shared->reaped + 1, __ATOMIC_RELEASE);
    return true;
}

bool exo_disk_wait(struct exo_disk_ring *ring, uint64_t deadline, struct exo_completion *ret_completion)
{
    if (exo_disk_take(ring, ret_completion))
        return true;
    if (__atomic_load_n(&ring->ring->started, __ATOMIC_ACQUIRE) != ring->ring->submitted)
        exo_disk_go(ring);
    for (bool is_over = false; !is_over && !is_completed(ring);) {
        bool blocked = exo_events_block();
        is_over = !is_completed(ring) && exo_sleep(deadline, EXO_EVENT_IO, false) == EXO_OK && exo_time() >= deadline;
        exo_events_restore(blocked);
    }
    return exo_disk_take(ring, ret_completion);
}

int64_t exo_disk_run(struct exo_disk_ring *ring, enum exo_disk_operation operation, uint32_t block, uint32_t frame,
                     uint16_t count)
{
    struct exo_completion completion;

    if (!exo_disk_put(ring, operation, 0, block, frame, count))
        return EXO_BUSY;
    int64_t result = exo_disk_go(ring);
    if (result < 0)
        return result;
    while (!exo_disk_wait(ring, EXO_NEVER, &completion))
        ;
    return completion.status;
}
