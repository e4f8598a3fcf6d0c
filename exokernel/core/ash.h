/*
 * Application-specific safe handlers: programs that a packet runs before anybody is woken. Under the lock; whoever runs one has
 * found it by program_find, and accounts for the time.
 */
#pragma once
#include <state.h>

enum { ASH_WINDOW_MAX = 4 /* frames */ };

struct ash_message {
    const uint8_t *packet; /* the kernel's copy, constant meanwhile: EXO_PACKET_MOST bytes, zeros behind its end */
    uint32_t size;         /* as it came */
    uint8_t *window;       /* the owner's memory, which it may change meanwhile */
    uint32_t window_size;  /* 0: none */
    uint32_t flow;
    vcpu_name owner;       /* of the flow: who is woken, and whose capabilities count */
    uint32_t event;        /* that wakes it */
    bool may_send;
    /* Send bytes under the flow; they may be the owner's, and are read once. A status. */
    exo_result (*reply)(uint32_t flow, const uint8_t *bytes, uint32_t size);
};

/* EXO_ASH_DONE or EXO_ASH_DELIVER; the latter if the program is gone, too. */
uint32_t ash_run(uint32_t page, uint64_t id, struct ash_message *message);
