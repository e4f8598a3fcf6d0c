/*
 * Making an environment of the system: its memory, its capabilities, its time, its image. Whatever fails is reported with
 * its name, what was made so far is undone, and the rest of the system goes on.
 */
#include "root.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum {
    SLOT_GATE = 8,        /* the root's gate */
    SLOT_MEMBERS = 16,    /* from here on, four a member: environment, window */
    SLOTS_PER_MEMBER = 4,
    RIGHTS_MEMORY = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
    RIGHTS_TIME = EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
    RIGHTS_EXTENT = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
    RIGHTS_SELF = EXO_RIGHT_READ | EXO_RIGHT_CONTROL | EXO_RIGHT_RUN | EXO_RIGHT_GRANT,
    TABLE_FRAMES = 40,    /* page tables, context pages and the like, for a small program */
};

static uint32_t member_number(const struct member *member)
{
    return (uint32_t)(member - root.member);
}

static bool member_refuse(struct member *member, const char *what, int64_t status)
{
    exo_print("%s: refused: %s: %s", member->plan.name, what, exo_status_name(status));
    return false;
}

static bool frame_is_kept_back(uint32_t frame)
{
    if (frame - root.frames.first < root.frames.count || loan_covers(frame))
        return true;
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].first && frame - root.member[i].first < root.member[i].plan.memory)
            return true;
    return false;
}

uint32_t memory_find(uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t frame = 1; frame < exo_system_info()->frame_count; frame++) {
        bool free = exo_frame_info(frame)->kind == EXO_FRAME_FREE && !frame_is_kept_back(frame);
        run = free ? run + 1 : 0;
        if (run == count)
            return frame - count + 1;
    }
    return 0;
}

/* The name as a console capability's label: its first eight characters. */
static int64_t console_grant(struct member *member)
{
    uint32_t label[2] = { 0, 0 };

    memcpy(label, member->plan.name, 8);
    return exo_child_grant(&member->child, exo_start_slot(EXO_KIND_CONSOLE, 0), EXO_KIND_CONSOLE,
                           EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, label[0], label[1], 0);
}

/* A second one without a label: it reads what is typed, and may drive the terminal. */
static int64_t terminal_grant(struct member *member)
{
    return exo_child_grant(&member->child, exo_start_slot(EXO_KIND_CONSOLE, 0), EXO_KIND_CONSOLE,
                           EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT, 0, 0, 0);
}

static int64_t gate_grant(struct member *member)
{
    member->child.start.number = member_number(member) + 1;
    return exo_child_grant(&member->child, SLOT_GATE, EXO_KIND_GATE, EXO_RIGHT_WRITE,
                           exo_start.environment * EXO_GATES_PER_ENVIRONMENT, member_number(member) + 1, 0);
}

/* Its memory: an ordinary part and a guaranteed one. It lives in the guaranteed part if that is large enough. */
static int64_t memory_grant(struct member *member, const void *image, size_t size)
{
    const struct plan *plan = &member->plan;
    uint16_t all = exo_start_slot(EXO_KIND_FRAMES, 0), slot = 0, kept_slot = 0;
    uint32_t ordinary = plan->memory - plan->kept;
    int64_t result = EXO_OK;

    if (ordinary)
        result = exo_child_grant(&member->child, all, EXO_KIND_FRAMES, RIGHTS_MEMORY, member->first, ordinary, &slot);
    if (result == EXO_OK && plan->kept)
        result = exo_child_grant(&member->child, all, EXO_KIND_FRAMES, RIGHTS_MEMORY | EXO_RIGHT_KEPT,
                                 member->first + ordinary, plan->kept, &kept_slot);
    if (result != EXO_OK)
        return result;
    member->memory_slot = slot;
    bool lives_in_kept = kept_slot && (!slot || exo_image_pages(image, size) + TABLE_FRAMES <= plan->kept);
    return exo_child_memory(&member->child, lives_in_kept ? kept_slot : slot);
}

/* Give up what the root owns of a range, and let the member take it. */
static int64_t range_grant(struct member *member, uint32_t index)
{
    const struct slot_range *range = &member->plan.range[index];
    uint32_t first = range->processor * EXO_SLOTS_PER_PROCESSOR + range->first;

    return exo_child_grant(&member->child, exo_start_slot(EXO_KIND_SLOTS, 0), EXO_KIND_SLOTS, RIGHTS_TIME, first, range->count,
                           &member->slots[index]);
}

