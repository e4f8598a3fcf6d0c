/* A fuzzer whose inputs are rows of steps of eight bytes, each taken from the same state on; invariants are checked meanwhile. */
#pragma once
#include <stdint.h>

enum { STEP_BYTES = 8 };

/* Each program has one. */
extern const struct fuzzer {
    void (*make)(void); /* once: the state that inputs start from */
    void (*step)(const uint8_t bytes[STEP_BYTES]);
    void (*verdict)(void); /* at the end */
    uint32_t check_every;  /* so many steps, and at each input's end */
} fuzzer;

extern uint64_t fuzz_checks; /* of the invariants, so far */
