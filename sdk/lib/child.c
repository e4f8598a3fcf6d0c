/* Building environments (see exo/child.h). */
#include <exo/child.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

#define BACK_SLOT  126 /* in the child: the builder's environment, while it is built */
#define FIRST_SLOT 1
#define REAP_DEPTH 16

/* The calls that take a free frame themselves, until one is found that no other took first. */
static int64_t environment_make(struct exo_child *child, struct exo_frames *frames)
{
    int64_t result;

    do {
        child->frame = exo_frame_find(frames);
        result = exo_environment_create(0, frames->capability, child->frame, child->slot);
    } while (child->frame && (exo_again(result) || exo_frame_was_lost(result, child->frame)));
    if (result != EXO_OK)
        return result;
    uint32_t table;
    do {
        table = exo_frame_find(frames);
        result = exo_environment_extend(child->slot, frames->capability, table, 0);
    } while (table && (exo_again(result) || exo_frame_was_lost(result, table)));
    if (result != EXO_OK)
        exo_child_end(child->slot, child->frame);
    return result;
}

int64_t exo_child_create(struct exo_child *child, struct exo_space *own, uint16_t slot, uint16_t window,
                         const char *name)
{
    memset(child, 0, sizeof *child);
    child->own = own;
    child->slot = slot;
    child->window = window;
    child->next_slot = FIRST_SLOT;
    exo_text_copy(child->start.name, name, sizeof child->start.name);
    return environment_make(child, own->frames);
}

void exo_child_adopt(struct exo_child *child, struct exo_space *own, uint16_t slot, uint16_t window, uint32_t frame)
{
    memset(child, 0, sizeof *child);
    child->own = own;
    child->slot = slot;
    child->window = window;
    child->frame = frame;
}

int64_t exo_child_grant(struct exo_child *child, uint16_t own_slot, enum exo_kind kind, uint32_t rights,
                        uint32_t first, uint32_t count, uint16_t *ret_slot)
{
    int64_t result = exo_capability_derive(0, own_slot, child->slot, child->next_slot, (uint8_t)rights, first, count);

    if (result != EXO_OK)
        return result;
    uint16_t slot = exo_child_promise(child, kind, rights, first, count);
    if (ret_slot)
        *ret_slot = slot;
    return EXO_OK;
}

uint16_t exo_child_promise(struct exo_child *child, enum exo_kind kind, uint32_t rights, uint32_t first, uint32_t count)
{
    struct exo_start *start = &child->start;
    uint16_t slot = child->next_slot++;

    if (start->capability_count < EXO_START_CAPABILITIES)
        start->capability[start->capability_count++] = (struct exo_start_capability){
            .slot = slot, .kind = (uint8_t)kind, .rights = (uint8_t)rights, .first = first, .count = count,
        };
    return slot;
}

/* The child derives a capability to its memory for its builder. */
static int64_t window_open(struct exo_child *child)
{
    uint16_t self = exo_start_slot(EXO_KIND_ENVIRONMENT, 0);
    int64_t result = exo_capability_derive(0, self, child->slot, BACK_SLOT, EXO_RIGHT_GRANT, exo_start.environment, 1);

    if (result != EXO_OK)
        return result;
    return exo_capability_derive(child->slot, child->frames.capability, BACK_SLOT, child->window,
                                 EXO_RIGHT_READ | EXO_RIGHT_WRITE, child->frames.first, child->frames.count);
}

/* Reaping may name an environment that has to be reaped first. It needs no capability: somebody else may have done it meanwhile. */
static int64_t environment_reap(uint32_t frame)
{
    uint32_t stack[REAP_DEPTH] = { frame };
    uint32_t depth = 1;

    while (depth) {
        int64_t result = exo_environment_reap(stack[depth - 1]);
        if (result == EXO_OK)
            depth--;
        else if (result > 0 && depth < REAP_DEPTH)
            stack[depth++] = (uint32_t)result;
        else if (result == EXO_WRONG_KIND && (depth > 1 || exo_frame_info(frame)->kind != EXO_FRAME_ENVIRONMENT))
            depth--;
        else if (!exo_again(result))
            return result;
    }
    return EXO_OK;
}

