#include "shell.h"
#include "batch.h"
#include "held.h"
#include "memory.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define SHELLS_ADDRESS 0x380000000ull
#define TABLE_SPAN     (1ull << 21)

enum {
    PAGE_ENVIRONMENT, PAGE_CAPABILITIES, PAGE_TABLES, /* what the kernel has, readable */
    COPY_ENVIRONMENT = PAGE_TABLES + SHELL_TABLES, COPY_CAPABILITIES, COPY_RUNTIME, COPY_VIEW, /* what it was */
    OWN_CAPABILITIES = 0, /* in the place of process 0, which has no shell */
    PAGES = 16, /* a shell */
    TABLE_PROGRAM = 1, TABLE_RUNTIME = 3, TABLE_VIEW = 4, /* the others are empty, but for code */
    TABLE2 = 4, /* the frames from the first on: each table with its shadow behind it, from the root down */
    CONTEXT = SHELL_FRAMES - 1,
    PAGE_WORDS = EXO_FRAME_SIZE / 8, SLOT_WORDS = 4,
    RUNS = 8,
    SITES_FIRST = (UNIX_SITES_ADDRESS - UNIX_RUNTIME_ADDRESS) / EXO_FRAME_SIZE,
    ENTRY_PRESENT = 1, ENTRY_WRITE = 2, ENTRY_TOUCHED = 0x60, /* accessed and dirty */
};
#define ENTRY_NO_EXECUTE (1ull << 63)

static const uint64_t table_address[SHELL_TABLES] = { 0, UNIX_PROGRAM_ADDRESS, UNIX_RUNTIME_ADDRESS - TABLE_SPAN, UNIX_RUNTIME_ADDRESS,
                                                      UNIX_VIEW_ADDRESS };

/* Entries of a table in a row; end 0: no more. */
struct run {
    uint32_t first, end;
};

struct shell {
    bool exists;
    uint32_t first; /* its frames */
    struct exo_start start;
    struct exo_frame tables[CONTEXT]; /* as the kernel describes them */
    uint64_t reading[SLOT_WORDS];     /* our capability to them */
    uint32_t environment_used, capabilities_used; /* words of the copies, behind which all are 0 */
    struct run run[2][RUNS]; /* of the runtime's table, and of the view's */
    uint32_t code; /* pages of code that stayed */
};

struct shell_counts shell_counts;
static struct shell shells[PROCESSES_MAX];
static uint32_t idle[SHELLS_IDLE_MAX], idle_count; /* places, the oldest first */

static uint32_t index_of(const struct process *process)
{
    return (uint32_t)(process - processes);
}

static struct shell *shell_of(const struct process *process)
{
    return &shells[index_of(process)];
}

static uint64_t *page_of(const struct process *process, uint32_t page)
{
    return (uint64_t *)(SHELLS_ADDRESS + ((uint64_t)index_of(process) * PAGES + page) * EXO_FRAME_SIZE);
}

bool shell_is_in(const struct process *process)
{
    return shell_of(process)->exists;
}

/* The process may withdraw our capability to its tables, as it derived it: then they are not there to be read. */
static const uint64_t *reading_of(const struct process *process)
{
    return page_of(processes, OWN_CAPABILITIES) + (SERVER_SLOT_SHELLS + index_of(process)) % EXO_CAPABILITIES_PER_TABLE * SLOT_WORDS;
}

static bool words_equal(const void *a, const void *b, uint64_t count)
{
    bool equal;
    __asm__ volatile("repe cmpsq" : "+S"(a), "+D"(b), "+c"(count), "=@cce"(equal) : : "memory");
    return equal;
}

/* Is a page as it was? Most is nothing in both, from some word on. */
static bool page_is_as(const uint64_t *now, const uint64_t *was, uint32_t used)
{
    return words_equal(now, was, used) && vector_find(now, used, PAGE_WORDS) == PAGE_WORDS;
}

