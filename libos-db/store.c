#include "store.h"
#include "pool.h"
#include <exo/calls.h>
#include <exo/text.h>

#define STORE_ADDRESS 0x28000000ull

enum { WORDS = EXO_FRAME_SIZE / 8 };

static struct exo_space *store_space;
static struct exo_frames *store_frames;
static bool is_written[POOL_PAGES];

int64_t store_open(struct exo_space *space, struct exo_frames *frames)
{
    store_space = space;
    store_frames = frames;
    return exo_space_table(space, STORE_ADDRESS) ? EXO_OK : EXO_BAD_NAME;
}

static uint64_t *page_at(uint32_t page)
{
    return (uint64_t *)(STORE_ADDRESS + (uint64_t)page * EXO_FRAME_SIZE);
}

uint64_t store_word(uint32_t page, uint32_t index)
{
    return (page * 0x9e3779b97f4a7c15ull) ^ (index * 0xbf58476d1ce4e5b9ull); /* the constants of splitmix64 */
}

void store_read(uint32_t page, void *to)
{
    uint64_t *words = to;

    if (is_written[page]) {
        memcpy(to, page_at(page), EXO_FRAME_SIZE);
        return;
    }
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = store_word(page, i);
}

/* The first write of a page takes the frame that keeps it. */
void store_write(uint32_t page, const void *from)
{
    if (!is_written[page]) {
        uint32_t frame = exo_frame_alloc(store_frames);
        if (!frame || exo_space_map(store_space, (uint64_t)page_at(page), frame, 1, store_frames->capability,
                                    EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK) {
            exo_print("the store is full");
            return;
        }
        is_written[page] = true;
    }
    memcpy(page_at(page), from, EXO_FRAME_SIZE);
}
