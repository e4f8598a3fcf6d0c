/* The server's heap: blocks of powers of two from its own frames, mapped in a row. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Cleared; 0 when there is no memory. */
void *heap_alloc(size_t size);
void heap_free(void *block);
