/* The measured paths whose registers matter. All on virtual processor 0, whose context page is at 0x10000. */
#include <exo/kept.inc>

#define CONTEXT_EVENT_BUSY 0x10044
#define CONTEXT_PENDING    0x10048
#define CONTEXT_FOREIGN_RIP 0x10050

#define CALL_SLICE_YIELD_TO 0x4578001b
#define CALL_GATE_REPLY     0x45780020
#define CALL_VCPU_ENTRY     0x45780013
#define ENTRY_EVENT         2

    .text

/* The smallest personality: every foreign system call returns at once. */
    .globl bench_foreign_entry
bench_foreign_entry:
    jmp *CONTEXT_FOREIGN_RIP

    .globl bench_gate_echo
bench_gate_echo:
    movl $CALL_GATE_REPLY, %eax
    xorl %edi, %edi
    syscall
    ud2

/* An environment that keeps no state: whenever it starts, it yields to who started it. */
    .globl bench_bounce_entry
bench_bounce_entry:
    movl $0, CONTEXT_PENDING
    movl $0, CONTEXT_EVENT_BUSY
    movl bench_bounce_target, %edi
    xorl %esi, %esi
    movl $CALL_SLICE_YIELD_TO, %eax
    syscall
    jmp bench_bounce_entry

/* Yields to rdi with an event entry of our own, which keeps the stack pointer only. */
    .globl bench_yield_pair
bench_yield_pair:
    kept_push
    pushq %rdi
    movl $bench_yield_back, %edx
    call bench_event_entry
    popq %rdi
    movq %rsp, bench_stack
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, bench_started
    xorl %esi, %esi
    movl $CALL_SLICE_YIELD_TO, %eax
    syscall
    movq %rax, bench_started

bench_yield_back:
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    subq bench_started, %rax
    movq bench_stack, %rsp
    movl $0, CONTEXT_PENDING
    movl $0, CONTEXT_EVENT_BUSY
    pushq %rax
    movl $exo_event_entry, %edx
    call bench_event_entry
    popq %rax
    kept_pop
    ret

/* edx becomes the event entry. */
bench_event_entry:
    xorl %edi, %edi
    movl $ENTRY_EVENT, %esi
    movl $CALL_VCPU_ENTRY, %eax
    syscall
    ret

    .bss
    .globl bench_bounce_target
    .balign 8
bench_bounce_target:
    .quad 0
bench_stack:
    .quad 0
bench_started:
    .quad 0

    .section .note.GNU-stack, "", @progbits
