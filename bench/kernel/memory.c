/*
 * Page tables: a fault that binds a frame, protection of one page and of many, and the two of Appel and Li:
 * prot1+trap+unprot and protN+trap+unprot. Handlers call the kernel themselves, as a libOS would that knows its tables.
 */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define REGION 0x20000000ull

enum { PAGES = 100 };

static uint32_t region_table, fault_frame;
static uint16_t fault_capability;

static volatile uint8_t *page_at(uint32_t page)
{
    return (volatile uint8_t *)REGION + page * EXO_FRAME_SIZE;
}

static int64_t pages_protect(uint64_t address, uint16_t flags, uint32_t more)
{
    return exo_space_protect(0, address, exo_mapping_entry(region_table, 0), exo_mapping_way(0, flags, more), 0);
}

static void fault_bind(struct exo_upcall_frame *frame)
{
    exo_space_bind(0, frame->address & -4096ull, exo_mapping_entry(region_table, fault_frame),
                   exo_mapping_way(fault_capability, EXO_MAP_READ | EXO_MAP_WRITE, 0), 0);
}

static void fault_unprotect(struct exo_upcall_frame *frame)
{
    pages_protect(frame->address & -4096ull, EXO_MAP_READ | EXO_MAP_WRITE, 0);
}

static void fault_measure(void)
{
    uint64_t least = UINT64_MAX;

    fault_frame = exo_frame_alloc(&bench_frames);
    fault_capability = bench_frames.capability;
    exo_exception_handler = fault_bind;
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t before = exo_ticks();
        *page_at(0) = 1;
        bench_least(&least, exo_ticks() - before - bench_empty);
        bench_must(exo_space_unmap(&bench_space, REGION, 1), "unmap");
    }
    bench_print("page_fault", least, "instructions");
}

static void region_map(void)
{
    for (uint32_t page = 0; page < PAGES; page++)
        bench_must(exo_space_map(&bench_space, (uint64_t)page_at(page), exo_frame_alloc(&bench_frames), 1,
                                 bench_frames.capability, EXO_MAP_READ | EXO_MAP_WRITE), "map");
}

static void protect_one(uint32_t page, uint16_t flags)
{
    bench_must(pages_protect((uint64_t)page_at(page), flags, 0), "protect");
}

/* 100 pages in two calls, each a run of pages in one table. */
static void protect_all(uint16_t flags)
{
    for (uint32_t done = 0; done < PAGES;) {
        uint32_t count = PAGES - done < EXO_BATCH_MAX ? PAGES - done : EXO_BATCH_MAX;
        bench_must(pages_protect((uint64_t)page_at(done), flags, count - 1), "protect");
        done += count;
    }
}

static void protect_measure(void)
{
    uint64_t one = UINT64_MAX, all = UINT64_MAX;

    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint16_t flags = EXO_MAP_READ | (i & 1 ? EXO_MAP_WRITE : 0);
        uint64_t before = exo_ticks();
        protect_one(0, flags);
        bench_least(&one, exo_ticks() - before - bench_empty);
        before = exo_ticks();
        protect_all(flags);
        bench_least(&all, exo_ticks() - before - bench_empty);
    }
    bench_print("protect_1", one, "instructions");
    bench_print("protect_100", all, "instructions");
}

static void appel_measure(void)
{
    uint64_t first = UINT64_MAX, second = UINT64_MAX;

    exo_exception_handler = fault_unprotect;
    protect_all(EXO_MAP_READ | EXO_MAP_WRITE);
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        uint64_t before = exo_ticks();
        for (uint32_t page = 0; page < PAGES; page++) {
            protect_one(page, EXO_MAP_READ);
            *page_at(page) = 1;
        }
        bench_least(&first, exo_ticks() - before - bench_empty);
        before = exo_ticks();
        protect_all(EXO_MAP_READ);
        for (uint32_t page = 0; page < PAGES; page++)
            *page_at(page) = 1;
        bench_least(&second, exo_ticks() - before - bench_empty);
    }
    bench_print("appel1", first / PAGES, "instructions");
    bench_print("appel2", second / PAGES, "instructions");
}

void bench_memory(void)
{
    region_table = exo_space_table(&bench_space, REGION);
    fault_measure();
    region_map();
    protect_measure();
    appel_measure();
}
