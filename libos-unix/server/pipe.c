#include "pipe.h"
#include "heap.h"
#include "process.h"
#include <exo/text.h>
#include <unix/linux.h>

struct pipe *pipe_new(void)
{
    struct pipe *pipe = heap_alloc(sizeof *pipe);

    if (!pipe)
        return 0;
    pipe->readers = pipe->writers = 1;
    pipe->ring = heap_alloc(PIPE_SIZE);
    if (pipe->ring)
        return pipe;
    heap_free(pipe);
    return 0;
}

void pipe_close(struct pipe *pipe, uint32_t *end)
{
    --*end;
    process_wake(pipe);
    if (pipe->readers || pipe->writers)
        return;
    heap_free(pipe->ring);
    heap_free(pipe);
}

/* What of size bytes at the place of the count `since` lies in one piece. */
static size_t piece_of(uint64_t since, size_t size)
{
    size_t room = PIPE_SIZE - since % PIPE_SIZE;
    return size < room ? size : room;
}

int64_t pipe_read(struct pipe *pipe, void *target, size_t size)
{
    size_t held = pipe->written - pipe->read;

    if (!held)
        return pipe->writers ? -EAGAIN : 0;
    if (size > held)
        size = held;
    for (size_t done = 0, part; done < size; done += part) {
        part = piece_of(pipe->read, size - done);
        memcpy((uint8_t *)target + done, pipe->ring + pipe->read % PIPE_SIZE, part);
        pipe->read += part;
    }
    process_wake(pipe);
    return (int64_t)size;
}

/* Up to PIPE_ATOMIC bytes go whole or not at all. */
int64_t pipe_write(struct pipe *pipe, const void *source, size_t size)
{
    size_t room = PIPE_SIZE - (pipe->written - pipe->read);

    if (!pipe->readers)
        return -EPIPE;
    if (!room || (size <= PIPE_ATOMIC && room < size))
        return size ? -EAGAIN : 0;
    if (size > room)
        size = room;
    for (size_t done = 0, part; done < size; done += part) {
        part = piece_of(pipe->written, size - done);
        memcpy(pipe->ring + pipe->written % PIPE_SIZE, (const uint8_t *)source + done, part);
        pipe->written += part;
    }
    process_wake(pipe);
    return (int64_t)size;
}
