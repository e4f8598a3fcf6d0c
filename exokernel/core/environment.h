/*
 * Environments: creating, extending, ending. An environment is one donated frame; it dies at once and is
 * taken apart in steps.
 */
#pragma once
#include <state.h>

/* From now on it holds nothing and runs nothing. environment_reap takes it apart. */
void environment_kill(frame_name environment);
