/* Page tables (see exo/space.h). */
#include <exo/space.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/text.h>

enum { LEVELS = 4, PLACE_LEVEL = 28 };

typedef int64_t space_call(uint16_t subject, uint64_t address, uint64_t entry, uint64_t way, uint64_t further);

static int64_t table_make(const struct exo_space *space, uint32_t level, uint32_t *ret_table)
{
    uint32_t table, shadow;
    int64_t result;

    do {
        table = exo_frame_find(space->frames);
        shadow = exo_frame_find(space->frames);
        if (!table || !shadow || table == shadow)
            return EXO_BAD_NAME;
        do
            result = exo_table_create(space->subject, space->frames->capability, table, shadow, (uint8_t)level);
        while (exo_again(result));
    } while (exo_frame_was_lost(result, table) || exo_frame_was_lost(result, shadow)); /* by another who takes from the same range */
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

static uint32_t place_of(uint64_t address, uint32_t level)
{
    uint32_t shift = 12 + 9 * level;
    return level << PLACE_LEVEL | (uint32_t)(address >> shift << (shift - 21));
}

/* Where in the hash table a place is, or would be. It is never full. */
static uint32_t table_index(const struct exo_space *space, uint32_t place)
{
    uint32_t index = place % EXO_SPACE_TABLES;

    while (space->table[index].place && space->table[index].place != place)
        index = (index + 1) % EXO_SPACE_TABLES;
    return index;
}

static uint32_t table_note(struct exo_space *space, uint32_t place, uint32_t frame)
{
    uint32_t index = table_index(space, place);

    space->table_count += space->table[index].place == 0;
    space->table[index] = (struct exo_space_table){ place, frame };
    return index;
}

uint32_t exo_space_find(const struct exo_space *space, uint64_t address, uint32_t level)
{
    if (address >= EXO_USER_LIMIT)
        return 0;
    return level == LEVELS ? space->table4 : space->table[table_index(space, place_of(address, level))].frame;
}

static int64_t view_bind(struct exo_space *space, uint32_t index)
{
    return exo_space_map(space, space->view + (uint64_t)index * EXO_FRAME_SIZE, space->table[index].frame, 1,
                         space->frames->capability, EXO_MAP_READ);
}

/* The table of an address, made if it is missing, below one that is there; 0 if that cannot be. */
static uint32_t table_under(struct exo_space *space, uint32_t parent, uint64_t address, uint32_t level)
{
    uint32_t table = exo_space_find(space, address, level);

    if (table || !parent)
        return table;
    if (space->table_count + 1 >= EXO_SPACE_TABLES || table_make(space, level, &table) != EXO_OK)
        return 0;
    if (table_bind(space, parent, table, address & -(1ull << (12 + 9 * level))) != EXO_OK)
        return 0;
    uint32_t index = table_note(space, place_of(address, level), table);
    return level == 1 && space->view && view_bind(space, index) != EXO_OK ? 0 : table;
}

uint32_t exo_space_table(struct exo_space *space, uint64_t address)
{
    uint32_t table = exo_space_find(space, address, 1);

    if (table || address >= EXO_USER_LIMIT)
        return table;
    table = space->table4;
    for (uint32_t level = LEVELS - 1; level >= 1; level--)
        table = table_under(space, table, address, level);
    return table;
}

void exo_space_open(struct exo_space *space, const struct exo_start *start, struct exo_frames *frames)
{
    *space = (struct exo_space){ 0 };
    exo_space_open_cleared(space, start, frames);
}

void exo_space_open_cleared(struct exo_space *space, const struct exo_start *start, struct exo_frames *frames)
{
    space->frames = frames;
    space->table4 = start->table4;
    table_note(space, place_of(0, 3), start->table3);
    table_note(space, place_of(0, 2), start->table2);
    for (uint32_t i = 0; i < start->table1_count && i < EXO_START_TABLES; i++) {
        uint32_t index = start->table1[i].index;
        table_note(space, index >> PLACE_LEVEL ? index : index | 1 << PLACE_LEVEL, start->table1[i].frame);
    }
}

int64_t exo_space_create(struct exo_space *space, uint16_t subject, struct exo_frames *frames)
{
    *space = (struct exo_space){ .subject = subject, .frames = frames };
    int64_t result = table_make(space, LEVELS, &space->table4);

    if (result != EXO_OK)
        return result;
    if (!table_under(space, table_under(space, space->table4, 0, 3), 0, 2))
        return EXO_BAD_NAME;
    return exo_environment_space(subject, space->table4);
}

int64_t exo_space_view(struct exo_space *space, uint64_t address)
{
    int64_t result = exo_space_table(space, address) ? EXO_OK : EXO_BAD_NAME;

    space->view = address;
    for (uint32_t i = 0; i < EXO_SPACE_TABLES && result == EXO_OK; i++)
        if (space->table[i].place >> PLACE_LEVEL == 1)
            result = view_bind(space, i);
    return result;
}

int64_t exo_space_view_begin(struct exo_space *space, uint64_t address)
{
    space->view = address;
    return exo_space_table(space, address) ? EXO_OK : EXO_BAD_NAME;
}

int64_t exo_space_view_add(struct exo_space *space, uint64_t address)
{
    return view_bind(space, table_index(space, place_of(address, 1)));
}

const volatile uint64_t *exo_space_entries(const struct exo_space *space, uint64_t address)
{
    uint32_t index = table_index(space, place_of(address, 1));
    return space->table[index].place ? (const volatile uint64_t *)(space->view + (uint64_t)index * EXO_FRAME_SIZE) : 0;
}

uint64_t exo_space_entry(const struct exo_space *space, uint64_t address)
{
    uint32_t index = table_index(space, place_of(address, 1));
    const volatile uint64_t *entries = (const volatile uint64_t *)(space->view + (uint64_t)index * EXO_FRAME_SIZE);

    return space->table[index].place ? entries[address / EXO_FRAME_SIZE % EXO_TABLE_ENTRIES] : 0;
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
