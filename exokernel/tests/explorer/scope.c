#include "scope.h"
#include "../world.h"
#include "step.h"
#include <capability.h>
#include <disk.h>
#include <dispatch.h>
#include <string.h>

/*
 * Frames: 1 to 3 environments (the root, A, B), 4 to 6 their capability tables, 7 to 9 the root's context page, root table and its shadow.
 * Slots of the root: 1 FRAMES, 2 SLOTS, 3 itself, 4 A, 5 B or free.
 */
enum {
    A = 2, B = 3, A_CAPABILITIES = 5, B_CAPABILITIES = 6,
    A_SLOT = 4, B_SLOT = 5,
    SPARE = 10,        /* frames from here on are the scope's */
    LOW = 0x0, HIGH = 0x1000, FAR = 0x200000, /* entries 0 and 1 of a TABLE1; entry 1 of the root table */
    READ = EXO_MAP_READ, WRITABLE = EXO_MAP_READ | EXO_MAP_WRITE, RUNNABLE = EXO_MAP_READ | EXO_MAP_EXECUTE,
    LAZY = EXO_MAP_LAZY, LARGE = EXO_MAP_LARGE,
    HALF = EXO_SLOT_NS / 2,
};

static struct caller as(frame_name environment)
{
    return (struct caller){.self = environment, .environment = environment};
}

/* Straight to the handlers: before anything runs on the processors. */
static void grant(frame_name from, uint32_t slot, uint32_t target, uint32_t new_slot, uint32_t rights, uint32_t first, uint32_t count)
{
    struct caller caller = as(from);
    MUST(call_capability_derive(&caller, slot, target, new_slot, rights, first, count));
}

static void take(frame_name environment, uint32_t slot, frame_name frame)
{
    struct caller caller = as(environment);
    MUST(call_frame_take(&caller, slot, frame, 1));
}

static void table(frame_name environment, uint32_t slot, frame_name frame, uint32_t level)
{
    struct caller caller = as(environment);
    MUST(call_table_create(&caller, slot, frame, frame + 1, level));
}

static void map(frame_name environment, uint64_t address, frame_name in, frame_name frame, uint32_t slot, uint32_t flags)
{
    struct caller caller = as(environment);
    struct exo_mapping mapping = {.address = address, .table = in, .frame = frame, .capability = slot, .flags = flags};
    const uint64_t *words = WORDS_OF(mapping);
    MUST(call_space_bind(&caller, words[0], words[1], words[2], 0));
}

/* A has frames [10, 10 + count) in its slot 1 and, on processor 1, a virtual processor in slots of its slot 2. */
static void build_a(uint32_t rights, uint32_t count)
{
    world_reset(MACHINE_FRAMES, 2);
    world_environment(A_SLOT, A, A_CAPABILITIES);
    grant(ROOT, ROOT_FRAMES, A_SLOT, 1, rights, SPARE, count);
    grant(ROOT, ROOT_SLOTS, A_SLOT, 2, RIGHTS_GIVEN, SLOTS_PER_PROCESSOR, SLOTS_PER_PROCESSOR);
    world_vcpu(A_SLOT, 0, 1, 10, 11);
    table(A, 1, 13, 1);
    map(A, LOW, 11, 13, 0, READ);
    world_run(A_SLOT, 0, 2, 1);
}

/* ---- the root shares a frame with A, which binds it, uses it and shares it on; anyone withdraws */

static void build_sharing(void)
{
    build_a(RIGHTS_GIVEN, 6);
    take(ROOT, ROOT_FRAMES, 17);
    grant(ROOT, ROOT_FRAMES, A_SLOT, 3, EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, 17, 1);
    map(A, LOW, 13, 17, 3, WRITABLE);
    take(A, 1, 15);
    grant(ROOT, ROOT_SELF, A_SLOT, 5, EXO_RIGHT_READ, ROOT, 1);
}

