/* bool fault_run(act rdi, argument rsi): calls it; a fault on the way lands at fault_land with the stack of here. */
#include <exo/kept.inc>

    .text
    .globl fault_run, fault_land
fault_run:
    kept_push
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
    kept_pop
    ret

    .bss
    .balign 8
    .globl fault_stack
fault_stack:
    .skip 8
    .section .note.GNU-stack, "", @progbits
