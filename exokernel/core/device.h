/*
 * The device contract: what core asks of drivers. The machine finds devices and hands on their interrupts; what a device may do wrong
 * is checked here and in the driver, as far as it can be seen: core is told nothing about a place of which it did not ask.
 */
#pragma once
#include <state.h>

/* The machine calls these: once at boot, with the loader's command line; and under the lock, on processor 0, when the device with
 * this number has interrupted. slice_interrupted comes after it. */
void device_start(const char *command_line);
void device_interrupt(uint32_t number);

enum device_answer { ANSWER_NOTHING, ANSWER_REQUEST, ANSWER_NONSENSE };
enum device_restart { RESTART_DONE, RESTART_PENDING, RESTART_DEAD };

/* What a disk is like, and its device's number. False: there is none. */
bool device_disk(uint32_t disk, struct exo_disk *ret_info, uint32_t *ret_number);
/* Hand a request to the disk, from place `place` on; and when all are handed over, tell it. */
void device_disk_put(uint32_t disk, uint32_t place, const struct disk_place *request);
void device_disk_kick(uint32_t disk);
/* The next place that it says it is done with: OK, DEVICE_FAILED or UNSUPPORTED. */
enum device_answer device_disk_answer(uint32_t disk, uint32_t *ret_place, exo_result *ret_status);
/* Stop it and start it anew: DONE: it knows of no request and touches no memory. PENDING: not yet, ask again. DEAD: it never will,
 * but is cut off from memory. */
enum device_restart device_disk_restart(uint32_t disk);
/* The network, if there is one: its station's address, as in struct exo_system. */
bool device_net(uint64_t *ret_station);
bool device_net_is_there(void);
/* Send a packet in two parts, neither of which it keeps. False: its queue is full. It begins at the next kick. */
bool device_net_send(const uint8_t *header, uint32_t header_size, const uint8_t *rest, uint32_t rest_size);
void device_net_kick(void);
/* The next packet that came, in memory of which at least EXO_HEADER_SIZE bytes can be read, until device_net_received; NULL: none. */
const uint8_t *device_net_receive(uint32_t *ret_length);
void device_net_received(void);
/* All that came was looked at: net_interrupted is called when there is more, if it is to be heard. */
void device_net_wait(bool is_heard);
/* Have it called soon. */
void device_net_again(void);
/* Have disk_interrupted called soon, as if it had interrupted. */
void device_disk_again(uint32_t disk);
