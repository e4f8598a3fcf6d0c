/*
 * The upcall trampolines (see exo/upcall.h).
 *
 * An event's state lies in the context page until it is pushed as a frame; until then event_busy holds further
 * events back. The kernel may save this code itself by force at any instruction. Up to event_taken nothing of the
 * event is lost by doing it again, so that is what happens then; afterwards blocked is set, and tells that events
 * were held back (at fresh_taken and events_held, it is about to be): then the code just goes on and they stay
 * pending. While FRESH is pending the kernel saves nothing, so it is taken off only when the state to resume is
 * safe.
 */
#include <exo/kept.inc>
#include "upcall_offset.h"

    .text

/* Pushes the frame of a struct exo_registers at REGISTERS on the stack at rsp. */
.macro push_registers registers
    pushq 136(\registers)
    pushq 128(\registers)
    pushq 120(\registers)
    pushq $0
    pushq $0
    pushq 0(\registers)
    pushq 16(\registers)
    pushq 80(\registers)
    pushq 24(\registers)
    pushq 32(\registers)
    pushq 40(\registers)
    pushq 56(\registers)
    pushq 64(\registers)
    pushq 72(\registers)
    pushq 8(\registers)
    pushq 48(\registers)
    pushq 88(\registers)
    pushq 96(\registers)
    pushq 104(\registers)
    pushq 112(\registers)
.endm

/* rsp, the interrupted stack pointer: go on below it if it is in the upcall stack of THREAD, else start at its top. */
.macro choose_stack thread, scratch
    movq THREAD_STACK(\thread), \scratch
    subq %rsp, \scratch
    cmpq THREAD_STACK_SIZE(\thread), \scratch
    ja 1f
    subq $STACK_GAP, %rsp
    andq $-16, %rsp
    jmp 2f
1:  movq THREAD_STACK(\thread), %rsp
2:
.endm

/* What the context page says of the exception under way, the first part of its frame. */
.macro push_exception context
    pushq CONTEXT_EXCEPTION_RSP(\context)
    pushq CONTEXT_EXCEPTION_RFLAGS(\context)
    pushq CONTEXT_EXCEPTION_RIP(\context)
    pushq CONTEXT_EXCEPTION_ADDRESS(\context)
    pushq CONTEXT_EXCEPTION_VECTOR(\context)
    pushq CONTEXT_EXCEPTION_RAX(\context)
    pushq CONTEXT_EXCEPTION_RCX(\context)
    pushq CONTEXT_EXCEPTION_R11(\context)
.endm

/*
 * The frame of a struct exo_registers at rsi, on a stack that is kept clear of what it interrupted. An exception whose state was not
 * taken off the context page yet is taken off here, as its entry would have done: that state and the other registers are as they were at the
 * exception. So what handles the events may take exceptions of its own; resumed, the frame goes on with the exception's handler.
 * Doing it again does no harm: there is no exception before event_taken.
 */
.macro push_interrupted
    movq 120(%rsi), %rcx
    subq $exo_exception_entry, %rcx
    cmpq $(exception_taken - exo_exception_entry), %rcx
    jae 5f
    movq CONTEXT_EXCEPTION_RSP(%rbp), %rsp
    choose_stack %rbx, %rdx
    push_exception %rbp
    pushq 24(%rsi)
    pushq 32(%rsi)
    pushq 40(%rsi)
    pushq 56(%rsi)
    pushq 64(%rsi)
    pushq 72(%rsi)
    pushq 8(%rsi)
    pushq 48(%rsi)
    pushq 88(%rsi)
    pushq 96(%rsi)
    pushq 104(%rsi)
    pushq 112(%rsi)
    movl $0, CONTEXT_EXCEPTION_BUSY(%rbp)
    movq %rsp, %rcx
    subq $STACK_GAP, %rsp
    push_registers %rsi
    movq $exception_taken, FRAME_RIP(%rsp)
    movq %rcx, FRAME_RSP(%rsp)
    jmp 6f
5:  choose_stack %rbx, %rdx
    push_registers %rsi
6:
.endm

    .globl exo_exception_entry