static int64_t slot_pass(struct member *member, uint16_t capability, uint32_t slot)
{
    int64_t result = EXO_OK;

    if (exo_slot_info(slot)->owner == exo_start.environment)
        result = exo_slot_free(0, exo_start_slot(EXO_KIND_SLOTS, 0), slot);
    if (result == EXO_OK)
        result = exo_slot_take(member->child.slot, capability, slot, 0);
    if (result == EXO_OK && plan_borrower(&member->plan, slot % EXO_SLOTS_PER_PROCESSOR) == root_borrows)
        result = slot_lend_back(member, capability, slot);
    return result;
}

static int64_t range_take(struct member *member, uint32_t index)
{
    const struct slot_range *range = &member->plan.range[index];
    uint32_t first = range->processor * EXO_SLOTS_PER_PROCESSOR + range->first;
    int64_t result = EXO_OK;

    for (uint32_t slot = first; slot < first + range->count && result == EXO_OK; slot++)
        result = slot_pass(member, member->slots[index], slot);
    return result;
}

/* From the capability to the whole disk. */
static int64_t extent_grant(struct member *member, const struct extent *extent)
{
    uint32_t disk = extent->disk << EXO_DISK_SHIFT;

    for (uint32_t i = 0; i < EXO_DISK_LIMIT; i++) {
        uint16_t slot = exo_start_slot(EXO_KIND_EXTENT, i);
        if (slot && exo_start_capability(slot)->first == disk)
            return exo_child_grant(&member->child, slot, EXO_KIND_EXTENT, RIGHTS_EXTENT, disk + extent->first, extent->count, 0);
    }
    return EXO_BAD_NAME;
}

static int64_t trace_grant(struct member *member)
{
    const struct exo_system *system = exo_system_info();

    if (!system->trace_frame)
        return EXO_OK;
    return exo_child_grant(&member->child, exo_start_slot(EXO_KIND_FRAMES, 0), EXO_KIND_FRAMES, EXO_RIGHT_READ,
                           system->trace_frame, system->trace_frames * system->processor_count, 0);
}

/* The first run of pages of the window that is no other member's. */
static uint32_t program_find(const struct member *member)
{
    uint32_t next = 1;

    for (uint32_t i = 0; i < root.member_count; i++)
        if (&root.member[i] != member && root.member[i].program && root.member[i].program + root.member[i].plan.programs > next)
            next = root.member[i].program + root.member[i].plan.programs;
    return next + member->plan.programs <= EXO_PROGRAM_PAGES ? next : 0;
}

static int64_t programs_grant(struct member *member)
{
    if (!member->plan.programs)
        return EXO_OK;
    if (!member->program && !(member->program = program_find(member)))
        return EXO_TAKEN;
    return exo_child_grant(&member->child, exo_start_slot(EXO_KIND_PROGRAMS, 0), EXO_KIND_PROGRAMS,
                           EXO_RIGHT_READ | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT, member->program, member->plan.programs, 0);
}

/* The frames of its archive in the boot module, to be read: the tool has put it on frames of its own. */
static int64_t archive_grant(struct member *member)
{
    size_t size;
    const uint8_t *data = archive_find(member->plan.archive, &size);

    if (!data || !size)
        return EXO_BAD_NAME;
    uint64_t offset = (uint64_t)data - exo_start.module_address;
    if (offset % EXO_FRAME_SIZE || size % EXO_FRAME_SIZE)
        return EXO_BAD_ARGUMENT;
    return exo_child_grant(&member->child, exo_start_slot(EXO_KIND_FRAMES, 0), EXO_KIND_FRAMES, EXO_RIGHT_READ,
                           exo_system_info()->module_frame + (uint32_t)(offset / EXO_FRAME_SIZE),
                           (uint32_t)(size / EXO_FRAME_SIZE), 0);
}

