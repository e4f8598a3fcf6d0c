/*
 * Strings, formatting and the console, for programs without a C library. The four memory functions that the compiler
 * itself calls are here as well.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *target, const void *source, size_t size);
void *memmove(void *target, const void *source, size_t size);
void *memset(void *target, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

size_t exo_text_length(const char *text);
bool exo_text_equals(const char *a, const char *b);
/* Copies at most size - 1 characters and ends them with a zero. */
void exo_text_copy(char *target, const char *source, size_t size);
/* A number in decimal or, after 0x, hexadecimal; *text is left behind it. */
uint64_t exo_text_number(const char **text);

/* Formats %s %c %d %u %x (with l for 64 bits, a width, 0 to pad) and %%; always zero-terminated. Returns the length. */
size_t exo_format_list(char *out, size_t size, const char *format, va_list list);
size_t exo_format(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One line on the console, without its end; at most 255 bytes. Uses the context page of virtual processor 0. */
void exo_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The slot that exo_print uses; 0: the CONSOLE capability that the program was started with. */
extern uint16_t exo_console;
/* The name of a status: "NO_RIGHT". */
const char *exo_status_name(int64_t status);
