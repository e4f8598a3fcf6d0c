/* A test program's memory: its frames and its space, and single entries of its page tables at places of its choice. */
#pragma once
#include <stdbool.h>
#include <exo/frames.h>
#include <exo/space.h>

extern struct exo_frames memory_frames; /* its first FRAMES capability */
extern struct exo_space memory_space;

/* First of all, and again in a copy. */
void memory_open(void);
/* A page at the address with a new frame, readable and writable; its name. */
uint32_t memory_page(uint64_t address);
/* It goes, and its frame is free. */
void memory_page_end(uint64_t address, uint32_t frame);

/* One entry of a batch, with nothing made right for the caller. */
int64_t memory_bind(uint64_t address, uint32_t table, uint32_t frame, uint16_t capability, uint32_t flags);
/* The same for `more` pages behind the first, of the program's first FRAMES capability. */
int64_t memory_bind_many(uint64_t address, uint32_t table, uint32_t frame, uint32_t more, uint32_t flags);
int64_t memory_protect(uint64_t address, uint32_t table, uint32_t flags);
int64_t memory_unbind(uint64_t address, uint32_t table, uint32_t flags);

/* A new table of this level; 0 when it cannot be made. */
uint32_t memory_table(uint8_t level);
