/* Reading, writing and executing what is not the attacker's, or not meant for that. */
#include "attack.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { TOP_ENTRIES = 256 };

static uint32_t data_frame;

static bool page_is_closed(uint64_t address)
{
    bool fine = check_equal("read of the kernel's half", fault_at_read(address), true);
    fine &= check_equal("vector", fault_last.vector, FAULT_PAGE);
    fine &= check_equal("write of the kernel's half", fault_at_write(address), true);
    fine &= check_equal("execution of the kernel's half", fault_at_execute(address), true);
    return fine;
}

/* Every 512 GiB of the upper half, at several places within each; in 510 are the tables that all may read. */
static bool kernel_addresses_are_not_readable(void)
{
    bool fine = true;

    for (uint64_t top = TOP_ENTRIES; top < 2 * TOP_ENTRIES; top++) {
        uint64_t base = 0xffff000000000000 | top << 39;
        if (base == EXO_SYSTEM_ADDRESS)
            continue;
        for (uint32_t i = 0; i < 8; i++)
            fine &= page_is_closed(base + i * 0x10000000);
    }
    return fine;
}

static bool kernel_image_is_not_readable(void)
{
    bool fine = true;

    for (uint64_t address = 0xffffffff80000000; address < 0xffffffff80200000; address += EXO_FRAME_SIZE)
        fine &= page_is_closed(address);
    return fine;
}

static bool frames_of_others_are_not_readable_in_the_direct_map(void)
{
    bool fine = true;

    for (uint32_t frame = 1; frame < exo_system_info()->frame_count; frame += 13)
        fine &= check_equal("read", fault_at_read(0xffff800000000000 + (uint64_t)frame * EXO_FRAME_SIZE), true);
    return fine;
}

static bool exposed_tables_cannot_be_written(void)
{
    const uint64_t places[] = {
        EXO_SYSTEM_ADDRESS, EXO_PROCESSORS_ADDRESS, EXO_SLOTS_ADDRESS, EXO_FRAMES_ADDRESS,
        (uint64_t)exo_frame_info(exo_start.environment), (uint64_t)exo_slot_info(1),
    };
    bool fine = true;

    for (uint32_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        fine &= check_equal("write", fault_at_write(places[i]), true);
        fine &= check_equal("error", fault_last.error, FAULT_PRESENT | FAULT_WRITE | FAULT_USER);
        fine &= check_equal("execution", fault_at_execute(places[i]), true);
    }
    return fine;
}

static bool nothing_lies_behind_the_exposed_tables(void)
{
    uint64_t end = (uint64_t)exo_frame_info(exo_system_info()->frame_count) + EXO_FRAME_SIZE;
    bool fine = true;

    for (uint32_t i = 0; i < 64; i++)
        fine &= check_equal("behind the frame table", fault_at_read((end | 0xfff) + 1 + i * 0x100000), true);
    return fine & check_equal("behind the slot table", fault_at_read(EXO_SLOTS_ADDRESS + 0x100000), true);
}

static bool addresses_that_are_none_are_protection_faults(void)
{
    bool fine = check_equal("read", fault_at_read(0x800000000000), true);
    fine &= check_equal("vector", fault_last.vector, FAULT_PROTECTION);
    fine &= check_equal("read", fault_at_read(0xfffe000000000000), true);
    return fine & check_equal("vector", fault_last.vector, FAULT_PROTECTION);
}

static bool data_cannot_be_executed(void)
{
    *(volatile uint8_t *)ATTACK_ADDRESS = 0xc3; /* ret */
    bool fine = check_equal("execution", fault_at_execute(ATTACK_ADDRESS), true);
    fine &= check_equal("error", fault_last.error & FAULT_FETCH, FAULT_FETCH);
    return fine & check_equal("execution of the stack", fault_at_execute((uint64_t)&fine), true);
}

static bool code_cannot_be_written(void)
{
    bool fine = check_equal("write", fault_at_write((uint64_t)data_cannot_be_executed), true);
    return fine & check_equal("write of constants", fault_at_write((uint64_t)"constant"), true);
}

