/*
 * The door: what the machine calls for a system call of the exokernel.
 */
#pragma once
#include <state.h>

/* A call that stays in the calling virtual processor. word is rax as it came. */
exo_result call_enter(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t word);

/*
 * A call of EXO_SWITCHING_CALLS. *registers is the caller's state, and on return the state to run next. A handler that
 * stays returns its status, which goes to rax; one that switches away sets *registers to the next virtual processor's
 * and returns registers->rax, which goes to rax too.
 */
void call_enter_switching(struct exo_registers *registers);
