#include "pipe.h"
#include "memory.h"
#include "signal.h"
#include <exo/upcall.h>

enum { MANY = 1024 };

/* Whom we waked last and did not run since: its index and one. Scratch: a child knows of nobody. */
static uint32_t waked;

static struct unix_pipe *ring_of(uint32_t quick)
{
    return (struct unix_pipe *)(UNIX_PIPES_ADDRESS + (uint64_t)(quick >> QUICK_PIPE_SHIFT) * PIPE_STRIDE);
}

static uint32_t number_of(uint32_t quick)
{
    return (quick >> QUICK_PIPE_SHIFT) + 1;
}

void pipe_adopt(uint64_t descriptor, uint64_t number, uint64_t frame, bool writes)
{
    uint64_t address = UNIX_PIPES_ADDRESS + (number - 1) * PIPE_STRIDE;
    uint16_t slot = (uint16_t)(SLOT_PIPES + (number - 1) * SLOTS_OF_PIPE);
    const uint32_t mine = EXO_MAP_READ | EXO_MAP_WRITE;

    if (!page_bind(address, (uint32_t)frame, 1, slot, writes ? EXO_MAP_READ : mine) ||
        !page_bind(address + PAGE_BYTES, (uint32_t)frame + 1, PIPE_PAGES - 1, slot + 1, writes ? mine : EXO_MAP_READ))
        server_ask(UNIX_PIPE, descriptor, 1, 0);
}

/* From here to move_end the server lets nobody else move this end, if it still is ours. */
static bool move_begin(uint32_t quick, uint64_t descriptor)
{
    __atomic_store_n(&WINDOW->wait.moving, number_of(quick), __ATOMIC_SEQ_CST);
    if (STATE->quick[descriptor] == quick)
        return true;
    WINDOW->wait.moving = 0;
    return false;
}

static void move_end(void)
{
    __atomic_store_n(&WINDOW->wait.moving, 0, __ATOMIC_RELEASE);
}

/* Both counts first, then whether somebody waits for this one; the end may be another's after it. */
static int64_t count_publish(struct unix_pipe_end *own, const struct unix_pipe_end *other, uint64_t size, uint32_t quick, uint64_t descriptor)
{
    __atomic_store_n(&own->moved, own->moved + size, __ATOMIC_SEQ_CST);
    bool is_asked = __atomic_load_n(&own->notify, __ATOMIC_RELAXED);
    if (__atomic_load_n(&other->waits, __ATOMIC_RELAXED))
        waked = number_of(quick);
    move_end();
    if (is_asked)
        server_ask(UNIX_PIPE, descriptor, 0, 0);
    return (int64_t)size;
}

static uint64_t some_copy(void *target, const void *source, uint64_t size)
{
    return size < MANY ? user_copy(target, source, size) : user_copy_many(target, source, size);
}

/* After move_begin; only where it waits the end is still being moved. */
static int64_t bytes_take(struct unix_pipe *ring, uint32_t quick, uint64_t descriptor, uint64_t address, uint64_t size)
{
    uint64_t held = unix_pipe_held(ring), moved = ring->reader.moved;

    if (!held && size)
        return PIPE_WAITS;
    if (size > held)
        size = held;
    uint64_t part = unix_pipe_piece(moved, size);
    if (some_copy((void *)address, ring->bytes + moved % PIPE_SIZE, part) ||
        (part < size && some_copy((void *)(address + part), ring->bytes, size - part))) {
        move_end();
        return -EFAULT;
    }
    return count_publish(&ring->reader, &ring->writer, size, quick, descriptor);
}

static bool lacks_room(const struct unix_pipe *ring, uint64_t size)
{
    uint64_t room = PIPE_SIZE - unix_pipe_held(ring);
    return size && (!room || (size <= PIPE_ATOMIC && room < size));
}

static int64_t bytes_put(struct unix_pipe *ring, uint32_t quick, uint64_t descriptor, uint64_t address, uint64_t size)
{
    uint64_t room = PIPE_SIZE - unix_pipe_held(ring), moved = ring->writer.moved;

    if (room < size && lacks_room(ring, size))
        return PIPE_WAITS;
    if (size > room)
        size = room;
    uint64_t part = unix_pipe_piece(moved, size);
    if (some_copy(ring->bytes + moved % PIPE_SIZE, (const void *)address, part) ||
        (part < size && some_copy(ring->bytes, (const void *)(address + part), size - part))) {
        move_end();
        return -EFAULT;
    }
    return count_publish(&ring->writer, &ring->reader, size, quick, descriptor);
}

