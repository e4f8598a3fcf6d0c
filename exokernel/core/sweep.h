/*
 * What follows the end of a capability or an environment: walking what it covered, breaking the bindings that
 * nothing justifies any more, taking donated frames apart. In steps: a budget of SWEEP_MAX instructions bounds the work of
 * one call.
 */
#pragma once
#include <budget.h>

/* What the pieces cost at most, in instructions: capabilities at their deepest, eight processors. */
enum {
    COST_SKIP = 6,      /* a frame that nobody owns, an empty slot of a capability table */
    COST_GROUP = 28,    /* a group of empty entries */
    COST_SLOT = 90,     /* any other slot, also a time slot */
    COST_COMPARE = 100, /* a flow's patterns with another one's */
    COST_FLOW = 500,    /* a flow that goes */
    COST_FRAME = 120,   /* any other frame */
    COST_CLAIM = 260,   /* a claim unlike the last one */
    COST_UNDO = 90,     /* a frame's use, beside what follows */
    COST_CLEAR = 90,    /* a binding */
    COST_BINDING = 400, /* is it still justified? If not, it is cleared */
    COST_END = 150,     /* a capability whose range is swept: has every processor flushed? */
    COST_PART = 24,     /* a part of a 2 MiB frame */
    COST_STOP = 900,    /* a virtual processor */
    COST_RING = 700,    /* a disk ring */
    COST_KILL = 1700,   /* an environment */
    COST_LOANS = 1700,  /* a processor's slots */
};

/* Take a frame out of whatever use it has: bindings of it broken, entries in it cleared. True when done: then it is an unbound DATA
 * frame of its owner, and its new epoch has begun. The frame is not an environment or a capability table. */
bool sweep_undo(frame_name frame, struct budget *budget);
/* Break all bindings of a frame. True when none is left. */
bool sweep_unbind(frame_name frame, struct budget *budget);
/* Stop an environment's virtual processors. True when none is left. */
bool sweep_stop(frame_name environment, struct budget *budget);
/* Begin to end a capability: nothing new is derived from it, bound or taken under it. */
void sweep_begin(capability_name name);
/* Go on with a CLOSING capability. OK: its slot is empty. AGAIN: more to do. Above zero: the frame of an environment that
 * was owned under it and is dying now: reap it first. */
exo_result sweep_continue(capability_name name, struct budget *budget);
/* The same, as far as its range goes. OK: nothing rests on it any more, but translations and requests of devices under way. */
exo_result sweep_range(capability_name name, struct budget *budget);
