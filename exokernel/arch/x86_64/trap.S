/*
 * Into the kernel and out of it: system calls, exceptions, interrupts. Interrupts are off in the kernel but for
 * the idle loop, and every path starts on an empty stack, so a struct exo_registers is always built at its top - 160:
 * where the hardware's own frame (rip, cs, rflags, rsp, ss) overlaps its end. In kernel mode %gs is this processor's struct cpu.
 *
 * Two fast paths never reach C: foreign system calls (trap_foreign) and exceptions with a usable entry (trap_deliver).
 * A user rip at or above 2^47 can exist (a program may map its last page); sysret and iretq would fault on it in kernel
 * mode, so it is refused as a general protection fault of its owner.
 */
#include <dispatch.h>
#include "offset.h"

#define FLAGS_ALLOWED 0x250dd5 /* of a user's flags: not IOPL, NT, VM, VIF, VIP; IF is set anyway */
#define FLAGS_ENTRY 0x202

/* The time that a path through the kernel takes, in processor_info()->longest_path: an option, since it costs some 30 instructions. */
    .macro PATH_START
#ifdef PATH_CLOCK
    pushq %rax
    pushq %rdx
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, %gs:CPU_PATH_START
    popq %rdx
    popq %rax
#endif
    .endm
    .macro PATH_END
#ifdef PATH_CLOCK
    pushq %rax
    subq $8, %rsp
    call path_end
    addq $8, %rsp
    popq %rax
#endif
    .endm

    .macro PUSH_REGISTERS_BELOW_R14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rbp
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rbx
    pushq %rax
    .endm

    .macro POP_REGISTERS
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
    .endm

    /* Turn the hardware's frame at the end of struct exo_registers into its fields. Destroys rax. Clears AC and DF. */
    .macro SETTLE_FRAME
    movq REGISTERS_RFLAGS+8(%rsp), %rax
    movq %rax, REGISTERS_RFLAGS(%rsp)
    movq REGISTERS_RSP+8(%rsp), %rax
    movq %rax, REGISTERS_RSP(%rsp)
    pushq $2
    popfq
    .endm

    /* The registers of a caller into a struct exo_registers. */
    .macro PUSH_CALLER
    movq %gs:CPU_STACK, %rsp
    subq $16, %rsp
    pushq %gs:CPU_USER_RSP
    pushq %r11
    pushq %rcx
    pushq %r15
    pushq %r14
    PUSH_REGISTERS_BELOW_R14
    .endm

    .section .text

/* ---- system calls */

    .globl trap_call
trap_call:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    cmpq $CALL_SLICE_YIELD, %rax
    jae trap_call_late
trap_call_by_table:
    movl %eax, %esp
    subl $CALL_MAGIC, %esp
    cmpl $CALL_TABLE, %esp
    jae trap_call_is_odd
    shll $3, %esp
    andl $8 * CALL_TABLE - 1, %esp /* whatever the processor guessed */
    jmp *trap_calls(%rsp)

    /* A call that stays. The arguments are an array on the stack; nothing of the kernel's is left in their registers. */
    .macro CALL_STAY function
    movq %gs:CPU_STACK, %rsp
    PATH_START
    pushq %gs:CPU_USER_RSP
    pushq %rcx
    pushq %r11
    pushq %r9
    pushq %r8
    pushq %r10
    pushq %rdx
    pushq %rsi
    pushq %rdi
    movq %rsp, %rdi
    movq %rax, %rsi
    call \function
    PATH_END
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r10
    popq %r8
    popq %r9
    popq %r11
    popq %rcx
    btq $47, %rcx
    jc trap_return_is_wild
    popq %rsp
    swapgs
    sysretq
    .endm
trap_locked:
    CALL_STAY call_enter_locked
trap_stay:
    CALL_STAY call_enter

trap_call_is_odd:
    cmpl $0xffff, %esp
    ja trap_foreign
    jmp trap_stay

trap_return_is_wild:
    PUSH_CALLER
    jmp trap_leave