/* Behind the last word that is not 0. */
static uint32_t page_used(const uint64_t *page)
{
    uint32_t used = PAGE_WORDS;

    while (used && !page[used - 1])
        used--;
    return used;
}

void shell_note(const struct process *process, uint32_t slot)
{
    struct shell *shell = shell_of(process);

    if (!shell->exists)
        return;
    memcpy(page_of(process, COPY_CAPABILITIES) + slot * SLOT_WORDS, page_of(process, PAGE_CAPABILITIES) + slot * SLOT_WORDS, SLOT_WORDS * 8);
    if (shell->capabilities_used < (slot + 1) * SLOT_WORDS)
        shell->capabilities_used = (slot + 1) * SLOT_WORDS;
}

static struct process *idle_remove(uint32_t at)
{
    struct process *process = &processes[idle[at]];

    for (idle_count--; at < idle_count; at++)
        idle[at] = idle[at + 1];
    return process;
}

struct process *shell_take(const struct process *parent)
{
    int32_t i = (int32_t)idle_count - 1;

    for (; i >= 0; i--)
        if (processes[idle[i]].state == PROCESS_NONE && held_fits(&processes[idle[i]], parent))
            break;
    if (i < 0)
        return 0;
    shell_counts.used++;
    return idle_remove((uint32_t)i);
}

bool shell_give_up(void)
{
    if (!idle_count)
        return false;
    struct process *process = idle_remove(0);
    exo_child_end(process->slot, process->frame);
    shell_forget(process);
    return true;
}

/* A derivation of its memory for us: its environment makes it by our hand. */
static int64_t view_open(const struct process *process, const struct shell *shell)
{
    uint16_t self = exo_start_slot(EXO_KIND_ENVIRONMENT, 0);
    int64_t result = exo_capability_derive(0, self, process->slot, SLOT_TEMPORARY, EXO_RIGHT_GRANT, exo_start.environment, 1);

    if (result != EXO_OK)
        return result;
    result = exo_capability_derive(process->slot, SLOT_SHELL, SLOT_TEMPORARY, (uint16_t)(SERVER_SLOT_SHELLS + index_of(process)),
                                   EXO_RIGHT_READ, shell->first, SHELL_FRAMES);
    process_drop(process, SLOT_TEMPORARY);
    return result;
}

static int64_t page_map(const struct process *process, uint32_t page, uint32_t frame, uint32_t count, uint32_t capability, uint32_t flags)
{
    return exo_space_map(&memory.space, (uint64_t)page_of(process, page), frame, count, (uint16_t)capability, flags);
}

/* What the kernel has of it becomes readable, and there is memory for a copy, which stays with the place. */
static int64_t pages_open(const struct process *process, const struct shell *shell)
{
    static uint32_t copies[PROCESSES_MAX];
    uint32_t *copy = &copies[index_of(process)], table = exo_frame_info(shell->first)->capability / EXO_CAPABILITIES_PER_TABLE;
    int64_t result = view_open(process, shell);

    for (uint32_t i = 0; i < SHELL_TABLES && result == EXO_OK; i++)
        result = page_map(process, PAGE_TABLES + i, shell->start.table1[i].frame, 1, SERVER_SLOT_SHELLS + index_of(process), EXO_MAP_READ);
    if (result == EXO_OK)
        result = page_map(process, PAGE_ENVIRONMENT, process->frame, 1, process->slot, EXO_MAP_READ);
    if (result == EXO_OK)
        result = page_map(process, PAGE_CAPABILITIES, table, 1, memory.own.capability, EXO_MAP_READ);
    if (result != EXO_OK || *copy)
        return result;
    uint32_t first = exo_frame_alloc_run(&memory.own, COPY_VIEW + 1 - COPY_ENVIRONMENT, 1);
    if (!first)
        return EXO_BAD_NAME;
    *copy = first;
    return page_map(process, COPY_ENVIRONMENT, first, COPY_VIEW + 1 - COPY_ENVIRONMENT, memory.own.capability, EXO_MAP_READ | EXO_MAP_WRITE);
}

