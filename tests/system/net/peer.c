#include <peer.h>
#include <check.h>
#include <memory.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

#define NET_ADDRESS 0x20000000ull

struct exo_net peer_net;
const struct exo_start_capability *peer_flows, *peer_positions;

void peer_open(void)
{
    memory_open();
    for (uint32_t n = 0; n < 2 && exo_start_slot(EXO_KIND_FLOWS, n); n++) {
        const struct exo_start_capability *flows = exo_start_capability(exo_start_slot(EXO_KIND_FLOWS, n));
        if (flows->rights & EXO_RIGHT_TAKE)
            peer_positions = flows;
        else
            peer_flows = flows;
    }
    check_must("a ring", exo_net_open(&peer_net, &memory_space, NET_ADDRESS));
    for (uint32_t i = 0; peer_flows && i < peer_flows->count; i++)
        check_must("a flow", exo_net_listen(&peer_net, peer_flows->slot, peer_flows->first + i));
}

static uint8_t fill_of(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7);
}

void peer_make(uint8_t *packet, uint32_t source, uint32_t port, uint32_t number, uint32_t length)
{
    static const uint8_t fixed[] = { 0x08, 0x00, 0x45 };

    memset(packet, 0, PEER_FILL_AT);
    memcpy(packet, &exo_system_info()->station, 6);
    memcpy(packet + 6, &exo_system_info()->station, 6);
    memcpy(packet + 12, fixed, sizeof fixed);
    packet[23] = 17;
    packet[PEER_SOURCE_AT] = (uint8_t)(source >> 8);
    packet[PEER_SOURCE_AT + 1] = (uint8_t)source;
    packet[PEER_PORT_AT] = (uint8_t)(port >> 8);
    packet[PEER_PORT_AT + 1] = (uint8_t)port;
    memcpy(packet + PEER_NUMBER_AT, &number, sizeof number);
    for (uint32_t at = PEER_FILL_AT; at < length; at++)
        packet[at] = fill_of(number, at);
}

bool peer_is_whole(const uint8_t *packet, uint32_t length, uint32_t *ret_number)
{
    uint32_t number;

    if (length < PEER_FILL_AT)
        return false;
    memcpy(&number, packet + PEER_NUMBER_AT, sizeof number);
    for (uint32_t at = PEER_FILL_AT; at < length; at++)
        if (packet[at] != fill_of(number, at))
            return false;
    *ret_number = number;
    return true;
}

uint32_t peer_port_of(const uint8_t *packet, uint32_t at)
{
    return (uint32_t)packet[at] << 8 | packet[at + 1];
}

int64_t peer_send(uint32_t source, uint32_t port, uint32_t number, uint32_t length)
{
    static uint8_t packet[EXO_PACKET_MOST];

    peer_make(packet, source, port, number, length);
    return exo_net_transmit(&peer_net, peer_flows->slot, peer_flows->first, packet, length);
}
