/*
 * A disk through a ring: bytes come as they were written, on both kinds of machine; what a program has no right to, it cannot ask
 * for. Disk 0 is empty at first; disk 1 is read-only, and each word of it is its own offset.
 */
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { BUFFER_FRAMES = 2 * EXO_REQUEST_BLOCKS, WORDS = EXO_FRAME_SIZE / 8 };
#define RING_ADDRESS   0x30000000ull
#define BUFFER_ADDRESS 0x31000000ull
#define NEVER_NS       (exo_time() + 20000000000ull)

static const struct exo_start_capability *extent, *pattern;
static struct exo_disk_ring ring, pattern_ring;
static uint32_t buffer; /* the first of its frames */

static uint64_t *words_of(uint32_t frame)
{
    return (uint64_t *)(BUFFER_ADDRESS + (uint64_t)frame * EXO_FRAME_SIZE);
}

static void buffer_fill(uint32_t first, uint32_t count, uint64_t seed)
{
    for (uint64_t i = 0; i < count * (uint64_t)WORDS; i++)
        words_of(first)[i] = (i + seed) * 0x9e3779b97f4a7c15;
}

static bool buffer_holds(uint32_t first, uint32_t count, uint64_t seed)
{
    for (uint64_t i = 0; i < count * (uint64_t)WORDS; i++)
        if (words_of(first)[i] != (i + seed) * 0x9e3779b97f4a7c15)
            return check_equal("a word of the buffer", (int64_t)i, -1);
    return true;
}

static bool buffer_is(uint32_t first, uint32_t count, uint64_t value)
{
    for (uint64_t i = 0; i < count * (uint64_t)WORDS; i++)
        if (words_of(first)[i] != value)
            return check_equal("a word of the buffer", (int64_t)words_of(first)[i], (int64_t)value);
    return true;
}

static int64_t run(enum exo_disk_operation operation, uint32_t block, uint32_t frame, uint32_t count)
{
    return exo_disk_run(&ring, operation, extent->first + block, buffer + frame, (uint16_t)count);
}

static bool disks_are_told_of(void)
{
    bool fine = check_equal("blocks", exo_disk_info(0)->blocks, 16384);
    fine &= check_equal("flags", exo_disk_info(0)->flags & (EXO_DISK_PRESENT | EXO_DISK_READ_ONLY), EXO_DISK_PRESENT);
    fine &= check_equal("blocks of the other", exo_disk_info(1)->blocks, 256);
    fine &= check_equal("its flags", exo_disk_info(1)->flags & EXO_DISK_READ_ONLY, EXO_DISK_READ_ONLY);
    return fine & check_equal("no third", exo_disk_info(2)->flags, 0);
}

static bool what_stands_on_a_disk_is_read(void)
{
    bool fine = true;

    for (uint32_t block = 0; block < 256 && fine; block += 37) {
        fine = check_equal("read", exo_disk_run(&pattern_ring, EXO_DISK_READ, pattern->first + block, buffer, 1), EXO_OK);
        for (uint64_t i = 0; i < WORDS && fine; i++)
            fine = check_equal("word", (int64_t)words_of(0)[i], (int64_t)(block * EXO_FRAME_SIZE + 8 * i));
    }
    return fine;
}

static bool an_empty_disk_reads_as_zeros(void)
{
    buffer_fill(0, 4, 7);
    return check_equal("read", run(EXO_DISK_READ, 100, 0, 4), EXO_OK) && buffer_is(0, 4, 0);
}

static bool what_was_written_is_read(void)
{
    buffer_fill(0, 8, 1);
    bool fine = check_equal("write", run(EXO_DISK_WRITE, 16, 0, 8), EXO_OK);
    buffer_fill(8, 8, 99);
    fine &= check_equal("read", run(EXO_DISK_READ, 16, 8, 8), EXO_OK);
    return fine && buffer_holds(8, 8, 1) && buffer_holds(0, 8, 1);
}

static bool the_largest_requests_are_written_and_read(void)
{
    buffer_fill(0, EXO_REQUEST_BLOCKS, 5);
    bool fine = check_equal("write", run(EXO_DISK_WRITE, 512, 0, EXO_REQUEST_BLOCKS), EXO_OK);
    fine &= check_equal("read", run(EXO_DISK_READ, 512, EXO_REQUEST_BLOCKS, EXO_REQUEST_BLOCKS), EXO_OK);
    return fine && buffer_holds(EXO_REQUEST_BLOCKS, EXO_REQUEST_BLOCKS, 5);
}

