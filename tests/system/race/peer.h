/* A second virtual processor of the same environment, on another processor, that does one thing again and again. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Starts it in the program's second range of slots. */
void peer_start(void);
/* From now on it repeats this, until it is told something else; 0: nothing. Returns when it has begun. */
void peer_repeat(void (*act)(void));
/* Until it did so once more, from beginning to end. */
void peer_wait(void);
/* How often it did so. */
uint64_t peer_rounds(void);
/* At this time (ns) its timer interrupts it, and it does this once; it must have nothing to repeat. Returns when the timer is set. */
void peer_alarm(uint64_t deadline, void (*act)(void));
/* When that was; waits for its end. */
uint64_t peer_alarm_time(void);

/* On the peer: write or read 64 bits; false if that faults. */
bool peer_write(uint64_t address, uint64_t value);
bool peer_read(uint64_t address, uint64_t *ret_value);
