/* Open files and a process's descriptors. */
#pragma once
#include "node.h"
#include "pipe.h"
#include <unix/protocol.h>

enum file_kind { FILE_NODE, FILE_PIPE_READ, FILE_PIPE_WRITE };

struct file {
    enum file_kind kind;
    uint32_t users, flags;
    uint64_t offset;
    struct node *node; /* also of a device or a directory */
    struct pipe *pipe;
};

struct descriptor {
    struct file *file;
    bool close_on_exec;
};

struct process;

/* All return 0 or more, or -errno; -EAGAIN where they would have to wait. */
int64_t file_open(struct process *process, struct node *node, uint32_t flags, struct file **ret_file);
int64_t file_pipe(struct file **ret_read, struct file **ret_write);
void file_close(struct file *file);
/* Of one that is an end of a pipe. */
enum pipe_side file_pipe_side(const struct file *file);
int64_t file_read(struct file *file, void *target, size_t size);
int64_t file_write(struct file *file, const void *source, size_t size);

/* A descriptor becomes the file's, or nobody's; the process is told what it may do without asking. */
void descriptor_set(struct process *process, uint64_t descriptor, struct file *file, bool close_on_exec);
struct file *descriptor_file(const struct process *process, uint64_t descriptor);
/* The lowest free one from `least` on. */
int64_t descriptor_give(struct process *process, struct file *file, uint32_t least, bool close_on_exec);
int64_t descriptor_close(struct process *process, uint64_t descriptor);
