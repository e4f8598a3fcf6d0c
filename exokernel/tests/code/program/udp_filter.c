/* Is the frame a UDP datagram over IPv4, unfragmented, to the port in word 0? Options make the header longer. */
#include "context.h"

u64 udp_filter(struct context *c)
{
    u8 *frame = c->start;
    if (frame + 42 > c->end || *(u16 *)(frame + 12) != 0x0008)
        return 0;
    u8 *ip = frame + 14;
    if (ip[0] >> 4 != 4 || ip[9] != 17 || (*(u16 *)(ip + 6) & 0xff3f))
        return 0;
    u64 header = (ip[0] & 15) * 4;
    u8 *udp = ip + header;
    if (header < 20 || udp + 8 > c->end)
        return 0;
    return *(u16 *)(udp + 2) == __builtin_bswap16(c->word[0]);
}
