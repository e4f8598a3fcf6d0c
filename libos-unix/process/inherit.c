#include "inherit.h"
#include "memory.h"
#include "region.h"
#include "runtime.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>

enum { AROUND = 4, CODE_RUNS = 16 };
#define TABLE_SPAN (1ull << 21)

static uint16_t slot_in(const struct unix_range *ranges, uint32_t count, uint32_t frame)
{
    for (uint32_t i = 0; i < count; i++)
        if (frame - ranges[i].first < ranges[i].count)
            return (uint16_t)ranges[i].slot;
    return 0;
}

static uint64_t run_end(const struct unix_run *run)
{
    return run->page + (uint64_t)run->count * EXO_FRAME_SIZE;
}

struct run_list {
    struct unix_run *run;
    uint32_t count, most;
};

static bool run_add(struct run_list *list, uint64_t page, uint32_t frame, uint32_t count)
{
    if (list->count == list->most)
        return false;
    list->run[list->count++] = (struct unix_run){ page, frame, count };
    return true;
}

/* [start, end) of it is no more in the list. */
static bool run_cut(struct run_list *list, uint32_t i, uint64_t start, uint64_t end)
{
    struct unix_run *run = &list->run[i], was = *run;
    uint32_t before = run->page < start ? (uint32_t)((start - run->page) / EXO_FRAME_SIZE) : 0;
    uint32_t gone = (uint32_t)((end - run->page) / EXO_FRAME_SIZE);

    run->count = before;
    if (!before)
        memmove(run, run + 1, (--list->count - i) * sizeof *run);
    return gone >= was.count || run_add(list, was.page + (uint64_t)gone * EXO_FRAME_SIZE, was.frame + gone, was.count - gone);
}

static bool runs_cut(struct run_list *list, uint64_t start, uint64_t end)
{
    for (uint32_t i = list->count; i-- > 0;)
        if (list->run[i].page < end && run_end(&list->run[i]) > start && !run_cut(list, i, start, end))
            return false;
    return true;
}

/* The pages that are there; those of files are found again. */
static bool present_list(struct run_list *list, uint64_t start, uint64_t end)
{
    struct page_walk walk = page_walk(start, end);
    struct page_run run;

    while (page_run_next(&walk, &run)) {
        if (run.writable && exo_space_change(&kin.space, run.address, run.count, EXO_MAP_READ) != EXO_OK)
            return false;
        if (!slot_in(memory_state.file, memory_state.file_count, run.frame) && !run_add(list, run.address, run.frame, run.count))
            return false;
    }
    return true;
}

/* What we inherited ourselves and have not touched. */
static bool inherited_list(struct run_list *list)
{
    for (uint32_t i = 0; i < memory_state.inherited_count; i++) {
        const struct unix_run *run = &memory_state.inherited[i];
        uint32_t first = 0;
        for (uint32_t n = 0; n <= run->count; n++) {
            uint64_t page = run->page + (uint64_t)n * EXO_FRAME_SIZE;
            if (n < run->count && !page_is_present(page))
                continue;
            if (n > first && !run_add(list, run->page + (uint64_t)first * EXO_FRAME_SIZE, run->frame + first, n - first))
                return false;
            first = n + 1;
        }
    }
    return true;
}

void inherit_note(uint64_t page, uint32_t count)
{
    struct memory_state *state = &memory_state;
    uint64_t end = page + (uint64_t)count * EXO_FRAME_SIZE;

    if (!state->is_listed || (page >= UNIX_RUNTIME_ADDRESS && page < UNIX_RUNTIME_END && page - UNIX_SITES_ADDRESS >= SITE_PAGES * EXO_FRAME_SIZE))
        return;
    for (uint32_t i = 0; i < state->change_count; i++)
        if (state->change[i].start <= page && end <= state->change[i].end)
            return;
    if (state->change_count == CHANGES_MAX) {
        state->is_listed = false;
        return;
    }
    state->change[state->change_count].start = page;
    state->change[state->change_count++].end = end;
}

void inherit_forget(void)
{
    memory_state.is_listed = false;
}

/* The list of the last fork, brought up to date. */
static bool changes_list(struct run_list *list)
{
    bool done = memory_state.is_listed;

    for (uint32_t i = 0; i < memory_state.change_count && done; i++)
        done = runs_cut(list, memory_state.change[i].start, memory_state.change[i].end) &&
               present_list(list, memory_state.change[i].start, memory_state.change[i].end);
    return done;
}

