/* What the test programs see: struct runner_context, as C for the kernel has it. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

struct context {
    u8 *const start, *const end;
    u64 *const shared, *const shared_end;
    u64 word[4];
    const u32 half;
    const u8 byte;
};

static u64 (*const log_value)(u64 value) = (void *)1;
static u64 (*const sum_of)(const void *at, u64 size, u64, u64, u64 factor) = (void *)2;
static u64 *(*const shared_words)(u64 wanted) = (void *)3;

/* Keeps the compiler from knowing a value, so that a check of it stays in front of its use, where the verifier looks. */
#define OPAQUE(value) __asm__ volatile("" : "+r"(value))
