/*
 * For handlers of packets (EXO_CODE_MESSAGE), which are compiled by clang -target bpf: what they may call. They get a
 * const struct exo_arrival * and return an EXO_ASH_.
 */
#pragma once
#include <exo/abi.h>

static uint64_t (*const exo_copy)(void *to, uint64_t size, const void *from, uint64_t from_size) = (void *)EXO_MESSAGE_COPY;
static int64_t (*const exo_reply)(const void *from, uint64_t size) = (void *)EXO_MESSAGE_REPLY;
static uint64_t (*const exo_wake)(void) = (void *)EXO_MESSAGE_WAKE;
static int64_t (*const exo_send)(uint16_t gate, uint64_t word) = (void *)EXO_MESSAGE_SEND;

/* Keeps the compiler from knowing a value, so that a check of it stays in front of its use, where the verifier looks. */
#define EXO_OPAQUE(value) __asm__ volatile("" : "+r"(value))
