/*
 * Three copies of the program read and write blocks of their own at random, and check all that they read, while their parent takes
 * frames and blocks from them by force, uses both itself, and at the end destroys one at work: nothing that a device still does
 * for one of them ever shows in what another has now.
 */
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <offspring.h>
#include <exo/calls.h>
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum {
    WORKERS = 3, BLOCKS = 128, LOOSE_BLOCKS = 32, /* of each: checked ones, and those that the parent takes */
    AT_ONCE = 4, LOOSE_FRAMES = 8, LOOSE_AT = OFFSPRING_FRAMES - LOOSE_FRAMES, /* of its frames: the last */
    WORDS = EXO_FRAME_SIZE / 8, TAKEN_AT_ONCE = 2, STEADY_NS = 2000000, FORCED_LEAST = 5,
};
#define RING_ADDRESS   0x2c000000ull
#define BUFFER_ADDRESS 0x2c200000ull
#define TAKEN_ADDRESS  0x2c400000ull
#define PARENTS        0x7061726e74ull /* what the parent writes */
#define LONGEST_NS     90000000000ull /* on a computer that is busy otherwise */

struct shared {
    volatile uint64_t is_over;
    volatile uint64_t rounds[WORKERS], chains[WORKERS], refused[WORKERS];
};
#define SHARED ((struct shared *)OFFSPRING_SHARED)

static struct offspring worker[WORKERS];
static uint16_t block_slot[WORKERS], loose_slot[WORKERS]; /* in the workers' tables */
static struct exo_start_capability extent; /* the whole: a copy, since the workers begin with other capabilities */

/* ---- a worker */

static struct exo_disk_ring ring;
static uint32_t number, buffer, loose, versions[BLOCKS];
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(random_state >> 33) % limit;
}

static uint32_t blocks_of(uint32_t which)
{
    return extent.first + which * (BLOCKS + LOOSE_BLOCKS);
}

static uint64_t word_of(uint32_t block, uint32_t version, uint32_t i)
{
    return version ? ((uint64_t)(number + 1) << 56) ^ ((uint64_t)block << 40) ^ ((uint64_t)version << 16) ^ i * 0x9e3779b97f4a7c15 : 0;
}

static uint64_t *page(uint32_t frame)
{
    return (uint64_t *)(BUFFER_ADDRESS + (uint64_t)frame * EXO_FRAME_SIZE);
}

static void page_fill(uint32_t frame, uint32_t block, uint32_t version)
{
    for (uint32_t i = 0; i < WORDS; i++)
        page(frame)[i] = word_of(block, version, i);
}

static void page_check(uint32_t frame, uint32_t block, const char *what)
{
    for (uint32_t i = 0; i < WORDS; i++)
        if (page(frame)[i] != word_of(block, versions[block], i)) {
            exo_print("worker %u: block %u, word %u is %lx instead of %lx: %s", number, block, i, page(frame)[i],
                      word_of(block, versions[block], i), what);
            check_print(false, "what was read is what was written");
            exo_exit(1);
        }
}

/* Of so many requests, whose tags are 0 up: their statuses. */
static void statuses_take(uint32_t count, int32_t *status)
{
    struct exo_completion completion;

    exo_disk_go(&ring);
    for (uint32_t i = 0; i < count; i++) {
        if (!exo_disk_wait(&ring, exo_time() + 30000000000, &completion) || completion.tag >= count) {
            check_print(false, "each request ends once");
            exo_exit(2);
        }
        status[completion.tag] = completion.status;
    }
}

/* Blocks that differ, to or from the first pages of the buffer. */
static void round_checked(bool writes)
{
    uint32_t first = random_below(BLOCKS), step = 1 + 2 * random_below(BLOCKS / 2), blocks[AT_ONCE];
    int32_t status[AT_ONCE];

    for (uint32_t i = 0; i < AT_ONCE; i++) {
        blocks[i] = (first + i * step) % BLOCKS;
        if (writes)
            page_fill(i, blocks[i], ++versions[blocks[i]]);
        exo_disk_put(&ring, writes ? EXO_DISK_WRITE : EXO_DISK_READ, i, blocks_of(number) + blocks[i], buffer + i, 1);
    }
    statuses_take(AT_ONCE, status);
    for (uint32_t i = 0; i < AT_ONCE; i++) {
        check_must("a request of its own", status[i]);
        if (!writes)
            page_check(i, blocks[i], "read");
    }
}

