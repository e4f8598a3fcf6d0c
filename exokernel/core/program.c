#include <program.h>
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>
#include <revoke.h>
#include <sweep.h>

enum {
    EFFORT = 1600,   /* machine instructions of one step of verifying and compiling, beside its longest piece */
    TAKE_STEP = 64,  /* frames that one call takes or gives back */
    CLEAR_STEP = 4,  /* pages that one call clears */
    PROGRAM_TAKEN = 1u << 30, /* marks a program in the repossession vector */
    CULPRIT_SIZE = CODE_REGISTERS + 1,
};

static const struct kind {
    const struct code_kind *code;
    uint32_t budget_max;
} kinds[] = {
    [EXO_CODE_PREDICATE] = {&predicate_kind, EXO_PREDICATE_BUDGET},
    [EXO_CODE_MESSAGE] = {&message_kind, EXO_MESSAGE_BUDGET},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

_Static_assert(sizeof(struct exo_refusal) == sizeof(struct code_refusal) && sizeof(struct exo_known) == sizeof(struct code_value) &&
               offsetof(struct exo_refusal, registers) == offsetof(struct code_refusal, registers) &&
               offsetof(struct exo_known, low) == offsetof(struct code_value, scalar) &&
               offsetof(struct exo_known, most32) == offsetof(struct code_value, scalar.most32), "the verifier's own words");
_Static_assert((int)EXO_REFUSED_BAD_KIND == (int)CODE_REASONS && (int)EXO_REFUSED_TOO_LARGE == (int)CODE_TOO_LARGE &&
               (int)EXO_REFUSED_MAYBE_NULL == (int)CODE_MAYBE_NULL, "the verifier's own reasons");

/* ---- the window */

struct exo_program *program_named(uint32_t page)
{
    return page && page < PROGRAM_PAGES ? program_at((uint32_t)arch_clamp(page, PROGRAM_PAGES)) : NULL;
}

bool program_is_ready(uint32_t page, uint64_t id)
{
    const struct exo_program *program = program_named(page);

    return program && id && __atomic_load_n(&program->id, __ATOMIC_ACQUIRE) == id;
}

exo_result program_find(frame_name environment, uint32_t page, uint32_t kind, uint64_t *ret_id)
{
    const struct exo_program *program = program_named(page);
    uint64_t id = program ? __atomic_load_n(&program->id, __ATOMIC_ACQUIRE) : 0;

    if (!id || program->owner != environment)
        return EXO_BAD_NAME;
    if (program->kind != kind)
        return EXO_WRONG_KIND;
    *ret_id = id;
    return EXO_OK;
}

uint64_t program_run(uint32_t page, struct code_run *run)
{
    run->budget = program_at(page)->budget;
    run->spent = false;
    return arch_program_run(page, run);
}

/* ---- its frames: the machine code's; then what the loader wrote, the program as the verifier knows it, and its work area */

struct parts {
    struct exo_code_header *header;
    struct code_instruction *instructions;
    struct code_program *program;
    struct code_note *notes;
    void *area;
    size_t area_size;
};

/* False if they do not suffice for so many instructions. */
static bool parts_find(const struct exo_program *program, struct parts *ret_parts)
{
    uint8_t *start = data_page(program->frame + program->pages);
    size_t size = (size_t)(program->count - program->pages) * EXO_FRAME_SIZE;
    struct exo_code_header *header = (struct exo_code_header *)start;
    size_t count = header->count <= EXO_PROGRAM_INSTRUCTIONS ? header->count : 0;
    size_t notes = sizeof *header + count * sizeof(struct code_instruction) + sizeof(struct code_program);
    size_t area = notes + count * sizeof(struct code_note);

    *ret_parts = (struct parts){
        .header = header, .instructions = (struct code_instruction *)(header + 1),
        .program = (struct code_program *)(start + notes) - 1, .notes = (struct code_note *)(start + notes),
        .area = start + area, .area_size = area < size ? size - area : 0,
    };
    return area < size;
}

/* ---- loading, step by step: each is called with the program in its state, and answers AGAIN while there is more */

static exo_result refuse(struct exo_program *program, const struct code_refusal *refusal)
{
    __builtin_memcpy(context_here()->batch, refusal, sizeof *refusal);
    program->state = EXO_PROGRAM_REFUSED;
    return EXO_AGAIN;
}

/* May the next frame be taken? It must be as the first one was. */
static exo_result frame_fits(const struct exo_program *program, capability_name capability, uint64_t stamp)
{
    const struct exo_frame *info = frame_named(program->frame + program->frames);

    if (!info)
        return EXO_BAD_NAME;
    if (info->owner != program->owner || info->capability != capability || info->stamp != stamp)
        return EXO_NO_RIGHT;
    if (info->kind != EXO_FRAME_DATA || info->closing)
        return EXO_WRONG_KIND;
    return info->bindings ? EXO_BOUND : EXO_OK;
}

static void frame_join(struct exo_program *program)
{
    struct exo_frame *info = frame_at(program->frame + program->frames++);

    info->kind = EXO_FRAME_PROGRAM;
    info->link = program->first;
}

static exo_result step_take(struct exo_program *program)
{
    const struct exo_frame first = *frame_at(program->frame);

    for (uint32_t i = 0; i < TAKE_STEP && program->frames < program->count; i++) {
        exo_result result = frame_fits(program, first.capability, first.stamp);
        if (result < 0)
            return i ? EXO_AGAIN : result;
        frame_join(program);
    }
    if (program->frames == program->count) {
        program->epoch = flush_begin();
        program->state = EXO_PROGRAM_FLUSHING;
    }
    return EXO_AGAIN;
}

/* Nobody can write the frames any more, so what was checked stays so. */
static exo_result step_begin(struct exo_program *program)
{
    struct code_refusal refusal = {.culprit = CODE_REGISTERS};
    struct parts parts;

    if (!flush_is_over(program->epoch))
        return EXO_AGAIN;
    bool fits = parts_find(program, &parts);
    const struct exo_code_header *header = parts.header;
    if (!fits || header->kind >= KINDS || !kinds[header->kind].code || header->budget > kinds[header->kind].budget_max) {
        refusal.reason = fits ? (uint32_t)EXO_REFUSED_BAD_KIND : (uint32_t)CODE_TOO_LARGE;
        return refuse(program, &refusal);
    }
    program->kind = header->kind;
    program->budget = header->budget;
    *parts.program = (struct code_program){
        .kind = kinds[header->kind].code, .instructions = parts.instructions, .count = header->count, .notes = parts.notes,
    };
    if (code_verify_start(parts.area, parts.area_size, parts.program, header->visits, &refusal) == CODE_REFUSED)
        return refuse(program, &refusal);
    program->state = EXO_PROGRAM_VERIFYING;
    return EXO_AGAIN;
}

static exo_result step_verify(struct exo_program *program)
{
    struct code_refusal refusal;
    struct parts parts;

    parts_find(program, &parts);
    enum code_verdict verdict = code_verify_step(parts.area, EFFORT, &refusal);
    if (verdict == CODE_REFUSED)
        return refuse(program, &refusal);
    if (verdict == CODE_ACCEPTED) {
        program->progress = 0;
        program->state = EXO_PROGRAM_CLEARING;
    }
    return EXO_AGAIN;
}

static exo_result step_clear(struct exo_program *program)
{
    struct parts parts;

    for (uint32_t i = 0; i < CLEAR_STEP && program->progress < program->pages; i++)
        arch_clear_page(program->frame + program->progress++);
    if (program->progress < program->pages)
        return EXO_AGAIN;
    parts_find(program, &parts);
    if (parts.area_size < code_compiler_size(parts.header->count))
        return refuse(program, &(struct code_refusal){.reason = CODE_TOO_LARGE, .culprit = CULPRIT_SIZE});
    code_compile_start(parts.area, parts.program, data_page(program->frame), (size_t)program->pages * EXO_FRAME_SIZE);
    program->state = EXO_PROGRAM_COMPILING;
    return EXO_AGAIN;
}

/* The pages behind the machine code are not needed. */
static void pages_trim(struct exo_program *program, uint32_t pages)
{
    for (uint32_t page = program->first + pages; page < program->first + program->pages; page++)
        program_at(page)->first = 0;
    program->pages = pages;
}

static exo_result step_compile(struct exo_program *program)
{
    struct parts parts;
    size_t size;

    parts_find(program, &parts);
    enum code_verdict verdict = code_compile_step(parts.area, EFFORT, &size);
    if (verdict == CODE_REFUSED)
        return refuse(program, &(struct code_refusal){.reason = CODE_TOO_LARGE, .culprit = CULPRIT_SIZE});
    if (verdict == CODE_ACCEPTED) {
        pages_trim(program, (uint32_t)((size + EXO_FRAME_SIZE - 1) / EXO_FRAME_SIZE));
        program->state = EXO_PROGRAM_RELEASING;
    }
    return EXO_AGAIN;
}

/* The last frame becomes its owner's again. */
static void frame_leave(struct exo_program *program)
{
    struct exo_frame *info = frame_at(program->frame + --program->frames);

    info->kind = EXO_FRAME_DATA;
    info->link = 0;
    info->closing = 0;
}

static exo_result step_release(struct exo_program *program)
{
    for (uint32_t i = 0; i < TAKE_STEP && program->frames > program->pages; i++)
        frame_leave(program);
    if (program->frames > program->pages)
        return EXO_AGAIN;
    arch_program_map(program->first, program->frame, program->pages);
    program->state = EXO_PROGRAM_READY;
    __atomic_store_n(&program->id, kernel.next_id++, __ATOMIC_RELEASE);
    return EXO_OK;
}

exo_result call_program_continue(const struct caller *caller, uint32_t page)
{
    struct exo_program *program = program_named(page);

    if (!program || program->owner != caller->environment)
        return EXO_BAD_NAME;
    switch (program->state) {
    case EXO_PROGRAM_TAKING: return step_take(program);
    case EXO_PROGRAM_FLUSHING: return step_begin(program);
    case EXO_PROGRAM_VERIFYING: return step_verify(program);
    case EXO_PROGRAM_CLEARING: return step_clear(program);
    case EXO_PROGRAM_COMPILING: return step_compile(program);
    case EXO_PROGRAM_RELEASING: return step_release(program);
    case EXO_PROGRAM_READY: return EXO_OK;
    case EXO_PROGRAM_REFUSED: return EXO_REFUSED;
    default: return EXO_BAD_NAME;
    }
}

/* ---- loading begins */

static exo_result pages_may_be_taken(const struct capability *window, uint32_t page, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++)
        if (!capability_covers(window, page + i))
            return EXO_BAD_CAPABILITY;
    for (uint32_t i = 0; i < pages; i++)
        if (program_at(page + i)->first)
            return EXO_TAKEN;
    return EXO_OK;
}