static bool writable_and_executable_at_once_is_refused(void)
{
    uint32_t table = exo_space_table(&memory_space, ATTACK_ADDRESS);
    uint32_t all = EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXECUTE;
    bool fine =
        check_equal("bind", memory_bind(ATTACK_ADDRESS + 0x1000, table, data_frame, memory_frames.capability, all),
                    EXO_BAD_ARGUMENT);

    fine &= check_equal("protect", memory_protect(ATTACK_ADDRESS, table, all), EXO_BAD_ARGUMENT);
    fine &= check_equal("without read", memory_protect(ATTACK_ADDRESS, table, EXO_MAP_WRITE), EXO_BAD_ARGUMENT);
    return fine;
}

static bool a_page_made_executable_is_no_longer_writable(void)
{
    uint32_t table = exo_space_table(&memory_space, ATTACK_ADDRESS);

    *(volatile uint8_t *)ATTACK_ADDRESS = 0xc3;
    bool fine = check_equal("protect", memory_protect(ATTACK_ADDRESS, table, EXO_MAP_READ | EXO_MAP_EXECUTE), 1);
    fine &= check_equal("write", fault_at_write(ATTACK_ADDRESS), true);
    fine &= check_equal("execution", fault_at_execute(ATTACK_ADDRESS), false);
    fine &= check_equal("protect", memory_protect(ATTACK_ADDRESS, table, EXO_MAP_READ | EXO_MAP_WRITE), 1);
    fine &= check_equal("execution", fault_at_execute(ATTACK_ADDRESS), true);
    return fine & check_equal("write", fault_at_write(ATTACK_ADDRESS), false);
}

static bool protection_goes_no_further_than_the_capability(void)
{
    uint32_t table = exo_space_table(&memory_space, ATTACK_ADDRESS);
    uint64_t address = ATTACK_ADDRESS + 0x2000;
    uint16_t weak = 100;

    check_must("derive", exo_capability_derive(0, memory_frames.capability, 0, weak, EXO_RIGHT_READ, data_frame, 1));
    bool fine = check_equal("writable", memory_bind(address, table, data_frame, weak, EXO_MAP_READ | EXO_MAP_WRITE),
                            EXO_NO_RIGHT);
    fine &= check_equal("executable", memory_bind(address, table, data_frame, weak, EXO_MAP_READ | EXO_MAP_EXECUTE),
                        EXO_NO_RIGHT);
    fine &= check_equal("another", memory_bind(address, table, data_frame + 1, weak, EXO_MAP_READ), EXO_BAD_CAPABILITY);
    fine &= check_equal("readable", memory_bind(address, table, data_frame, weak, EXO_MAP_READ), 1);
    fine &= check_equal("to writable", memory_protect(address, table, EXO_MAP_READ | EXO_MAP_WRITE), EXO_NO_RIGHT);
    fine &= check_equal("to executable", memory_protect(address, table, EXO_MAP_READ | EXO_MAP_EXECUTE), EXO_NO_RIGHT);
    fine &= check_equal("write", fault_at_write(address), true);
    fine &= check_equal("drop", exo_drop(weak), EXO_OK);
    return fine & check_equal("read after the drop", fault_at_read(address), true);
}

void attack_memory(void)
{
    static const struct check_case cases[] = {
        CASE(kernel_addresses_are_not_readable),
        CASE(kernel_image_is_not_readable),
        CASE(frames_of_others_are_not_readable_in_the_direct_map),
        CASE(exposed_tables_cannot_be_written),
        CASE(nothing_lies_behind_the_exposed_tables),
        CASE(addresses_that_are_none_are_protection_faults),
        CASE(data_cannot_be_executed),
        CASE(code_cannot_be_written),
        CASE(writable_and_executable_at_once_is_refused),
        CASE(a_page_made_executable_is_no_longer_writable),
        CASE(protection_goes_no_further_than_the_capability),
    };
    data_frame = memory_page(ATTACK_ADDRESS);
    check_run(CASES(cases));
    memory_page_end(ATTACK_ADDRESS, data_frame);
}
