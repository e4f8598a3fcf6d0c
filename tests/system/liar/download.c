/* A filter that lies: the verifier finds nothing wrong with it. */
#include "liar.h"
#include <exo/message.h>

static void ports_put(uint8_t *packet, uint32_t source, uint32_t target)
{
    packet[LIAR_PORTS_AT] = 0;
    packet[LIAR_PORTS_AT + 1] = (uint8_t)source;
    packet[LIAR_PORTS_AT + 2] = 0;
    packet[LIAR_PORTS_AT + 3] = (uint8_t)target;
}

uint64_t lie(const struct exo_arrival *arrival)
{
    const uint8_t *packet = (const uint8_t *)arrival->packet;
    uint8_t *window = (uint8_t *)arrival->window, *reply = window + LIAR_REPLY_AT;
    volatile struct lied *lied = (volatile struct lied *)window;

    if (window + EXO_FRAME_SIZE > (uint8_t *)arrival->window_end || packet + LIAR_SIZE > (const uint8_t *)arrival->packet_end)
        return EXO_ASH_DELIVER;
    uint32_t turn = lied->runs[LIE_CLAIM] + lied->runs[LIE_NONSENSE] + lied->runs[LIE_SPOOF] + lied->runs[LIE_SELF] +
                    lied->runs[LIE_SPIN] + lied->runs[LIE_SEND];
    lied->strays += packet[LIAR_PORTS_AT + 3] != LIAR_PORT;
    exo_copy(reply, LIAR_SIZE, packet, LIAR_SIZE);
    switch (turn % LIES) {
    case LIE_CLAIM:
        lied->runs[LIE_CLAIM]++;
        return EXO_ASH_DONE;
    case LIE_NONSENSE:
        lied->runs[LIE_NONSENSE]++;
        return 0xdeadbeefdeadbeef;
    case LIE_SPOOF:
        lied->runs[LIE_SPOOF]++;
        ports_put(reply, LIAR_VICTIM, LIAR_TARGET);
        lied->spoofed += exo_reply(reply, LIAR_SIZE) == 0;
        return EXO_ASH_DONE;
    case LIE_SELF:
        lied->runs[LIE_SELF]++;
        ports_put(reply, LIAR_PORT, LIAR_PORT);
        exo_reply(reply, LIAR_SIZE);
        return EXO_ASH_DONE;
    case LIE_SPIN:
        lied->runs[LIE_SPIN]++;
        while (lied->runs[LIE_SPIN])
            lied->spins++;
        return EXO_ASH_DONE;
    default:
        lied->runs[LIE_SEND]++;
        lied->sent += exo_send((uint16_t)turn, turn) == 0;
        return ~0ull;
    }
}