/* The whole range must be a range of names, and the first frame as program_continue wants the others. */
static exo_result frames_may_be_taken(const struct caller *caller, uint32_t slot, frame_name frame, uint32_t count)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info || count > kernel.frame_count - frame)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, slot, EXO_KIND_FRAMES, EXO_RIGHT_WRITE | EXO_RIGHT_TAKE, frame,
                                         info->stamp);
    if (result < 0)
        return result;
    if (info->capability != capability_lookup(caller->environment, slot))
        return EXO_NO_RIGHT;
    if (info->kind != EXO_FRAME_DATA || info->closing)
        return EXO_WRONG_KIND;
    return info->bindings ? EXO_BOUND : EXO_OK;
}

exo_result call_program_load(const struct caller *caller, uint16_t window, uint32_t page, uint32_t pages, uint16_t capability,
                             uint32_t frame, uint32_t count)
{
    struct exo_program *program = program_named(page);
    struct capability held;

    if (pages == 0 || pages > EXO_PROGRAM_PAGES_MAX || count <= pages || count > EXO_PROGRAM_FRAMES_MAX)
        return EXO_BAD_ARGUMENT;
    if (!program || pages > PROGRAM_PAGES - page)
        return EXO_BAD_NAME;
    exo_result result = capability_use(caller->environment, window, EXO_KIND_PROGRAMS, EXO_RIGHT_TAKE, &held);
    if (result == EXO_OK)
        result = pages_may_be_taken(&held, page, pages);
    if (result == EXO_OK)
        result = frames_may_be_taken(caller, capability, frame, count);
    if (result < 0)
        return result;

    *program = (struct exo_program){
        .owner = caller->environment, .capability = capability_lookup(caller->environment, window), .stamp = held.id,
        .frame = frame, .count = count, .pages = pages, .state = EXO_PROGRAM_TAKING,
    };
    for (uint32_t i = 0; i < pages; i++)
        program_at(page + i)->first = page;
    frame_join(program);
    return EXO_OK;
}

