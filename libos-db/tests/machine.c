#define _GNU_SOURCE
#include "machine.h"
#include "pool.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAME_SHIFT = 12, ERROR_WRITE = 2, OWN_MOST = 64, EVENTS_STEP = 4096 };

struct machine machine;
bool hardware_robbed;
static uint8_t *frames;
static uint64_t *entries;
static int frames_file;
static bool frame_taken[MACHINE_FRAMES + 1];
static bool frame_gone[MACHINE_FRAMES + 1]; /* taken by force */
static uint32_t frames_out;
static struct { void *memory; size_t size; } own[OWN_MOST];
static uint32_t own_count;
static int64_t worst;

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

static void page_protect(uint32_t page)
{
    uint64_t entry = entries[page];
    int protection = !(entry & ENTRY_ACCESSED) ? PROT_NONE : entry & ENTRY_DIRTY ? PROT_READ | PROT_WRITE : PROT_READ;

    must(mprotect(pool_page(page), PAGE_SIZE, protection) == 0, "mprotect");
}

/* The processor's part: a present page is marked; else the pool's. */
static void fault_take(int signal, siginfo_t *info, void *context)
{
    uint64_t address = (uint64_t)info->si_addr, page = (address - POOL_ADDRESS) / PAGE_SIZE;
    bool writes = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & ERROR_WRITE;

    (void)signal;
    if (address < POOL_ADDRESS || page >= MACHINE_PAGES || (!(entries[page] & ENTRY_PRESENT) && pool_fault(address) < 0)) {
        fprintf(stderr, "fault at %#lx\n", address);
        abort();
    }
    entries[page] |= ENTRY_ACCESSED | (writes ? ENTRY_DIRTY : 0);
    page_protect((uint32_t)page);
}

