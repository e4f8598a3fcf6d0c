/* /proc: ordinary nodes that are written anew before somebody looks there. */
#pragma once
#include "process.h"

/* A path or a working directory leads there. */
bool proc_is_meant(const struct process *process, const char *path);
/* As the process sees it: /proc/self is its own. Where memory lacks, something is missing. */
void proc_refresh(const struct process *process);
