/* Requests about open files. */
#include "device.h"
#include "lock.h"
#include "memory.h"
#include "request.h"
#include "stat.h"
#include "terminal.h"
#include <exo/machine.h>
#include <exo/text.h>
#include <unix/linux.h>

static struct file *file_of(const struct request *request)
{
    return descriptor_file(request->process, request->a[0]);
}

/* One that would have to wait does, unless it must not: a[4]. */
static int64_t moved(struct request *request, struct file *file, int64_t result)
{
    if (result != -EAGAIN || file->flags & O_NONBLOCK || request->a[4])
        return result;
    return request_wait_on(request, file->pipe);
}

/* A pipe that one process alone uses often becomes direct: more[2], more[3]: its index and one, and its first frame. */
static int64_t pipe_offered(struct request *request, struct file *file, int64_t result)
{
    if (!file->pipe || result <= 0 || file->flags & O_NONBLOCK)
        return result;
    request->more[2] = pipe_offer(file->pipe, file_pipe_side(file), request->process, request->a[0]);
    request->more[3] = file->pipe->frame;
    return result;
}

/* Flags changed: who has the end direct asks from now on, but goes on waiting as it did. */
static void pipe_ask(struct file *file)
{
    if (file->pipe)
        pipe_unmark(file->pipe, file_pipe_side(file));
}

/* a: descriptor, how. */
int64_t request_pipe_told(struct request *request)
{
    struct file *file = file_of(request);

    if (!file || !file->pipe)
        return -EBADF;
    struct unix_pipe *shared = file->pipe->shared;
    __atomic_store_n(file->kind == FILE_PIPE_READ ? &shared->reader.notify : &shared->writer.notify, 0, __ATOMIC_SEQ_CST);
    if (request->a[1])
        pipe_descriptor_ends(request->process, request->a[0]);
    pipe_moved(file->pipe);
    return 0;
}

static size_t window_size(uint64_t size)
{
    return size < WINDOW_DATA_SIZE ? size : WINDOW_DATA_SIZE;
}

int64_t request_read(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    if (file_is_terminal(file))
        return terminal_read(request, file);
    if (file->pipe && !pipe_take(file->pipe, file_pipe_side(file), request->process))
        return UNIX_WAIT; /* it asks again */
    int64_t result = file_read(file, request->window->data, window_size(request->a[2]));
    return pipe_offered(request, file, moved(request, file, result));
}

/* How much of a write at a place is within the limit of a file's size; -EFBIG and the signal: nothing, and no part of it was written before. */
static int64_t size_limited(const struct request *request, uint64_t at, size_t size, bool is_begun)
{
    const uint64_t limit = request->process->limit[RLIMIT_FSIZE].soft;

    if (at + size <= limit)
        return (int64_t)size;
    if (at < limit)
        return (int64_t)(limit - at);
    if (is_begun)
        return 0;
    process_signal(request->process, SIGXFSZ);
    return -EFBIG;
}

int64_t request_write(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    int64_t result = file_is_terminal(file) ? terminal_write(request) : 0;
    if (result != 0)
        return result;
    if (file->pipe && !pipe_take(file->pipe, file_pipe_side(file), request->process))
        return UNIX_WAIT;
    int64_t size = (int64_t)window_size(request->a[2]);
    if (size && file->kind == FILE_NODE && node_is(file->node, S_IFREG))
        size = size_limited(request, file->flags & O_APPEND ? file->node->size : file->offset, (size_t)size, request->a[5]);
    if (size < 0)
        return size;
    result = moved(request, file, file_write(file, request->window->data, (size_t)size));
    if (result == -EPIPE)
        process_signal(request->process, SIGPIPE);
    return pipe_offered(request, file, result);
}

/* A file whose bytes have places. */
static int64_t placed_file(const struct request *request, struct file **ret_file)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    if (file->kind != FILE_NODE || !node_is(file->node, S_IFREG))
        return -ESPIPE;
    *ret_file = file;
    return (int64_t)request->a[3] < 0 ? -EINVAL : 0;
}

