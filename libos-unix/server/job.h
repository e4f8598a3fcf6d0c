/* Process groups, and processes that are stopped: what a shell needs for its jobs. */
#pragma once
#include "process.h"

/* To each process of the group. */
void group_signal(uint32_t group, uint32_t signal);
/* Is there such a group in the session (0: in any)? */
bool group_is_in(int64_t group, uint32_t session);
/* Nobody of its session looks after it: stopping it would be for good. */
bool group_is_orphaned(uint32_t group);
/* A signal is on its way to the process: stopped ones go on for SIGCONT; it and those that stop cancel each other. */
void job_signal(struct process *process, uint32_t signal);
/* Its parent is to be told of it: stopped, going on, ended. */
void parent_tell(struct process *process);
/* A process ends: what was stopped and would be alone now goes on, with SIGHUP. */
void job_children_leave(struct process *process);
