/*
 * What follows the end of a capability or an environment: walking what it covered, breaking the bindings that
 * nothing justifies any more, taking donated frames apart. In steps: a budget of SWEEP_MAX bounds the work of one call.
 */
#pragma once
#include <state.h>

/* Take a frame out of whatever use it has: bindings of it broken, entries in it cleared. True when done: then it is an unbound DATA
 * frame of its owner, and its new epoch has begun. The frame is not an environment or a capability table. */
bool sweep_undo(frame_name frame, uint32_t *budget);
/* Break all bindings of a frame. True when none is left. */
bool sweep_unbind(frame_name frame, uint32_t *budget);
/* Begin to end a capability: nothing new is derived from it, bound or taken under it. */
void sweep_begin(capability_name name);
/* Go on with a CLOSING capability. OK: its slot is empty. AGAIN: more to do. Above zero: the frame of an environment that
 * was owned under it and is dying now: reap it first. */
exo_result sweep_continue(capability_name name, uint32_t *budget);
