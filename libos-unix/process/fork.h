/* fork: a new environment that shares our pages until somebody writes. */
#pragma once
#include <stdint.h>

/* The child's pid, 0 in the child, or -errno. */
int64_t process_fork(void);
/* What a new process, or a copy of one, tells the kernel about itself. */
void process_enter(void);
