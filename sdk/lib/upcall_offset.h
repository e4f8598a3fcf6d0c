/* Offsets and numbers that upcall.S and gate.S use; upcall.c asserts that each is what the ABI says. */
#pragma once

#define CONTEXT_ADDRESS           0x10000
#define CONTEXT_EXCEPTION_RIP     0
#define CONTEXT_EXCEPTION_RFLAGS  8
#define CONTEXT_EXCEPTION_RSP     16
#define CONTEXT_EXCEPTION_RAX     24
#define CONTEXT_EXCEPTION_RCX     32
#define CONTEXT_EXCEPTION_R11     40
#define CONTEXT_EXCEPTION_VECTOR  48
#define CONTEXT_EXCEPTION_ADDRESS 56
#define CONTEXT_EXCEPTION_BUSY    64
#define CONTEXT_EVENT_BUSY        68
#define CONTEXT_PENDING           72
#define CONTEXT_EVENT             128
#define CONTEXT_FORCED            2560
#define CONTEXT_FORCED_FPU        2752

#define THREAD_RESUME     0
#define THREAD_STACK      8
#define THREAD_STACK_SIZE 16
#define THREAD_BLOCKED    24
#define THREAD_BEGIN      32
#define THREAD_MAIN_STACK 40
#define THREAD_FPU        48
#define THREAD_BASE       56

#define FRAME_RAX 112
#define FRAME_RIP 136
#define FRAME_RSP 152

#define RED_ZONE  128 /* System V ABI: below the stack pointer, kept by whoever interrupts */
#define STACK_GAP 160 /* the red zone, a return address, and alignment */

#define EVENT_START  1
#define EVENT_END    2
#define EVENT_FORCED 128
#define EVENT_FRESH  256

#define CALL_SLICE_YIELD 0x4578001a
#define CALL_GATE_CALL   0x4578001f
#define CALL_GATE_REPLY  0x45780020