/* What is swept may meet an environment that somebody else is taking apart: that has to go on first. */
static int64_t withdraw(uint16_t subject, uint16_t slot, uint32_t victim, uint16_t victim_slot)
{
    int64_t result;

    do {
        result = exo_capability_withdraw(subject, slot, victim, victim_slot);
        if (result > 0)
            environment_reap((uint32_t)result);
    } while (result > 0 || exo_again(result));
    return result;
}

int64_t exo_withdraw(uint16_t slot, uint32_t victim, uint16_t victim_slot)
{
    return withdraw(0, slot, victim, victim_slot);
}

int64_t exo_drop_of(uint16_t subject, uint32_t environment, uint16_t slot)
{
    return withdraw(subject, 0, environment, slot);
}

int64_t exo_drop(uint16_t slot)
{
    return exo_drop_of(0, exo_start.environment, slot);
}

static int64_t window_close(struct exo_child *child)
{
    int64_t result = exo_drop_of(0, exo_start.environment, child->window);
    return result == EXO_OK ? exo_drop_of(child->slot, child->frame, BACK_SLOT) : result;
}

int64_t exo_child_memory(struct exo_child *child, uint16_t child_slot)
{
    const struct exo_start_capability *granted = 0;

    for (uint32_t i = 0; i < child->start.capability_count; i++)
        if (child->start.capability[i].slot == child_slot)
            granted = &child->start.capability[i];
    if (!granted || granted->kind != EXO_KIND_FRAMES)
        return EXO_BAD_CAPABILITY;
    exo_frames_open(&child->frames, child->slot, child_slot, granted->first, granted->count);
    int64_t result = window_open(child);
    return result == EXO_OK ? exo_space_create(&child->space, child->slot, &child->frames) : result;
}

/* Write into frames of the child, at most EXO_BATCH_MAX. */
static int64_t window_write(struct exo_child *child, const uint32_t *frames, uint32_t count, size_t offset,
                            const void *source, size_t size)
{
    int64_t result = exo_space_map_list(child->own, EXO_WINDOW_ADDRESS, frames, count, child->window,
                                        EXO_MAP_READ | EXO_MAP_WRITE);
    if (result != EXO_OK)
        return result;
    memcpy((uint8_t *)EXO_WINDOW_ADDRESS + offset, source, size);
    return exo_space_unmap(child->own, EXO_WINDOW_ADDRESS, count);
}