/* A frame that may be taken at any time: from the disk into it, and from it to the disk. */
static void round_chained(void)
{
    uint32_t from = random_below(BLOCKS), to = random_below(BLOCKS), frame = loose + random_below(LOOSE_FRAMES);
    uint32_t repossessed = EXO_CONTEXT->repossessed_count;

    int64_t taken = exo_frame_take(0, memory_frames.capability, frame, 1);
    bool was_mine = taken == EXO_TAKEN;
    ring.frames = memory_frames.capability;
    int64_t read = exo_disk_run(&ring, EXO_DISK_READ, blocks_of(number) + from, frame, 1);
    ring.extent = loose_slot[number]; /* anything of its own: the parent may have the blocks by now */
    exo_disk_run(&ring, EXO_DISK_WRITE, blocks_of(number) + BLOCKS + to % LOOSE_BLOCKS, frame, 1);
    ring.extent = block_slot[number];
    int64_t written = read == EXO_OK ? exo_disk_run(&ring, EXO_DISK_WRITE, blocks_of(number) + to, frame, 1) : read;
    SHARED->refused[number] += read < 0 || written < 0;
    if (written != EXO_OK)
        return;
    check_must("read of what was moved", exo_disk_run(&ring, EXO_DISK_READ, blocks_of(number) + to, buffer, 1));
    if (EXO_CONTEXT->repossessed_count == repossessed && was_mine) {
        for (uint32_t i = 0; i < WORDS; i++)
            if (page(0)[i] != word_of(from, versions[from], i)) {
                check_print(false, "what went through a frame is what was read into it");
                exo_exit(3);
            }
        SHARED->chains[number]++;
    }
    page_fill(0, to, ++versions[to]); /* whatever it is now */
    check_must("write", exo_disk_run(&ring, EXO_DISK_WRITE, blocks_of(number) + to, buffer, 1));
}

static int work(void)
{
    struct exo_start_capability own = {.slot = block_slot[number], .first = blocks_of(number)};

    random_state = exo_start.environment + 77;
    loose = worker[number].first + LOOSE_AT;
    check_must("a ring", exo_disk_open(&ring, &own, &memory_space, RING_ADDRESS));
    buffer = exo_frame_alloc_run(&memory_frames, AT_ONCE, 1);
    check_must("a buffer", exo_space_map(&memory_space, BUFFER_ADDRESS, buffer, AT_ONCE, memory_frames.capability,
                                         EXO_MAP_READ | EXO_MAP_WRITE));
    for (uint32_t block = 0; block < BLOCKS; block++) { /* the disk is not empty for the second in a place */
        page_fill(0, block, versions[block] = 1);
        check_must("first write", exo_disk_run(&ring, EXO_DISK_WRITE, blocks_of(number) + block, buffer, 1));
    }
    while (!SHARED->is_over) {
        uint32_t what = random_below(3);
        if (what < 2)
            round_checked(what);
        else
            round_chained();
        SHARED->rounds[number]++;
    }
    return 0;
}

/* ---- the parent */

/* What is owned under the capability that the workers' derive from, they could use too: it takes under another one. */
enum { PRIVATE_SLOT = 60 };

static uint32_t forced; /* how often frames were taken so */

static uint64_t *taken_page(uint32_t i)
{
    return (uint64_t *)(TAKEN_ADDRESS + (uint64_t)i * EXO_FRAME_SIZE);
}

static bool pages_are(uint32_t count, uint64_t value, const char *what)
{
    for (uint32_t i = 0; i < count * WORDS; i++)
        if (taken_page(0)[i] != value)
            return check_equal(what, (int64_t)taken_page(0)[i], (int64_t)value);
    return true;
}

static void steady_wait(void)
{
    for (uint64_t until = exo_time() + STEADY_NS; exo_time() < until;)
        exo_sleep(until, EXO_EVENT_TIMER, false);
}

