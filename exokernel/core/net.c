#include <net.h>
#include <arch.h>
#include <ash.h>
#include <capability.h>
#include <device.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>
#include <program.h>
#include <sweep.h>
#include <vcpu.h>

/* What a packet costs at most, in instructions, and what each shape in use adds; how much of a slot all of them may. */
enum { COST_HANDLER = SWEEP_MAX, COST_PACKET = 640, COST_SHAPE = 80, NETWORK_NS = EXO_SLOT_NS / 2 };

#define STATION_BITS 0xffffffffffffull
enum { GROUP_BIT = 1, QUEUE_AFTER = 1 }; /* the first bit of an address says that it is a group's (IEEE 802.3 3.2.3) */

static uint32_t packet_cost(void)
{
    return COST_PACKET + network.order_count * COST_SHAPE;
}

/* ---- rings */

static struct net_queue *queue_of(frame_name ring)
{
    return net_queue_page(ring + QUEUE_AFTER);
}

/* The capability under which a ring's frames are used is still good. */
static bool queue_is_live(struct net_queue *queue)
{
    uint64_t generation = __atomic_load_n(&kernel.generation, __ATOMIC_ACQUIRE) + 1;

    if (queue->generation == generation)
        return true;
    if (!claim_is_live(queue->memory, queue->memory_stamp))
        return false;
    queue->generation = generation;
    return true;
}

/* May packets be put into, and taken out of, this frame for the ring? Its capability gives both rights. */
static bool frame_may_be_used(const struct net_queue *queue, frame_name frame)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info || info->kind != EXO_FRAME_DATA || info->closing || frame - queue->first >= queue->count)
        return false;
    return info->stamp == queue->memory_stamp ||
           capability_reach(queue->memory, queue->memory_stamp, info->stamp) == REACH_STAMP;
}

/* How many places the owner posted that the kernel has not used up; 0 if the counts make no sense. */
static uint32_t posted_count(const uint32_t *posted, uint32_t done)
{
    uint32_t count = __atomic_load_n(posted, __ATOMIC_ACQUIRE) - done;

    return count <= EXO_NET_RING_ENTRIES ? count : 0;
}

/* A ring of the subject's. */
static exo_result ring_find(const struct caller *caller, frame_name ring)
{
    const struct exo_frame *info = frame_named(ring);

    if (!info)
        return EXO_BAD_NAME;
    if (info->kind != EXO_FRAME_NET_RING)
        return EXO_WRONG_KIND;
    return info->owner == caller->environment && !info->closing ? EXO_OK : EXO_NO_RIGHT;
}

exo_result call_net_ring_create(const struct caller *caller, uint16_t capability, uint32_t ring, uint8_t vcpu)
{
    frame_name environment = caller->environment;
    uint32_t rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE;

    if (vcpu >= VCPUS_PER_ENVIRONMENT)
        return EXO_BAD_ARGUMENT;
    exo_result result = frame_may_be_taken(environment, capability, rights, ring);
    if (result == EXO_OK)
        result = frame_may_be_taken(environment, capability, rights, ring + QUEUE_AFTER);
    if (result < 0)
        return result;

    frame_claim(environment, capability, ring, EXO_FRAME_NET_RING);
    frame_claim(environment, capability, ring + QUEUE_AFTER, EXO_FRAME_NET_QUEUE);
    frame_at(ring + QUEUE_AFTER)->link = ring;
    capability_name name = capability_lookup(environment, capability);
    const struct capability *memory = capability_at(name);
    *queue_of(ring) = (struct net_queue){
        .stamp = kernel.next_id++, .memory = name, .memory_stamp = memory->id, .first = memory->first, .count = memory->count,
        .vcpu = environment * VCPUS_PER_ENVIRONMENT + vcpu,
    };
    return EXO_OK;
}

void net_ring_undo(frame_name ring)
{
    frame_at(ring + QUEUE_AFTER)->kind = EXO_FRAME_DATA;
    frame_at(ring + QUEUE_AFTER)->link = 0;
}

