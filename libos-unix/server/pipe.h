/*
 * Pipes: a ring of bytes in the store. Who must wait is told UNIX_WAIT and is waked when the other side moved. An end that one process alone
 * uses often is *direct*: that process sees the ring and moves the end itself, until another who has it uses it, too. The server moves all other
 * ends. So each end has one who moves it at any time, and what direct ends say is never believed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unix/protocol.h>

struct process;

enum pipe_side { PIPE_READER, PIPE_WRITER, PIPE_SIDES };

struct pipe_end {
    uint32_t users;          /* open files */
    struct process *mover;   /* for whom the server moved it last, */
    uint32_t moves, worth;   /* so often in a row; from how many on it becomes direct */
    struct process *process; /* that sees the ring, or 0: as long as it has the descriptor */
    uint32_t index, descriptor; /* there */
};

struct pipe {
    struct pipe_end end[PIPE_SIDES];
    struct unix_pipe *shared;
    uint32_t frame; /* its first */
};

struct pipe *pipe_new(void);
/* One user of an end less; frees it after the last. */
void pipe_close(struct pipe *pipe, enum pipe_side side);
/* Bytes, or -errno, -EAGAIN where it would have to wait. */
int64_t pipe_read(struct pipe *pipe, void *target, size_t size);
int64_t pipe_write(struct pipe *pipe, const void *source, size_t size);
/* Bytes that can be read; who has a direct end tells of its next move. */
uint64_t pipe_watch(struct pipe *pipe);
/* An end moved: those that wait for it go on. */
void pipe_moved(struct pipe *pipe);

/* The server may move an end for this process, and nobody else does; false: another is in the middle of it. */
bool pipe_take(struct pipe *pipe, enum pipe_side side, struct process *process);
/* After it did: if the end is direct from now on, its index and one; else 0. */
uint32_t pipe_offer(struct pipe *pipe, enum pipe_side side, struct process *process, uint64_t descriptor);
/* Who has the end direct asks from now on; it may be in the middle of moving it, or wait. */
void pipe_unmark(struct pipe *pipe, enum pipe_side side);
/* It does not wait, either. */
void pipe_calm(struct pipe *pipe, enum pipe_side side);
/* A process's descriptor is no direct end any more: only in a request of that process, or when it has ended. */
void pipe_descriptor_ends(struct process *process, uint64_t descriptor);
/* For schedulers, at any time: has it nothing to wait for at a direct pipe? On the last look before they sleep the other side is told to tell. */
bool pipe_wait_is_over(const struct process *process, bool is_last_look);
