/*
 * The driver of virtio-net, against a device made of memory that tells the truth, or lies: what it can do wrong and the driver can see
 * must end in a new beginning, at last in its end, and never reach beyond the driver's own memory.
 */
#include "transport.h"
#include <stdlib.h>
#include <string.h>
#include <device.h>
#include "../../device/net.h"

enum { PACKETS = 64, LINK_HEADER = 12, RECEIVE = 0, TRANSMIT = 1, RESETS_ALLOWED = 100 };
static const uint8_t bytes[] = "a packet of forty bytes, told from others";
enum { PACKET = 40 };

static uint32_t interrupted;

void net_interrupted(void)
{
    interrupted++;
}

static uint64_t config(uint32_t offset)
{
    return offset ? 0x5634 : 0x12005452;
}

static bool send(void)
{
    return device_net_send(bytes, PACKET - 8, bytes + PACKET - 8, 8);
}

/* The descriptor that was made available last. */
static uint32_t last_sent(void)
{
    return device.queue[TRANSMIT]->available->ring[(device.queue[TRANSMIT]->available->index - 1) % PACKETS];
}

static void began_anew(uint32_t times)
{
    ck_assert_uint_eq(device.begun, 1 + times);
    ck_assert(device_net_is_there());
    ck_assert_uint_eq(device.queue[RECEIVE]->available->index, PACKETS);
    ck_assert(send());
}

static void setup(void)
{
    const struct virtio found = transport_found(VIRTIO_NETWORK, TRANSPORT_NUMBER);
    transport_setup(UINT64_MAX, config);
    net_add(&found);
    ck_assert(device_net_is_there());
}

START_TEST(station_is_told)
{
    uint64_t station;
    ck_assert(device_net(&station));
    ck_assert_uint_eq(station, 0x563412005452);
    ck_assert(net_interrupt(TRANSPORT_NUMBER));
    ck_assert(!net_interrupt(TRANSPORT_NUMBER + 1));
    ck_assert_uint_eq(interrupted, 1);
}
END_TEST

START_TEST(packet_goes_out_whole_behind_a_header_of_zeros)
{
    static const uint8_t zeros[LINK_HEADER];
    ck_assert(send());
    const struct virtqueue_descriptor *sent = transport_descriptor(TRANSMIT, last_sent());
    ck_assert_uint_eq(sent->length, LINK_HEADER + PACKET);
    ck_assert_uint_eq(sent->flags, 0);
    ck_assert_mem_eq((const void *)sent->address, zeros, LINK_HEADER);
    ck_assert_mem_eq((const uint8_t *)sent->address + LINK_HEADER, bytes, PACKET);
}
END_TEST

START_TEST(full_queue_refuses_until_the_device_has_sent)
{
    for (uint32_t i = 0; i < PACKETS; i++)
        ck_assert(send());
    ck_assert(!send());
    transport_use(TRANSMIT, last_sent(), 0);
    ck_assert(send());
    ck_assert(!send());
    ck_assert_uint_eq(device.begun, 1);
}
END_TEST

START_TEST(packet_that_is_sent_twice_begins_anew)
{
    ck_assert(send());
    transport_use(TRANSMIT, last_sent(), 0);
    transport_use(TRANSMIT, last_sent(), 0);
    send();
    began_anew(1);
}
END_TEST

START_TEST(packet_that_was_never_offered_begins_anew)
{
    ck_assert(send());
    transport_use(TRANSMIT, (last_sent() + 1) % PACKETS, 0);
    send();
    began_anew(1);
}
END_TEST

START_TEST(packet_comes_in)
{
    uint32_t length = 0;
    uint8_t *buffer = (uint8_t *)transport_descriptor(RECEIVE, 7)->address;
    memcpy(buffer + LINK_HEADER, bytes, PACKET);
    transport_use(RECEIVE, 7, LINK_HEADER + PACKET);
    const uint8_t *found = device_net_receive(&length);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(length, PACKET);
    ck_assert_mem_eq(found, bytes, PACKET);
    device_net_received();
    ck_assert_uint_eq(device.queue[RECEIVE]->available->index, PACKETS + 1);
    ck_assert_ptr_null(device_net_receive(&length));
}
END_TEST

START_TEST(packet_that_comes_twice_begins_anew)
{
    uint32_t length;
    transport_use(RECEIVE, 7, LINK_HEADER + PACKET);
    transport_use(RECEIVE, 7, LINK_HEADER + PACKET);
    ck_assert_ptr_nonnull(device_net_receive(&length));
    ck_assert_ptr_null(device_net_receive(&length));
    began_anew(1);
}
END_TEST

/* Nothing waits for it: senders are told to try again, and nothing comes. */
START_TEST(device_that_never_answers_holds_up_nobody)
{
    uint32_t length;
    for (uint32_t i = 0; i < 3 * PACKETS; i++)
        ck_assert(send() == (i < PACKETS));
    ck_assert_ptr_null(device_net_receive(&length));
    ck_assert_uint_eq(device.begun, 1);
}
END_TEST

START_TEST(impossible_lengths_and_heads_begin_anew)
{
    static const struct {
        uint32_t head, length;
    } wrong[] = {{0, LINK_HEADER - 1}, {1, 0}, {2, 2049}, {3, UINT32_MAX}, {PACKETS, 100}, {UINT32_MAX, 100}, {0x10000, 100}};
    uint32_t length;
    for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        transport_use(RECEIVE, wrong[i].head, wrong[i].length);
        ck_assert_ptr_null(device_net_receive(&length));
        began_anew(i + 1);
    }
}
END_TEST

START_TEST(index_that_jumps_begins_anew)
{
    uint32_t length;
    transport_used(RECEIVE)->index += PACKETS + 1;
    ck_assert_ptr_null(device_net_receive(&length));
    began_anew(1);
}
END_TEST

START_TEST(device_that_goes_on_doing_wrong_is_cut_off)
{
    uint32_t length;
    for (uint32_t i = 0; i <= RESETS_ALLOWED; i++) {
        ck_assert(!device.is_cut_off);
        transport_use(RECEIVE, PACKETS, 100);
        ck_assert_ptr_null(device_net_receive(&length));
    }
    ck_assert(device.is_cut_off);
    ck_assert(!device_net_is_there());
    ck_assert(!send());
    transport_use(RECEIVE, 0, 100);
    ck_assert_ptr_null(device_net_receive(&length));
}
END_TEST

START_TEST(device_that_is_not_reset_is_cut_off)
{
    uint32_t length;
    device.silent = true;
    transport_use(RECEIVE, PACKETS, 100);
    ck_assert_ptr_null(device_net_receive(&length));
    ck_assert(device.is_cut_off);
    ck_assert(!device_net_is_there());
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        station_is_told, packet_goes_out_whole_behind_a_header_of_zeros, full_queue_refuses_until_the_device_has_sent,
        packet_that_is_sent_twice_begins_anew, packet_that_was_never_offered_begins_anew, packet_comes_in,
        packet_that_comes_twice_begins_anew, device_that_never_answers_holds_up_nobody,
        impossible_lengths_and_heads_begin_anew, index_that_jumps_begins_anew, device_that_goes_on_doing_wrong_is_cut_off,
        device_that_is_not_reset_is_cut_off,
    };
    return transport_run("network", setup, tests, sizeof tests / sizeof tests[0]);
}
