/* Calls on descriptors: arguments go to the server as they are, bytes through the window. */
#include "call.h"
#include "pipe.h"
#include <exo/machine.h>
#include <exo/text.h>

static int64_t window_ask(uint64_t number, const uint64_t a[6])
{
    uint64_t words[7] = { number, a[0], a[1], a[2], a[3], a[4], a[5] };
    int64_t result = server_wait(words);

    if (result > 0 && words[3] && (number == LINUX_READ || number == LINUX_WRITE))
        pipe_adopt(a[0], words[3], words[4], number == LINUX_WRITE);
    return result;
}

/* Those whose arguments are numbers. */
int64_t call_plain(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return window_ask(frame->rax, a);
}

/* A lock's numbers go and come as arguments; of what is in the way, what was asked for is kept if nothing is. */
static int64_t lock_ask(const uint64_t a[6])
{
    struct linux_lock lock;

    if (user_copy(&lock, (const void *)a[2], sizeof lock))
        return -EFAULT;
    uint64_t words[7] = { LINUX_FCNTL, a[0], a[1], (uint16_t)lock.type | (uint32_t)(uint16_t)lock.whence << 16, (uint64_t)lock.start,
                          (uint64_t)lock.size, (uint32_t)lock.pid };
    int64_t result = server_wait(words);
    if (result < 0 || (a[1] != F_GETLK && a[1] != F_OFD_GETLK))
        return result;
    lock.type = (int16_t)words[1];
    if (lock.type != F_UNLCK)
        lock = (struct linux_lock){ .type = lock.type, .start = (int64_t)words[2], .size = (int64_t)words[3], .pid = (int32_t)words[4] };
    return user_copy((void *)a[2], &lock, sizeof lock) ? -EFAULT : 0;
}

int64_t call_fcntl(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    const uint64_t command = a[1];

    (void)frame;
    if ((command >= F_GETLK && command <= F_SETLKW) || (command >= F_OFD_GETLK && command <= F_OFD_SETLKW))
        return lock_ask(a);
    return window_ask(LINUX_FCNTL, a);
}

int64_t call_fsync(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return window_ask(LINUX_FSYNC, a);
}

/* Window by window; a[3] is the place of pread and pwrite. Only for the first it waits. */
static int64_t bytes_read(uint64_t number, const uint64_t a[6])
{
    uint64_t done = 0;
    int64_t direct = number == LINUX_READ ? pipe_read(a[0], a[1], a[2]) : PIPE_NOT;

    if (direct != PIPE_NOT)
        return direct;
    do {
        uint64_t left = a[2] - done, part[6] = { a[0], 0, left < WINDOW_DATA_SIZE ? left : WINDOW_DATA_SIZE, a[3] + done, done != 0 };
        int64_t result = window_ask(number, part);
        if (result < 0)
            return done ? (int64_t)done : result;
        if (user_copy_many((void *)(a[1] + done), WINDOW->data, (uint64_t)result))
            return -EFAULT;
        done += (uint64_t)result;
        if ((uint64_t)result < WINDOW_DATA_SIZE)
            break;
    } while (done < a[2]);
    return (int64_t)done;
}

/* Through the window; the last argument: part of it was written before. */
static int64_t part_write(uint64_t number, const uint64_t a[6], uint64_t done)
{
    uint64_t left = a[2] - done, part[6] = { a[0], 0, left < WINDOW_DATA_SIZE ? left : WINDOW_DATA_SIZE, a[3] + done, 0, done != 0 };

    return user_copy_many(WINDOW->data, (const void *)(a[1] + done), part[2]) ? -EFAULT : window_ask(number, part);
}

