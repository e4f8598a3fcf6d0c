/* The handler of the packets of one flow: what a packet asks of it stands in the lowest bits of its number. */
#include "handler.h"
#include <exo/message.h>

struct number {
    uint32_t value;
} __attribute__((packed));

/* Sends the packet back. `place`: memory for it. */
static inline __attribute__((always_inline)) uint32_t answer(uint8_t *place, const uint8_t *packet, uint64_t size)
{
    exo_copy(place, size, packet, size);
    place[HANDLER_PORTS_AT] = packet[HANDLER_PORTS_AT + 2];
    place[HANDLER_PORTS_AT + 1] = packet[HANDLER_PORTS_AT + 3];
    place[HANDLER_PORTS_AT + 2] = packet[HANDLER_PORTS_AT];
    place[HANDLER_PORTS_AT + 3] = packet[HANDLER_PORTS_AT + 1];
    return exo_reply(place, size) == 0;
}

uint64_t serve(const struct exo_arrival *arrival)
{
    const uint8_t *packet = (const uint8_t *)arrival->packet;
    uint8_t *window = (uint8_t *)arrival->window;
    uint64_t size = arrival->size;
    struct served *served = (struct served *)window;

    if (window + HANDLER_WINDOW > (uint8_t *)arrival->window_end || size > EXO_PACKET_MOST)
        return EXO_ASH_DELIVER;
    uint32_t number = ((const struct number *)(packet + HANDLER_NUMBER_AT))->value, round = number / HANDLER_KINDS % HANDLER_ROUNDS;
    uint8_t *place = window + HANDLER_PLACES_AT + round % HANDLER_PLACES * HANDLER_PLACE;

    if (number % HANDLER_KINDS == HANDLER_VECTOR) {
        served->sum[round] = (uint32_t)exo_copy(place, size, packet, size);
        served->length[round] = (uint32_t)size;
        served->vectored++;
    } else if (number % HANDLER_KINDS == HANDLER_REPLY) {
        served->replied += answer(window + HANDLER_ANSWER_AT, packet, size);
    } else if (number % HANDLER_KINDS == HANDLER_WAKE) {
        exo_wake();
        served->woken++;
    } else if (exo_send(HANDLER_GATE_SLOT, number) == 0) {
        served->sent++;
        answer(window + HANDLER_ANSWER_AT, packet, size);
    }
    return EXO_ASH_DONE;
}
