#include <ash.h>
#include <arch.h>
#include <dispatch.h>
#include <program.h>
#include <vcpu.h>

enum { REGION_PACKET, REGION_WINDOW, COPY_MAX = 2048 };
enum { COST_COPY = 150, COST_REPLY = 100, COST_TELL = 40 }; /* of the budget */

/* ---- helpers */

#define UNUSED __attribute__((unused))

/* Words that lie anywhere and that others may change: each is read once. */
struct word {
    uint64_t value;
} __attribute__((packed));

static uint64_t sum_add(uint64_t sum, uint64_t value)
{
    sum += value;
    return sum + (sum < value);
}

/* The sum of 64-bit words is that of their 16-bit halves' halves: carries go round (RFC 1071). */
static uint64_t sum_fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

static uint64_t helper_copy(struct code_run *run UNUSED, uint64_t to, uint64_t size, uint64_t from, uint64_t from_size, uint64_t e UNUSED)
{
    uint8_t *target = (uint8_t *)to;
    const uint8_t *source = (const uint8_t *)from;
    uint64_t sum = 0, left = size < from_size ? size : from_size;

    for (; left >= sizeof(struct word); left -= sizeof(struct word)) {
        uint64_t value = ((const volatile struct word *)source)->value;
        ((struct word *)target)->value = value;
        sum = sum_add(sum, value);
        target += sizeof(struct word);
        source += sizeof(struct word);
    }
    for (uint32_t shift = 0; left; left--, shift += 8) {
        uint8_t value = *(const volatile uint8_t *)source++;
        *target++ = value;
        sum = sum_add(sum, (uint64_t)value << shift);
    }
    return sum_fold(sum);
}

static uint64_t helper_reply(struct code_run *run, uint64_t from, uint64_t size, uint64_t c UNUSED, uint64_t d UNUSED,
                            uint64_t e UNUSED)
{
    const struct ash_message *message = run->owner;

    if (!message->may_send)
        return (uint64_t)EXO_NO_RIGHT;
    return (uint64_t)message->reply(message->flow, (const uint8_t *)from, (uint32_t)size);
}

static uint64_t helper_wake(struct code_run *run, uint64_t a UNUSED, uint64_t b UNUSED, uint64_t c UNUSED,
                            uint64_t d UNUSED, uint64_t e UNUSED)
{
    const struct ash_message *message = run->owner;

    vcpu_post(message->owner, message->event);
    return 0;
}

/* As the owner itself would: by its capabilities as they are now. */
static uint64_t helper_send(struct code_run *run, uint64_t gate, uint64_t word, uint64_t c UNUSED, uint64_t d UNUSED,
                            uint64_t e UNUSED)
{
    const struct ash_message *message = run->owner;
    frame_name environment = message->owner / VCPUS_PER_ENVIRONMENT;
    const struct caller caller = {.vcpu = message->owner, .self = environment, .environment = environment};

    return (uint64_t)call_gate_send(&caller, (uint16_t)gate, word, message->flow, 0, 0, 0);
}

/* ---- the kind */

static const struct code_field fields[] = {
    {.offset = offsetof(struct exo_arrival, packet), .size = 8, .type = CODE_FIELD_START, .region = REGION_PACKET},
    {.offset = offsetof(struct exo_arrival, packet_end), .size = 8, .type = CODE_FIELD_END, .region = REGION_PACKET},
    {.offset = offsetof(struct exo_arrival, window), .size = 8, .type = CODE_FIELD_START, .region = REGION_WINDOW},
    {.offset = offsetof(struct exo_arrival, window_end), .size = 8, .type = CODE_FIELD_END, .region = REGION_WINDOW},
    {.offset = offsetof(struct exo_arrival, time), .size = 8, .type = CODE_FIELD_SCALAR},
    {.offset = offsetof(struct exo_arrival, size), .size = 4, .type = CODE_FIELD_SCALAR},
    {.offset = offsetof(struct exo_arrival, flow), .size = 4, .type = CODE_FIELD_SCALAR},
};

static const struct code_region regions[] = {
    [REGION_PACKET] = {.size_min = EXO_PACKET_MOST, .size_max = EXO_PACKET_MOST},
    [REGION_WINDOW] = {.size_max = ASH_WINDOW_MAX * EXO_FRAME_SIZE, .flags = CODE_REGION_WRITE | CODE_REGION_ATOMIC},
};

static const struct code_helper helpers[] = {
    [0] = {.name = "none", .call = helper_wake, .cost = COST_TELL}, /* C cannot call it */
    [EXO_MESSAGE_COPY] = {
        .name = "copy", .call = helper_copy, .cost = COST_COPY,
        .argument = {{CODE_ARGUMENT_WRITE, 0}, {CODE_ARGUMENT_SIZE, COPY_MAX}, {CODE_ARGUMENT_READ, 0}, {CODE_ARGUMENT_SIZE, COPY_MAX}},
    },
    [EXO_MESSAGE_REPLY] = {
        .name = "reply", .call = helper_reply, .cost = COST_REPLY,
        .argument = {{CODE_ARGUMENT_READ, 0}, {CODE_ARGUMENT_SIZE, EXO_PACKET_MOST}},
    },
    [EXO_MESSAGE_WAKE] = {.name = "wake", .call = helper_wake, .cost = COST_TELL},
    [EXO_MESSAGE_SEND] = {
        .name = "send", .call = helper_send, .cost = COST_TELL,
        .argument = {{CODE_ARGUMENT_SCALAR, UINT16_MAX}, {CODE_ARGUMENT_SCALAR, 0}},
    },
};

const struct code_kind message_kind = {
    .name = "message", .fields = fields, .field_count = sizeof fields / sizeof *fields, .regions = regions,
    .region_count = sizeof regions / sizeof *regions, .helpers = helpers, .helper_count = sizeof helpers / sizeof *helpers,
    .context_size = sizeof(struct exo_arrival), .spent = EXO_ASH_DELIVER,
};

uint32_t ash_run(uint32_t page, uint64_t id, struct ash_message *message)
{
    uint64_t packet = (uint64_t)message->packet, window = (uint64_t)message->window;

    if (!program_is_ready(page, id))
        return EXO_ASH_DELIVER;
    if (!message->window_size)
        window = packet; /* somewhere, and nothing of it */
    struct exo_arrival context = {
        .packet = packet, .packet_end = packet + EXO_PACKET_MOST, .window = window, .window_end = window + message->window_size,
        .time = arch_time(), .size = message->size, .flow = message->flow,
    };
    struct code_run run = {
        .memory = {[REGION_PACKET] = {packet, EXO_PACKET_MOST}, [REGION_WINDOW] = {window, message->window_size}},
        .context = &context, .owner = message,
    };
    return program_run(page, &run) == EXO_ASH_DONE ? EXO_ASH_DONE : EXO_ASH_DELIVER;
}
