/* Calls that change the address space: the process's own affair but for the node of a mapped file. */
#include "call.h"
#include "memory.h"
#include "region.h"
#include "site.h"
#include <exo/program.h>
#include <exo/text.h>

static uint64_t rounded(uint64_t size)
{
    return (size + EXO_FRAME_SIZE - 1) & -(uint64_t)EXO_FRAME_SIZE;
}

/* May a program have [start, start + size)? Not where we are. */
static bool is_allowed(uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    return start % EXO_FRAME_SIZE == 0 && size && end > start && end <= PROGRAM_TOP && start >= 0x20000 &&
           (end <= UNIX_RUNTIME_ADDRESS || start >= UNIX_RUNTIME_END);
}

int64_t call_brk(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t old = rounded(memory_state.break_end), wanted = rounded(a[0]);

    (void)frame;
    if (a[0] < memory_state.break_start || a[0] >= BREAK_TOP)
        return (int64_t)memory_state.break_end;
    if (wanted < old) {
        if (!region_remove(wanted, old))
            return (int64_t)memory_state.break_end;
        pages_drop(wanted, old);
    }
    const struct region heap = { .start = old, .end = wanted, .protection = PROT_READ | PROT_WRITE };
    if (wanted > old && (!region_is_empty(old, wanted) || !region_add(&heap)))
        return (int64_t)memory_state.break_end;
    memory_state.break_end = a[0];
    return (int64_t)a[0];
}

/* The file part of a mapping; 0 or -errno. */
static int64_t file_find(const uint64_t a[6], struct region *region)
{
    uint64_t words[7] = { UNIX_FILE_NODE, a[4] };

    if (a[3] & MAP_ANONYMOUS)
        return 0;
    if (a[5] % EXO_FRAME_SIZE)
        return -EINVAL;
    int64_t node = server_call(words);
    if (node < 0)
        return node;
    uint64_t left = words[1] > a[5] ? words[1] - a[5] : 0, size = region->end - region->start;
    region->node = left ? (uint32_t)node : 0;
    region->offset = a[5];
    region->file_end = region->start + (left < size ? left : size);
    return 0;
}

int64_t call_mmap(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t size = rounded(a[1]), place = a[0];
    bool fixed = a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE);

    (void)frame;
    if (!size || size < a[1] || !(a[3] & (MAP_SHARED | MAP_PRIVATE)))
        return -EINVAL;
    if (a[3] & MAP_SHARED && a[2] & PROT_WRITE)
        return -ENODEV;
    if (fixed && !is_allowed(place, size))
        return place % EXO_FRAME_SIZE ? -EINVAL : -ENOMEM;
    if (a[3] & MAP_FIXED_NOREPLACE && !region_is_empty(place, place + size))
        return -EEXIST;
    if (!fixed && (!is_allowed(place, size) || !region_is_empty(place, place + size)))
        place = region_place(size, MAP_TOP);
    if (!fixed && !is_allowed(place, size))
        return -ENOMEM;
    struct region region = { .start = place, .end = place + size, .protection = a[2] & 7 };
    int64_t result = file_find(a, &region);
    if (result < 0)
        return result;
    if (!region_remove(place, place + size))
        return -ENOMEM;
    pages_drop(place, place + size);
    return region_add(&region) ? (int64_t)place : -ENOMEM;
}

int64_t call_munmap(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t size = rounded(a[1]);

    (void)frame;
    if (!is_allowed(a[0], size))
        return -EINVAL;
    if (!region_remove(a[0], a[0] + size))
        return -ENOMEM;
    pages_drop(a[0], a[0] + size);
    return 0;
}

int64_t call_mprotect(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t size = rounded(a[1]);

    (void)frame;
    if (a[0] % EXO_FRAME_SIZE || a[2] & ~7ull)
        return -EINVAL;
    if (!size)
        return 0;
    if (a[2] & PROT_WRITE)
        sites_undo(a[0], a[0] + size);
    if (!is_allowed(a[0], size) || !region_protect(a[0], a[0] + size, (uint32_t)a[2]))
        return -ENOMEM;
    pages_protect(a[0], a[0] + size, (uint32_t)a[2]);
    return 0;
}

int64_t call_madvise(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t size = rounded(a[1]);

    (void)frame;
    if (a[0] % EXO_FRAME_SIZE)
        return -EINVAL;
    if (a[2] == MADV_DONTNEED && size && is_allowed(a[0], size))
        pages_drop(a[0], a[0] + size);
    return 0;
}
