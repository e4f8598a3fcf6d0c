/*
 * Shells: an environment outlives its process and becomes another one's. What is kept is what is the same in all: the capability table with the
 * server's grants, and page tables in which the runtime is bound. A process may have done to them whatever the kernel allows, so nothing is
 * believed: what it owned is withdrawn, by which the kernel breaks all that rested on it, what is bound beside the runtime is unbound, and the rest
 * is compared with what it was when it had just been built. One that differs in anything is destroyed.
 * Capabilities to files and views stay (held.h): a shell is used only for a process that may see what they show.
 */
#pragma once
#include "process.h"

enum {
    SHELL_TABLES = 5,                          /* TABLE1s: of the context page, program, stack, runtime, view */
    SHELL_FRAMES = 2 * (3 + SHELL_TABLES) + 1, /* tables with their shadows, and the context page */
    SHELLS_IDLE_MAX = 8,
};

/* Processes that began in one, and such that ended and left none. */
struct shell_counts {
    uint32_t used, damaged;
};
extern struct shell_counts shell_counts;

/* The frame of our own capability table that SERVER_SLOT_SHELLS is in. */
int64_t shell_open(uint32_t table);
/* The place of an idle shell for a child of the parent, which is not idle from now on; 0: none fits. */
struct process *shell_take(const struct process *parent);
/* Is one in this place, used or idle? */
bool shell_is_in(const struct process *process);
/* Address space of a new environment that holds what all processes do, and nothing else yet. */
int64_t shell_build(struct process *process);
/* Its virtual processor, and what the process is told. */
int64_t shell_start(const struct process *process, struct exo_start *start);
/* How many pages of code are bound in it. */
uint32_t shell_code(const struct process *process);
/* The process has ended, and is stopped: is its environment idle now? Else it must be destroyed, and forgotten. */
bool shell_keep(struct process *process);
void shell_forget(struct process *process);
/* Destroy the oldest idle one; false: there was none. */
bool shell_give_up(void);
/* What stands in a slot now, in which the server has just put something, shall stand there when the process has ended. */
void shell_note(const struct process *process, uint32_t slot);
