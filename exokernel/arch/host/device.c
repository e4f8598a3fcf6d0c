/* Disks of the host machine (core/device.h): they remember what was handed over, and answer what a test says. */
#include <machine.h>
#include <arch.h>
#include <device.h>
#include <string.h>

static struct machine_disk *disk_at(uint32_t disk)
{
    return &machine.disk_device[machine_index(disk, DISK_LIMIT, "a disk that does not exist")];
}

bool device_disk(uint32_t disk, struct exo_disk *ret_info, uint32_t *ret_number)
{
    if (!disk_at(disk)->present)
        return false;
    *ret_info = disk_at(disk)->info;
    *ret_number = disk;
    return true;
}

void device_disk_put(uint32_t disk, uint32_t place, const struct disk_place *request)
{
    struct machine_disk *self = disk_at(disk);
    uint32_t at = machine_index(place, DISK_PLACES, "a place that does not exist");
    if (self->place[at].order && !self->place[at].answer)
        machine_broke("a place was used while the disk works on it");
    self->place[at].order = ++self->order;
    self->place[at].answer = 0;
    self->place[at].request = *request;
    self->place[at].stamp = frame_at(request->frame)->stamp;
}

void device_disk_kick(uint32_t disk)
{
    disk_at(disk)->kicks++;
}

enum device_answer device_disk_answer(uint32_t disk, uint32_t *ret_place, exo_result *ret_status)
{
    struct machine_disk *self = disk_at(disk);
    uint32_t nonsense = self->nonsense, first = DISK_PLACES;
    self->nonsense = 0;
    *ret_status = EXO_OK;
    if (nonsense >= 2) { /* one that it works on is taken to be done: nobody can see that it lies */
        *ret_place = (nonsense - 2) % DISK_PLACES;
        self->place[*ret_place].order = self->place[*ret_place].answer = 0;
    }
    if (nonsense)
        return nonsense == 1 ? ANSWER_NONSENSE : ANSWER_REQUEST;
    for (uint32_t place = 0; place < DISK_PLACES; place++)
        if (self->place[place].answer && (first == DISK_PLACES || self->place[place].answer < self->place[first].answer))
            first = place;
    if (first == DISK_PLACES)
        return ANSWER_NOTHING;
    self->place[first].answer = self->place[first].order = 0;
    *ret_place = first;
    *ret_status = self->place[first].status;
    return ANSWER_REQUEST;
}

enum device_restart device_disk_restart(uint32_t disk)
{
    struct machine_disk *self = disk_at(disk);
    self->restarts++;
    for (uint32_t place = 0; place < DISK_PLACES && self->restart != RESTART_PENDING; place++)
        self->place[place].order = self->place[place].answer = 0;
    return self->restart;
}

void device_disk_again(uint32_t disk)
{
    disk_at(disk)->agains++;
}

/* The network of the host machine (machine_network). */

bool device_net(uint64_t *ret_station)
{
    (void)ret_station;
    return false;
}

bool device_net_is_there(void)
{
    return machine_network >= 0;
}

bool device_net_send(const uint8_t *header, uint32_t header_size, const uint8_t *rest, uint32_t rest_size)
{
    if (machine_network <= 0)
        return false;
    machine_network--;
    machine_log.packets++;
    machine_log.packet_length = header_size + rest_size;
    memcpy(machine_log.packet, header, header_size);
    memcpy(machine_log.packet + header_size, rest, rest_size);
    return true;
}

void device_net_kick(void)
{
}

const uint8_t *device_net_receive(uint32_t *ret_length)
{
    if (!machine_log.coming)
        return NULL;
    *ret_length = machine_log.coming_length;
    return machine_log.coming_bytes;
}

void device_net_received(void)
{
    if (!machine_log.coming)
        machine_broke("a packet was given back that did not come");
    machine_log.coming--;
}

void device_net_wait(bool is_heard)
{
    machine_log.is_heard = is_heard;
}

void device_net_again(void)
{
    machine_log.agains++;
}
