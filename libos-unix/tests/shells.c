/*
 * shells: processes that know what they run on leave odd things behind in their environment: bindings, page tables, capabilities, gates, virtual
 * processors. Whoever is forked next must be whole and alone, and so must the parent and the instance. Runs on Exo only.
 */
#include <exo/calls.h>
#include <exo/machine.h>
#include <unix/protocol.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_ODD   0x3be10000ull /* the stack has not come down to there yet */
#define PROGRAM_ODD 0x5f0000ull   /* the others: where no program has anything, mostly in tables that stay from process to process */
#define TABLE_ODD   0x30000000ull /* 2 MiB without a table */
#define RUNTIME_ODD 0x3c1f0000ull
#define LOW_ODD     0x1f0000ull

enum { SLOT_ODD = 100, SLOTS_ODD = 8, NEXT = 3, WORDS = 4096, DONE = 42, SERVER_READS = 193, SERVER_READS_END = 256 };

static const uint64_t odd[] = { PROGRAM_ODD, TABLE_ODD, RUNTIME_ODD, LOW_ODD };
static struct exo_start start; /* of the child that attacks */
static struct unix_range chunk;
static struct unix_fork told;
static uint64_t words[WORDS];
static sigjmp_buf back;
static unsigned checks, held;

static void check(const char *what, int holds)
{
    checks++;
    held += !!holds;
    printf("%s %s\n", holds ? "ok" : "NOT OK", what);
}

static uint32_t table_of(uint64_t address)
{
    for (uint32_t i = 0; i < start.table1_count; i++)
        if (start.table1[i].index == address >> 21)
            return start.table1[i].frame;
    return 0;
}

/* The entry of an address, in the view that every process has of its own tables. */
static uint64_t entry_of(uint64_t address)
{
    const uint64_t *entries = (const uint64_t *)(UNIX_VIEW_ADDRESS + (address >> 21) % 512 * EXO_FRAME_SIZE);
    return entries[address / EXO_FRAME_SIZE % 512];
}

static uint32_t frame_of(uint64_t address)
{
    return (uint32_t)(entry_of(address) >> 12 & (EXO_FRAME_LIMIT - 1));
}

static int64_t bind(uint64_t address, uint32_t table, uint32_t frame, uint16_t slot, uint16_t flags)
{
    return exo_space_bind(0, address, table | (uint64_t)frame << 32, slot | (uint64_t)flags << 16, 0);
}

static int64_t unbind(uint64_t address, uint32_t table)
{
    return exo_space_unbind(0, address, table, 0, 0);
}

/* Free frames of our chunk, from its end. */
static uint32_t chunk_frame(uint32_t n)
{
    for (uint32_t i = chunk.count; i-- > 0;)
        if (exo_frame_info(chunk.first + i)->kind == EXO_FRAME_FREE && n-- == 0)
            return chunk.first + i;
    return 0;
}

static int64_t own_page(uint64_t address)
{
    uint32_t frame = chunk_frame(0);

    if (exo_frame_take(0, SLOT_POOL, frame, 1) != 1)
        return -1;
    return bind(address, table_of(address), frame, SLOT_POOL, EXO_MAP_READ | EXO_MAP_WRITE);
}

/* Bindings beside what a process has by itself: of its own frames, of the window, of the runtime, of its parent's memory. */
static int64_t leave_bindings(void)
{
    uint32_t window = frame_of(UNIX_WINDOW_ADDRESS);

    own_page(PROGRAM_ODD);
    own_page(LOW_ODD);
    bind(RUNTIME_ODD, table_of(RUNTIME_ODD), window, SLOT_WINDOW, EXO_MAP_READ | EXO_MAP_WRITE);
    bind(LOW_ODD + EXO_FRAME_SIZE, table_of(LOW_ODD), window, SLOT_WINDOW, EXO_MAP_READ | EXO_MAP_WRITE);
    return bind(STACK_ODD, table_of(STACK_ODD), window, SLOT_WINDOW, EXO_MAP_READ | EXO_MAP_WRITE);
}

static int64_t leave_window_unbound(void)
{
    return unbind(UNIX_WINDOW_ADDRESS + EXO_FRAME_SIZE, table_of(UNIX_WINDOW_ADDRESS));
}

static int64_t leave_other_page(void)
{
    uint64_t address = UNIX_WINDOW_ADDRESS + EXO_FRAME_SIZE;

    unbind(address, table_of(address));
    return bind(address, table_of(address), frame_of(UNIX_WINDOW_ADDRESS), SLOT_WINDOW, EXO_MAP_READ | EXO_MAP_WRITE);
}

static int64_t leave_readable_page(void)
{
    uint64_t address = UNIX_WINDOW_ADDRESS + EXO_FRAME_SIZE;
    return exo_space_protect(0, address, table_of(address), (uint64_t)EXO_MAP_READ << 16, 0);
}

static int64_t leave_capability(void)
{
    return exo_capability_derive(0, SLOT_SHELL, 0, SLOT_ODD, EXO_RIGHT_READ | EXO_RIGHT_TAKE, chunk.first - chunk.first + start.table4, 1);
}

