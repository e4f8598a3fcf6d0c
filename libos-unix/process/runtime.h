/*
 * The part of libos-unix that lives in each process: what it knows of itself. It is below the program's own addresses; a program that
 * destroys it harms only its own process. What is EXO_EAGER is state: always there, and copied at a fork. All else is scratch, cleared when
 * it is touched for the first time in a process.
 */
#pragma once
#include <stdbool.h>
#include <exo/child.h>
#include <exo/upcall.h>
#include "pool.h"
#include <unix/linux.h>
#include <unix/protocol.h>

enum { EXECUTABLE_SIZE = 256, NAME_OF_PROCESS = 16 };

/* What a child must find otherwise than its parent: pages of their own. */
struct kin {
    struct pool pool;
    struct exo_space space;
    uint32_t ready_count, ready_used;
    uint32_t ready[READY_PAGES]; /* frames that are bound, writable, from UNIX_READY_ADDRESS on; the used ones have a place besides */
    uint32_t view_count;
    struct unix_range view[VIEWS_MAX]; /* others' chunks, whose frames it sees */
};
extern struct kin kin;

/* The program's state where it entered us; what it goes on with. Known to entry.S. */
extern struct exo_upcall_frame system_frame;

struct runtime {
    char executable[EXECUTABLE_SIZE]; /* absolute path */
};
extern struct runtime runtime;

#define STATE  ((const volatile struct unix_state *)UNIX_STATE_ADDRESS)
#define WINDOW ((struct unix_window *)UNIX_WINDOW_ADDRESS)

/* Ask the server once: false, if it is busy. */
bool server_try(uint64_t words[7]);
/* Ask the server; the answer's words take the place of the message's. UNIX_WAIT may be the result. */
int64_t server_call(uint64_t words[7]);
int64_t server_ask(uint64_t request, uint64_t a0, uint64_t a1, uint64_t a2);
/* The same until it need not wait, or a signal comes: then RESTART. */
enum { RESTART = -513 };
int64_t server_wait(uint64_t words[7]);
/* Others run first. */
void processor_give_up(void);
/* A peer runs first; false: it cannot. */
bool processor_hand_over(uint16_t peer);
/* Not to return. */
void process_die(uint32_t signal) __attribute__((noreturn));

/* FPU state and FS base, which calls that may switch do not keep. */
void fpu_save(void *area);
void fpu_load(const void *area);
void fpu_reset(void);
enum { FPU_SIZE = 1024 }; /* of x87, SSE and AVX, which is what the kernel lets programs use: 832 bytes (Intel SDM 1, 13.4) */

/* Code that the program calls itself (vdso.c): not ours. */
extern const uint8_t vdso_image[], vdso_image_end[];

/* entry.S */
void foreign_entry(void);
void site_entry(void);
void site_count(void);
void site_leave(void);
void site_left(void);
void system_leave(void);
void system_left(void);
void system_start(void) __attribute__((noreturn));
/* To or from the program's memory; not 0: not all could be moved. */
uint64_t user_copy(void *target, const void *source, uint64_t size);
/* The same, faster for many bytes. */
uint64_t user_copy_many(void *target, const void *source, uint64_t size);
uint64_t user_clear(void *target, uint64_t size);
/* FPU state to the program's stack, or from where *area says; a signal's frame has this first and this last word. Not 0: it cannot be there. */
uint64_t user_signal_put(void *area, void *first, void *last);
uint64_t user_signal_get(const uint64_t *area, const void *first, const void *last);
void user_copy_move(void);
void user_copy_end(void);
/* A text of the program: 0, -EFAULT or -ENAMETOOLONG. */
int64_t user_text(char *target, uint64_t address, size_t size);
