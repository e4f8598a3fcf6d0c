/*
 * The instance's memory. The first half of its range is the server's: its own frames, and the store, frames that hold the pages of files.
 * The store is taken under a capability of its own, from which processes are granted the frames of a file that they map. The other
 * half goes to processes in chunks.
 */
#pragma once
#include <stdbool.h>
#include <exo/frames.h>
#include <exo/space.h>

enum {
    SERVER_SLOT_STORE = 40,  /* the store's capability */
    SERVER_SLOT_GATE = 41,   /* gate 0, for processes */
    SERVER_SLOT_WAKE = 42,   /* one gate a scheduler, up to 8 */
    SERVER_SLOT_KEYS = 50,   /* the gate by which a scheduler says that keys came, or the time of an alarm */
    SERVER_SLOT_WINDOW = 60, /* while a process is built */
    SERVER_SLOT_PROCESSES = 128, /* one a process: its environment */
    SERVER_SLOT_SHELLS = 192,    /* one a process but the first: to read its shell's page tables */
};

struct memory {
    struct exo_frames own, store;
    uint32_t first, count; /* the whole range */
    struct exo_space space;
};
extern struct memory memory;

int64_t memory_open(void);
/* A frame of the store, cleared, and where the server sees it; 0: there is none. */
uint32_t store_alloc(void);
void store_free(uint32_t frame);
/* The first of `count` frames in a row; 0: there are none. */
uint32_t store_alloc_run(uint32_t count);
/* Frames for a process, under which capability; count is a multiple of CHUNK_FRAMES. 0: there are none. When the own ones are used up they
 * come from the loan, if there is one: then granting them fails while it is another's turn. */
uint32_t chunk_alloc(uint32_t count, uint16_t *ret_capability);
/* How many of them there are. */
uint32_t memory_chunks_free(void);
void chunk_free(uint32_t first, uint32_t count);
/* The loan is asked back: it is given as soon as no process has frames of it (loan_look, after each end of a process). */
void loan_ask(uint16_t capability);
void loan_look(void);
uint8_t *store_page(uint32_t frame);
/* Frames of the whole range that are neither free nor ours: those of processes. */
uint32_t memory_lost(void);
