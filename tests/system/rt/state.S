/*
 * uint64_t state_hold(uint64_t seed rdi, uint64_t loops rsi): keeps values made of the seed in registers, general and SSE, and in the flags, for so
 * many rounds; returns how many rounds found one changed.
 */
    .macro check register, number
    movq \register, %rax
    subq %rdi, %rax
    cmpq $\number, %rax
    jne 9f
    .endm

    .text
    .globl state_hold
state_hold:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq $0
    movq %rsi, %rcx
    leaq 1(%rdi), %rbx
    leaq 2(%rdi), %rbp
    leaq 3(%rdi), %r8
    leaq 4(%rdi), %r9
    leaq 5(%rdi), %r10
    leaq 6(%rdi), %r11
    leaq 7(%rdi), %r12
    leaq 8(%rdi), %r13
    leaq 9(%rdi), %r14
    leaq 10(%rdi), %r15
    leaq 11(%rdi), %rsi
    leaq 12(%rdi), %rdx
    movq %rbx, %xmm0
    movq %r15, %xmm7
    movq %rdx, %xmm15
    movq %rdi, -64(%rsp) /* in the red zone */
1:  stc
    nop
    nop
    jnc 9f
    movq %rbx, %rax
    subq %rdi, %rax
    cmpq $1, %rax
    jne 9f
    check %rbp, 2
    check %r8, 3
    check %r9, 4
    check %r10, 5
    check %r11, 6
    check %r12, 7
    check %r13, 8
    check %r14, 9
    check %r15, 10
    check %rsi, 11
    check %rdx, 12
    movq %xmm0, %rax
    cmpq %rbx, %rax
    jne 9f
    movq %xmm7, %rax
    cmpq %r15, %rax
    jne 9f
    movq %xmm15, %rax
    cmpq %rdx, %rax
    jne 9f
    cmpq %rdi, -64(%rsp)
    jne 9f
2:  decq %rcx
    jnz 1b
    popq %rax
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
9:  incq (%rsp)
    jmp 2b
    .section .note.GNU-stack, "", @progbits
