/*
 * Lending: who runs in a member's slots while it sleeps. The manifest says it by position; the root may be one of them, and then
 * owns no slot where the member owns all.
 */
#include "root.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

/* One NAME:FIRST:COUNT. */
struct part {
    char name[16];
    uint32_t first, count;
};

static uint32_t number_take(const char **text)
{
    *text += **text == ':';
    return (uint32_t)exo_text_number(text);
}

/* *text is left behind it and its comma. */
static bool part_take(const char **text, struct part *part)
{
    uint32_t length = 0;

    *part = (struct part){ .count = 0 };
    for (; **text && **text != ':' && **text != ','; (*text)++)
        if (length + 1 < sizeof part->name)
            part->name[length++] = **text;
    part->first = number_take(text);
    part->count = number_take(text);
    *text += **text == ',';
    return length;
}

bool plan_lends(const struct plan *plan, const char *name)
{
    struct part part;

    for (const char *text = plan->lend; part_take(&text, &part);)
        if (exo_text_equals(part.name, name))
            return true;
    return false;
}

struct member *plan_borrower(const struct plan *plan, uint32_t position)
{
    struct member *borrower = 0;
    struct part part;

    for (const char *text = plan->lend; part_take(&text, &part);)
        if (position - part.first < part.count)
            borrower = exo_text_equals(part.name, "root") ? root_borrows : member_named(part.name);
    return borrower;
}

/* The member's capability to an environment, with RUN; the root's own or one that it created is in `slot`. */
static int64_t borrower_grant(struct member *member, uint16_t slot, uint32_t environment, uint16_t *ret_target)
{
    return exo_child_grant(&member->child, slot, EXO_KIND_ENVIRONMENT, EXO_RIGHT_RUN, environment, 1, ret_target);
}

int64_t slot_lend_back(struct member *member, uint16_t capability, uint32_t slot)
{
    int64_t result = EXO_OK;

    if (!member->lends_back)
        result = borrower_grant(member, exo_start_slot(EXO_KIND_ENVIRONMENT, 0), exo_start.environment, &member->lends_back);
    return result == EXO_OK ? exo_slot_lend(member->child.slot, capability, slot, member->lends_back, 0) : result;
}

static int64_t range_lend(struct member *member, uint32_t index, const struct member *borrower, uint16_t target)
{
    const struct slot_range *range = &member->plan.range[index];
    uint32_t first = range->processor * EXO_SLOTS_PER_PROCESSOR + range->first;
    int64_t result = EXO_OK;

    for (uint32_t slot = first; slot < first + range->count && result == EXO_OK; slot++)
        if (plan_borrower(&member->plan, slot % EXO_SLOTS_PER_PROCESSOR) == borrower)
            result = exo_slot_lend(member->child.slot, member->slots[index], slot, target,
                                   borrower->borrows ? (uint8_t)(borrower->borrows + range->processor) : 0);
    return result;
}

static void member_lend_to(struct member *member, const struct member *borrower)
{
    uint16_t target;

    if (borrower->state == MEMBER_REFUSED || borrower->state == MEMBER_ENDED)
        return;
    int64_t result = borrower_grant(member, borrower->child.slot, borrower->child.frame, &target);
    for (uint32_t i = 0; i < member->plan.range_count && result == EXO_OK; i++)
        result = range_lend(member, i, borrower, target);
    if (result != EXO_OK)
        exo_print("%s: cannot lend its slots to %s: %s", member->plan.name, borrower->plan.name, exo_status_name(result));
}

/* After it owns its slots and its borrowers were built. */
void member_lend(struct member *member)
{
    for (uint32_t i = 0; i < root.member_count; i++)
        if (plan_lends(&member->plan, root.member[i].plan.name))
            member_lend_to(member, &root.member[i]);
}

/* Those who lend to it do so again, to the virtual processors that it names. */
void member_borrow(struct member *borrower, uint8_t first)
{
    borrower->borrows = first;
    for (uint32_t i = 0; i < root.member_count; i++)
        if (root.member[i].state == MEMBER_RUNNING && plan_lends(&root.member[i].plan, borrower->plan.name))
            member_lend_to(&root.member[i], borrower);
}

/* The time of one that has ended stays with those whom it lent it to: the root takes its slots, and lends them on. */
void member_bequeath(const struct member *member)
{
    uint16_t all = exo_start_slot(EXO_KIND_SLOTS, 0);

    for (uint32_t i = 0; i < member->plan.range_count; i++) {
        const struct slot_range *range = &member->plan.range[i];
        uint32_t first = range->processor * EXO_SLOTS_PER_PROCESSOR + range->first;
        for (uint32_t slot = first; slot < first + range->count; slot++) {
            const struct member *borrower = plan_borrower(&member->plan, slot % EXO_SLOTS_PER_PROCESSOR);
            if (!borrower || exo_slot_take(0, all, slot, 0) != EXO_OK || borrower == root_borrows || borrower->state != MEMBER_RUNNING)
                continue;
            exo_slot_lend(0, all, slot, borrower->child.slot, borrower->borrows ? (uint8_t)(borrower->borrows + range->processor) : 0);
        }
    }
}