exo_result call_net_ring_free(const struct caller *caller, uint32_t ring)
{
    exo_result result = ring_find(caller, ring);
    if (result < 0)
        return result;
    ring = frame_clamped(ring);
    if (frame_at(ring)->bindings)
        return EXO_BOUND;

    flush_begin();
    frame_release(ring + QUEUE_AFTER);
    frame_release(ring);
    return EXO_OK;
}

/* ---- to a flow */

/* The ring that a live flow is delivered to, or 0. */
static frame_name ring_of(const struct exo_flow *flow)
{
    frame_name ring = flow->ring;

    if (!ring || frame_at(ring)->kind != EXO_FRAME_NET_RING || frame_at(ring)->closing ||
        queue_of(ring)->stamp != flow->ring_stamp)
        return 0;
    return ring;
}

exo_result call_flow_attach(const struct caller *caller, uint16_t capability, uint32_t name, uint32_t ring)
{
    struct exo_flow *flow;

    exo_result result = flow_check(caller->environment, capability, EXO_RIGHT_READ, name, &flow);
    if (result == EXO_OK && ring)
        result = ring_find(caller, ring);
    if (result < 0)
        return result;
    bool is_read = flow->reader && claim_is_live(flow->reader, flow->reader_stamp);
    frame_name old = ring_of(flow);
    if (old && is_read && frame_at(old)->owner != caller->environment)
        return EXO_TAKEN;

    flow->handler_stamp = 0;
    flow->ring = ring;
    flow->ring_stamp = ring ? queue_of(frame_clamped(ring))->stamp : 0;
    flow->reader = capability_lookup(caller->environment, capability);
    flow->reader_stamp = capability_at(flow->reader)->id;
    flow->generation = 0;
    return EXO_OK;
}

static void packet_copy(uint8_t *to, const struct packet *packet)
{
    if (packet->length <= EXO_HEADER_SIZE) {
        arch_copy(to, packet->header.word, packet->length);
        return;
    }
    arch_copy(to, packet->header.word, EXO_HEADER_SIZE);
    arch_copy(to + EXO_HEADER_SIZE, packet->rest, packet->length - EXO_HEADER_SIZE);
}

/* Into the next place of a ring. False: there is none, or it is not good. */
static bool ring_put(frame_name ring, const struct packet *packet, uint32_t flow)
{
    struct net_queue *queue = queue_of(ring);
    struct exo_net_ring *shared = net_ring_page(ring);

    if (!queue_is_live(queue) || !posted_count(&shared->receive_posted, queue->receive_done))
        return false;
    struct exo_net_receive *place = &shared->receive[queue->receive_done % EXO_NET_RING_ENTRIES];
    frame_name frame = __atomic_load_n(&place->frame, __ATOMIC_RELAXED);
    uint32_t offset = __atomic_load_n(&place->offset, __ATOMIC_RELAXED);
    bool is_good = packet->length <= EXO_FRAME_SIZE - (offset % EXO_FRAME_SIZE) && offset < EXO_FRAME_SIZE &&
                   frame_may_be_used(queue, frame);
    if (is_good)
        packet_copy(data_page(frame_clamped(frame)) + offset, packet);
    place->length = is_good ? packet->length : 0;
    place->flow = flow;
    __atomic_store_n(&shared->receive_done, ++queue->receive_done, __ATOMIC_RELEASE);
    vcpu_post(queue->vcpu, EXO_EVENT_IO);
    return is_good;
}

/* Of each slot so much is spent on what the network sends to a ring; the rest is dropped, which is cheap. */
enum { RING_NS = EXO_SLOT_NS / 4 };

static bool queue_has_time(struct net_queue *queue, uint64_t now)
{
    uint64_t slot = now / EXO_SLOT_NS;

    if (queue->slot != slot) {
        queue->slot = slot;
        queue->spent_ns = 0;
    }
    return queue->spent_ns < RING_NS;
}

