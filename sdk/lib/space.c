/* Page tables (see exo/space.h). */
#include <exo/space.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/text.h>

typedef int64_t space_call(uint16_t subject, uint64_t address, uint64_t entry, uint64_t way, uint64_t further);

static int64_t table_make(const struct exo_space *space, uint32_t level, uint32_t *ret_table)
{
    uint32_t table = exo_frame_find(space->frames), shadow = exo_frame_find(space->frames);
    int64_t result;

    if (!table || !shadow)
        return EXO_BAD_NAME;
    do
        result = exo_table_create(space->subject, space->frames->capability, table, shadow, (uint8_t)level);
    while (exo_again(result));
    if (result == EXO_OK)
        *ret_table = table;
    return result;
}

static int64_t table_bind(const struct exo_space *space, uint32_t parent, uint32_t child, uint64_t address)
{
    int64_t result = exo_space_bind(space->subject, address, exo_mapping_entry(parent, child),
                                    exo_mapping_way(0, EXO_MAP_READ, 0), 0);
    return result == 1 ? EXO_OK : result;
}

void exo_space_open(struct exo_space *space, const struct exo_start *start, struct exo_frames *frames)
{
    *space = (struct exo_space){
        .frames = frames, .table4 = start->table4, .table3 = start->table3, .table2 = start->table2,
    };
    for (uint32_t i = 0; i < start->table1_count && i < EXO_START_TABLES; i++)
        space->table1[start->table1[i].index % EXO_SPACE_TABLES] = start->table1[i].frame;
}

int64_t exo_space_create(struct exo_space *space, uint16_t subject, struct exo_frames *frames)
{
    int64_t result;

    *space = (struct exo_space){ .subject = subject, .frames = frames };
    if ((result = table_make(space, 4, &space->table4)) != EXO_OK)
        return result;
    if ((result = table_make(space, 3, &space->table3)) != EXO_OK)
        return result;
    if ((result = table_make(space, 2, &space->table2)) != EXO_OK)
        return result;
    if ((result = table_bind(space, space->table4, space->table3, 0)) != EXO_OK)
        return result;
    if ((result = table_bind(space, space->table3, space->table2, 0)) != EXO_OK)
        return result;
    return exo_environment_space(subject, space->table4);
}

uint32_t exo_space_table(struct exo_space *space, uint64_t address)
{
    uint32_t table;

    if (address >= EXO_SPACE_LIMIT)
        return 0;
    if (space->table1[address >> 21])
        return space->table1[address >> 21];
    if (table_make(space, 1, &table) != EXO_OK)
        return 0;
    if (table_bind(space, space->table2, table, address & -(1ull << 21)) != EXO_OK)
        return 0;
    space->table1[address >> 21] = table;
    return table;
}

/* Pages in a row within one table, as one mapping; frame is the first one's, or 0. How many were done, or an error. */
static int64_t run_change(struct exo_space *space, space_call *call, uint64_t address, uint32_t frame, uint32_t count,
                          uint16_t capability, uint32_t flags)
{
    uint32_t room = EXO_TABLE_ENTRIES - address / EXO_FRAME_SIZE % EXO_TABLE_ENTRIES;
    uint32_t run = count < room ? count : room, table = exo_space_table(space, address);

    if (!table)
        return EXO_BAD_NAME;
    if (run > EXO_BATCH_MAX)
        run = EXO_BATCH_MAX;
    return call(space->subject, address, exo_mapping_entry(table, frame),
                exo_mapping_way(capability, (uint16_t)flags, run - 1), 0);
}

static int64_t range_change(struct exo_space *space, space_call *call, uint64_t address, uint32_t frame, uint32_t count,
                            uint16_t capability, uint32_t flags)
{
    for (uint32_t done = 0; done < count;) {
        int64_t result = run_change(space, call, address + (uint64_t)done * EXO_FRAME_SIZE, frame ? frame + done : 0,
                                    count - done, capability, flags);
        if (result <= 0)
            return result;
        done += (uint32_t)result;
    }
    return EXO_OK;
}

int64_t exo_space_map(struct exo_space *space, uint64_t address, uint32_t frame, uint32_t count, uint16_t capability,
                      uint32_t flags)
{
    return range_change(space, exo_space_bind, address, frame, count, capability, flags);
}

int64_t exo_space_map_list(struct exo_space *space, uint64_t address, const uint32_t *frames, uint32_t count,
                           uint16_t capability, uint32_t flags)
{
    for (uint32_t done = 0, run; done < count; done += run) {
        for (run = 1; done + run < count && frames[done + run] == frames[done] + run; run++)
            ;
        int64_t result = exo_space_map(space, address + (uint64_t)done * EXO_FRAME_SIZE, frames[done], run, capability,
                                       flags);
        if (result != EXO_OK)
            return result;
    }
    return EXO_OK;
}

int64_t exo_space_unmap(struct exo_space *space, uint64_t address, uint32_t count)
{
    return range_change(space, exo_space_unbind, address, 0, count, 0, 0);
}

int64_t exo_space_change(struct exo_space *space, uint64_t address, uint32_t count, uint32_t flags)
{
    return range_change(space, exo_space_protect, address, 0, count, 0, flags);
}

void exo_space_settle(void)
{
    uint64_t epoch = (uint64_t)exo_space_flush();
    for (uint32_t i = 0; i < exo_system_info()->processor_count; i++)
        while (exo_processor_info(i)->online && *(const volatile uint64_t *)&exo_processor_info(i)->flushed < epoch)
            exo_space_flush();
}
