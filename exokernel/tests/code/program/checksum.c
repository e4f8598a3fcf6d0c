/* The Internet checksum of all bytes (RFC 1071). */
#include "context.h"

u64 checksum(struct context *c)
{
    u64 sum = 0, at;
    for (at = 0; at < 2048 && c->start + at + 2 <= c->end; at += 2) {
        sum += *(u16 *)(c->start + at);
        OPAQUE(at);
    }
    if (at < 2048 && c->start + at + 1 <= c->end)
        sum += c->start[at];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}
