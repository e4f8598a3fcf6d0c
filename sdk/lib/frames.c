/* The frame allocator (see exo/frames.h). */
#include <exo/frames.h>
#include <exo/calls.h>
#include <exo/machine.h>

void exo_frames_open(struct exo_frames *frames, uint16_t subject, uint16_t capability, uint32_t first, uint32_t count)
{
    *frames = (struct exo_frames){
        .subject = subject, .capability = capability, .first = first, .count = count, .next = first,
    };
}

int exo_again(int64_t status)
{
    if (status != EXO_AGAIN)
        return 0;
    exo_space_flush();
    return 1;
}

static int frame_is_free(uint32_t frame)
{
    return exo_frame_info(frame)->kind == EXO_FRAME_FREE;
}

int exo_frame_was_lost(int64_t status, uint32_t frame)
{
    return status == EXO_TAKEN && !frame_is_free(frame);
}

/* The first free frame at or after `next`, going round once. */
uint32_t exo_frame_find(struct exo_frames *frames)
{
    for (uint32_t i = 0; i < frames->count; i++) {
        uint32_t frame = frames->first + (frames->next - frames->first + i) % frames->count;
        if (!frame_is_free(frame))
            continue;
        frames->next = frame + 1 < frames->first + frames->count ? frame + 1 : frames->first;
        return frame;
    }
    return 0;
}

static uint32_t frame_run(const struct exo_frames *frames, uint32_t frame, uint32_t most)
{
    uint32_t run = 0;
    while (run < most && frame + run < frames->first + frames->count && frame_is_free(frame + run))
        run++;
    return run;
}

/* 2, then EXO_TAKE_MAX. */
static uint32_t stock_size(const struct exo_frames *frames)
{
    uint32_t size = 2u << (frames->restocked < 4 ? frames->restocked : 4);
    return size < EXO_TAKE_MAX ? size : EXO_TAKE_MAX;
}

/* Take some free frames in a row; others may take from the same range. */
static int frames_restock(struct exo_frames *frames)
{
    uint32_t frame;
    int64_t taken;

    do {
        frame = exo_frame_find(frames);
        if (!frame)
            return 0;
        uint32_t run = frame_run(frames, frame, stock_size(frames));
        do
            taken = run ? exo_frame_take(frames->subject, frames->capability, frame, run) : EXO_TAKEN;
        while (exo_again(taken));
    } while (taken == EXO_TAKEN);
    for (int64_t i = 0; i < taken; i++)
        frames->stock[frames->stocked++] = frame + (uint32_t)(taken - 1 - i);
    frames->restocked += frames->restocked < EXO_TAKE_MAX;
    frames->next = taken > 0 ? frame + (uint32_t)taken : frame + 1;
    if (frames->next >= frames->first + frames->count)
        frames->next = frames->first;
    return taken > 0;
}

uint32_t exo_frame_alloc(struct exo_frames *frames)
{
    if (!frames->stocked && !frames_restock(frames))
        return 0;
    return frames->stock[--frames->stocked];
}

static int run_take(struct exo_frames *frames, uint32_t first, uint32_t count)
{
    for (uint32_t done = 0; done < count;) {
        uint32_t batch = count - done < EXO_TAKE_MAX ? count - done : EXO_TAKE_MAX;
        int64_t taken = exo_frame_take(frames->subject, frames->capability, first + done, batch);
        if (taken < 0 && !exo_again(taken))
            return 0;
        done += taken > 0 ? (uint32_t)taken : 0;
    }
    return 1;
}

uint32_t exo_frame_alloc_run(struct exo_frames *frames, uint32_t count, uint32_t alignment)
{
    uint32_t end = frames->first + frames->count;
    uint32_t first = (frames->first + alignment - 1) / alignment * alignment;

    for (; first + count <= end; first += alignment)
        if (frame_run(frames, first, count) == count)
            return run_take(frames, first, count) ? first : 0;
    return 0;
}

int64_t exo_frame_release(struct exo_frames *frames, uint32_t frame)
{
    return exo_frame_free(frames->subject, frames->capability, frame, 1);
}

int64_t exo_frames_give_up(exo_frames_call *call, uint16_t capability, uint32_t first, uint32_t count)
{
    uint32_t done = 0;
    int64_t result = 0;

    while (done < count && (result = call(0, capability, first + done, count - done)) > 0)
        done += (uint32_t)result;
    return done ? done : result;
}

uint32_t exo_frames_free(const struct exo_frames *frames)
{
    uint32_t free = 0;
    for (uint32_t i = 0; i < frames->count; i++)
        free += frame_is_free(frames->first + i);
    return free;
}
