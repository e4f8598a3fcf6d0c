#include "heap.h"
#include "memory.h"
#include <exo/text.h>

#define HEAP_ADDRESS 0x200000000ull

enum { CLASS_LEAST = 5, CLASS_MOST = 22, HEADER = 16 };

struct block {
    uint64_t class;
    struct block *next; /* of a free one */
};

static struct block *free_blocks[CLASS_MOST + 1];
static uint64_t heap_end = HEAP_ADDRESS, heap_mapped = HEAP_ADDRESS;

static int heap_extend(uint64_t end)
{
    for (; heap_mapped < end; heap_mapped += EXO_FRAME_SIZE) {
        uint32_t frame = exo_frame_alloc(&memory.own);
        if (!frame || exo_space_map(&memory.space, heap_mapped, frame, 1, memory.own.capability,
                                    EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
            return 0;
    }
    return 1;
}

static struct block *block_cut(uint32_t class)
{
    struct block *block = (struct block *)heap_end;

    if (!heap_extend(heap_end + (1ull << class)))
        return 0;
    heap_end += 1ull << class;
    block->class = class;
    return block;
}

void *heap_alloc(size_t size)
{
    uint32_t class = CLASS_LEAST;

    while (class <= CLASS_MOST && (1ull << class) < size + HEADER)
        class++;
    if (class > CLASS_MOST)
        return 0;
    struct block *block = free_blocks[class];
    if (block)
        free_blocks[class] = block->next;
    else
        block = block_cut(class);
    return block ? memset((uint8_t *)block + HEADER, 0, (1ull << class) - HEADER) : 0;
}

void heap_free(void *memory_block)
{
    if (!memory_block)
        return;
    struct block *block = (struct block *)((uint8_t *)memory_block - HEADER);
    block->next = free_blocks[block->class];
    free_blocks[block->class] = block;
}
