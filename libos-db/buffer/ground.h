/* The program's own resources as the pool stands on them: its extent, its frames, the archive that it was given. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Requests to the disk since the start. */
struct ground_figures {
    uint32_t reads, writes, flushes;
};
extern struct ground_figures ground_figures;

/* Open the program's first extent, with page tables for it and `pages_more` behind; `own_pages`: what hardware_memory will be asked for besides
 * what the pool asks. Blocks of the extent; 0: there is none, or it is too large (768 MiB). */
uint32_t ground_open(uint32_t pages_more, uint32_t own_pages);
/* The capability under which the pool's frames are owned. */
uint16_t ground_capability(void);
/* Frames that were the program's own when its pool was made, without those of a loan. */
uint32_t ground_own_frames(void);
/* The ring to its disk, when nothing is under way in it. */
struct exo_disk_ring *ground_ring(void);
/* The archive of the manifest, in whole pages, or 0. */
const void *ground_archive(uint64_t *ret_size);
/* Is this the capability to frames that the program has in turn with others (the manifest's [[loan]])? They are in the pool while it is its turn. */
bool ground_is_loan(uint16_t capability, uint32_t *ret_first, uint32_t *ret_count);
bool ground_has_loan(void);
/* All of it is out of the pool: others may have it. */
void ground_loan_return(void);
