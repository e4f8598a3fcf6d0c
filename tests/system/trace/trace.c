/* The kernel's trace rings: who was given them may read them, and what happens stands there in order. */
#include <check.h>
#include <fault.h>
#include <memory.h>
#include <offspring.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define RING_ADDRESS 0x30000000ull
#define WILD_ADDRESS 0x2bad0000ull

enum { RECORDS_MOST = 4096, CHILD_SLOT = 70 };

static struct exo_trace_record copy[RECORDS_MOST];
static const struct exo_start_capability *rings;
static struct offspring faulty;

static uint32_t records_per_ring(void)
{
    return exo_system_info()->trace_frames * (EXO_FRAME_SIZE / sizeof(struct exo_trace_record));
}

static const volatile struct exo_trace_record *ring(uint32_t processor)
{
    return (const volatile struct exo_trace_record *)RING_ADDRESS + processor * records_per_ring();
}

/* The ring as it is now, the oldest first; those being written meanwhile are left out. Returns how many. */
static uint32_t ring_copy(uint32_t processor)
{
    uint32_t count = records_per_ring(), newest = 0, kept = 0;

    for (uint32_t i = 0; i < count; i++)
        if (ring(processor)[i].sequence > newest)
            newest = ring(processor)[i].sequence;
    uint32_t oldest = newest > count ? newest - count + 1 : 1;
    for (uint32_t sequence = oldest; sequence && sequence <= newest && kept < RECORDS_MOST; sequence++)
        for (uint32_t i = 0; i < count; i++)
            if (ring(processor)[i].sequence == sequence)
                copy[kept++] = ring(processor)[i];
    return kept;
}

/* Is there a record of this event about this? 0: any. */
static bool record_exists(uint16_t event, uint32_t vcpu, uint32_t detail, uint64_t value)
{
    for (uint32_t processor = 0; processor < exo_system_info()->processor_count; processor++)
        for (uint32_t i = 0; i < records_per_ring(); i++) {
            struct exo_trace_record record = ring(processor)[i];
            if (record.event == event && (!vcpu || record.vcpu == vcpu) && (!detail || record.detail == detail) &&
                (!value || record.value == value))
                return true;
        }
    return false;
}

static bool the_rings_are_readable_but_not_writable(void)
{
    uint32_t table = exo_space_table(&memory_space, RING_ADDRESS);
    bool fine = check_equal("read", fault_at_read(RING_ADDRESS), false);

    fine &= check_equal("write", fault_at_write(RING_ADDRESS), true);
    fine &= check_equal("protect", memory_protect(RING_ADDRESS, table, EXO_MAP_READ | EXO_MAP_WRITE), EXO_NO_RIGHT);
    for (uint32_t i = 0; i < rings->count; i++) {
        fine &= check_refused("bind writable", memory_bind(RING_ADDRESS + 0x100000, table, rings->first + i,
                                                           rings->slot, EXO_MAP_READ | EXO_MAP_WRITE));
        fine &=
            check_refused("bind by another capability", memory_bind(RING_ADDRESS + 0x100000, table, rings->first + i,
                                                                    memory_frames.capability, EXO_MAP_READ));
        fine &= check_refused("take", exo_frame_take(0, rings->slot, rings->first + i, 1));
        fine &= check_equal("kind", exo_frame_info(rings->first + i)->kind, EXO_FRAME_TRACE);
    }
    return fine;
}

static bool records_stand_in_order(void)
{
    bool fine = true;

    for (uint32_t round = 0; round < 50; round++) {
        exo_yield();
        for (uint32_t processor = 0; processor < exo_system_info()->processor_count; processor++) {
            uint32_t count = ring_copy(processor), wrong = 0;
            for (uint32_t i = 1; i < count; i++) {
                wrong += copy[i].time < copy[i - 1].time;
                wrong += copy[i].sequence <= copy[i - 1].sequence;
                wrong += copy[i].processor != processor;
            }
            fine &= check_equal("records out of order", wrong, 0);
            if (round > 10 && processor == 0)
                fine &= check_equal("some records", count > 10, true);
        }
    }
    return fine;
}

static bool an_own_start_is_recorded(void)
{
    uint32_t vcpu = exo_start.environment * EXO_VCPUS_PER_ENVIRONMENT, found = 0;
    uint64_t before = exo_time();

    exo_yield();
    uint64_t after = exo_time();
    uint32_t count = ring_copy(0);
    for (uint32_t i = 0; i < count; i++)
        found += copy[i].event == EXO_TRACE_SWITCH && copy[i].vcpu == vcpu && copy[i].time >= before &&
                 copy[i].time <= after;
    return check_equal("starts between the two times", found > 0, true);
}

static bool the_making_and_the_end_of_an_environment_are_recorded(void)
{
    uint32_t frame = exo_frame_find(&memory_frames);
    int64_t result;

    do
        result = exo_environment_create(0, memory_frames.capability, frame, CHILD_SLOT);
    while (exo_again(result));
    check_must("environment_create", result);
    bool fine = check_equal("created", record_exists(EXO_TRACE_CREATE, 0, frame, 0), true);
    fine &= check_equal("end", exo_child_end(CHILD_SLOT, frame), EXO_OK);
    return fine & check_equal("destroyed", record_exists(EXO_TRACE_DESTROY, 0, frame, 0), true);
}

static bool a_fault_that_stops_is_recorded(void)
{
    const struct exo_start_capability *time = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, 1));
    uint32_t number;

    offspring_make(&faulty, 0, time->first, time->count);
    if (!offspring_run(&faulty)) {
        exo_vcpu_entry(0, 0, EXO_ENTRY_EXCEPTION, 0);
        *(volatile uint8_t *)WILD_ADDRESS = 1;
    }
    bool fine = check_equal("its creator is told", offspring_wait(exo_time() + 20000000000, &number), OFFSPRING_FAULTED);
    fine &= check_equal("recorded",
                        record_exists(EXO_TRACE_FAULT, faulty.child.frame * EXO_VCPUS_PER_ENVIRONMENT, FAULT_PAGE,
                                      WILD_ADDRESS),
                        true);
    return fine & check_equal("end", offspring_end(&faulty, time->first, time->count), EXO_OK);
}

int main(void)
{
    static const struct check_case cases[] = {
        CASE(the_rings_are_readable_but_not_writable),
        CASE(records_stand_in_order),
        CASE(an_own_start_is_recorded),
        CASE(the_making_and_the_end_of_an_environment_are_recorded),
        CASE(a_fault_that_stops_is_recorded),
    };

    memory_open();
    fault_begin();
    offspring_open();
    for (uint32_t n = 0; exo_start_slot(EXO_KIND_FRAMES, n); n++)
        if (exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, n))->first == exo_system_info()->trace_frame)
            rings = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, n));
    check_must("a capability to the rings", rings ? EXO_OK : EXO_BAD_CAPABILITY);
    check_must("the rings",
               exo_space_map(&memory_space, RING_ADDRESS, rings->first, rings->count, rings->slot, EXO_MAP_READ));
    check_run(CASES(cases));
    return check_status();
}
