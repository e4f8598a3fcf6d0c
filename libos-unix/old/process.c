#include "process.h"
#include "memory.h"
#include "pipe.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum {
    SLOT_GATE = 40,      /* our gate, for the ends of children */
    SLOT_PROCESSES = 42, /* from here on, two a child */
    STATUS_KILLED = 139,
    RIGHTS_MEMORY = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT,
};

enum { VIEWS_MAX = 4 };

#define EAGER_MAX 49152

uint16_t process_parent EXO_EAGER;
static struct process processes[PROCESSES_MAX];
static uint32_t process_count;
static bool gate_is_open;

static struct process *process_named(int64_t number)
{
    for (uint32_t i = 0; i < PROCESSES_MAX; i++)
        if (number && processes[i].number == number)
            return &processes[i];
    return 0;
}

static struct process *process_new(void)
{
    for (uint32_t i = 0; i < PROCESSES_MAX; i++) {
        if (processes[i].number)
            continue;
        processes[i] = (struct process){ .number = ++process_count + 1 };
        return &processes[i];
    }
    return 0;
}

/* A child that faults without a handler makes no message: the kernel tells CHILD. */
static bool child_faulted;

static void event_handle(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)frame;
    child_faulted |= events & EXO_EVENT_CHILD;
}

static int64_t gate_open(void)
{
    if (gate_is_open)
        return EXO_OK;
    gate_is_open = true;
    exo_event_handler = event_handle;
    return exo_gate_create(0, 0, (uint64_t)exo_event_entry, 0, SLOT_GATE);
}

/* A child's memory: a piece of our range, counted from its end. */
static uint32_t process_range(const struct process *process)
{
    uint32_t place = (uint32_t)(process - processes) + 1;
    return memory.frames.first + memory.frames.count - place * PROCESS_FRAMES;
}

/* The child's read-only views of our memory: one of each of our capabilities. */
struct views {
    uint32_t count;
    uint16_t own[VIEWS_MAX], slot[VIEWS_MAX];
};

static int64_t views_grant(struct exo_child *child, struct views *views)
{
    *views = (struct views){ 0 };
    for (uint32_t i = 0; i < exo_start.capability_count && views->count < VIEWS_MAX; i++) {
        const struct exo_start_capability *held = &exo_start.capability[i];
        if (held->kind != EXO_KIND_FRAMES || !(held->rights & EXO_RIGHT_TAKE))
            continue;
        views->own[views->count] = held->slot;
        int64_t result = exo_child_grant(child, held->slot, EXO_KIND_FRAMES, EXO_RIGHT_READ | EXO_RIGHT_EXECUTE,
                                         held->first, held->count, &views->slot[views->count++]);
        if (result != EXO_OK)
            return result;
    }
    return EXO_OK;
}

static int64_t view_map(struct exo_child *child, const struct views *views, uint64_t address, uint32_t frame, uint32_t flags)
{
    uint16_t own = memory_capability(frame);

    for (uint32_t i = 0; i < views->count; i++)
        if (views->own[i] == own)
            return exo_space_map(&child->space, address, frame, 1, views->slot[i], flags);
    return EXO_BAD_CAPABILITY;
}

static int64_t process_grant(struct process *process)
{
    struct exo_child *child = &process->child;
    const struct exo_start_capability *console = exo_start_capability(exo_start_slot(EXO_KIND_CONSOLE, 0));
    uint16_t own;
    int64_t result = exo_child_grant(child, memory.frames.capability, EXO_KIND_FRAMES, RIGHTS_MEMORY,
                                     process_range(process), PROCESS_FRAMES, &own);

    if (result == EXO_OK)
        result = exo_child_grant(child, exo_start_slot(EXO_KIND_ENVIRONMENT, 0), EXO_KIND_ENVIRONMENT, EXO_RIGHT_RUN,
                                 exo_start.environment, 1, &process_parent);
    if (result == EXO_OK && console)
        result = exo_child_grant(child, console->slot, EXO_KIND_CONSOLE, EXO_RIGHT_WRITE, console->first,
                                 console->count, 0);
    if (result == EXO_OK)
        result = exo_child_grant(child, SLOT_GATE, EXO_KIND_GATE, EXO_RIGHT_WRITE,
                                 exo_start.environment * EXO_GATES_PER_ENVIRONMENT, process->number, 0);
    return result == EXO_OK ? exo_child_memory(child, own) : result;
}

/* The image before its eager data: text and constants. */
static int64_t image_share(struct exo_child *child, const struct views *views)
{
    for (uint64_t address = (uint64_t)exo_image_start; address < (uint64_t)exo_data_start; address += EXO_FRAME_SIZE) {
        uint32_t flags = EXO_MAP_READ | (address < (uint64_t)exo_text_end ? EXO_MAP_EXECUTE : 0);
        int64_t result = view_map(child, views, address, memory_frame_at(address), flags);
        if (result != EXO_OK)
            return result;
    }
    return EXO_OK;
}

/* The frames that parent and child see alike at the fork. */
static uint32_t shared_frames[PAGES_MAX] EXO_EAGER;

