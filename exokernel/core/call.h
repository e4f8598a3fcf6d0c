/*
 * The door: what the machine calls for a system call of the exokernel. a[6] are the arguments, word is rax as it came.
 */
#pragma once
#include <state.h>

/* A call that stays in the calling virtual processor. */
exo_result call_enter(const uint64_t *a, uint64_t word);
/* The same for EXO_LOCKED_CALLS, which are most: the machine may know from the number, and come here at once. */
exo_result call_enter_locked(const uint64_t *a, uint64_t word);

/*
 * A call of EXO_SWITCHING_CALLS. *registers is the caller's state, and on return the state to run next. A handler that
 * stays returns its status, which goes to rax; one that switches away sets *registers to the next virtual processor's
 * and returns registers->rax, which goes to rax too.
 */
void call_enter_switching(struct exo_registers *registers);
