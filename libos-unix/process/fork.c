/*
 * fork: the parent lists its pages, the server makes an environment with a copy of our state (all that is EXO_EAGER, as it is at the
 * moment of the request), and there the copy goes on. All of that is one request: a parent that is killed has a child or none.
 */
#include "fork.h"
#include "inherit.h"
#include "memory.h"
#include "region.h"
#include "runtime.h"
#include "signal.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>

enum { FORK_STACK = 1024 }; /* more than what lies on the stack between skips_list and the request */

static uint8_t fork_fpu[FPU_SIZE] EXO_EAGER __attribute__((aligned(64)));

/* Us, and all whose memory we see ourselves. */
static int64_t owners_list(struct unix_fork *fork)
{
    fork->owner[0] = exo_start.environment;
    fork->owner_count = 1;
    for (uint32_t i = 0; i < kin.view_count; i++) {
        if (i && kin.view[i].of == kin.view[i - 1].of)
            continue;
        if (fork->owner_count == OWNERS_MAX)
            return -EAGAIN;
        fork->owner[fork->owner_count++] = kin.view[i].of;
    }
    return 0;
}

static void skip(struct unix_fork *fork, uint32_t *count, const void *start, const void *end)
{
    uint32_t from = (uint32_t)((const uint8_t *)start - exo_data_start), to = (uint32_t)((const uint8_t *)end - exo_data_start), i = *count;

    for (; i && fork->skip[i - 1].start > from; i--)
        fork->skip[i] = fork->skip[i - 1];
    fork->skip[i].start = from;
    fork->skip[i].end = to;
    ++*count;
}

/* Large parts of our state that a child fills anew: unused parts of tables, of both stacks, and what `kin` is. */
static void skips_list(struct unix_fork *fork)
{
    const uint8_t *upcall_stack = (const uint8_t *)exo_threads[0].stack, *main_stack = (const uint8_t *)exo_threads[0].main_stack;
    uint8_t *here = __builtin_frame_address(0);
    uint32_t count = 0;

    skip(fork, &count, main_stack, upcall_stack);
    skip(fork, &count, main_stack - exo_threads[0].stack_size, here - FORK_STACK);
    skip(fork, &count, &kin, &kin + 1);
    skip(fork, &count, &exo_start, &exo_start + 1);
    skip(fork, &count, &regions.region[regions.count], &regions + 1);
    skip(fork, &count, memory_state.left, memory_state.inherited + INHERITED_MAX);
}

void process_enter(void)
{
    exo_vcpu_entry(0, 0, EXO_ENTRY_FOREIGN, (uint64_t)foreign_entry);
}

/* Called where the child goes on: nothing may leave the processor here but the request itself. */
static int64_t fork_ask(void *argument)
{
    uint64_t words[7] = { UNIX_FORK };

    (void)argument;
    return server_try(words) ? (int64_t)words[0] : UNIX_WAIT;
}

static void child_begin(void)
{
    const struct unix_fork *fork = (const struct unix_fork *)WINDOW->data;

    exo_start = fork->start;
    signals_own = signals.children = 0;
    exo_vcpu_entry(0, 0, EXO_ENTRY_EXCEPTION, (uint64_t)exo_exception_entry);
    process_enter();
    if (!inherit_adopt(fork))
        process_die(SIGSEGV);
}

/* UNIX_WAIT: the server is busy. */
static int64_t fork_try(void)
{
    bool blocked = exo_events_block();

    fpu_save(fork_fpu);
    int64_t result = exo_fork_call(exo_threads, fork_ask, 0);
    if (result == 0)
        child_begin();
    else
        exo_events_restore(blocked);
    fpu_load(fork_fpu);
    return result;
}

int64_t process_fork(void)
{
    struct unix_fork *fork = (struct unix_fork *)WINDOW->data;
    int64_t result = owners_list(fork);

    fork->run_count = 0;
    skips_list(fork);
    if (result < 0 || !inherit_list(fork))
        return -EAGAIN;
    while ((result = fork_try()) == UNIX_WAIT)
        processor_give_up();
    if (result > 0)
        processor_give_up(); /* the child first: it ends or calls exec soon, mostly, and until then each page that we wrote to would be copied */
    return result;
}