/*
 * The commonest transfers go without a struct exo_registers: what is pushed of the message registers is enough. The C function's
 * place is where to go on, or 0: then nothing was done, and the call goes the long way.
 */
    .macro PLACE_ENTER
    movq PLACE_RFLAGS(%rax), %r11
    movq PLACE_RIP(%rax), %rcx
    movq PLACE_RDI(%rax), %rdi
    movq PLACE_RSP(%rax), %rsp
    movq PLACE_RAX(%rax), %rax
    swapgs
    sysretq
    .endm
    .macro MESSAGE_PUSH
    pushq %rsi
    pushq %rdx
    pushq %r10
    pushq %r8
    pushq %r9
    .endm
    .macro MESSAGE_POP
    popq %r9
    popq %r8
    popq %r10
    popq %rdx
    popq %rsi
    .endm

trap_gate_call:
    btq $47, %rcx
    jc trap_return_is_wild
    movq %gs:CPU_STACK, %rsp
    PATH_START
    pushq %rdi
    MESSAGE_PUSH
    movq %gs:CPU_VCPU, %rax
    movq %r11, VCPU_PLACE+PLACE_RFLAGS(%rax)
    movq %rcx, VCPU_PLACE+PLACE_RIP(%rax)
    movq %gs:CPU_USER_RSP, %rcx
    movq %rcx, VCPU_PLACE+PLACE_RSP(%rax)
    call gate_call_fast
    testq %rax, %rax
    jz 1f
    PATH_END
    MESSAGE_POP
    PLACE_ENTER
1:  MESSAGE_POP
    popq %rdi
    movq %gs:CPU_VCPU, %rax
    movq VCPU_PLACE+PLACE_RFLAGS(%rax), %r11
    movq VCPU_PLACE+PLACE_RIP(%rax), %rcx
    movl $CALL_GATE_CALL, %eax
    jmp trap_switching

trap_gate_reply:
    testq %rdi, %rdi
    jnz trap_switching
    movq %gs:CPU_STACK, %rsp
    PATH_START
    pushq %rcx
    pushq %r11
    MESSAGE_PUSH
    call gate_reply_fast
    testq %rax, %rax
    jz 1f
    PATH_END
    MESSAGE_POP
    PLACE_ENTER
1:  MESSAGE_POP
    xorl %edi, %edi
    popq %r11
    popq %rcx
    movl $CALL_GATE_REPLY, %eax
    jmp trap_switching

trap_yield_to:
    movq %gs:CPU_STACK, %rsp
    PATH_START
    pushq %rcx
    pushq %r11
    pushq %rdi
    pushq %rsi
    call slice_yield_fast
    testq %rax, %rax
    jz 1f
    PATH_END
    xorl %ebx, %ebx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    PLACE_ENTER
1:  popq %rsi
    popq %rdi
    popq %r11
    popq %rcx
    xorl %edx, %edx
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    movl $CALL_SLICE_YIELD_TO, %eax
    jmp trap_switching

/* timer_set, if this processor's own timer comes before that. */
trap_timer_set:
    btq $47, %rcx
    jc trap_return_is_wild
    movq %gs:CPU_VCPU, %rsp
    movq %rdi, VCPU_TIMER(%rsp)
    movq %gs:CPU_RUNNING, %rsp
    cmpq PROCESSOR_ARMED(%rsp), %rdi
    jb trap_call_by_table
    xorl %eax, %eax
    movq %gs:CPU_USER_RSP, %rsp
    swapgs
    sysretq

/* A call from slice_yield up, one with a subject, or a foreign one. */
trap_call_late:
    cmpq $CALL_GATE_CALL, %rax
    je trap_gate_call
    cmpq $CALL_GATE_REPLY, %rax
    je trap_gate_reply
    cmpq $CALL_SLICE_YIELD_TO, %rax
    je trap_yield_to
    cmpq $CALL_TIMER_SET, %rax
    je trap_timer_set
    jmp trap_call_by_table

/* Who runs next arrives as from a call, whose rcx and r11 nobody may rely on: sysret instead of iretq. */
trap_switching:
    btq $47, %rcx
    jc trap_return_is_wild
    PUSH_CALLER
    PATH_START
    movq %rsp, %rdi
    call call_enter_switching
    movq %gs:CPU_RUNNING, %rax
    cmpl $0, (%rax)
    je trap_idle
    PATH_END
    POP_REGISTERS
    popq %rcx
    popq %r11
    andl $FLAGS_ALLOWED, %r11d
    orl $FLAGS_ENTRY, %r11d
    popq %rsp
    swapgs
    sysretq

