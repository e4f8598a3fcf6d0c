/* One copy of the world's state, for the first SNAPSHOT_FRAMES frames: for the unit tests and the fuzzer. */
#pragma once
#include <stdbool.h>

enum { SNAPSHOT_FRAMES = 128 };

void snapshot_keep(void);
/* All is as it was, but for what a failed call may touch: time, and the processors' translations, timers and interrupts. */
bool snapshot_is_present(void);
/* And nothing is remembered of what came after it. */
void snapshot_restore(void);
