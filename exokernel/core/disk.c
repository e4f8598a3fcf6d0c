#include <disk.h>
#include <capability.h>
#include <device.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>
#include <sweep.h>
#include <vcpu.h>

/* What the pieces cost at most, in instructions; a call or an interrupt that has spent its budget leaves the rest to the next interrupt. */
enum {
    SUBMIT_MAX = 3200,
    INTERRUPT_MAX = 2000,
    COST_REQUEST = 900, /* capabilities at their deepest */
    COST_ONE_FRAME = 10,
    COST_ANSWER = 300,
};
enum { WATCH_NS = 50000000, TRIES_MAX = 2 };
#define PATIENCE_NS 10000000000ull /* how long a device may work on a request */

static struct disk_place *place_at(uint32_t disk, uint32_t number)
{
    return &kernel.disk[disk].place[number % DISK_PLACES];
}

/* ---- the list of queues that wait for a turn */

static void queue_list(frame_name frame)
{
    struct queue *queue = queue_page(frame);
    struct disk *disk = &kernel.disk[queue->disk];

    queue->is_listed = 1;
    queue->next = 0;
    queue->previous = disk->last;
    if (disk->last)
        queue_page(disk->last)->next = frame;
    else
        disk->first = frame;
    disk->last = frame;
    disk_info(queue->disk)->waiting++;
}

static void queue_unlist(frame_name frame)
{
    struct queue *queue = queue_page(frame);
    struct disk *disk = &kernel.disk[queue->disk];

    if (queue->next)
        queue_page(queue->next)->previous = queue->previous;
    else
        disk->last = queue->previous;
    if (queue->previous)
        queue_page(queue->previous)->next = queue->next;
    else
        disk->first = queue->next;
    queue->is_listed = 0;
    queue->next = queue->previous = 0;
    disk_info(queue->disk)->waiting--;
}

/* Submissions, room for their completions, and not its whole share in the device already? */
static bool queue_wants_a_turn(const struct queue *queue)
{
    const struct exo_ring *ring = ring_page(queue->ring);

    return queue->in_flight < RING_SHARE && __atomic_load_n(&ring->submitted, __ATOMIC_ACQUIRE) != queue->started &&
           queue->started - __atomic_load_n(&ring->reaped, __ATOMIC_ACQUIRE) < EXO_RING_ENTRIES;
}

static void queue_offer(frame_name frame)
{
    const struct queue *queue = queue_page(frame);

    if (!queue->is_listed && queue_wants_a_turn(queue))
        queue_list(frame);
}

static vcpu_name queue_vcpu(const struct queue *queue)
{
    return queue->environment * VCPUS_PER_ENVIRONMENT + queue->vcpu;
}

static void queue_complete(frame_name frame, uint64_t tag, exo_result status)
{
    struct queue *queue = queue_page(frame);
    struct exo_ring *ring = ring_page(queue->ring);

    ring->completion[queue->completed % EXO_RING_ENTRIES] = (struct exo_completion){.tag = tag, .status = (int32_t)status};
    __atomic_store_n(&ring->completed, ++queue->completed, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&ring->quiet, __ATOMIC_SEQ_CST))
        vcpu_post(queue_vcpu(queue), EXO_EVENT_IO);
}

/* ---- requests */

static bool moves_data(uint32_t operation)
{
    return operation == EXO_DISK_READ || operation == EXO_DISK_WRITE;
}

/* How many blocks such a request may name; 0: the disk does not offer it, or it names none. */
static uint32_t blocks_most(const struct exo_disk *info, uint32_t operation)
{
    switch (operation) {
    case EXO_DISK_READ:
    case EXO_DISK_WRITE:
        return info->request_blocks;
    case EXO_DISK_DISCARD:
        return info->discard_blocks;
    case EXO_DISK_ZERO:
        return info->zero_blocks;
    default:
        return 0;
    }
}

/* What needs no capability to be said. */
static exo_result request_is_sound(uint32_t disk, const struct disk_place *request)
{
    const struct exo_disk *info = disk_info(disk);
    uint32_t operation = request->operation, most = blocks_most(info, operation);

    if (operation > EXO_DISK_ZERO || request->reserved || (!moves_data(operation) && (request->frame || request->frames)))
        return EXO_BAD_ARGUMENT;
    if (request->block >> EXO_DISK_SHIFT != disk)
        return EXO_BAD_NAME;
    if (kernel.disk[disk].state == DISK_CUT_OFF)
        return EXO_DEVICE_FAILED;
    if (operation != EXO_DISK_READ && info->flags & EXO_DISK_READ_ONLY)
        return EXO_UNSUPPORTED;
    if (operation == EXO_DISK_FLUSH)
        return request->count ? EXO_BAD_ARGUMENT : EXO_OK;
    if (most == 0)
        return EXO_UNSUPPORTED;
    return request->count == 0 || request->count > most ? EXO_BAD_ARGUMENT : EXO_OK;
}

