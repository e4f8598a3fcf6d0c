/* Handlers of packets: what they see, what their helpers do, and that it stays within the owner's capabilities. */
#include "programs.h"
#include <ash.h>
#include <pthread.h>
#include <string.h>

enum { PACKET = 0, WINDOW = 16, SIZE_FIELD = 40, FLOW = 77, GATE_SLOT = 12 };

static uint8_t packet[EXO_PACKET_MOST], window[ASH_WINDOW_MAX * EXO_FRAME_SIZE], replied[EXO_PACKET_MOST];
static uint32_t replied_size, replied_flow;

static exo_result reply_keep(uint32_t flow, const uint8_t *bytes, uint32_t size)
{
    memcpy(replied, bytes, size);
    replied_size = size;
    replied_flow = flow;
    return EXO_OK;
}

static struct ash_message message_make(void)
{
    return (struct ash_message){
        .packet = packet, .size = 60, .window = window, .window_size = sizeof window, .flow = FLOW, .owner = ann,
        .event = EXO_EVENT_MESSAGE, .may_send = true, .reply = reply_keep,
    };
}

static uint32_t run(struct ash_message *message)
{
    return ash_run(ANN_PAGE, program_at(ANN_PAGE)->id, message);
}

#define WRITE_HANDLER(...)                                                                                             \
    do {                                                                                                               \
        const struct code_instruction slots[] = {__VA_ARGS__};                                                         \
        program_write(EXO_CODE_MESSAGE, slots, sizeof slots / sizeof *slots);                                          \
        ((struct exo_code_header *)data_page(CODE + 1))->budget = EXO_MESSAGE_BUDGET;                                  \
    } while (0)

/* r6 = packet, r7 = window, which is shown to have `size` bytes at least; else the packet is delivered. */
#define BOTH(size)                                                                                                     \
    COPY(9, 1), LOAD(SIZE_DW, 6, 1, PACKET), LOAD(SIZE_DW, 7, 1, WINDOW), LOAD(SIZE_DW, 8, 1, WINDOW + 8), COPY(0, 7), \
        ALU64_K(ALU_ADD, 0, size), JUMP_X(JMP_JLE, 0, 8, 2), SET(0, 0), EXIT

START_TEST(handler_sees_the_packet_and_says_what_becomes_of_it)
{
    WRITE_HANDLER(LOAD(SIZE_DW, 2, 1, PACKET), LOAD(SIZE_B, 0, 2, 13), LOAD(SIZE_W, 3, 1, SIZE_FIELD), ALU64_X(ALU_ADD, 0, 3), ALU64_K(ALU_SUB, 0, 60), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    packet[13] = 1;
    ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
    packet[13] = 0;
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER);
    packet[13] = 200;
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER);
}
END_TEST

START_TEST(handler_copies_into_the_window_and_sums)
{
    WRITE_HANDLER(BOTH(4096), COPY(1, 7), ALU64_K(ALU_ADD, 1, 1000), SET(2, 60), COPY(3, 6), SET(4, 60), INVOKE(EXO_MESSAGE_COPY),
                  STORE(SIZE_DW, 7, 0, 0), SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 60; i++)
        packet[i] = (uint8_t)(i * 37 + 11);
    for (uint32_t i = 0; i < 60; i += 2)
        sum += packet[i] | packet[i + 1] << 8;
    sum = (sum & 0xffff) + (sum >> 16);
    memset(window, 0xee, sizeof window);
    ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
    ck_assert(!memcmp(window + 1000, packet, 60) && window[999] == 0xee && window[1060] == 0xee);
    ck_assert_uint_eq(*(uint64_t *)window, (sum & 0xffff) + (sum >> 16));
}
END_TEST

