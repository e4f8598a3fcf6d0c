/*
 * What switch.S and run.c share. The scheduler runs on a stack of its own with events held back, tasks run with events let in;
 * rt_held tells which of the two, and agrees with context.event_busy wherever it matters:
 *
 *  - An event saves the running task from context.event. While that lasts the kernel saves by force at most the scheduler.
 *  - What was saved by force is the scheduler if rt_held is set: it goes on exactly there, on its own stack, which is why the
 *    forced start has another one. Else it is the running task.
 *  - Three pieces of code are neither, and are known by their addresses: the entry up to where rt_held is set (the event is done
 *    again: context.event still has it), the last step back into a preempted task (its frame is still whole: nothing
 *    is saved), and the two stores of rt_hold (which begin again).
 *
 * A preempted task's frame is a struct exo_registers whose rsp is lower by RETURN_GAP: there its rip was put, so that the way back
 * only reads. (As in libexo: `ret` leaves flags and stack as they were.)
 */
#pragma once

#define RETURN_GAP 136 /* the red zone, and the address */

#ifndef __ASSEMBLER__
#include <exo/abi.h>
#include <exo/rt.h>

extern uint32_t rt_active; /* tasks run: events are ours */
extern uint64_t rt_held;
extern struct exo_registers rt_forced; /* the scheduler's state, saved by force */
extern uint8_t rt_stack_end[];

/* switch.S */
void rt_event_entry(void);
extern const uint8_t rt_entry_taken[], rt_resume_end[], rt_resume_forced_end[], rt_hold_end[];
void rt_hold(void);
/* Keep the caller's state at *save and go on with one that was kept so; or with the scheduler. */
void rt_switch(uint64_t *save, uint64_t resume);
void rt_switch_frame(uint64_t *save, uint64_t *frame);
void rt_switch_schedule(uint64_t *save, uint32_t events);
/* From the scheduler. */
_Noreturn void rt_resume(uint64_t resume);
_Noreturn void rt_resume_frame(uint64_t *frame);
_Noreturn void rt_resume_forced(void);
_Noreturn void rt_enter_schedule(uint32_t events);
/* The first return of a task. */
void rt_task_entry(void);

/* run.c, called by switch.S on the scheduler's stack or, after force, on the other one. */
#define CALLED_FROM_ASSEMBLER __attribute__((used))
_Noreturn void rt_schedule(uint32_t events);
_Noreturn void rt_interrupted(struct exo_context *context);
_Noreturn void rt_woken(struct exo_context *context);
_Noreturn void rt_after_force(struct exo_context *context);
_Noreturn void rt_pending(void);
_Noreturn void rt_task_loop(void);
#endif
