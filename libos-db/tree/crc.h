/* CRC-32C (RFC 3720, 12.1), by the processor's own instruction (SSE4.2), eight bytes at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool crc32c_is_there(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)); /* Intel SDM 2A, CPUID leaf 1 */
    return c & 1u << 20;
}

/* checksum: 0, or what it was of the bytes before. */
static inline uint32_t crc32c(uint32_t checksum, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t crc = ~checksum;

#pragma GCC unroll 8
    for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        __asm__("crc32q %1, %0" : "+r"(crc) : "r"(word));
    }
    for (; size; size--, at++)
        __asm__("crc32b %1, %k0" : "+r"(crc) : "r"(*at));
    return ~(uint32_t)crc;
}

/* The same, of whole words that are copied on the way. */
static inline uint32_t crc32c_copy(uint32_t checksum, uint64_t *to, const uint64_t *from, uint32_t words)
{
    uint64_t crc = ~checksum;

#pragma GCC unroll 8
    for (uint32_t i = 0; i < words; i++) {
        uint64_t word = from[i];
        __asm__("crc32q %1, %0" : "+r"(crc) : "r"(word));
        to[i] = word;
    }
    return ~(uint32_t)crc;
}
