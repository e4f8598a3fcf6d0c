/*
 * Direct ends of pipes (see pipe.h). A process that has one holds two capabilities for the ring, and, if the other end is direct as well, one
 * for the peer's environment that lets it yield to it and nothing else.
 */
#include "memory.h"
#include "pipe.h"
#include "process.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/text.h>

enum { WORTH_LEAST = 16 /* requests cost what granting and withdrawing does */, WORTH_MOST = 1 << 20 };
enum { RING_READER, RING_WRITER, RING_PEER };

static uint16_t slot_of(const struct pipe_end *end, uint32_t which)
{
    return (uint16_t)(SLOT_PIPES + end->index * SLOTS_OF_PIPE + which);
}

static int64_t part_grant(const struct pipe *pipe, const struct pipe_end *end, uint32_t which, bool writes)
{
    uint32_t first = which == RING_READER ? 0 : 1, count = which == RING_READER ? 1 : PIPE_PAGES - 1;

    return exo_capability_derive(0, SERVER_SLOT_STORE, end->process->slot, slot_of(end, which),
                                 EXO_RIGHT_READ | (writes ? EXO_RIGHT_WRITE : 0), pipe->frame + first, count);
}

static void peer_grant(const struct pipe_end *end, const struct pipe_end *peer)
{
    exo_capability_derive(0, peer->process->slot, end->process->slot, slot_of(end, RING_PEER), EXO_RIGHT_RUN, peer->process->frame, 1);
}

/* What other pipes and other writers left in the ring. */
static void rest_clear(struct unix_pipe *shared)
{
    uint64_t room = PIPE_SIZE - unix_pipe_held(shared), moved = shared->writer.moved, part = unix_pipe_piece(moved, room);

    memset(shared->bytes + moved % PIPE_SIZE, 0, part);
    memset(shared->bytes, 0, room - part);
}

static bool end_grant(struct pipe *pipe, enum pipe_side side)
{
    struct pipe_end *end = &pipe->end[side], *peer = &pipe->end[!side];

    if (side == PIPE_WRITER || !peer->process)
        rest_clear(pipe->shared); /* nobody else writes there now */
    if (part_grant(pipe, end, RING_READER, side == PIPE_READER) != EXO_OK || part_grant(pipe, end, RING_WRITER, side == PIPE_WRITER) != EXO_OK)
        return false;
    if (peer->process && peer->process != end->process) {
        peer_grant(end, peer); /* without it they meet through the scheduler */
        peer_grant(peer, end);
    }
    return true;
}

/* It sees the ring: the descriptor says so. */
static void end_open(const struct pipe *pipe, enum pipe_side side)
{
    const struct pipe_end *end = &pipe->end[side];
    uint32_t kind = side == PIPE_READER ? QUICK_PIPE_READ : QUICK_PIPE_WRITE;

    __atomic_store_n(&end->process->direct[end->index].shared, pipe->shared, __ATOMIC_SEQ_CST);
    end->process->shared->quick[end->descriptor] = (uint8_t)(kind | end->index << QUICK_PIPE_SHIFT);
}

void pipe_unmark(struct pipe *pipe, enum pipe_side side)
{
    const struct pipe_end *end = &pipe->end[side];

    if (end->process)
        __atomic_store_n(&end->process->shared->quick[end->descriptor], 0, __ATOMIC_SEQ_CST);
}

void pipe_calm(struct pipe *pipe, enum pipe_side side)
{
    const struct pipe_end *end = &pipe->end[side];

    pipe_unmark(pipe, side);
    if (end->process)
        __atomic_store_n(&end->process->direct[end->index].shared, 0, __ATOMIC_SEQ_CST);
}

static void end_withdraw(struct pipe *pipe, enum pipe_side side)
{
    struct pipe_end *end = &pipe->end[side], *peer = &pipe->end[!side];
    struct process *process = end->process;

    pipe_calm(pipe, side);
    process_drop(process, slot_of(end, RING_READER));
    process_drop(process, slot_of(end, RING_WRITER));
    if (peer->process && peer->process != process) {
        process_drop(process, slot_of(end, RING_PEER));
        process_drop(peer->process, slot_of(peer, RING_PEER));
    }
    process->direct[end->index].pipe = 0;
    process->direct_count--;
    end->process = 0;
    end->moves = 0;
    __atomic_store_n(side == PIPE_READER ? &pipe->shared->reader.waits : &pipe->shared->writer.waits, 0, __ATOMIC_SEQ_CST);
}

void pipe_descriptor_ends(struct process *process, uint64_t descriptor)
{
    for (uint32_t i = 0; process->direct_count && i < PIPES_DIRECT; i++) {
        struct pipe *pipe = process->direct[i].pipe;
        if (pipe && pipe->end[process->direct[i].side].descriptor == descriptor)
            end_withdraw(pipe, process->direct[i].side);
    }
}

bool pipe_take(struct pipe *pipe, enum pipe_side side, struct process *process)
{
    struct pipe_end *end = &pipe->end[side];
    struct process *other = end->process;

    if (!other || other == process)
        return true;
    pipe_calm(pipe, side);
    if (__atomic_load_n(&other->window->wait.moving, __ATOMIC_SEQ_CST) == end->index + 1)
        return false;
    end_withdraw(pipe, side);
    if (end->worth < WORTH_MOST)
        end->worth *= 2;
    return true;
}

static bool end_make(struct pipe *pipe, enum pipe_side side, struct process *process, uint64_t descriptor)
{
    struct pipe_end *end = &pipe->end[side];
    uint32_t index = 0;

    while (index < PIPES_DIRECT && process->direct[index].pipe)
        index++;
    if (index == PIPES_DIRECT)
        return false;
    end->process = process;
    end->index = index;
    end->descriptor = (uint32_t)descriptor;
    process->direct[index].pipe = pipe;
    process->direct_count++;
    process->direct[index].side = side;
    if (end_grant(pipe, side))
        return true;
    end_withdraw(pipe, side);
    return false;
}

uint32_t pipe_offer(struct pipe *pipe, enum pipe_side side, struct process *process, uint64_t descriptor)
{
    struct pipe_end *end = &pipe->end[side];

    end->moves = end->mover == process ? end->moves + 1 : 1;
    end->mover = process;
    end->worth = end->worth ? end->worth : WORTH_LEAST;
    if (end->moves < end->worth || !pipe->end[!side].users)
        return 0;
    end->moves = 0;
    bool again = end->process;
    if (!again && !end_make(pipe, side, process, descriptor))
        return 0;
    end_open(pipe, side);
    return again ? 0 : end->index + 1;
}

bool pipe_wait_is_over(const struct process *process, bool is_last_look)
{
    const volatile struct unix_wait *wait = &process->window->wait;
    uint32_t index = wait->pipe - 1;

    if (index >= PIPES_DIRECT)
        return true;
    index = index % PIPES_DIRECT;
    struct unix_pipe *shared = __atomic_load_n(&process->direct[index].shared, __ATOMIC_SEQ_CST);
    if (!shared || __atomic_load_n(&process->shared->pending, __ATOMIC_SEQ_CST) & ~process_mask(process))
        return true;
    bool reads = process->direct[index].side == PIPE_READER;
    if (is_last_look)
        __atomic_store_n(reads ? &shared->writer.notify : &shared->reader.notify, 1, __ATOMIC_SEQ_CST);
    uint64_t held = unix_pipe_held(shared);
    return reads ? held : PIPE_SIZE - held >= PIPE_ATOMIC;
}
