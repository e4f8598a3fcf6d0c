/* What the handler and its owner share: the numbers of packets, and the owner's memory that the handler sees. */
#pragma once
#include <exo/abi.h>

enum { HANDLER_VECTOR, HANDLER_REPLY, HANDLER_WAKE, HANDLER_SEND, HANDLER_KINDS, HANDLER_ROUNDS = 16 };
enum {
    HANDLER_PORTS_AT = 34, HANDLER_NUMBER_AT = 42, HANDLER_GATE_SLOT = 60,
    HANDLER_PLACES = 4, HANDLER_PLACE = 2048, HANDLER_PLACES_AT = 2048, HANDLER_ANSWER_AT = HANDLER_PLACES_AT + HANDLER_PLACES * HANDLER_PLACE,
    HANDLER_WINDOW = 4 * EXO_FRAME_SIZE,
};

struct served {
    uint32_t vectored, replied, woken, sent;
    uint32_t sum[HANDLER_ROUNDS], length[HANDLER_ROUNDS];
};
