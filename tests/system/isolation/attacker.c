/*
 * A hostile program. Without `mode=` it tries, one after the other, all that a program could try, and counts what was
 * not refused. The other modes are what can be done only once.
 */
#include "attack.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

static void spin(void)
{
    for (;;)
        __asm__ volatile("pause");
}

/* Never yields: neither in its slices nor when END asks for it. */
static void end_ignore(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    if (events & EXO_EVENT_END)
        spin();
}

static int mode_hog(void)
{
    exo_print("hogs the processor");
    exo_event_handler = end_ignore;
    spin();
    return 0;
}

/* Each exception is answered by the same fault. */
static void fault_ignore(struct exo_upcall_frame *frame)
{
    (void)frame;
}

static int mode_loop(void)
{
    exo_print("loops in faults");
    exo_exception_handler = fault_ignore;
    return *(volatile uint8_t *)0xbeef000;
}

/* An event that is never over, while the next one is always due. */
static void event_stay(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)events;
    (void)frame;
    for (;;)
        exo_timer_set(exo_time());
}

static int mode_stuck(void)
{
    exo_print("loops in upcalls");
    exo_event_handler = event_stay;
    exo_timer_set(exo_time());
    spin();
    return 0;
}

static void fault_again(struct exo_upcall_frame *frame)
{
    (void)frame;
    EXO_CONTEXT->exception_busy = 1;
    *(volatile uint8_t *)0xdead000 = 1;
}

static int mode_fault(void)
{
    exo_print("faults in its fault handler");
    exo_exception_handler = fault_again;
    *(volatile uint8_t *)0xbeef000 = 1;
    return 0;
}

/* No handler at all. */
static int mode_bare(void)
{
    exo_print("faults without a handler");
    exo_vcpu_entry(0, 0, EXO_ENTRY_EXCEPTION, 0);
    *(volatile uint8_t *)0xbeef000 = 1;
    return 0;
}

/* With the library's handler, which tells and ends. */
static int mode_crash(void)
{
    *(volatile uint8_t *)0xbeef000 = 1;
    return 0;
}

/* Takes all its frames and gives none when asked. */
static int mode_keep(void)
{
    uint32_t count = 0;

    while (exo_frame_alloc(&memory_frames))
        count++;
    exo_print("keeps %u frames", count);
    while (EXO_CONTEXT->repossessed_count < exo_argument("frames", 64) && exo_time() < 10000000000)
        exo_yield();
    check_print(check_equal("frames in the repossession vector", EXO_CONTEXT->repossessed_count,
                            (int64_t)exo_argument("frames", 64)),
                "frames taken by force are told");
    return check_status();
}

/* Goes to sleep on an unmapped stack with unmapped entries: the space itself goes. */
static int mode_unmap(void)
{
    exo_print("unmaps itself");
    for (uint32_t i = 0; i < exo_start.table1_count; i++)
        memory_unbind((uint64_t)exo_start.table1[i].index << 21, exo_start.table2, 0);
    return 0;
}

static int mode_edge(void)
{
    attack_edge((uint8_t)exo_argument("call", EXO_CALL_NULL));
    return 0;
}

static const struct {
    const char *what;
    void (*run)(void);
} attacks[] = {
    { "on others' memory", attack_memory },
    { "by names that are not its own", attack_names },
    { "with privileged instructions", attack_instructions },
    { "on page tables", attack_tables },
    { "on others' time and devices", attack_resources },
};

/* What a list leaves behind (tables, the allocator's stock) lies at the front, so that there are 512 frames in a row in the next round, too. */
static void attack_run(uint32_t list)
{
    memory_frames.next = memory_frames.first;
    attacks[list].run();
}

static void attack_all(void)
{
    for (uint32_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        attack_run(i);
}

/* The first round of a siege also tells what is tried. */
static void attack_and_tell(void)
{
    for (uint32_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        uint32_t before = check_count();
        attack_run(i);
        exo_print("tried %u ways %s", check_count() - before, attacks[i].what);
    }
}

static int mode_attack(void)
{
    fault_begin();
    attack_all();
    return check_status();
}

/* All of it again and again, for so long, and so often; only what succeeds is printed. */
static int mode_siege(void)
{
    uint64_t end = exo_time() + exo_argument("milliseconds", 1000) * 1000000;
    uint32_t rounds = 0, least = (uint32_t)exo_argument("rounds", 1);

    fault_begin();
    check_be_quiet();
    do {
        rounds++ ? attack_all() : attack_and_tell();
    } while ((exo_time() < end || rounds < least) && !check_failed());
    exo_print("attacked %u times in %u rounds, %s", check_count(), rounds, check_failed() ? "NOT ALL IN VAIN" : "all in vain");
    return check_failed();
}

int main(void)
{
    static const struct { const char *name; int (*run)(void);
    } modes[] = {
        { "hog", mode_hog },   { "loop", mode_loop },   { "stuck", mode_stuck }, { "fault", mode_fault },
        { "bare", mode_bare }, { "crash", mode_crash }, { "keep", mode_keep },   { "unmap", mode_unmap },
        { "edge", mode_edge },  { "siege", mode_siege },
    };

    memory_open();
    for (uint32_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (exo_argument_is("mode", modes[i].name))
            return modes[i].run();
    return mode_attack();
}
