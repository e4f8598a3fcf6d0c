/*
 * Flows of the manifest: the root claims them, and grants each environment its own. `flow` lines come in the order of positions:
 * `flow station=0|1 mask=HEX value=HEX source_mask=HEX source=HEX`, bytes of the header from its first on. With station=1 the
 * source pattern also asks for the machine's own station as sender.
 */
#include "root.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/net.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { FLOWS_MAX = 64, SENDER_AT = 6, SENDER_SIZE = 6 };

struct pattern {
    uint8_t mask[EXO_HEADER_SIZE], value[EXO_HEADER_SIZE];
};

static struct {
    struct pattern pattern, source;
    bool station;
} flows[FLOWS_MAX];
static uint32_t flow_count;

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_read(uint8_t *bytes, const char *text)
{
    for (uint32_t i = 0; *text; i++, text += 2) {
        if (i == EXO_HEADER_SIZE || digit_of(text[0]) < 0 || digit_of(text[1]) < 0)
            return false;
        bytes[i] = (uint8_t)(digit_of(text[0]) << 4 | digit_of(text[1]));
    }
    return true;
}

bool flow_add(void)
{
    return flow_count++ < FLOWS_MAX;
}

bool flow_word(const char *key, const char *value)
{
    struct { const char *key; uint8_t *bytes; } texts[] = {
        { "mask", flows[flow_count - 1].pattern.mask }, { "value", flows[flow_count - 1].pattern.value },
        { "source_mask", flows[flow_count - 1].source.mask }, { "source", flows[flow_count - 1].source.value },
    };

    if (exo_text_equals(key, "station")) {
        flows[flow_count - 1].station = *value == '1';
        return true;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (exo_text_equals(key, texts[i].key))
            return hex_read(texts[i].bytes, value);
    return false;
}

/* The shape with this mask, set now if it was not. */
static int64_t shape_make(const uint8_t *mask)
{
    static uint8_t next;
    int found = exo_shape_find(mask);

    if (found >= 0)
        return found;
    memcpy(EXO_CONTEXT->batch, mask, EXO_HEADER_SIZE);
    int64_t result = exo_net_shape(exo_start_slot(EXO_KIND_FLOWS, 0), next);
    return result < 0 ? result : next++;
}

static void station_add(struct pattern *source)
{
    memset(source->mask + SENDER_AT, 0xff, SENDER_SIZE);
    memcpy(source->value + SENDER_AT, &exo_system_info()->station, SENDER_SIZE);
}

static int64_t flow_make(uint32_t flow)
{
    struct pattern *pattern = &flows[flow].pattern, *source = &flows[flow].source;

    if (flows[flow].station)
        station_add(source);
    int64_t shape = shape_make(pattern->mask), source_shape = shape_make(source->mask);
    if (shape < 0 || source_shape < 0)
        return shape < 0 ? shape : source_shape;
    return exo_flow_make(exo_start_slot(EXO_KIND_FLOWS, 0), flow, (uint32_t)shape, pattern->value, (uint32_t)source_shape,
                         source->value, 0, 0);
}

void flows_make(void)
{
    for (uint32_t i = 0; i < flow_count; i++) {
        int64_t result = flow_make(i);
        if (result > 0)
            exo_print("flow %u of the manifest overlaps flow %u: only that one gets packets", i, (uint32_t)result - 1);
        else if (result < 0)
            exo_print("flow %u of the manifest cannot be claimed: %s", i, exo_status_name(result));
    }
}

int64_t flows_grant(struct member *member)
{
    const struct plan *plan = &member->plan;
    uint16_t all = exo_start_slot(EXO_KIND_FLOWS, 0);
    int64_t result = EXO_OK;

    if (plan->flows)
        result = exo_child_grant(&member->child, all, EXO_KIND_FLOWS, EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, plan->flow,
                                 plan->flows, 0);
    if (plan->positions && result == EXO_OK)
        result = exo_child_grant(&member->child, all, EXO_KIND_FLOWS,
                                 EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT, plan->position, plan->positions, 0);
    return result;
}
