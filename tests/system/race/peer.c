#include "peer.h"
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/upcall.h>

enum { PEER = 1, STACK_SIZE = 16384 };

void peer_failed(void);

static uint8_t upcall_stack[STACK_SIZE] __attribute__((aligned(16)));
static uint8_t main_stack[STACK_SIZE] __attribute__((aligned(16)));
static void (*volatile wanted)(void);
static void (*volatile current)(void);
static volatile uint64_t rounds;
static void (*handler_of_others)(struct exo_upcall_frame *frame);

enum alarm { ALARM_NONE, ALARM_ASKED, ALARM_SET };
static struct {
    volatile uint32_t state;
    uint64_t deadline, time;
    void (*act)(void);
} alarm;

static void pause_once(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static bool is_on_peer(const struct exo_upcall_frame *frame)
{
    return (uint64_t)frame - (uint64_t)upcall_stack < STACK_SIZE;
}

/* Its faults are those of peer_write and peer_read. */
static void peer_fault(struct exo_upcall_frame *frame)
{
    if (is_on_peer(frame))
        frame->rip = (uint64_t)peer_failed;
    else
        handler_of_others(frame);
}

static void peer_event(uint32_t events, struct exo_upcall_frame *frame)
{
    if (!is_on_peer(frame) || !(events & EXO_EVENT_TIMER) || alarm.state != ALARM_SET)
        return;
    alarm.time = exo_time();
    alarm.act();
    alarm.state = ALARM_NONE;
}

static void peer_live(void)
{
    for (;;) {
        current = wanted;
        if (current)
            current();
        else
            pause_once();
        rounds++;
        if (alarm.state == ALARM_ASKED) {
            alarm.state = ALARM_SET;
            exo_timer_set(alarm.deadline);
        }
    }
}

void peer_start(void)
{
    uint32_t context = exo_frame_find(&memory_frames);
    uint64_t address = EXO_CONTEXT_ADDRESS + PEER * EXO_FRAME_SIZE;
    const struct exo_start_capability *time = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 1));
    int64_t result;

    handler_of_others = exo_exception_handler;
    exo_exception_handler = peer_fault;
    exo_event_handler = peer_event;
    exo_threads[PEER] = (struct exo_thread){
        .stack = (uint64_t)upcall_stack + STACK_SIZE, .stack_size = STACK_SIZE,
        .begin = (uint64_t)peer_live, .main_stack = (uint64_t)main_stack + STACK_SIZE,
    };
    do
        result = exo_vcpu_create(0, PEER, memory_frames.capability, context, address);
    while (exo_again(result));
    check_must("vcpu_create", result);
    check_must("context", exo_space_map(&memory_space, address, context, 1, memory_frames.capability,
                                        EXO_MAP_READ | EXO_MAP_WRITE));
    check_must("entry", exo_vcpu_entry(0, PEER, EXO_ENTRY_EVENT, (uint64_t)exo_event_entry));
    check_must("entry", exo_vcpu_entry(0, PEER, EXO_ENTRY_EXCEPTION, (uint64_t)exo_exception_entry));
    for (uint32_t slot = time->first; slot < time->first + time->count; slot++)
        check_must("slot_take", exo_slot_take(0, time->slot, slot, PEER));
    check_must("vcpu_start", exo_vcpu_start(0, PEER));
}

void peer_repeat(void (*act)(void))
{
    wanted = act;
    while (current != act)
        pause_once();
    peer_wait();
}

void peer_wait(void)
{
    uint64_t before = rounds;

    while (rounds < before + 2)
        pause_once();
}

void peer_alarm(uint64_t deadline, void (*act)(void))
{
    alarm.deadline = deadline;
    alarm.act = act;
    alarm.state = ALARM_ASKED;
    while (alarm.state == ALARM_ASKED)
        pause_once();
}

uint64_t peer_alarm_time(void)
{
    while (alarm.state != ALARM_NONE)
        pause_once();
    return alarm.time;
}

uint64_t peer_rounds(void)
{
    return rounds;
}
