/*
 * Frames by name: an allocator over the range of one FRAMES capability. It reads the exposed frame table to find what is
 * free, and takes up to EXO_TAKE_MAX at once. With a subject it takes on behalf of that environment, under its capability.
 */
#pragma once
#include <stdint.h>

struct exo_frames {
    uint16_t subject;    /* 0: the program's own */
    uint16_t capability; /* in the subject's tables */
    uint32_t first, count;
    uint32_t next;       /* where to look for a free one */
    uint32_t stock[8];   /* taken, not given out */
    uint32_t stocked;
    uint32_t restocked;  /* how often: the stock begins small, so that who lives shortly takes little */
};

void exo_frames_open(struct exo_frames *frames, uint16_t subject, uint16_t capability, uint32_t first, uint32_t count);
/* A frame of the subject, cleared; 0 when none is free. */
uint32_t exo_frame_alloc(struct exo_frames *frames);
/* count frames in a row, of which each first one is a multiple of alignment. 0 if there are none. */
uint32_t exo_frame_alloc_run(struct exo_frames *frames, uint32_t count, uint32_t alignment);
/* Give a frame without bindings back to the range. */
int64_t exo_frame_release(struct exo_frames *frames, uint32_t frame);
/* Have frame_free or frame_return done with all of these frames, however many it does at once. How many were done, or why the first
 * was not. */
typedef int64_t exo_frames_call(uint16_t subject, uint16_t capability, uint32_t frame, uint32_t count);
int64_t exo_frames_give_up(exo_frames_call *call, uint16_t capability, uint32_t first, uint32_t count);
/* The name of a frame that is free, for the calls that take it themselves (table_create, vcpu_create, …); 0: none. */
uint32_t exo_frame_find(struct exo_frames *frames);
/* How many frames of the range are free now. */
uint32_t exo_frames_free(const struct exo_frames *frames);

/* For calls that answer AGAIN while a processor has to flush: do it, and say whether to call again. */
int exo_again(int64_t status);
/* For calls that take a frame that exo_frame_find named: did another, who takes from the same range, take it first? */
int exo_frame_was_lost(int64_t status, uint32_t frame);
