#include "network.h"
#include <arch.h>

#define REQUIRE(condition, sentence)                                                                                   \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return sentence;                                                                                           \
    } while (0)

bool network_overlaps(const struct exo_flow *a, const struct exo_flow *b)
{
    for (uint32_t i = 0; i < EXO_HEADER_SIZE; i++) {
        uint8_t both_look = shape_at(a->shape)->mask[i] & shape_at(b->shape)->mask[i];
        if ((a->value[i] & both_look) != (b->value[i] & both_look))
            return false;
    }
    return true;
}

/* Is there a packet that may be sent under both? */
static bool sources_overlap(const struct exo_flow *a, const struct exo_flow *b)
{
    for (uint32_t i = 0; i < EXO_HEADER_SIZE; i++) {
        uint8_t both_look = shape_at(a->source_shape)->mask[i] & shape_at(b->source_shape)->mask[i];
        if ((a->source[i] & both_look) != (b->source[i] & both_look))
            return false;
    }
    return true;
}

uint32_t network_find(const uint8_t header[EXO_HEADER_SIZE])
{
    uint32_t found = 0, bits = 0;
    for (uint32_t name = 0; name < network.flow_end; name++) {
        const struct exo_flow *flow = flow_at(name);
        const struct exo_shape *shape = shape_at(flow->shape);
        bool matches = flow->state == EXO_FLOW_OPEN;
        for (uint32_t i = 0; i < EXO_HEADER_SIZE && matches; i++)
            matches = (header[i] & shape->mask[i]) == flow->value[i];
        if (!matches || (found && shape->bits <= bits))
            continue;
        found = name + 1;
        bits = shape->bits;
    }
    return found;
}

/* Was it claimed within the other one, or within one that was? */
static bool is_within(const struct exo_flow *flow, uint32_t other)
{
    for (uint32_t depth = 0; flow->within && depth < FLOW_LIMIT; depth++) {
        const struct exo_flow *wider = flow_at(flow->within - 1);
        if (wider->born != flow->within_born)
            return false;
        if (flow->within == other + 1)
            return true;
        flow = wider;
    }
    return false;
}

static const char *check_flow(uint32_t name)
{
    const struct exo_flow *flow = flow_at(name);
    if (!flow->owner) {
        const uint8_t *bytes = (const uint8_t *)flow;
        for (uint32_t i = 0; i < sizeof *flow; i++)
            REQUIRE(!bytes[i], "a flow that nobody owns is used");
        return NULL;
    }
    REQUIRE(flow->state == EXO_FLOW_CLAIMED || flow->state == EXO_FLOW_OPEN, "a flow in an unknown state");
    REQUIRE(flow->shape < SHAPE_LIMIT && flow->source_shape < SHAPE_LIMIT, "a flow of no shape");
    REQUIRE((flow->born || flow->state == EXO_FLOW_CLAIMED) && flow->born <= network.born, "an open flow that was never opened");
    for (uint32_t i = 0; i < EXO_HEADER_SIZE; i++)
        REQUIRE(!(flow->value[i] & ~shape_at(flow->shape)->mask[i]) && !(flow->source[i] & ~shape_at(flow->source_shape)->mask[i]),
                "a pattern has bits outside its shape");
    return NULL;
}

static const char *check_overlaps(uint32_t name)
{
    const struct exo_flow *flow = flow_at(name);
    for (uint32_t other = 0; other < name && flow->state == EXO_FLOW_OPEN; other++) {
        const struct exo_flow *second = flow_at(other);
        bool shares = flow->owner != second->owner && sources_overlap(flow, second);
        if (second->state != EXO_FLOW_OPEN || !(shares || network_overlaps(flow, second)))
            continue;
        /* both were found valid since a capability last ended */
        bool are_valid = flow->generation && flow->generation == second->generation && flow->generation == kernel.generation + 1;
        REQUIRE(!are_valid || is_within(flow, other) || is_within(second, name),
                "two valid flows overlap, or send the same for two owners, and neither was claimed within the other");
    }
    return NULL;
}

static const char *check_shapes(void)
{
    uint32_t flows[SHAPE_LIMIT] = {0}, open[SHAPE_LIMIT] = {0}, used = 0, before = UINT32_MAX;
    for (uint32_t name = 0; name < network.flow_end; name++) {
        const struct exo_flow *flow = flow_at(name);
        if (!flow->owner)
            continue;
        flows[flow->shape]++;
        flows[flow->source_shape]++;
        open[flow->shape] += flow->state == EXO_FLOW_OPEN;
    }
    for (uint32_t i = 0; i < SHAPE_LIMIT; i++) {
        REQUIRE(shape_at(i)->flows == flows[i] && shape_at(i)->open == open[i], "a shape counts its flows wrongly");
        used += open[i] != 0;
    }
    REQUIRE(network.order_count == used, "the order of shapes is not of those in use");
    for (uint32_t i = 0; i < used; i++) {
        const struct exo_shape *shape = shape_at(network.order[i]);
        REQUIRE(open[network.order[i]], "a shape that no open flow has is looked for");
        REQUIRE(shape->bits <= before, "a wide shape is looked for before a narrow one");
        before = shape->bits;
        open[network.order[i]] = 0; /* each once */
    }
    return NULL;
}

static const char *check_buckets(void)
{
    uint8_t seen[FLOW_LIMIT] = {0};
    for (uint32_t i = 0; i < FLOW_BUCKETS; i++) {
        uint32_t length = 0;
        for (uint32_t next = network.bucket[i]; next; next = flow_at(next - 1)->next) {
            REQUIRE(next <= FLOW_LIMIT && ++length <= EXO_FLOW_CHAIN_MAX, "a chain of flows is too long");
            REQUIRE(flow_at(next - 1)->state == EXO_FLOW_OPEN, "a flow that is not open can be found");
            REQUIRE(!seen[next - 1]++, "a flow is in two chains");
        }
    }
    for (uint32_t name = 0; name < network.flow_end; name++)
        REQUIRE(flow_at(name)->state != EXO_FLOW_OPEN || seen[name], "an open flow cannot be found");
    return NULL;
}

static const char *check_rings(void)
{
    for (frame_name frame = 1; frame < kernel.frame_count; frame++) {
        const struct exo_frame *info = frame_at(frame);
        if (info->kind == EXO_FRAME_NET_QUEUE) {
            REQUIRE(info->link == frame - 1 && frame_at(frame - 1)->kind == EXO_FRAME_NET_RING, "the kernel's half of no ring");
            REQUIRE(!info->bindings, "the kernel's half of a ring is bound");
        }
        if (info->kind == EXO_FRAME_NET_RING) {
            REQUIRE(frame_at(frame + 1)->kind == EXO_FRAME_NET_QUEUE, "a ring without the kernel's half");
            REQUIRE(frame_at(frame + 1)->owner == info->owner, "a ring has two owners");
            REQUIRE(net_queue_page(frame + 1)->vcpu / VCPUS_PER_ENVIRONMENT == info->owner, "a ring tells another environment");
        }
    }
    return NULL;
}

const char *network_check(void)
{
    const char *broken = NULL;
    for (uint32_t name = 0; name < network.flow_end && !broken; name++)
        broken = check_flow(name);
    for (uint32_t name = 0; name < network.flow_end && !broken; name++)
        broken = check_overlaps(name);
    if (!broken)
        broken = check_shapes();
    if (!broken)
        broken = check_buckets();
    return broken ? broken : check_rings();
}
