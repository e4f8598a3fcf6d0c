/*
 * Claims and contracts about disks, packets and flows. Written as invariant.c and contract.c are. Names go in order: a disk's number
 * and a place of it, an environment and a disk's number.
 */
#include <arch.h>
#include <device.h>
#include <disk.h>
#include <net.h>

void havoc(const volatile void *place);
uint32_t any_name(void);

static uint32_t kind_of(frame_name frame)
{
    return frame < kernel.frame_count ? frame_at(frame)->kind : EXO_FRAME_ABSENT;
}

/* ---- views */

bool view_ring_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_RING;
}

bool view_queue_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_QUEUE;
}

bool view_net_ring_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_NET_RING;
}

bool view_net_queue_pages(frame_name frame)
{
    return kind_of(frame) == EXO_FRAME_NET_QUEUE;
}

/* ---- rings for packets: a frame and the next one */

bool claim_net_ring(frame_name frame)
{
    if (kind_of(frame) == EXO_FRAME_NET_RING)
        return kind_of(frame + 1) == EXO_FRAME_NET_QUEUE && frame_at(frame + 1)->link == frame;
    if (kind_of(frame) != EXO_FRAME_NET_QUEUE)
        return true;
    return frame && frame_at(frame)->link == frame - 1 && kind_of(frame - 1) == EXO_FRAME_NET_RING &&
           net_queue_page(frame)->vcpu / VCPUS_PER_ENVIRONMENT == frame_at(frame)->owner;
}

/* ---- rings to disks */

/* A ghost, as in invariant.c: which half of the kernel's a ring belongs to. So no two share one. */
frame_name ghost_of_ring[EXO_FRAME_LIMIT];

void ghost_queue_begin(frame_name frame, const struct queue *queue)
{
    ghost_of_ring[queue->ring] = frame;
}

/* The environment's ring to this disk is its own, and it is this disk's. */
bool claim_ring(frame_name environment, uint32_t disk)
{
    if (kind_of(environment) != EXO_FRAME_ENVIRONMENT || disk >= DISK_LIMIT || !environment_page(environment)->ring[disk])
        return true;
    frame_name queue = environment_page(environment)->ring[disk];
    return kind_of(queue) == EXO_FRAME_QUEUE && queue_page(queue)->environment == environment && queue_page(queue)->disk == disk;
}

bool claim_queue(frame_name frame)
{
    if (kind_of(frame) != EXO_FRAME_QUEUE)
        return true;
    const struct queue *queue = queue_page(frame);
    return frame_at(frame)->link == 0 && queue->environment == frame_at(frame)->owner && queue->disk < DISK_LIMIT &&
           queue->vcpu < VCPUS_PER_ENVIRONMENT && environment_page(queue->environment)->ring[queue->disk] == frame &&
           kind_of(queue->ring) == EXO_FRAME_RING && frame_at(queue->ring)->owner == queue->environment && ghost_of_ring[queue->ring] == frame;
}

static bool waits_for(frame_name queue, uint32_t disk)
{
    return kind_of(queue) == EXO_FRAME_QUEUE && queue_page(queue)->is_listed && queue_page(queue)->disk == disk;
}

/* My next's previous is me, my previous's next is me. */
bool claim_queue_list(frame_name frame)
{
    if (kind_of(frame) != EXO_FRAME_QUEUE)
        return true;
    const struct queue *queue = queue_page(frame);
    const struct disk *disk = &kernel.disk[queue->disk % DISK_LIMIT];
    if (!queue->is_listed)
        return !queue->next && !queue->previous;
    return (queue->next ? waits_for(queue->next, queue->disk) && queue_page(queue->next)->previous == frame : disk->last == frame) &&
           (queue->previous ? waits_for(queue->previous, queue->disk) && queue_page(queue->previous)->next == frame : disk->first == frame);
}

bool claim_disk(uint32_t number)
{
    if (number >= DISK_LIMIT)
        return true;
    const struct disk *disk = &kernel.disk[number];
    return !disk->first == !disk->last && (!disk->first || (waits_for(disk->first, number) && !queue_page(disk->first)->previous)) &&
           (!disk->last || (waits_for(disk->last, number) && !queue_page(disk->last)->next));
}

/* What the disk works on is of a ring of its own, or nobody's. */
bool claim_place(uint32_t disk, uint32_t place)
{
    if (disk >= DISK_LIMIT || place >= DISK_PLACES || !kernel.disk[disk].place[place].queue)
        return true;
    frame_name queue = kernel.disk[disk].place[place].queue;
    return kind_of(queue) == EXO_FRAME_QUEUE && queue_page(queue)->disk == disk;
}

/* ---- contracts: rings to disks */

static bool is_ring_of(frame_name half, frame_name environment, uint32_t disk)
{
    frame_name queue = environment_page(environment)->ring[disk % DISK_LIMIT];

    return queue && (queue == half || queue_page(queue)->ring == half);
}

bool pre_disk_close(frame_name environment, frame_name half)
{
    return kind_of(environment) == EXO_FRAME_ENVIRONMENT;
}

