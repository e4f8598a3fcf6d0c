/*
 * Downloaded programs: loaded into donated frames, verified, compiled, and run in the window. A program is named by its first
 * page there and, for ever, by its id: who uses one notes both. It is run without the lock, with interrupts disabled, so a
 * program that ends waits for the flush epoch before its machine code goes.
 */
#pragma once
#include <state.h>
#include <code.h>

struct budget;

/* The entry of a page of the window, or NULL. */
struct exo_program *program_named(uint32_t page);
/* The environment's READY program of this kind. BAD_NAME or WRONG_KIND if it has none there. */
exo_result program_find(frame_name environment, uint32_t page, uint32_t kind, uint64_t *ret_id);
/* Is this program still there, ready to run? Then it stays so until this processor passes the next flush epoch. */
bool program_is_ready(uint32_t page, uint64_t id);
/* Run it, within its budget; memory and context are filled in. */
uint64_t program_run(uint32_t page, struct code_run *run);
/* Under the lock. End the program that this page of the window is the first of. True when nothing is left of it. */
bool program_end(uint32_t page, struct budget *budget);

/* predicate.c */
extern const struct code_kind predicate_kind;
/* ash.c */
extern const struct code_kind message_kind;