static __attribute__((noinline)) exo_result allowed_find(frame_name environment, struct allowed *known, uint32_t kind,
                                                        uint32_t slot, uint64_t stamp)
{
    uint64_t generation = kernel.generation;
    struct capability held;

    exo_result result = capability_use(environment, slot, kind, 0, &held);
    if (result == EXO_OK)
        result = capability_check(environment, slot, kind, 0, held.first, stamp);
    if (result == EXO_OK)
        *known = (struct allowed){generation, stamp, held.first, held.count, (uint16_t)slot, held.rights};
    return result;
}

/* As the capability in the slot allowed it for the last request, or found anew. */
static inline __attribute__((always_inline)) exo_result range_check(frame_name environment, struct allowed *known, uint32_t kind,
                                                                    uint32_t slot, uint32_t rights, uint32_t first,
                                                                    uint32_t count, uint64_t stamp)
{
    if (__builtin_expect(known->generation != kernel.generation || known->slot != slot || known->stamp != stamp, false)) {
        exo_result result = allowed_find(environment, known, kind, slot, stamp);
        if (result < 0)
            return result;
    }
    uint32_t offset = first - known->first;
    if (offset >= known->count || count > known->count - offset)
        return EXO_BAD_CAPABILITY;
    return rights & ~known->rights ? EXO_NO_RIGHT : EXO_OK;
}

static inline bool frame_holds_data(const struct exo_frame *info)
{
    const uint32_t kinds = 1u << EXO_FRAME_DATA | 1u << EXO_FRAME_LARGE | 1u << EXO_FRAME_LARGE_PART;

    return kinds >> info->kind & 1 && !info->closing;
}

/* All of one claim, which the capability reaches. */
static exo_result frames_check(frame_name environment, struct allowed *known, const struct disk_place *request)
{
    uint32_t rights = request->operation == EXO_DISK_READ ? EXO_RIGHT_WRITE : EXO_RIGHT_READ;
    const struct exo_frame *info = frame_named(request->frame);

    if (!info || request->count > kernel.frame_count - request->frame)
        return EXO_BAD_NAME;
    uint64_t stamp = info->stamp;
    exo_result result = range_check(environment, known, EXO_KIND_FRAMES, request->frames, rights, request->frame, request->count,
                                    stamp);
    if (result < 0)
        return result;
    for (const struct exo_frame *end = info + request->count; info < end; info++)
        if (!frame_holds_data(info) || info->stamp != stamp)
            return info->stamp != stamp ? EXO_NO_RIGHT : EXO_WRONG_KIND;
    return EXO_OK;
}

/* By the claims and capabilities of its ring's environment as they are now. */
static exo_result request_check(struct queue *queue, const struct disk_place *request)
{
    uint32_t rights = request->operation == EXO_DISK_READ ? EXO_RIGHT_READ : EXO_RIGHT_WRITE;

    exo_result result = request_is_sound(queue->disk, request);
    if (result == EXO_OK)
        result = range_check(queue->environment, &queue->extent, EXO_KIND_EXTENT, request->extent, rights, request->block,
                             request->count, 0);
    if (result == EXO_OK && moves_data(request->operation))
        result = frames_check(queue->environment, &queue->frames, request);
    return result;
}

static uint32_t request_cost(const struct disk_place *request)
{
    bool looks = moves_data(request->operation) && request->count <= EXO_REQUEST_BLOCKS;

    return COST_REQUEST + (looks ? request->count * COST_ONE_FRAME : 0);
}

/* ---- places */

/* Places that are free again are not looked at any more; what the oldest request in flight is holds up who waits for the epoch. */
static void places_settle(uint32_t disk)
{
    struct disk *self = &kernel.disk[disk];

    while (self->ended != self->begun && place_at(disk, self->ended)->state == PLACE_FREE)
        self->ended++;
    if ((int32_t)(self->oldest - self->ended) < 0)
        self->oldest = self->ended;
    while (self->oldest != self->begun && (place_at(disk, self->oldest)->state == PLACE_FREE ||
                                           place_at(disk, self->oldest)->operation == EXO_DISK_FLUSH))
        self->oldest++;
    const struct disk_place *oldest = place_at(disk, self->oldest);
    bool holds = self->oldest != self->begun && oldest->state == PLACE_IN_DEVICE;
    kernel.in_flight[self->number] = holds ? oldest->stamp : 0;
}

