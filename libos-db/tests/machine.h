/*
 * The pool's hardware on this computer: pages are mappings of a memory file, bits are set by the fault handler as a processor would,
 * the disk is an array of blocks, and what reaches it is noted in order.
 */
#pragma once
#include "hardware.h"
#include <stdbool.h>
#include <stddef.h>

enum { MACHINE_PAGES = 16384, MACHINE_FRAMES = 8192 };
enum event_kind { EVENT_WRITE, EVENT_FLUSH, EVENT_NOTE };

struct event {
    enum event_kind kind;
    uint32_t value; /* the block, or what was noted */
    uint8_t *block; /* its new contents */
};

struct machine {
    uint8_t *disk;               /* MACHINE_PAGES blocks */
    uint32_t frames_allowed;     /* that may be taken */
    uint32_t frames_returned;
    uint32_t requests, flushes;
    uint32_t fail_at;            /* the request that fails, counted from now; 0: none */
    uint32_t rob_at;             /* likewise the request while which its frame is taken by force */
    bool is_tracing;
    struct event *events;
    size_t event_count;
};
extern struct machine machine;

/* As after switching on: the disk stays. */
void machine_start(uint32_t frames);
void machine_disk_clear(void);
/* Take the page's frame by force; it does not come back. False: it has none. */
bool machine_rob(uint32_t page);
/* Begin a new trace. */
void machine_trace(void);
void machine_note(uint32_t value);
