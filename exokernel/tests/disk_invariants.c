/* Of disks: rings and their halves, the list of who waits, places, and that nothing which a device works on has changed hands. */
#include <invariants.h>
#include <arch.h>

#define REQUIRE(condition, text)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return text;                                                                                               \
    } while (0)

static bool frame_is(frame_name frame, uint32_t kind)
{
    return frame && frame < kernel.frame_count && frame_at(frame)->kind == kind;
}

static bool queue_is_open(frame_name frame, uint32_t disk)
{
    return frame_is(frame, EXO_FRAME_QUEUE) && queue_page(frame)->disk == disk &&
           frame_is(queue_page(frame)->environment, EXO_FRAME_ENVIRONMENT) &&
           environment_page(queue_page(frame)->environment)->ring[disk] == frame;
}

static const char *check_ring(frame_name environment, uint32_t disk)
{
    frame_name frame = environment_page(environment)->ring[disk];
    if (!frame)
        return NULL;
    REQUIRE(queue_is_open(frame, disk) && queue_page(frame)->environment == environment, "an environment's ring is not its own");
    REQUIRE(frame_is(queue_page(frame)->ring, EXO_FRAME_RING), "a ring without its shared half");
    REQUIRE(frame_at(frame)->owner == environment && frame_at(queue_page(frame)->ring)->owner == environment,
            "a half of a ring has another owner");
    REQUIRE(!frame_at(frame)->bindings, "the kernel's half of a ring is bound");
    return NULL;
}

static const char *check_half(frame_name frame)
{
    frame_name owner = frame_at(frame)->owner;
    for (uint32_t disk = 0; disk < DISK_LIMIT; disk++) {
        frame_name queue = environment_page(owner)->ring[disk];
        if (queue && (queue == frame || queue_page(queue)->ring == frame))
            return NULL;
    }
    return "a half of a ring that its owner does not know";
}

static const char *check_list(uint32_t disk)
{
    frame_name previous = 0, frame = kernel.disk[disk].first;
    uint32_t count = 0;
    for (; frame && count <= kernel.frame_count; count++) {
        REQUIRE(queue_is_open(frame, disk), "something waits for a turn that is no ring of the disk");
        REQUIRE(queue_page(frame)->is_listed && queue_page(frame)->previous == previous, "the list of rings is torn");
        previous = frame;
        frame = queue_page(frame)->next;
    }
    REQUIRE(previous == kernel.disk[disk].last, "the list of rings has another end");
    REQUIRE(count == disk_info(disk)->waiting, "more or fewer rings wait than are counted");
    return NULL;
}

/* Each frame is still of the claim that it had when the request was handed over, or cannot be taken yet. */
static const char *check_request(uint32_t disk, uint32_t place)
{
    const struct disk_place *request = &machine.disk_device[disk].place[place].request;
    bool moves = request->operation == EXO_DISK_READ || request->operation == EXO_DISK_WRITE;
    for (uint32_t i = 0; moves && i < request->count; i++) {
        const struct exo_frame *info = frame_at(request->frame + i);
        bool waits = info->kind == EXO_FRAME_FREE || info->kind == EXO_FRAME_DIRTY;
        REQUIRE(waits || info->stamp == machine.disk_device[disk].place[place].stamp, "a disk works on a frame that changed hands");
    }
    return NULL;
}

static const char *check_places(uint32_t disk)
{
    const struct disk *self = &kernel.disk[disk];
    uint32_t used = 0;
    REQUIRE(self->begun - self->ended <= DISK_PLACES, "more places are in use than there are");
    for (uint32_t place = 0; place < DISK_PLACES; place++) {
        const struct disk_place *request = &self->place[place];
        uint32_t since_end = (place - self->ended) % DISK_PLACES;
        const char *broken;
        REQUIRE((request->state == PLACE_IN_DEVICE) >= (machine.disk_device[disk].place[place].order != 0),
                "a disk works on what core has forgotten");
        if (machine.disk_device[disk].place[place].order && (broken = check_request(disk, place)))
            return broken;
        if (request->state == PLACE_FREE)
            continue;
        used++;
        REQUIRE(since_end < self->begun - self->ended, "a place in use lies outside of those in use");
        REQUIRE(!request->queue || queue_is_open(request->queue, disk), "a request of a ring that is closed");
        bool holds = request->state == PLACE_IN_DEVICE && request->operation != EXO_DISK_FLUSH;
        REQUIRE(!holds || (kernel.in_flight[self->number] && kernel.in_flight[self->number] <= request->stamp),
                "a request in flight does not hold up the flush epoch");
    }
    REQUIRE(used == disk_info(disk)->in_flight, "more or fewer requests are in flight than are counted");
    return NULL;
}

static const char *check_shares(uint32_t disk)
{
    for (frame_name frame = 1; frame < kernel.frame_count; frame++) {
        if (!frame_is(frame, EXO_FRAME_QUEUE) || queue_page(frame)->disk != disk)
            continue;
        uint32_t count = 0;
        for (uint32_t place = 0; place < DISK_PLACES; place++)
            count += kernel.disk[disk].place[place].queue == frame;
        REQUIRE(count == queue_page(frame)->in_flight && count <= RING_SHARE, "a ring has more in flight than its share, or another count");
    }
    return NULL;
}

const char *disk_invariants_check(void)
{
    const char *broken = NULL;
    for (frame_name frame = 1; frame < kernel.frame_count && !broken; frame++) {
        for (uint32_t disk = 0; frame_is(frame, EXO_FRAME_ENVIRONMENT) && disk < DISK_LIMIT && !broken; disk++)
            broken = check_ring(frame, disk);
        if (!broken && (frame_is(frame, EXO_FRAME_RING) || frame_is(frame, EXO_FRAME_QUEUE)))
            broken = check_half(frame);
    }
    for (uint32_t disk = 0; disk < DISK_LIMIT && !broken; disk++) {
        if (kernel.disk[disk].state == DISK_NONE)
            continue;
        broken = check_list(disk);
        if (!broken)
            broken = check_places(disk);
        if (!broken)
            broken = check_shares(disk);
    }
    return broken;
}
