#include "pipe.h"
#include "heap.h"
#include "memory.h"
#include "process.h"
#include "schedule.h"
#include "vector.h"
#include <exo/text.h>
#include <unix/linux.h>

enum { SPARE_MAX = 1024 };

/* Rings of pipes that are gone. They stay mapped: a scheduler may look at one that it has just read the address of. */
static uint32_t spare[SPARE_MAX], spare_count;

static uint32_t ring_alloc(void)
{
    return spare_count ? spare[--spare_count] : store_alloc_run(PIPE_PAGES);
}

static void ring_free(uint32_t frame)
{
    if (spare_count < SPARE_MAX)
        spare[spare_count++] = frame;
}

struct pipe *pipe_new(void)
{
    struct pipe *pipe = heap_alloc(sizeof *pipe);

    if (!pipe)
        return 0;
    pipe->frame = ring_alloc();
    if (!pipe->frame) {
        heap_free(pipe);
        return 0;
    }
    pipe->shared = (struct unix_pipe *)store_page(pipe->frame);
    pipe->shared->reader = pipe->shared->writer = (struct unix_pipe_end){ 0 };
    pipe->end[PIPE_READER].users = pipe->end[PIPE_WRITER].users = 1;
    return pipe;
}

void pipe_moved(struct pipe *pipe)
{
    process_wake(pipe);
    if (pipe->end[PIPE_READER].process || pipe->end[PIPE_WRITER].process)
        schedule_kick();
}

void pipe_close(struct pipe *pipe, enum pipe_side side)
{
    if (--pipe->end[side].users == 0)
        pipe_calm(pipe, !side);
    pipe_moved(pipe);
    if (pipe->end[PIPE_READER].users || pipe->end[PIPE_WRITER].users)
        return;
    ring_free(pipe->frame);
    heap_free(pipe);
}

uint64_t pipe_watch(struct pipe *pipe)
{
    if (pipe->end[PIPE_READER].process)
        __atomic_store_n(&pipe->shared->reader.notify, 1, __ATOMIC_SEQ_CST);
    if (pipe->end[PIPE_WRITER].process)
        __atomic_store_n(&pipe->shared->writer.notify, 1, __ATOMIC_SEQ_CST);
    return unix_pipe_held(pipe->shared);
}

int64_t pipe_read(struct pipe *pipe, void *target, size_t size)
{
    struct unix_pipe *shared = pipe->shared;
    uint64_t held = unix_pipe_held(shared), moved = shared->reader.moved;

    if (!held)
        held = pipe_watch(pipe);
    if (!held)
        return pipe->end[PIPE_WRITER].users ? -EAGAIN : 0;
    if (size > held)
        size = held;
    uint64_t part = unix_pipe_piece(moved, size);
    vector_copy(target, shared->bytes + moved % PIPE_SIZE, part);
    vector_copy((uint8_t *)target + part, shared->bytes, size - part);
    __atomic_store_n(&shared->reader.moved, moved + size, __ATOMIC_SEQ_CST);
    pipe_moved(pipe);
    return (int64_t)size;
}

static bool lacks_room(uint64_t room, size_t size)
{
    return !room || (size <= PIPE_ATOMIC && room < size);
}

int64_t pipe_write(struct pipe *pipe, const void *source, size_t size)
{
    struct unix_pipe *shared = pipe->shared;
    uint64_t room = PIPE_SIZE - unix_pipe_held(shared), moved = shared->writer.moved;

    if (!pipe->end[PIPE_READER].users)
        return -EPIPE;
    if (lacks_room(room, size))
        room = PIPE_SIZE - pipe_watch(pipe);
    if (lacks_room(room, size))
        return size ? -EAGAIN : 0;
    if (size > room)
        size = room;
    uint64_t part = unix_pipe_piece(moved, size);
    vector_copy(shared->bytes + moved % PIPE_SIZE, source, part);
    vector_copy(shared->bytes, (const uint8_t *)source + part, size - part);
    __atomic_store_n(&shared->writer.moved, moved + size, __ATOMIC_SEQ_CST);
    pipe_moved(pipe);
    return (int64_t)size;
}
