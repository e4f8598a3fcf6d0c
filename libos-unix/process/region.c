#include "region.h"
#include <exo/program.h>
#include <exo/text.h>

enum { LOWEST = 0x400000, SPLITS_MOST = 2 };

struct regions regions EXO_EAGER;

static uint32_t index_of(uint64_t address)
{
    uint32_t i = 0;

    while (i < regions.count && regions.region[i].end <= address)
        i++;
    return i;
}

struct region *region_find(uint64_t address)
{
    uint32_t i = index_of(address);
    return i < regions.count && regions.region[i].start <= address ? &regions.region[i] : 0;
}

static void open_at(uint32_t i)
{
    memmove(&regions.region[i + 1], &regions.region[i], (regions.count - i) * sizeof *regions.region);
    regions.count++;
}

static void close_at(uint32_t i)
{
    regions.count--;
    memmove(&regions.region[i], &regions.region[i + 1], (regions.count - i) * sizeof *regions.region);
}

static bool is_one(const struct region *first, const struct region *second)
{
    return first->end == second->start && first->protection == second->protection && !first->node && !second->node;
}

static void merge_at(uint32_t i)
{
    if (i + 1 >= regions.count || !is_one(&regions.region[i], &regions.region[i + 1]))
        return;
    regions.region[i].end = regions.region[i + 1].end;
    close_at(i + 1);
}

bool region_add(const struct region *region)
{
    uint32_t i = index_of(region->start);

    if (regions.count == REGIONS_MAX)
        return false;
    open_at(i);
    regions.region[i] = *region;
    merge_at(i);
    if (i)
        merge_at(i - 1);
    return true;
}

/* Let a region begin at the address, if one reaches over it. */
static void split(uint64_t address)
{
    struct region *region = region_find(address);

    if (!region || region->start == address)
        return;
    uint32_t i = (uint32_t)(region - regions.region);
    open_at(i);
    regions.region[i].end = address;
    regions.region[i + 1].start = address;
    regions.region[i + 1].offset += address - regions.region[i].start;
}

bool region_remove(uint64_t start, uint64_t end)
{
    if (regions.count + SPLITS_MOST > REGIONS_MAX)
        return false;
    split(start);
    split(end);
    uint32_t i = index_of(start);
    while (i < regions.count && regions.region[i].start < end)
        close_at(i);
    return true;
}

bool region_is_covered(uint64_t start, uint64_t end)
{
    for (uint32_t i = index_of(start); start < end; i++) {
        if (i >= regions.count || regions.region[i].start > start)
            return false;
        start = regions.region[i].end;
    }
    return true;
}

bool region_protect(uint64_t start, uint64_t end, uint32_t protection)
{
    if (!region_is_covered(start, end) || regions.count + SPLITS_MOST > REGIONS_MAX)
        return false;
    split(start);
    split(end);
    for (uint32_t i = index_of(start); i < regions.count && regions.region[i].start < end; i++)
        regions.region[i].protection = protection;
    for (uint32_t i = regions.count; i-- > 0;)
        merge_at(i);
    return true;
}

bool region_is_empty(uint64_t start, uint64_t end)
{
    uint32_t i = index_of(start);
    return i >= regions.count || regions.region[i].start >= end;
}

uint64_t region_place(uint64_t size, uint64_t top)
{
    for (uint32_t i = regions.count; i-- > 0;) {
        const struct region *region = &regions.region[i];
        if (region->start >= top)
            continue;
        uint64_t low = region->end < top ? region->end : top;
        if (top - low >= size)
            return top - size;
        top = region->start;
    }
    return top > LOWEST && top - LOWEST >= size ? top - size : 0;
}