/* Each tag once. */
static bool completions_take(struct exo_disk_ring *from, uint32_t count)
{
    uint64_t seen = 0;
    struct exo_completion completion;

    for (uint32_t i = 0; i < count; i++) {
        if (!exo_disk_wait(from, NEVER_NS, &completion))
            return check_equal("completions", i, count);
        if (!check_equal("status", completion.status, EXO_OK) || !check_equal("a tag twice", seen >> completion.tag & 1, 0))
            return false;
        seen |= 1ull << completion.tag;
    }
    return !exo_disk_take(from, &completion);
}

static bool a_full_ring_is_worked_off(void)
{
    buffer_fill(0, EXO_RING_ENTRIES, 3);
    for (uint32_t i = 0; i < EXO_RING_ENTRIES; i++)
        if (!exo_disk_put(&ring, EXO_DISK_WRITE, i, extent->first + 2000 + i, buffer + i, 1))
            return check_equal("room", i, EXO_RING_ENTRIES);
    bool fine = check_equal("no more room", exo_disk_put(&ring, EXO_DISK_WRITE, 0, extent->first, buffer, 1), false);
    fine &= exo_disk_go(&ring) >= 0 && completions_take(&ring, EXO_RING_ENTRIES);
    fine &= check_equal("read", run(EXO_DISK_READ, 2000, EXO_RING_ENTRIES, EXO_RING_ENTRIES), EXO_OK);
    return fine && buffer_holds(EXO_RING_ENTRIES, EXO_RING_ENTRIES, 3);
}

static bool completions_are_seen_by_polling(void)
{
    struct exo_completion completion;

    ring.ring->quiet = 1;
    exo_disk_put(&ring, EXO_DISK_READ, 11, extent->first, buffer, 1);
    bool fine = check_equal("submit", exo_disk_go(&ring), 1), taken = false;
    for (uint64_t until = NEVER_NS; exo_time() < until && !(taken = exo_disk_take(&ring, &completion));)
        __asm__ volatile("pause");
    ring.ring->quiet = 0;
    return fine & check_equal("completed", taken, true) && check_equal("tag", (int64_t)completion.tag, 11);
}

static bool the_cache_is_flushed(void)
{
    return check_equal("flush", run(EXO_DISK_FLUSH, 0, 0, 0), EXO_OK);
}

static bool blocks_are_filled_with_zeros(void)
{
    buffer_fill(0, 16, 2);
    bool fine = check_equal("write", run(EXO_DISK_WRITE, 300, 0, 16), EXO_OK);
    fine &= check_equal("zero", run(EXO_DISK_ZERO, 302, 0, 12), EXO_OK);
    fine &= check_equal("read", run(EXO_DISK_READ, 300, 16, 16), EXO_OK);
    return fine && buffer_is(18, 12, 0) && buffer_holds(16, 2, 2) && buffer_holds(30, 2, 2 + 14 * WORDS);
}

static bool blocks_are_discarded(void)
{
    buffer_fill(0, 16, 4);
    bool fine = check_equal("write", run(EXO_DISK_WRITE, 400, 0, 16), EXO_OK);
    fine &= check_equal("discard", run(EXO_DISK_DISCARD, 404, 0, 8), EXO_OK);
    fine &= check_equal("read", run(EXO_DISK_READ, 400, 16, 16), EXO_OK);
    return fine && buffer_holds(16, 4, 4) && buffer_holds(28, 4, 4 + 12 * WORDS);
}

static bool a_read_only_disk_takes_no_writes(void)
{
    bool fine = check_equal("write", exo_disk_run(&pattern_ring, EXO_DISK_WRITE, pattern->first, buffer, 1), EXO_UNSUPPORTED);
    return fine & check_equal("zero", exo_disk_run(&pattern_ring, EXO_DISK_ZERO, pattern->first, 0, 1), EXO_UNSUPPORTED);
}

