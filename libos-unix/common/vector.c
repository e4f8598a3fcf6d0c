#include "vector.h"
#include <exo/program.h>
#include <exo/text.h>

enum { FEATURES = 1, XSAVE_AND_AVX = 3 << 27, SSE_AND_AVX_STATE = 6, GROUP = 256, FIND_GROUP = 16 };

static bool has_avx EXO_EAGER;

/* vector_avx.S */
uint64_t vector_copy_groups(void *target, const void *source, uint64_t groups);
void vector_clear_groups(void *target, uint64_t groups);
uint64_t vector_find_group(const uint64_t *words, uint64_t groups);

void vector_open(void)
{
    uint32_t eax = FEATURES, ebx, ecx = 0, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (~ecx & XSAVE_AND_AVX)
        return;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    has_avx = !(~eax & SSE_AND_AVX_STATE);
}

uint64_t vector_copy_begin(void *target, const void *source, uint64_t size)
{
    uint64_t done = has_avx ? size & -(uint64_t)GROUP : 0;

    return done && vector_copy_groups(target, source, done / GROUP) ? VECTOR_FAULT : done;
}

void vector_copy(void *target, const void *source, uint64_t size)
{
    uint64_t done = vector_copy_begin(target, source, size);

    if (done == VECTOR_FAULT)
        done = 0; /* the plain copy meets it again */
    memcpy((uint8_t *)target + done, (const uint8_t *)source + done, size - done);
}

void vector_clear(void *target, uint64_t size)
{
    uint64_t done = has_avx ? size & -(uint64_t)GROUP : 0;

    if (done)
        vector_clear_groups(target, done / GROUP);
    memset((uint8_t *)target + done, 0, size - done);
}

uint32_t vector_find(const uint64_t *words, uint32_t at, uint32_t end)
{
    if (has_avx && end - at >= FIND_GROUP)
        at += (uint32_t)vector_find_group(words + at, (end - at) / FIND_GROUP) * FIND_GROUP;
    if (at == end)
        return end;

    const uint64_t *from = words + at;
    uint64_t count = end - at;
    bool equal;
    __asm__ volatile("repe scasq" : "+D"(from), "+c"(count), "=@cce"(equal) : "a"(0ull) : "memory");
    return (uint32_t)(from - words) - !equal;
}
