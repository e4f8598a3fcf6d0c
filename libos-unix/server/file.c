#include "file.h"
#include "device.h"
#include "heap.h"
#include "lock.h"
#include "process.h"
#include <unix/linux.h>

int64_t file_open(struct process *process, struct node *node, uint32_t flags, struct file **ret_file)
{
    bool writes = (flags & O_ACCMODE) != 0;
    struct file *file;

    (void)process;
    if (node_is(node, S_IFDIR) && writes)
        return -EISDIR;
    if (flags & O_DIRECTORY && !node_is(node, S_IFDIR))
        return -ENOTDIR;
    if (flags & O_TRUNC && node_is(node, S_IFREG) && writes && node_resize(node, 0) < 0)
        return -EIO;
    if (!(file = heap_alloc(sizeof *file)))
        return -ENFILE;
    *file = (struct file){ .kind = FILE_NODE, .users = 1, .flags = flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC), .node = node };
    node->users++;
    *ret_file = file;
    return 0;
}

int64_t file_pipe(struct file **ret_read, struct file **ret_write)
{
    struct pipe *pipe = pipe_new();
    struct file *ends[2] = { heap_alloc(sizeof **ends), heap_alloc(sizeof **ends) };

    if (!pipe || !ends[0] || !ends[1]) {
        heap_free(ends[0]);
        heap_free(ends[1]);
        if (pipe) {
            pipe_close(pipe, PIPE_READER);
            pipe_close(pipe, PIPE_WRITER);
        }
        return -ENFILE;
    }
    *ends[0] = (struct file){ .kind = FILE_PIPE_READ, .users = 1, .pipe = pipe };
    *ends[1] = (struct file){ .kind = FILE_PIPE_WRITE, .users = 1, .flags = O_WRONLY, .pipe = pipe };
    *ret_read = ends[0];
    *ret_write = ends[1];
    return 0;
}

enum pipe_side file_pipe_side(const struct file *file)
{
    return file->kind == FILE_PIPE_READ ? PIPE_READER : PIPE_WRITER;
}

void file_close(struct file *file)
{
    if (--file->users)
        return;
    if (file->pipe)
        pipe_close(file->pipe, file_pipe_side(file));
    if (file->node) {
        locks_end(file->node, file);
        file->node->users--;
        node_settle(file->node);
    }
    heap_free(file);
}

int64_t file_read(struct file *file, void *target, size_t size)
{
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (file->kind == FILE_PIPE_READ)
        return pipe_read(file->pipe, target, size);
    if (node_is(file->node, S_IFDIR))
        return -EISDIR;
    if (node_is(file->node, S_IFCHR))
        return device_read(file->node->device, target, size);
    if (!node_is(file->node, S_IFREG))
        return -EINVAL;
    int64_t result = node_read(file->node, file->offset, target, size);
    file->offset += result > 0 ? (uint64_t)result : 0;
    return result;
}

int64_t file_write(struct file *file, const void *source, size_t size)
{
    if ((file->flags & O_ACCMODE) == 0)
        return -EBADF;
    if (file->kind == FILE_PIPE_WRITE)
        return pipe_write(file->pipe, source, size);
    if (node_is(file->node, S_IFCHR))
        return device_write(file->node->device, source, size);
    if (!node_is(file->node, S_IFREG))
        return -EINVAL;
    if (file->flags & O_APPEND)
        file->offset = file->node->size;
    int64_t result = node_write(file->node, file->offset, source, size);
    file->offset += result > 0 ? (uint64_t)result : 0;
    return result;
}

static uint8_t quick_of(const struct file *file)
{
    uint32_t access = file ? file->flags & O_ACCMODE : 0;

    if (!file || file->kind != FILE_NODE || !node_is(file->node, S_IFCHR) || file->flags & O_PATH ||
        (file->node->device != DEVICE_NULL && file->node->device != DEVICE_ZERO))
        return 0;
    return (uint8_t)((access == 0 ? 0 : QUICK_WRITE_AWAY) |
                     (access == O_WRONLY ? 0 : file->node->device == DEVICE_ZERO ? QUICK_READ_ZERO : QUICK_READ_END));
}

void descriptor_set(struct process *process, uint64_t descriptor, struct file *file, bool close_on_exec)
{
    pipe_descriptor_ends(process, descriptor);
    process->descriptor[descriptor] = (struct descriptor){ file, close_on_exec };
    process->shared->quick[descriptor] = quick_of(file);
    if (file && descriptor >= process->descriptor_end)
        process->descriptor_end = (uint32_t)descriptor + 1;
}

struct file *descriptor_file(const struct process *process, uint64_t descriptor)
{
    return descriptor < DESCRIPTORS_MAX ? process->descriptor[descriptor].file : 0;
}

int64_t descriptor_give(struct process *process, struct file *file, uint32_t least, bool close_on_exec)
{
    const uint64_t end = process->limit[RLIMIT_NOFILE].soft; /* at most DESCRIPTORS_MAX */

    for (uint32_t i = least; i < end; i++) {
        if (process->descriptor[i].file)
            continue;
        descriptor_set(process, i, file, close_on_exec);
        return i;
    }
    return -EMFILE;
}

int64_t descriptor_close(struct process *process, uint64_t descriptor)
{
    struct file *file = descriptor_file(process, descriptor);

    if (!file)
        return -EBADF;
    descriptor_set(process, descriptor, 0, false);
    if (file->node)
        locks_end(file->node, process);
    file_close(file);
    return 0;
}
