/* What the attacker tries, by subject. Each list ends the program with what it printed. */
#pragma once
#include <check.h>
#include <fault.h>
#include <memory.h>

#define ATTACK_ADDRESS 0x20000000ull /* where pages are tried, in a TABLE1 of its own */

void attack_memory(void);
void attack_names(void);
void attack_tables(void);
void attack_instructions(void);
void attack_resources(void);
/* This call from the very last bytes below 2^47, which can be mapped: its return faults, and nothing catches that. */
void attack_edge(uint8_t call);

/* Is the frame in a range that the attacker was given? */
bool frame_is_mine(uint32_t frame);
bool slot_is_mine(uint32_t slot);
/* Does this slot of its tables hold one of the capabilities that it was given? */
bool capability_is_mine(uint32_t slot);
