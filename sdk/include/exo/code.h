/*
 * Downloaded code: programs that the kernel verifies, compiles and runs. They are written in C, made by clang -target bpf and
 * taken out of the object by `exo code`; what they are given is in <exo/abi.h> (struct exo_predicate and the like).
 */
#pragma once
#include <stdbool.h>
#include <exo/frames.h>
#include <exo/space.h>

/* Where exo_code_load writes programs down: 64 KiB of the space. */
#define EXO_CODE_ADDRESS 0x3fdf0000ull

/* A program that is loaded. */
struct exo_code {
    uint16_t window; /* the PROGRAMS capability that it is loaded under */
    uint32_t page;   /* its name */
    uint32_t frame;  /* `pages` of them hold its machine code */
    uint32_t pages;
};

/* Load `count` slots of a program of this kind (EXO_CODE_), with so large a budget, to the first pages that are free under the
 * PROGRAMS capability. The frames come from `frames`; those that are needed no more go back. EXO_TAKEN: no page is free;
 * EXO_BAD_NAME: no frames; EXO_REFUSED: *ret_refusal says why. */
int64_t exo_code_load(struct exo_code *code, struct exo_space *space, struct exo_frames *frames, uint16_t window, uint32_t kind,
                      uint32_t budget, const uint64_t *slots, uint32_t count, struct exo_refusal *ret_refusal);
/* A refusal in words. `places`: NAME_places of the header that `exo code` writes, or "". The text: slot, reason, register, and the place
 * in the source; of a register: what it points to or which numbers it may be. At most `size` bytes with the end; their length. */
size_t exo_refusal_text(char *out, size_t size, const char *places, const struct exo_refusal *refusal);
size_t exo_known_text(char *out, size_t size, const struct exo_known *known);
/* All that, a line each, onto the console. */
void exo_refusal_print(const char *name, const char *places, const struct exo_refusal *refusal);
/* End it and give its frames back. */
int64_t exo_code_unload(struct exo_code *code, struct exo_frames *frames);

/* As exo_sleep, until the predicate holds for the frame, which the FRAMES capability covers. */
int64_t exo_sleep_on(uint64_t deadline, uint32_t events, const struct exo_code *predicate, uint16_t capability, uint32_t frame,
                     bool gates);
