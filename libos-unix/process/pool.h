/*
 * The frames that this process may take: chunks that the server grants, one more when all are used. Page tables come from the chunk
 * that is used at the moment (kin.space.frames).
 */
#pragma once
#include <stdbool.h>
#include <exo/frames.h>
#include <unix/protocol.h>

struct pool {
    uint32_t count, current, refills;
    struct exo_frames chunk[CHUNKS_MAX];
};

/* The first chunk. */
void pool_open(struct pool *pool, const struct unix_range *chunk);
/* A cleared frame; 0: the instance has none. */
uint32_t pool_frame(void);
/* How many more frames come from the same chunk without a call. */
uint32_t pool_stock(void);
/* Another chunk for page tables, after one could not be made. */
bool pool_grow(void);
/* The slot of the chunk that a frame lies in; 0: it is not ours. */
uint16_t pool_slot(uint32_t frame);
/* How many of `count` frames in a row, which may be bound by others still, could be freed. */
uint32_t pool_free(uint32_t frame, uint32_t count);
/* Frames that are free in all chunks. */
uint32_t pool_left(void);