/* Both while the end is being moved. */
static void wait_begin(struct unix_pipe_end *own, uint32_t quick)
{
    __atomic_store_n(&WINDOW->wait.pipe, number_of(quick), __ATOMIC_RELAXED);
    __atomic_store_n(&own->waits, 1, __ATOMIC_SEQ_CST);
}

static void wait_end(struct unix_pipe_end *own)
{
    __atomic_store_n(&own->waits, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&WINDOW->wait.pipe, 0, __ATOMIC_RELAXED);
}

/* Who was waked runs on what is left of our slice; false: nobody was, or it runs already. */
static bool hand_over(void)
{
    uint32_t index = waked - 1;

    waked = 0;
    return index < PIPES_DIRECT && processor_hand_over((uint16_t)(SLOT_PIPES + index * SLOTS_OF_PIPE + 2));
}

/* The other side has moved, or it seems so; false: the end is ours no more. Begins and ends while it is being moved. */
static bool others_run(struct unix_pipe_end *own, uint32_t quick, uint64_t descriptor, bool only_waked)
{
    move_end();
    if (!hand_over() && !only_waked)
        processor_give_up();
    if (move_begin(quick, descriptor)) {
        wait_end(own);
        return true;
    }
    WINDOW->wait.pipe = 0;
    return false;
}

int64_t pipe_read(uint64_t descriptor, uint64_t address, uint64_t size)
{
    uint32_t quick;

    while ((quick = quick_of(descriptor)) & QUICK_PIPE_READ && move_begin(quick, descriptor)) {
        struct unix_pipe *ring = ring_of(quick);
        int64_t result = bytes_take(ring, quick, descriptor, address, size);
        if (result != PIPE_WAITS)
            return result;
        if (signal_is_ready()) {
            move_end();
            if (signal_interrupts())
                return RESTART;
            continue;
        }
        wait_begin(&ring->reader, quick);
        if (unix_pipe_held(ring))
            wait_end(&ring->reader);
        else
            others_run(&ring->reader, quick, descriptor, false);
        move_end();
    }
    return PIPE_NOT;
}

int64_t pipe_write(uint64_t descriptor, uint64_t address, uint64_t size)
{
    uint32_t quick;

    while ((quick = quick_of(descriptor)) & QUICK_PIPE_WRITE && move_begin(quick, descriptor)) {
        struct unix_pipe *ring = ring_of(quick);
        int64_t result = bytes_put(ring, quick, descriptor, address, size);
        if (result != PIPE_WAITS)
            return result;
        if (signal_is_ready()) {
            move_end();
            if (signal_interrupts())
                return RESTART;
            continue;
        }
        wait_begin(&ring->writer, quick);
        if (lacks_room(ring, size))
            others_run(&ring->writer, quick, descriptor, false);
        else
            wait_end(&ring->writer);
        move_end();
    }
    return PIPE_NOT;
}

int64_t pipe_read_quick(uint32_t quick, uint64_t descriptor, uint64_t address, uint64_t size)
{
    struct unix_pipe *ring = ring_of(quick);

    if (!move_begin(quick, descriptor))
        return PIPE_NOT;
    int64_t result = bytes_take(ring, quick, descriptor, address, size);
    if (result == PIPE_WAITS && waked) {
        wait_begin(&ring->reader, quick);
        if (unix_pipe_held(ring))
            wait_end(&ring->reader);
        else if (!others_run(&ring->reader, quick, descriptor, true))
            return PIPE_NOT;
        result = bytes_take(ring, quick, descriptor, address, size);
    }
    if (result == PIPE_WAITS)
        move_end();
    return result;
}

int64_t pipe_write_quick(uint32_t quick, uint64_t descriptor, uint64_t address, uint64_t size)
{
    struct unix_pipe *ring = ring_of(quick);

    if (!move_begin(quick, descriptor))
        return PIPE_NOT;
    if (size <= PIPE_SIZE - unix_pipe_held(ring))
        return bytes_put(ring, quick, descriptor, address, size);
    move_end();
    return PIPE_WAITS;
}
