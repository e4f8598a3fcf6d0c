/*
 * Disks: a 4 KiB read from submit to doorbell, from the interrupt to the completion in the libOS's hands, and what the kernel
 * does for sequential megabytes. The device works in QEMU's own time: what it takes is no instruction here, but under counted
 * time the disk answers while the machine goes on, so the least of many is what counts.
 */
#include "io.h"
#include <exo/calls.h>
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/upcall.h>

enum { ROUNDS = 200, MEGABYTES = 32, BULK_BYTES = EXO_REQUEST_BLOCKS * EXO_FRAME_SIZE };
#define RING_ADDRESS 0x38000000ull

static struct exo_disk_ring ring;
static const struct exo_start_capability *extent;
static uint32_t buffer;

static bool is_completed(void)
{
    return *(const volatile uint32_t *)&ring.ring->completed != ring.ring->reaped;
}

static void requests_measure(void)
{
    uint64_t submit = UINT64_MAX, complete = UINT64_MAX;
    struct exo_completion completion;

    ring.ring->quiet = 1;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        exo_disk_put(&ring, EXO_DISK_READ, i, extent->first + i, buffer, 1);
        uint64_t before = exo_ticks();
        bench_must(exo_disk_submit(ring.disk), "disk_submit");
        uint64_t submitted = exo_ticks() - before - bench_empty, ticks = bench_interruption(is_completed);
        if (ticks) {
            bench_least(&submit, submitted);
            bench_least(&complete, ticks);
        }
        while (!exo_disk_take(&ring, &completion))
            ;
        bench_must(completion.status, "read");
    }
    bench_print("disk_submit", submit, "instructions");
    bench_print("disk_complete", complete, "instructions");
}

/* Kernel and libOS together, for each 100 bytes, rounded up: the time in which this program waited for the device is not in it. */
static void bulk_measure(enum exo_disk_operation operation, uint64_t *worst)
{
    struct exo_completion completion;
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < MEGABYTES; i++) {
        exo_disk_put(&ring, operation, i, extent->first + i * EXO_REQUEST_BLOCKS, buffer, EXO_REQUEST_BLOCKS);
        uint64_t before = exo_ticks();
        bench_must(exo_disk_submit(ring.disk), "disk_submit");
        uint64_t submit = exo_ticks() - before - bench_empty, complete = bench_interruption(is_completed);
        while (!exo_disk_take(&ring, &completion))
            ;
        bench_must(completion.status, "bulk");
        if (complete)
            bench_least(&least, submit + complete);
    }
    *worst = least > *worst ? least : *worst;
}

void bench_disk(void)
{
    uint64_t worst = 0;

    extent = exo_disk_extent(0);
    bench_must(extent ? EXO_OK : EXO_BAD_CAPABILITY, "an extent");
    bench_must(exo_disk_open(&ring, extent, &bench_space, RING_ADDRESS), "a ring");
    buffer = exo_frame_alloc_run(&bench_frames, EXO_REQUEST_BLOCKS, 1);
    bench_must(buffer ? EXO_OK : EXO_TAKEN, "a buffer");
    requests_measure();
    bulk_measure(EXO_DISK_WRITE, &worst);
    bulk_measure(EXO_DISK_READ, &worst);
    bench_print("disk_bulk_request", worst, "instructions for 1 MiB");
    bench_print("disk_bulk", (worst * 100 + BULK_BYTES - 1) / BULK_BYTES, "instructions for 100 bytes");
    bench_must(exo_disk_close(&ring, &bench_space), "close");
}
