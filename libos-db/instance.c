#include "instance.h"
#include "archive.h"
#include "ground.h"
#include "pool.h"
#include "store.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { EXCEPTION_PAGE_FAULT = 14, MEMORY_PAGES = 8192, STACK_PAGES = 64, FPU_PAGES = 1 };

int stack_switch(int (*run)(void), void *top);

static uint8_t *stack; /* what instance_run runs on */
static uint8_t fault_fpu[512] __attribute__((aligned(16)));

static bool is_asked; /* for memory */
static bool is_deaf;  /* and never answers, for tests of what comes then */

uint32_t instance_events;

static void event_note(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    instance_events++;
    if (events & (EXO_EVENT_REVOKE | EXO_EVENT_IMPERATIVE) && !is_deaf)
        __atomic_store_n(&is_asked, true, __ATOMIC_SEQ_CST);
    if (events & EXO_EVENT_REPOSSESSED)
        __atomic_store_n(&hardware_robbed, true, __ATOMIC_SEQ_CST);
}

static void fault_refuse(const struct exo_upcall_frame *frame, int64_t result)
{
    exo_print("exception %u at %#lx, address %#lx: %s", frame->vector, frame->rip, frame->address, exo_status_name(result));
    exo_exit(EXO_EXIT_EXCEPTION);
}

/* Others use the processor while the page comes; what the faulting code has in the registers of its numbers is kept here meanwhile. */
static void fault_handle(struct exo_upcall_frame *frame)
{
    if (frame->vector != EXCEPTION_PAGE_FAULT)
        fault_refuse(frame, 0);
    __asm__ volatile("fxsave64 %0" : "=m"(fault_fpu));
    int64_t result = pool_fault(frame->address);
    if (result < 0)
        fault_refuse(frame, result);
    __asm__ volatile("fxrstor64 %0" : : "m"(fault_fpu));
}

/* A loan goes back as a whole. */
static void loan_answer(uint32_t first, uint32_t count)
{
    uint64_t before = exo_time();
    uint32_t had = pool_frames();

    if (!pool_leave(first, count)) {
        exo_print("the loan of %u frames cannot be given now", count);
        return;
    }
    uint64_t after = exo_time();
    ground_loan_return();
    exo_print("gave a loan of %u frames in %lu us, %u are left", had - pool_frames(), (after - before) / 1000, pool_frames());
}

/* The loan may be the program's again. */
static void loan_look(void)
{
    enum { LOOK_NS = 20000000 };
    static uint64_t next;
    uint32_t grown;

    if (!ground_has_loan() || exo_time() < next)
        return;
    next = exo_time() + LOOK_NS;
    if ((grown = pool_grow()))
        exo_print("%u frames more: %u now", grown, pool_frames());
}

static void loss_end(uint32_t pages)
{
    exo_print("frames were taken by force, %u of them with what is nowhere else: this is the end, what was committed stays", pages);
    exo_exit(1);
}

/* Frames that were taken by force held what the disk has. */
static void loss_tell(void)
{
    static uint32_t told;

    if (pool_look() || pool_figures.robbed != told)
        exo_print("%u frames were taken by force: what was in them comes back from the disk, %u are left", pool_figures.robbed - told, pool_frames());
    told = pool_figures.robbed;
}

void instance_answer(void)
{
    loss_tell();
    uint32_t wanted = EXO_CONTEXT->revoke_count, first, count;

    if (!__atomic_exchange_n(&is_asked, false, __ATOMIC_SEQ_CST) || !wanted) {
        loan_look();
        return;
    }
    if (ground_is_loan((uint16_t)EXO_CONTEXT->revoke_capability, &first, &count)) {
        loan_answer(first, count);
        return;
    }
    uint64_t before = exo_time();
    uint32_t given = pool_give((uint16_t)EXO_CONTEXT->revoke_capability, wanted);
    exo_print("asked for %u frames: gave %u in %lu us, %u are left", wanted, given, (exo_time() - before) / 1000, pool_frames());
}

static void fail(const char *what)
{
    exo_print("%s", what);
    exo_exit(1);
}

static void store_begin(uint32_t blocks)
{
    int64_t result = store_open(blocks);

    if (result == STORE_FOREIGN)
        fail("the extent holds something else than a database: it is left alone");
    if (result == STORE_NEWER)
        fail("the database is of another version, or larger than the extent");
    if (result == STORE_SMALL)
        fail("the extent is too small: give it 2M");
    if (result < 0)
        exo_print("the disk fails: %s", exo_status_name(result)), exo_exit(1);
}

void instance_open(void)
{
    uint32_t blocks = ground_open(MEMORY_PAGES, FPU_PAGES + STACK_PAGES);
    uint64_t size = 0;

    if (!blocks)
        fail("there is no extent that can be used: add `extents` to the manifest, of at most 700M");
    const void *archive = ground_archive(&size);
    archive_open(archive, size);
    void *fpu = hardware_memory(FPU_PAGES);
    stack = hardware_memory(STACK_PAGES);
    uint32_t most = (uint32_t)exo_argument("frames", UINT32_MAX), free = hardware_frames_free();
    is_deaf = exo_argument("deaf", 0);
    pool_lost = loss_end;
    exo_exception_handler = fault_handle;
    exo_event_handler = event_note;
    if (!fpu || !stack || pool_open(blocks, MEMORY_PAGES, most < free ? most : free, &replacement_clock) < 0)
        fail("there is not memory enough: make `memory` in the manifest larger, or `kept` smaller");
    exo_threads[0].fpu = (uint64_t)fpu;
    store_begin(blocks);
}

int instance_run(int (*run)(void))
{
    return stack_switch(run, stack + STACK_PAGES * PAGE_SIZE);
}