static bool all_list(struct run_list *list)
{
    bool done = present_list(list, UNIX_SITES_ADDRESS, UNIX_SITES_ADDRESS + SITE_PAGES * EXO_FRAME_SIZE);

    for (uint32_t i = 0; i < regions.count && done; i++)
        done = present_list(list, regions.region[i].start, regions.region[i].end);
    return done;
}

bool inherit_list(struct unix_fork *fork)
{
    struct run_list listed = { memory_state.listed, memory_state.listed_count, LISTED_MAX }, list = { fork->run, 0, RUNS_MAX };

    if (changes_list(&listed)) {
        list.count = listed.count;
        memcpy(fork->run, listed.run, listed.count * sizeof *fork->run);
    } else {
        memory_state.is_listed = false;
        if (!all_list(&list))
            return false;
        memory_state.is_listed = list.count <= LISTED_MAX;
        if (memory_state.is_listed)
            memcpy(memory_state.listed, list.run, list.count * sizeof *list.run);
    }
    memory_state.listed_count = list.count;
    memory_state.change_count = 0;
    bool done = inherited_list(&list);
    fork->run_count = list.count;
    return done;
}

/* A page of the list lies in one. */
static const struct region *region_of(uint64_t page)
{
    static const struct region sites = { .start = UNIX_SITES_ADDRESS, .end = UNIX_SITES_ADDRESS + SITE_PAGES * EXO_FRAME_SIZE,
                                         .protection = PROT_READ | PROT_EXEC };
    return page - sites.start < sites.end - sites.start ? &sites : region_find(page);
}

static uint32_t flags_at(uint64_t page)
{
    const struct region *region = region_of(page);
    return EXO_MAP_READ | (region && region->protection & PROT_EXEC ? EXO_MAP_EXECUTE : 0);
}

static bool run_bind(const struct unix_run *run, uint32_t first, uint32_t count)
{
    uint64_t page = run->page + (uint64_t)first * EXO_FRAME_SIZE;
    uint16_t slot = slot_in(kin.view, kin.view_count, run->frame + first);

    return slot && page_bind(page, run->frame + first, count, slot, flags_at(page));
}

/* How many pages of the run are there. */
static uint32_t run_bound(const struct unix_run *run, const volatile uint64_t *entries)
{
    uint32_t bound = 0;

    for (uint32_t n = 0; n < run->count; n++)
        bound += entries[n] && exo_entry_frame(entries[n]) == run->frame + n;
    return bound;
}

/* Runs of code, with which the list begins, that are not there: as far as page tables are; and how many pages are there. */
static uint32_t code_list(struct exo_mapping *batch, uint32_t *ret_bound)
{
    struct page_walk at = page_walk(0, 0); /* of which table the entries are */
    const struct region *region = 0;       /* that the last run was in */
    uint32_t count = 0;

    *ret_bound = 0;
    for (uint32_t i = 0; i < memory_state.inherited_count; i++) {
        const struct unix_run *run = &memory_state.inherited[i];
        if (!region || run->page < region->start || run->page >= region->end) {
            region = region_of(run->page);
            if (!region || !(region->protection & PROT_EXEC))
                break;
        }
        if (run->page - at.at >= TABLE_SPAN) {
            at.at = run->page & -TABLE_SPAN;
            at.entries = exo_space_entries(&kin.space, run->page);
        }
        if (!at.entries)
            break;
        uint32_t bound = run_bound(run, at.entries + run->page / EXO_FRAME_SIZE % EXO_TABLE_ENTRIES);
        *ret_bound += bound;
        if (bound == 0 && count < CODE_RUNS && run->count <= AROUND)
            batch[count++] = (struct exo_mapping){ run->page, exo_space_find(&kin.space, run->page, 1), run->frame,
                                                   slot_in(kin.view, kin.view_count, run->frame), EXO_MAP_READ | EXO_MAP_EXECUTE, run->count - 1 };
    }
    return count;
}

static void all_unbind(uint64_t start, uint64_t end)
{
    struct page_walk walk = page_walk(start, end);
    struct page_run run;

    while (page_run_next(&walk, &run))
        exo_space_unmap(&kin.space, run.address, run.count);
}

/* Rewritten code and what it jumps to will surely be touched: it comes by one call, as far as it is not there from who was in our environment before.
 * Should anything else be there, too, all of that goes. */
static void code_bind(uint32_t was_bound)
{
    struct exo_mapping *batch = EXO_CONTEXT->batch;
    uint32_t bound, count = code_list(batch, &bound);

    if (bound != was_bound) {
        all_unbind(UNIX_PROGRAM_ADDRESS, UNIX_PROGRAM_ADDRESS + TABLE_SPAN);
        all_unbind(UNIX_SITES_ADDRESS, UNIX_SITES_ADDRESS + SITE_PAGES * EXO_FRAME_SIZE);
        count = code_list(batch, &bound);
    }
    if (count--)
        exo_space_bind(0, batch[count].address, exo_mapping_entry(batch[count].table, batch[count].frame),
                       exo_mapping_way(batch[count].capability, batch[count].flags, batch[count].more), count);
}

