/* Signals as the program sees them: actions, mask, frames on its stack. Which are pending the server keeps. */
#pragma once
#include "runtime.h"

struct signal_stack {
    uint64_t address, flags, size;
};

struct signals {
    struct linux_action action[SIGNALS];
    struct signal_stack stack;
    uint64_t suspended; /* the mask that sigsuspend replaced */
    bool is_suspended;
    bool is_restart;    /* the call of system_frame answered RESTART: */
    uint64_t restart;   /* its number */
    uint64_t told_ignored, told_flags; /* what the server knows */
    uint32_t children;  /* of unix_state's, so many are done with */
};
extern struct signals signals;
extern uint64_t signal_mask; /* those that are blocked: the window's word, which the server reads (entry.S) */
extern uint64_t signals_own; /* those that the process sent itself, and not taken yet: the server knows nothing of them */

/* The program's doing. */
void signal_block(uint64_t mask);
/* SIGCHLD that came while it was blocked and had no handler is among our own from now on. */
void signal_child_look(void);
bool signal_is_ready(void);
/* Send it to ourselves; false: that is the server's affair. */
bool signal_self(uint64_t signal);
/* In a call that waits: is there one that ends the waiting? Those that are ignored go, those that stop are obeyed. */
bool signal_interrupts(void);
/* The server knows which of some signals are ignored, and how children end. */
void signal_policy_tell(void);
/* From entry.S: take one that is pending. */
void signal_take(struct exo_upcall_frame *frame);
/* One that the program's own instruction caused. */
void signal_raise(struct exo_upcall_frame *frame, uint32_t signal, uint32_t code, uint64_t address);
/* exec: handlers are gone. */
void signal_reset(void);
/* rt_sigreturn: the state before the handler; the value that rax has then. */
int64_t signal_return(struct exo_upcall_frame *frame);