static void machine_make(void)
{
    struct sigaction action = { .sa_sigaction = fault_take, .sa_flags = SA_SIGINFO | SA_NODEFER };

    frames_file = memfd_create("frames", 0);
    must(frames_file >= 0 && ftruncate(frames_file, (off_t)(MACHINE_FRAMES + 1) << FRAME_SHIFT) == 0, "memory");
    frames = mmap(0, (size_t)(MACHINE_FRAMES + 1) << FRAME_SHIFT, PROT_READ | PROT_WRITE, MAP_SHARED, frames_file, 0);
    entries = mmap((void *)POOL_ENTRIES, MACHINE_PAGES * sizeof *entries, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    machine.disk = mmap(0, (size_t)MACHINE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(frames != MAP_FAILED && entries != MAP_FAILED && machine.disk != MAP_FAILED, "mmap");
    must(sigaction(SIGSEGV, &action, 0) == 0, "sigaction");
}

void machine_start(uint32_t frames_allowed)
{
    if (!frames)
        machine_make();
    must(mmap((void *)POOL_ADDRESS, (size_t)MACHINE_PAGES * PAGE_SIZE, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED, "the pool's pages");
    memset(entries, 0, MACHINE_PAGES * sizeof *entries);
    memset(frame_taken, 0, sizeof frame_taken);
    memset(frame_gone, 0, sizeof frame_gone);
    hardware_robbed = false;
    for (; own_count; own_count--)
        munmap(own[own_count - 1].memory, own[own_count - 1].size);
    machine.frames_allowed = frames_allowed;
    machine.frames_returned = machine.requests = machine.flushes = machine.fail_at = machine.rob_at = frames_out = 0;
    worst = 0;
}

void machine_disk_clear(void)
{
    if (!frames)
        machine_make();
    must(mmap(machine.disk, (size_t)MACHINE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
              0) != MAP_FAILED, "the disk");
}

static void event_add(enum event_kind kind, uint32_t value, const void *block)
{
    if (!machine.is_tracing)
        return;
    if (machine.event_count % EVENTS_STEP == 0)
        machine.events = realloc(machine.events, (machine.event_count + EVENTS_STEP) * sizeof *machine.events);
    struct event *event = &machine.events[machine.event_count++];
    *event = (struct event){ .kind = kind, .value = value };
    if (!block)
        return;
    event->block = malloc(PAGE_SIZE);
    memcpy(event->block, block, PAGE_SIZE);
}

void machine_trace(void)
{
    for (size_t i = 0; i < machine.event_count; i++)
        free(machine.events[i].block);
    free(machine.events);
    machine.events = 0;
    machine.event_count = 0;
    machine.is_tracing = true;
}

void machine_note(uint32_t value)
{
    event_add(EVENT_NOTE, value, 0);
}

void *hardware_memory(uint32_t pages)
{
    size_t size = (size_t)(pages ? pages : 1) * PAGE_SIZE;
    void *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(memory != MAP_FAILED && own_count < OWN_MOST, "own memory");
    own[own_count].memory = memory;
    own[own_count++].size = size;
    return memory;
}

uint32_t hardware_frame_take(void)
{
    if (frames_out >= machine.frames_allowed)
        return 0;
    for (uint32_t frame = 1; frame <= MACHINE_FRAMES; frame++)
        if (!frame_taken[frame]) {
            frame_taken[frame] = true;
            frames_out++;
            return frame;
        }
    return 0;
}

uint32_t hardware_frames_free(void)
{
    return machine.frames_allowed > frames_out ? machine.frames_allowed - frames_out : 0;
}

bool hardware_frame_return(uint16_t capability, uint32_t frame)
{
    must(frame_taken[frame], "a frame that was not taken");
    if (capability != 1)
        return false;
    frame_taken[frame] = false;
    frames_out--;
    machine.frames_returned++;
    machine.frames_allowed--; /* they are another's now */
    return true;
}

bool hardware_frame_is_own(uint32_t frame)
{
    return frame_taken[frame] && !frame_gone[frame];
}

static void page_hide(uint32_t page)
{
    must(mmap(pool_page(page), PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED, "unbind");
    entries[page] = 0;
}

static void frame_rob(uint32_t frame)
{
    frame_gone[frame] = true;
    machine.frames_allowed--;
    frames_out--;
    for (uint32_t page = 0; page < MACHINE_PAGES; page++)
        if (entries[page] & ENTRY_PRESENT && entries[page] >> FRAME_SHIFT == frame)
            page_hide(page);
    hardware_robbed = true;
}

bool machine_rob(uint32_t page)
{
    if (!(entries[page] & ENTRY_PRESENT))
        return false;
    frame_rob((uint32_t)(entries[page] >> FRAME_SHIFT));
    return true;
}

/* Of all that was asked for, nothing was done for the page since its frame is gone. */
static bool is_robbed(bool is_gone)
{
    hardware_robbed |= is_gone;
    return is_gone;
}

void hardware_bind(const struct hardware_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_robbed(frame_gone[pairs[i].frame]))
            continue;
        must(!(entries[pairs[i].page] & ENTRY_PRESENT) && frame_taken[pairs[i].frame], "bind");
        must(!i || pairs[i].page > pairs[i - 1].page, "bind in order");
        must(mmap(pool_page(pairs[i].page), PAGE_SIZE, PROT_NONE, MAP_SHARED | MAP_FIXED, frames_file,
                  (off_t)pairs[i].frame << FRAME_SHIFT) != MAP_FAILED, "bind");
        entries[pairs[i].page] = (uint64_t)pairs[i].frame << FRAME_SHIFT | ENTRY_PRESENT;
    }
}

void hardware_unbind(const uint32_t *pages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        must(!i || pages[i] > pages[i - 1], "unbind in order");
        if (is_robbed(!(entries[pages[i]] & ENTRY_PRESENT)))
            continue;
        page_hide(pages[i]);
    }
}

void hardware_clear(enum hardware_bit bit, const uint32_t *pages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_robbed(!(entries[pages[i]] & ENTRY_PRESENT)))
            continue;
        entries[pages[i]] &= ~(uint64_t)(bit == BIT_DIRTY ? ENTRY_DIRTY : ENTRY_ACCESSED);
        page_protect(pages[i]);
    }
}

static bool request_fails(void)
{
    machine.requests++;
    if (!machine.fail_at || --machine.fail_at)
        return false;
    worst = -16;
    return true;
}

void hardware_move(enum hardware_move move, uint32_t page, uint32_t frame, uint32_t count)
{
    bool is_robbery = machine.rob_at && !--machine.rob_at;

    if (is_robbery)
        frame_rob(frame);
    if (request_fails())
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *block = machine.disk + (size_t)(page + i) * PAGE_SIZE, *memory = frames + ((size_t)(frame + i) << FRAME_SHIFT);
        if (move == MOVE_READ) {
            memcpy(memory, block, PAGE_SIZE);
            continue;
        }
        memcpy(block, memory, PAGE_SIZE);
        event_add(EVENT_WRITE, page + i, block);
    }
}

int64_t hardware_wait(void)
{
    int64_t result = worst;

    worst = 0;
    return result;
}

int64_t hardware_flush(void)
{
    machine.flushes++;
    if (!request_fails())
        event_add(EVENT_FLUSH, 0, 0);
    return hardware_wait();
}