static void list_sharing(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {1, 5}, {1, LATE});
    LIST(CAPABILITY_DERIVE, OF(1, 3), OF(0, A_SLOT), OF(3, 4), OF(EXO_RIGHT_READ, EXO_RIGHT_READ | EXO_RIGHT_WRITE, RIGHTS_GIVEN), OF(15, 17), OF(1));
    LIST(CAPABILITY_WITHDRAW, OF(0, 1, 3), OF(ROOT, A), OF(3, 4));
    LIST(FRAME_TAKE, OF(1), OF(15, 17, 18), OF(1, 2));
    LIST(FRAME_FREE, OF(1, 3), OF(15, 17), OF(1));
    LIST(FRAME_RETURN, OF(1), OF(15), OF(1));
    LIST(TABLE_CREATE, OF(1), OF(15, 18), OF(18, 17), OF(1));
    LIST_BATCH(SPACE_BIND, OF(LOW, HIGH), OF(13), OF(13, 15, 17), OF(1, 3, 4), OF(READ, WRITABLE, RUNNABLE, WRITABLE | RUNNABLE));
    LIST_BATCH(SPACE_PROTECT, OF(LOW, HIGH), OF(13), OF(0), OF(0), OF(READ, WRITABLE, WRITABLE | RUNNABLE, READ | LAZY));
    LIST_BATCH(SPACE_UNBIND, OF(LOW, HIGH), OF(13), OF(0), OF(0), OF(0, LAZY));
    LIST(SPACE_FLUSH);
    LIST_ACTION(TOUCH, OF(LOW, HIGH), OF(EXO_MAP_READ, EXO_MAP_WRITE));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- two withdrawals under way over the same frame, with a longer list of bindings than one step gets through */

static void build_withdrawal(void)
{
    build_a(RIGHTS_GIVEN, 8);
    take(ROOT, ROOT_FRAMES, 18);
    take(ROOT, ROOT_FRAMES, 19);
    for (uint32_t slot = 3; slot <= 4; slot++)
        grant(ROOT, ROOT_FRAMES, A_SLOT, slot, EXO_RIGHT_READ | EXO_RIGHT_WRITE, 18, slot - 2);
    table(A, 1, 15, 1);
    map(A, FAR, 11, 15, 0, READ);
    map(A, LOW, 13, 18, 3, WRITABLE);
    map(A, HIGH, 13, 18, 4, WRITABLE);
    map(A, LOW, 15, 18, 3, WRITABLE);
    machine.current = 1;
    machine_touch(1, LOW, EXO_MAP_WRITE);
    machine_touch(1, HIGH, EXO_MAP_WRITE);
    CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 3);
    CALL(CAPABILITY_WITHDRAW, ROOT_FRAMES, A, 4);
}

static void list_withdrawal(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {0, LATE});
    LIST(CAPABILITY_WITHDRAW, OF(0, 1), OF(A), OF(1, 3, 4, 5));
    LIST(CAPABILITY_DERIVE, OF(1), OF(0, A_SLOT), OF(3, 4, 5), OF(EXO_RIGHT_READ, EXO_RIGHT_READ | EXO_RIGHT_WRITE), OF(18, 19), OF(1, 2));
    LIST(FRAME_FREE, OF(1), OF(18), OF(1));
    LIST(FRAME_TAKE, OF(1), OF(18), OF(1));
    LIST_BATCH(SPACE_BIND, OF(LOW, HIGH), OF(13, 15), OF(18, 19), OF(3, 4, 5), OF(READ, WRITABLE));
    LIST_BATCH(SPACE_UNBIND, OF(LOW, HIGH), OF(13, 15), OF(0), OF(0), OF(0, LAZY));
    LIST_ACTION(TOUCH, OF(LOW, HIGH, FAR), OF(EXO_MAP_READ, EXO_MAP_WRITE));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- a chain of derivations over three environments on one processor, claims under it, and withdrawals anywhere in it */

