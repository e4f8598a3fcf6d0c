/*
 * Doing what must fault, and going on. For virtual processor 0; faults that nobody expects are printed and end the
 * program.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum fault_vector { FAULT_OPCODE = 6, FAULT_PROTECTION = 13, FAULT_PAGE = 14 };
enum fault_error { FAULT_PRESENT = 1, FAULT_WRITE = 2, FAULT_USER = 4, FAULT_RESERVED = 8, FAULT_FETCH = 16 };

struct fault {
    uint32_t vector, error;
    uint64_t address;
};
extern struct fault fault_last;

/* From now on faults come here. */
void fault_begin(void);
/* Does it fault? Then fault_last says how. */
bool fault_catch(void (*act)(uint64_t), uint64_t argument);
bool fault_at_read(uint64_t address);
bool fault_at_write(uint64_t address); /* of one byte: 0xa5 */
bool fault_at_execute(uint64_t address);