/* ---- ending: new runs are refused at once; those under way are waited for, then processors forget the window's pages, then the
 * frames are their owner's again */

static bool end_begin(struct exo_program *program, struct budget *budget)
{
    if (program->state == EXO_PROGRAM_ENDING || program->state == EXO_PROGRAM_FREEING)
        return true;
    if (!budget_spend(budget, COST_UNDO))
        return false;
    __atomic_store_n(&program->id, 0, __ATOMIC_RELEASE);
    program->state = EXO_PROGRAM_ENDING;
    program->epoch = flush_begin();
    budget->is_used = true;
    return true;
}

static bool end_unmap(struct exo_program *program, struct budget *budget)
{
    if (program->state == EXO_PROGRAM_FREEING)
        return true;
    if (!flush_is_over(program->epoch) || !budget_spend(budget, COST_UNDO + program->pages * COST_PART))
        return false;
    arch_program_unmap(program->first, program->pages);
    program->state = EXO_PROGRAM_FREEING;
    program->epoch = flush_begin();
    budget->is_used = true;
    return true;
}

bool program_end(uint32_t page, struct budget *budget)
{
    struct exo_program *program = program_at(page);

    if (!end_begin(program, budget) || !end_unmap(program, budget) || !flush_is_over(program->epoch))
        return false;
    while (program->frames) {
        if (!budget_spend(budget, COST_PART))
            return false;
        frame_leave(program);
        budget->is_used = true;
    }
    if (!budget_spend(budget, COST_UNDO + program->pages * COST_PART))
        return false;
    pages_trim(program, 1);
    *program = (struct exo_program){0};
    budget->is_used = true;
    return true;
}