static void place_hand_over(uint32_t disk, uint32_t number)
{
    struct disk_place *place = place_at(disk, number);

    place->state = PLACE_IN_DEVICE;
    place->stamp = system_info()->flush_epoch + 1;
    place->since = arch_time();
    if (!kernel.watch)
        kernel.watch = place->since + WATCH_NS;
    device_disk_put(disk, number % DISK_PLACES, place);
    uint64_t *in_flight = &kernel.in_flight[kernel.disk[disk].number];
    if (!*in_flight && place->operation != EXO_DISK_FLUSH) { /* then none before it names anything */
        kernel.disk[disk].oldest = number;
        *in_flight = place->stamp;
    }
}

/* What the next place holds. */
static void place_begin(uint32_t disk, frame_name queue)
{
    struct disk *self = &kernel.disk[disk];
    uint32_t number = self->begun++;

    self->again = self->begun;
    place_at(disk, number)->queue = queue;
    place_at(disk, number)->environment = queue_page(queue)->environment;
    queue_page(queue)->in_flight++;
    disk_info(disk)->in_flight++;
    place_hand_over(disk, number);
}

static void place_end(uint32_t disk, uint32_t number, exo_result status)
{
    struct disk_place *place = place_at(disk, number);
    frame_name queue = place->queue;

    place->state = PLACE_FREE;
    place->queue = 0;
    disk_info(disk)->in_flight--;
    disk_info(disk)->requests++;
    disk_info(disk)->errors += status == EXO_DEVICE_FAILED;
    places_settle(disk);
    if (!queue)
        return;
    queue_page(queue)->in_flight--;
    queue_complete(queue, place->tag, status);
    queue_offer(queue);
}

/* ---- turns */

/* Into a place that is free. Its libOS may change it meanwhile: every word is read once. */
static void submission_read(const struct queue *queue, struct disk_place *ret_request)
{
    const volatile uint64_t *words =
        (const volatile uint64_t *)&ring_page(queue->ring)->submission[queue->started % EXO_RING_ENTRIES];
    uint64_t reserved = words[3];

    _Static_assert(__builtin_offsetof(struct disk_place, operation) == __builtin_offsetof(struct exo_submission, operation) &&
                   __builtin_offsetof(struct disk_place, frames) == __builtin_offsetof(struct exo_submission, frames) &&
                   __builtin_offsetof(struct disk_place, frame) == __builtin_offsetof(struct exo_submission, frame),
                   "a place begins as a submission does");
    uint64_t *place = &ret_request->tag;
    place[0] = words[0];
    place[1] = words[1];
    place[2] = words[2];
    ret_request->tries = 0;
    if (reserved)
        ret_request->operation = UINT8_MAX; /* none */
}

/* There is a place: take up the next submission of a queue. False: the budget does not allow it. */
static bool queue_take_turn(frame_name frame, struct budget *budget)
{
    struct queue *queue = queue_page(frame);
    struct disk_place *request = place_at(queue->disk, kernel.disk[queue->disk].begun);

    submission_read(queue, request);
    if (!budget_spend(budget, request_cost(request)))
        return false;
    budget->is_used = true;
    __atomic_store_n(&ring_page(queue->ring)->started, ++queue->started, __ATOMIC_RELEASE);
    exo_result result = request_check(queue, request);
    if (result == EXO_OK)
        place_begin(queue->disk, frame);
    else
        queue_complete(frame, request->tag, result);
    return true;
}

/* After a reset: hand the next request over again, if it is still somebody's and still allowed. */
static bool place_take_turn(uint32_t disk, struct budget *budget)
{
    struct disk *self = &kernel.disk[disk];
    struct disk_place *place = place_at(disk, self->again);

    if (place->state == PLACE_AGAIN) {
        if (!budget_spend(budget, request_cost(place)))
            return false;
        budget->is_used = true;
        exo_result result = !place->queue || place->tries == TRIES_MAX ? EXO_DEVICE_FAILED :
                            request_check(queue_page(place->queue), place);
        place->tries++;
        if (result == EXO_OK)
            place_hand_over(disk, self->again);
        else
            place_end(disk, self->again, result);
    }
    self->again++;
    return true;
}

static bool disk_has_a_place(const struct disk *self)
{
    return self->begun - self->ended < DISK_PLACES;
}

