/*
 * Packets: a ring with places for them in frames of the program's own, one call each way. Copies once more than it must: a program
 * with better use for its frames writes its own ring.
 */
#pragma once
#include <stdbool.h>
#include <exo/space.h>

enum { EXO_NET_FRAMES = EXO_NET_RING_ENTRIES / 2 }; /* two packets a frame, each way */
enum { EXO_NET_BUFFER = EXO_FRAME_SIZE / 2, EXO_NET_PAGES = 1 + 2 * EXO_NET_FRAMES };

struct exo_net {
    struct exo_net_ring *ring;
    uint8_t *receive, *transmit; /* NET_RING_ENTRIES buffers each */
    uint32_t frame;              /* of the ring */
    uint32_t taken;              /* packets that the program took out */
};

static inline const volatile struct exo_flow *exo_flow_info(uint32_t flow)
{
    return (const volatile struct exo_flow *)EXO_FLOWS_ADDRESS + flow;
}

/* A ring of the program, with all its places posted, mapped at the EXO_NET_PAGES pages from `address` on; EVENT_IO goes to virtual
 * processor 0. */
int64_t exo_net_open(struct exo_net *net, struct exo_space *space, uint64_t address);
/* From now on the flow's packets come into the ring. */
int64_t exo_net_listen(struct exo_net *net, uint16_t capability, uint32_t flow);
/* The next packet that came, and its flow; NULL: there is none. It stays there until exo_net_done. */
uint8_t *exo_net_receive(struct exo_net *net, uint32_t *ret_length, uint32_t *ret_flow);
void exo_net_done(struct exo_net *net);
/* Asleep until there is one or the deadline (ns) comes: false. */
bool exo_net_wait(struct exo_net *net, uint64_t deadline);
/* Send a packet under a flow, which the FLOWS capability in this slot covers: its status. */
int64_t exo_net_transmit(struct exo_net *net, uint16_t capability, uint32_t flow, const void *bytes, uint32_t length);
/* Claim a pattern at a position of the program's own, within a wider flow (allowed 0: within none), and open it. Above zero: the
 * flow, + 1, that is in the way. Patterns are of EXO_HEADER_SIZE bytes. */
int64_t exo_flow_make(uint16_t capability, uint32_t flow, uint32_t shape, const void *value, uint32_t source_shape,
                      const void *source, uint16_t allowed, uint32_t wider);
/* The index of the shape with this mask, or -1. */
int exo_shape_find(const void *mask);
