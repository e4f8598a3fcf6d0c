/* The filter that is measured: which of some flows, by protocol, addresses and ports, the packet in the watched frame belongs to. */
#include <exo/abi.h>

#define FLOW(number, protocol, address, port)                                                                          \
    if (kind == protocol && source == address && ports == port)                                                        \
        return number;
#define LAN(n) 0x0100000au + ((uint32_t)(n) << 24)

uint64_t filter(const struct exo_predicate *context)
{
    const uint8_t *frame = (const uint8_t *)context->words;

    if (*(const uint16_t *)(frame + 12) != 0x0008 || frame[14] != 0x45 || (*(const uint16_t *)(frame + 20) & 0xff3f))
        return 0;
    uint8_t kind = frame[23];
    uint32_t source = *(const uint32_t *)(frame + 26), ports = *(const uint32_t *)(frame + 34);
    if (*(const uint32_t *)(frame + 30) != 0x0200000au)
        return 0;
    FLOW(1, 6, LAN(3), 0x50001345)
    FLOW(2, 6, LAN(4), 0x50001456)
    FLOW(3, 17, LAN(5), 0x35001567)
    FLOW(4, 6, LAN(6), 0x50001678)
    FLOW(5, 6, LAN(7), 0x50001789)
    FLOW(6, 17, LAN(8), 0x3500189a)
    FLOW(7, 6, LAN(9), 0x500019ab)
    FLOW(8, 6, LAN(10), 0x50001abc)
    FLOW(9, 17, LAN(11), 0x35001bcd)
    FLOW(10, 6, LAN(12), 0x50001cde)
    FLOW(11, 6, LAN(13), 0x50001def)
    FLOW(12, 17, LAN(14), 0x35001f00)
    FLOW(13, 6, LAN(15), 0x50002011)
    FLOW(14, 6, LAN(16), 0x50002122)
    FLOW(15, 17, LAN(17), 0x35002233)
    FLOW(16, 6, LAN(18), 0x50002344)
    FLOW(17, 6, LAN(19), 0x50002455)
    FLOW(18, 17, LAN(20), 0x35002566)
    FLOW(19, 6, LAN(21), 0x50002677)
    FLOW(20, 6, LAN(22), 0x50002788)
    FLOW(21, 17, LAN(23), 0x35002899)
    return 0;
}