static void build_chain(void)
{
    world_reset(MACHINE_FRAMES, 1);
    world_environment(A_SLOT, A, A_CAPABILITIES);
    world_environment(B_SLOT, B, B_CAPABILITIES);
    grant(ROOT, B_SLOT, A_SLOT, 5, EXO_RIGHT_READ | EXO_RIGHT_GRANT, B, 1);
    grant(ROOT, ROOT_FRAMES, A_SLOT, 1, RIGHTS_GIVEN, 10, 10);
    table(A, 1, 10, 1);
    grant(A, 1, 5, 1, RIGHTS_GIVEN, 12, 4);
    table(B, 1, 12, 1);
    take(B, 1, 14);
    grant(B, 1, 0, 2, EXO_RIGHT_READ | EXO_RIGHT_WRITE, 14, 1);
    map(B, LOW, 12, 14, 2, WRITABLE);
}

static void list_chain(void)
{
    LIST_ACTORS({0, 0}, {0, A_SLOT}, {0, B_SLOT}, {0, LATE});
    LIST(CAPABILITY_DERIVE, OF(1, 2), OF(0, 5), OF(2, 3), OF(EXO_RIGHT_READ, RIGHTS_GIVEN), OF(12, 14), OF(1, 3));
    LIST(CAPABILITY_WITHDRAW, OF(0, 1, 2), OF(ROOT, A, B), OF(1, 2, 3));
    LIST(REVOKE, OF(1, 2), OF(A, B), OF(1), OF(0, 1), OF(AFTER(0)));
    LIST(FRAME_TAKE, OF(1, 2, 3), OF(14, 15), OF(1));
    LIST(FRAME_FREE, OF(1, 2), OF(14), OF(1));
    LIST(FRAME_RETURN, OF(1, 2), OF(14), OF(1));
    LIST(FRAME_RECLAIM, OF(1), OF(12, 13, 14));
    LIST(TABLE_CREATE, OF(1, 2), OF(14), OF(15), OF(1));
    LIST(TABLE_FREE, OF(10, 12));
    LIST_BATCH(SPACE_BIND, OF(LOW, HIGH), OF(10, 12), OF(12, 14), OF(1, 2, 3), OF(READ, WRITABLE));
    LIST_BATCH(SPACE_UNBIND, OF(LOW, HIGH), OF(10, 12), OF(0), OF(0), OF(0));
    LIST(ENVIRONMENT_DESTROY, OF(A_SLOT, B_SLOT));
    LIST(ENVIRONMENT_REAP, OF(A, B));
}

/* ---- one space that two processors run: its tables, their entries, and what the processors remember of them */

static void build_tables(void)
{
    world_reset(MACHINE_FRAMES, 2);
    table(ROOT, ROOT_FRAMES, 10, 1);
    map(ROOT, LOW, ROOT_TABLE, 10, 0, READ);
    world_vcpu(0, 1, ROOT_FRAMES, 12, 0);
    take(ROOT, ROOT_FRAMES, 14);
    take(ROOT, ROOT_FRAMES, 15);
    map(ROOT, LOW, 10, 14, ROOT_FRAMES, WRITABLE);
    world_run(0, 1, ROOT_SLOTS, 1);
}

