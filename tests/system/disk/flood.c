/* With flood=1: as many requests as the ring holds, all the time. Else one at a time, and at least so many in all are served. */
#include <check.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/disk.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

#define RING_ADDRESS 0x30000000ull
enum { FRAMES = 64 };

int main(void)
{
    struct exo_disk_ring ring;
    struct exo_completion completion;
    uint64_t end, served = 0, longest = 0, at_once = exo_argument("flood", 0) ? EXO_RING_ENTRIES : 1;

    memory_open();
    const struct exo_start_capability *extent = exo_disk_extent(0);
    check_must("a ring", exo_disk_open(&ring, extent, &memory_space, RING_ADDRESS));
    uint32_t buffer = exo_frame_alloc_run(&memory_frames, FRAMES, 1);
    end = exo_time() + exo_argument("ms", 1000) * 1000000;
    for (uint64_t put = 0; exo_time() < end;) {
        uint64_t before = exo_time();
        while (put - served < at_once && exo_disk_put(&ring, EXO_DISK_READ, put, extent->first + put % 4096, buffer + put % FRAMES, 1))
            put++;
        exo_disk_go(&ring);
        check_must("a completion", exo_disk_wait(&ring, exo_time() + 20000000000, &completion) ? completion.status : EXO_TIMED_OUT);
        served++;
        longest = exo_time() - before > longest ? exo_time() - before : longest;
    }
    exo_print("  %lu requests, the longest took %lu us", served, longest / 1000);
    check_print(served >= exo_argument("least", 1), at_once == 1 ? "who asks for little is served" : "who asks for much is served");
    return check_status();
}