bool inherit_adopt(const struct unix_fork *fork)
{
    pool_open(&kin.pool, &fork->chunk);
    vector_clear(&kin.space, sizeof kin.space);
    exo_space_open_cleared(&kin.space, &exo_start, &kin.pool.chunk[0]);
    kin.view_count = fork->view_count;
    memcpy(kin.view, fork->view, fork->view_count * sizeof *fork->view);
    kin.ready_count = kin.ready_used = 0;
    kin.space.view = UNIX_VIEW_ADDRESS; /* where the server bound the tables that it made */
    bool done = true;
    memory_state.is_listed = false;
    memory_state.left_count = memory_state.copied = memory_state.regained = memory_state.filled = 0;
    memory_state.inherited_count = fork->run_count < INHERITED_MAX ? fork->run_count : INHERITED_MAX;
    memcpy(memory_state.inherited, fork->run, memory_state.inherited_count * sizeof *fork->run);
    code_bind(fork->code_count);
    for (uint32_t i = INHERITED_MAX; i < fork->run_count && done; i++)
        done = run_bind(&fork->run[i], 0, fork->run[i].count);
    return done;
}

bool inherit_bind(uint64_t page)
{
    for (uint32_t i = memory_state.inherited_count; i-- > 0;) { /* what the parent wrote to last stands last */
        const struct unix_run *run = &memory_state.inherited[i];
        if (page - run->page >= (uint64_t)run->count * EXO_FRAME_SIZE)
            continue;
        uint32_t first = (uint32_t)((page - run->page) / EXO_FRAME_SIZE), count = 1;
        while (count < AROUND && first + count < run->count && !page_is_present(page + (uint64_t)count * EXO_FRAME_SIZE) &&
               flags_at(page) == flags_at(page + (uint64_t)count * EXO_FRAME_SIZE) &&
               slot_in(kin.view, kin.view_count, run->frame + first) == slot_in(kin.view, kin.view_count, run->frame + first + count))
            count++;
        return run_bind(run, first, count);
    }
    return false;
}

bool inherit_find(uint64_t page, uint32_t *ret_frame, uint16_t *ret_slot)
{
    for (uint32_t i = memory_state.inherited_count; i-- > 0;) { /* what the parent wrote to last stands last */
        const struct unix_run *run = &memory_state.inherited[i];
        if (page - run->page >= (uint64_t)run->count * EXO_FRAME_SIZE)
            continue;
        *ret_frame = run->frame + (uint32_t)((page - run->page) / EXO_FRAME_SIZE);
        *ret_slot = slot_in(kin.view, kin.view_count, *ret_frame);
        return *ret_slot;
    }
    return false;
}

uint64_t inherit_next(uint64_t page, uint64_t end)
{
    for (uint32_t i = 0; i < memory_state.inherited_count; i++) {
        const struct unix_run *run = &memory_state.inherited[i];
        if (run_end(run) > page && run->page < end)
            end = run->page > page ? run->page : page;
    }
    return end;
}

/* The list is full: what is behind the gap comes now. */
static void rest_keep(const struct unix_run *rest)
{
    if (memory_state.inherited_count < INHERITED_MAX) {
        memory_state.inherited[memory_state.inherited_count++] = *rest;
        return;
    }
    for (uint32_t i = 0; i < rest->count; i++)
        if (!page_is_present(rest->page + (uint64_t)i * EXO_FRAME_SIZE) && !run_bind(rest, i, 1))
            process_die(SIGSEGV);
}

void inherit_drop(uint64_t start, uint64_t end)
{
    for (uint32_t i = memory_state.inherited_count; i-- > 0;) {
        struct unix_run *run = &memory_state.inherited[i], was = *run;
        if (run_end(run) <= start || run->page >= end)
            continue;
        run->count = run->page < start ? (uint32_t)((start - run->page) / EXO_FRAME_SIZE) : 0;
        if (run_end(&was) > end) {
            uint32_t gap = (uint32_t)((end - was.page) / EXO_FRAME_SIZE);
            const struct unix_run rest = { end, was.frame + gap, was.count - gap };
            if (run->count)
                rest_keep(&rest);
            else
                *run = rest;
        } else if (!run->count) {
            *run = memory_state.inherited[--memory_state.inherited_count];
        }
    }
}