static void frames_map(uint32_t frame, uint32_t count)
{
    check_must("a view", exo_space_map(&memory_space, TAKEN_ADDRESS, frame, count, PRIVATE_SLOT, EXO_MAP_READ | EXO_MAP_WRITE));
}

/* They come cleared, and stay as they are, although their old owner had requests for them under way. */
static bool frames_are_steady(uint32_t frame, uint32_t count)
{
    frames_map(frame, count);
    bool fine = pages_are(count, 0, "a word of a frame that was taken");
    steady_wait();
    fine = fine && pages_are(count, 0, "a word of it later");
    for (uint32_t i = 0; i < count * WORDS; i++)
        taken_page(0)[i] = PARENTS;
    steady_wait();
    fine = fine && pages_are(count, PARENTS, "a word of it that the parent wrote");
    exo_space_unmap(&memory_space, TAKEN_ADDRESS, count);
    return fine;
}

/* OK, or why not all of them are the parent's now; then none is. */
static int64_t frames_take(uint32_t frame, uint32_t count)
{
    int64_t result = EXO_OK;
    uint32_t taken = 0;

    for (; taken < count && result >= 0; taken += result > 0)
        do
            result = exo_frame_take(0, PRIVATE_SLOT, frame + taken, 1);
        while (exo_again(result));
    if (result > 0)
        return EXO_OK;
    if (taken)
        check_must("give up what came first", exo_frame_free(0, PRIVATE_SLOT, frame, taken));
    return result;
}

static bool frames_are_taken_from(uint32_t which)
{
    uint32_t victim = worker[which].child.frame, frame = worker[which].first + LOOSE_AT + random_below(LOOSE_FRAMES - TAKEN_AT_ONCE + 1);
    int64_t result = EXO_OK;

    for (uint32_t i = 0; i < TAKEN_AT_ONCE; i++) /* at rest it owns none: the parent just takes them */
        if (exo_frame_info(frame + i)->owner != victim)
            return true;
    for (uint32_t i = 0; i < 2 && result == EXO_OK; i++)
        result = exo_revoke(0, memory_frames.capability, victim, worker[which].memory, TAKEN_AT_ONCE, 0);
    check_must("revoke", result);
    for (uint32_t i = 0; i < TAKEN_AT_ONCE; i++) {
        do
            result = exo_frame_reclaim(0, memory_frames.capability, frame + i);
        while (exo_again(result));
        check_must("reclaim", result);
    }
    int64_t taken = frames_take(frame, TAKEN_AT_ONCE);
    if (taken == EXO_TAKEN) /* the worker was faster: it may take what is free, too */
        return true;
    if (!check_equal("take", taken, EXO_OK) || !frames_are_steady(frame, TAKEN_AT_ONCE))
        return false;
    forced++;
    return check_equal("free", exo_frames_give_up(exo_frame_free, PRIVATE_SLOT, frame, TAKEN_AT_ONCE), TAKEN_AT_ONCE);
}

/* All loose blocks of a worker: withdrawn, written by the parent, still so later, and given back. */
static bool blocks_are_taken_from(uint32_t which, struct exo_disk_ring *own, uint32_t frame)
{
    uint32_t first = blocks_of(which) + BLOCKS;
    int64_t result;
    bool fine = true;

    do
        result = exo_capability_withdraw(0, extent.slot, worker[which].child.frame, loose_slot[which]);
    while (exo_again(result));
    check_must("withdraw", result);
    frames_map(frame, LOOSE_BLOCKS);
    for (uint32_t i = 0; i < LOOSE_BLOCKS * WORDS; i++)
        taken_page(0)[i] = PARENTS;
    check_must("the parent's write", exo_disk_run(own, EXO_DISK_WRITE, first, frame, LOOSE_BLOCKS));
    steady_wait();
    for (uint32_t i = 0; i < LOOSE_BLOCKS * WORDS; i++)
        taken_page(0)[i] = 0;
    check_must("the parent's read", exo_disk_run(own, EXO_DISK_READ, first, frame, LOOSE_BLOCKS));
    fine = pages_are(LOOSE_BLOCKS, PARENTS, "a word of the parent's blocks");
    exo_space_unmap(&memory_space, TAKEN_ADDRESS, LOOSE_BLOCKS);
    check_must("grant", exo_capability_derive(0, extent.slot, worker[which].child.slot, loose_slot[which],
                                              EXO_RIGHT_READ | EXO_RIGHT_WRITE, first, LOOSE_BLOCKS));
    return fine;
}