/* The eager data as the child has to find it: its own start, its own page tables, no children. */
static int64_t eager_copy(struct exo_child *child)
{
    static uint8_t eager[EAGER_MAX];
    size_t size = (size_t)(exo_eager_end - exo_eager_start);
    struct memory *copy = (struct memory *)(eager + ((uint8_t *)&memory - exo_eager_start));

    if (size > EAGER_MAX)
        return EXO_BAD_ARGUMENT;
    memcpy(eager, exo_eager_start, size);
    memcpy(eager + ((uint8_t *)&exo_start - exo_eager_start), &child->start, sizeof exo_start);
    copy->frames = child->frames;
    copy->frames.subject = 0;
    copy->frames.stocked = 0;
    copy->space = child->space;
    copy->space.subject = 0;
    copy->space.frames = &memory.frames;
    memcpy(copy->frame, shared_frames, sizeof copy->frame);
    memset(copy->shared, 1, sizeof copy->shared);
    copy->left_count = copy->children = copy->copied = copy->regained = 0;
    return exo_child_fill(child, (uint64_t)exo_eager_start, (uint32_t)(size / EXO_FRAME_SIZE),
                          EXO_MAP_READ | EXO_MAP_WRITE, eager, size);
}

/* Pages that the parent copies meanwhile keep their old frames in the child: that is what it shares. */
static int64_t pages_share(struct exo_child *child, const struct views *views)
{
    memcpy(shared_frames, memory.frame, sizeof shared_frames);
    int64_t result = memory_share();
    for (uint32_t page = 0; page < memory.page_count && result == EXO_OK; page++)
        result = view_map(child, views, memory_page(page), shared_frames[page], EXO_MAP_READ);
    return result;
}

/* From pages_share on our own writes fault and copy, also those of this function. */
static int64_t process_build(void *argument)
{
    struct process *process = argument;
    struct exo_child *child = &process->child;
    static struct views views;
    int64_t result = process_grant(process);

    child->start.number = process->number;
    if (result == EXO_OK)
        result = views_grant(child, &views);
    if (result == EXO_OK)
        result = pages_share(child, &views);
    if (result == EXO_OK)
        result = image_share(child, &views);
    if (result == EXO_OK)
        result = pipe_share(child);
    if (result == EXO_OK && !exo_space_table(&child->space, MEMORY_WINDOWS))
        result = EXO_BAD_NAME;
    if (result == EXO_OK)
        result = exo_child_prepare(child, (uint64_t)exo_event_entry, (uint64_t)exo_exception_entry);
    if (result == EXO_OK)
        result = eager_copy(child);
    if (result == EXO_OK)
        result = exo_child_release(child);
    return result == EXO_OK ? process->number : result;
}

int64_t process_fork(void)
{
    bool blocked = exo_events_block();
    struct process *process = process_new();
    int64_t result = process ? gate_open() : EXO_BUSY;

    if (result == EXO_OK) {
        uint16_t slot = (uint16_t)(SLOT_PROCESSES + 2 * (process - processes));
        result = exo_child_create(&process->child, &memory.space, slot, (uint16_t)(slot + 1), exo_start.name);
    }
    if (result == EXO_OK)
        result = exo_fork_call(exo_threads, process_build, process);
    if (result != 0)
        exo_events_restore(blocked);
    return result;
}

/* Lend all our slots to the child, or end the loan. */
static void slots_lend(const struct process *process, uint8_t vcpu)
{
    const struct exo_start_capability *held;

    for (uint32_t n = 0; (held = exo_start_capability(exo_start_slot(EXO_KIND_SLOTS, n))); n++)
        for (uint32_t slot = held->first; slot < held->first + held->count; slot++)
            exo_slot_lend(0, held->slot, slot, process->child.slot, vcpu);
}

static void message_take(void)
{
    if (!EXO_CONTEXT->inbox_full)
        return;
    struct process *process = process_named((int64_t)EXO_CONTEXT->inbox_badge);

    if (process && EXO_CONTEXT->inbox[0] == EXO_REQUEST_EXIT) {
        process->ended = true;
        process->status = (int)EXO_CONTEXT->inbox[1];
    }
    EXO_CONTEXT->inbox_full = 0;
}

bool process_run(int64_t number)
{
    const struct process *process = process_named(number);

    if (!process || exo_yield_to(process->child.slot, 0) != EXO_OK)
        exo_yield();
    message_take();
    return process && !process->ended && !child_faulted;
}

int process_wait(int64_t number)
{
    struct process *process = process_named(number);

    if (!process)
        return -1;
    slots_lend(process, 0);
    while (!process->ended) {
        exo_events_block();
        if (EXO_CONTEXT->inbox_full) {
            message_take();
        } else if (child_faulted) {
            child_faulted = false;
            process->ended = true;
            process->status = STATUS_KILLED;
        } else {
            exo_sleep(EXO_NEVER, EXO_EVENT_MESSAGE | EXO_EVENT_CHILD, false);
        }
        exo_events_restore(false);
    }
    slots_lend(process, EXO_VCPUS_PER_ENVIRONMENT);
    int64_t result = exo_child_end(process->child.slot, process->child.frame);
    if (result != EXO_OK)
        exo_print("process %u cannot be taken apart: %s", process->number, exo_status_name(result));
    process->number = 0;
    memory_unshare();
    return process->status;
}
