/* What the tests of flows and packets share: shapes, claims of the root and of A, and rings. */
#pragma once
#include "unit.h"

enum { FLOWS_SLOT = 10, A_FLOWS = 2, A_POSITIONS = 64 };
/* Shapes: everything; what kind of packet; that and one field, another one, both; all of the header; the sender's station and that field. */
enum { SHAPE_ANY, SHAPE_KIND, SHAPE_PORT, SHAPE_HOST, SHAPE_BOTH, SHAPE_ALL, SHAPE_SENDER, SHAPE_COUNT };
/* Where those stand in a packet. */
enum { STATION_AT = 6, STATION_SIZE = 6, KIND_AT = 12, HOST_AT = 30, PORT_AT = 36 };
enum { ACTOR_RING = A_FIRST, ACTOR_FRAME = A_FIRST + 4, ROOT_RING = FREE_FRAME, ROOT_FRAME = FREE_FRAME + 4 };

/* unit_setup, the shapes, the whole network for the root, and positions from A_POSITIONS on for A, which runs on processor 1. */
void packet_setup(void);
/* A pattern: its fields, as far as the shape has them. */
void pattern_put(uint8_t *value, uint32_t shape, uint8_t kind, uint8_t host, uint8_t port);
/* A source pattern of shape SHAPE_SENDER: this machine's station, and a host. */
void sender_put(uint8_t *source, uint8_t host);
/* flow_claim by the root (subject 0) or as A; unless source is given, what is sent comes from this machine's station and host 1, or,
 * for A without anybody's leave, host 2. */
exo_result packet_claim(uint32_t subject, uint32_t slot, uint32_t flow, uint32_t shape, const uint8_t *value, uint32_t allowed,
                        uint32_t wider);
exo_result packet_claim_source(uint32_t subject, uint32_t slot, uint32_t flow, uint32_t shape, const uint8_t *value,
                               uint32_t source_shape, const uint8_t *source);
/* The same with a pattern of these fields, and flow_open until it answers. */
exo_result packet_open(uint32_t flow, uint32_t shape, uint8_t kind, uint8_t host, uint8_t port);
exo_result packet_open_claimed(uint32_t subject, uint32_t slot, uint32_t flow);
