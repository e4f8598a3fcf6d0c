/*
 * Cutting the power: for every write and flush of a trace, the disk as it can be found afterwards. What was written before the last
 * flush is there; of what came later each sector may be or not (writes in order only where they meet the same sector).
 */
#pragma once
#include "machine.h"

/* How the writes after the last flush have fared. */
enum cut_fate { FATE_ALL, FATE_NONE, FATE_SOME, FATES = FATE_SOME + 1 };

/* `look` is called with the disk in machine.disk and the last note that the trace had come to. How many disks were looked at. */
uint32_t cut_everywhere(uint32_t blocks, uint32_t first_note, void (*look)(uint32_t noted));
