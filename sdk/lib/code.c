#include <exo/code.h>
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum {
    SLOT_SIZE = 8,
    CODE_PER_SLOT = 40,   /* bytes of machine code that a slot takes, mostly */
    CODE_TRIES = 3,       /* twice as many pages each time */
    WORK_PER_SLOT = 40,   /* instruction, notes and the verifier's slot, at most */
    WORK_FIXED = 8192,    /* the verifier itself */
    STATE_SIZE = 2400,
    STATES_LEAST = 16,
    SLOTS_PER_STATE = 3,
    VISITS_PER_SLOT = 1000,
};

static uint32_t pages_of(uint64_t bytes)
{
    return (uint32_t)((bytes + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE);
}

/* The first free pages in a row of the window that the capability covers, or 0. */
static uint32_t pages_find(uint16_t window, uint32_t pages)
{
    const struct exo_start_capability *range = exo_start_capability(window);
    uint32_t run = 0;

    for (uint32_t page = range ? range->first : 0; range && page < range->first + range->count; page++) {
        run = exo_program_info(page)->first ? 0 : run + 1;
        if (run == pages)
            return page - pages + 1;
    }
    return 0;
}

static void frames_release(struct exo_frames *frames, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        exo_frame_release(frames, first + i);
}

/* Header and instructions, where the kernel looks for them. */
static int64_t code_write(struct exo_space *space, const struct exo_frames *frames, uint32_t frame, const struct exo_code_header *header,
                          const uint64_t *slots)
{
    uint32_t pages = pages_of(sizeof *header + (uint64_t)header->count * SLOT_SIZE);
    uint8_t *to = (uint8_t *)EXO_CODE_ADDRESS;
    int64_t result = exo_space_map(space, EXO_CODE_ADDRESS, frame, pages, frames->capability, EXO_MAP_READ | EXO_MAP_WRITE);

    if (result != EXO_OK)
        return result;
    memcpy(to, header, sizeof *header);
    memcpy(to + sizeof *header, slots, (size_t)header->count * SLOT_SIZE);
    return exo_space_unmap(space, EXO_CODE_ADDRESS, pages);
}

static int64_t code_finish(const struct exo_code *code, struct exo_refusal *ret_refusal)
{
    int64_t result;

    do
        result = exo_program_continue(0, code->page);
    while (exo_again(result));
    if (result == EXO_REFUSED)
        memcpy(ret_refusal, EXO_CONTEXT->batch, sizeof *ret_refusal);
    return result;
}

static int64_t code_end(const struct exo_code *code)
{
    int64_t result;

    do
        result = exo_program_unload(0, code->window, code->page);
    while (exo_again(result));
    return result;
}

/* One try, with so many pages for machine code. */
static int64_t code_try(struct exo_code *code, struct exo_space *space, struct exo_frames *frames, const struct exo_code_header *header,
                        const uint64_t *slots, struct exo_refusal *ret_refusal)
{
    uint32_t states = STATES_LEAST + header->count / SLOTS_PER_STATE;
    uint32_t count = code->pages + pages_of(WORK_FIXED + (uint64_t)header->count * WORK_PER_SLOT + (uint64_t)states * STATE_SIZE);

    if (!(code->page = pages_find(code->window, code->pages)))
        return EXO_TAKEN;
    if (!(code->frame = exo_frame_alloc_run(frames, count, 1)))
        return EXO_BAD_NAME;
    int64_t result = code_write(space, frames, code->frame + code->pages, header, slots);
    if (result == EXO_OK)
        result = exo_program_load(0, code->window, code->page, code->pages, frames->capability, code->frame, count);
    bool loaded = result == EXO_OK;
    if (loaded)
        result = code_finish(code, ret_refusal);
    if (loaded && result != EXO_OK)
        code_end(code);
    code->pages = result == EXO_OK ? exo_program_info(code->page)->pages : 0;
    frames_release(frames, code->frame + code->pages, count - code->pages);
    return result;
}

int64_t exo_code_load(struct exo_code *code, struct exo_space *space, struct exo_frames *frames, uint16_t window, uint32_t kind,
                      uint32_t budget, const uint64_t *slots, uint32_t count, struct exo_refusal *ret_refusal)
{
    const struct exo_code_header header = {.kind = kind, .count = count, .budget = budget, .visits = (uint64_t)count * VISITS_PER_SLOT};
    int64_t result = EXO_REFUSED;

    if (count > EXO_PROGRAM_INSTRUCTIONS)
        return EXO_BAD_ARGUMENT;
    for (uint32_t try = 0; try < CODE_TRIES; try++) {
        *code = (struct exo_code){.window = window, .pages = pages_of((uint64_t)count * CODE_PER_SLOT + 1) << try};
        result = code_try(code, space, frames, &header, slots, ret_refusal);
        if (result != EXO_REFUSED || ret_refusal->reason != EXO_REFUSED_TOO_LARGE || ret_refusal->culprit != 12)
            break;
    }
    return result;
}

int64_t exo_code_unload(struct exo_code *code, struct exo_frames *frames)
{
    int64_t result = code_end(code);

    if (result == EXO_OK)
        frames_release(frames, code->frame, code->pages);
    return result;
}

int64_t exo_sleep_on(uint64_t deadline, uint32_t events, const struct exo_code *predicate, uint16_t capability, uint32_t frame,
                     bool gates)
{
    const uint64_t words[6] = {deadline, events, predicate->page, capability, frame, gates};

    return exo_switch_words(exo_threads, EXO_CALL_MAGIC | EXO_CALL_SLICE_SLEEP_ON, words);
}
