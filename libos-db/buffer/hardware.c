/* The pool's hardware on Exo: page tables in batches, the ring of the program's extent, frames of its FRAMES capability. */
#include "hardware.h"
#include "ground.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define OWN_ADDRESS  0x220000000000ull /* what is taken once and kept */
#define RING_ADDRESS 0x230000000000ull

enum { MAPPINGS_MAX = EXO_MAPPINGS_MAX + 1, TABLE_PAGES = EXO_TABLE_ENTRIES, TABLES_MAX = 384, MAP_BOTH = EXO_MAP_READ | EXO_MAP_WRITE };

typedef int64_t space_call(uint16_t subject, uint64_t address, uint64_t entry, uint64_t way, uint64_t further);

/* Pages in a row of one table, whose frames are of one capability: a mapping of the kernel's. */
struct run {
    uint32_t page, frame, count;
};

static struct exo_frames frames, own_frames, loan; /* the pool's; what is kept; what is the pool's in turn with others */
static struct exo_space space;
static struct exo_disk_ring ring;
static const struct exo_start_capability *extent;
static uint64_t own_next = OWN_ADDRESS;
static uint32_t begun, page_limit, own_count;
static uint32_t tables[TABLES_MAX];
static int64_t worst;

struct ground_figures ground_figures;
bool hardware_robbed;

static void must(int64_t result, const char *what)
{
    if (result == EXO_OK)
        return;
    exo_print("%s: %s", what, exo_status_name(result));
    exo_exit(1);
}

/* The capability to memory that is not guaranteed, and the one that is, if it has room for what never leaves. */
static void frames_open(uint32_t own_least)
{
    const struct exo_start_capability *first = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));
    const struct exo_start_capability *second = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 1));

    exo_frames_open(&frames, 0, first->slot, first->first, first->count);
    own_frames = frames;
    if (!second || !(second->rights & EXO_RIGHT_KEPT))
        return;
    struct exo_frames kept;
    exo_frames_open(&kept, 0, second->slot, second->first, second->count);
    if (exo_frames_free(&kept) >= own_least)
        own_frames = kept;
}

/* The page tables of all pages, and the view of their entries. */
static void tables_make(uint32_t pages)
{
    for (uint32_t page = 0; page < pages; page += TABLE_PAGES) {
        uint32_t table = exo_space_table(&space, POOL_ADDRESS + (uint64_t)page * PAGE_SIZE);
        if (!table) {
            exo_print("there is not memory enough for the pool's page tables: make `memory` in the manifest larger, or `extents` smaller");
            exo_exit(1);
        }
        tables[page / TABLE_PAGES] = table;
        must(exo_space_map(&space, (uint64_t)POOL_ENTRIES + (uint64_t)page / TABLE_PAGES * PAGE_SIZE, table, 1,
                           own_frames.capability, EXO_MAP_READ), "a view of the pool's page tables");
    }
}

uint32_t ground_open(uint32_t pages_more, uint32_t own_pages)
{
    extent = exo_disk_extent(0);
    if (!extent)
        return 0;
    page_limit = extent->count + pages_more;
    uint32_t count = (page_limit + TABLE_PAGES - 1) / TABLE_PAGES;
    if (count > TABLES_MAX)
        return 0;
    frames_open(2 * count + page_limit / (PAGE_SIZE / 8) + 32 + own_pages);
    exo_space_open(&space, &exo_start, &own_frames);
    must(exo_disk_open(&ring, extent, &space, RING_ADDRESS), "a ring to the disk");
    const struct exo_start_capability *lent = exo_start_loan(0);
    if (lent)
        exo_frames_open(&loan, 0, lent->slot, lent->first, lent->count);
    tables_make(page_limit);
    return extent->count;
}

uint16_t ground_capability(void)
{
    return frames.capability;
}

struct exo_disk_ring *ground_ring(void)
{
    return &ring;
}

const void *ground_archive(uint64_t *ret_size)
{
    const uint64_t address = OWN_ADDRESS + (1ull << 36);

    for (uint32_t n = 0; exo_start_slot(EXO_KIND_FRAMES, n); n++) {
        const struct exo_start_capability *held = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, n));
        if (held->rights != EXO_RIGHT_READ)
            continue; /* its own memory, or a loan */
        must(exo_space_map(&space, address, held->first, held->count, held->slot, EXO_MAP_READ), "the archive");
        *ret_size = (uint64_t)held->count * PAGE_SIZE;
        return (const void *)address;
    }
    return 0;
}