/* By who loaded it, or by force. */
static exo_result program_may_be_ended(const struct caller *caller, uint32_t window, uint32_t page, struct exo_program *program)
{
    capability_name name = capability_lookup(caller->environment, window), victim;

    exo_result result = capability_check(caller->environment, window, EXO_KIND_PROGRAMS, 0, page, 0);
    if (result < 0)
        return result;
    if (program->capability == name && program->stamp == capability_at(name)->id)
        return EXO_OK;
    result = capability_check(caller->environment, window, EXO_KIND_PROGRAMS, EXO_RIGHT_TAKE, page, 0);
    if (result == EXO_OK)
        result = revoke_may_force(caller->environment, window, program->capability, program->stamp, program->forced, &victim);
    if (result == EXO_OK && !program->forced) {
        program->forced = 1;
        revoke_note_taken(victim, page | PROGRAM_TAKEN);
    }
    return result;
}

exo_result call_program_unload(const struct caller *caller, uint16_t window, uint32_t page)
{
    struct exo_program *program = program_named(page);
    struct budget budget = {.rest = SWEEP_MAX};

    if (!program || !program->owner)
        return EXO_BAD_NAME;
    exo_result result = program_may_be_ended(caller, window, page, program);
    if (result < 0)
        return result;
    bool returned = !program->forced;
    if (!program_end(page, &budget))
        return EXO_AGAIN;
    if (returned)
        revoke_note_returned(caller->environment, window, 1);
    return EXO_OK;
}
