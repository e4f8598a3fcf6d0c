#include "packet.h"
#include <flow.h>
#include <string.h>

static uint8_t *batch(void)
{
    return (uint8_t *)context_page(vcpu_at(ROOT * VCPUS_PER_ENVIRONMENT)->context)->batch;
}

static void shape_make(uint32_t index, bool kind, bool host, bool port)
{
    uint8_t mask[EXO_HEADER_SIZE] = {0};
    mask[KIND_AT] = kind ? 0xff : 0;
    mask[HOST_AT] = host ? 0xff : 0;
    mask[PORT_AT] = port ? 0xff : 0;
    memcpy(batch(), mask, sizeof mask);
    MUST(CALL(NET_SHAPE, FLOWS_SLOT, index));
}

void packet_setup(void)
{
    unit_setup();
    flow_begin(7);
    machine.system.station = 0x01006f786502;
    world_hold(FLOWS_SLOT, EXO_KIND_FLOWS, RIGHTS_ALL, 0, FLOW_LIMIT);
    shape_make(SHAPE_ANY, false, false, false);
    shape_make(SHAPE_KIND, true, false, false);
    shape_make(SHAPE_PORT, true, false, true);
    shape_make(SHAPE_HOST, true, true, false);
    shape_make(SHAPE_BOTH, true, true, true);
    memset(batch(), 0xff, EXO_HEADER_SIZE);
    MUST(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_ALL));
    memset(batch(), 0, EXO_HEADER_SIZE);
    memset(batch() + STATION_AT, 0xff, STATION_SIZE);
    batch()[HOST_AT] = 0xff;
    MUST(CALL(NET_SHAPE, FLOWS_SLOT, SHAPE_SENDER));
    MUST(CALL(CAPABILITY_DERIVE, FLOWS_SLOT, A_SLOT, A_FLOWS, RIGHTS_GIVEN, A_POSITIONS, 64));
}

void pattern_put(uint8_t *value, uint32_t shape, uint8_t kind, uint8_t host, uint8_t port)
{
    memset(value, 0, EXO_HEADER_SIZE);
    value[KIND_AT] = kind & shape_at(shape)->mask[KIND_AT];
    value[HOST_AT] = host & shape_at(shape)->mask[HOST_AT];
    value[PORT_AT] = port & shape_at(shape)->mask[PORT_AT];
}

void sender_put(uint8_t *source, uint8_t host)
{
    memset(source, 0, EXO_HEADER_SIZE);
    memcpy(source + STATION_AT, &machine.system.station, STATION_SIZE);
    source[HOST_AT] = host;
}

exo_result packet_claim(uint32_t subject, uint32_t slot, uint32_t flow, uint32_t shape, const uint8_t *value, uint32_t allowed,
                        uint32_t wider)
{
    uint8_t *source = batch() + EXO_HEADER_SIZE;
    memcpy(batch(), value, EXO_HEADER_SIZE);
    sender_put(source, subject && !allowed ? 2 : 1);
    return CALL_FOR(subject, FLOW_CLAIM, slot, flow, shape | SHAPE_SENDER << 8, allowed, wider);
}

exo_result packet_claim_source(uint32_t subject, uint32_t slot, uint32_t flow, uint32_t shape, const uint8_t *value,
                               uint32_t source_shape, const uint8_t *source)
{
    memcpy(batch(), value, EXO_HEADER_SIZE);
    memcpy(batch() + EXO_HEADER_SIZE, source, EXO_HEADER_SIZE);
    return CALL_FOR(subject, FLOW_CLAIM, slot, flow, shape | source_shape << 8, 0, 0);
}

exo_result packet_open_claimed(uint32_t subject, uint32_t slot, uint32_t flow)
{
    exo_result result = EXO_AGAIN;
    for (uint32_t i = 0; i < FLOW_LIMIT && result == EXO_AGAIN; i++)
        result = CALL_FOR(subject, FLOW_OPEN, slot, flow);
    return result;
}

exo_result packet_open(uint32_t flow, uint32_t shape, uint8_t kind, uint8_t host, uint8_t port)
{
    uint8_t value[EXO_HEADER_SIZE];
    pattern_put(value, shape, kind, host, port);
    exo_result result = packet_claim(0, FLOWS_SLOT, flow, shape, value, 0, 0);
    return result < 0 ? result : packet_open_claimed(0, FLOWS_SLOT, flow);
}
