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
/* The first word of [at, end) that is not 0, or end. */
uint32_t vector_find(const uint64_t *words, uint32_t at, uint32_t end);
