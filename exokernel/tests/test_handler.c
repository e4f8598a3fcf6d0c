/* Handlers of flows: when they run, what they may send, what ends them. */
#include "programs.h"
#include <net.h>
#include <flow.h>
#include <string.h>

enum {
    ROOT_FLOWS = 23, ANN_FLOW = 14, ANN_READS = 15, FLOW = 0, RING = ANN + 24, WINDOW_FRAME = RING + 2, RECEIVED = RING + 3,
    PACKET_FRAME = 100, PORT_AT = 36, PACKET = 60, SHAPE_ANY = 0, SHAPE_PORT = 1,
};

static uint8_t *packet(void)
{
    return data_page(PACKET_FRAME);
}

static uint8_t *root_batch(void)
{
    return (uint8_t *)context_of(root)->batch;
}

static void flow_make(void)
{
    memset(root_batch(), 0, 2 * EXO_HEADER_SIZE);
    MUST(CALL(NET_SHAPE, ROOT_FLOWS, SHAPE_ANY));
    root_batch()[PORT_AT] = 0xff;
    MUST(CALL(NET_SHAPE, ROOT_FLOWS, SHAPE_PORT));
    root_batch()[PORT_AT] = 7;
    root_batch()[EXO_HEADER_SIZE + PORT_AT] = 7;
    MUST(CALL(FLOW_CLAIM, ROOT_FLOWS, FLOW, SHAPE_PORT | SHAPE_PORT << 8, 0, 0));
    IS(CALL(FLOW_OPEN, ROOT_FLOWS, FLOW), OK);
}

static exo_result handle(uint32_t capability, uint32_t page, uint32_t window, uint32_t count)
{
    return CALL_FOR(ANN_SLOT, FLOW_HANDLER, capability, FLOW, page, window, count);
}

static void handler_setup(void)
{
    programs_setup();
    world_hold(ROOT_FLOWS, EXO_KIND_FLOWS, RIGHTS_ALL, 0, FLOW_LIMIT);
    flow_begin(1);
    machine.system.station = 0x01006f786502;
    machine_network = 10;
    flow_make();
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FLOWS, ANN_SLOT, ANN_FLOW, EXO_RIGHT_READ | EXO_RIGHT_WRITE, FLOW, 2));
    MUST(CALL(CAPABILITY_DERIVE, ROOT_FLOWS, ANN_SLOT, ANN_READS, EXO_RIGHT_READ, FLOW, 1));
    MUST(CALL_FOR(ANN_SLOT, NET_RING_CREATE, OWN_FRAMES, RING, 0));
    MUST(CALL_FOR(ANN_SLOT, FRAME_TAKE, OWN_FRAMES, WINDOW_FRAME, 2));
    MUST(CALL_FOR(ANN_SLOT, FLOW_ATTACH, ANN_FLOW, FLOW, RING));
    for (uint32_t i = 0; i < EXO_NET_RING_ENTRIES; i++)
        net_ring_page(RING)->receive[i] = (struct exo_net_receive){.frame = RECEIVED};
    net_ring_page(RING)->receive_posted = EXO_NET_RING_ENTRIES;
    for (uint32_t i = 0; i < PACKET; i++)
        packet()[i] = i;
    packet()[0] = 4; /* another station */
    packet()[PORT_AT] = 7;
}

static void packet_of_length_comes(uint32_t length)
{
    machine_log.coming = 1;
    machine_log.coming_length = length;
    machine_log.coming_bytes = packet();
    net_interrupted();
    ck_assert_uint_eq(machine_log.coming, 0);
}

static void packet_comes(void)
{
    packet_of_length_comes(PACKET);
}

static uint32_t delivered(void)
{
    return net_ring_page(RING)->receive_done;
}

static void loads(void)
{
    exo_result result = program_loaded();
    const struct exo_refusal *refusal = (const void *)root_batch();
    ck_assert_msg(result == EXO_OK, "refused: instruction %u, reason %u, register %u", refusal->instruction, refusal->reason, refusal->culprit);
}

#define LOAD_HANDLER(...)                                                                                              \
    do {                                                                                                               \
        const struct code_instruction slots[] = {__VA_ARGS__};                                                         \
        program_write(EXO_CODE_MESSAGE, slots, sizeof slots / sizeof *slots);                                          \
        ((struct exo_code_header *)data_page(CODE + 1))->budget = EXO_MESSAGE_BUDGET;                                  \
        loads();                                                                                                       \
    } while (0)