exo_exception_entry:
    movq %rax, %rcx
    shrq $6, %rcx
    andl $0x1c0, %ecx
    addq $exo_threads, %rcx
    movq CONTEXT_EXCEPTION_RSP(%rax), %rsp
    choose_stack %rcx, %r11
    push_exception %rax
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    kept_push
    movl $0, CONTEXT_EXCEPTION_BUSY(%rax)
exception_taken:
    cld
    movq %rsp, %rdi
    call *exo_exception_handler

/*
 * rsp: a frame. Its rip goes below the red zone of the stack that it goes back to, so that `ret` finds it there and leaves
 * the stack pointer and the flags as they were. (iretq would do without, but emulators refuse it in user mode under SMAP.)
 */
frame_resume:
    movq FRAME_RSP(%rsp), %rax
    movq FRAME_RIP(%rsp), %rcx
    subq $RED_ZONE + 8, %rax
    movq %rcx, (%rax)
    movq %rax, FRAME_RSP(%rsp)
    kept_pop
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r11
    popq %rcx
    popq %rax
    leaq 24(%rsp), %rsp
    popfq
    popq %rsp
    ret $RED_ZONE

/* From here: rbx the thread, rbp the context page, r12 the events. */
    .globl exo_event_entry
exo_event_entry:
    movq %rax, %rbp
    movq %rax, %rbx
    shrq $6, %rbx
    andl $0x1c0, %ebx
    addq $exo_threads, %rbx
    testl $EVENT_FRESH, CONTEXT_PENDING(%rbp)
    jnz event_fresh
event_push:
    leaq CONTEXT_EVENT(%rbp), %rsi
    movq 136(%rsi), %rsp
    push_interrupted
    xorl %r12d, %r12d
    movq $1, THREAD_BLOCKED(%rbx)
    xchgl %r12d, CONTEXT_PENDING(%rbp)
event_taken:
    testl $EVENT_FRESH, %r12d
    jz event_handle
    andl $~EVENT_END, %r12d
event_handle:
    cld
    movl %r12d, %edi
    movq %rsp, %rsi
    call exo_event_dispatch
    testl $EVENT_END, %r12d
    jz exo_event_leave
    call exo_thread_save_fpu
    movq %rsp, THREAD_RESUME(%rbx)
    movl $CALL_SLICE_YIELD, %eax
    syscall
    .globl exo_event_leave
exo_event_leave:
    movq $0, THREAD_BLOCKED(%rbx)
    xorl %ecx, %ecx
    xchgl %ecx, CONTEXT_EVENT_BUSY(%rbp)
    cmpl $0, CONTEXT_PENDING(%rbp)
    je frame_resume
    movq %rbx, %rdi
    movq %rbp, %rsi
    call exo_events_hold
    xorl %r12d, %r12d
    xchgl %r12d, CONTEXT_PENDING(%rbp)
    jmp event_handle

/* void exo_events_hold(thread rdi, context rsi): between the two stores, saved by force, it counts as done. */
    .globl exo_events_hold
exo_events_hold:
    movl $1, CONTEXT_EVENT_BUSY(%rsi)
events_held:
    movq $1, THREAD_BLOCKED(%rdi)
    ret

event_fresh:
    testl $EVENT_FORCED, CONTEXT_PENDING(%rbp)
    jz event_continue
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 CONTEXT_FORCED_FPU(%rbp)
    movq THREAD_BASE(%rbx), %rcx
    wrfsbase %rcx
    leaq CONTEXT_FORCED(%rbp), %rsi
    movq 120(%rsi), %rcx
    subq $exo_event_entry, %rcx
    cmpq $(event_taken - exo_event_entry), %rcx
    jb event_push
    movq THREAD_BLOCKED(%rbx), %r13
    cmpq $(fresh_taken - exo_event_entry), %rcx
    je 3f
    cmpq $(events_held - exo_event_entry), %rcx
    jne 4f
3:  movl $1, %r13d
4:  movq 136(%rsi), %rsp
    push_interrupted
    testl %r13d, %r13d
    jz fresh_take
    movq $1, THREAD_BLOCKED(%rbx)
    lock andl $~(EVENT_START | EVENT_END | EVENT_FORCED | EVENT_FRESH), CONTEXT_PENDING(%rbp)
    jmp frame_resume
