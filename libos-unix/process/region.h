/* What is where in the program's address space: regions in ascending order, without overlaps. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { REGIONS_MAX = 192 };

struct region {
    uint64_t start, end;
    uint32_t protection; /* PROT_ bits */
    uint32_t node;       /* the file, or 0 */
    uint64_t offset;     /* in the file, of start */
    uint64_t file_end;   /* the address behind the last byte that comes from the file */
};

struct regions {
    uint32_t count;
    struct region region[REGIONS_MAX];
};
extern struct regions regions;

struct region *region_find(uint64_t address);
/* False: the table is full. The place must be empty; neighbours of the same kind become one. */
bool region_add(const struct region *region);
/* Forget [start, end), cutting what reaches out of it. False: the table is full, nothing was changed. */
bool region_remove(uint64_t start, uint64_t end);
/* Set the protection of [start, end). False: not all of it is there, or the table is full. */
bool region_protect(uint64_t start, uint64_t end, uint32_t protection);
/* Is all of it there? */
bool region_is_covered(uint64_t start, uint64_t end);
bool region_is_empty(uint64_t start, uint64_t end);
/* The highest empty place of this size below `top`; 0: none. */
uint64_t region_place(uint64_t size, uint64_t top);
