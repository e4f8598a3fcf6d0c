/*
 * What stands for the disk: pages as they were first made, computed from their number, and what was written back since, in
 * frames that are not part of the pool.
 */
#pragma once
#include <exo/child.h>

int64_t store_open(struct exo_space *space, struct exo_frames *frames);
/* A page of EXO_FRAME_SIZE bytes. */
void store_read(uint32_t page, void *to);
void store_write(uint32_t page, const void *from);
/* The word that a page has at first. */
uint64_t store_word(uint32_t page, uint32_t index);
