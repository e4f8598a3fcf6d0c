/*
 * Numbers that the assembler shares with C: selectors, vectors, offsets into structures. cpu.c asserts that the
 * structures agree.
 */
#pragma once
#include <arch_layout.h>

#define TRAMPOLINE 0x8000 /* physical, below 1 MiB: where the other processors start */

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_SYSRET 0x1b /* sysret: stack segment 8 above, code segment 16 above */
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TASK 0x30

/* struct cpu, through %gs. */
#define CPU_STACK 0
#define CPU_USER_RSP 8
#define CPU_PATH_START 40

/* struct vcpu. */
#define VCPU_ADDRESS 48
#define VCPU_PLACE 64
#define VCPU_EXCEPTION_ENTRY 104
#define VCPU_FOREIGN_ENTRY 112
#define VCPU_TIMER 120

/* struct processor. */
#define PROCESSOR_ARMED 40

/* struct place. */
#define PLACE_RFLAGS 0
#define PLACE_RIP 8
#define PLACE_RSP 16
#define PLACE_RAX 24
#define PLACE_RDI 32

/* struct exo_context. */
#define CONTEXT_RIP 0
#define CONTEXT_RFLAGS 8
#define CONTEXT_RSP 16
#define CONTEXT_RAX 24
#define CONTEXT_RCX 32
#define CONTEXT_R11 40
#define CONTEXT_VECTOR 48
#define CONTEXT_ERROR 52
#define CONTEXT_ADDRESS 56
#define CONTEXT_BUSY 64
#define CONTEXT_FOREIGN_RIP 80

/* struct exo_registers. */
#define REGISTERS_RIP 120
#define REGISTERS_RFLAGS 128
#define REGISTERS_RSP 136
#define REGISTERS_SIZE 144

#define CALL_MAGIC 0x45780000 /* EXO_CALL_MAGIC */
#define CALL_TABLE 64
#define CALL_SLICE_YIELD 0x4578001a
#define CALL_SLICE_YIELD_TO 0x4578001b /* EXO_CALL_MAGIC | EXO_CALL_… */
#define CALL_TIMER_SET 0x4578001d
#define CALL_GATE_CALL 0x4578001f
#define CALL_GATE_REPLY 0x45780020
#define VECTOR_TIMER 0x60 /* before devices */
#define VECTOR_INTERRUPT 0x61
#define VECTOR_DEVICE 0x50 /* and one for each further device */
#define VECTOR_DEVICE_END 0x58
#define VECTOR_AGAIN 0x58 /* the same, when the kernel asks for it: a message at a vector of a line would make its end go unheard */
#define VECTOR_SPURIOUS 0xff
