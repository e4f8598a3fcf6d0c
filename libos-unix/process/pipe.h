/*
 * Direct ends of pipes: the server has shown us the ring of a pipe of which we alone have this end. Who moves an end publishes its count first and
 * looks then whether the other waits; who waits does it the other way around, and is seen to be ready by the schedulers, who read both
 * counts. What the other side writes there may be anything: it can spoil the bytes of this pipe, as it may, and nothing else.
 */
#pragma once
#include "runtime.h"

/* To be asked of the server instead; nothing could be moved without waiting. */
enum { PIPE_NOT = -601, PIPE_WAITS = -602 };

/* What unix_state.quick says of a descriptor. */
static inline uint32_t quick_of(uint64_t descriptor)
{
    return descriptor < DESCRIPTORS_MAX ? STATE->quick[descriptor] : 0;
}

/* Some bytes of a direct end: how many, or -EFAULT, RESTART or PIPE_NOT. */
int64_t pipe_read(uint64_t descriptor, uint64_t address, uint64_t size);
int64_t pipe_write(uint64_t descriptor, uint64_t address, uint64_t size);
/* The same without a frame: they wait only if that is done by handing the processor to who was just waked. PIPE_WAITS: in full. */
int64_t pipe_read_quick(uint32_t quick, uint64_t descriptor, uint64_t address, uint64_t size);
int64_t pipe_write_quick(uint32_t quick, uint64_t descriptor, uint64_t address, uint64_t size);
/* The server made an end direct: index and one, and its first frame. */
void pipe_adopt(uint64_t descriptor, uint64_t number, uint64_t frame, bool writes);
