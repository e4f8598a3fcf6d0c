/* The first process of an instance begins here; all others are its copies. And what becomes of exceptions and events. */
#include "exec.h"
#include "fork.h"
#include "memory.h"
#include "region.h"
#include "runtime.h"
#include "signal.h"
#include "vector.h"
#include <exo/calls.h>
#include <exo/program.h>
#include <exo/text.h>

enum { EXCEPTION_DIVIDE = 0, EXCEPTION_DEBUG = 1, EXCEPTION_BREAKPOINT = 3, EXCEPTION_OPCODE = 6, EXCEPTION_PAGE_FAULT = 14,
       EXCEPTION_FPU = 16, EXCEPTION_ALIGNMENT = 17, EXCEPTION_SIMD = 19, STATUS_NO_PROGRAM = 127 };

struct runtime runtime EXO_EAGER;
struct exo_upcall_frame system_frame EXO_EAGER;
static uint8_t slice_fpu[FPU_SIZE] EXO_EAGER __attribute__((aligned(64)));

static bool is_ours(uint64_t rip)
{
    return rip >= UNIX_RUNTIME_ADDRESS && rip < UNIX_RUNTIME_END && rip - (uint64_t)vdso_image >= (uint64_t)(vdso_image_end - vdso_image);
}

static uint32_t signal_of(uint32_t vector)
{
    switch (vector) {
    case EXCEPTION_DIVIDE:
    case EXCEPTION_FPU:
    case EXCEPTION_SIMD:
        return SIGFPE;
    case EXCEPTION_DEBUG:
    case EXCEPTION_BREAKPOINT:
        return SIGTRAP;
    case EXCEPTION_OPCODE:
        return SIGILL;
    case EXCEPTION_ALIGNMENT:
        return SIGBUS;
    default:
        return SIGSEGV;
    }
}

static void exception_handle(struct exo_upcall_frame *frame)
{
    bool page_fault = frame->vector == EXCEPTION_PAGE_FAULT;

    if (page_fault && memory_fault(frame->address, frame->error))
        return;
    if (page_fault && memory_allows(frame->address, frame->error))
        server_ask(UNIX_NO_MEMORY, frame->address, 0, 0);
    if (frame->rip >= (uint64_t)user_copy_move && frame->rip < (uint64_t)user_copy_end) {
        frame->rip = (uint64_t)user_copy_end;
        return;
    }
    if (frame->rip >= (uint64_t)vector_copy_move && frame->rip < (uint64_t)vector_copy_stop) {
        frame->rip = (uint64_t)vector_copy_stop;
        return;
    }
    if (is_ours(frame->rip)) {
        server_ask(UNIX_BROKEN, frame->vector, frame->rip, frame->address);
        process_die(SIGSEGV);
    }
    uint32_t code = !page_fault ? SI_KERNEL : region_find(frame->address) ? SEGV_ACCERR : SEGV_MAPERR;
    signal_raise(frame, signal_of(frame->vector), code, frame->address);
}

/* A signal is taken between the program's instructions: not while one of its calls is being served. */
static void event_handle(uint32_t events, struct exo_upcall_frame *frame)
{
    (void)events;
    if (!signal_is_ready())
        return;
    if (!is_ours(frame->rip)) {
        system_frame = *frame;
        signals.is_restart = false;
    } else if (frame->rip >= (uint64_t)site_leave && frame->rip < (uint64_t)site_left) {
        frame->rip = (uint64_t)site_leave;
        return;
    } else if (frame->rip < (uint64_t)system_leave || frame->rip >= (uint64_t)system_left) {
        return;
    }
    frame->rip = (uint64_t)system_leave;
    frame->rsp = exo_threads[0].main_stack;
}

int main(void)
{
    uint64_t words[7] = { UNIX_START };
    int64_t result = memory_open();

    vector_open();
    /* Both stacks are state: one half each of what libexo has for upcalls. */
    exo_threads[0].stack_size /= 2;
    exo_threads[0].main_stack = exo_threads[0].stack - exo_threads[0].stack_size;
    if (result == EXO_OK) {
        exo_exception_handler = exception_handle;
        exo_event_handler = event_handle;
        exo_threads[0].fpu = (uint64_t)slice_fpu;
        fpu_save(slice_fpu);
        process_enter();
        result = server_call(words);
        if (result == 0)
            result = process_first(words[1], words + 2, words[4]);
    }
    if (result == 0)
        system_start();
    server_ask(UNIX_NO_START, (uint64_t)-result, 0, 0);
    server_ask(LINUX_EXIT, STATUS_NO_PROGRAM, 0, 0);
    return STATUS_NO_PROGRAM;
}