/* Give turns while there are places. False: the budget is spent, and there is more to do. */
static bool disk_serve(uint32_t disk, struct budget *budget)
{
    struct disk *self = &kernel.disk[disk];

    while (self->state != DISK_RESETTING) {
        if (self->again != self->begun) {
            if (!place_take_turn(disk, budget))
                return false;
            continue;
        }
        frame_name first = self->first;
        if (!first || !disk_has_a_place(self))
            return true;
        if (!queue_take_turn(first, budget))
            return false;
        queue_unlist(first);
        queue_offer(first);
    }
    return true;
}

/* The same for a queue when nobody else waits: without the list. */
static void queue_serve(frame_name frame, struct budget *budget)
{
    const struct queue *queue = queue_page(frame);
    const struct disk *self = &kernel.disk[queue->disk];
    bool is_alone = !self->first && self->state != DISK_RESETTING && self->again == self->begun;

    while (queue_wants_a_turn(queue))
        if (!is_alone || !disk_has_a_place(self) || !queue_take_turn(frame, budget)) {
            queue_offer(frame);
            return;
        }
}

/* And tell the device of what was handed over since it had begun so many. */
static void disk_serve_and_tell(uint32_t disk, uint32_t begun, struct budget *budget)
{
    const struct disk *self = &kernel.disk[disk];
    bool is_again = self->again != self->begun;

    if ((self->first || is_again) && !disk_serve(disk, budget))
        device_disk_again(disk);
    if (self->begun != begun || is_again)
        device_disk_kick(disk);
}

/* ---- devices that do wrong */

static void disk_restart(uint32_t disk)
{
    struct disk *self = &kernel.disk[disk];
    enum device_restart done = device_disk_restart(disk);

    if (done == RESTART_PENDING)
        return;
    self->state = done == RESTART_DONE ? DISK_WORKING : DISK_CUT_OFF;
    disk_info(disk)->flags |= done == RESTART_DEAD ? EXO_DISK_DEAD : 0;
    for (uint32_t i = 0; i < DISK_PLACES; i++)
        if (self->place[i].state == PLACE_IN_DEVICE)
            self->place[i].state = PLACE_AGAIN;
    self->again = self->ended;
    self->oldest = self->ended;
    flush_begin(); /* what is handed over anew is not to be waited for by those who waited for it before */
    places_settle(disk);
    device_disk_again(disk);
}

static void disk_reset(uint32_t disk)
{
    kernel.disk[disk].state = DISK_RESETTING;
    disk_info(disk)->resets++;
    disk_restart(disk);
}

static void disk_look_after(uint32_t disk, uint64_t now)
{
    const struct disk *self = &kernel.disk[disk];
    const struct disk_place *eldest = place_at(disk, self->ended);

    if (self->state == DISK_RESETTING)
        disk_restart(disk);
    else if (eldest->state == PLACE_IN_DEVICE && now > eldest->since + PATIENCE_NS)
        disk_reset(disk);
}

void disk_watch(uint64_t now)
{
    kernel.watch = 0;
    arch_lock();
    for (uint32_t disk = 0; disk < DISK_LIMIT; disk++) {
        if (kernel.disk[disk].begun == kernel.disk[disk].ended)
            continue;
        kernel.watch = now + WATCH_NS;
        disk_look_after(disk, now);
    }
    arch_unlock();
}

/* ---- interrupts */

/* Whose work takes the time of an interrupt. */
struct charge {
    uint64_t since;
    frame_name queue; /* 0: nobody's */
};

/* From now on it is another's. The time so far is the owner's debt, unless the owner pays for it anyway. */
static void charge_to(struct charge *charge, frame_name queue)
{
    if (queue == charge->queue)
        return;
    uint64_t now = arch_time();
    if (charge->queue) {
        vcpu_name vcpu = queue_vcpu(queue_page(charge->queue));
        if (vcpu != processor_here()->payer && vcpu_at(vcpu)->context)
            __atomic_fetch_add(&vcpu_at(vcpu)->excess_ns, now - charge->since, __ATOMIC_SEQ_CST);
    }
    *charge = (struct charge){now, queue};
}

/* Take the device's answers. False: the budget is spent. */
static bool answers_take(uint32_t disk, struct charge *charge, struct budget *budget)
{
    uint32_t place;
    exo_result status;

    while (budget_spend(budget, COST_ANSWER)) {
        enum device_answer answer = device_disk_answer(disk, &place, &status);

        if (answer == ANSWER_NOTHING)
            return true;
        budget->is_used = true;
        if (answer == ANSWER_NONSENSE || place_at(disk, place)->state != PLACE_IN_DEVICE) {
            disk_reset(disk);
            return true;
        }
        charge_to(charge, place_at(disk, place)->queue);
        place_end(disk, place, status);
    }
    return false;
}

