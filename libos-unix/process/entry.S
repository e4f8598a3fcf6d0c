/*
 * Between the program and us. A foreign system call arrives with the program's registers (but rcx) and stack; its state goes to
 * system_frame, and system_leave brings it back from there without changing it: so an event that comes in the middle may begin
 * system_leave anew, when there is a signal to be taken first.
 */
#define CONTEXT_FOREIGN_RIP (0x10000 + 80)
#define STATE_PENDING (0x3c110000 + 16)
#define THREAD_MAIN_STACK (exo_threads + 40)

    .text
    .globl foreign_entry
foreign_entry:
    movq %rsp, system_frame + 152
    movq THREAD_MAIN_STACK, %rsp
    movq %r15, system_frame + 0
    movq %r14, system_frame + 8
    movq %r13, system_frame + 16
    movq %r12, system_frame + 24
    movq %rbp, system_frame + 32
    movq %rbx, system_frame + 40
    movq %r10, system_frame + 48
    movq %r9, system_frame + 56
    movq %r8, system_frame + 64
    movq %rdi, system_frame + 72
    movq %rsi, system_frame + 80
    movq %rdx, system_frame + 88
    movq %r11, system_frame + 96
    movq %rax, system_frame + 112
    movq CONTEXT_FOREIGN_RIP, %rcx
    movq %rcx, system_frame + 104
    movq %rcx, system_frame + 136
    movq %r11, system_frame + 144
    cld
    movq $system_frame, %rdi
    call system_enter

    .globl system_leave
system_leave:
    movq THREAD_MAIN_STACK, %rsp
    movq signal_mask, %rax
    notq %rax
    testq %rax, STATE_PENDING
    jz 1f
    movq $system_frame, %rdi
    call signal_take
    jmp system_leave
1:  pushq system_frame + 144
    popfq
    movq system_frame + 0, %r15
    movq system_frame + 8, %r14
    movq system_frame + 16, %r13
    movq system_frame + 24, %r12
    movq system_frame + 32, %rbp
    movq system_frame + 40, %rbx
    movq system_frame + 48, %r10
    movq system_frame + 56, %r9
    movq system_frame + 64, %r8
    movq system_frame + 72, %rdi
    movq system_frame + 80, %rsi
    movq system_frame + 88, %rdx
    movq system_frame + 96, %r11
    movq system_frame + 104, %rcx
    movq system_frame + 112, %rax
    movq system_frame + 152, %rsp
    jmp *system_frame + 136
    .globl system_left
system_left:

    .globl system_start
system_start:
    jmp system_leave

/* uint64_t user_copy(target rdi, source rsi, size rdx): a fault in it that cannot be mended goes on at user_copy_end. */
    .globl user_copy, user_copy_move, user_copy_end
user_copy:
    movq %rdx, %rcx
user_copy_move:
    rep movsb
user_copy_end:
    movq %rcx, %rax
    ret

/* void fpu_save(area rdi), fpu_load(area rdi) */
    .globl fpu_save, fpu_load
fpu_save:
    movl $-1, %eax
    movl $-1, %edx
    xsave64 (%rdi)
    ret
fpu_load:
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 (%rdi)
    movq exo_threads + 56, %rax
    wrfsbase %rax
    ret

    .section .note.GNU-stack, "", @progbits