#define REPLY COPY(6, 1), LOAD(SIZE_DW, 1, 1, 0), SET(2, PACKET), INVOKE(EXO_MESSAGE_REPLY), COPY(7, 0)
/* The reply's status goes into the window's first word, if there is a window; then the result. */
#define TELL(result)                                                                                                   \
    LOAD(SIZE_DW, 2, 6, 16), LOAD(SIZE_DW, 3, 6, 24), COPY(4, 2), ALU64_K(ALU_ADD, 4, 8), JUMP_X(JMP_JLE, 4, 3, 2),     \
        SET(0, result), EXIT, STORE(SIZE_DW, 2, 0, 7), SET(0, result), EXIT

START_TEST(handler_answers_at_once)
{
    LOAD_HANDLER(REPLY, TELL(1));
    MUST(handle(ANN_FLOW, ANN_PAGE, WINDOW_FRAME, 1));
    memset(data_page(WINDOW_FRAME), 0xee, 8);
    packet_comes();
    ck_assert_uint_eq(machine_log.packets, 1);
    ck_assert_mem_eq(machine_log.packet, packet(), PACKET);
    ck_assert_uint_eq(*(uint64_t *)data_page(WINDOW_FRAME), 0);
    ck_assert_uint_eq(delivered(), 0);
    ck_assert_uint_eq(flow_at(FLOW)->received, 1);
    ck_assert_uint_eq(flow_at(FLOW)->sent, 1);
}
END_TEST

/* A handler may look at all bytes that a packet can have. What it looks at: the first byte and the last one that are not the packet's. */
START_TEST(handler_sees_nothing_of_earlier_packets)
{
    LOAD_HANDLER(LOAD(SIZE_DW, 2, 1, 0), LOAD(SIZE_DW, 3, 1, 16), LOAD(SIZE_DW, 4, 1, 24), COPY(5, 3), ALU64_K(ALU_ADD, 5, 3), SET(0, 0),
                 JUMP_X(JMP_JLE, 5, 4, 1), EXIT, LOAD(SIZE_B, 5, 2, PACKET), STORE(SIZE_B, 3, 0, 5), LOAD(SIZE_B, 5, 2, EXO_PACKET_MOST - 1),
                 STORE(SIZE_B, 3, 1, 5), LOAD(SIZE_B, 5, 2, PACKET - 1), STORE(SIZE_B, 3, 2, 5), SET(0, 1), EXIT);
    MUST(handle(ANN_FLOW, ANN_PAGE, WINDOW_FRAME, 1));
    const uint8_t *seen = data_page(WINDOW_FRAME);
    memset(packet() + PACKET, 0xaa, EXO_PACKET_MOST - PACKET);
    packet_of_length_comes(EXO_PACKET_MOST);
    ck_assert(seen[0] == 0xaa && seen[1] == 0xaa && seen[2] == PACKET - 1);
    packet_comes();
    ck_assert(seen[0] == 0 && seen[1] == 0 && seen[2] == PACKET - 1);
    packet_of_length_comes(PACKET - 1);
    ck_assert(seen[0] == 0 && seen[1] == 0 && seen[2] == 0);
    packet_of_length_comes(PACKET + 1);
    ck_assert(seen[0] == 0xaa && seen[1] == 0 && seen[2] == PACKET - 1);
}
END_TEST

START_TEST(handler_leaves_a_packet_to_the_ring)
{
    LOAD_HANDLER(SET(0, 0), EXIT);
    MUST(handle(ANN_FLOW, ANN_PAGE, 0, 0));
    packet_comes();
    ck_assert_uint_eq(delivered(), 1);
    ck_assert_mem_eq(data_page(RECEIVED), packet(), PACKET);
}
END_TEST

START_TEST(handler_without_the_right_to_send_does_not)
{
    LOAD_HANDLER(REPLY, TELL(1));
    MUST(handle(ANN_READS, ANN_PAGE, WINDOW_FRAME, 1));
    packet_comes();
    ck_assert_uint_eq(machine_log.packets, 0);
    ck_assert_int_eq(*(int64_t *)data_page(WINDOW_FRAME), EXO_NO_RIGHT);
}
END_TEST

START_TEST(reply_of_another_source_is_refused)
{
    LOAD_HANDLER(REPLY, TELL(1));
    memset(root_batch(), 0xff, EXO_HEADER_SIZE);
    MUST(handle(ANN_FLOW, ANN_PAGE, WINDOW_FRAME, 1));
    flow_at(FLOW)->source[PORT_AT] = 8; /* as if it had been claimed so */
    packet_comes();
    ck_assert_uint_eq(machine_log.packets, 0);
    ck_assert_int_eq(*(int64_t *)data_page(WINDOW_FRAME), EXO_WRONG_KIND);
}
END_TEST

