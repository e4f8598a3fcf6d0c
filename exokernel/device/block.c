/*
 * A request in place n has descriptors 3n (header and, to discard, the range), 3n + 1 (data) and 3n + 2 (status) for ever. Frames are
 * physical memory in a row, so data is one piece.
 */
#include "block.h"
#include <arch.h>
#include <arch_device.h>
#include <device.h>
#include <disk.h>

enum {
    FEATURE_SIZE_MAX = 1, FEATURE_READ_ONLY = 5, FEATURE_FLUSH = 9, FEATURE_DISCARD = 13, FEATURE_ZERO = 14, /* bits */
    CONFIG_CAPACITY = 0, CONFIG_SIZE_MAX = 8, CONFIG_DISCARD_SECTORS = 36, CONFIG_ZERO_SECTORS = 48, CONFIG_ZERO_MAY_UNMAP = 56,
    REQUEST_IN = 0, REQUEST_OUT = 1, REQUEST_FLUSH = 4, REQUEST_DISCARD = 11, REQUEST_ZERO = 13,
    STATUS_OK = 0, STATUS_UNSUPPORTED = 2, STATUS_NONE = 0xff,
    SECTORS_PER_BLOCK = 8, RANGE_UNMAP = 1, HEADER_SIZE = 16, RANGED_SIZE = 32, DESCRIPTORS = 3, COUNT_MOST = 4096,
    BOOT_TRIES = 100000, RESET_TRIES = 50, RESETS_MAX = 100,
};
#define BIT(n) (1ull << (n))
#define FEATURES (BIT(FEATURE_SIZE_MAX) | BIT(FEATURE_READ_ONLY) | BIT(FEATURE_FLUSH) | BIT(FEATURE_DISCARD) | BIT(FEATURE_ZERO))

/* What the device reads and writes beside data: one for each place, in a frame of the kernel's. */
struct message {
    uint32_t kind, reserved;
    uint64_t sector;
    struct {
        uint64_t sector;
        uint32_t sectors, flags;
    } range;
    uint8_t status, padding[31];
};
_Static_assert(sizeof(struct message) * DISK_PLACES <= EXO_FRAME_SIZE, "one frame holds them all");
_Static_assert(DESCRIPTORS * DISK_PLACES <= VIRTQUEUE_MAX, "descriptors for all places");

static struct block {
    struct virtio virtio;
    struct virtqueue queue;
    struct message *message;
    uint64_t message_physical;
    uint64_t features;
    uint32_t expected[DISK_PLACES]; /* bytes that the device must say it wrote, of those that read */
    uint32_t unanswered;            /* resets in a row */
    bool unmaps;                    /* writing zeros may also release */
} blocks[DISK_LIMIT];
static uint32_t block_count;

static uint64_t message_physical(const struct block *block, uint32_t place)
{
    return block->message_physical + place * sizeof(struct message);
}

static bool block_begin(struct block *block)
{
    if (!virtio_begin(&block->virtio, FEATURES, &block->features) ||
        !virtio_queue(&block->virtio, &block->queue, 0, VIRTQUEUE_MAX) || block->queue.size < DESCRIPTORS * DISK_PLACES)
        return false;
    virtio_go(&block->virtio);
    return true;
}

/* Once: the message of each place, and the descriptors of where its status goes. */
static void messages_place(struct block *block)
{
    block->message = arch_device_frames(1, &block->message_physical);
    for (uint32_t place = 0; place < DISK_PLACES; place++)
        virtqueue_describe(&block->queue, place * DESCRIPTORS + 2,
                           message_physical(block, place) + __builtin_offsetof(struct message, status), 1, DESCRIPTOR_DEVICE_WRITES, 0);
}

bool block_add(const struct virtio *device)
{
    if (block_count == DISK_LIMIT)
        return false;
    struct block *block = &blocks[block_count];
    block->virtio = *device;
    if (!virtio_reset(&block->virtio, BOOT_TRIES) || !block_begin(block)) {
        virtio_reset(&block->virtio, 0);
        return false;
    }
    messages_place(block);
    block_count++;
    return true;
}

static bool block_has(const struct block *block, uint32_t feature)
{
    return block->features & BIT(feature);
}

static uint32_t blocks_of_sectors(const struct block *block, uint32_t config, uint32_t feature)
{
    uint32_t most = virtio_config(&block->virtio, config, 4) / SECTORS_PER_BLOCK;

    return !block_has(block, feature) ? 0 : most < COUNT_MOST ? most : COUNT_MOST;
}

