/* Call sites: where the program executes `syscall`. A warm one is rewritten, so that it enters no kernel. */
#pragma once
#include "runtime.h"

/* The program trapped: its call is at rip - 2, its number in rax. */
void site_note(const struct exo_upcall_frame *frame);
/* Pages of [start, end) may be written from now on: their sites are what they were. */
void sites_undo(uint64_t start, uint64_t end);
/* A new program: nothing is known. The pages of the old one are gone. */
void sites_reset(void);