void *hardware_memory(uint32_t pages)
{
    uint64_t address = own_next;

    for (uint32_t i = 0; i < pages; i++) {
        uint32_t frame = exo_frame_alloc(&own_frames);
        if (!frame)
            return 0;
        must(exo_space_map(&space, address + (uint64_t)i * PAGE_SIZE, frame, 1, own_frames.capability, MAP_BOTH), "memory");
    }
    own_next += (uint64_t)pages * PAGE_SIZE;
    return (void *)address;
}

static bool is_lent(uint32_t frame)
{
    return frame - loan.first < loan.count;
}

/* The loan's capability is refused until it is the program's turn. While the loan has frames the others are not looked through each time. */
uint32_t hardware_frame_take(void)
{
    static bool is_from_loan;
    uint32_t frame = is_from_loan ? 0 : exo_frame_alloc(&frames);

    if (frame || !loan.count)
        return frame;
    frame = exo_frame_alloc(&loan);
    if (!frame && is_from_loan)
        frame = exo_frame_alloc(&frames);
    is_from_loan = is_lent(frame);
    return frame;
}

uint32_t hardware_frames_free(void)
{
    own_count = exo_frames_free(&frames) + frames.stocked;
    return own_count + loan.count;
}

uint32_t ground_own_frames(void)
{
    return own_count;
}

bool ground_is_loan(uint16_t capability, uint32_t *ret_first, uint32_t *ret_count)
{
    if (!loan.count || capability != loan.capability)
        return false;
    *ret_first = loan.first;
    *ret_count = loan.count;
    return true;
}

bool ground_has_loan(void)
{
    return loan.count;
}

void ground_loan_return(void)
{
    loan.stocked = 0;
    exo_drop(loan.capability); /* refused when its time was over: then it is gone already */
}

bool hardware_frame_return(uint16_t capability, uint32_t frame)
{
    return capability == frames.capability && exo_frame_return(0, capability, frame, 1) == 1;
}

bool hardware_frame_is_own(uint32_t frame)
{
    const volatile struct exo_frame *info = exo_frame_info(frame);
    return info->owner == exo_start.environment && info->kind == EXO_FRAME_DATA;
}

static uint16_t capability_of(uint32_t frame)
{
    return is_lent(frame) ? loan.capability : frames.capability;
}

static struct exo_mapping mapping_of(const struct run *run, uint32_t flags)
{
    uint16_t capability = run->frame ? capability_of(run->frame) : 0;

    return (struct exo_mapping){
        .address = POOL_ADDRESS + (uint64_t)run->page * PAGE_SIZE, .table = tables[run->page / TABLE_PAGES],
        .frame = run->frame, .capability = capability, .flags = (uint16_t)flags, .more = run->count - 1,
    };
}

/* How many pages of the runs the call did. The first run goes in registers. */
static int64_t runs_call(space_call *call, const struct run *runs, uint32_t count, uint32_t flags)
{
    struct exo_mapping first = mapping_of(&runs[0], flags);

    for (uint32_t i = 1; i < count; i++)
        EXO_CONTEXT->batch[i - 1] = mapping_of(&runs[i], flags);
    return call(0, first.address, exo_mapping_entry(first.table, first.frame),
                exo_mapping_way(first.capability, (uint16_t)flags, first.more), count - 1);
}

static void runs_cut(struct run *runs, uint32_t *count, uint32_t pages)
{
    uint32_t gone = 0;

    while (gone < *count && runs[gone].count <= pages)
        pages -= runs[gone++].count;
    for (uint32_t i = gone; i < *count; i++)
        runs[i - gone] = runs[i];
    *count -= gone;
    if (*count && pages) {
        runs[0].page += pages;
        runs[0].frame += runs[0].frame ? pages : 0;
        runs[0].count -= pages;
    }
}

/* Was it refused because the loan's capability is withdrawn? The kernel still goes through its frames then, and each seems to be the program's
 * until it has come there: so that is waited for. */
static bool loan_is_ending(int64_t status)
{
    enum { LOOK_NS = 100000, LOOKS = 20000 }; /* 2 s */

    if (status != EXO_BAD_CAPABILITY || !loan.count)
        return false;
    for (uint32_t i = 0, looks = 0; i < loan.count; i++)
        for (; hardware_frame_is_own(loan.first + i); looks++) {
            if (looks == LOOKS)
                return false;
            exo_sleep(exo_time() + LOOK_NS, EXO_EVENT_TIMER, false);
        }
    hardware_robbed = true;
    return true;
}

