/*
 * A pipe: a ring of bytes in frames that parent and child both map writable. Who finds it empty or full yields to the
 * other side. One writer, one reader.
 */
#pragma once
#include <stdbool.h>
#include <exo/child.h>

/* Before the fork. */
int64_t pipe_open(void);
/* For the child's address space. */
int64_t pipe_share(struct exo_child *child);
bool pipe_is_empty(void);
/* All of it; peer runs when there is nothing to do. */
void pipe_write(const void *data, uint32_t size, void peer_run(void));
void pipe_read(void *data, uint32_t size, void peer_run(void));
