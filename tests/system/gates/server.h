/* A copy of the program that serves a gate, and what its handler is asked for in the first word. */
#pragma once
#include <stdint.h>
#include <offspring.h>

enum server_request {
    SERVER_ECHO = 1, /* each word plus the badge */
    SERVER_HANG,     /* replies when `release` is set */
    SERVER_DIE,      /* a fault without handler */
};

/* In the shared page. */
struct server_shared {
    volatile uint64_t ready, release, calls, late;
    volatile uint64_t messages, badge, word[5];
};
#define SHARED ((struct server_shared *)OFFSPRING_SHARED)

/* In the client's tables, put there by the server. */
enum { GATE_BOTH = 60, GATE_SEND, GATE_CALL, GATE_OPEN, GATE_OTHER };
enum { BADGE_BOTH = 0x1234, BADGE_SEND = 5, BADGE_CALL = 6 };

/* In the copy: does not return. parent: its capability to the client's environment. */
void server_live(uint16_t parent) __attribute__((noreturn));