static int64_t leave_capabilities_of_chunk(void)
{
    int64_t result = 0;

    for (uint32_t i = 0; i < SLOTS_ODD && result == 0; i++)
        result = exo_capability_derive(0, SLOT_POOL, 0, (uint16_t)(SLOT_ODD + i), EXO_RIGHT_READ | EXO_RIGHT_TAKE, chunk.first + i, 1);
    return result;
}

static int64_t table_make(uint32_t *ret_table)
{
    *ret_table = chunk_frame(0);
    return exo_table_create(0, SLOT_POOL, *ret_table, chunk_frame(1), 1);
}

/* A page table of our own, with the window in it, that hangs in the tables which stay. */
static int64_t leave_table(void)
{
    uint32_t table;

    if (table_make(&table) || bind(TABLE_ODD, start.table2, table, 0, EXO_MAP_READ) != 1)
        return -1;
    return bind(TABLE_ODD, table, frame_of(UNIX_WINDOW_ADDRESS), SLOT_WINDOW, EXO_MAP_READ | EXO_MAP_WRITE);
}

/* A table that stays, at another place too. */
static int64_t leave_table_twice(void)
{
    return bind(TABLE_ODD, start.table2, table_of(UNIX_WINDOW_ADDRESS), 0, EXO_MAP_READ);
}

/* Where the view was stands a table of our own. */
static int64_t leave_other_table(void)
{
    uint32_t table;

    if (table_make(&table) || unbind(UNIX_VIEW_ADDRESS, start.table2) != 1)
        return -1;
    return bind(UNIX_VIEW_ADDRESS, start.table2, table, 0, EXO_MAP_READ);
}

static int64_t leave_other_root(void)
{
    return bind(1ull << 39, start.table4, start.table3, 0, EXO_MAP_READ);
}

static int64_t leave_processor(void)
{
    uint32_t frame = chunk_frame(0);

    if (exo_vcpu_create(0, 1, SLOT_POOL, frame, LOW_ODD) || bind(LOW_ODD, table_of(LOW_ODD), frame, SLOT_POOL, EXO_MAP_READ | EXO_MAP_WRITE) != 1)
        return -1;
    exo_vcpu_entry(0, 1, EXO_ENTRY_EVENT, (uint64_t)leave_processor);
    return exo_vcpu_start(0, 1);
}

static int64_t leave_gate(void)
{
    return exo_gate_create(3, 0, (uint64_t)leave_gate, 0, SLOT_ODD);
}

/* An environment of our own, which may name our frames. */
static int64_t leave_environment(void)
{
    if (exo_environment_create(0, SLOT_POOL, chunk_frame(0), SLOT_ODD) || exo_environment_extend(SLOT_ODD, SLOT_POOL, chunk_frame(0), 0))
        return -1;
    return exo_capability_derive(0, SLOT_SHELL, SLOT_ODD, 1, EXO_RIGHT_READ | EXO_RIGHT_GRANT, start.table4, 1);
}

static int64_t leave_more_slots(void)
{
    return exo_environment_extend(0, SLOT_POOL, chunk_frame(0), 1);
}

static int64_t leave_no_runtime(void)
{
    return exo_capability_withdraw(0, 0, start.environment, SLOT_FILES);
}

static int64_t leave_no_chunk(void)
{
    return exo_capability_withdraw(0, 0, start.environment, SLOT_POOL);
}

static int64_t leave_no_tables(void)
{
    return exo_capability_withdraw(0, 0, start.environment, SLOT_SHELL);
}

static int64_t leave_half_withdrawn(void)
{
    return exo_capability_withdraw(0, 0, start.environment, SLOT_STATE);
}

/* The server reads our tables under a capability that derives from ours. */
static int64_t leave_server_blind(void)
{
    uint32_t server = exo_frame_info(frame_of(UNIX_STATE_ADDRESS))->owner;
    unsigned done = 0;

    for (uint16_t slot = SERVER_READS; slot < SERVER_READS_END; slot++) {
        int64_t result;
        do
            result = exo_capability_withdraw(0, SLOT_SHELL, server, slot);
        while (result == EXO_AGAIN);
        done += result == EXO_OK;
    }
    return done == 1 ? 0 : -1;
}

static int64_t leave_handlers(void)
{
    exo_vcpu_entry(0, 0, EXO_ENTRY_EXCEPTION, 16);
    return exo_vcpu_entry(0, 0, EXO_ENTRY_EVENT, 16);
}

/* The n-th page of the program that the list tells. It begins with rewritten code, which stays bound from process to process. */
static const struct unix_run *code_run(uint32_t n)
{
    for (uint32_t i = 0; i < told.run_count; i++)
        if (told.run[i].page >> 21 == UNIX_PROGRAM_ADDRESS >> 21 && n-- == 0)
            return &told.run[i];
    return 0;
}

