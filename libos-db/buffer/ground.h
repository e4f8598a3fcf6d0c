/* The program's own resources as the pool stands on them: its extent, its frames, the archive that it was given. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Requests to the disk since the start. */
struct ground_figures {
    uint32_t reads, writes, flushes;
};
extern struct ground_figures ground_figures;

/* Open the program's first extent, with page tables for it and `pages_more` behind. Blocks of the extent; 0: there is none, or
 * it is too large (768 MiB). */
uint32_t ground_open(uint32_t pages_more);
/* The capability under which the pool's frames are owned. */
uint16_t ground_capability(void);
/* The archive of the manifest, in whole pages, or 0. */
const void *ground_archive(uint64_t *ret_size);