void disk_interrupted(uint32_t disk)
{
    struct budget budget = {.rest = INTERRUPT_MAX};
    struct charge charge = {0};

    if (kernel.disk[disk].state == DISK_WORKING && !answers_take(disk, &charge, &budget))
        device_disk_again(disk);
    if (kernel.disk[disk].first)
        charge_to(&charge, kernel.disk[disk].first);
    disk_serve_and_tell(disk, kernel.disk[disk].begun, &budget);
    charge_to(&charge, 0);
}

/* ---- rings */

/* What the device works on for the ring is nobody's any more. */
static void places_disown(uint32_t disk, frame_name queue)
{
    for (uint32_t place = 0; place < DISK_PLACES; place++)
        if (place_at(disk, place)->queue == queue)
            place_at(disk, place)->queue = 0;
}

void disk_close(frame_name environment, frame_name half)
{
    for (uint32_t disk = 0; disk < DISK_LIMIT; disk++) {
        frame_name frame = environment_page(environment)->ring[disk];

        if (!frame || (frame != half && queue_page(frame)->ring != half))
            continue;
        frame_name ring = queue_page(frame)->ring;
        places_disown(disk, frame);
        if (queue_page(frame)->is_listed)
            queue_unlist(frame);
        environment_page(environment)->ring[disk] = 0;
        frame_at(ring)->kind = frame_at(frame)->kind = EXO_FRAME_DATA;
        frame_at(ring)->link = 0;
        return;
    }
}

/* Is the device still at work on what the environment asked for by a ring that it closed? */
static bool environment_is_owed(frame_name environment, uint32_t disk)
{
    bool is_owed = false;

    for (uint32_t place = 0; place < DISK_PLACES; place++)
        is_owed |= place_at(disk, place)->state != PLACE_FREE && place_at(disk, place)->environment == environment;
    return is_owed;
}

/* The kernel's half of the environment's ring, or 0. */
static frame_name queue_named(frame_name environment, uint32_t disk)
{
    return disk < DISK_LIMIT ? environment_page(environment)->ring[arch_clamp(disk, DISK_LIMIT)] : 0;
}

static void queue_begin(frame_name frame, const struct queue *queue)
{
    *queue_page(frame) = *queue;
    environment_page(queue->environment)->ring[arch_clamp(queue->disk, DISK_LIMIT)] = frame;
}

exo_result call_ring_create(const struct caller *caller, uint8_t disk, uint16_t capability, uint32_t ring, uint32_t queue,
                            uint8_t vcpu)
{
    if (vcpu >= VCPUS_PER_ENVIRONMENT || disk >= DISK_LIMIT || kernel.disk[arch_clamp(disk, DISK_LIMIT)].state == DISK_NONE)
        return EXO_BAD_NAME;
    if (ring == queue)
        return EXO_BAD_ARGUMENT;
    if (queue_named(caller->environment, disk))
        return EXO_TAKEN;
    exo_result result = frame_may_be_taken(caller->environment, capability, EXO_RIGHT_WRITE, ring);
    if (result == EXO_OK)
        result = frame_may_be_taken(caller->environment, capability, EXO_RIGHT_WRITE, queue);
    if (result == EXO_OK && environment_is_owed(caller->environment, disk))
        result = EXO_AGAIN; /* a new ring is no new share */
    if (result < 0)
        return result;

    frame_claim(caller->environment, capability, ring, EXO_FRAME_RING);
    frame_claim(caller->environment, capability, queue, EXO_FRAME_QUEUE);
    queue_begin(queue, &(struct queue){.environment = caller->environment, .ring = ring, .disk = disk, .vcpu = vcpu});
    return EXO_OK;
}

exo_result call_ring_free(const struct caller *caller, uint8_t disk)
{
    frame_name queue = queue_named(caller->environment, disk);

    if (!queue)
        return EXO_BAD_NAME;
    disk_close(caller->environment, queue);
    return EXO_OK;
}

exo_result call_disk_submit(const struct caller *caller, uint8_t disk)
{
    frame_name frame = queue_named(caller->environment, disk);
    struct budget budget = {.rest = SUBMIT_MAX};

    if (!frame)
        return EXO_BAD_NAME;
    const struct queue *queue = queue_page(frame);
    uint32_t started = queue->started, begun = kernel.disk[disk].begun;
    queue_serve(frame, &budget);
    disk_serve_and_tell(disk, begun, &budget);
    return queue->started - started;
}

void disk_start(void)
{
    for (uint32_t disk = 0; disk < DISK_LIMIT; disk++)
        if (device_disk(disk, disk_info(disk), &kernel.disk[disk].number))
            kernel.disk[disk].state = DISK_WORKING;
}
