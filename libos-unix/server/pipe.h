/* Pipes: a ring of bytes in the server. Who must wait is told UNIX_WAIT and is waked when the other side moved. */
#pragma once
#include <stdint.h>
#include <stddef.h>

enum { PIPE_SIZE = 65536 - 16, PIPE_ATOMIC = 4096 };

struct pipe {
    uint32_t readers, writers;
    uint64_t written, read; /* bytes since ever */
    uint8_t *ring;
};

struct pipe *pipe_new(void);
/* One end less; frees it after the last. */
void pipe_close(struct pipe *pipe, uint32_t *end);
/* Bytes, or -errno, -EAGAIN where it would have to wait. */
int64_t pipe_read(struct pipe *pipe, void *target, size_t size);
int64_t pipe_write(struct pipe *pipe, const void *source, size_t size);
