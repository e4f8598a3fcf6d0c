/* Into the scheduler, between tasks, and back: see state.h. */
#include "state.h"

#define CONTEXT_ADDRESS    0x10000
#define CONTEXT_EVENT_BUSY 68
#define CONTEXT_PENDING    72
#define EVENT_FORCED       128
#define EVENT_FRESH        256
#define REGISTERS_RIP      120

    .macro kept_push
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm
    .macro kept_pop
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    .endm

    .text
/* rax: the context page. */
    .globl rt_event_entry
rt_event_entry:
    cmpl $0, rt_active
    je exo_event_entry
    movq %rax, %rdi
    movl CONTEXT_PENDING(%rdi), %eax
    testl $EVENT_FORCED, %eax
    jnz 1f
    movq $rt_stack_end, %rsp
    testl $EVENT_FRESH, %eax
    jnz 2f
    movq $1, rt_held
    .globl rt_entry_taken
rt_entry_taken:
    cld
    call rt_interrupted
1:  movq $forced_stack_end, %rsp
    call rt_after_force
2:  call rt_woken

/* void rt_hold(void) */
    .globl rt_hold, rt_hold_end
rt_hold:
    movl $1, CONTEXT_ADDRESS + CONTEXT_EVENT_BUSY
    movq $1, rt_held
rt_hold_end:
    ret

/* void rt_switch(uint64_t *save rdi, uint64_t resume rsi) */
    .globl rt_switch, rt_resume
rt_switch:
    kept_push
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    kept_pop
    ret
rt_resume:
    movq %rdi, %rsp
    kept_pop
    ret

/* void rt_switch_frame(uint64_t *save rdi, uint64_t *frame rsi) */
    .globl rt_switch_frame
rt_switch_frame:
    kept_push
    movq %rsp, (%rdi)
    movq $rt_stack_end, %rsp
    movq %rsi, %rdi
    jmp rt_resume_frame

/* void rt_switch_schedule(uint64_t *save rdi, uint32_t events esi) */
    .globl rt_switch_schedule, rt_enter_schedule
rt_switch_schedule:
    kept_push
    movq %rsp, (%rdi)
    movl %esi, %edi
rt_enter_schedule:
    movq $rt_stack_end, %rsp
    call rt_schedule

/* All of a struct exo_registers at rsp but the last word; then back by the address that was put below its stack. */
    .macro registers_pop
    popq %rax
    popq %rbx
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rbp
    popq %r8
    popq %r9
    popq %r10
    popq %r11
    popq %r12
    popq %r13
    popq %r14
    popq %r15
    leaq 8(%rsp), %rsp
    popfq
    popq %rsp
    ret $RETURN_GAP - 8
    .endm

/* Let events in, and back into a task; if one came meanwhile, to the scheduler once more. */
    .globl rt_resume_frame, rt_resume_end
rt_resume_frame:
    movq $0, rt_held
    xorl %eax, %eax
    xchgl %eax, CONTEXT_ADDRESS + CONTEXT_EVENT_BUSY
    cmpl $0, CONTEXT_ADDRESS + CONTEXT_PENDING
    jne 1f
    movq %rdi, %rsp
    registers_pop
1:  movl $1, CONTEXT_ADDRESS + CONTEXT_EVENT_BUSY
    movq $1, rt_held
rt_resume_end:
    call rt_pending

/* Back into the scheduler, events still held. */
    .globl rt_resume_forced, rt_resume_forced_end
rt_resume_forced:
    movq $rt_forced, %rsp
    registers_pop
rt_resume_forced_end:

/* Where a task begins: the stack pointer is as after a call. */
    .globl rt_task_entry
rt_task_entry:
    call rt_task_loop

    .bss
    .balign 16
    .space 8192
    .globl rt_stack_end
rt_stack_end:
    .space 2048
forced_stack_end:

    .section .note.GNU-stack, "", @progbits
