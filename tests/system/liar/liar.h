/* What the filter that lies and its owner share: ports, and the owner's memory, where it counts its lies. */
#pragma once
#include <exo/abi.h>

enum { LIAR_PORT = 66, LIAR_VICTIM = 9, LIAR_TARGET = 7, LIAR_PORTS_AT = 34, LIAR_SIZE = 60, LIAR_REPLY_AT = 64 };
/* What it does with a packet, in turn: claim it and do nothing; say nonsense; answer as the victim; answer as itself to where it is
 * itself; never end; send to gates that it has no capability to. */
enum { LIE_CLAIM, LIE_NONSENSE, LIE_SPOOF, LIE_SELF, LIE_SPIN, LIE_SEND, LIES };

struct lied {
    uint32_t runs[LIES];
    uint32_t strays;  /* packets that were not its own */
    uint32_t spoofed; /* answers as the victim that were sent */
    uint32_t sent;    /* messages to gates of others */
    uint32_t spins;
};
