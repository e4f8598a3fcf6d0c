/* What the network's test programs share: packets of the kind that their flows are of, numbered, with contents that tell. */
#pragma once
#include <exo/net.h>

enum { PEER_SENDER_AT = 6, PEER_SOURCE_AT = 34, PEER_PORT_AT = 36, PEER_DATA_AT = 42, PEER_NUMBER_AT = 42, PEER_FILL_AT = 46 };

extern struct exo_net peer_net;
extern const struct exo_start_capability *peer_flows, *peer_positions; /* the program's capabilities; NULL: none */

/* A ring, and the program's flows into it. */
void peer_open(void);
/* An IPv4 datagram between ports, to this machine's station unless others are given; `length` bytes in all. */
void peer_make(uint8_t *packet, uint32_t source, uint32_t port, uint32_t number, uint32_t length);
/* Is it whole, as peer_make made it? Gives its number. */
bool peer_is_whole(const uint8_t *packet, uint32_t length, uint32_t *ret_number);
uint32_t peer_port_of(const uint8_t *packet, uint32_t at);
int64_t peer_send(uint32_t source, uint32_t port, uint32_t number, uint32_t length);
