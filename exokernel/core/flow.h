/*
 * Flows: patterns over the first 64 bytes of a packet. Positions of a fixed table are owned under FLOWS capabilities like time slots.
 * The patterns of two flows overlap only where one was claimed within the other, with the capability that its owner gave; so a packet
 * belongs to the narrowest flow that it matches. Finding that costs one probe of a hash table for each shape in use, however many
 * flows there are. Everything here runs under the lock.
 */
#pragma once
#include <state.h>

/* The first bytes of a packet, filled up with zeros. */
struct header {
    uint64_t word[HEADER_WORDS];
};

/* Once, at boot. */
void flow_begin(uint64_t secret);
/* The flow that a packet with this header belongs to, or NULL. */
struct exo_flow *flow_find(const struct header *header);
/* Does the header match the flow's source pattern? */
bool flow_may_send(const struct exo_flow *flow, const struct header *header);
/* OPEN, its claim and what allowed it still valid? Forgets a ring whose attachment is not. */
bool flow_is_live(struct exo_flow *flow);
/* The flow, if the capability in the slot gives the environment these rights to it. */
exo_result flow_check(frame_name environment, uint32_t slot, uint32_t rights, uint32_t flow, struct exo_flow **ret_flow);
/* It is nobody's any more. */
void flow_clear(uint32_t flow);
/* net.c: a ring's two frames are plain data again. */
void net_ring_undo(frame_name ring);
