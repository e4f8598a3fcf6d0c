/*
 * A libOS to start from: a heap whose pages appear when they are touched, taken from the environment's own frames and
 * bound by its own page tables; pages given back when they are asked for; a second of sleep.
 */
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/space.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define HEAP 0x10000000ull

enum { HEAP_PAGES = 1024, EXCEPTION_PAGE_FAULT = 14, SECOND = 1000000000 };

static struct exo_frames frames;
static struct exo_space space;
static uint32_t heap_frame[HEAP_PAGES]; /* 0: not present */
static uint32_t faults;

/* Events are held back, since one may take heap pages away. */
static bool page_appear(uint64_t page)
{
    bool blocked = exo_events_block();
    uint32_t frame = exo_frame_alloc(&frames);
    bool bound = frame && exo_space_map(&space, HEAP + page * EXO_FRAME_SIZE, frame, 1, frames.capability,
                                        EXO_MAP_READ | EXO_MAP_WRITE) == EXO_OK;

    heap_frame[page] = frame;
    faults += bound;
    exo_events_restore(blocked);
    return bound;
}

/* Called with the exception's state; returning resumes it, without the kernel. */
static void exception_handle(struct exo_upcall_frame *frame)
{
    uint64_t page = (frame->address - HEAP) / EXO_FRAME_SIZE;

    if (frame->vector == EXCEPTION_PAGE_FAULT && frame->address >= HEAP && page < HEAP_PAGES && page_appear(page))
        return;
    exo_print("exception %u at %#lx, address %#lx", frame->vector, frame->rip, frame->address);
    exo_exit(EXO_EXIT_EXCEPTION);
}

/* Here the libOS chooses what it can do without: the highest pages. */
static void event_handle(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    if (!(events & (EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE)) || EXO_CONTEXT->revoke_capability != frames.capability)
        return;
    for (uint32_t page = HEAP_PAGES; page-- > 0 && EXO_CONTEXT->revoke_count;) {
        if (!heap_frame[page])
            continue;
        exo_space_unmap(&space, HEAP + page * EXO_FRAME_SIZE, 1);
        exo_frame_return(0, frames.capability, heap_frame[page], 1);
        heap_frame[page] = 0;
    }
}

int main(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    volatile uint32_t *heap = (volatile uint32_t *)HEAP;
    uint32_t sum = 0;

    exo_frames_open(&frames, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&space, &exo_start, &frames);
    exo_exception_handler = exception_handle;
    exo_event_handler = event_handle;
    for (uint32_t i = 0; i < HEAP_PAGES * 1024; i += 4096)
        heap[i] = i;
    for (uint32_t i = 0; i < HEAP_PAGES * 1024; i += 4096)
        sum += heap[i] == i;
    exo_print("%u of %u words are right, %u pages appeared", sum, HEAP_PAGES / 4, faults);
    exo_sleep(exo_time() + SECOND, EXO_EVENT_TIMER, false);
    return sum == HEAP_PAGES / 4 ? 0 : 1;
}
