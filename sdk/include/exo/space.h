/*
 * An address space that knows its own page tables: the first GiB of it. Missing TABLE1s are made from the frame
 * allocator.
 */
#pragma once
#include <exo/abi.h>
#include <exo/frames.h>

#define EXO_SPACE_TABLES 512
#define EXO_SPACE_LIMIT  (1ull << 30)

/* The second and third word of a mapping, as space_bind, space_protect and space_unbind take them. */
static inline uint64_t exo_mapping_entry(uint32_t table, uint32_t frame)
{
    return table | (uint64_t)frame << 32;
}

static inline uint64_t exo_mapping_way(uint16_t capability, uint16_t flags, uint32_t more)
{
    return capability | (uint64_t)flags << 16 | (uint64_t)more << 32;
}

struct exo_space {
    uint16_t subject; /* whose space it is; 0: the program's own */
    struct exo_frames *frames;
    uint32_t table4, table3, table2;
    uint32_t table1[EXO_SPACE_TABLES]; /* by address >> 21; 0: missing */
};

/* The program's own space, as it was told at its start. */
void exo_space_open(struct exo_space *space, const struct exo_start *start, struct exo_frames *frames);
/* A new space for the subject, from its frames. */
int64_t exo_space_create(struct exo_space *space, uint16_t subject, struct exo_frames *frames);
/* The TABLE1 of an address, made if it is missing; 0 if there is no frame for it. */
uint32_t exo_space_table(struct exo_space *space, uint64_t address);

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