static bool blocks_of_others_are_refused(void)
{
    bool fine = check_equal("before", run(EXO_DISK_READ, (uint32_t)-1, 0, 1), EXO_BAD_CAPABILITY);
    fine &= check_equal("behind", run(EXO_DISK_READ, extent->count, 0, 1), EXO_BAD_CAPABILITY);
    fine &= check_equal("across the end", run(EXO_DISK_WRITE, extent->count - 1, 0, 2), EXO_BAD_CAPABILITY);
    fine &= check_equal("zero across the end", run(EXO_DISK_ZERO, extent->count - 1, 0, 2), EXO_BAD_CAPABILITY);
    fine &= check_equal("the other disk's", exo_disk_run(&ring, EXO_DISK_READ, pattern->first, buffer, 1), EXO_BAD_NAME);
    ring.extent = memory_frames.capability;
    fine &= check_equal("under no extent", run(EXO_DISK_READ, 0, 0, 1), EXO_BAD_CAPABILITY);
    ring.extent = 4000;
    fine &= check_equal("under nothing", run(EXO_DISK_READ, 0, 0, 1), EXO_BAD_CAPABILITY);
    ring.extent = extent->slot;
    return fine;
}

static bool frames_of_others_are_refused(void)
{
    const struct exo_start_capability *memory = exo_start_capability(memory_frames.capability);
    uint32_t end = memory->first + memory->count;
    bool fine = check_equal("the kernel's", exo_disk_run(&ring, EXO_DISK_READ, extent->first, 0, 1), EXO_BAD_CAPABILITY);

    fine &= check_equal("behind its own", exo_disk_run(&ring, EXO_DISK_READ, extent->first, end, 1), EXO_BAD_CAPABILITY);
    fine &= check_equal("no frame", exo_disk_run(&ring, EXO_DISK_READ, extent->first, UINT32_MAX, 1), EXO_BAD_NAME);
    fine &= check_refused("a page table", exo_disk_run(&ring, EXO_DISK_READ, extent->first, memory_space.table4, 1));
    fine &= check_refused("its environment", exo_disk_run(&ring, EXO_DISK_READ, extent->first, exo_start.environment, 1));
    fine &= check_refused("its context page", exo_disk_run(&ring, EXO_DISK_WRITE, extent->first, exo_start.context, 1));
    fine &= check_refused("its own and others", exo_disk_run(&ring, EXO_DISK_READ, extent->first, buffer + BUFFER_FRAMES - 1, 200));
    ring.frames = extent->slot;
    fine &= check_equal("under no such capability", run(EXO_DISK_READ, 0, 0, 1), EXO_BAD_CAPABILITY);
    ring.frames = memory_frames.capability;
    return fine;
}

static bool requests_without_sense_are_refused(void)
{
    bool fine = check_equal("no operation", run(5, 0, 0, 1), EXO_BAD_ARGUMENT);
    fine &= check_equal("no blocks", run(EXO_DISK_READ, 0, 0, 0), EXO_BAD_ARGUMENT);
    fine &= check_equal("too many", run(EXO_DISK_READ, 0, 0, EXO_REQUEST_BLOCKS + 1), EXO_BAD_ARGUMENT);
    fine &= check_equal("to flush some", run(EXO_DISK_FLUSH, 0, 0, 1), EXO_BAD_ARGUMENT);
    fine &= check_equal("no ring", exo_disk_submit(3), EXO_BAD_NAME);
    return fine & check_equal("a ring that cannot be", exo_disk_submit(200), EXO_BAD_NAME);
}

static bool a_ring_is_closed_and_made_anew(void)
{
    bool fine = true;

    for (uint32_t round = 0; round < 4 && fine; round++) {
        for (uint32_t i = 0; i < 8; i++)
            exo_disk_put(&ring, EXO_DISK_READ, i, extent->first + 8 * i, buffer + 8 * i, 8);
        fine = exo_disk_go(&ring) >= 0 && check_equal("close", exo_disk_close(&ring, &memory_space), EXO_OK) &&
               check_equal("closed", exo_disk_submit(ring.disk), EXO_BAD_NAME) &&
               check_equal("open", exo_disk_open(&ring, extent, &memory_space, RING_ADDRESS), EXO_OK);
    }
    buffer_fill(64, 1, 6); /* what the closed rings asked for may still come into the frames before */
    fine = fine && check_equal("write", run(EXO_DISK_WRITE, 0, 64, 1), EXO_OK);
    return fine && check_equal("read", run(EXO_DISK_READ, 0, 65, 1), EXO_OK) && buffer_holds(65, 1, 6);
}