trap_foreign:
    movq %gs:CPU_CONTEXT, %rsp
    movq %rcx, CONTEXT_FOREIGN_RIP(%rsp)
    movq %gs:CPU_VCPU, %rsp
    movq VCPU_FOREIGN_ENTRY(%rsp), %rcx
    movq %gs:CPU_USER_RSP, %rsp
    jrcxz trap_foreign_is_unwanted
    swapgs
    sysretq

/* As an invalid opcode at the syscall instruction (2 bytes). */
trap_foreign_is_unwanted:
    movq %gs:CPU_CONTEXT, %rcx
    movq CONTEXT_FOREIGN_RIP(%rcx), %rcx
    movq %gs:CPU_STACK, %rsp
    pushq $SELECTOR_USER_DATA
    pushq %gs:CPU_USER_RSP
    pushq %r11
    pushq $SELECTOR_USER_CODE
    subq $2, %rcx
    pushq %rcx
    pushq $0
    pushq $6
    jmp trap_deliver

/* ---- exceptions */

    .macro DELIVER page_fault
    pushq %rax
    movq %gs:CPU_VCPU, %rax
    cmpq $0, VCPU_EXCEPTION_ENTRY(%rax)
    je trap_fault
    movq %gs:CPU_CONTEXT, %rax
    cmpl $0, CONTEXT_BUSY(%rax)
    jne trap_fault
    movl $1, CONTEXT_BUSY(%rax)
    movq %rcx, CONTEXT_RCX(%rax)
    movq %r11, CONTEXT_R11(%rax)
    popq CONTEXT_RAX(%rax)
    popq %rcx
    movl %ecx, CONTEXT_VECTOR(%rax)
    popq %rcx
    movl %ecx, CONTEXT_ERROR(%rax)
    popq CONTEXT_RIP(%rax)
    movq 8(%rsp), %rcx
    movq %rcx, CONTEXT_RFLAGS(%rax)
    .if \page_fault
    movq %cr2, %rcx
    movq %rcx, CONTEXT_ADDRESS(%rax)
    .else
    movq $0, CONTEXT_ADDRESS(%rax)
    .endif
    movq 16(%rsp), %rsp
    movq %rsp, CONTEXT_RSP(%rax)
    movq %gs:CPU_VCPU, %rcx
    movq VCPU_ADDRESS(%rcx), %rax
    movq VCPU_EXCEPTION_ENTRY(%rcx), %rcx
    movl $FLAGS_ENTRY, %r11d
    swapgs
    sysretq
    .endm

trap_exception:
    testb $3, 24(%rsp)
    jz trap_kernel
    swapgs
    lfence
trap_deliver:
    DELIVER 0

trap_page_fault:
    testb $3, 24(%rsp)
    jz trap_kernel
    swapgs
    lfence
    DELIVER 1

/* No entry, or in it: stack is rax, vector, error, the hardware's frame. */
trap_fault:
    popq %rax
    PATH_START
    xchgq %r14, (%rsp)
    xchgq %r15, 8(%rsp)
    PUSH_REGISTERS_BELOW_R14
    SETTLE_FRAME
    movq %rsp, %rdi
    movl %r14d, %esi
    movl %r15d, %edx
    xorl %ecx, %ecx
    cmpl $14, %esi
    jne 1f
    movq %cr2, %rcx
1:  call upcall_fault
    jmp trap_leave

/* The kernel's own fault, or one that no environment can have caused. Stack is vector, error, the hardware's frame. */
trap_kernel:
    xchgq %r14, (%rsp)
    xchgq %r15, 8(%rsp)
    PUSH_REGISTERS_BELOW_R14
    SETTLE_FRAME
    movq %rsp, %rdi
    movl %r14d, %esi
    movl %r15d, %edx
    andq $-16, %rsp
    call panic_exception

    .macro EXCEPTION vector, has_error, target=trap_exception
