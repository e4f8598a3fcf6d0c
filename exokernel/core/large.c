/*
 * 2 MiB frames: 512 unbound DATA frames of one owner, joined and split in steps. The first one's progress counts the
 * other parts that belong to it; while they are being joined it is closing, and nothing binds it.
 */
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <frame.h>
#include <sweep.h>

enum { JOIN_MOST = 32 }; /* parts that one call joins: all that it does between two looks at the timer */

/* The same owner, capability and use as the first, and nothing bound. */
static bool part_fits(const struct exo_frame *part, const struct exo_frame *first)
{
    return part->kind == EXO_FRAME_DATA && part->owner == first->owner && part->capability == first->capability &&
           part->stamp == first->stamp && !part->bindings;
}

/* Join the next parts, up to JOIN_MOST. */
static void parts_join(frame_name frame)
{
    struct exo_frame *first = frame_at(frame);

    for (uint32_t i = 0; i < JOIN_MOST && first->progress + 1 < LARGE_FRAMES; i++) {
        struct exo_frame *part = frame_at(frame + first->progress + 1);
        if (!part_fits(part, first))
            return;
        part->kind = EXO_FRAME_LARGE_PART;
        part->link = frame;
        first->progress++;
    }
}

exo_result call_large_create(const struct caller *caller, uint16_t capability, uint32_t frame)
{
    struct exo_frame *first = frame_named(frame);

    if (frame % LARGE_FRAMES)
        return EXO_BAD_ARGUMENT;
    if (!first || kernel.frame_count - frame < LARGE_FRAMES)
        return EXO_BAD_NAME;
    exo_result result = capability_check(caller->environment, capability, EXO_KIND_FRAMES, EXO_RIGHT_TAKE, frame,
                                         first->stamp);
    if (result < 0)
        return result;
    if (first->owner != caller->environment)
        return EXO_NO_RIGHT;
    if (first->kind != EXO_FRAME_DATA && !(first->kind == EXO_FRAME_LARGE && first->closing))
        return EXO_WRONG_KIND;
    if (first->bindings)
        return EXO_BOUND;
    if (first->progress + 1 >= LARGE_FRAMES || !part_fits(frame_at(frame + first->progress + 1), first))
        return EXO_WRONG_KIND;

    first->kind = EXO_FRAME_LARGE;
    first->link = 0;
    first->closing = 1;
    parts_join(frame);
    if (first->progress + 1 < LARGE_FRAMES)
        return EXO_AGAIN;
    first->closing = 0;
    return EXO_OK;
}

exo_result call_large_free(const struct caller *caller, uint32_t frame)
{
    const struct exo_frame *first = frame_named(frame);
    struct budget budget = {.rest = SWEEP_MAX};

    if (!first)
        return EXO_BAD_NAME;
    if (first->kind != EXO_FRAME_LARGE)
        return EXO_WRONG_KIND;
    if (first->owner != caller->environment)
        return EXO_NO_RIGHT;
    if (first->bindings)
        return EXO_BOUND;
    return sweep_undo(frame, &budget) ? EXO_OK : EXO_AGAIN;
}
