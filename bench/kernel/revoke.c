/*
 * Revocation of 1 and of 64 frames: answered by the holder (a copy of this program that is yielded to), and taken by force
 * after a deadline that passes at once.
 */
#include "bench.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { SLOT_HOLDER = 44, SLOT_WINDOW, SLOT_HOLDER_GATE, HOLDER_GATE = 20 };
enum { HOLDER_FRAMES = 256, ASSET_FRAMES = 64, ROUNDS = 20 };

static struct exo_child holder;
static uint32_t asset; /* first of the frames that move to and fro */

/* In the holder: whenever it is yielded to, take what a message asks for, return what is asked back. */
static void holder_run(uint16_t back, uint16_t capability)
{
    exo_gate_create(0, 0, (uint64_t)bench_gate_echo, 0, HOLDER_GATE);
    exo_capability_derive(0, HOLDER_GATE, back, SLOT_HOLDER_GATE, EXO_RIGHT_WRITE,
                          exo_start.environment * EXO_GATES_PER_ENVIRONMENT, 1);
    for (;;) {
        exo_yield_to(back, 0);
        if (EXO_CONTEXT->inbox_full) {
            uint32_t count = (uint32_t)EXO_CONTEXT->inbox[0];
            EXO_CONTEXT->inbox_full = 0;
            for (uint32_t i = 0; i < count; i++)
                while (exo_again(exo_frame_take(0, capability, asset + i, 1)))
                    ;
        }
        exo_frames_give_up(exo_frame_return, capability, asset, EXO_CONTEXT->revoke_count);
    }
}

static uint32_t asset_owned(uint32_t count)
{
    uint32_t owned = 0;

    for (uint32_t i = 0; i < count; i++)
        owned += exo_frame_info(asset + i)->owner == holder.frame;
    return owned;
}

/* Let the holder run until it owns that many; the end of a slice may come between. */
static void holder_run_until(uint32_t count, uint32_t owned)
{
    for (uint32_t turns = 0; asset_owned(count) != owned; turns++) {
        bench_must(turns < 100 ? EXO_OK : EXO_TIMED_OUT, "the holder does not do its part");
        exo_yield_to(SLOT_HOLDER, 0);
    }
}

static void holder_take(uint32_t count)
{
    bench_must(exo_gate_send(SLOT_HOLDER_GATE, count, 0, 0, 0, 0), "gate_send");
    holder_run_until(count, count);
}

/* What came back is cleared and made free again. */
static void asset_renew(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t result;
        do
            result = exo_frame_take(0, bench_frames.capability, asset + i, 1);
        while (exo_again(result));
        bench_must(result, "what was revoked did not come back");
    }
    bench_must(exo_frames_give_up(exo_frame_free, bench_frames.capability, asset, count), "free");
}

static uint64_t answer_measure(uint16_t held, uint32_t count)
{
    holder_take(count);
    uint64_t before = exo_ticks();
    int64_t result = exo_revoke(0, bench_frames.capability, holder.frame, held, count, EXO_NEVER);
    exo_yield_to(SLOT_HOLDER, 0);
    uint64_t ticks = exo_ticks() - before - bench_empty;
    bench_must(result, "revoke");
    holder_run_until(count, 0);
    asset_renew(count);
    return ticks;
}

static uint64_t force_measure(uint16_t held, uint32_t count)
{
    holder_take(count);
    uint64_t before = exo_ticks();
    int64_t result = exo_revoke(0, bench_frames.capability, holder.frame, held, count, 0);
    if (result == EXO_OK)
        result = exo_revoke(0, bench_frames.capability, holder.frame, held, count, 0);
    for (uint32_t i = 0; i < count && result == EXO_OK; i++)
        result = exo_frame_reclaim(0, bench_frames.capability, asset + i);
    uint64_t ticks = exo_ticks() - before - bench_empty;
    bench_must(result, "reclaim");
    asset_renew(count);
    return ticks;
}

static void revocation_print(const char *row, uint64_t measure(uint16_t, uint32_t), uint16_t held, uint32_t count)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < ROUNDS; i++)
        bench_least(&least, measure(held, count));
    bench_print(row, least, "instructions");
}

void bench_revocation(void)
{
    uint32_t rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT;
    const struct exo_start_capability *memory = exo_start_capability(bench_frames.capability);
    static uint16_t back, own, held;

    asset = memory->first + memory->count - ASSET_FRAMES;
    bench_must(exo_child_create(&holder, &bench_space, SLOT_HOLDER, SLOT_WINDOW, "holder"), "create");
    bench_must(exo_child_grant(&holder, exo_start_slot(EXO_KIND_ENVIRONMENT, 0), EXO_KIND_ENVIRONMENT,
                               EXO_RIGHT_RUN | EXO_RIGHT_GRANT, exo_start.environment, 1, &back), "grant");
    bench_must(exo_child_grant(&holder, bench_frames.capability, EXO_KIND_FRAMES, rights, asset - HOLDER_FRAMES,
                               HOLDER_FRAMES, &own), "grant");
    bench_must(exo_child_grant(&holder, bench_frames.capability, EXO_KIND_FRAMES, rights, asset, ASSET_FRAMES, &held),
               "grant");
    bench_must(exo_child_memory(&holder, own), "memory");
    int64_t result = exo_child_fork(&holder);
    if (result == 0)
        holder_run(back, held);
    bench_must(result, "fork");
    bench_must(exo_yield_to(SLOT_HOLDER, 0), "yield_to");
    revocation_print("revoke_1", answer_measure, held, 1);
    revocation_print("revoke_64", answer_measure, held, 64);
    revocation_print("repossess_1", force_measure, held, 1);
    revocation_print("repossess_64", force_measure, held, 64);
    bench_must(exo_child_end(SLOT_HOLDER, holder.frame), "end");
}