/* What was done for a ring outside its owner's time is its owner's debt. */
static void queue_charge(struct net_queue *queue, uint64_t ns)
{
    queue->spent_ns += ns;
    __atomic_fetch_add(&vcpu_at(queue->vcpu)->excess_ns, ns, __ATOMIC_SEQ_CST);
}

/* ---- handlers */

exo_result call_flow_handler(const struct caller *caller, uint16_t capability, uint32_t name, uint16_t page, uint32_t window,
                             uint8_t count)
{
    struct exo_flow *flow, *same;
    uint64_t id = 0;

    exo_result result = flow_check(caller->environment, capability, EXO_RIGHT_READ, name, &flow);
    if (result < 0)
        return result;
    if (count > ASH_WINDOW_MAX || !count != !window || (count && !page))
        return EXO_BAD_ARGUMENT;
    frame_name ring = ring_of(flow);
    if (!ring || frame_at(ring)->owner != caller->environment)
        return EXO_WRONG_KIND;
    for (uint32_t i = 0; i < ASH_WINDOW_MAX && i < count; i++)
        if (!frame_may_be_used(queue_of(ring), window + i))
            return EXO_BAD_NAME;
    if (page)
        result = program_find(caller->environment, page, EXO_CODE_MESSAGE, &id);
    if (result < 0)
        return result;

    bool sends = flow_check(caller->environment, capability, EXO_RIGHT_WRITE, name, &same) == EXO_OK;
    flow->handler = page | (sends ? EXO_HANDLER_SENDS : 0);
    flow->handler_stamp = id;
    flow->reader = capability_lookup(caller->environment, capability);
    flow->reader_stamp = capability_at(flow->reader)->id;
    flow->generation = 0;
    if (page) {
        queue_of(ring)->window = window;
        queue_of(ring)->window_count = count;
    }
    return EXO_OK;
}

/* All frames of the window as they must be, or nothing of it. */
static uint32_t window_size(const struct net_queue *queue)
{
    for (uint32_t i = 0; i < ASH_WINDOW_MAX && i < queue->window_count; i++)
        if (!frame_may_be_used(queue, queue->window + i))
            return 0;
    return queue->window_count * EXO_FRAME_SIZE;
}

/* Is the packet done with? It is copied for the handler, and whoever gave it cannot change it any more. */
static bool flow_handle(const struct exo_flow *flow, struct net_queue *queue, const struct packet *packet)
{
    static const uint8_t zeros[EXO_PACKET_MOST];

    packet_copy(network.packet, packet);
    if (network.packet_end > packet->length) /* what an earlier one left */
        arch_copy(network.packet + packet->length, zeros, network.packet_end - packet->length);
    network.packet_end = packet->length;
    struct ash_message message = {
        .packet = network.packet, .size = packet->length, .window_size = queue_is_live(queue) ? window_size(queue) : 0,
        .flow = (uint32_t)(flow - flow_at(0)), .owner = queue->vcpu, .event = EXO_EVENT_IO,
        .may_send = flow->handler & EXO_HANDLER_SENDS, .reply = net_reply,
    };
    if (message.window_size)
        message.window = data_page(frame_clamped(queue->window));
    return ash_run(flow->handler & ~EXO_HANDLER_SENDS, flow->handler_stamp, &message) == EXO_ASH_DONE;
}

/* To the handler and the ring of a flow. now: if it comes from the network, so that nobody pays yet; else 0. */
static bool flow_deliver(struct exo_flow *flow, struct packet *packet, uint64_t now)
{
    frame_name ring = ring_of(flow);
    bool is_done = false;

    if (!ring || (now && !queue_has_time(queue_of(ring), now)))
        return false;
    if (flow->handler_stamp && !packet->is_reply) {
        now = now ? now : arch_time();
        packet->is_handled = true;
        is_done = flow_handle(flow, queue_of(ring), packet);
    }
    is_done = is_done || ring_put(ring, packet, (uint32_t)(flow - flow_at(0)));
    if (now)
        queue_charge(queue_of(ring), arch_time() - now);
    return is_done;
}