/* errors.conf: block 50 cannot be read, 60 not written, 70 not filled with zeros, 80 not discarded; the first flush fails. */
static bool an_error_reaches_who_asked(void)
{
    bool fine = true;

    for (uint32_t round = 0; round < 3; round++) {
        fine &= check_equal("read", run(EXO_DISK_READ, 50, 0, 1), EXO_DEVICE_FAILED);
        fine &= check_equal("read across it", run(EXO_DISK_READ, 48, 0, 8), EXO_DEVICE_FAILED);
        fine &= check_equal("write", run(EXO_DISK_WRITE, 60, 0, 1), EXO_DEVICE_FAILED);
        fine &= check_equal("read beside it", run(EXO_DISK_READ, 51, 0, 8), EXO_OK);
        fine &= check_equal("write beside it", run(EXO_DISK_WRITE, 61, 0, 4), EXO_OK);
    }
    fine &= check_equal("errors counted", (int64_t)exo_disk_info(0)->errors, 9);
    return fine & check_equal("resets", exo_disk_info(0)->resets, 0);
}

static bool errors_of_other_operations_reach_who_asked(void)
{
    int64_t errors = (int64_t)exo_disk_info(0)->errors;
    bool fine = check_equal("write", run(EXO_DISK_WRITE, 90, 0, 1), EXO_OK);

    fine &= check_equal("flush", run(EXO_DISK_FLUSH, 0, 0, 0), EXO_DEVICE_FAILED);
    fine &= check_equal("second flush", run(EXO_DISK_FLUSH, 0, 0, 0), EXO_OK);
    fine &= check_equal("zero", run(EXO_DISK_ZERO, 68, 0, 4), EXO_DEVICE_FAILED);
    fine &= check_equal("zero beside it", run(EXO_DISK_ZERO, 71, 0, 4), EXO_OK);
    fine &= check_equal("discard", run(EXO_DISK_DISCARD, 78, 0, 4), EXO_DEVICE_FAILED);
    fine &= check_equal("discard beside it", run(EXO_DISK_DISCARD, 81, 0, 4), EXO_OK);
    return fine & check_equal("errors counted", (int64_t)exo_disk_info(0)->errors - errors, 3);
}

static bool errors_come_with_their_tags(void)
{
    struct exo_completion completion;
    bool fine = true;

    for (uint32_t i = 0; i < 32; i++) /* not neighbours: QEMU joins those, and fails them together */
        exo_disk_put(&ring, EXO_DISK_READ, 1000 + i, extent->first + 2 * i, buffer + i, 1);
    exo_disk_go(&ring);
    for (uint32_t i = 0; i < 32; i++) {
        fine &= check_equal("completed", exo_disk_wait(&ring, NEVER_NS, &completion), true);
        fine &= check_equal("status", completion.status, completion.tag == 1025 ? EXO_DEVICE_FAILED : EXO_OK);
    }
    return fine;
}

static void disks_open(void)
{
    extent = exo_disk_extent(0);
    pattern = exo_disk_extent(1);
    check_must("two extents", extent && pattern ? EXO_OK : EXO_BAD_CAPABILITY);
    check_must("a ring", exo_disk_open(&ring, extent, &memory_space, RING_ADDRESS));
    check_must("another", exo_disk_open(&pattern_ring, pattern, &memory_space, RING_ADDRESS + EXO_FRAME_SIZE));
    buffer = exo_frame_alloc_run(&memory_frames, BUFFER_FRAMES, 1);
    check_must("frames", buffer ? EXO_OK : EXO_TAKEN);
    check_must("the buffer", exo_space_map(&memory_space, BUFFER_ADDRESS, buffer, BUFFER_FRAMES, memory_frames.capability,
                                           EXO_MAP_READ | EXO_MAP_WRITE));
}

int main(void)
{
    static const struct check_case cases[] = {
        CASE(disks_are_told_of),
        CASE(what_stands_on_a_disk_is_read),
        CASE(an_empty_disk_reads_as_zeros),
        CASE(what_was_written_is_read),
        CASE(the_largest_requests_are_written_and_read),
        CASE(a_full_ring_is_worked_off),
        CASE(completions_are_seen_by_polling),
        CASE(the_cache_is_flushed),
        CASE(blocks_are_filled_with_zeros),
        CASE(blocks_are_discarded),
        CASE(a_read_only_disk_takes_no_writes),
        CASE(blocks_of_others_are_refused),
        CASE(frames_of_others_are_refused),
        CASE(requests_without_sense_are_refused),
        CASE(a_ring_is_closed_and_made_anew),
    };

    static const struct check_case with_errors[] = {
        CASE(an_error_reaches_who_asked),
        CASE(errors_of_other_operations_reach_who_asked),
        CASE(errors_come_with_their_tags),
    };

    memory_open();
    fault_begin();
    disks_open();
    if (exo_argument_is("mode", "errors"))
        check_run(CASES(with_errors));
    else
        check_run(CASES(cases));
    return check_status();
}