fresh_take:
    xorl %r12d, %r12d
    xchgl %r12d, CONTEXT_PENDING(%rbp)
fresh_taken:
    movq $1, THREAD_BLOCKED(%rbx)
    jmp event_taken

event_continue:
    movq THREAD_RESUME(%rbx), %rsp
    testq %rsp, %rsp
    jz thread_begin
    movq THREAD_BASE(%rbx), %rcx
    wrfsbase %rcx
    movq THREAD_FPU(%rbx), %rcx
    testq %rcx, %rcx
    jz fresh_take
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 (%rcx)
    jmp fresh_take

thread_begin:
    movq THREAD_MAIN_STACK(%rbx), %rsp
    movq %rbp, %rdi
    xorl %ebp, %ebp
    xorl %eax, %eax
    xchgl %eax, CONTEXT_PENDING(%rdi)
    xchgl %ebp, CONTEXT_EVENT_BUSY(%rdi)
    xorl %ebp, %ebp
    call *THREAD_BEGIN(%rbx)
    ud2

exo_thread_save_fpu:
    movq THREAD_FPU(%rbx), %rcx
    testq %rcx, %rcx
    jz 1f
    movl $-1, %eax
    movl $-1, %edx
    xsave64 (%rcx)
1:  ret

/*
 * The frame of the caller of the function that uses this: resuming it returns 0 from that function. What the calling
 * convention lets a function destroy is not kept.
 */
.macro push_caller
    popq %r10
    movq %rsp, %r9
    subq $STACK_GAP, %rsp
    pushq %r9
    pushfq
    pushq %r10
    .rept 11
    pushq $0
    .endr
    kept_push
.endm

/* rbx and rbp from rdi, a struct exo_thread. */
.macro use_thread
    movq %rdi, %rbx
    subq $exo_threads, %rdi
    shlq $6, %rdi
    leaq CONTEXT_ADDRESS(%rdi), %rbp
.endm

/* int64_t exo_switch(thread rdi, word rsi, a0 rdx, a1 rcx, a2 r8) */
    .globl exo_switch
exo_switch:
    push_caller
    use_thread
    movq %rsi, %r12
    movq %rbx, %rdi
    movq %rbp, %rsi
    call exo_events_hold
    movq %rsp, THREAD_RESUME(%rbx)
    movq %r12, %rax
    movq %rdx, %rdi
    movq %rcx, %rsi
    movq %r8, %rdx
    syscall
    movq %rax, FRAME_RAX(%rsp)
    jmp exo_event_leave

/* int64_t exo_switch_words(thread rdi, word rsi, arguments rdx) */
    .globl exo_switch_words
exo_switch_words:
    push_caller
    use_thread
    movq %rsi, %r12
    movq %rbx, %rdi
    movq %rbp, %rsi
    call exo_events_hold
    movq %rsp, THREAD_RESUME(%rbx)
    movq %r12, %rax
    movq (%rdx), %rdi
    movq 8(%rdx), %rsi
    movq 24(%rdx), %r10
    movq 32(%rdx), %r8
    movq 40(%rdx), %r9
    movq 16(%rdx), %rdx
    syscall
    movq %rax, FRAME_RAX(%rsp)
    jmp exo_event_leave

/* void exo_events_take(thread rdi): handle what is pending. */
    .globl exo_events_take
exo_events_take:
    push_caller
    use_thread
    jmp exo_event_leave

/*
 * int64_t exo_fork_call(thread rdi, build rsi, argument rdx): what exo_fork does. The frame is where a copy of this memory
 * begins: it returns 0. Here the builder's result is returned.
 */
    .globl exo_fork_call
exo_fork_call:
    push_caller
    movq %rsp, THREAD_RESUME(%rdi)
    movq %rdx, %rdi
    movq %rsp, %rbx
    call *%rsi
    movq %rbx, %rsp
    movq %rax, FRAME_RAX(%rsp)
    jmp frame_resume

    .section .note.GNU-stack, "", @progbits
