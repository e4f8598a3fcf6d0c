/* Locks of parts of files (fcntl): a process's go when it closes any descriptor of the file, an open file's (F_OFD_) with its last one. */
#pragma once
#include "request.h"

/* Of an owner, a process or an open file, on a node. */
void locks_end(struct node *node, const void *owner);
/* The commands of fcntl about locks; a: -, command, type and whence << 16, start, size, pid. F_GETLK answers in more. */
int64_t request_lock(struct request *request, struct file *file);
