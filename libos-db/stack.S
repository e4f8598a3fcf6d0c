/* int stack_switch(run rdi, top rsi): call run on the stack that ends at top, which is aligned. */
    .text
    .globl stack_switch
stack_switch:
    pushq %rbp
    movq %rsp, %rbp
    movq %rsi, %rsp
    call *%rdi
    movq %rbp, %rsp
    popq %rbp
    ret

    .section .note.GNU-stack, "", @progbits
