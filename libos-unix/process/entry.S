/*
 * Between the program and us. A foreign system call arrives with the program's registers (but rcx) and stack; its state goes to
 * system_frame, and system_leave brings it back from there without changing it: so an event that comes in the middle may begin
 * system_leave anew, when there is a signal to be taken first.
 */
#include "quick.h"

#define CONTEXT_FOREIGN_RIP (0x10000 + 80)
#define STATE_PENDING (0x3c110000 + 16)
#define WINDOW_DIRECT (0x3c107fc0 + 8)
#define WINDOW_MASK (0x3c107fc0 + 24)
#define THREAD_MAIN_STACK (exo_threads + 40)
#define FRAME_R11 96
#define FRAME_RCX 104
#define FRAME_RIP 136
#define FRAME_RFLAGS 144
#define FRAME_RSP 152

    .macro FRAME_PUT
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
    movq %rax, system_frame + 112
    .endm

    .globl signal_mask
    .set signal_mask, WINDOW_MASK

    .text
    .globl foreign_entry
foreign_entry:
    movq %rsp, system_frame + FRAME_RSP
    movq THREAD_MAIN_STACK, %rsp
    FRAME_PUT
    movq CONTEXT_FOREIGN_RIP, %rcx
    movq %rcx, system_frame + FRAME_RCX
    movq %rcx, system_frame + FRAME_RIP
    movq %r11, system_frame + FRAME_R11
    movq %r11, system_frame + FRAME_RFLAGS
    cld
    movq $system_frame, %rdi
    call system_trap
    jmp system_leave

/*
 * From a rewritten site (site.c): r11 is where it goes on, rcx is free, all else is the program's, its flags and the memory below
 * its stack pointer too. What quick.c serves needs no frame; all else goes on as if it had trapped.
 */
    .globl site_entry
site_entry:
    movq %rsp, system_frame + FRAME_RSP
    movq THREAD_MAIN_STACK, %rsp
    pushq %rax
    pushfq
    pushq %r11
    pushq %r9
    pushq %r8
    pushq %r10
    pushq %rdx
    pushq %rsi
    pushq %rdi
    cmpq $QUICK_CALLS, %rax
    jae site_in_full
    movq quick_calls(, %rax, 8), %rcx
    jrcxz site_in_full
    cld
    movq %rsp, %rdi
    call *%rcx
    cmpq $QUICK_NOT, %rax
    je site_in_full
    incq WINDOW_DIRECT
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r10
    popq %r8
    popq %r9
    popq %r11
    popfq
    movq system_frame + FRAME_RSP, %rsp
    jmp site_leave

/*
 * The end of a call that needed no frame: rax is its result, r11 where it goes on. No flag is changed. An event in between begins
 * site_leave anew, so that no signal is left lying.
 */
    .globl site_count
site_count:
    movq WINDOW_DIRECT, %rcx
    leaq 1(%rcx), %rcx
    movq %rcx, WINDOW_DIRECT
    .globl site_leave
site_leave:
    movq STATE_PENDING, %rcx
    jrcxz 1f
    jmp site_signal
1:  movq %r11, %rcx
    jmp *%r11
    .globl site_left
site_left:

site_in_full:
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r10
    popq %r8
    popq %r9
    popq %rcx
    popq system_frame + FRAME_RFLAGS
    popq %rax
    FRAME_PUT
    movq %rcx, system_frame + FRAME_RCX
    movq %rcx, system_frame + FRAME_RIP
    movq system_frame + FRAME_RFLAGS, %rcx
    movq %rcx, system_frame + FRAME_R11
    incq WINDOW_DIRECT
    cld
    movq $system_frame, %rdi
    call system_enter
    jmp system_leave

site_signal:
    movq %rsp, system_frame + FRAME_RSP
    movq THREAD_MAIN_STACK, %rsp
    pushfq
    popq system_frame + FRAME_RFLAGS
    FRAME_PUT
    movq %r11, system_frame + FRAME_RCX
    movq %r11, system_frame + FRAME_RIP
    movq system_frame + FRAME_RFLAGS, %rcx
    movq %rcx, system_frame + FRAME_R11
    cld
    call site_interrupted

    .globl system_leave
system_leave:
    movq THREAD_MAIN_STACK, %rsp
    movq signal_mask, %rax
    notq %rax
    movq STATE_PENDING, %rcx
    orq signals_own, %rcx
    testq %rax, %rcx
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

/*
 * uint64_t user_copy(target rdi, source rsi, size rdx), user_clear(target rdi, size rsi), user_signal_put(FPU area rdi, first
 * and last word of the frame rsi, rdx), user_signal_get(where it says where the area is rdi, the same): a
 * fault between user_copy_move and user_copy_end that cannot be mended goes on at user_copy_end, where rcx and rdx are not both 0 then.
 */
    .globl user_copy, user_clear, user_signal_put, user_signal_get, user_copy_move, user_copy_end
user_copy_move:
user_signal_put:
    movl $1, %ecx
    xorl %eax, %eax
    movq %rax, (%rsi)
    movq %rax, (%rdx)
    movq %rax, 512(%rdi) /* of the header xsave writes only a part, and xrstor wants zeros (Intel SDM 1 13.4.2) */
    movq %rax, 520(%rdi)
    movq %rax, 528(%rdi)
    movq %rax, 536(%rdi)
    movq %rax, 544(%rdi)
    movq %rax, 552(%rdi)
    movq %rax, 560(%rdi)
    movq %rax, 568(%rdi)
    movl $-1, %eax
    movl $-1, %edx
    xsave64 (%rdi)
    jmp 1f
user_signal_get:
    movl $1, %ecx
    movq (%rsi), %rax
    movq (%rdx), %rax
    movq (%rdi), %rdi
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 (%rdi)
1:  xorl %ecx, %ecx
    xorl %edx, %edx
    jmp user_copy_end
user_clear:
    cmpq $8, %rsi
    jae 1f
    movl %esi, %ecx
    xorl %edx, %edx
    xorl %eax, %eax
    rep stosb
    ret
1:  movq %rsi, %rcx
    movl %esi, %edx
    shrq $3, %rcx
    andl $7, %edx
    xorl %eax, %eax
    rep stosq
    xchgq %rcx, %rdx
    rep stosb
    jmp user_copy_end
user_copy:
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
    rep movsq
    xchgq %rcx, %rdx
    rep movsb
user_copy_end:
    leaq (%rcx, %rdx), %rax
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
