/*
 * Packets: out of and into rings in frames that environments give. Each is copied once: nobody can change what was checked,
 * and no device ever knows an environment's frame. What stands in a shared ring is read once and checked; the counts that
 * matter are in the kernel's half. Everything here runs under the lock.
 */
#pragma once
#include <flow.h>

/* A packet whose first bytes were taken out, so that they cannot change: header holds those, rest the others. */
struct packet {
    struct header header;
    const uint8_t *rest;
    uint32_t length; /* of all */
};

/* A packet came from the network: `bytes` are the kernel's, and at least EXO_HEADER_SIZE of them can be read. */
void net_receive(const uint8_t *bytes, uint32_t length);
