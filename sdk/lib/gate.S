/* The register work of gate calls (see exo/gate.h). */
#include <exo/kept.inc>
#include "upcall_offset.h"

    .text

/* int64_t exo_gate_invoke(gate rdi, message rsi) */
    .globl exo_gate_invoke
exo_gate_invoke:
    kept_push
    pushq %rsi
    movq %rsi, %rax
    movq 0(%rax), %rsi
    movq 8(%rax), %rdx
    movq 16(%rax), %r10
    movq 24(%rax), %r8
    movq 32(%rax), %r9
    movq 40(%rax), %rbx
    movq 48(%rax), %rbp
    movq 56(%rax), %r12
    movq 64(%rax), %r13
    movq 72(%rax), %r14
    movq 80(%rax), %r15
    movl $CALL_GATE_CALL, %eax
    syscall
    movq (%rsp), %rcx
    movq %rsi, 0(%rcx)
    movq %rdx, 8(%rcx)
    movq %r10, 16(%rcx)
    movq %r8, 24(%rcx)
    movq %r9, 32(%rcx)
    movq %rbx, 40(%rcx)
    movq %rbp, 48(%rcx)
    movq %r12, 56(%rcx)
    movq %r13, 64(%rcx)
    movq %r14, 72(%rcx)
    movq %r15, 80(%rcx)
    popq %rsi
    kept_pop
    ret

/* rax badge, rdi index, the message in registers; the gate's stack is aligned to 16. */
    .globl exo_gate_entry
exo_gate_entry:
    pushq %r15
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %rbp
    pushq %rbx
    pushq %r9
    pushq %r8
    pushq %r10
    pushq %rdx
    pushq %rsi
    movl %edi, %esi
    movq %rax, %rdi
    movq %rsp, %rdx
    cld
    call *exo_gate_handler
    popq %rsi
    popq %rdx
    popq %r10
    popq %r8
    popq %r9
    popq %rbx
    popq %rbp
    popq %r12
    popq %r13
    popq %r14
    popq %r15
    movl $CALL_GATE_REPLY, %eax
    xorl %edi, %edi
    syscall
/* The caller is gone: virtual processor 0 goes on where it slept. */
    movq $exo_threads, %rbx
    movq $CONTEXT_ADDRESS, %rbp
    movq THREAD_RESUME(%rbx), %rsp
    jmp exo_event_leave

    .section .note.GNU-stack, "", @progbits
