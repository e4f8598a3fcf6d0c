/*
 * Many words at once, by AVX where the processor and the kernel have it. The registers are as they were afterwards; who calls has an area for FPU
 * state where its slice ends.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Look once what there is. */
void vector_open(void);
/* Bytes, of which the last ones go by eights and ones. */
void vector_copy(void *target, const void *source, uint64_t size);
/* So many bytes of them as make whole groups: how many; VECTOR_FAULT: who handles faults let one between the two marks go on at the second. */
uint64_t vector_copy_begin(void *target, const void *source, uint64_t size);
#define VECTOR_FAULT UINT64_MAX
void vector_copy_move(void);
void vector_copy_stop(void);
/* Clear so many bytes, a multiple of 8. */
void vector_clear(void *target, uint64_t size);
/* The first word of [at, end) that is not 0, or end. */
uint32_t vector_find(const uint64_t *words, uint32_t at, uint32_t end);