bool device_disk(uint32_t disk, struct exo_disk *ret_info, uint32_t *ret_number)
{
    if (disk >= block_count)
        return false;
    struct block *block = &blocks[disk];
    uint64_t size = virtio_config(&block->virtio, CONFIG_CAPACITY, 8) / SECTORS_PER_BLOCK, most = BIT(EXO_DISK_SHIFT);
    uint32_t piece = block_has(block, FEATURE_SIZE_MAX) ? virtio_config(&block->virtio, CONFIG_SIZE_MAX, 4) / EXO_FRAME_SIZE : 0;

    *ret_info = (struct exo_disk){
        .flags = EXO_DISK_PRESENT | (block_has(block, FEATURE_READ_ONLY) ? EXO_DISK_READ_ONLY : 0) |
                 (block_has(block, FEATURE_FLUSH) ? EXO_DISK_CAN_FLUSH : 0) |
                 (block_has(block, FEATURE_DISCARD) ? EXO_DISK_CAN_DISCARD : 0) |
                 (block_has(block, FEATURE_ZERO) ? EXO_DISK_CAN_ZERO : 0),
        .blocks = size < most ? size : most,
        .request_blocks = piece && piece < EXO_REQUEST_BLOCKS ? piece : EXO_REQUEST_BLOCKS,
        .discard_blocks = blocks_of_sectors(block, CONFIG_DISCARD_SECTORS, FEATURE_DISCARD),
        .zero_blocks = blocks_of_sectors(block, CONFIG_ZERO_SECTORS, FEATURE_ZERO),
    };
    block->unmaps = virtio_config(&block->virtio, CONFIG_ZERO_MAY_UNMAP, 1);
    *ret_number = block->virtio.number;
    return true;
}

static const uint8_t kinds[] = {
    [EXO_DISK_READ] = REQUEST_IN, [EXO_DISK_WRITE] = REQUEST_OUT, [EXO_DISK_FLUSH] = REQUEST_FLUSH,
    [EXO_DISK_DISCARD] = REQUEST_DISCARD, [EXO_DISK_ZERO] = REQUEST_ZERO,
};

/* Header and status alone, or with the range. How many bytes the device reads of it. */
static uint32_t message_fill(const struct block *block, struct message *message, const struct disk_place *request)
{
    uint64_t sector = (request->block & (BIT(EXO_DISK_SHIFT) - 1)) * SECTORS_PER_BLOCK;

    message->kind = kinds[request->operation];
    message->sector = 0;
    message->status = STATUS_NONE;
    if (request->operation == EXO_DISK_READ || request->operation == EXO_DISK_WRITE)
        message->sector = sector;
    if (request->operation != EXO_DISK_DISCARD && request->operation != EXO_DISK_ZERO)
        return HEADER_SIZE;
    message->range.sector = sector;
    message->range.sectors = request->count * SECTORS_PER_BLOCK;
    message->range.flags = request->operation == EXO_DISK_ZERO && block->unmaps ? RANGE_UNMAP : 0;
    return RANGED_SIZE;
}

void device_disk_put(uint32_t disk, uint32_t place, const struct disk_place *request)
{
    struct block *block = &blocks[disk];
    uint16_t head = place * DESCRIPTORS, data = head + 1, status = head + 2;
    bool reads = request->operation == EXO_DISK_READ, moves = reads || request->operation == EXO_DISK_WRITE;
    uint32_t bytes = request->count * EXO_FRAME_SIZE;

    uint32_t size = message_fill(block, &block->message[place], request);
    block->expected[place] = reads ? bytes + 1 : 0;
    virtqueue_describe(&block->queue, head, message_physical(block, place), size, DESCRIPTOR_NEXT, moves ? data : status);
    if (moves)
        virtqueue_describe(&block->queue, data, (uint64_t)request->frame * EXO_FRAME_SIZE, bytes,
                           DESCRIPTOR_NEXT | (reads ? DESCRIPTOR_DEVICE_WRITES : 0), status);
    virtqueue_offer(&block->queue, head);
}

void device_disk_kick(uint32_t disk)
{
    virtqueue_kick(&blocks[disk].queue);
}

static exo_result status_of(const struct block *block, uint32_t place, uint32_t length)
{
    uint8_t status = __atomic_load_n(&block->message[place].status, __ATOMIC_RELAXED);

    if (status == STATUS_UNSUPPORTED)
        return EXO_UNSUPPORTED;
    if (status != STATUS_OK || (block->expected[place] && length != block->expected[place]))
        return EXO_DEVICE_FAILED;
    return EXO_OK;
}

enum device_answer device_disk_answer(uint32_t disk, uint32_t *ret_place, exo_result *ret_status)
{
    struct block *block = &blocks[disk];
    uint16_t head;
    uint32_t length;
    enum pop pop = virtqueue_pop(&block->queue, &head, &length);

    if (pop == POP_NOTHING)
        return ANSWER_NOTHING;
    if (pop == POP_NONSENSE || head % DESCRIPTORS || head / DESCRIPTORS >= DISK_PLACES)
        return ANSWER_NONSENSE;
    *ret_place = head / DESCRIPTORS;
    *ret_status = status_of(block, *ret_place, length);
    return ANSWER_REQUEST;
}

enum device_restart device_disk_restart(uint32_t disk)
{
    struct block *block = &blocks[disk];

    if (!virtio_reset(&block->virtio, RESET_TRIES)) {
        bool gives_up = ++block->unanswered >= RESETS_MAX && virtio_cut_off(&block->virtio);
        return gives_up ? RESTART_DEAD : RESTART_PENDING;
    }
    block->unanswered = 0;
    return block_begin(block) ? RESTART_DONE : RESTART_DEAD;
}

void device_disk_again(uint32_t disk)
{
    arch_device_interrupt(blocks[disk].virtio.number);
}

bool block_interrupt(uint32_t number)
{
    for (uint32_t disk = 0; disk < block_count; disk++) {
        if (blocks[disk].virtio.number != number)
            continue;
        virtio_acknowledge(&blocks[disk].virtio);
        disk_interrupted(disk);
        return true;
    }
    return false;
}