static void packet_deliver(struct packet *packet, uint64_t now)
{
    struct exo_flow *flow = flow_find(&packet->header);

    if (!flow) {
        system_info()->strays++;
    } else if (flow_deliver(flow, packet, now)) {
        flow->received++;
        flow->bytes += packet->length;
    } else {
        flow->dropped++;
    }
}

/* ---- from the network */

/* `bytes` are the kernel's, but the device may write them at any time. True: a handler has run. */
static bool packet_receive(const uint8_t *bytes, uint32_t length, uint64_t now)
{
    struct packet packet = {.rest = bytes + EXO_HEADER_SIZE, .length = length};

    if (length < EXO_PACKET_LEAST || length > EXO_PACKET_MOST)
        return false;
    arch_copy(packet.header.word, bytes, length < EXO_HEADER_SIZE ? length : EXO_HEADER_SIZE);
    packet_deliver(&packet, now);
    return packet.is_handled;
}

/* As many as an interrupt may take. False: there may be more. */
static bool packets_receive(void)
{
    struct budget budget = {.rest = SWEEP_MAX};
    uint32_t length;

    while (budget_spend(&budget, packet_cost())) {
        uint64_t now = arch_time();
        const uint8_t *bytes = device_net_receive(&length);

        if (!bytes)
            return true;
        bool is_handled = packet_receive(bytes, length, now);
        device_net_received();
        budget_spend(&budget, is_handled ? COST_HANDLER : 0);
        network.spent_ns += arch_time() - now;
        budget.is_used = true;
    }
    return false;
}

void net_interrupted(void)
{
    uint64_t slot = arch_time() / EXO_SLOT_NS;

    if (network.slot != slot) {
        network.slot = slot;
        network.spent_ns = 0;
    }
    if (network.is_deaf)
        return;
    bool is_done = packets_receive();
    network.is_deaf = !is_done && network.spent_ns >= NETWORK_NS;
    device_net_kick();
    if (is_done || network.is_deaf)
        device_net_wait(!network.is_deaf);
    else
        device_net_again();
}

void net_slot_began(void)
{
    if (!network.is_deaf)
        return;
    network.is_deaf = 0;
    device_net_again();
}

#define STATION_OF_NONE 0x01006f786502 /* 02:65:78:6f:00:01: locally administered (IEEE 802 8.2.2) */

void net_start(uint64_t secret)
{
    flow_begin(secret);
    if (!device_net(&system_info()->station))
        system_info()->station = STATION_OF_NONE;
}

/* ---- from a ring */

/* The packet that an entry means, its header taken out, if its sender may send it. */
static exo_result transmit_check(const struct caller *caller, const struct net_queue *queue,
                                 const struct exo_net_transmit *entry, struct packet *ret_packet, struct exo_flow **ret_flow)
{
    if (entry->length < EXO_PACKET_LEAST || entry->length > EXO_PACKET_MOST || entry->offset > EXO_FRAME_SIZE - entry->length)
        return EXO_BAD_ARGUMENT;
    if (!frame_may_be_used(queue, entry->frame))
        return EXO_BAD_NAME;
    exo_result result = flow_check(caller->environment, entry->capability, EXO_RIGHT_WRITE, entry->flow, ret_flow);
    if (result < 0)
        return result;
    if (!flow_is_live(*ret_flow))
        return EXO_NO_RIGHT;
    const uint8_t *bytes = data_page(frame_clamped(entry->frame)) + entry->offset;
    *ret_packet = (struct packet){.rest = bytes + EXO_HEADER_SIZE, .length = entry->length};
    arch_copy(ret_packet->header.word, bytes, entry->length < EXO_HEADER_SIZE ? entry->length : EXO_HEADER_SIZE);
    return flow_may_send(*ret_flow, &ret_packet->header) ? EXO_OK : EXO_WRONG_KIND;
}

