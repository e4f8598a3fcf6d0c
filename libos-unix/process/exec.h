/* A new program in the place of the old one. */
#pragma once
#include "runtime.h"

/* execve: does not return to the old program unless it fails before that is gone. */
int64_t process_exec(uint64_t path, uint64_t arguments, uint64_t environment, struct exo_upcall_frame *frame);
/* The first program: its words stand in the window already, `size` bytes of them. terminal: its descriptors are one. */
int64_t process_first(uint64_t size, const uint64_t random[2], bool terminal);