static void start_fill(struct exo_start *start, const struct exo_space *space, const struct process *process, const struct shell *shell)
{
    memset(start, 0, sizeof *start);
    start->magic = EXO_START_MAGIC;
    start->size = sizeof *start;
    start->environment = process->frame;
    start->context = shell->first + CONTEXT;
    start->context_address = EXO_CONTEXT_ADDRESS;
    start->table4 = space->table4;
    start->table3 = exo_space_find(space, 0, 3);
    start->table2 = exo_space_find(space, 0, 2);
    start->table1_count = SHELL_TABLES;
    for (uint32_t i = 0; i < SHELL_TABLES; i++)
        start->table1[i] = (struct exo_start_table){ (uint32_t)(table_address[i] / TABLE_SPAN), exo_space_find(space, table_address[i], 1) };
    exo_text_copy(start->name, "process", sizeof start->name);
}

/* The link from the table above becomes the newest binding of each table: so that it is the one that the kernel's table of frames tells. */
static int64_t tables_link_again(const struct process *process, const struct shell *shell)
{
    int64_t result = 1;

    for (uint32_t i = 0; i < SHELL_TABLES && result == 1; i++) {
        result = exo_space_unbind(process->slot, table_address[i], exo_mapping_entry(shell->first + TABLE2, 0), exo_mapping_way(0, 0, 0), 0);
        if (result == 1)
            result = exo_space_bind(process->slot, table_address[i], exo_mapping_entry(shell->first + TABLE2, shell->start.table1[i].frame),
                                    exo_mapping_way(0, EXO_MAP_READ, 0), 0);
    }
    return result == 1 ? EXO_OK : result;
}

/* Tables for the usual places, the runtime, and the view of them. The space is then as the process will see it. */
static int64_t space_build(const struct process *process, struct shell *shell, struct exo_frames *frames)
{
    static struct exo_space space;
    int64_t result = exo_space_create(&space, process->slot, frames);

    for (uint32_t i = 0; i < SHELL_TABLES && result == EXO_OK; i++)
        result = exo_space_table(&space, table_address[i]) ? EXO_OK : EXO_BAD_NAME;
    if (result == EXO_OK)
        result = process_runtime_map(&space, process);
    start_fill(&shell->start, &space, process, shell);
    exo_space_open(&space, &shell->start, frames);
    space.subject = process->slot;
    space.view = UNIX_VIEW_ADDRESS;
    for (uint32_t i = 0; i < SHELL_TABLES && result == EXO_OK; i++)
        result = exo_space_view_add(&space, table_address[i]);
    return result;
}

/* False: there are more than there is room for. */
static bool runs_find(const uint64_t *entries, struct run runs[RUNS])
{
    uint32_t count = 0;

    for (uint32_t at = 0; (at = vector_find(entries, at, PAGE_WORDS)) < PAGE_WORDS; count++) {
        if (count == RUNS - 1)
            return false;
        runs[count].first = at;
        while (at < PAGE_WORDS && entries[at])
            at++;
        runs[count].end = at;
    }
    return true;
}

int64_t shell_open(uint32_t table)
{
    return page_map(processes, OWN_CAPABILITIES, table, 1, memory.own.capability, EXO_MAP_READ);
}

