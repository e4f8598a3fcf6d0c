/*
 * How many environments fit, and what one costs: each has a capability table, an address space of its own, a context page
 * and a virtual processor, which is 7 frames. They are ended again one by one.
 */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/text.h>

enum { FIRST_SLOT = 128, LAST_SLOT = 4095, MEMORY_SLOT = 1, ENVIRONMENT_FRAMES = 7 };

static uint32_t made[LAST_SLOT + 1];

/* Slots 128 to 4095 need 31 more capability tables. */
static void tables_extend(void)
{
    for (uint8_t table = 1; table < EXO_TABLES_PER_ENVIRONMENT; table++)
        bench_must(exo_environment_extend(0, bench_frames.capability, exo_frame_find(&bench_frames), table), "extend");
}

/* Its memory is the range of four frames that follow its own two. */
static int64_t environment_make(uint16_t slot, uint32_t first)
{
    uint16_t capability = bench_frames.capability;
    int64_t result;

    if ((result = exo_environment_create(0, capability, first, slot)) < 0)
        return result;
    if ((result = exo_environment_extend(slot, capability, first + 1, 0)) < 0)
        return result;
    result = exo_capability_derive(0, capability, slot, MEMORY_SLOT, EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE,
                                   first + 2, ENVIRONMENT_FRAMES - 2);
    if (result < 0 || (result = exo_table_create(slot, MEMORY_SLOT, first + 2, first + 3, 4)) < 0)
        return result;
    if ((result = exo_environment_space(slot, first + 2)) < 0)
        return result;
    return exo_vcpu_create(slot, 0, MEMORY_SLOT, first + 4, 0x10000);
}

static uint32_t run_find(uint32_t *from)
{
    uint32_t end = bench_frames.first + bench_frames.count, run = 0;

    for (; *from < end; (*from)++) {
        run = exo_frame_info(*from)->kind == EXO_FRAME_FREE ? run + 1 : 0;
        if (run == ENVIRONMENT_FRAMES)
            return (*from)++ - ENVIRONMENT_FRAMES + 1;
    }
    return 0;
}

static uint32_t environments_make(uint64_t *ret_first, uint64_t *ret_last)
{
    uint32_t count = 0, from = bench_frames.first, frame;

    while (FIRST_SLOT + count <= LAST_SLOT && (frame = run_find(&from))) {
        uint16_t slot = (uint16_t)(FIRST_SLOT + count);
        if (slot % EXO_CAPABILITIES_PER_TABLE == 0) {
            made[count++] = 0;
            from = frame;
            continue;
        }
        uint64_t before = exo_ticks();
        bench_must(environment_make(slot, frame), "environment");
        *ret_last = exo_ticks() - before - bench_empty;
        if (count == 1)
            *ret_first = *ret_last;
        made[count++] = frame;
    }
    return count;
}

void bench_environments(void)
{
    uint64_t first = 0, last = 0;
    uint32_t real = 0;

    exo_space_settle();
    tables_extend();
    uint32_t count = environments_make(&first, &last);
    for (uint32_t i = 0; i < count; i++)
        real += made[i] != 0;
    bench_print("environments", real, FIRST_SLOT + count > LAST_SLOT ? "until slots for capabilities ran out" : "until frames ran out");
    bench_print("environment_first", first, "instructions");
    bench_print("environment_last", last, "instructions");
    for (uint32_t i = 0; i < count; i++)
        if (made[i])
            bench_must(exo_child_end((uint16_t)(FIRST_SLOT + i), made[i]), "end");
}