int64_t request_pread(struct request *request)
{
    struct file *file;
    int64_t result = placed_file(request, &file);

    if (result < 0)
        return result;
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    return node_read(file->node, request->a[3], request->window->data, window_size(request->a[2]));
}

int64_t request_pwrite(struct request *request)
{
    struct file *file;
    int64_t result = placed_file(request, &file);

    if (result < 0)
        return result;
    if ((file->flags & O_ACCMODE) == 0)
        return -EBADF;
    int64_t size = size_limited(request, request->a[3], window_size(request->a[2]), request->a[5]);
    return size < 0 ? size : node_write(file->node, request->a[3], request->window->data, (size_t)size);
}

int64_t request_close(struct request *request)
{
    return descriptor_close(request->process, request->a[0]);
}

/* The next page from a byte on that is a hole, or is none; behind the end is a hole. */
static int64_t hole_find(const struct node *node, uint64_t from, bool hole)
{
    uint64_t page = from / EXO_FRAME_SIZE;

    if (from >= node->size)
        return -ENXIO;
    while (page * EXO_FRAME_SIZE < node->size && !node->frames[page] != hole)
        page++;
    if (page * EXO_FRAME_SIZE >= node->size)
        return hole ? (int64_t)node->size : -ENXIO;
    return (int64_t)(page * EXO_FRAME_SIZE > from ? page * EXO_FRAME_SIZE : from);
}

/* Where whence and offset lead: -errno, if nowhere. */
static int64_t place_of(const struct file *file, uint64_t whence, int64_t offset)
{
    bool is_file = node_is(file->node, S_IFREG);
    int64_t place;

    if (whence > (is_file ? SEEK_HOLE : SEEK_CUR))
        return -EINVAL;
    if (whence >= SEEK_DATA)
        return hole_find(file->node, (uint64_t)offset, whence == SEEK_HOLE);
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)file->offset : (int64_t)file->node->size;
    return __builtin_add_overflow(base, offset, &place) || place < 0 ? -EINVAL : place;
}

int64_t request_lseek(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    if (file->kind != FILE_NODE || node_is(file->node, S_IFCHR))
        return -ESPIPE;
    int64_t place = place_of(file, request->a[2], (int64_t)request->a[1]);
    if (place >= 0)
        file->offset = (uint64_t)place;
    return place;
}

static int64_t duplicate(struct request *request, struct file *file, uint32_t least, bool close_on_exec)
{
    int64_t result = descriptor_give(request->process, file, least, close_on_exec);

    file->users += result >= 0;
    return result;
}

int64_t request_dup(struct request *request)
{
    struct file *file = file_of(request);
    return file ? duplicate(request, file, 0, false) : -EBADF;
}

static int64_t duplicate_to(struct request *request, struct file *file, uint64_t target, bool close_on_exec)
{
    if (target >= request->process->limit[RLIMIT_NOFILE].soft)
        return -EBADF;
    file->users++;
    descriptor_close(request->process, target);
    descriptor_set(request->process, target, file, close_on_exec);
    return (int64_t)target;
}

int64_t request_dup2(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    return request->a[1] == request->a[0] ? (int64_t)request->a[1] : duplicate_to(request, file, request->a[1], false);
}

int64_t request_dup3(struct request *request)
{
    struct file *file = file_of(request);

    if (request->a[2] & ~(uint64_t)O_CLOEXEC || request->a[0] == request->a[1])
        return -EINVAL;
    return file ? duplicate_to(request, file, request->a[1], request->a[2] & O_CLOEXEC) : -EBADF;
}