int64_t shell_build(struct process *process)
{
    struct shell *shell = shell_of(process);
    struct exo_frames frames;

    *shell = (struct shell){ .first = exo_frame_alloc_run(&memory.own, SHELL_FRAMES, 1) };
    if (!shell->first || exo_frames_give_up(exo_frame_free, memory.own.capability, shell->first, SHELL_FRAMES) != SHELL_FRAMES)
        return EXO_BAD_NAME;
    int64_t result = exo_capability_derive(0, memory.own.capability, process->slot, SLOT_SHELL,
                                           EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT, shell->first, SHELL_FRAMES);
    exo_frames_open(&frames, process->slot, SLOT_SHELL, shell->first, SHELL_FRAMES);
    while (result == EXO_OK && (result = exo_frame_take(process->slot, SLOT_SHELL, shell->first + CONTEXT, 1)) != 1)
        result = exo_again(result) ? EXO_OK : result;
    if (result == 1)
        result = space_build(process, shell, &frames);
    if (result == EXO_OK)
        result = pages_open(process, shell);
    if (result == EXO_OK)
        result = tables_link_again(process, shell);
    if (result != EXO_OK)
        return result;
    memcpy(page_of(process, COPY_ENVIRONMENT), page_of(process, PAGE_ENVIRONMENT), EXO_FRAME_SIZE);
    memcpy(page_of(process, COPY_CAPABILITIES), page_of(process, PAGE_CAPABILITIES), EXO_FRAME_SIZE);
    memcpy(page_of(process, COPY_RUNTIME), page_of(process, PAGE_TABLES + TABLE_RUNTIME), EXO_FRAME_SIZE);
    memcpy(page_of(process, COPY_VIEW), page_of(process, PAGE_TABLES + TABLE_VIEW), EXO_FRAME_SIZE);
    shell->environment_used = page_used(page_of(process, COPY_ENVIRONMENT));
    shell->capabilities_used = page_used(page_of(process, COPY_CAPABILITIES));
    if (!runs_find(page_of(process, COPY_RUNTIME), shell->run[0]) || !runs_find(page_of(process, COPY_VIEW), shell->run[1]))
        return EXO_BAD_NAME;
    memcpy(shell->tables, (const void *)exo_frame_info(shell->first), sizeof shell->tables);
    memcpy(shell->reading, reading_of(process), sizeof shell->reading);
    shell->exists = true;
    return EXO_OK;
}

int64_t shell_start(const struct process *process, struct exo_start *start)
{
    const struct shell *shell = shell_of(process);
    uint32_t context = shell->first + CONTEXT;
    int64_t result;

    memcpy(start, &shell->start, sizeof *start);
    exo_frame_free(process->slot, SLOT_SHELL, context, 1); /* until now nobody else was to take it */
    do
        result = exo_vcpu_create(process->slot, 0, SLOT_SHELL, context, EXO_CONTEXT_ADDRESS);
    while (exo_again(result));
    if (result == EXO_OK)
        result = exo_space_bind(process->slot, EXO_CONTEXT_ADDRESS, exo_mapping_entry(shell->start.table1[0].frame, context),
                                exo_mapping_way(SLOT_SHELL, EXO_MAP_READ | EXO_MAP_WRITE, 0), 0);
    if (result == 1)
        result = exo_vcpu_entry(process->slot, 0, EXO_ENTRY_EVENT, process_runtime_entry());
    return result == EXO_OK ? exo_vcpu_start(process->slot, 0) : result;
}

/* Code of its ancestors stays bound: who comes next may bind it itself by the capability that it finds, and is told how much there is. */
static bool entry_stays(const struct process *process, uint32_t table, uint32_t at)
{
    uint64_t entry = page_of(process, PAGE_TABLES + table)[at];
    bool is_place_of_code = table == TABLE_PROGRAM || (table == TABLE_RUNTIME && at - SITES_FIRST < SITE_PAGES);

    return is_place_of_code && (entry & (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_NO_EXECUTE)) == ENTRY_PRESENT &&
           held_shows(process, exo_entry_frame(entry));
}

/* Nothing else is bound in [at, end) any more, once the batch is done. */
static bool entries_clear(struct batch *batch, const struct process *process, uint32_t table, uint32_t at, uint32_t end)
{
    const uint64_t *entries = page_of(process, PAGE_TABLES + table);

    while ((at = vector_find(entries, at, end)) < end) {
        uint32_t first = at;
        for (; at < end && entry_stays(process, table, at); at++)
            shell_of(process)->code++;
        if (at > first)
            continue;
        while (at < end && entries[at] && !entry_stays(process, table, at) && at - first < EXO_BATCH_MAX)
            at++;
        if (!batch_add(batch, shell_of(process)->start.table1[table].frame, table_address[table] + (uint64_t)first * EXO_FRAME_SIZE, at - first))
            return false;
    }
    return true;
}

