#include "call.h"
#include "site.h"
#include <exo/text.h>

enum { CALLS = 440 };

static int64_t call_none(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)a;
    (void)frame;
    return -ENOSYS;
}

static linux_call *const calls[CALLS] = {
#define FULL(number, name, function, note)    [number] = function,
#define PARTIAL(number, name, function, note) [number] = function,
#define NONE(number, name, note)              [number] = call_none,
#include "call_list.h"
#undef FULL
#undef PARTIAL
#undef NONE
};

/* From entry.S, on our own stack: a call that trapped. */
void system_trap(struct exo_upcall_frame *frame)
{
    WINDOW->counts.trapped++;
    site_note(frame);
    system_enter(frame);
}

/* A signal came while a call was served that needs no frame: the call is over. */
void site_interrupted(void)
{
    signals.is_restart = false;
}

void system_enter(struct exo_upcall_frame *frame)
{
    const uint64_t a[6] = { frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9 };
    uint64_t number = frame->rax;

    signals.restart = number;
    if (number < CALLS && calls[number]) {
        frame->rax = (uint64_t)calls[number](a, frame);
        signals.is_restart = frame->rax == (uint64_t)RESTART && number != LINUX_RT_SIGRETURN;
        return;
    }
    server_ask(UNIX_MISSING, number, frame->rip, 0);
    frame->rax = (uint64_t)-ENOSYS;
}