static int64_t batch_fill(struct exo_child *child, uint64_t address, uint32_t count, uint32_t flags,
                          const void *source, size_t size)
{
    uint32_t frames[EXO_BATCH_MAX];

    for (uint32_t i = 0; i < count; i++)
        if (!(frames[i] = exo_frame_alloc(&child->frames)))
            return EXO_BAD_NAME;
    if (size) {
        uint32_t filled = (uint32_t)((size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE);
        int64_t result = window_write(child, frames, filled, 0, source, size);
        if (result != EXO_OK)
            return result;
    }
    return exo_space_map_list(&child->space, address, frames, count, child->frames.capability, flags);
}

int64_t exo_child_fill(struct exo_child *child, uint64_t address, uint32_t count, uint32_t flags, const void *source,
                       size_t size)
{
    for (uint32_t done = 0; done < count; done += EXO_BATCH_MAX) {
        uint32_t part = count - done < EXO_BATCH_MAX ? count - done : EXO_BATCH_MAX;
        size_t offset = (size_t)done * EXO_FRAME_SIZE, room = (size_t)part * EXO_FRAME_SIZE;
        size_t bytes = offset >= size ? 0 : size - offset < room ? size - offset : room;
        int64_t result = batch_fill(child, address + offset, part, flags, (const uint8_t *)source + offset, bytes);
        if (result != EXO_OK)
            return result;
    }
    return EXO_OK;
}

static void start_complete(struct exo_child *child, uint32_t context)
{
    struct exo_start *start = &child->start;

    start->magic = EXO_START_MAGIC;
    start->size = sizeof *start;
    start->environment = child->frame;
    start->context = context;
    start->context_address = EXO_CONTEXT_ADDRESS;
    start->table4 = child->space.table4;
    start->table3 = exo_space_find(&child->space, 0, 3);
    start->table2 = exo_space_find(&child->space, 0, 2);
    for (uint32_t i = 0; i < EXO_SPACE_TABLES && start->table1_count < EXO_START_TABLES; i++) {
        const struct exo_space_table *table = &child->space.table[i];
        if (table->place && table->frame != start->table3 && table->frame != start->table2)
            start->table1[start->table1_count++] = (struct exo_start_table){ exo_space_index(table->place), table->frame };
    }
}

int64_t exo_child_prepare(struct exo_child *child, uint64_t entry, uint64_t exception_entry)
{
    uint16_t capability = child->frames.capability;
    uint32_t context;
    int64_t result;

    do {
        context = exo_frame_find(&child->frames);
        result = exo_vcpu_create(child->slot, 0, capability, context, EXO_CONTEXT_ADDRESS);
    } while (context && (exo_again(result) || exo_frame_was_lost(result, context)));
    if (result != EXO_OK)
        return result;
    result = exo_space_map(&child->space, EXO_CONTEXT_ADDRESS, context, 1, capability, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result != EXO_OK)
        return result;
    start_complete(child, context);
    result = window_write(child, &context, 1, offsetof(struct exo_context, batch), &child->start, sizeof child->start);
    if (result == EXO_OK)
        result = exo_vcpu_entry(child->slot, 0, EXO_ENTRY_EVENT, entry);
    return result == EXO_OK ? exo_vcpu_entry(child->slot, 0, EXO_ENTRY_EXCEPTION, exception_entry) : result;
}

int64_t exo_child_release(struct exo_child *child)
{
    int64_t result = window_close(child);
    return result == EXO_OK ? exo_vcpu_start(child->slot, 0) : result;
}

int64_t exo_child_start(struct exo_child *child, uint64_t entry)
{
    int64_t result = exo_child_prepare(child, entry, 0);
    return result == EXO_OK ? exo_child_release(child) : result;
}

static int64_t pages_copy(struct exo_child *child, uint8_t *from, uint8_t *to, uint32_t flags)
{
    size_t size = (size_t)(to - from);
    return exo_child_fill(child, (uint64_t)from, (uint32_t)(size / EXO_FRAME_SIZE), flags, from, size);
}

static int64_t program_copy(void *argument)
{
    struct exo_child *child = argument;
    int64_t result = pages_copy(child, exo_image_start, exo_text_end, EXO_MAP_READ | EXO_MAP_EXECUTE);

    if (result == EXO_OK)
        result = pages_copy(child, exo_text_end, exo_data_start, EXO_MAP_READ);
    if (result == EXO_OK)
        result = pages_copy(child, exo_data_start, exo_image_end, EXO_MAP_READ | EXO_MAP_WRITE);
    child->start.free_address = (uint64_t)exo_image_end;
    if (result == EXO_OK)
        result = exo_child_start(child, (uint64_t)exo_event_entry);
    return result == EXO_OK ? 1 : result;
}

int64_t exo_child_fork(struct exo_child *child)
{
    return exo_fork(program_copy, child);
}

int64_t exo_child_end(uint16_t slot, uint32_t frame)
{
    int64_t result = exo_environment_destroy(slot);

    /* Without a capability to it any more, it may be dying already, because memory that it lived in was withdrawn. */
    return result != EXO_OK && result != EXO_BAD_CAPABILITY ? result : environment_reap(frame);
}
