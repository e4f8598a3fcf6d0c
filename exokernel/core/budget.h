/*
 * How much one call may do: so many instructions in all, and no more than a piece of PIECE_MAX once this processor's timer is due. What is
 * larger than a piece cannot be cut. The first thing is done whatever it costs, so that every call gets on.
 */
#pragma once
#include <arch.h>

struct budget {
    uint32_t left; /* instructions, until the timer is looked at */
    uint32_t rest; /* and after that */
    bool is_used;  /* something was done that lasts: the call may end here */
};

/* May something of this cost be done? */
bool budget_spend(struct budget *budget, uint32_t cost);
/* How many such things may be done, of at most so many; they are to be spent afterwards. */
uint32_t budget_count(struct budget *budget, uint32_t cost, uint32_t most);
/* What is left does not suffice: another piece, if the call may go on. */
bool budget_renew(struct budget *budget, uint32_t cost);