static void list_tables(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {0, LATE});
    LIST(FRAME_TAKE, OF(1), OF(10, 14), OF(1, 2));
    LIST(FRAME_FREE, OF(1), OF(14, 15), OF(1, 2));
    LIST(TABLE_CREATE, OF(1), OF(10, 14), OF(11, 15), OF(1, 2));
    LIST(TABLE_FREE, OF(ROOT_TABLE, 10, 14));
    LIST(ENVIRONMENT_SPACE, OF(10, 14));
    LIST_BATCH(SPACE_BIND, OF(LOW, FAR), OF(ROOT_TABLE), OF(10, 14), OF(0), OF(READ));
    LIST_BATCH(SPACE_BIND, OF(LOW), OF(ROOT_TABLE), OF(14), OF(1), OF(READ | LARGE, WRITABLE | LARGE));
    LIST_BATCH(SPACE_BIND, OF(LOW, HIGH), OF(10, 14), OF(ROOT_CAPABILITIES, ROOT_TABLE, 10, 14), OF(1), OF(READ, WRITABLE));
    LIST_BATCH(SPACE_PROTECT, OF(LOW), OF(ROOT_TABLE, 10), OF(0), OF(0), OF(READ, WRITABLE, READ | LAZY));
    LIST_BATCH(SPACE_UNBIND, OF(LOW, HIGH), OF(ROOT_TABLE, 10), OF(0), OF(0), OF(0, LAZY));
    LIST(LARGE_CREATE, OF(1), OF(14));
    LIST(LARGE_FREE, OF(14));
    LIST(SPACE_FLUSH);
    LIST_ACTION(TOUCH, OF(LOW, HIGH), OF(EXO_MAP_READ, EXO_MAP_WRITE));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- A gives back when asked, or does not: revocation, force, guaranteed sets */

static void build_force(void)
{
    build_a(RIGHTS_GIVEN, 8);
    take(A, 1, 16);
    map(A, HIGH, 13, 16, 1, WRITABLE);
    grant(ROOT, ROOT_FRAMES, A_SLOT, 3, RIGHTS_ALL, 18, 2);
    take(A, 3, 18);
}

static void list_force(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {0, LATE});
    LIST(REVOKE, OF(1, 2), OF(A, ROOT), OF(1, 2, 3), OF(0, 1, 2), OF(AFTER(0), AFTER(HALF), EXO_NEVER));
    LIST(FRAME_RECLAIM, OF(1), OF(10, 11, 13, 14, 16, 18));
    LIST(FRAME_RETURN, OF(1, 3), OF(16, 18), OF(1));
    LIST(FRAME_FREE, OF(1, 3), OF(16, 18), OF(1));
    LIST(FRAME_TAKE, OF(1, 3), OF(16, 18), OF(1));
    LIST(SLOT_RECLAIM, OF(2), OF(2, 3));
    LIST(SLOT_FREE, OF(2), OF(2, 3));
    LIST(SLOT_TAKE, OF(2), OF(2, 3), OF(0));
    LIST(CAPABILITY_WITHDRAW, OF(0, 1, 2), OF(A), OF(1, 2, 3));
    LIST_BATCH(SPACE_BIND, OF(HIGH), OF(13), OF(16, 18), OF(1, 3), OF(READ, WRITABLE));
    LIST_BATCH(SPACE_UNBIND, OF(HIGH), OF(13), OF(0), OF(0), OF(0, LAZY));
    LIST_ACTION(TOUCH, OF(HIGH), OF(EXO_MAP_READ, EXO_MAP_WRITE));
    LIST_ACTION(WAIT, OF(HALF / 2), OF(0));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- environments come and go, with their virtual processors, while one of them runs */

static void build_life(void)
{
    build_a(RIGHTS_GIVEN, 6);
    map(A, HIGH, 13, 10, 1, WRITABLE);
}

