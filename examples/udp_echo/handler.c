/*
 * The handler of udp_echo: eBPF, run by the kernel as soon as a datagram has come. It answers from the window, which is memory of
 * the libOS's, and counts there.
 */
#include <exo/message.h>

enum { KIND_AT = 12, SOURCE_AT = 26, PORTS_AT = 34, DATA_AT = 42, ANSWER_AT = 64 };

struct word { uint32_t value; } __attribute__((packed));
struct half { uint16_t value; } __attribute__((packed));
#define WORD(at) (((struct word *)(at))->value)
#define HALF(at) (((struct half *)(at))->value)

uint64_t answer(const struct exo_arrival *arrival)
{
    const uint8_t *packet = (const uint8_t *)arrival->packet;
    uint8_t *window = (uint8_t *)arrival->window;
    uint64_t size = arrival->size;

    if (size < DATA_AT || window + ANSWER_AT + EXO_PACKET_MOST > (uint8_t *)arrival->window_end)
        return EXO_ASH_DELIVER;
    EXO_OPAQUE(size); /* both bounds by one subtraction would hide them from the verifier */
    if (size > EXO_PACKET_MOST)
        return EXO_ASH_DELIVER;
    if (HALF(packet + DATA_AT) == 0x6e65) /* "en", of "end" */
        return EXO_ASH_DELIVER;
    uint8_t *reply = window + ANSWER_AT;
    exo_copy(reply, size, packet, size);
    WORD(reply) = WORD(packet + 6);
    HALF(reply + 4) = HALF(packet + 10);
    WORD(reply + 6) = WORD(packet);
    HALF(reply + 10) = HALF(packet + 4);
    WORD(reply + SOURCE_AT) = WORD(packet + SOURCE_AT + 4);
    WORD(reply + SOURCE_AT + 4) = WORD(packet + SOURCE_AT);
    HALF(reply + PORTS_AT) = HALF(packet + PORTS_AT + 2);
    HALF(reply + PORTS_AT + 2) = HALF(packet + PORTS_AT);
    if (exo_reply(reply, size) != 0)
        return EXO_ASH_DELIVER;
    WORD(window) = WORD(window) + 1;
    return EXO_ASH_DONE;
}