int64_t request_fcntl(struct request *request)
{
    struct file *file = file_of(request);
    uint64_t argument = request->a[2];

    if (!file)
        return -EBADF;
    struct descriptor *descriptor = &request->process->descriptor[request->a[0]];
    switch (request->a[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return argument < request->process->limit[RLIMIT_NOFILE].soft ? duplicate(request, file, (uint32_t)argument, request->a[1] == F_DUPFD_CLOEXEC) : -EINVAL;
    case F_GETFD:
        return descriptor->close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
        descriptor->close_on_exec = argument & FD_CLOEXEC;
        return 0;
    case F_GETFL:
        return file->flags;
    case F_SETFL:
        file->flags = (file->flags & ~(O_APPEND | O_NONBLOCK)) | (argument & (O_APPEND | O_NONBLOCK));
        pipe_ask(file);
        return 0;
    case F_GETPIPE_SZ:
        return file->pipe ? PIPE_SIZE : -EBADF;
    default:
        return request_lock(request, file);
    }
}

/* How much a read gives at once. */
static int64_t readable_tell(struct request *request, const struct file *file)
{
    int32_t size;

    if (file->kind == FILE_NODE && node_is(file->node, S_IFREG))
        size = file->node->size > file->offset ? (int32_t)(file->node->size - file->offset) : 0;
    else if (file->kind == FILE_PIPE_READ || file->kind == FILE_PIPE_WRITE)
        size = (int32_t)unix_pipe_held(file->pipe->shared);
    else
        return -ENOTTY;
    memcpy(request->window->data, &size, sizeof size);
    request->more[0] = sizeof size;
    return 0;
}

/* a: descriptor, what, a number. The window has what goes in, and what comes out: more[0] bytes. */
int64_t request_ioctl(struct request *request)
{
    struct file *file = file_of(request);
    int32_t on;

    if (!file)
        return -EBADF;
    switch (request->a[1]) {
    case FIOCLEX:
    case FIONCLEX:
        request->process->descriptor[request->a[0]].close_on_exec = request->a[1] == FIOCLEX;
        return 0;
    case FIONBIO:
        memcpy(&on, request->window->data, sizeof on);
        file->flags = (file->flags & ~(uint32_t)O_NONBLOCK) | (on ? O_NONBLOCK : 0);
        pipe_ask(file);
        return 0;
    default:
        if (file_is_terminal(file))
            return terminal_ioctl(request);
        return request->a[1] == FIONREAD ? readable_tell(request, file) : -ENOTTY;
    }
}

/* a: flags. more: the two descriptors. */
int64_t request_pipe(struct request *request)
{
    bool close_on_exec = request->a[0] & O_CLOEXEC;
    struct file *ends[2];

    if (request->a[0] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    int64_t result = file_pipe(&ends[0], &ends[1]);
    if (result < 0)
        return result;
    int64_t first = descriptor_give(request->process, ends[0], 0, close_on_exec);
    int64_t second = first < 0 ? first : descriptor_give(request->process, ends[1], 0, close_on_exec);
    if (second < 0) {
        if (first >= 0)
            descriptor_set(request->process, (uint64_t)first, 0, false);
        file_close(ends[0]);
        file_close(ends[1]);
        return second;
    }
    ends[0]->flags |= request->a[0] & O_NONBLOCK;
    ends[1]->flags |= request->a[0] & O_NONBLOCK;
    request->more[0] = (uint64_t)first;
    request->more[1] = (uint64_t)second;
    return 0;
}

int64_t request_fsync(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    return file->kind == FILE_NODE && !node_is(file->node, S_IFCHR) ? 0 : -EINVAL;
}

int64_t request_ftruncate(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    if (file->kind != FILE_NODE || !node_is(file->node, S_IFREG) || (file->flags & O_ACCMODE) == 0 || (int64_t)request->a[1] < 0)
        return -EINVAL;
    int64_t result = request->a[1] > file->node->size ? size_limited(request, request->a[1] - 1, 1, false) : 0;
    return result < 0 ? result : node_resize(file->node, request->a[1]);
}

static bool dirent_put(struct request *request, size_t *used, uint64_t room, const struct node *node, const char *name, int64_t next)
{
    size_t length = exo_text_length(name), size = (sizeof(struct linux_dirent) + length + 1 + 7) & ~7ul;
    struct linux_dirent *entry = (struct linux_dirent *)(request->window->data + *used);

    if (*used + size > room)
        return false;
    *entry = (struct linux_dirent){ .ino = node->number, .next = next, .size = (uint16_t)size, .type = (uint8_t)(node->mode >> 12 & 15) };
    memcpy(entry->name, name, length + 1);
    *used += size;
    return true;
}

/* The offset is a place: of . and .., then of entries. */
int64_t request_getdents(struct request *request)
{
    struct file *file = file_of(request);
    size_t used = 0, room = window_size(request->a[2]);

    if (!file)
        return -EBADF;
    if (file->kind != FILE_NODE || !node_is(file->node, S_IFDIR))
        return -ENOTDIR;
    const struct entry *entry = file->node->entries;
    for (uint64_t i = 0; i < ENTRY_PLACES || entry; i++) {
        const struct node *node = i == 0 ? file->node : i == 1 ? file->node->parent : entry->node;
        const char *name = i == 0 ? "." : i == 1 ? ".." : entry->name;
        uint64_t place = i < ENTRY_PLACES ? i : entry->place;
        if (i >= ENTRY_PLACES)
            entry = entry->next;
        if (place < file->offset)
            continue;
        if (!dirent_put(request, &used, room, node, name, (int64_t)place + 1))
            return used ? (int64_t)used : -EINVAL;
        file->offset = place + 1;
    }
    return (int64_t)used;
}

int64_t request_file_node(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    if (file->kind != FILE_NODE || !node_is(file->node, S_IFREG))
        return -ENODEV;
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EACCES;
    request->more[0] = file->node->size;
    return file->node->number;
}

/* A file that the process has open or has begun to execute; the number alone proves nothing, but everybody is root. */
static struct node *file_numbered(const struct request *request)
{
    struct node *node = node_numbered((uint32_t)request->a[0]);
    return node && node_is(node, S_IFREG) ? node : 0;
}

/* a: node, page */
int64_t request_page(struct request *request)
{
    struct node *node = file_numbered(request);

    if (!node)
        return -EBADF;
    if (request->a[1] >= FILE_PAGES_MAX)
        return 0;
    return node_read(node, request->a[1] * EXO_FRAME_SIZE, request->window->page, PAGE_BYTES);
}

/* a: node */
int64_t request_map(struct request *request)
{
    struct node *node = file_numbered(request);
    const struct unix_range *range;

    if (!node)
        return -EBADF;
    if (process_file_grant(request->process, node, &range) != EXO_OK)
        return -ENODEV;
    request->more[0] = range->slot;
    request->more[1] = range->first;
    request->more[2] = range->count;
    return 0;
}

int64_t request_fstat(struct request *request)
{
    struct file *file = file_of(request);

    if (!file)
        return -EBADF;
    stat_fill(file, 0, (struct linux_stat *)request->window->data);
    return 0;
}

static int16_t events_of(const struct file *file)
{
    struct pipe *pipe = file->pipe;

    if (file->kind == FILE_PIPE_READ)
        return (int16_t)((pipe_watch(pipe) ? POLLIN : 0) | (pipe->end[PIPE_WRITER].users ? 0 : POLLHUP));
    if (file->kind == FILE_PIPE_WRITE)
        return (int16_t)((PIPE_SIZE - pipe_watch(pipe) >= PIPE_ATOMIC ? POLLOUT : 0) | (pipe->end[PIPE_READER].users ? 0 : POLLERR));
    return (int16_t)((file_is_terminal(file) && !terminal_may_read() ? 0 : POLLIN) | POLLOUT);
}

/* a: -, count, deadline. The descriptors are in the window. Any change of any pipe makes it look again. */
int64_t request_poll(struct request *request)
{
    struct linux_poll *polls = (struct linux_poll *)request->window->data;
    uint64_t count = request->a[1] < WINDOW_DATA_SIZE / sizeof *polls ? request->a[1] : WINDOW_DATA_SIZE / sizeof *polls;
    int64_t ready = 0;

    for (uint64_t i = 0; i < count; i++) {
        int32_t descriptor = polls[i].descriptor;
        const struct file *file = descriptor_file(request->process, (uint64_t)(int64_t)descriptor);
        int16_t events = descriptor < 0 ? 0 : !file ? POLLNVAL : events_of(file) & (polls[i].events | POLLHUP | POLLERR);
        polls[i].returned = events;
        ready += events != 0;
    }
    if (ready || exo_time() >= request->a[2])
        return ready;
    request->process->deadline = request->a[2];
    return request_wait_on(request, process_any_channel);
}
