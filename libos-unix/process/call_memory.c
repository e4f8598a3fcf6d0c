/* Calls that change the address space: the process's own affair but for the node of a mapped file. */
#include "call.h"
#include "inherit.h"
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

/* What is at `from` goes to `to`, page by page as far as it was ever touched; both are private. */
static int64_t pages_move(uint64_t from, uint64_t to, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += EXO_FRAME_SIZE) {
        uint64_t next = inherit_next(from + done, from + size);
        if (!page_is_present(from + done) && next != from + done)
            continue;
        if (user_copy((void *)(to + done), (const void *)(from + done), EXO_FRAME_SIZE))
            return -ENOMEM;
    }
    return 0;
}

/* The mapping `old` anew at `place`, its pages copied; the old one goes. */
static int64_t mapping_move(const struct region *old, uint64_t start, uint64_t size, uint64_t place, uint64_t wanted)
{
    const uint64_t same = size < wanted ? size : wanted;
    struct region region = *old;

    region.start = place;
    region.end = place + wanted;
    region.offset += start - old->start;
    region.file_end = old->node && old->file_end > start ? place + (old->file_end - start) : 0;
    region.protection = PROT_READ | PROT_WRITE;
    if (!region_add(&region))
        return -ENOMEM;
    int64_t result = old->protection & PROT_READ || old->protection & PROT_WRITE ? pages_move(start, place, same) : 0;
    if (result == 0 && old->protection != region.protection) {
        region_protect(place, place + wanted, old->protection);
        pages_protect(place, place + wanted, old->protection);
    }
    uint64_t gone = result == 0 ? start : place, end = result == 0 ? start + size : place + wanted;
    if (!region_remove(gone, end))
        return -ENOMEM;
    pages_drop(gone, end);
    return result == 0 ? (int64_t)place : result;
}

/* a: address, old size, new size, flags, new address. */
int64_t call_mremap(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t size = rounded(a[1]), wanted = rounded(a[2]), place = a[4];
    bool fixed = a[3] & MREMAP_FIXED;

    (void)frame;
    if (a[0] % EXO_FRAME_SIZE || !wanted || a[3] & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED) || (fixed && !(a[3] & MREMAP_MAYMOVE)))
        return -EINVAL;
    if (!size)
        return -EINVAL; /* a second mapping of shared memory: there is none */
    struct region *found = region_find(a[0]);
    if (!found || a[0] + size > found->end)
        return -EFAULT;
    const struct region old = *found;
    if (fixed) {
        if (!is_allowed(place, wanted) || (place < a[0] + size && a[0] < place + wanted))
            return -EINVAL;
        if (!region_remove(place, place + wanted))
            return -ENOMEM;
        pages_drop(place, place + wanted);
        return mapping_move(&old, a[0], size, place, wanted);
    }
    if (wanted <= size) {
        const uint64_t rest[6] = { a[0] + wanted, size - wanted };
        return wanted == size || call_munmap(rest, frame) == 0 ? (int64_t)a[0] : -ENOMEM;
    }
    const struct region more = { .start = a[0] + size, .end = a[0] + wanted, .protection = old.protection };
    if (!old.node && is_allowed(more.start, wanted - size) && region_is_empty(more.start, more.end))
        return region_add(&more) ? (int64_t)a[0] : -ENOMEM;
    place = a[3] & MREMAP_MAYMOVE ? region_place(wanted, MAP_TOP) : 0;
    return is_allowed(place, wanted) ? mapping_move(&old, a[0], size, place, wanted) : -ENOMEM;
}

/* Mappings are private, or of files that do not change by them. */
int64_t call_msync(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    enum { MS_ALL = 7, MS_ASYNC = 1, MS_SYNC = 4 };

    (void)frame;
    if (a[0] % EXO_FRAME_SIZE || a[2] & ~(uint64_t)MS_ALL || (a[2] & MS_ASYNC && a[2] & MS_SYNC))
        return -EINVAL;
    return a[1] && !region_find(a[0]) ? -ENOMEM : 0;
}

/* Those that change nothing but speed; DONTFORK and what else would change what a child sees is refused. */
static bool is_advice(uint64_t advice)
{
    const uint64_t known = 0xf /* to WILLNEED */ | 1ull << MADV_DONTNEED | 1ull << MADV_FREE | 3ull << MADV_MERGEABLE | 3ull << MADV_HUGEPAGE |
                           3ull << MADV_DONTDUMP | 3ull << MADV_COLD;
    return advice < 64 && known >> advice & 1;
}

/* As Linux does, what is mapped is advised even if not all is. */
int64_t call_madvise(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    uint64_t size = rounded(a[1]);

    (void)frame;
    if (!is_advice(a[2]) || a[0] % EXO_FRAME_SIZE || size < a[1] || a[0] + size < a[0])
        return -EINVAL;
    if (!size)
        return 0;
    if (a[2] == MADV_DONTNEED && is_allowed(a[0], size))
        pages_drop(a[0], a[0] + size);
    return region_is_covered(a[0], a[0] + size) ? 0 : -ENOMEM;
}
