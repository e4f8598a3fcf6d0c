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

/* Once, at boot. */
void net_start(uint64_t secret);
/* The network device says that packets came. */
void net_interrupted(void);
/* On the processor that the device interrupts: a slot began. */
void net_slot_began(void);
