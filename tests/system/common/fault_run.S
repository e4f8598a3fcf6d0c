/* bool fault_run(act rdi, argument rsi): calls it; a fault on the way lands at fault_land with the stack of here. */
    .text
    .globl fault_run, fault_land
fault_run:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, fault_stack
    subq $8, %rsp
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    addq $8, %rsp
    xorl %eax, %eax
    jmp 1f
fault_land:
    movl $1, %eax
1:  movq $0, fault_stack
    cld
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .bss
    .balign 8
    .globl fault_stack
fault_stack:
    .skip 8
    .section .note.GNU-stack, "", @progbits