/* Nothing was done for the first page: its frame is the program's no more, or its entry is empty since the frame was taken. */
static bool is_robbed(const struct run *run, int64_t status)
{
    bool is_gone = run->frame ? !hardware_frame_is_own(run->frame) : !(POOL_ENTRIES[run->page] & ENTRY_PRESENT);

    hardware_robbed |= is_gone;
    return is_gone || (is_lent(run->frame) && loan_is_ending(status));
}

static void runs_change(space_call *call, struct run *runs, uint32_t count, uint32_t flags, const char *what)
{
    while (count) {
        uint32_t some = count < MAPPINGS_MAX ? count : MAPPINGS_MAX;
        int64_t done = runs_call(call, runs, some, flags);
        if (done <= 0 && !is_robbed(&runs[0], done))
            must(done ? done : EXO_BAD_ARGUMENT, what);
        runs_cut(runs, &count, done <= 0 ? 1 : (uint32_t)done);
    }
}

/* Add a page to the runs: to the last one if it goes on there. frame 0: none are meant. */
static uint32_t run_add(struct run *runs, uint32_t count, uint32_t page, uint32_t frame)
{
    struct run *last = count ? &runs[count - 1] : 0;

    bool goes_on = last && page == last->page + last->count && page % TABLE_PAGES &&
                   (!frame || (frame == last->frame + last->count && is_lent(frame) == is_lent(last->frame)));
    if (goes_on) {
        last->count++;
        return count;
    }
    runs[count] = (struct run){ page, frame, 1 };
    return count + 1;
}

void hardware_bind(const struct hardware_pair *pairs, uint32_t count)
{
    struct run runs[HARDWARE_BATCH];
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++)
        found = run_add(runs, found, pairs[i].page, pairs[i].frame);
    runs_change(exo_space_bind, runs, found, MAP_BOTH, "bind pages");
}

static uint32_t pages_runs(const uint32_t *pages, uint32_t count, struct run *runs)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++)
        found = run_add(runs, found, pages[i], 0);
    return found;
}

void hardware_unbind(const uint32_t *pages, uint32_t count)
{
    struct run runs[HARDWARE_BATCH];
    runs_change(exo_space_unbind, runs, pages_runs(pages, count, runs), 0, "unbind pages");
}

void hardware_clear(enum hardware_bit bit, const uint32_t *pages, uint32_t count)
{
    struct run runs[HARDWARE_BATCH];
    uint32_t flags = MAP_BOTH | (bit == BIT_DIRTY ? EXO_MAP_CLEAN : EXO_MAP_AGE);

    runs_change(exo_space_protect, runs, pages_runs(pages, count, runs), flags, "clear bits of pages");
}

/* Completions that have come; with `wait`, at least one. */
static void completions_take(bool wait)
{
    struct exo_completion completion;

    while (begun && (wait ? exo_disk_wait(&ring, EXO_NEVER, &completion) : exo_disk_take(&ring, &completion))) {
        wait = false;
        begun--;
        if (completion.status < 0)
            worst = completion.status;
    }
}

static void request_put(enum exo_disk_operation operation, uint32_t page, uint32_t frame, uint16_t count)
{
    ring.frames = capability_of(frame);
    while (!exo_disk_put(&ring, operation, 0, extent->first + page, frame, count)) {
        exo_disk_go(&ring);
        completions_take(true);
    }
    begun++;
}

/* Frames of two capabilities are two requests. */
void hardware_move(enum hardware_move move, uint32_t page, uint32_t frame, uint32_t count)
{
    for (uint32_t done = 0, run; done < count; done += run) {
        for (run = 1; done + run < count && is_lent(frame + done + run) == is_lent(frame + done); run++)
            ;
        request_put(move == MOVE_WRITE ? EXO_DISK_WRITE : EXO_DISK_READ, page + done, frame + done, (uint16_t)run);
        *(move == MOVE_WRITE ? &ground_figures.writes : &ground_figures.reads) += 1;
    }
}

int64_t hardware_wait(void)
{
    int64_t result = begun ? exo_disk_go(&ring) : 0;

    if (result < 0)
        return result;
    while (begun)
        completions_take(true);
    result = worst;
    worst = 0;
    loan_is_ending(result);
    return result;
}

/* A device without a cache has nothing to flush. */
int64_t hardware_flush(void)
{
    if (!(exo_disk_info(ring.disk)->flags & EXO_DISK_CAN_FLUSH))
        return 0;
    request_put(EXO_DISK_FLUSH, 0, 0, 0);
    ground_figures.flushes++;
    return hardware_wait();
}
