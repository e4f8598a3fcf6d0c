/*
 * Upcalls: how a virtual processor takes exceptions and events, sleeps, and resumes without the kernel.
 *
 * Each virtual processor has one upcall stack. An upcall that interrupts ordinary code starts at its top; one that
 * interrupts another upcall goes on below it. The interrupted state always moves to a struct exo_upcall_frame on
 * that stack before further upcalls are let in, and resumes without the kernel. Handlers must be compiled for
 * general registers only (-mgeneral-regs-only), since FPU state is saved only where a slice ends.
 *
 * Context pages are at EXO_CONTEXT_ADDRESS + index * 4096; the trampolines find their thread by that.
 */
#pragma once
#include <stdbool.h>
#include <exo/abi.h>
#include <exo/space.h>

#define EXO_CONTEXT_ADDRESS 0x10000ull
#define EXO_CONTEXT         ((struct exo_context *)EXO_CONTEXT_ADDRESS)

/* The interrupted state; a handler may change it. */
struct exo_upcall_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdi, rsi, rdx, r11, rcx, rax;
    uint32_t vector, error; /* of an exception; else 0 */
    uint64_t address;       /* of a page fault; else 0 */
    uint64_t rip, rflags, rsp;
};
_Static_assert(sizeof(struct exo_upcall_frame) == 160, "struct exo_upcall_frame");

/* What the trampolines know of a virtual processor. Offsets are used by upcall.S. */
struct exo_thread {
    uint64_t resume;     /*  0: the frame that the next fresh start resumes; 0: the thread begins */
    uint64_t stack;      /*  8: top of the upcall stack */
    uint64_t stack_size; /* 16 */
    uint64_t blocked;    /* 24: 1 while events are held back on purpose (context.event_busy agrees, or is about to) */
    uint64_t begin;      /* 32: what runs first */
    uint64_t main_stack; /* 40: its stack pointer */
    uint64_t fpu;        /* 48: where FPU state is saved when a slice ends (XSAVE area), or 0 */
    uint64_t base;       /* 56: the FS base that it is resumed with after others ran */
};
extern struct exo_thread exo_threads[EXO_VCPUS_PER_ENVIRONMENT];

/* The entry points to give to vcpu_entry. */
void exo_exception_entry(void);
void exo_event_entry(void);

/* Called with events held back. END needs no answer: the trampoline yields after the handler has returned. */
extern void (*exo_event_handler)(uint32_t events, struct exo_upcall_frame *frame);
/* Called with events let in. Returning resumes the frame. The first one prints the exception and ends the program. */
extern void (*exo_exception_handler)(struct exo_upcall_frame *frame);

/* Leave the processor by a call that saves nothing; returns when the thread runs again, with 0 or the call's status. */
int64_t exo_switch(struct exo_thread *thread, uint64_t word, uint64_t a0, uint64_t a1, uint64_t a2);
/* The same for calls with up to six arguments. */
int64_t exo_switch_words(struct exo_thread *thread, uint64_t word, const uint64_t arguments[6]);

int64_t exo_thread_yield(struct exo_thread *thread);
int64_t exo_thread_yield_to(struct exo_thread *thread, uint16_t environment, uint8_t vcpu);
int64_t exo_thread_sleep(struct exo_thread *thread, uint64_t deadline, uint32_t events, bool gates);
/* Another virtual processor of this program, 1 to 7: its context page in `context`, a frame that the capability covers and that is free; it
 * begins at `begin` on main_stack, which must not return, and takes upcalls on upcall_stack. */
int64_t exo_thread_start(struct exo_space *space, uint8_t index, uint16_t capability, uint32_t context,
                         void begin(struct exo_context *context), uint64_t main_stack, uint64_t upcall_stack,
                         uint64_t upcall_stack_size);

/* The same for virtual processor 0. Events are handled before these return. */
int64_t exo_yield(void);
int64_t exo_yield_to(uint16_t environment, uint8_t vcpu);
/* Until one of the events or the deadline (ns). With gates, gate calls are served meanwhile. */
int64_t exo_sleep(uint64_t deadline, uint32_t events, bool gates);

/* Hold events back on virtual processor 0, for instance to look at what a handler changes and then sleep without missing
 * it: exo_sleep, called with events held back, lets them in. Returns what exo_events_restore wants back. */
bool exo_events_block(void);
void exo_events_restore(bool blocked);

/*
 * Return twice: build, called with events held back, copies this memory into another environment and starts it; there
 * exo_fork returns 0 with exo_start filled in anew, here it returns what build did (not 0).
 */
int64_t exo_fork(int64_t (*build)(void *argument), void *argument);
/* The same for a builder that has exo_start and all else right in the copy; events must be held back, and stay so here. */
int64_t exo_fork_call(struct exo_thread *thread, int64_t (*build)(void *argument), void *argument);
