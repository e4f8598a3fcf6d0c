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

/* Its faults are those of peer_write and peer_read. */
static void peer_fault(struct exo_upcall_frame *frame)
{
    if ((uint64_t)frame - (uint64_t)upcall_stack < STACK_SIZE)
        frame->rip = (uint64_t)peer_failed;
    else
        handler_of_others(frame);
}

static void peer_live(void)
{
    for (;;) {
        current = wanted;
        if (current)
            current();
        rounds++;
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
        __asm__ volatile("pause");
    uint64_t before = rounds;
    while (rounds < before + 2)
        __asm__ volatile("pause");
}

uint64_t peer_rounds(void)
{
    return rounds;
}