trap_vector_\vector:
    .if !\has_error
    pushq $0
    .endif
    pushq $\vector
    jmp \target
    .endm
    EXCEPTION 0, 0
    EXCEPTION 1, 0
    EXCEPTION 2, 0, trap_kernel
    EXCEPTION 3, 0
    EXCEPTION 4, 0
    EXCEPTION 5, 0
    EXCEPTION 6, 0
    EXCEPTION 7, 0
    EXCEPTION 8, 1, trap_kernel
    EXCEPTION 9, 0
    EXCEPTION 10, 1
    EXCEPTION 11, 1
    EXCEPTION 12, 1
    EXCEPTION 13, 1
    EXCEPTION 14, 1, trap_page_fault
    EXCEPTION 15, 0
    EXCEPTION 16, 0
    EXCEPTION 17, 1
    EXCEPTION 18, 0, trap_kernel
    EXCEPTION 19, 0
    EXCEPTION 20, 0
    EXCEPTION 21, 1

/* ---- interrupts */

    .macro INTERRUPT name, handler
    .globl \name
\name:
    testb $3, 8(%rsp)
    jz 1f
    swapgs
    lfence
    PATH_START
    pushq %r15
    pushq %r14
    PUSH_REGISTERS_BELOW_R14
    SETTLE_FRAME
    jmp 2f
1:  movq %gs:CPU_STACK, %rsp /* from the idle loop, which keeps nothing */
    PATH_START
    subq $160, %rsp
2:  movq %rsp, %rdi
    call \handler
    jmp trap_leave
    .endm
    INTERRUPT trap_timer, apic_timer
    INTERRUPT trap_interrupt, apic_interrupt

/* Of devices: which one takes r15's place on the stack, as an exception's error code does. */
    .macro DEVICE number
trap_device_\number:
    pushq $\number
    jmp trap_device
    .endm
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7
    DEVICE \number
    .endr

trap_device:
    testb $3, 16(%rsp)
    jz 1f
    swapgs
    lfence
    PATH_START
    xchgq %r15, (%rsp)
    pushq %r14
    PUSH_REGISTERS_BELOW_R14
    SETTLE_FRAME
    jmp 2f
1:  popq %r15 /* from the idle loop, which keeps nothing */
    movq %gs:CPU_STACK, %rsp
    PATH_START
    subq $160, %rsp
2:  movq %rsp, %rdi
    movl %r15d, %esi
    call apic_device
    jmp trap_leave

    .globl trap_spurious
trap_spurious:
    iretq

/* ---- out of the kernel */

/* The first entry of a processor: slice_start picks. */
    .globl cpu_enter
cpu_enter:
    movq %gs:CPU_STACK, %rsp
    subq $160, %rsp
    PATH_START
    movq %rsp, %rdi
    call slice_start

/* Run the struct exo_registers at the stack pointer in user mode, or idle. */
trap_leave:
    movq %gs:CPU_RUNNING, %rax
    cmpl $0, (%rax)
    je trap_idle
    movq REGISTERS_RIP(%rsp), %rax
    shrq $47, %rax
    jnz trap_rip_is_wild
    PATH_END
    movq REGISTERS_RSP(%rsp), %rax
    movq %rax, REGISTERS_RSP+8(%rsp)
    movq REGISTERS_RFLAGS(%rsp), %rax
    andl $FLAGS_ALLOWED, %eax
    orl $FLAGS_ENTRY, %eax
    movq %rax, REGISTERS_RFLAGS+8(%rsp)
    movq $SELECTOR_USER_CODE, REGISTERS_RIP+8(%rsp)
    movq $SELECTOR_USER_DATA, REGISTERS_RSP+16(%rsp)
    POP_REGISTERS
    swapgs
    iretq

trap_rip_is_wild:
    movq %rsp, %rdi
    movl $13, %esi
    xorl %edx, %edx
    xorl %ecx, %ecx
    call upcall_fault
    jmp trap_leave

trap_idle:
    PATH_END
    movq %gs:CPU_STACK, %rsp
1:  sti
    hlt
    jmp 1b

    .section .rodata
    .balign 8
trap_calls:
    .set number, 0
    .rept CALL_TABLE
    .if EXO_SWITCHING_CALLS >> number & 1
    .quad trap_switching
    .elseif EXO_LOCKED_CALLS >> number & 1
    .quad trap_locked
    .else
    .quad trap_stay
    .endif
    .set number, number + 1
    .endr

    .globl trap_vectors
trap_vectors:
    .irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21
    .quad trap_vector_\vector
    .endr

    .globl trap_devices
trap_devices:
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7
    .quad trap_device_\number
    .endr

    .section .note.GNU-stack, "", @progbits
