/*
 * Loans: a range of frames that environments have in turn. It goes on at the times of the manifest, by visible revocation: its holder is
 * asked for all of it (and answers by dropping the capability), asked again, and past the deadline the root withdraws it, which takes what
 * was not given. Every
 * environment of a loan is told its slot and range at its start (struct exo_start_capability, with rights 0 while it is another's turn).
 */
#include "root.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum {
    TURNS_MAX = 8,
    LOANS_MAX = 4,
    LOOK_NS = 1000000,
    RIGHTS_LOAN = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
};

/* Whose turn it is from `at` on, ns after the start of the system. */
struct turn {
    struct member *member;
    uint64_t at;
    uint16_t slot;
};

enum loan_state { LOAN_HELD, LOAN_ASKED, LOAN_IMPERATIVE };

struct loan {
    uint32_t first, count, turn, turns;
    uint64_t within;                /* ns that a holder has to give it back, and as long again after the imperative */
    uint64_t asked, deadline;
    uint32_t owned;                 /* at most, since it was asked */
    enum loan_state state;
    struct turn order[TURNS_MAX];
};

static struct loan loans[LOANS_MAX];
static uint32_t loan_count;

bool loan_add(uint32_t frames, uint64_t within)
{
    if (loan_count == LOANS_MAX)
        return false;
    loans[loan_count++] = (struct loan){ .count = frames, .within = within };
    return true;
}

bool loan_turn(const char *name, uint64_t at)
{
    struct loan *loan = &loans[loan_count - 1];
    struct member *member = member_named(name);

    if (!member || loan->turns == TURNS_MAX)
        return false;
    loan->order[loan->turns++] = (struct turn){ .member = member, .at = at };
    return true;
}

bool loan_covers(uint32_t frame)
{
    for (uint32_t i = 0; i < loan_count; i++)
        if (loans[i].first && frame - loans[i].first < loans[i].count)
            return true;
    return false;
}

void loans_place(void)
{
    for (uint32_t i = 0; i < loan_count; i++)
        if (!(loans[i].first = memory_find(loans[i].count)))
            exo_print("a loan of %u frames: no frames in a row are left for it", loans[i].count);
}

static int64_t turn_begin(struct loan *loan, struct turn *turn)
{
    return exo_capability_derive(0, exo_start_slot(EXO_KIND_FRAMES, 0), turn->member->child.slot, turn->slot, RIGHTS_LOAN, loan->first,
                                 loan->count);
}

/* All turns of a member are in one slot. */
static int64_t loan_grant(struct loan *loan, struct member *member)
{
    struct turn *now = &loan->order[loan->turn];
    bool is_its_turn = loan->first && now->member == member && loan->state == LOAN_HELD;
    uint16_t slot = 0;

    for (uint32_t i = 0; i < loan->turns; i++) {
        if (loan->order[i].member != member)
            continue;
        if (!slot)
            slot = exo_child_promise(&member->child, EXO_KIND_FRAMES, is_its_turn ? RIGHTS_LOAN : 0, loan->first, loan->count);
        loan->order[i].slot = slot;
    }
    return is_its_turn ? turn_begin(loan, now) : EXO_OK;
}

int64_t loans_grant(struct member *member)
{
    int64_t result = EXO_OK;

    for (uint32_t i = 0; i < loan_count && result == EXO_OK; i++)
        result = loan_grant(&loans[i], member);
    return result;
}

static uint32_t frames_owned(const struct loan *loan)
{
    uint32_t owned = 0;

    for (uint32_t i = 0; i < loan->count; i++) {
        const volatile struct exo_frame *frame = exo_frame_info(loan->first + i);
        owned += frame->kind != EXO_FRAME_FREE && frame->owner != exo_start.environment;
    }
    return owned;
}