void modifies_disk_close(frame_name environment, frame_name half)
{
    struct queue *queue = queue_page(any_name());
    struct disk *disk = &kernel.disk[any_name()];

    havoc(&queue->is_listed);
    havoc(&queue->next);
    havoc(&queue->previous);
    havoc(&disk->first);
    havoc(&disk->last);
    havoc(&disk->place[any_name()].queue);
    havoc(&disk_info(any_name())->waiting);
    havoc(&environment_page(environment)->ring[any_name()]);
    havoc(&frame_at(any_name())->kind);
    havoc(&frame_at(any_name())->link);
}

static uint32_t old_kind(frame_name frame)
{
    return kind_of(frame);
}

static uint64_t old_frame_link(frame_name frame)
{
    return frame_at(frame)->link;
}

/* Only its own frames become DATA. */
bool post_disk_close(frame_name environment, frame_name half, frame_name any_frame, uint32_t any_disk)
{
    bool was_ring = old_kind(any_frame) == EXO_FRAME_RING || old_kind(any_frame) == EXO_FRAME_QUEUE;

    return !is_ring_of(half, environment, any_disk) &&
           ((kind_of(any_frame) == old_kind(any_frame) && frame_at(any_frame)->link == old_frame_link(any_frame)) ||
            (was_ring && kind_of(any_frame) == EXO_FRAME_DATA && !frame_at(any_frame)->link));
}

/* None of those before it. */
bool loop_disk_close(frame_name environment, frame_name half, uint32_t disk, uint32_t any_disk)
{
    return disk <= DISK_LIMIT && (any_disk >= disk || !is_ring_of(half, environment, any_disk));
}

bool pre_places_disown(uint32_t disk, frame_name queue)
{
    return disk < DISK_LIMIT && queue;
}

void modifies_places_disown(uint32_t disk, frame_name queue)
{
    havoc(&kernel.disk[any_name()].place[any_name()].queue);
}

bool post_places_disown(uint32_t disk, frame_name queue, uint32_t any_turn)
{
    return kernel.disk[disk].place[any_turn].queue != queue;
}

/* The places before this one are not the ring's any more. */
bool loop_places_disown(uint32_t disk, frame_name queue, uint32_t place, uint32_t any_turn)
{
    return place <= DISK_PLACES && (any_turn >= place || kernel.disk[disk].place[any_turn].queue != queue);
}

/* ---- flows */

bool claim_flow(uint32_t name)
{
    if (name >= FLOW_LIMIT)
        return true;
    const struct exo_flow *flow = flow_at(name);
    return flow->state <= EXO_FLOW_OPEN && flow->shape < SHAPE_LIMIT && flow->source_shape < SHAPE_LIMIT && flow->next <= FLOW_LIMIT &&
           flow->within <= FLOW_LIMIT && flow->ring < kernel.frame_count && !flow->owner == !flow->state;
}

bool claim_bucket(uint32_t bucket)
{
    return bucket >= FLOW_BUCKETS || network.bucket[bucket] <= FLOW_LIMIT;
}

static uint32_t is_open(uint32_t shape)
{
    return shape_at(shape)->open != 0;
}

static uint32_t four_open(uint32_t shape)
{
    return is_open(shape) + is_open(shape + 1) + is_open(shape + 2) + is_open(shape + 3);
}

/* Of how many shapes there are open flows. */
static uint32_t shapes_open(void)
{
    _Static_assert(SHAPE_LIMIT == 16, "four times four");
    return four_open(0) + four_open(4) + four_open(8) + four_open(12);
}

/* So many stand in the order. */
bool claim_network(void)
{
    return network.flow_end <= FLOW_LIMIT && network.order_count == shapes_open();
}

bool claim_order(uint32_t place)
{
    return place >= SHAPE_LIMIT || network.order[place] < SHAPE_LIMIT;
}

/* Assumed, not shown: a shape counts its open flows right. */
bool assumed_open(uint32_t name)
{
    return name >= FLOW_LIMIT || flow_at(name)->state != EXO_FLOW_OPEN || flow_at(name)->shape >= SHAPE_LIMIT ||
           (shape_at(flow_at(name)->shape)->open >= 1 && shape_at(flow_at(name)->shape)->open <= FLOW_LIMIT);
}

bool pre_flow_clear(uint32_t name)
{
    return name < FLOW_LIMIT;
}

void modifies_flow_clear(uint32_t name)
{
    havoc(flow_at(name));
    havoc(&flow_at(any_name())->next);
    havoc(&network.bucket[any_name()]);
    havoc(&network.order_count);
    havoc(&network.order[any_name()]);
    havoc(&shape_at(any_name())->open);
    havoc(&shape_at(any_name())->flows);
}

bool post_flow_clear(uint32_t name)
{
    return !flow_at(name)->owner;
}

bool loop_flow_unlink(uint32_t before)
{
    return before <= FLOW_LIMIT;
}

bool loop_order_place(uint32_t place)
{
    return place <= network.order_count;
}

bool loop_shape_closed(uint32_t i)
{
    return i <= SHAPE_LIMIT && network.order_count < SHAPE_LIMIT;
}
