/*
 * The parent builds its child itself, on its own time: the server makes the environment, lends control of it for so long, and takes
 * it back before the child runs. The program's pages are bound as they are, read-only on both sides; our own pages are copied. What
 * the child may bind are its owners' frames, each under a view that the owner's environment granted.
 */
#include "fork.h"
#include "memory.h"
#include "region.h"
#include "runtime.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>

static struct exo_child child;
static struct kin staged; /* what `kin` has to be in the child */
static uint8_t fork_fpu[FPU_SIZE] __attribute__((aligned(64)));

/* The capability under which the child may bind a frame: a view, a file that both map, or else the runtime's. */
static uint16_t slot_for(uint32_t frame)
{
    for (uint32_t i = 0; i < staged.view_count; i++)
        if (frame - staged.view[i].first < staged.view[i].count)
            return (uint16_t)staged.view[i].slot;
    for (uint32_t i = 0; i < memory_state.file_count; i++)
        if (frame - memory_state.file[i].first < memory_state.file[i].count)
            return (uint16_t)memory_state.file[i].slot;
    return SLOT_RUNTIME;
}

/* Us, and all whose memory we see ourselves. */
static int64_t owners_list(struct unix_fork *fork)
{
    fork->owner[0] = exo_start.environment;
    fork->owner_count = 1;
    for (uint32_t i = 0; i < kin.view_count; i++) {
        if (i && kin.view[i].of == kin.view[i - 1].of)
            continue;
        if (fork->owner_count == OWNERS_MAX)
            return -EAGAIN;
        fork->owner[fork->owner_count++] = kin.view[i].of;
    }
    return 0;
}

static int64_t run_share(const struct page_run *run)
{
    uint32_t flags = EXO_MAP_READ | (run->executable ? EXO_MAP_EXECUTE : 0);
    int64_t result = EXO_OK;

    if (run->writable)
        result = exo_space_change(&kin.space, run->address, run->count, EXO_MAP_READ);
    return result == EXO_OK ? exo_space_map(&child.space, run->address, run->frame, run->count, slot_for(run->frame), flags) : result;
}

static int64_t pages_share(uint64_t start, uint64_t end)
{
    struct page_run run;
    int64_t result = EXO_OK;

    while (result == EXO_OK && page_run_next(&start, end, &run))
        result = run_share(&run);
    return result;
}

static void start_fill(const struct unix_range *chunk)
{
    struct exo_start *start = &child.start;

    exo_text_copy(start->name, exo_start.name, sizeof start->name);
    start->capability[0] = (struct exo_start_capability){ .slot = SLOT_POOL, .kind = EXO_KIND_FRAMES, .first = chunk->first,
                                                          .count = chunk->count };
    start->capability[1] = (struct exo_start_capability){ .slot = SLOT_SELF, .kind = EXO_KIND_ENVIRONMENT,
                                                          .first = child.frame, .count = 1 };
    start->capability_count = 2;
}

/* All of the child but our own data. */
static int64_t child_build(const struct unix_range *chunk, uint32_t window, uint32_t state)
{
    start_fill(chunk);
    int64_t result = exo_child_memory(&child, SLOT_POOL);

    if (result == EXO_OK)
        result = pages_share((uint64_t)exo_image_start, (uint64_t)exo_data_start);
    if (result == EXO_OK)
        result = pages_share(UNIX_SITES_ADDRESS, UNIX_SITES_ADDRESS + SITE_PAGES * EXO_FRAME_SIZE);
    for (uint32_t i = 0; i < regions.count && result == EXO_OK; i++)
        result = pages_share(regions.region[i].start, regions.region[i].end);
    if (result == EXO_OK)
        result = exo_space_map(&child.space, UNIX_WINDOW_ADDRESS, window, WINDOW_PAGES, SLOT_WINDOW, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result == EXO_OK)
        result = exo_space_map(&child.space, UNIX_STATE_ADDRESS, state, 1, SLOT_STATE, EXO_MAP_READ);
    if (result == EXO_OK)
        result = exo_child_prepare(&child, (uint64_t)exo_event_entry, (uint64_t)exo_exception_entry);
    return result == EXO_OK ? exo_space_view(&child.space, UNIX_VIEW_ADDRESS) : result;
}

static int64_t data_copy(const void *from, const void *to, const void *source)
{
    size_t size = (size_t)((const uint8_t *)to - (const uint8_t *)from);
    return exo_child_fill(&child, (uint64_t)from, (uint32_t)(size / EXO_FRAME_SIZE), EXO_MAP_READ | EXO_MAP_WRITE, source, size);
}

/* Called where the child goes on: our data are copied as they are now, but for `kin`. */
static int64_t data_build(void *argument)
{
    (void)argument;
    pool_open(&staged.pool, &(struct unix_range){ child.frames.first, child.frames.count, SLOT_POOL, 0 });
    staged.pool.chunk[0].next = child.frames.next;
    staged.space = child.space;
    staged.space.subject = 0;
    staged.space.frames = &kin.pool.chunk[0];
    int64_t result = data_copy(exo_data_start, &kin, exo_data_start);
    if (result == EXO_OK)
        result = data_copy(&kin, &kin + 1, &staged);
    if (result == EXO_OK)
        result = data_copy(&kin + 1, exo_image_end, &kin + 1);
    while (child.frames.stocked)
        exo_frame_release(&child.frames, child.frames.stock[--child.frames.stocked]);
    if (result == EXO_OK)
        result = exo_child_release(&child);
    return result == EXO_OK ? 1 : result;
}

void process_enter(void)
{
    exo_vcpu_entry(0, 0, EXO_ENTRY_FOREIGN, (uint64_t)foreign_entry);
}

static int64_t child_run(void)
{
    bool blocked = exo_events_block();

    fpu_save(fork_fpu);
    int64_t result = exo_fork_call(exo_threads, data_build, 0);
    if (result == 0) {
        exo_program_adopt();
        process_enter();
        memory_adopt();
    } else {
        exo_events_restore(blocked);
    }
    fpu_load(fork_fpu);
    return result;
}

int64_t process_fork(void)
{
    static struct unix_fork fork;
    uint64_t words[7] = { UNIX_FORK };
    int64_t result = owners_list(&fork);

    if (result < 0)
        return result;
    if (!exo_space_table(&kin.space, EXO_WINDOW_ADDRESS) && !(pool_grow() && exo_space_table(&kin.space, EXO_WINDOW_ADDRESS)))
        return -ENOMEM;
    memcpy(WINDOW->data, &fork, sizeof fork);
    int64_t pid = server_call(words);
    if (pid < 0)
        return pid;
    memcpy(&fork, WINDOW->data, sizeof fork);
    staged.view_count = fork.view_count;
    memcpy(staged.view, fork.view, sizeof staged.view);
    exo_child_adopt(&child, &kin.space, SLOT_CHILD, SLOT_CHILD_WINDOW, (uint32_t)words[1]);
    result = child_build(&fork.chunk, (uint32_t)words[2], (uint32_t)words[3]);
    if (result == EXO_OK)
        result = child_run();
    if (result == 0)
        return 0;
    server_ask(UNIX_FORK_DONE, (uint64_t)pid, result == 1, (uint64_t)result);
    return result == 1 ? pid : -ENOMEM;
}