static int64_t code_put(uint64_t address, const struct unix_run *run)
{
    for (uint32_t i = 0; run && i < told.view_count; i++)
        if (run->frame - told.view[i].first < told.view[i].count)
            return bind(address, table_of(address), run->frame, (uint16_t)told.view[i].slot, EXO_MAP_READ | EXO_MAP_EXECUTE);
    return -1;
}

static int64_t leave_code(void)
{
    return code_put(PROGRAM_ODD, code_run(0));
}

static int64_t leave_other_code(void)
{
    const struct unix_run *run = code_run(0);

    if (!run || !code_run(1))
        return -1;
    unbind(run->page, table_of(run->page));
    return code_put(run->page, code_run(1));
}

static const struct {
    const char *name;
    int64_t (*leave)(void);
    int is_mortal; /* it may be the process's own end */
} attacks[] = {
    { "odd bindings", leave_bindings, 0 },
    { "a page of the window unbound", leave_window_unbound, 0 },
    { "another page in its place", leave_other_page, 0 },
    { "a page that cannot be written", leave_readable_page, 0 },
    { "a capability to a root table", leave_capability, 0 },
    { "capabilities to its chunk", leave_capabilities_of_chunk, 0 },
    { "a page table", leave_table, 0 },
    { "a table linked twice", leave_table_twice, 0 },
    { "a table in another's place", leave_other_table, 1 },
    { "a second way through the root", leave_other_root, 0 },
    { "a virtual processor", leave_processor, 0 },
    { "a gate", leave_gate, 0 },
    { "an environment", leave_environment, 0 },
    { "more slots", leave_more_slots, 0 },
    { "no capability to its file", leave_no_runtime, 1 },
    { "no chunk", leave_no_chunk, 1 },
    { "no tables", leave_no_tables, 1 },
    { "no state", leave_half_withdrawn, 1 },
    { "a server that cannot read", leave_server_blind, 0 },
    { "other entries", leave_handlers, 0 },
    { "its parent's code where none was", leave_code, 0 },
    { "its parent's code in a wrong place", leave_other_code, 1 },
};

static void come_back(int signal)
{
    siglongjmp(back, signal);
}

static int is_there(uint64_t address)
{
    volatile char *byte = (volatile char *)address;

    if (sigsetjmp(back, 1))
        return 0;
    (void)*byte;
    return 1;
}

/* In the child that comes next: is anything left, and does all work? 0, or what is wrong. */
static int next_look(unsigned n)
{
    signal(SIGSEGV, come_back);
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++)
        if (is_there(odd[i]))
            return 1;
    for (uint32_t i = 0; i < EXO_FRAME_SIZE; i++)
        if (((const volatile char *)STACK_ODD)[i])
            return 8;
    for (uint16_t slot = 0; slot < SLOTS_ODD; slot++)
        if (exo_capability_derive(0, SLOT_ODD + slot, 0, SLOT_ODD + SLOTS_ODD + slot, 0, 0, 1) != EXO_BAD_CAPABILITY)
            return 2;
    for (uint32_t i = 0; i < WORDS; i++) {
        if (words[i] != i * 3)
            return 3;
        words[i] = n;
    }
    char *page = mmap((void *)STACK_ODD, EXO_FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (page != MAP_FAILED && (page[7] != 0 || (page[7] = 1) != 1))
        return 4;
    int ends[2], status = 0;
    if (pipe(ends))
        return 5;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execl("/bin/busybox", "busybox", "echo", "whole", (char *)NULL);
        _exit(1);
    }
    char text[16] = "";
    close(ends[1]);
    if (read(ends[0], text, sizeof text) != 6 || memcmp(text, "whole\n", 6))
        return 6;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 7;
}

static int attack(unsigned n)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        const struct unix_fork *fork = (const struct unix_fork *)((const struct unix_window *)UNIX_WINDOW_ADDRESS)->data;
        told = *fork;
        start = told.start;
        chunk = told.chunk;
        if (attacks[n].is_mortal) { /* without its memory it may find that of its parent again, and go on like that */
            close(1);
            setpgid(0, 0);
        }
        _exit(attacks[n].leave() < 0 ? 1 : DONE);
    }
    if (child > 0 && attacks[n].is_mortal) {
        usleep(20000);
        kill(-child, SIGKILL); /* it may have stopped for ever */
        kill(child, SIGKILL);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    return attacks[n].is_mortal || (WIFEXITED(status) && WEXITSTATUS(status) == DONE);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = i * 3;
    for (unsigned n = 0; n < sizeof attacks / sizeof *attacks; n++) {
        int whole = 0, wrong = 0;
        int done = attack(n);
        for (unsigned i = 0; i < NEXT; i++) {
            int status = 0;
            pid_t child = fork();
            if (child == 0)
                _exit(next_look(i));
            whole += child > 0 && waitpid(child, &status, 0) == child && status == 0;
            wrong = status ? status : wrong;
        }
        if (!done)
            printf("NOT OK %s could not be left\n", attacks[n].name);
        if (wrong)
            printf("status %#x\n", (unsigned)wrong);
        check(attacks[n].name, done && whole == NEXT);
    }
    printf("%u of %u checks hold\n", held, checks);
    return held == checks ? 0 : 1;
}
