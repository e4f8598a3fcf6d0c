/*
 * Naming what is others': their frames, slots, environments, gates and capabilities are known to everybody from the
 * exposed tables, so naming them must not be enough.
 */
#include "attack.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { SPARE_SLOT = 100, STALE_SLOT = 102, DEEPER_SLOT = 103, SUBJECTS = 4096 };

bool capability_is_mine(uint32_t slot)
{
    return exo_start_capability((uint16_t)slot) != 0;
}

static bool range_is_mine(enum exo_kind kind, uint32_t name)
{
    uint16_t slot;

    for (uint32_t n = 0; (slot = exo_start_slot(kind, n)); n++)
        if (name - exo_start_capability(slot)->first < exo_start_capability(slot)->count)
            return true;
    return false;
}

bool frame_is_mine(uint32_t frame)
{
    return range_is_mine(EXO_KIND_FRAMES, frame);
}

bool slot_is_mine(uint32_t slot)
{
    return range_is_mine(EXO_KIND_SLOTS, slot);
}

/* Every frame of the machine that is not the attacker's own. */
static bool each_foreign_frame(bool (*attack)(uint32_t frame, uint16_t capability))
{
    bool fine = true;

    for (uint32_t frame = 0; frame < exo_system_info()->frame_count; frame++)
        if (!frame_is_mine(frame))
            fine &= attack(frame, memory_frames.capability);
    const uint32_t beyond[] = {
        exo_system_info()->frame_count, EXO_FRAME_LIMIT - 1, EXO_FRAME_LIMIT, 0x7fffffff, 0x80000000, 0xffffffff
    };
    for (uint32_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        fine &= attack(beyond[i], memory_frames.capability);
    return fine;
}

static bool bind_is_refused(uint32_t frame, uint16_t capability)
{
    uint32_t table = exo_space_table(&memory_space, ATTACK_ADDRESS);
    uint64_t address = ATTACK_ADDRESS + 0x10000;
    uint16_t self = exo_start_slot(EXO_KIND_ENVIRONMENT, 0);
    bool fine = check_refused("readable", memory_bind(address, table, frame, capability, EXO_MAP_READ));

    fine &= check_refused("writable", memory_bind(address, table, frame, capability, EXO_MAP_READ | EXO_MAP_WRITE));
    fine &= check_refused("without capability", memory_bind(address, table, frame, 0, EXO_MAP_READ));
    if (frame != exo_start.environment)
        fine &= check_refused("as an environment", memory_bind(address, table, frame, self, EXO_MAP_READ));
    return fine;
}

static bool frames_of_others_are_not_bound(void)
{
    return each_foreign_frame(bind_is_refused);
}

/* An entry of a batch for several pages, the last of them with a frame that is not the attacker's. */
static bool frames_behind_the_own_are_not_bound_with_them(void)
{
    uint32_t table = exo_space_table(&memory_space, ATTACK_ADDRESS);
    uint32_t last = memory_frames.first + memory_frames.count - 1, most[] = { 1, 7, 400, 0x1ff, 0x200, 0xffffffff };
    uint64_t address = ATTACK_ADDRESS + 0x40000;
    bool fine = true;
    int64_t taken;

    do
        taken = exo_frame_take(0, memory_frames.capability, last, 1);
    while (exo_again(taken));
    check_must("the last frame", taken);
    for (uint32_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        int64_t bound = memory_bind_many(address, table, last, most[i], EXO_MAP_READ | EXO_MAP_WRITE);
        fine &= check_equal("pages bound", bound < 0 || bound == 1, true);
        fine &= check_equal("the page behind", fault_at_read(address + EXO_FRAME_SIZE), true);
        if (bound == 1)
            check_must("unbind", memory_unbind(address, table, 0));
    }
    fine &= check_equal("behind the table's end",
                        memory_bind_many(address | 0x1ff000, table, last, 1, EXO_MAP_READ) < 2, true);
    return fine & check_equal("free", exo_frame_release(&memory_frames, last), 1);
}

static bool taking_is_refused(uint32_t frame, uint16_t capability)
{
    bool fine = check_refused("frame_take", exo_frame_take(0, capability, frame, 1));

    fine &= check_refused("frame_free", exo_frame_free(0, capability, frame, 1));
    fine &= check_refused("frame_return", exo_frame_return(0, capability, frame, 1));
    fine &= check_refused("frame_reclaim", exo_frame_reclaim(0, capability, frame));
    fine &= check_refused("large_create", exo_large_create(0, capability, frame));
    return fine & check_refused("large_free", exo_large_free(0, frame));
}

static bool frames_of_others_are_not_taken_freed_or_reclaimed(void)
{
    return each_foreign_frame(taking_is_refused);
}

static bool donating_is_refused(uint32_t frame, uint16_t capability)
{
    uint32_t own = exo_frame_find(&memory_frames);
    bool fine = true;

    for (uint8_t level = 1; level <= 4; level++) {
        fine &= check_refused("as a table", exo_table_create(0, capability, frame, own, level));
        fine &= check_refused("as a shadow", exo_table_create(0, capability, own, frame, level));
    }
    fine &= check_refused("as an environment", exo_environment_create(0, capability, frame, SPARE_SLOT));
    fine &= check_refused("as a capability table", exo_environment_extend(0, capability, frame, 9));
    return fine & check_refused("as a context page", exo_vcpu_create(0, 7, capability, frame, ATTACK_ADDRESS));
}

static bool frames_of_others_do_not_become_kernel_pages(void)
{
    return each_foreign_frame(donating_is_refused);
}

static bool table_use_is_refused(uint32_t frame, uint16_t capability)
{
    bool fine = true;

    if (frame == exo_start.table4)
        return true;
    fine &= check_refused("as the own space", exo_environment_space(0, frame));
    fine &= check_refused("table_free", exo_table_free(0, frame));
    fine &= check_refused("bind in it", memory_bind(ATTACK_ADDRESS, frame, memory_frames.first, capability,
                                                    EXO_MAP_READ | EXO_MAP_WRITE));
    fine &= check_refused("protect in it", memory_protect(0x400000, frame, EXO_MAP_READ | EXO_MAP_WRITE));
    fine &= check_refused("unbind in it", memory_unbind(0x400000, frame, 0));
    return fine & check_refused("as a table below the own",
                                memory_bind(0x8000000000, exo_start.table4, frame, 0, EXO_MAP_READ));
}

static bool page_tables_of_others_are_not_used_or_changed(void)
{
    return each_foreign_frame(table_use_is_refused);
}

/* What is dying anybody may reap, such as a child that another attacker has just ended: so tried are what the root has, and no frames. */
static bool reaping_is_refused(uint32_t frame)
{
    uint32_t root = exo_frame_info(exo_start.environment)->owner;

    if (frame < exo_system_info()->frame_count && exo_frame_info(frame)->owner != root)
        return true;
    return check_refused("environment_reap", exo_environment_reap(frame));
}

static bool ending_is_refused(uint32_t frame, uint16_t capability)
{
    bool fine = reaping_is_refused(frame);

    for (uint16_t slot = 1; slot < 20; slot++) {
        if (frame != exo_start.environment)
            fine &= check_refused("revoke", exo_revoke(0, capability, frame, slot, 1, 0));
        if (frame != exo_start.environment)
            fine &= check_refused("withdraw", exo_capability_withdraw(0, capability, frame, slot));
        if (frame != exo_start.environment)
            fine &= check_refused("drop", exo_capability_withdraw(0, 0, frame, slot));
    }
    return fine;
}

static bool environments_of_others_are_not_reaped_revoked_or_robbed(void)
{
    return each_foreign_frame(ending_is_refused);
}

static bool slots_of_others_are_not_taken_freed_or_lent(void)
{
    uint16_t capability = exo_start_slot(EXO_KIND_SLOTS, 0);
    bool fine = true;

    for (uint32_t slot = 0; slot < 1024; slot++) {
        if (slot_is_mine(slot))
            continue;
        fine &= check_refused("slot_take", exo_slot_take(0, capability, slot, 0));
        fine &= check_refused("slot_free", exo_slot_free(0, capability, slot));
        fine &= check_refused("slot_reclaim", exo_slot_reclaim(0, capability, slot));
        fine &= check_refused("slot_lend", exo_slot_lend(0, capability, slot, 0, 0));
    }
    return fine;
}

/* Slot numbers that hold nothing, or nothing of the kind, in every call that takes one. */
static bool forged_slot_is_refused(uint16_t slot)
{
    uint32_t frame = exo_frame_find(&memory_frames);
    bool fine = check_refused("derive", exo_capability_derive(0, slot, 0, SPARE_SLOT, EXO_RIGHT_READ, 0, 1));

    fine &= check_refused("derive for", exo_capability_derive(0, memory_frames.capability, slot ? slot : 1,
                                                              SPARE_SLOT, EXO_RIGHT_READ, frame, 1));
    fine &= check_refused("environment_destroy", exo_environment_destroy(slot));
    fine &= check_refused("frame_take", exo_frame_take(0, slot, frame, 1));
    fine &= check_refused("slot_take", exo_slot_take(0, slot, 1, 0));
    fine &= check_refused("yield_to", slot ? exo_slice_yield_to(slot, 0) : -1);
    fine &= check_refused("gate_call", exo_gate_call(slot));
    fine &= check_refused("gate_send", exo_gate_send(slot, 1, 1, 0, 0, 0));
    fine &= check_refused("console_read", exo_console_read(slot));
    fine &= check_refused("console_write", exo_console_write(slot, 1));
    return fine & check_refused("machine_exit", exo_machine_exit(slot, 0));
}

static bool forged_capability_slots_are_refused(void)
{
    bool fine = true;

    for (uint32_t slot = 0; slot < 0x10000; slot += slot < 512 ? 1 : 61)
        if (!capability_is_mine(slot) && !(slot > 16 && slot < 128))
            fine &= forged_slot_is_refused((uint16_t)slot);
    return fine;
}

/* With capabilities it does hold, in the place of another kind. */
static bool capabilities_of_another_kind_are_refused(void)
{
    bool fine = true;

    for (uint32_t i = 0; i < exo_start.capability_count; i++) {
        uint16_t slot = exo_start.capability[i].slot;
        uint8_t kind = exo_start.capability[i].kind;
        fine &= check_refused("machine_exit", exo_machine_exit(slot, 0));
        fine &= check_refused("console_read", exo_console_read(slot));
        fine &= check_refused("environment_destroy", exo_environment_destroy(slot));
        fine &= check_refused("gate_call", exo_gate_call(slot));
        if (kind != EXO_KIND_GATE)
            fine &= check_refused("gate_send", exo_gate_send(slot, 1, 1, 0, 0, 0));
        if (kind != EXO_KIND_ENVIRONMENT)
            fine &= check_refused("yield_to", exo_slice_yield_to(slot, 0));
        if (kind != EXO_KIND_FRAMES)
            fine &= check_refused("frame_take", exo_frame_take(0, slot, exo_start.capability[i].first, 1));
    }
    return fine;
}

static bool subjects_that_are_none_are_refused(void)
{
    bool fine = true;

    for (uint32_t subject = 1; subject < SUBJECTS; subject++) {
        if (capability_is_mine(subject) || (subject > 16 && subject < 128))
            continue;
        fine &= check_refused("frame_take", exo_frame_take((uint16_t)subject, 1, memory_frames.first, 1));
        fine &= check_refused("vcpu_stop", exo_vcpu_stop((uint16_t)subject, 0));
        fine &= check_refused("space_bind", exo_space_bind((uint16_t)subject, 0, 0, 0, 0));
    }
    return fine;
}

/* Wider, stronger, or a changed badge. */
static bool derived_capabilities_do_not_grow(void)
{
    bool fine = true;

    for (uint32_t i = 0; i < exo_start.capability_count; i++) {
        const struct exo_start_capability *own = &exo_start.capability[i];
        for (uint32_t bit = 1; bit < 0x100; bit <<= 1)
            if (!(own->rights & bit))
                fine &= check_refused("one more right",
                                      exo_capability_derive(0, own->slot, 0, SPARE_SLOT, (uint8_t)(own->rights | bit),
                                                            own->first, own->count));
        fine &= check_refused("another first", exo_capability_derive(0, own->slot, 0, SPARE_SLOT, own->rights,
                                                                     own->first - 1, own->count));
        fine &= check_refused("a larger count", exo_capability_derive(0, own->slot, 0, SPARE_SLOT, own->rights,
                                                                      own->first, own->count + 1));
        fine &= check_refused("round the end", exo_capability_derive(0, own->slot, 0, SPARE_SLOT, own->rights,
                                                                     own->first + 1, 0xffffffff));
        fine &= check_refused("into slot 0",
                              exo_capability_derive(0, own->slot, 0, 0, own->rights, own->first, own->count));
        fine &= check_refused("into a header",
                              exo_capability_derive(0, own->slot, 0, 128, own->rights, own->first, own->count));
        fine &= check_refused("into a taken slot",
                              exo_capability_derive(0, own->slot, 0, 1, own->rights, own->first, own->count));
    }
    return fine;
}

/* A capability, one derived from it, a page bound and a frame owned under that: then the first is dropped. */
static bool stale_capabilities_are_dead(void)
{
    uint32_t table = exo_space_table(&memory_space, ATTACK_ADDRESS), frame = exo_frame_find(&memory_frames);
    uint64_t address = ATTACK_ADDRESS + 0x20000;
    uint8_t rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE;

    check_must("derive", exo_capability_derive(0, memory_frames.capability, 0, STALE_SLOT, rights, frame, 1));
    check_must("derive again", exo_capability_derive(0, STALE_SLOT, 0, DEEPER_SLOT, rights, frame, 1));
    int64_t taken = exo_frame_take(0, DEEPER_SLOT, frame, 1);
    while (exo_again(taken))
        taken = exo_frame_take(0, DEEPER_SLOT, frame, 1);
    bool fine = check_equal("take", taken, 1);
    fine &= check_equal("bind", memory_bind(address, table, frame, DEEPER_SLOT, EXO_MAP_READ | EXO_MAP_WRITE), 1);
    fine &= check_equal("write", fault_at_write(address), false);
    fine &= check_equal("drop", exo_drop(STALE_SLOT), EXO_OK);
    fine &= check_equal("read after the drop", fault_at_read(address), true);
    fine &= check_equal("owner after the drop", exo_frame_info(frame)->owner, 0);
    fine &= check_refused("bind", memory_bind(address, table, frame, DEEPER_SLOT, EXO_MAP_READ));
    fine &= check_equal("take", exo_frame_take(0, DEEPER_SLOT, frame, 1), EXO_BAD_CAPABILITY);
    fine &= check_equal("derive", exo_capability_derive(0, DEEPER_SLOT, 0, SPARE_SLOT, EXO_RIGHT_READ, frame, 1),
                        EXO_BAD_CAPABILITY);
    return fine & check_equal("drop the deeper", exo_drop(DEEPER_SLOT), EXO_OK);
}

/* The calls that take no lock check the same: with a gate and an environment whose capabilities were dropped. */
static bool fast_paths_skip_no_check(void)
{
    uint16_t self = exo_start_slot(EXO_KIND_ENVIRONMENT, 0);

    check_must("gate", exo_gate_create(2, 0, 0x400000, ATTACK_ADDRESS, STALE_SLOT));
    check_must("derive", exo_capability_derive(0, STALE_SLOT, 0, DEEPER_SLOT, EXO_RIGHT_WRITE,
                                               exo_start.environment * EXO_GATES_PER_ENVIRONMENT + 2, 7));
    bool fine = check_equal("call without the right", exo_gate_call(DEEPER_SLOT), EXO_NO_RIGHT);
    fine &= check_equal("drop", exo_drop(STALE_SLOT), EXO_OK);
    fine &= check_equal("send by what was derived", exo_gate_send(DEEPER_SLOT, 1, 0, 0, 0, 0), EXO_BAD_CAPABILITY);
    fine &= check_equal("call by what was derived", exo_gate_call(DEEPER_SLOT), EXO_BAD_CAPABILITY);
    fine &= check_equal("call by what was dropped", exo_gate_call(STALE_SLOT), EXO_BAD_CAPABILITY);
    check_must("drop", exo_drop(DEEPER_SLOT));
    check_must("derive", exo_capability_derive(0, self, 0, STALE_SLOT, EXO_RIGHT_READ, exo_start.environment, 1));
    fine &= check_equal("yield without the right", exo_slice_yield_to(STALE_SLOT, 0), EXO_NO_RIGHT);
    fine &= check_equal("act without the right", exo_vcpu_entry(STALE_SLOT, 0, 0, 0), EXO_NO_RIGHT);
    check_must("drop", exo_drop(STALE_SLOT));
    fine &= check_equal("yield by what was dropped", exo_slice_yield_to(STALE_SLOT, 0), EXO_BAD_CAPABILITY);
    return fine & check_equal("reply to nobody", exo_gate_reply(0), EXO_GONE);
}

void attack_names(void)
{
    static const struct check_case cases[] = {
        CASE(frames_of_others_are_not_bound),
        CASE(frames_behind_the_own_are_not_bound_with_them),
        CASE(frames_of_others_are_not_taken_freed_or_reclaimed),
        CASE(frames_of_others_do_not_become_kernel_pages),
        CASE(page_tables_of_others_are_not_used_or_changed),
        CASE(environments_of_others_are_not_reaped_revoked_or_robbed),
        CASE(slots_of_others_are_not_taken_freed_or_lent),
        CASE(forged_capability_slots_are_refused),
        CASE(capabilities_of_another_kind_are_refused),
        CASE(subjects_that_are_none_are_refused),
        CASE(derived_capabilities_do_not_grow),
        CASE(stale_capabilities_are_dead),
        CASE(fast_paths_skip_no_check),
    };
    check_run(CASES(cases));
}
