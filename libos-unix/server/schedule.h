/*
 * Processor time: on each processor where the instance owns slots a virtual processor owns them all, and gives each slice to a
 * process by directed yield, in turn; the server itself comes first. A process that waits is not runnable and is passed over.
 */
#pragma once
#include <stdint.h>

int64_t schedule_open(void);
/* Somebody is runnable now: schedulers that sleep look again. */
void schedule_kick(void);
