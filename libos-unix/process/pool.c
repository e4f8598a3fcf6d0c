#include "pool.h"
#include "memory.h"
#include "runtime.h"
#include <exo/calls.h>

void pool_open(struct pool *pool, const struct unix_range *chunk)
{
    pool->count = 1;
    pool->refills = 0;
    pool->current = 0;
    exo_frames_open(&pool->chunk[0], 0, (uint16_t)chunk->slot, chunk->first, chunk->count);
}

static uint32_t frame_of(uint32_t index)
{
    struct exo_frames *chunk = &kin.pool.chunk[index];

    if (!chunk->stocked && chunk->restocked > 1 && kin.pool.refills++ % 2 == 0)
        chunk->restocked--; /* stocks grow half as fast: many processes end soon, and what they do not use was cleared for nothing */
    uint32_t frame = exo_frame_alloc(chunk);
    if (!frame)
        return 0;
    kin.pool.current = index;
    kin.space.frames = chunk;
    return frame;
}

bool pool_grow(void)
{
    uint64_t words[7] = { UNIX_MORE };

    if (kin.pool.count == CHUNKS_MAX || server_call(words) < 0)
        return false;
    exo_frames_open(&kin.pool.chunk[kin.pool.count], 0, (uint16_t)words[1], (uint32_t)words[2], (uint32_t)words[3]);
    kin.pool.current = kin.pool.count++;
    kin.space.frames = &kin.pool.chunk[kin.pool.current];
    return true;
}

static uint32_t frame_of_any(void)
{
    uint32_t frame = 0;

    for (uint32_t i = 0; i < kin.pool.count && !frame; i++)
        frame = frame_of((kin.pool.current + i) % kin.pool.count);
    return frame;
}

uint32_t pool_frame(void)
{
    uint32_t frame = frame_of_any();

    if (!frame && memory_collect())
        frame = frame_of_any();
    return frame || !pool_grow() ? frame : frame_of(kin.pool.current);
}

uint32_t pool_stock(void)
{
    return kin.pool.chunk[kin.pool.current].stocked;
}

static struct exo_frames *chunk_of(uint32_t frame)
{
    for (uint32_t i = 0; i < kin.pool.count; i++)
        if (frame - kin.pool.chunk[i].first < kin.pool.chunk[i].count)
            return &kin.pool.chunk[i];
    return 0;
}

uint16_t pool_slot(uint32_t frame)
{
    const struct exo_frames *chunk = chunk_of(frame);
    return chunk ? chunk->capability : 0;
}

uint32_t pool_free(uint32_t frame, uint32_t count)
{
    int64_t freed = exo_frame_free(0, pool_slot(frame), frame, count);
    return freed > 0 ? (uint32_t)freed : 0;
}

uint32_t pool_left(void)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < kin.pool.count; i++)
        left += exo_frames_free(&kin.pool.chunk[i]) + kin.pool.chunk[i].stocked;
    return left;
}