static void list_life(void)
{
    LIST_ACTORS({0, 0}, {0, A_SLOT}, {0, B_SLOT}, {1, 0}, {0, LATE});
    LIST(ENVIRONMENT_CREATE, OF(1), OF(B, A), OF(B_SLOT));
    LIST(ENVIRONMENT_EXTEND, OF(0, A_SLOT, B_SLOT), OF(1), OF(5, 6), OF(0));
    LIST(ENVIRONMENT_DESTROY, OF(A_SLOT, B_SLOT));
    LIST(ENVIRONMENT_REAP, OF(A, B));
    LIST(ENVIRONMENT_SPACE, OF(11));
    LIST(CAPABILITY_DERIVE, OF(1, A_SLOT), OF(0, A_SLOT, B_SLOT), OF(1, 3, 5), OF(RIGHTS_GIVEN), OF(A, 16), OF(1, 2));
    LIST(CAPABILITY_WITHDRAW, OF(0, 1, A_SLOT), OF(ROOT, A), OF(1, 3, A_SLOT));
    LIST(VCPU_CREATE, OF(0, 1), OF(1), OF(10, 16), OF(CONTEXT_ADDRESS));
    LIST(VCPU_ENTRY, OF(0, 1), OF(EXO_ENTRY_EVENT), OF(0x1000));
    LIST(VCPU_START, OF(0, 1));
    LIST(VCPU_STOP, OF(0, 1));
    LIST(SLOT_TAKE, OF(2), OF(2), OF(0));
    LIST_BATCH(SPACE_BIND, OF(HIGH), OF(13), OF(A, A_CAPABILITIES, 10, 11), OF(1, 3), OF(READ, WRITABLE));
    LIST_ACTION(TOUCH, OF(HIGH), OF(EXO_MAP_WRITE));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- time: slots, slices, loans, directed yields, sleep and timers */

static void build_time(void)
{
    build_a(RIGHTS_GIVEN, 6);
    world_vcpu(A_SLOT, 1, 1, 15, 0);
    grant(ROOT, A_SLOT, 0, 5, EXO_RIGHT_RUN, A, 1);
}

static void list_time(void)
{
    LIST_ACTORS({0, 0}, {1, 0});
    LIST(SLOT_TAKE, OF(2), OF(0, 1, 2, 3), OF(0, 1));
    LIST(SLOT_FREE, OF(2), OF(1, 2));
    LIST(SLOT_LEND, OF(2), OF(1, 2, 3), OF(0, 5), OF(0, 1, 2));
    LIST(SLICE_YIELD);
    LIST(SLICE_YIELD_TO, OF(0, 5), OF(0, 1));
    LIST(SLICE_SLEEP, OF(EXO_NEVER, AFTER(HALF)), OF(0, EXO_EVENT_TIMER), OF(0));
    LIST(SLICE_SLEEP_ON, OF(EXO_NEVER), OF(0), OF(0, 1), OF(1), OF(13), OF(0));
    LIST(SLICE_NOTIFY, OF(0, 5), OF(0, 1));
    LIST(TIMER_SET, OF(EXO_NEVER, AFTER(HALF)));
    LIST(VCPU_STOP, OF(0, 1));
    LIST_ACTION(TIMER, OF(0), OF(0));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
    LIST_ACTION(ACCEPT, OF(0), OF(0));
    LIST_ACTION(WAIT, OF(EXO_GRACE_NS / 2), OF(0));
}

/* ---- control transfer: A's virtual processors serve gates that the root holds */

static void build_gates(void)
{
    build_a(RIGHTS_GIVEN, 6);
    world_vcpu(A_SLOT, 1, 1, 15, 0);
    grant(ROOT, A_SLOT, A_SLOT, 3, EXO_RIGHT_READ, A, 1);
    MUST(CALL_ON(1, GATE_CREATE, 0, 1, 0x1000, 0x2000, 4));
    struct caller caller = as(A);
    grant(ROOT, ROOT_SELF, A_SLOT, 5, EXO_RIGHT_GRANT, ROOT, 1);
    MUST(call_capability_derive(&caller, 4, 5, 5, RIGHTS_GIVEN & ~EXO_RIGHT_READ & ~EXO_RIGHT_TAKE, A * GATES_PER_ENVIRONMENT, 7));
}

static void list_gates(void)
{
    LIST_ACTORS({0, 0}, {1, 0});
    LIST(GATE_CREATE, OF(0), OF(0, 1), OF(0x1000), OF(0x2000), OF(4));
    LIST(GATE_CALL, OF(4, 5));
    LIST(GATE_REPLY, OF(0, 1));
    LIST(GATE_SEND, OF(4, 5), OF(1));
    LIST(SLICE_SLEEP, OF(EXO_NEVER), OF(0, EXO_EVENT_MESSAGE), OF(0, 1));
    LIST(SLICE_YIELD);
    LIST(SLICE_YIELD_TO, OF(0), OF(0, 1));
    LIST(TIMER_SET, OF(AFTER(HALF)));
    LIST(SLOT_TAKE, OF(2), OF(2, 3), OF(0, 1));
    LIST(VCPU_STOP, OF(0, 1));
    LIST(VCPU_START, OF(0, 1));
    LIST(CAPABILITY_WITHDRAW, OF(0, 4), OF(ROOT, A), OF(4, 5));
    LIST(ENVIRONMENT_DESTROY, OF(A_SLOT));
    LIST(ENVIRONMENT_REAP, OF(A));
    LIST_ACTION(TIMER, OF(0), OF(0));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
    LIST_ACTION(ACCEPT, OF(0), OF(0));
}

/* ---- flows: the root's, those that A claims, with leave and without, and the ends of both. A pattern of shape ANY matches each packet,
 * one of shape STATION those that this station sends. */

enum { SHAPE_ANY, SHAPE_STATION, ROOT_FLOWS = 5, A_FLOWS = 3, A_LEAVE = 4, STATION_AT = 6, STATION_SIZE = 6 };

static void shape_set(uint32_t shape, uint8_t byte)
{
    struct caller caller = as(ROOT);
    uint8_t *mask = (uint8_t *)context_page(vcpu_at(ROOT * VCPUS_PER_ENVIRONMENT)->context)->batch;
    machine.current = 0;
    memset(mask, 0, EXO_HEADER_SIZE);
    memset(mask + STATION_AT, byte, STATION_SIZE);
    MUST(call_net_shape(&caller, ROOT_FLOWS, shape));
    memset(mask, 0, EXO_HEADER_SIZE);
}

static void build_flows(void)
{
    build_a(RIGHTS_GIVEN, 6);
    world_hold(ROOT_FLOWS, EXO_KIND_FLOWS, RIGHTS_ALL, 0, FLOW_LIMIT);
    shape_set(SHAPE_ANY, 0);
    shape_set(SHAPE_STATION, 0xff);
    grant(ROOT, ROOT_FLOWS, A_SLOT, A_FLOWS, RIGHTS_GIVEN, 1, 2);
    grant(ROOT, ROOT_FLOWS, A_SLOT, A_LEAVE, EXO_RIGHT_READ | EXO_RIGHT_GRANT, 0, 1);
}

static void list_flows(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {0, A_SLOT});
    LIST(FLOW_CLAIM, OF(A_FLOWS, ROOT_FLOWS), OF(0, 1, 2), OF(SHAPE_ANY, SHAPE_STATION, SHAPE_ANY | SHAPE_STATION << 8, SHAPE_STATION | SHAPE_STATION << 8),
         OF(0, A_FLOWS, A_LEAVE, ROOT_FLOWS), OF(0, 1));
    LIST(FLOW_OPEN, OF(A_FLOWS, ROOT_FLOWS), OF(0, 1, 2));
    LIST(FLOW_FREE, OF(A_FLOWS, A_LEAVE, ROOT_FLOWS), OF(0, 1, 2));
    LIST(FLOW_ATTACH, OF(A_FLOWS, A_LEAVE, ROOT_FLOWS), OF(0, 1, 2), OF(0));
    LIST(CAPABILITY_DERIVE, OF(A_FLOWS, ROOT_FLOWS), OF(0, A_SLOT), OF(A_FLOWS, A_LEAVE), OF(EXO_RIGHT_GRANT, RIGHTS_GIVEN), OF(0, 1), OF(1, 2));
    LIST(CAPABILITY_WITHDRAW, OF(0, ROOT_FLOWS), OF(A), OF(A_FLOWS, A_LEAVE));
    LIST(REVOKE, OF(ROOT_FLOWS), OF(A), OF(A_FLOWS), OF(0, 1), OF(AFTER(0)));
    LIST(ENVIRONMENT_DESTROY, OF(A_SLOT));
    LIST(ENVIRONMENT_REAP, OF(A));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- rings and blocks: requests under way while their frames, blocks and askers go */

static void build_devices(void)
{
    build_a(RIGHTS_GIVEN, 8);
    machine.disk_device[0].present = 1;
    machine.disk_device[0].info = (struct exo_disk){.flags = EXO_DISK_PRESENT | EXO_DISK_CAN_FLUSH, .blocks = 4, .request_blocks = 1};
    disk_start();
    world_hold(DISK_EXTENT, EXO_KIND_EXTENT, RIGHTS_ALL, 0, 4);
    grant(ROOT, DISK_EXTENT, A_SLOT, DISK_EXTENT, RIGHTS_GIVEN, DISK_BLOCK, 2);
    struct caller caller = as(A);
    MUST(call_ring_create(&caller, 0, 1, 15, 16, 0));
    take(A, 1, 17);
}

static void list_devices(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {0, A_SLOT});
    LIST(RING_CREATE, OF(0), OF(1), OF(15), OF(15, 16, 17), OF(0));
    LIST(RING_FREE, OF(0, 1));
    LIST(DISK_SUBMIT, OF(0, 1));
    LIST(FRAME_TAKE, OF(1), OF(15, 17), OF(1, 2));
    LIST(FRAME_FREE, OF(1), OF(15, 17), OF(1));
    LIST(FRAME_RETURN, OF(1), OF(17), OF(1));
    LIST(FRAME_RECLAIM, OF(1), OF(15, 16, 17));
    LIST(REVOKE, OF(1, DISK_EXTENT), OF(A), OF(1, DISK_EXTENT), OF(0, 1), OF(AFTER(0)));
    LIST(CAPABILITY_WITHDRAW, OF(0, 1, DISK_EXTENT), OF(A), OF(1, DISK_EXTENT));
    LIST(CAPABILITY_DERIVE, OF(DISK_EXTENT), OF(A_SLOT), OF(DISK_EXTENT), OF(EXO_RIGHT_READ, RIGHTS_GIVEN), OF(DISK_BLOCK), OF(1));
    LIST(ENVIRONMENT_DESTROY, OF(A_SLOT));
    LIST(ENVIRONMENT_REAP, OF(A));
    LIST_BATCH(SPACE_BIND, OF(HIGH), OF(13), OF(15, 16, 17), OF(1), OF(WRITABLE));
    LIST_BATCH(SPACE_UNBIND, OF(HIGH), OF(13), OF(0), OF(0), OF(0));
    LIST_ACTION(ASK, OF(EXO_DISK_READ, EXO_DISK_WRITE, EXO_DISK_FLUSH), OF(17));
    LIST_ACTION(ANSWER, OF(0, 1), OF(0));
    LIST_ACTION(ACCEPT, OF(0), OF(0));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- rings for packets, whose frames are given and taken back */

static void build_packets(void)
{
    build_a(RIGHTS_GIVEN, 8);
    world_hold(ROOT_FLOWS, EXO_KIND_FLOWS, RIGHTS_ALL, 0, FLOW_LIMIT);
    shape_set(SHAPE_ANY, 0);
    grant(ROOT, ROOT_FLOWS, A_SLOT, A_FLOWS, RIGHTS_GIVEN, 1, 2);
}

static void list_packets(void)
{
    LIST_ACTORS({0, 0}, {1, 0}, {0, A_SLOT});
    LIST(NET_SHAPE, OF(A_FLOWS, ROOT_FLOWS), OF(SHAPE_ANY, SHAPE_STATION));
    LIST(NET_RING_CREATE, OF(1), OF(15, 16), OF(0));
    LIST(NET_RING_FREE, OF(15, 16));
    LIST(NET_SEND, OF(15, 16));
    LIST(FLOW_CLAIM, OF(A_FLOWS, ROOT_FLOWS), OF(1), OF(SHAPE_ANY), OF(0), OF(0));
    LIST(FLOW_OPEN, OF(A_FLOWS, ROOT_FLOWS), OF(1));
    LIST(FLOW_FREE, OF(A_FLOWS, ROOT_FLOWS), OF(1));
    LIST(FLOW_ATTACH, OF(A_FLOWS, ROOT_FLOWS), OF(1), OF(0, 15, 16));
    LIST(FLOW_HANDLER, OF(A_FLOWS, ROOT_FLOWS), OF(1), OF(0, 1), OF(0, 15), OF(0, 1));
    LIST(FRAME_TAKE, OF(1), OF(15, 16), OF(1, 2));
    LIST(FRAME_FREE, OF(1), OF(15, 16), OF(1, 2));
    LIST(FRAME_RECLAIM, OF(1), OF(15, 16, 17));
    LIST(REVOKE, OF(1, ROOT_FLOWS), OF(A), OF(1, A_FLOWS), OF(0, 1), OF(AFTER(0)));
    LIST(CAPABILITY_WITHDRAW, OF(0, 1, ROOT_FLOWS), OF(A), OF(1, A_FLOWS));
    LIST(ENVIRONMENT_DESTROY, OF(A_SLOT));
    LIST(ENVIRONMENT_REAP, OF(A));
    LIST_BATCH(SPACE_BIND, OF(HIGH), OF(13), OF(15, 16), OF(1), OF(WRITABLE));
    LIST_BATCH(SPACE_UNBIND, OF(HIGH), OF(13), OF(0), OF(0), OF(0));
    LIST_ACTION(INTERRUPT, OF(0), OF(0));
}

/* ---- the console's labels and the machine's end, under capabilities that are narrowed and withdrawn */

enum { CONSOLE = 4, MACHINE = 5, NARROWED = 2, NAME = 'n' };

static void build_console(void)
{
    world_reset(MACHINE_FRAMES, 1);
    world_hold(CONSOLE, EXO_KIND_CONSOLE, RIGHTS_GIVEN, 0, 0);
    world_hold(MACHINE, EXO_KIND_MACHINE, RIGHTS_GIVEN, 0, 0);
}

static void list_console(void)
{
    LIST_ACTORS({0, 0}, {0, LATE});
    LIST(NULL);
    LIST(CONSOLE_WRITE, OF(0, 1, NARROWED, CONSOLE), OF(0, 1, 256, 257));
    LIST(CONSOLE_READ, OF(1, NARROWED, CONSOLE));
    LIST(MACHINE_EXIT, OF(1, NARROWED, MACHINE), OF(3));
    LIST(CAPABILITY_DERIVE, OF(NARROWED, CONSOLE, MACHINE), OF(0), OF(NARROWED), OF(EXO_RIGHT_READ, EXO_RIGHT_WRITE, RIGHTS_GIVEN), OF(0, NAME), OF(0, 1));
    LIST(CAPABILITY_WITHDRAW, OF(0), OF(ROOT), OF(NARROWED, CONSOLE, MACHINE));
}

const struct scope scopes[] = {
    {"console", build_console, list_console},
    {"devices", build_devices, list_devices},
    {"packets", build_packets, list_packets},
    {"flows", build_flows, list_flows},
    {"sharing", build_sharing, list_sharing}, {"chain", build_chain, list_chain}, {"tables", build_tables, list_tables},
    {"force", build_force, list_force},       {"life", build_life, list_life},    {"time", build_time, list_time},
    {"gates", build_gates, list_gates},       {"withdrawal", build_withdrawal, list_withdrawal},
};
const uint32_t scope_count = sizeof scopes / sizeof *scopes;
