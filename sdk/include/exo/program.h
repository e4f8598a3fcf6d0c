/*
 * A program: its beginning, what it was told at its start, its end. It defines main; the start code calls it on a
 * stack of 64 KiB with exo_start filled in, exceptions and events set up, and ends with what it returns.
 */
#pragma once
#include <stdbool.h>
#include <exo/abi.h>

/* Data in pages of their own, which a libOS that forks copies at once: upcalls must be able to run on them. */
#define EXO_EAGER      __attribute__((section(".bss.eager")))
#define EXO_EAGER_DATA __attribute__((section(".data.eager")))

/* Exit statuses that the library itself gives. */
enum exo_exit { EXO_EXIT_EXCEPTION = 70, EXO_EXIT_START = 71 };

/* Requests to the root by gate_send: word0; word1 is the argument. */
enum exo_request {
    EXO_REQUEST_EXIT = 1,   /* word1: status */
    EXO_REQUEST_BORROW = 2, /* word1: n: time that others lend us on processor p is for our virtual processor n + p; without it, for 0 */
};

extern struct exo_start exo_start;
/* The linker script's marks, page-aligned. */
extern uint8_t exo_image_start[], exo_text_end[], exo_data_start[], exo_eager_start[], exo_eager_end[], exo_image_end[];

int main(void);
/* What happens before main, and in a copy made by exo_fork. */
void exo_program_begin(void);
void exo_program_adopt(void);
/* Tell the root and never run again. */
void exo_exit(int status) __attribute__((noreturn));

/* The slot of the n-th capability of a kind that the program was started with, or 0. */
uint16_t exo_start_slot(enum exo_kind kind, uint32_t n);
const struct exo_start_capability *exo_start_capability(uint16_t slot);
/* The n-th range of frames that it has in turn with others (the manifest's [[loan]]), or 0. The slot holds the capability while it is its turn;
 * before, taking under it is refused with BAD_CAPABILITY. It is asked back by the event REVOKE, then IMPERATIVE:
 * the answer is exo_drop, which gives the frames back as well. */
const struct exo_start_capability *exo_start_loan(uint32_t n);
/* The number behind `name=` in the arguments, or otherwise. */
uint64_t exo_argument(const char *name, uint64_t otherwise);
bool exo_argument_is(const char *name, const char *value);
