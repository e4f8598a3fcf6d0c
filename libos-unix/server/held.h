/*
 * Capabilities to files, and views of others' chunks, that the environment in a process's place holds. They stay in their slots when the process needs
 * them no more, and when it has ended, since to take one away costs the kernel a look at every frame.
 */
#pragma once
#include "process.h"

/* Is it a frame that a view of the place shows? */
bool held_shows(const struct process *place, uint32_t frame);
/* Do those in this place show nothing but what a child of the parent may see, and leave it the slots for its files? */
bool held_fits(const struct process *place, const struct process *parent);
/* Is each file's capability, of those that the process got while it ran, what it was given? */
bool held_settle(const struct process *process);
/* The environment is gone. */
void held_forget(const struct process *process);
/* The slot of the capability to a file, or of the view of another's chunk, which is made if it is not there yet; views only of a process that is being
 * built. 0 and the slot in the range, or a status. */
int64_t held_file(struct process *process, struct node *node, struct unix_range *ret_range);
int64_t held_view(struct process *child, const struct process *owner, const struct unix_range *chunk, struct unix_range *ret_view);
/* A file, in just this slot. */
int64_t held_file_at(struct process *process, const struct unix_range *range);
/* An environment's chunks are gone: so are all views of them. */
void held_owner_ended(uint32_t environment);
