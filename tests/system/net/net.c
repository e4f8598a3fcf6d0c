/*
 * Environments that send to each other on one machine, and one that attacks them.
 *   mode=ask port=A to=B count=N   sends N datagrams of all sizes and compares the answers
 *   mode=answer port=B count=N     answers N of them
 *   mode=count port=B ms=T         counts what comes for so long
 *   mode=reflect port=B ms=T       sends what comes back to where it came from, for so long, and counts what is not its own
 *   mode=flood port=A to=B ms=T    sends as fast as it can for so long
 *   mode=attack port=A to=B
 */
#include <attack.h>
#include <check.h>
#include <peer.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { PATIENCE_NS = 50000000, TRIES = 100 };

static uint32_t port, to, count;
static uint64_t until;

static uint32_t length_of(uint32_t number)
{
    return PEER_FILL_AT + number * 7919 % (EXO_PACKET_MOST - PEER_FILL_AT + 1);
}

/* Is the packet that came the one with this number, from `to`? */
static bool answer_is(uint32_t number)
{
    uint32_t length, flow, found;
    uint8_t *packet = exo_net_receive(&peer_net, &length, &flow);

    if (!packet)
        return false;
    bool is_it = length == length_of(number) && peer_is_whole(packet, length, &found) && found == number &&
                 peer_port_of(packet, PEER_PORT_AT) == port && flow == peer_flows->first;
    exo_net_done(&peer_net);
    return is_it;
}

/* Who answers may not have begun, and a packet may be dropped: then it is sent again. */
static bool exchange(uint32_t number)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        check_equal("sent", peer_send(port, to, number, length_of(number)), EXO_OK);
        while (exo_net_wait(&peer_net, exo_time() + PATIENCE_NS))
            if (answer_is(number))
                return true;
    }
    return false;
}

static bool every_datagram_is_answered_whole(void)
{
    uint32_t answered = 0;

    for (uint32_t number = 0; number < count; number++)
        answered += exchange(number);
    return check_equal("answers", answered, count);
}

static bool every_datagram_comes_whole(void)
{
    uint32_t length, flow, number, last = 0;
    bool holds = true;

    while (last + 1 < count && exo_time() < until) {
        uint8_t *packet = exo_net_receive(&peer_net, &length, &flow);
        if (!packet) {
            exo_net_wait(&peer_net, exo_time() + PATIENCE_NS);
            continue;
        }
        if (holds && !(holds = peer_is_whole(packet, length, &number)))
            break;
        check_equal("answered", peer_send(port, peer_port_of(packet, PEER_SOURCE_AT), number, length), EXO_OK);
        last = number > last ? number : last;
        exo_net_done(&peer_net);
    }
    return holds & check_equal("the last one", last, count - 1);
}

static void packets_count(void)
{
    uint32_t length, flow, number, whole = 0, other = 0;

    while (exo_time() < until) {
        uint8_t *packet = exo_net_receive(&peer_net, &length, &flow);
        if (!packet) {
            exo_net_wait(&peer_net, exo_time() + PATIENCE_NS);
            continue;
        }
        bool is_whole = peer_is_whole(packet, length, &number);
        whole += is_whole;
        other += !is_whole;
        exo_net_done(&peer_net);
    }
    exo_print("%u whole, %u others, %lu dropped", whole, other, exo_flow_info(peer_flows->first)->dropped);
}

/* To its sender's station and port. */
static void packet_reflect(uint8_t *packet, uint32_t length)
{
    uint8_t source[2] = { packet[PEER_SOURCE_AT], packet[PEER_SOURCE_AT + 1] };

    memcpy(packet, packet + 6, 6);
    memcpy(packet + 6, &exo_system_info()->station, 6);
    memcpy(packet + PEER_SOURCE_AT, packet + PEER_PORT_AT, 2);
    memcpy(packet + PEER_PORT_AT, source, 2);
    exo_net_transmit(&peer_net, peer_flows->slot, peer_flows->first, packet, length);
}

/* All that its flow's pattern speaks of: IPv4 without options, no fragment, UDP to the port. */
static bool is_own(const uint8_t *packet, uint32_t length)
{
    return length >= PEER_PORT_AT + 2 && packet[12] == 0x08 && packet[13] == 0 && packet[14] == 0x45 && !(packet[20] & 0x3f) &&
           !packet[21] && packet[23] == 17 && peer_port_of(packet, PEER_PORT_AT) == port;
}

static void packets_reflect(void)
{
    uint32_t length, flow, reflected = 0, strays = 0;

    while (exo_time() < until) {
        uint8_t *packet = exo_net_receive(&peer_net, &length, &flow);
        if (packet) {
            reflected++;
            strays += !is_own(packet, length);
            packet_reflect(packet, length);
            exo_net_done(&peer_net);
        } else {
            exo_net_wait(&peer_net, exo_time() + PATIENCE_NS);
        }
    }
    exo_print("%u reflected, %u strays", reflected, strays);
}

static void flood(void)
{
    uint32_t sent = 0;

    while (exo_time() < until)
        sent += peer_send(port, to, sent, PEER_FILL_AT + 14) == EXO_OK;
    exo_print("sent %u", sent);
}

int main(void)
{
    static const struct check_case ask[] = { CASE(every_datagram_is_answered_whole) };
    static const struct check_case answer[] = { CASE(every_datagram_comes_whole) };

    peer_open();
    port = (uint32_t)exo_argument("port", 0);
    to = (uint32_t)exo_argument("to", 0);
    count = (uint32_t)exo_argument("count", 0);
    until = exo_time() + exo_argument("ms", 30000) * 1000000;
    if (exo_argument_is("mode", "ask"))
        check_run(CASES(ask));
    else if (exo_argument_is("mode", "answer"))
        check_run(CASES(answer));
    else if (exo_argument_is("mode", "attack"))
        attack_run(port, to);
    else {
        if (exo_argument_is("mode", "flood"))
            flood();
        else if (exo_argument_is("mode", "reflect"))
            packets_reflect();
        else
            packets_count();
        return 0;
    }
    return check_status();
}