static bool member_grant(struct member *member, const void *image, size_t size)
{
    const struct plan *plan = &member->plan;
    int64_t result;

    if (plan->console && (result = console_grant(member)) != EXO_OK)
        return member_refuse(member, "its console", result);
    if (plan->terminal && (result = terminal_grant(member)) != EXO_OK)
        return member_refuse(member, "the terminal", result);
    if ((result = gate_grant(member)) != EXO_OK)
        return member_refuse(member, "its gate to the root", result);
    result = exo_child_grant(&member->child, member->child.slot, EXO_KIND_ENVIRONMENT, RIGHTS_SELF, member->child.frame,
                             1, 0);
    if (result != EXO_OK)
        return member_refuse(member, "the capability to itself", result);
    if ((result = memory_grant(member, image, size)) != EXO_OK)
        return member_refuse(member, "its memory", result);
    if ((result = loans_grant(member)) != EXO_OK)
        return member_refuse(member, "its loans", result);
    if (*plan->archive && (result = archive_grant(member)) != EXO_OK)
        return member_refuse(member, "its archive", result);
    if (plan->trace && (result = trace_grant(member)) != EXO_OK)
        return member_refuse(member, "the trace rings", result);
    if ((result = programs_grant(member)) != EXO_OK)
        return member_refuse(member, "its pages for programs", result);
    for (uint32_t i = 0; i < plan->extent_count; i++)
        if ((result = extent_grant(member, &plan->extent[i])) != EXO_OK)
            return member_refuse(member, "its extents: is the disk large enough?", result);
    if ((result = flows_grant(member)) != EXO_OK)
        return member_refuse(member, "its flows", result);
    for (uint32_t i = 0; i < plan->range_count; i++) {
        if (plan->range[i].processor >= exo_system_info()->processor_count) {
            exo_print("%s: refused: its slots are on processor %u, the machine has %u processors", plan->name,
                      plan->range[i].processor, exo_system_info()->processor_count);
            return false;
        }
        if ((result = range_grant(member, i)) != EXO_OK || (result = range_take(member, i)) != EXO_OK)
            return member_refuse(member, "its time slots", result);
    }
    return true;
}

static bool member_fill(struct member *member)
{
    size_t size;
    const void *image = archive_find(member->plan.image, &size);

    if (!image) {
        exo_print("%s: refused: no image %s in the boot module", member->plan.name, member->plan.image);
        return false;
    }
    if (!member_grant(member, image, size))
        return false;
    exo_text_copy(member->child.start.arguments, member->plan.arguments, sizeof member->child.start.arguments);
    const char *error = exo_child_load(&member->child, image, size, &member->entry);
    if (error)
        exo_print("%s: refused: image %s: %s", member->plan.name, member->plan.image, error);
    return !error;
}

bool member_build(struct member *member)
{
    uint16_t slot = (uint16_t)(SLOT_MEMBERS + SLOTS_PER_MEMBER * member_number(member));
    int64_t result;

    member->state = MEMBER_REFUSED;
    member->status = 1;
    member->lends_back = 0;
    if (!member->first && !(member->first = memory_find(member->plan.memory))) {
        exo_print("%s: refused: no %u frames in a row are left", member->plan.name, member->plan.memory);
        return false;
    }
    result = exo_child_create(&member->child, &root.space, slot, (uint16_t)(slot + 1), member->plan.name);
    if (result != EXO_OK)
        return member_refuse(member, "its environment", result);
    if (!member_fill(member)) {
        exo_child_end(member->child.slot, member->child.frame);
        return false;
    }
    member->state = MEMBER_BUILT;
    return true;
}

struct member *member_named(const char *name)
{
    for (uint32_t i = 0; i < root.member_count; i++)
        if (exo_text_equals(root.member[i].plan.name, name))
            return &root.member[i];
    return 0;
}

bool member_start(struct member *member)
{
    int64_t result = exo_child_start(&member->child, member->entry);

    if (result != EXO_OK) {
        exo_child_end(member->child.slot, member->child.frame);
        member->state = MEMBER_REFUSED;
        return member_refuse(member, "its start", result);
    }
    member->state = MEMBER_RUNNING;
    member->status = 0;
    member->borrows = 0;
    member->started = exo_time();
    return true;
}

/* Its slots are the root's again. Where the root only borrowed them that must be before they are swept, or it would never run again. */
static void ranges_return(struct member *member)
{
    uint16_t all = exo_start_slot(EXO_KIND_SLOTS, 0);

    for (uint32_t i = 0; i < member->plan.range_count; i++)
        for (uint32_t n = 0; n < member->plan.range[i].count; n++)
            exo_slot_take(0, all, member->plan.range[i].processor * EXO_SLOTS_PER_PROCESSOR + member->plan.range[i].first + n, 0);
}

void member_end(struct member *member)
{
    if (member->lends_back && exo_environment_destroy(member->child.slot) == EXO_OK)
        ranges_return(member);
    int64_t result = exo_child_end(member->child.slot, member->child.frame);

    member->state = MEMBER_ENDED;
    if (result != EXO_OK)
        exo_print("%s: cannot be taken apart: %s", member->plan.name, exo_status_name(result));
}
