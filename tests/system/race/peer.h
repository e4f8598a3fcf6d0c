/* A second virtual processor of the same environment, on another processor, that does one thing again and again. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Starts it in the program's second range of slots. */
void peer_start(void);
/* From now on it repeats this, until it is told something else; 0: nothing. Returns when it has begun. */
void peer_repeat(void (*act)(void));
/* How often it did so. */
uint64_t peer_rounds(void);

/* On the peer: write or read 64 bits; false if that faults. */
bool peer_write(uint64_t address, uint64_t value);
bool peer_read(uint64_t address, uint64_t *ret_value);