static uint64_t sum_of(const uint8_t *bytes, uint32_t size)
{
    uint64_t sum = 0;

    for (uint32_t at = 0; at < size; at++)
        sum += (uint64_t)bytes[at] << at % 2 * 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* One of a length that only the packet knows: copied, summed and sent, all of it and no more. */
START_TEST(handler_takes_whole_packets_of_any_length)
{
    WRITE_HANDLER(BOTH(4096), LOAD(SIZE_W, 8, 9, SIZE_FIELD), JUMP_K(JMP_JLE, 8, EXO_PACKET_MOST, 2), SET(0, 0), EXIT, COPY(1, 7), COPY(2, 8),
                  COPY(3, 6), COPY(4, 8), INVOKE(EXO_MESSAGE_COPY), STORE(SIZE_DW, 7, 2000, 0), COPY(1, 7), COPY(2, 8),
                  INVOKE(EXO_MESSAGE_REPLY), SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    static const uint32_t sizes[] = {EXO_PACKET_LEAST, 60, 64, 65, 777, EXO_PACKET_MOST};
    for (uint32_t i = 0; i < EXO_PACKET_MOST; i++)
        packet[i] = (uint8_t)(i * 37 + 11);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ash_message message = message_make();
        message.size = sizes[i];
        memset(window, 0xee, sizeof window);
        ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
        ck_assert(!memcmp(window, packet, sizes[i]) && window[sizes[i]] == 0xee);
        ck_assert_uint_eq(*(uint64_t *)(window + 2000), sum_of(packet, sizes[i]));
        ck_assert(replied_size == sizes[i] && !memcmp(replied, packet, sizes[i]));
    }
}
END_TEST

static volatile bool is_over;

static void *words_flip(void *context)
{
    for (uint64_t n = 0; !is_over; n++)
        for (uint32_t at = 0; at < 1024; at += 8)
            __atomic_store_n((uint64_t *)(window + at), n * 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
    return context;
}

/* The window is its owner's, who may write it on another processor meanwhile: what was summed is what was copied. */
START_TEST(escape_helper_argument_race)
{
    WRITE_HANDLER(BOTH(4096), COPY(1, 7), ALU64_K(ALU_ADD, 1, 2048), SET(2, 1021), COPY(3, 7), SET(4, 1021), INVOKE(EXO_MESSAGE_COPY),
                  STORE(SIZE_DW, 7, 1032, 0), SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    pthread_t thread;
    is_over = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, words_flip, NULL), 0);
    for (uint32_t i = 0; i < 3000; i++) {
        ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
        ck_assert_uint_eq(*(uint64_t *)(window + 1032), sum_of(window + 2048, 1021));
    }
    is_over = true;
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(handler_does_without_a_window)
{
    WRITE_HANDLER(BOTH(8), STORE_K(SIZE_DW, 7, 0, 1), SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    message.window = NULL;
    message.window_size = 0;
    memset(packet, 0, sizeof packet);
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER);
    ck_assert_uint_eq(packet[0], 0);
}
END_TEST

START_TEST(handler_replies_under_its_flow_if_it_may)
{
    WRITE_HANDLER(LOAD(SIZE_DW, 1, 1, PACKET), SET(2, 42), INVOKE(EXO_MESSAGE_REPLY), ALU64_K(ALU_ADD, 0, 1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
    ck_assert_uint_eq(replied_size, 42);
    ck_assert_uint_eq(replied_flow, FLOW);
    replied_size = 0;
    message.may_send = false;
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER);
    ck_assert_uint_eq(replied_size, 0);
}
END_TEST

START_TEST(handler_wakes_its_owner)
{
    WRITE_HANDLER(INVOKE(EXO_MESSAGE_WAKE), SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    context_of(ann)->pending = 0;
    ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
    ck_assert_uint_eq(context_of(ann)->pending, EXO_EVENT_MESSAGE);
}
END_TEST

/* The root opens a gate and gives ANN, or only BOB, the right to send to it. */
START_TEST(handler_sends_by_its_owners_capabilities_only)
{
    WRITE_HANDLER(SET(1, GATE_SLOT), SET(2, 4711), INVOKE(EXO_MESSAGE_SEND), COPY(3, 0), SET(0, 1), JUMP_K(JMP_JEQ, 3, 0, 1), SET(0, 0), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    MUST(CALL(GATE_CREATE, 0, 0, 0x1000, 0x2000, 40));
    MUST(CALL(CAPABILITY_DERIVE, 40, BOB_SLOT, GATE_SLOT, EXO_RIGHT_WRITE, ROOT * GATES_PER_ENVIRONMENT, 5));
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER);
    MUST(CALL(CAPABILITY_DERIVE, 40, ANN_SLOT, GATE_SLOT, EXO_RIGHT_WRITE, ROOT * GATES_PER_ENVIRONMENT, 6));
    ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
    ck_assert_uint_eq(context_of(root)->inbox_badge, 6);
    ck_assert_uint_eq(context_of(root)->inbox[0], 4711);
    ck_assert_uint_eq(context_of(root)->inbox[1], FLOW);
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER); /* the inbox is full */
}
END_TEST

START_TEST(handler_that_is_gone_or_spends_its_budget_delivers)
{
    WRITE_HANDLER(SET(0, 1), JUMP(-1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    uint64_t id = program_at(ANN_PAGE)->id;
    ck_assert_uint_eq(run(&message), EXO_ASH_DELIVER);
    IS(program_unloaded(ANN_PAGE), OK);
    ck_assert_uint_eq(ash_run(ANN_PAGE, id, &message), EXO_ASH_DELIVER);
    ck_assert_uint_eq(ash_run(0, 0, &message), EXO_ASH_DELIVER);
}
END_TEST

static void is_refused(uint32_t reason)
{
    IS(program_loaded(), REFUSED);
    ck_assert_uint_eq(((const struct exo_refusal *)context_of(root)->batch)->reason, reason);
    IS(program_unloaded(ANN_PAGE), OK);
}

START_TEST(handler_stays_within_packet_and_window)
{
    WRITE_HANDLER(LOAD(SIZE_DW, 2, 1, PACKET), LOAD(SIZE_B, 0, 2, EXO_PACKET_MOST), EXIT);
    is_refused(EXO_REFUSED_OUT_OF_BOUNDS);
    WRITE_HANDLER(LOAD(SIZE_DW, 2, 1, PACKET), STORE_K(SIZE_B, 2, 0, 1), SET(0, 0), EXIT);
    is_refused(EXO_REFUSED_NOT_WRITABLE);
    WRITE_HANDLER(LOAD(SIZE_DW, 2, 1, WINDOW), STORE_K(SIZE_B, 2, 0, 1), SET(0, 0), EXIT);
    is_refused(EXO_REFUSED_OUT_OF_BOUNDS);
    WRITE_HANDLER(BOTH(64), COPY(1, 7), SET(2, 65), COPY(3, 6), SET(4, 64), INVOKE(EXO_MESSAGE_COPY), EXIT);
    is_refused(EXO_REFUSED_OUT_OF_BOUNDS);
    WRITE_HANDLER(BOTH(64), COPY(1, 6), SET(2, 64), COPY(3, 7), SET(4, 64), INVOKE(EXO_MESSAGE_COPY), EXIT);
    is_refused(EXO_REFUSED_NOT_WRITABLE);
    WRITE_HANDLER(BOTH(64), COPY(1, 7), SET(2, 65), INVOKE(EXO_MESSAGE_REPLY), EXIT);
    is_refused(EXO_REFUSED_OUT_OF_BOUNDS);
    WRITE_HANDLER(LOAD(SIZE_W, 2, 1, SIZE_FIELD), LOAD(SIZE_DW, 1, 1, PACKET), INVOKE(EXO_MESSAGE_REPLY), EXIT);
    is_refused(EXO_REFUSED_BAD_ARGUMENT);
    WRITE_HANDLER(SET(1, 1 << 16), SET(2, 0), INVOKE(EXO_MESSAGE_SEND), EXIT);
    is_refused(EXO_REFUSED_BAD_ARGUMENT);
    WRITE_HANDLER(INVOKE(5), EXIT);
    is_refused(EXO_REFUSED_BAD_CALL);
}
END_TEST

START_TEST(odd_bytes_are_summed_as_the_rfc_says)
{
    WRITE_HANDLER(BOTH(4096), COPY(1, 7), ALU64_K(ALU_ADD, 1, 8), SET(2, 61), COPY(3, 6), SET(4, 61), INVOKE(EXO_MESSAGE_COPY),
                  STORE(SIZE_DW, 7, 0, 0), SET(0, 1), EXIT);
    IS(program_loaded(), OK);
    struct ash_message message = message_make();
    memset(packet, 0xff, sizeof packet);
    message.size = 61;
    ck_assert_uint_eq(run(&message), EXO_ASH_DONE);
    ck_assert_uint_eq(*(uint64_t *)window, 0xff); /* 30 times 0xffff, which is nothing, and the last byte */
}
END_TEST

UNIT_SUITE(ash, programs_setup, handler_sees_the_packet_and_says_what_becomes_of_it, handler_copies_into_the_window_and_sums,
           handler_takes_whole_packets_of_any_length, escape_helper_argument_race, handler_does_without_a_window,
           handler_replies_under_its_flow_if_it_may, handler_wakes_its_owner,
           handler_sends_by_its_owners_capabilities_only, handler_that_is_gone_or_spends_its_budget_delivers,
           handler_stays_within_packet_and_window, odd_bytes_are_summed_as_the_rfc_says)
