#include <exo/net.h>
#include <exo/calls.h>
#include <exo/text.h>
#include <exo/upcall.h>

/* Two free frames in a row become the ring. */
static int64_t ring_make(struct exo_net *net, struct exo_frames *frames)
{
    int64_t result;

    net->frame = exo_frame_alloc_run(frames, 2, 1);
    if (!net->frame)
        return EXO_BAD_NAME;
    exo_frame_free(0, frames->capability, net->frame, 2);
    do
        result = exo_net_ring_create(0, frames->capability, net->frame, 0);
    while (exo_again(result));
    return result;
}

/* Buffers from `address` on; which frame each is in, is told in the ring. */
static int64_t buffers_make(struct exo_net *net, struct exo_space *space, uint64_t address, bool receives)
{
    for (uint32_t i = 0; i < EXO_NET_FRAMES; i++) {
        uint32_t frame = exo_frame_alloc(space->frames);
        int64_t result = frame ? exo_space_map(space, address + i * EXO_FRAME_SIZE, frame, 1, space->frames->capability,
                                               EXO_MAP_READ | EXO_MAP_WRITE) : EXO_BAD_NAME;
        if (result != EXO_OK)
            return result;
        for (uint32_t n = 2 * i; n < 2 * i + 2; n++) {
            uint16_t offset = (uint16_t)(n % 2 * EXO_NET_BUFFER);
            if (receives)
                net->ring->receive[n] = (struct exo_net_receive){ .frame = frame, .offset = offset };
            else
                net->ring->transmit[n] = (struct exo_net_transmit){ .frame = frame, .offset = offset };
        }
    }
    return EXO_OK;
}

int64_t exo_net_open(struct exo_net *net, struct exo_space *space, uint64_t address)
{
    *net = (struct exo_net){
        .ring = (struct exo_net_ring *)address, .receive = (uint8_t *)address + EXO_FRAME_SIZE,
        .transmit = (uint8_t *)address + (1 + EXO_NET_FRAMES) * EXO_FRAME_SIZE,
    };
    int64_t result = ring_make(net, space->frames);
    if (result == EXO_OK)
        result = exo_space_map(space, address, net->frame, 1, space->frames->capability, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result == EXO_OK)
        result = buffers_make(net, space, (uint64_t)net->receive, true);
    if (result == EXO_OK)
        result = buffers_make(net, space, (uint64_t)net->transmit, false);
    if (result == EXO_OK)
        __atomic_store_n(&net->ring->receive_posted, EXO_NET_RING_ENTRIES, __ATOMIC_RELEASE);
    return result;
}

int64_t exo_net_listen(struct exo_net *net, uint16_t capability, uint32_t flow)
{
    return exo_flow_attach(0, capability, flow, net->frame);
}

static bool net_has(const struct exo_net *net)
{
    return __atomic_load_n(&net->ring->receive_done, __ATOMIC_ACQUIRE) != net->taken;
}

uint8_t *exo_net_receive(struct exo_net *net, uint32_t *ret_length, uint32_t *ret_flow)
{
    for (; net_has(net); exo_net_done(net)) {
        uint32_t n = net->taken % EXO_NET_RING_ENTRIES;
        const struct exo_net_receive *place = &net->ring->receive[n];

        if (!place->length)
            continue;
        *ret_length = place->length;
        *ret_flow = place->flow;
        return net->receive + n * EXO_NET_BUFFER;
    }
    return NULL;
}

void exo_net_done(struct exo_net *net)
{
    net->taken++;
    __atomic_store_n(&net->ring->receive_posted, net->taken + EXO_NET_RING_ENTRIES, __ATOMIC_RELEASE);
}

/* An event may come between the look and the sleep: so events are held back meanwhile. */
bool exo_net_wait(struct exo_net *net, uint64_t deadline)
{
    int64_t result = EXO_OK;
    bool blocked = exo_events_block();

    while (!net_has(net) && !(EXO_CONTEXT->pending & EXO_EVENT_TIMER) && result == EXO_OK)
        result = exo_sleep(deadline, EXO_EVENT_TIMER | EXO_EVENT_IO, false);
    exo_events_restore(blocked);
    return net_has(net);
}

int64_t exo_net_transmit(struct exo_net *net, uint16_t capability, uint32_t flow, const void *bytes, uint32_t length)
{
    uint32_t count = net->ring->transmit_posted, n = count % EXO_NET_RING_ENTRIES;
    struct exo_net_transmit *place = &net->ring->transmit[n];
    int64_t result;

    if (length > EXO_PACKET_MOST)
        return EXO_BAD_ARGUMENT;
    memcpy(net->transmit + n * EXO_NET_BUFFER, bytes, length);
    place->length = (uint16_t)length;
    place->flow = flow;
    place->capability = capability;
    __atomic_store_n(&net->ring->transmit_posted, count + 1, __ATOMIC_RELEASE);
    do
        result = exo_net_send(net->frame);
    while (result == EXO_AGAIN);
    return result < 0 ? result : -(int64_t)place->status;
}

int64_t exo_flow_make(uint16_t capability, uint32_t flow, uint32_t shape, const void *value, uint32_t source_shape,
                      const void *source, uint16_t allowed, uint32_t wider)
{
    uint8_t *batch = (uint8_t *)EXO_CONTEXT->batch;

    memcpy(batch, value, EXO_HEADER_SIZE);
    memcpy(batch + EXO_HEADER_SIZE, source, EXO_HEADER_SIZE);
    int64_t result = exo_flow_claim(0, capability, flow, (uint16_t)(shape | source_shape << 8), allowed, wider);
    if (result != EXO_OK)
        return result;
    do
        result = exo_flow_open(0, capability, flow);
    while (result == EXO_AGAIN);
    return result;
}

int exo_shape_find(const void *mask)
{
    const struct exo_shape *shapes = (const struct exo_shape *)EXO_SHAPES_ADDRESS;

    for (int i = 0; i < EXO_SHAPE_LIMIT; i++)
        if (shapes[i].set && !memcmp(shapes[i].mask, mask, EXO_HEADER_SIZE))
            return i;
    return -1;
}