static void worker_start(uint32_t which)
{
    const struct exo_start_capability *time = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, which + 1));

    number = which;
    offspring_make(&worker[which], which, time->first, time->count);
    check_must("blocks", exo_child_grant(&worker[which].child, extent.slot, EXO_KIND_EXTENT, EXO_RIGHT_READ | EXO_RIGHT_WRITE,
                                         blocks_of(which), BLOCKS, &block_slot[which]));
    check_must("loose blocks", exo_child_grant(&worker[which].child, extent.slot, EXO_KIND_EXTENT,
                                               EXO_RIGHT_READ | EXO_RIGHT_WRITE, blocks_of(which) + BLOCKS, LOOSE_BLOCKS,
                                               &loose_slot[which]));
    if (!offspring_run(&worker[which]))
        exo_exit(work());
}

/* Destroy one at work: its frames are not the parent's before the device is done with them. */
static bool worker_is_destroyed(uint32_t which)
{
    const struct exo_start_capability *time = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, which + 1));
    bool fine = check_equal("end", offspring_end(&worker[which], time->first, time->count), EXO_OK);

    fine &= check_equal("take", frames_take(worker[which].first + LOOSE_AT, LOOSE_FRAMES), EXO_OK);
    fine &= frames_are_steady(worker[which].first + LOOSE_AT, LOOSE_FRAMES);
    return fine & check_equal("free", exo_frames_give_up(exo_frame_free, PRIVATE_SLOT, worker[which].first + LOOSE_AT, LOOSE_FRAMES), LOOSE_FRAMES);
}

int main(void)
{
    struct exo_disk_ring own;
    uint32_t withdrawn = 0, destroyed = 0, frame, ended;
    bool fine = true;

    memory_open();
    fault_begin();
    offspring_open();
    check_must("a private capability",
               exo_capability_derive(0, memory_frames.capability, 0, PRIVATE_SLOT,
                                     EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE, memory_frames.first, memory_frames.count));
    extent = *exo_disk_extent(0);
    for (uint32_t i = 0; i < WORKERS; i++)
        worker_start(i);
    check_must("a ring", exo_disk_open(&own, &extent, &memory_space, RING_ADDRESS));
    frame = exo_frame_alloc_run(&memory_frames, LOOSE_BLOCKS, 1);
    random_state = 5;
    uint64_t began = exo_time(), end = began + exo_argument("ms", 1500) * 1000000;
    for (uint32_t round = 0; fine && exo_time() < began + LONGEST_NS; round++) {
        if (exo_time() >= end && forced >= FORCED_LEAST && withdrawn && destroyed)
            break;
        fine = frames_are_taken_from(round % WORKERS);
        if (fine && round % 4 == 3)
            fine = blocks_are_taken_from(round / 4 % WORKERS, &own, frame), withdrawn++;
        if (fine && round % 16 == 15 && (fine = worker_is_destroyed(round / 16 % WORKERS))) {
            destroyed++;
            worker_start(round / 16 % WORKERS);
        }
    }
    SHARED->is_over = 1;
    for (uint32_t i = 0; i < WORKERS; i++)
        fine &= check_equal("status of a worker", offspring_wait(exo_time() + 30000000000, &ended), 0);
    check_print(fine, "nothing of one shows in what another has");
    for (uint32_t i = 0; i < WORKERS; i++)
        exo_print("  worker %u: %lu rounds, %lu through loose frames, %lu refused", i, SHARED->rounds[i], SHARED->chains[i],
                  SHARED->refused[i]);
    exo_print("  frames taken by force %u times, blocks %u times, %u workers destroyed at work; %u resets", forced, withdrawn,
              destroyed, exo_disk_info(0)->resets);
    fine = check_equal("resets", exo_disk_info(0)->resets, 0);
    check_print(fine && forced >= FORCED_LEAST && withdrawn > 0 && destroyed > 0, "things were taken while they were in use");
    return check_status();
}
