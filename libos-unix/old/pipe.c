#include "pipe.h"
#include "memory.h"
#include <exo/calls.h>

#define PIPE_ADDRESS 0x1f000000ull

enum { PIPE_FRAMES = 5, RING_SIZE = (PIPE_FRAMES - 1) * EXO_FRAME_SIZE };

struct pipe {
    uint32_t written, read; /* bytes since ever; written - read are in the ring */
    uint8_t unused[EXO_FRAME_SIZE - 8];
    uint8_t ring[RING_SIZE];
};

static struct pipe *const pipe = (struct pipe *)PIPE_ADDRESS;
static uint32_t pipe_first;

int64_t pipe_open(void)
{
    pipe_first = exo_frame_alloc_run(&memory.frames, PIPE_FRAMES, 1);
    if (!pipe_first)
        return EXO_BAD_NAME;
    return exo_space_map(&memory.space, PIPE_ADDRESS, pipe_first, PIPE_FRAMES, memory.frames.capability,
                         EXO_MAP_READ | EXO_MAP_WRITE);
}

int64_t pipe_share(struct exo_child *child)
{
    uint16_t slot;
    int64_t result = exo_child_grant(child, memory.frames.capability, EXO_KIND_FRAMES, EXO_RIGHT_READ | EXO_RIGHT_WRITE,
                                     pipe_first, PIPE_FRAMES, &slot);

    if (result != EXO_OK)
        return result;
    return exo_space_map(&child->space, PIPE_ADDRESS, pipe_first, PIPE_FRAMES, slot, EXO_MAP_READ | EXO_MAP_WRITE);
}

bool pipe_is_empty(void)
{
    return __atomic_load_n(&pipe->written, __ATOMIC_ACQUIRE) == pipe->read;
}

void pipe_write(const void *data, uint32_t size, void peer_run(void))
{
    const uint8_t *bytes = data;

    for (uint32_t i = 0; i < size; i++) {
        while (pipe->written - __atomic_load_n(&pipe->read, __ATOMIC_ACQUIRE) == RING_SIZE)
            peer_run();
        pipe->ring[pipe->written % RING_SIZE] = bytes[i];
        __atomic_store_n(&pipe->written, pipe->written + 1, __ATOMIC_RELEASE);
    }
}

void pipe_read(void *data, uint32_t size, void peer_run(void))
{
    uint8_t *bytes = data;

    for (uint32_t i = 0; i < size; i++) {
        while (pipe_is_empty())
            peer_run();
        bytes[i] = pipe->ring[pipe->read % RING_SIZE];
        __atomic_store_n(&pipe->read, pipe->read + 1, __ATOMIC_RELEASE);
    }
}
