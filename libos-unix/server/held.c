#include "held.h"
#include "memory.h"
#include "shell.h"
#include <exo/calls.h>

struct held {
    uint32_t view_end;
    struct unix_range view[VIEWS_MAX], file[FILES_MAX]; /* by slot; count 0: nothing that is valid */
    uint32_t unsure; /* files that it got while it ran: bit by bit */
};

static struct held all[PROCESSES_MAX];
static uint32_t end; /* from here on nothing was ever held */

static struct held *held_by(const struct process *process)
{
    return &all[process - processes];
}

static bool is_same(const struct unix_range *a, const struct unix_range *b)
{
    return a->of == b->of && a->first == b->first && a->count == b->count;
}

static bool file_fits(const struct held *held, const struct unix_range *file)
{
    const struct unix_range *there = &held->file[file->slot - SLOT_FILES];
    return !there->count || is_same(there, file);
}

static bool is_seen_by(const struct process *process, uint32_t environment)
{
    for (uint32_t i = 0; i < process->view_count; i++)
        if (process->view[i].of == environment)
            return true;
    return process->frame == environment;
}

bool held_fits(const struct process *place, const struct process *parent)
{
    const struct held *held = held_by(place);

    for (uint32_t i = 0; i < parent->file_count; i++)
        if (!file_fits(held, &parent->file[i]))
            return false;
    for (uint32_t i = 0; i < held->view_end; i++)
        if (held->view[i].count && !is_seen_by(parent, held->view[i].of))
            return false;
    return true;
}

bool held_shows(const struct process *place, uint32_t frame)
{
    const struct held *held = held_by(place);

    for (uint32_t i = 0; i < held->view_end; i++)
        if (frame - held->view[i].first < held->view[i].count)
            return true;
    return false;
}

/* Does the slot hold a capability to all of the file? It does if one to its page can be derived from it. */
static bool file_has_page(const struct process *process, const struct unix_range *file, uint32_t frame)
{
    return exo_capability_derive(process->slot, (uint16_t)file->slot, 0, SLOT_TEMPORARY, EXO_RIGHT_READ | EXO_RIGHT_EXECUTE, frame, 1) == EXO_OK &&
           exo_drop_of(process->slot, process->frame, SLOT_TEMPORARY) == EXO_OK;
}

/* Capabilities to files that it got while it ran: it could have put others in their place. */
bool held_settle(const struct process *process)
{
    struct held *held = held_by(process);

    for (uint32_t i = 0; held->unsure; i++, held->unsure >>= 1) {
        const struct unix_range *file = &held->file[i];
        if (!(held->unsure & 1))
            continue;
        if (file->count && !(file_has_page(process, file, file->first) && file_has_page(process, file, file->first + file->count - 1)))
            return false;
        shell_note(process, SLOT_FILES + i);
    }
    return true;
}

static void file_forget(struct unix_range *file)
{
    struct node *node = node_numbered(file->of);

    if (!file->count)
        return;
    file->count = 0;
    node->users--;
    node_settle(node);
}

void held_forget(const struct process *process)
{
    struct held *held = held_by(process);

    for (uint32_t i = 0; i < FILES_MAX; i++)
        file_forget(&held->file[i]);
    held->view_end = held->unsure = 0;
}

int64_t held_file_at(struct process *process, const struct unix_range *range)
{
    struct held *held = held_by(process);
    uint32_t i = range->slot - SLOT_FILES;

    if (held->file[i].count)
        return file_fits(held, range) ? EXO_OK : EXO_TAKEN;
    int64_t result = exo_capability_derive(0, SERVER_SLOT_STORE, process->slot, (uint16_t)range->slot, EXO_RIGHT_READ | EXO_RIGHT_EXECUTE,
                                           range->first, range->count);
    if (result != EXO_OK)
        return result;
    held->file[i] = *range;
    node_numbered(range->of)->users++; /* its frames stay as long as they can be mapped */
    if (process->state != PROCESS_BUILDING)
        held->unsure |= 1u << i;
    else
        shell_note(process, range->slot);
    return EXO_OK;
}

static bool file_is_used(const struct process *process, uint32_t slot)
{
    for (uint32_t i = 0; i < process->file_count; i++)
        if (process->file[i].slot == slot)
            return true;
    return false;
}

int64_t held_file(struct process *process, struct node *node, struct unix_range *ret_range)
{
    struct held *held = held_by(process);
    uint32_t best = FILES_MAX;

    *ret_range = (struct unix_range){ node->run, (uint32_t)((node->size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE), 0, node->number };
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        const struct unix_range *there = &held->file[i];
        if (is_same(there, ret_range)) {
            ret_range->slot = SLOT_FILES + i;
            return EXO_OK;
        }
        if (!file_is_used(process, SLOT_FILES + i) && (best == FILES_MAX || (held->file[best].count && !there->count)))
            best = i;
    }
    if (best == FILES_MAX)
        return EXO_BAD_NAME;
    ret_range->slot = SLOT_FILES + best;
    if (held->file[best].count)
        process_drop(process, (uint16_t)ret_range->slot);
    file_forget(&held->file[best]);
    return held_file_at(process, ret_range);
}

static int64_t view_derive(struct process *child, const struct process *owner, const struct unix_range *view, uint16_t own_slot)
{
    int64_t result = exo_capability_derive(0, child->slot, owner->slot, SLOT_TEMPORARY, EXO_RIGHT_GRANT, child->frame, 1);

    if (result != EXO_OK)
        return result;
    result = exo_capability_derive(owner->slot, own_slot, SLOT_TEMPORARY, (uint16_t)view->slot, EXO_RIGHT_READ | EXO_RIGHT_EXECUTE,
                                   view->first, view->count);
    process_drop(owner, SLOT_TEMPORARY);
    return result;
}

/* The owner derives it from its own capability: so no chain of forks makes the derivation deeper. */
int64_t held_view(struct process *child, const struct process *owner, const struct unix_range *chunk, struct unix_range *ret_view)
{
    struct held *held = held_by(child);
    uint32_t best = VIEWS_MAX;

    for (uint32_t i = 0; i < held->view_end; i++) {
        const struct unix_range *there = &held->view[i];
        if (there->count == chunk->count && there->first == chunk->first && there->of == owner->frame) {
            *ret_view = *there;
            return EXO_OK;
        }
        if (!there->count && best == VIEWS_MAX)
            best = i;
    }
    if (best == VIEWS_MAX)
        best = held->view_end;
    if (best == VIEWS_MAX)
        return EXO_BAD_NAME;
    *ret_view = (struct unix_range){ chunk->first, chunk->count, SLOT_VIEWS + best, owner->frame };
    int64_t result = view_derive(child, owner, ret_view, (uint16_t)chunk->slot);
    if (result != EXO_OK)
        return result;
    held->view_end += best == held->view_end;
    if (held_by(child) >= all + end)
        end = (uint32_t)(held_by(child) - all) + 1;
    held->view[best] = *ret_view;
    shell_note(child, ret_view->slot);
    return EXO_OK;
}

void held_owner_ended(uint32_t environment)
{
    for (struct held *held = all; held < all + end; held++)
        for (uint32_t n = 0; n < held->view_end; n++)
            if (held->view[n].of == environment)
                held->view[n].count = 0;
}