static int64_t bytes_write(uint64_t number, const uint64_t a[6])
{
    uint64_t done = 0;

    do {
        int64_t result = number == LINUX_WRITE ? pipe_write(a[0], a[1] + done, a[2] - done) : PIPE_NOT;
        if (result == PIPE_NOT)
            result = part_write(number, a, done);
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

/* a: descriptor, where. */
int64_t call_fstatfs(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = window_ask(LINUX_FSTATFS, a);

    (void)frame;
    if (result < 0)
        return result;
    return user_copy((void *)a[1], WINDOW->data, sizeof(struct linux_statfs)) ? -EFAULT : 0;
}

int64_t call_fadvise(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { ADVICE = 6 };
    int64_t result = server_ask(LINUX_LSEEK, a[0], 0, SEEK_CUR);

    (void)frame;
    return result == -EBADF || result == -ESPIPE ? result : a[3] >= ADVICE ? -EINVAL : 0;
}

int64_t call_getdents(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = window_ask(LINUX_GETDENTS64, a);

    (void)frame;
    if (result > 0 && user_copy((void *)a[1], WINDOW->data, (uint64_t)result))
        return -EFAULT;
    return result;
}

/* What an ioctl reads of the program's memory. */
static uint64_t ioctl_input(uint64_t request)
{
    switch (request) {
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return sizeof(struct linux_termios);
    case TIOCSWINSZ:
        return sizeof(struct linux_window_size);
    case TIOCSPGRP:
    case FIONBIO:
        return sizeof(int32_t);
    default:
        return 0;
    }
}

int64_t call_ioctl(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t words[7] = { LINUX_IOCTL, a[0], (uint32_t)a[1], a[2] };

    (void)frame;
    if (user_copy(WINDOW->data, (const void *)a[2], ioctl_input((uint32_t)a[1])))
        return -EFAULT;
    int64_t result = server_wait(words);
    if (result == 0 && words[1] && user_copy((void *)a[2], WINDOW->data, words[1]))
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

/* a: out, in, place of the offset or 0, size. What was read but not written is given back to the file. */
int64_t call_sendfile(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t offset = 0, done = 0;

    (void)frame;
    if (a[2] && user_copy(&offset, (const void *)a[2], sizeof offset))
        return -EFAULT;
    if (server_ask(UNIX_FILE_NODE, a[1], 0, 0) < 0)
        return -EINVAL;
    while (done < a[3]) {
        uint64_t left = a[3] - done, part = left < WINDOW_DATA_SIZE ? left : WINDOW_DATA_SIZE;
        int64_t held = window_ask(a[2] ? LINUX_PREAD64 : LINUX_READ, (const uint64_t[6]){ a[1], 0, part, offset + done });
        if (held <= 0)
            return done ? (int64_t)done : held;
        int64_t sent = window_ask(LINUX_WRITE, (const uint64_t[6]){ a[0], 0, (uint64_t)held });
        if (sent < held && !a[2])
            server_ask(LINUX_LSEEK, a[1], (uint64_t)((sent < 0 ? 0 : sent) - held), SEEK_CUR);
        if (sent < 0)
            return done ? (int64_t)done : sent;
        done += (uint64_t)sent;
        if (sent < held)
            break;
    }
    offset += done;
    return a[2] && user_copy((void *)a[2], &offset, sizeof offset) ? -EFAULT : (int64_t)done;
}

enum { POLLS_MAX = 1024, MILLISECOND = 1000000 };

static int64_t descriptors_poll(const uint64_t a[6], uint64_t deadline)
{
    size_t size = a[1] * sizeof(struct linux_poll);

    if (a[1] > POLLS_MAX)
        return -EINVAL;
    if (user_copy(WINDOW->data, (const void *)a[0], size))
        return -EFAULT;
    int64_t result = window_ask(LINUX_POLL, (const uint64_t[6]){ 0, a[1], deadline });
    if (result == RESTART)
        return -EINTR;
    return result >= 0 && user_copy((void *)a[0], WINDOW->data, size) ? -EFAULT : result;
}

int64_t call_poll(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int32_t milliseconds = (int32_t)a[2];

    (void)frame;
    return descriptors_poll(a, milliseconds < 0 ? EXO_NEVER : exo_time() + (uint64_t)milliseconds * MILLISECOND);
}

enum { SET_WORDS = 1024 / 64, SETS = 3 };

/* The three sets of select as a list for poll, in the window; how many, or -errno. */
static int64_t sets_to_polls(uint64_t count, const uint64_t sets[SETS][SET_WORDS])
{
    struct linux_poll *polls = (struct linux_poll *)WINDOW->data;
    uint32_t made = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = 1ull << i % 64;
        int16_t events = (int16_t)((sets[0][i / 64] & bit ? POLLIN : 0) | (sets[1][i / 64] & bit ? POLLOUT : 0) |
                                   (sets[2][i / 64] & bit ? POLLPRI : 0));
        if (events)
            polls[made++] = (struct linux_poll){ (int32_t)i, events, 0 };
    }
    return made;
}

/* Back: how many bits are set, or -EBADF. */
static int64_t polls_to_sets(int64_t count, uint64_t sets[SETS][SET_WORDS])
{
    static const int16_t ready[SETS] = { POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI };
    const struct linux_poll *polls = (const struct linux_poll *)WINDOW->data;
    static const int16_t asked[SETS] = { POLLIN, POLLOUT, POLLPRI };
    int64_t bits = 0;

    memset(sets, 0, SETS * sizeof *sets);
    for (int64_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)polls[i].descriptor;
        if (polls[i].returned & POLLNVAL)
            return -EBADF;
        for (uint32_t set = 0; set < SETS; set++)
            if (polls[i].events & asked[set] && polls[i].returned & ready[set]) {
                sets[set][number / 64] |= 1ull << number % 64;
                bits++;
            }
    }
    return bits;
}

/* a: highest descriptor and one, three sets. */
static int64_t descriptors_select(const uint64_t a[6], uint64_t deadline)
{
    static uint64_t sets[SETS][SET_WORDS];
    uint64_t count = a[0] < SET_WORDS * 64 ? a[0] : SET_WORDS * 64, size = (count + 63) / 64 * 8;

    if ((int32_t)a[0] < 0)
        return -EINVAL;
    memset(sets, 0, sizeof sets);
    for (uint32_t i = 0; i < SETS; i++)
        if (a[1 + i] && user_copy(sets[i], (const void *)a[1 + i], size))
            return -EFAULT;
    int64_t polls = sets_to_polls(count, sets);
    int64_t result = window_ask(LINUX_POLL, (const uint64_t[6]){ 0, (uint64_t)polls, deadline });
    if (result < 0)
        return result == RESTART ? -EINTR : result;
    if ((result = polls_to_sets(polls, sets)) < 0)
        return result;
    for (uint32_t i = 0; i < SETS; i++)
        if (a[1 + i] && user_copy((void *)a[1 + i], sets[i], size))
            return -EFAULT;
    return result;
}

/* The time limit becomes what is left of it; unit: nanoseconds of its second word. */
static int64_t limited_select(const uint64_t a[6], int64_t unit)
{
    struct linux_time time = { 0, 0 };
    uint64_t deadline = EXO_NEVER;

    if (a[4] && user_copy(&time, (const void *)a[4], sizeof time))
        return -EFAULT;
    if (time.s < 0 || time.ns < 0 || (unit == 1 && time.ns > 999999999))
        return -EINVAL;
    if (a[4])
        deadline = exo_time() + (uint64_t)time.s * 1000 * MILLISECOND + (uint64_t)(time.ns * unit);
    int64_t result = descriptors_select(a, deadline);
    uint64_t now = exo_time(), left = now < deadline ? deadline - now : 0;
    time = (struct linux_time){ (int64_t)(left / (1000 * MILLISECOND)), (int64_t)(left % (1000 * MILLISECOND)) / unit };
    if (a[4])
        user_copy((void *)a[4], &time, sizeof time); /* where it cannot be told, it is not */
    return result;
}

int64_t call_select(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return limited_select(a, 1000);
}

/* a[5]: where the mask of signals meanwhile stands. */
int64_t call_pselect(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t where[2] = { 0, 0 }, old = signal_mask, mask = old;

    (void)frame;
    if (a[5] && user_copy(where, (const void *)a[5], sizeof where))
        return -EFAULT;
    if (where[0] && user_copy(&mask, (const void *)where[0], sizeof mask))
        return -EFAULT;
    signal_block(mask);
    int64_t result = limited_select(a, 1);
    if (result == -EINTR && where[0]) {
        signals.suspended = old;
        signals.is_suspended = true;
        return result;
    }
    signal_block(old);
    return result;
}

/* a[3]: the mask of signals meanwhile. */
int64_t call_ppoll(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    struct linux_time time = { 0, 0 };
    uint64_t deadline = EXO_NEVER, old = signal_mask, mask = old;

    (void)frame;
    if ((a[2] && user_copy(&time, (const void *)a[2], sizeof time)) || (a[3] && user_copy(&mask, (const void *)a[3], 8)))
        return -EFAULT;
    if (time.s < 0 || time.ns < 0 || time.ns > 999999999)
        return -EINVAL;
    if (a[2])
        deadline = exo_time() + (uint64_t)time.s * 1000 * MILLISECOND + (uint64_t)time.ns;
    signal_block(mask);
    int64_t result = descriptors_poll(a, deadline);
    if (result == -EINTR && a[3]) {
        signals.suspended = old; /* the handler runs with the other mask and brings this one back */
        signals.is_suspended = true;
        return result;
    }
    signal_block(old);
    return result;
}
