/* The libOS itself: the pool on the program's extent and frames, page faults that load pages, frames that are asked back. */
#pragma once
#include <stdint.h>

/* Everything below SQLite and the key-value interface; ends the program if it cannot be. */
void instance_open(void);
/* Give what the root asks back; where nobody holds a page's frame by its number. */
void instance_answer(void);
/* Run on a larger stack. */
int instance_run(int (*run)(void));
/* Events that it was told of since its start. */
extern uint32_t instance_events;
