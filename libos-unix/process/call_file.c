/* Calls on descriptors: arguments go to the server as they are, bytes through the window. */
#include "call.h"
#include <exo/text.h>

static int64_t window_ask(uint64_t number, const uint64_t a[6])
{
    uint64_t words[7] = { number, a[0], a[1], a[2], a[3], a[4], a[5] };
    return server_wait(words);
}

/* Those whose arguments are numbers. */
int64_t call_plain(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return window_ask(frame->rax, a);
}

int64_t call_fsync(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return window_ask(LINUX_FSYNC, a);
}

/* Up to a window's worth at once; a[3] is the place of pread and pwrite. */
static int64_t bytes_read(uint64_t number, const uint64_t a[6])
{
    uint64_t done = 0;

    do {
        uint64_t left = a[2] - done, part[6] = { a[0], 0, left < WINDOW_DATA_SIZE ? left : WINDOW_DATA_SIZE, a[3] + done };
        int64_t result = window_ask(number, part);
        if (result < 0)
            return done ? (int64_t)done : result;
        if (user_copy((void *)(a[1] + done), WINDOW->data, (uint64_t)result))
            return -EFAULT;
        done += (uint64_t)result;
        if ((uint64_t)result < WINDOW_DATA_SIZE)
            break;
    } while (done < a[2] && number == LINUX_PREAD64);
    return (int64_t)done;
}

static int64_t bytes_write(uint64_t number, const uint64_t a[6])
{
    uint64_t done = 0;

    do {
        uint64_t left = a[2] - done, part[6] = { a[0], 0, left < WINDOW_DATA_SIZE ? left : WINDOW_DATA_SIZE, a[3] + done };
        if (user_copy(WINDOW->data, (const void *)(a[1] + done), part[2]))
            return done ? (int64_t)done : -EFAULT;
        int64_t result = window_ask(number, part);
        if (result < 0)
            return done ? (int64_t)done : result;
        done += (uint64_t)result;
        if (result == 0)
            break;
    } while (done < a[2]);
    return (int64_t)done;
}

int64_t call_read(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return bytes_read(LINUX_READ, a);
}

int64_t call_pread(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return bytes_read(LINUX_PREAD64, a);
}

int64_t call_write(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return bytes_write(LINUX_WRITE, a);
}

int64_t call_pwrite(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return bytes_write(LINUX_PWRITE64, a);
}

enum { VECTORS_MAX = 1024 };

/* Vector by vector, until one is not moved whole. */
static int64_t vectors_move(const uint64_t a[6], uint64_t number, int64_t move(uint64_t number, const uint64_t a[6]))
{
    int64_t done = 0;

    if (a[2] > VECTORS_MAX)
        return -EINVAL;
    for (uint64_t i = 0; i < a[2]; i++) {
        struct linux_vector vector;
        if (user_copy(&vector, (const void *)(a[1] + i * sizeof vector), sizeof vector))
            return done ? done : -EFAULT;
        if (!vector.size)
            continue;
        int64_t result = move(number, (const uint64_t[6]){ a[0], vector.address, vector.size });
        if (result < 0)
            return done ? done : result;
        done += result;
        if ((uint64_t)result < vector.size)
            break;
    }
    return done;
}

int64_t call_readv(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return vectors_move(a, LINUX_READ, bytes_read);
}

int64_t call_writev(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return vectors_move(a, LINUX_WRITE, bytes_write);
}

int64_t call_fstat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = window_ask(LINUX_FSTAT, a);

    (void)frame;
    if (result < 0)
        return result;
    return user_copy((void *)a[1], WINDOW->data, sizeof(struct linux_stat)) ? -EFAULT : 0;
}

int64_t call_getdents(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = window_ask(LINUX_GETDENTS64, a);

    (void)frame;
    if (result > 0 && user_copy((void *)a[1], WINDOW->data, (uint64_t)result))
        return -EFAULT;
    return result;
}

int64_t call_pipe2(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t words[7] = { LINUX_PIPE2, a[1] };
    int64_t result = server_call(words);
    int32_t ends[2] = { (int32_t)words[1], (int32_t)words[2] };

    (void)frame;
    if (result < 0)
        return result;
    return user_copy((void *)a[0], ends, sizeof ends) ? -EFAULT : 0;
}

int64_t call_pipe(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_pipe2((const uint64_t[6]){ a[0] }, frame);
}
