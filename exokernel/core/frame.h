/*
 * Frames: owned by one environment at a time, under the capability by which they were taken. A frame that
 * nobody owns may hold old bytes and be in old translations: frame_claim waits for the flush epoch and clears it.
 */
#pragma once
#include <state.h>

/* The frame's entry, or NULL if there is no such frame. */
struct exo_frame *frame_named(frame_name frame);

/* The same name, clamped for use as an index after frame_named found it. */
frame_name frame_clamped(frame_name frame);

/* May the environment take the frame under the capability in this slot now? AGAIN: translations must be flushed first. */
exo_result frame_may_be_taken(frame_name environment, uint32_t slot, uint32_t rights, frame_name frame);
/* Take it, cleared, for this kind of use. frame_may_be_taken has said OK. */
void frame_claim(frame_name environment, uint32_t slot, frame_name frame, uint32_t kind);
/* Nobody owns it any more, from the present flush epoch on. It has no bindings. */
void frame_release(frame_name frame);
/* The same for a page that calls without the lock may be looking at: a new epoch, that they must end before. */
void frame_release_used(frame_name frame);