START_TEST(reply_is_handled_by_no_other)
{
    LOAD_HANDLER(REPLY, TELL(1));
    MUST(handle(ANN_FLOW, ANN_PAGE, 0, 0));
    memcpy(packet(), &machine.system.station, 6); /* to itself */
    packet_comes();
    ck_assert_uint_eq(delivered(), 1);
    ck_assert_uint_eq(flow_at(FLOW)->received, 2);
}
END_TEST

START_TEST(window_that_was_given_back_is_empty)
{
    LOAD_HANDLER(REPLY, TELL(1));
    MUST(handle(ANN_FLOW, ANN_PAGE, WINDOW_FRAME, 1));
    MUST(CALL_FOR(ANN_SLOT, FRAME_FREE, OWN_FRAMES, WINDOW_FRAME, 1));
    memset(data_page(WINDOW_FRAME), 0xee, 8);
    packet_comes();
    ck_assert_uint_eq(machine_log.packets, 1);
    ck_assert_uint_eq(*(uint8_t *)data_page(WINDOW_FRAME), 0xee);
}
END_TEST

START_TEST(handler_ends_with_its_attachment)
{
    LOAD_HANDLER(REPLY, TELL(1));
    MUST(handle(ANN_FLOW, ANN_PAGE, 0, 0));
    MUST(CALL_FOR(ANN_SLOT, FLOW_ATTACH, ANN_FLOW, FLOW, RING));
    packet_comes();
    ck_assert_uint_eq(machine_log.packets, 0);
    ck_assert_uint_eq(delivered(), 1);
}
END_TEST

START_TEST(program_that_went_handles_nothing)
{
    LOAD_HANDLER(REPLY, TELL(1));
    MUST(handle(ANN_FLOW, ANN_PAGE, 0, 0));
    IS(program_unloaded(ANN_PAGE), OK);
    packet_comes();
    ck_assert_uint_eq(machine_log.packets, 0);
    ck_assert_uint_eq(delivered(), 1);
    MUST(handle(ANN_FLOW, 0, 0, 0));
    ck_assert_uint_eq(flow_at(FLOW)->handler_stamp, 0);
}
END_TEST

START_TEST(handler_is_checked)
{
    LOAD_HANDLER(SET(0, 0), EXIT);
    IS(CALL_FOR(ANN_SLOT, FLOW_HANDLER, ANN_FLOW, FLOW_LIMIT, ANN_PAGE, 0, 0), BAD_NAME);
    IS(CALL_FOR(ANN_SLOT, FLOW_HANDLER, OWN_FRAMES, FLOW, ANN_PAGE, 0, 0), BAD_CAPABILITY);
    IS(handle(ANN_FLOW, ANN_PAGE + 1, 0, 0), BAD_NAME);
    IS(handle(ANN_FLOW, ANN_PAGE, WINDOW_FRAME, 5), BAD_ARGUMENT);
    IS(handle(ANN_FLOW, ANN_PAGE, WINDOW_FRAME, 0), BAD_ARGUMENT);
    IS(handle(ANN_FLOW, ANN_PAGE, 0, 1), BAD_ARGUMENT);
    IS(handle(ANN_FLOW, 0, WINDOW_FRAME, 1), BAD_ARGUMENT);
    IS(handle(ANN_FLOW, ANN_PAGE, RING, 1), BAD_NAME);
    IS(handle(ANN_FLOW, ANN_PAGE, PACKET_FRAME, 1), BAD_NAME);
    IS(handle(ANN_FLOW, ANN_PAGE, UINT32_MAX, 2), BAD_NAME);
    IS(CALL_FOR(ANN_SLOT, FLOW_HANDLER, ANN_FLOW, FLOW + 1, ANN_PAGE, 0, 0), NO_RIGHT);
    MUST(CALL_FOR(ANN_SLOT, FLOW_ATTACH, ANN_FLOW, FLOW, 0));
    IS(handle(ANN_FLOW, ANN_PAGE, 0, 0), WRONG_KIND);
}
END_TEST

START_TEST(handler_ends_the_work_of_an_interrupt)
{
    LOAD_HANDLER(SET(0, 1), EXIT);
    MUST(handle(ANN_FLOW, ANN_PAGE, 0, 0));
    packet_comes();
    machine_log.coming = 5;
    net_interrupted();
    ck_assert_uint_eq(machine_log.coming, 4);
    ck_assert_uint_eq(machine_log.agains, 2);
}
END_TEST

UNIT_SUITE(handler, handler_setup, handler_answers_at_once, handler_sees_nothing_of_earlier_packets, handler_leaves_a_packet_to_the_ring,
           handler_without_the_right_to_send_does_not, reply_of_another_source_is_refused, reply_is_handled_by_no_other,
           window_that_was_given_back_is_empty, handler_ends_with_its_attachment, program_that_went_handles_nothing,
           handler_is_checked, handler_ends_the_work_of_an_interrupt)