/* What was bound is, with the same access, and nothing else any more. */
static bool table_restore(struct batch *batch, const struct process *process, uint32_t table, const uint64_t *was, const struct run *run)
{
    const uint64_t *entries = page_of(process, PAGE_TABLES + table);
    uint32_t at = 0;

    for (uint64_t differs = 0; run->end; at = run++->end) {
        if (!entries_clear(batch, process, table, at, run->first))
            return false;
        for (uint32_t i = run->first; i < run->end; i++)
            differs |= was[i] ^ entries[i];
        if (differs & ~(uint64_t)ENTRY_TOUCHED)
            return false;
    }
    return entries_clear(batch, process, table, at, PAGE_WORDS);
}

static bool tables_restore(const struct process *process, struct shell *shell)
{
    static struct batch batch;

    shell->code = 0;
    batch.subject = process->slot;
    batch.count = 0;
    for (uint32_t i = 0; i < TABLE_RUNTIME; i++)
        if (!entries_clear(&batch, process, i, 0, PAGE_WORDS))
            return false;
    return table_restore(&batch, process, TABLE_RUNTIME, page_of(process, COPY_RUNTIME), shell->run[0]) &&
           table_restore(&batch, process, TABLE_VIEW, page_of(process, COPY_VIEW), shell->run[1]) && batch_unbind(&batch);
}

/* No capability more or less than it was given, no gate, no other virtual processor or address space; all tables are there and linked where they
 * were, and nowhere else. */
static bool shell_is_whole(const struct process *process, const struct shell *shell)
{
    return page_is_as(page_of(process, PAGE_ENVIRONMENT), page_of(process, COPY_ENVIRONMENT), shell->environment_used) &&
           page_is_as(page_of(process, PAGE_CAPABILITIES), page_of(process, COPY_CAPABILITIES), shell->capabilities_used) &&
           words_equal(reading_of(process), shell->reading, SLOT_WORDS) && 
           words_equal((const void *)exo_frame_info(shell->first), shell->tables, sizeof shell->tables / 8);
}

/* The page of its virtual processor, which is stopped, is bound nowhere. It stays its own. */
static bool context_is_unbound(const struct shell *shell)
{
    const volatile struct exo_frame *info = exo_frame_info(shell->first + CONTEXT);

    return info->kind == EXO_FRAME_DATA && info->stamp == shell->tables[0].stamp && !info->bindings;
}

/* All that it owned, and what rested on it, wherever it was bound. */
static bool chunks_withdraw(const struct process *process)
{
    for (uint32_t i = 0; i < process->chunk_count; i++) {
        int64_t result = exo_drop_of(process->slot, process->frame, (uint16_t)process->chunk[i].slot);
        if (result != EXO_OK && result != EXO_BAD_NAME) /* its own end may have been the process's doing */
            return false;
    }
    return true;
}

/* Nothing runs or is bound in it; false: it is not as it was. */
static bool shell_clean(const struct process *process, struct shell *shell)
{
    return chunks_withdraw(process) && held_settle(process) && shell_is_whole(process, shell) && tables_restore(process, shell) &&
           context_is_unbound(shell);
}

uint32_t shell_code(const struct process *process)
{
    return shell_of(process)->code;
}

bool shell_keep(struct process *process)
{
    struct shell *shell = shell_of(process);

    if (!shell->exists || instance.over)
        return false;
    if (!shell_clean(process, shell)) {
        shell_counts.damaged++;
        return false;
    }
    if (idle_count == SHELLS_IDLE_MAX)
        shell_give_up();
    idle[idle_count++] = index_of(process);
    return true;
}

void shell_forget(struct process *process)
{
    held_forget(process);
    shell_of(process)->exists = false;
}