/* What came back DIRTY becomes FREE, for the next one to take. */
static void frames_clear(const struct loan *loan)
{
    uint16_t all = exo_start_slot(EXO_KIND_FRAMES, 0);

    for (uint32_t frame = loan->first; frame < loan->first + loan->count; frame++) {
        int64_t result = 1;
        if (exo_frame_info(frame)->owner != exo_start.environment || exo_frame_info(frame)->kind != EXO_FRAME_DIRTY)
            continue;
        do
            result = exo_frame_take(0, all, frame, 1);
        while (exo_again(result));
        exo_frame_free(0, all, frame, 1);
    }
}

static bool holder_runs(const struct loan *loan)
{
    return loan->order[loan->turn].member->state == MEMBER_RUNNING;
}

static int64_t loan_ask(struct loan *loan, uint32_t count, uint64_t deadline)
{
    const struct turn *turn = &loan->order[loan->turn];

    loan->deadline = deadline;
    return exo_revoke(0, exo_start_slot(EXO_KIND_FRAMES, 0), turn->member->child.frame, turn->slot, count ? count : 1, deadline);
}

/* The holder's capability ends, if it has not dropped it itself; what it had not given is taken. */
static void loan_go_on(struct loan *loan, uint32_t forced)
{
    struct turn *from = &loan->order[loan->turn], *to = &loan->order[loan->turn + 1];
    int64_t result = holder_runs(loan)
                         ? exo_withdraw(exo_start_slot(EXO_KIND_FRAMES, 0), from->member->child.frame, from->slot) : EXO_OK;

    frames_clear(loan);
    if (result != EXO_OK && result != EXO_BAD_NAME)
        exo_print("loan of %u frames: cannot be taken from %s: %s", loan->count, from->member->plan.name, exo_status_name(result));
    else
        exo_print("loan of %u frames: %s had taken %u of them and gave %u in %lu us, %u were taken by force; now %s has it", loan->count,
                  from->member->plan.name, loan->owned, loan->owned - forced, (exo_time() - loan->asked) / 1000, forced,
                  to->member->plan.name);
    loan->turn++;
    loan->state = LOAN_HELD;
    if (to->member->state == MEMBER_RUNNING && (result = turn_begin(loan, to)) != EXO_OK)
        exo_print("%s: cannot be lent %u frames: %s", to->member->plan.name, loan->count, exo_status_name(result));
}

static void loan_look(struct loan *loan)
{
    if (!loan->first || loan->turn + 1 >= loan->turns)
        return;
    uint64_t now = exo_time();
    if (loan->state == LOAN_HELD) {
        if (now < loan->order[loan->turn + 1].at)
            return;
        loan->asked = now;
        loan->owned = frames_owned(loan);
        loan->state = LOAN_ASKED;
        if (holder_runs(loan))
            loan_ask(loan, loan->owned, now + loan->within);
        return;
    }
    uint32_t owned = holder_runs(loan) ? frames_owned(loan) : 0;
    loan->owned = owned > loan->owned ? owned : loan->owned;
    if (owned && now < loan->deadline)
        return;
    if (loan->state == LOAN_ASKED && holder_runs(loan)) {
        loan->state = LOAN_IMPERATIVE;
        loan_ask(loan, owned, owned ? now + loan->within : now);
    } else {
        loan_go_on(loan, owned);
    }
}

uint32_t loans_owned(const struct member *member)
{
    uint32_t owned = 0;

    for (uint32_t i = 0; i < loan_count; i++)
        if (loans[i].first && loans[i].order[loans[i].turn].member == member && holder_runs(&loans[i]))
            owned += frames_owned(&loans[i]);
    return owned;
}

uint64_t loans_look(void)
{
    uint64_t deadline = EXO_NEVER;

    for (uint32_t i = 0; i < loan_count; i++) {
        struct loan *loan = &loans[i];
        loan_look(loan);
        if (!loan->first || loan->turn + 1 >= loan->turns)
            continue;
        uint64_t due = loan->state == LOAN_HELD ? loan->order[loan->turn + 1].at : exo_time() + LOOK_NS;
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}
