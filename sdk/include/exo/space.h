/*
 * An address space that knows its own page tables, EXO_SPACE_TABLES of them anywhere below EXO_USER_LIMIT. Missing ones are
 * made from the frame allocator. With a view, its entries can be read.
 */
#pragma once
#include <exo/abi.h>
#include <exo/frames.h>

#define EXO_SPACE_TABLES 512 /* a view is one TABLE1's worth of address space */

/* The second and third word of a mapping, as space_bind, space_protect and space_unbind take them. */
static inline uint64_t exo_mapping_entry(uint32_t table, uint32_t frame)
{
    return table | (uint64_t)frame << 32;
}

static inline uint64_t exo_mapping_way(uint16_t capability, uint16_t flags, uint32_t more)
{
    return capability | (uint64_t)flags << 16 | (uint64_t)more << 32;
}

/* A table of level 1 to 3 and where it stands: place is level << 28 | address >> 21; 0: none. */
struct exo_space_table {
    uint32_t place, frame;
};

/* As struct exo_start tells it: of a TABLE1, just where it begins. */
static inline uint32_t exo_space_index(uint32_t place)
{
    return place >> 28 == 1 ? place & 0xfffffff : place;
}

struct exo_space {
    uint16_t subject; /* whose space it is; 0: the program's own */
    struct exo_frames *frames;
    uint64_t view;    /* where the TABLE1s are bound readable, or 0 */
    uint32_t table4, table_count;
    struct exo_space_table table[EXO_SPACE_TABLES]; /* a hash table */
};

/* The program's own space, as it was told at its start. */
void exo_space_open(struct exo_space *space, const struct exo_start *start, struct exo_frames *frames);
/* The same, of a structure that is all zeros. */
void exo_space_open_cleared(struct exo_space *space, const struct exo_start *start, struct exo_frames *frames);
/* A new space for the subject, from its frames. */
int64_t exo_space_create(struct exo_space *space, uint16_t subject, struct exo_frames *frames);
/* The TABLE1 of an address, made if it is missing; 0 if there is no frame for it. */
uint32_t exo_space_table(struct exo_space *space, uint64_t address);
/* The table of level 1 to 4 that an address goes through, if there is one; else 0. */
uint32_t exo_space_find(const struct exo_space *space, uint64_t address, uint32_t level);

/* From now on every TABLE1 is bound readable in the 2 MiB from address on, which must be empty. For a space whose tables were
 * all taken under the allocator's capability. */
int64_t exo_space_view(struct exo_space *space, uint64_t address);
/* The same for a space whose few TABLE1s are known: the view is begun, and a table that was there before comes into it. */
int64_t exo_space_view_begin(struct exo_space *space, uint64_t address);
int64_t exo_space_view_add(struct exo_space *space, uint64_t address);
/* The page-table entry of an address in the program's own space, which has a view; 0: nothing is mapped. */
uint64_t exo_space_entry(const struct exo_space *space, uint64_t address);
/* All EXO_TABLE_ENTRIES of the TABLE1 that an address goes through; 0: there is none. */
const volatile uint64_t *exo_space_entries(const struct exo_space *space, uint64_t address);
static inline uint32_t exo_entry_frame(uint64_t entry)
{
    return (uint32_t)(entry >> 12 & (EXO_FRAME_LIMIT - 1));
}

/* count pages from address on: frames in a row from frame on, under the capability, with EXO_MAP_ flags. 0 or an error. */
int64_t exo_space_map(struct exo_space *space, uint64_t address, uint32_t frame, uint32_t count, uint16_t capability,
                      uint32_t flags);
/* The same with any frames. */
int64_t exo_space_map_list(struct exo_space *space, uint64_t address, const uint32_t *frames, uint32_t count,
                           uint16_t capability, uint32_t flags);
int64_t exo_space_unmap(struct exo_space *space, uint64_t address, uint32_t count);
/* Change the flags of what is mapped: EXO_MAP_ bits, as space_protect wants them. */
int64_t exo_space_change(struct exo_space *space, uint64_t address, uint32_t count, uint32_t flags);
/* Until every processor has passed all that was removed or changed before. */
void exo_space_settle(void);