/* Where its destination says. AGAIN: the network's queue is full. */
static exo_result packet_route(struct packet *packet)
{
    uint64_t destination = packet->header.word[0] & STATION_BITS;
    bool is_own = destination == system_info()->station, is_group = destination & GROUP_BIT;
    uint32_t header = packet->length < EXO_HEADER_SIZE ? packet->length : EXO_HEADER_SIZE;

    if (!is_own && !is_group && !device_net_is_there())
        return EXO_BAD_NAME;
    if (!is_own && device_net_is_there() &&
        !device_net_send((const uint8_t *)packet->header.word, header, packet->rest, packet->length - header))
        return EXO_AGAIN;
    if (is_own || is_group)
        packet_deliver(packet, 0);
    return EXO_OK;
}

exo_result net_reply(uint32_t name, const uint8_t *bytes, uint32_t length)
{
    struct packet packet = {.rest = bytes + EXO_HEADER_SIZE, .length = length, .is_reply = true};

    if (length < EXO_PACKET_LEAST || length > EXO_PACKET_MOST)
        return EXO_BAD_ARGUMENT;
    arch_copy(packet.header.word, bytes, length < EXO_HEADER_SIZE ? length : EXO_HEADER_SIZE);
    if (!flow_may_send(flow_at(name), &packet.header))
        return EXO_WRONG_KIND;
    exo_result result = packet_route(&packet);
    flow_at(name)->sent += result == EXO_OK;
    return result;
}

static exo_result entry_send(const struct caller *caller, const struct net_queue *queue, const struct exo_net_transmit *entry,
                             bool *ret_handled)
{
    struct packet packet = {.is_handled = false};
    struct exo_flow *flow;

    exo_result result = transmit_check(caller, queue, entry, &packet, &flow);
    if (result == EXO_OK)
        result = packet_route(&packet);
    if (result == EXO_OK)
        flow->sent++;
    *ret_handled = packet.is_handled;
    return result;
}

/* Entries lie in memory that others may write: each word is read once. */
static struct exo_net_transmit entry_read(const struct exo_net_transmit *entry)
{
    const volatile uint64_t *words = (const volatile uint64_t *)entry;
    union {
        uint64_t words[2];
        struct exo_net_transmit entry;
    } copy = {.words = {words[0], words[1]}};

    _Static_assert(sizeof copy == sizeof *entry, "two words");
    return copy.entry;
}

exo_result call_net_send(const struct caller *caller, uint32_t ring)
{
    uint32_t sent = 0;
    bool is_handled = false; /* which is work enough for a call */
    struct budget budget = {.rest = SWEEP_MAX};

    exo_result result = ring_find(caller, ring);
    if (result < 0)
        return result;
    ring = frame_clamped(ring);
    struct net_queue *queue = queue_of(ring);
    struct exo_net_ring *shared = net_ring_page(ring);
    if (!queue_is_live(queue))
        return EXO_BAD_CAPABILITY;
    while (!is_handled && sent < (uint32_t)EXO_SEND_MAX && posted_count(&shared->transmit_posted, queue->transmit_done) &&
           budget_spend(&budget, packet_cost())) {
        struct exo_net_transmit *place = &shared->transmit[queue->transmit_done % EXO_NET_RING_ENTRIES];
        const struct exo_net_transmit entry = entry_read(place);

        result = entry_send(caller, queue, &entry, &is_handled);
        if (result == EXO_AGAIN)
            break;
        place->status = (uint16_t)-result;
        __atomic_store_n(&shared->transmit_done, ++queue->transmit_done, __ATOMIC_RELEASE);
        budget.is_used = true;
        sent++;
    }
    device_net_kick();
    return sent == 0 && result == EXO_AGAIN ? EXO_AGAIN : (exo_result)sent;
}
