#include "signal.h"
#include <exo/program.h>
#include <exo/text.h>

enum { SS_ONSTACK = 1, SS_DISABLE = 2, RED_ZONE = 128, HANDLER_DEFAULT = 0, HANDLER_IGNORE = 1 };
enum { FLAGS_OF_PROGRAM = 0x250dd5, FLAGS_ALWAYS = 0x202, SELECTOR_CODE = 0x33, UC_FP_XSTATE = 1 };

#define BIT(signal) (1ull << ((signal) - 1))
#define NEVER_BLOCKED (BIT(SIGKILL) | BIT(SIGSTOP))

struct signals signals EXO_EAGER;
uint64_t signal_mask EXO_EAGER;

/* What Linux puts onto the stack (arch/x86/include/uapi/asm/sigcontext.h describes it), and the FPU state behind it. */
struct signal_context {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, vector, old_mask, address, fpu, reserved[8];
};

struct signal_information {
    int32_t signal, error, code, pad;
    uint64_t address;
    uint64_t unused[13];
};

struct signal_frame {
    uint64_t restorer;
    uint64_t flags, link;
    struct signal_stack stack;
    struct signal_context context;
    uint64_t mask;
    struct signal_information information;
};
_Static_assert(sizeof(struct signal_information) == 128, "siginfo_t");
_Static_assert(sizeof(struct signal_context) == 256, "struct sigcontext");

bool signal_is_ready(void)
{
    return STATE->pending & ~signal_mask;
}

static bool is_ignored(uint32_t signal)
{
    uint64_t handler = signals.action[signal - 1].handler;
    const uint64_t harmless = BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT);
    const uint64_t stopping = BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);

    return handler == HANDLER_IGNORE || (handler == HANDLER_DEFAULT && (harmless | stopping) & BIT(signal));
}

static struct signal_context context_of(const struct exo_upcall_frame *frame)
{
    return (struct signal_context){
        frame->r8, frame->r9, frame->r10, frame->r11, frame->r12, frame->r13, frame->r14, frame->r15, frame->rdi, frame->rsi,
        frame->rbp, frame->rbx, frame->rdx, frame->rax, frame->rcx, frame->rsp, frame->rip, frame->rflags,
        .cs = SELECTOR_CODE, .error = frame->error, .vector = frame->vector, .address = frame->address,
    };
}

static void context_enter(struct exo_upcall_frame *frame, const struct signal_context *context)
{
    *frame = (struct exo_upcall_frame){
        .r8 = context->r8, .r9 = context->r9, .r10 = context->r10, .r11 = context->r11, .r12 = context->r12,
        .r13 = context->r13, .r14 = context->r14, .r15 = context->r15, .rdi = context->rdi, .rsi = context->rsi,
        .rbp = context->rbp, .rbx = context->rbx, .rdx = context->rdx, .rax = context->rax, .rcx = context->rcx,
        .rsp = context->rsp, .rip = context->rip, .rflags = (context->rflags & FLAGS_OF_PROGRAM) | FLAGS_ALWAYS,
    };
}

static bool is_on_stack(uint64_t address)
{
    return signals.stack.size && address - signals.stack.address < signals.stack.size;
}

static uint64_t stack_of(const struct exo_upcall_frame *frame, const struct linux_action *action)
{
    if (action->flags & SA_ONSTACK && signals.stack.size && !is_on_stack(frame->rsp))
        return signals.stack.address + signals.stack.size;
    return frame->rsp - RED_ZONE;
}

/* FPU state to the program's stack, page by page touched first: the instruction that saves it must not fault. */
static bool fpu_put(uint64_t target)
{
    static const uint8_t zero[FPU_SIZE];

    if (user_copy((void *)target, zero, FPU_SIZE))
        return false;
    fpu_save((void *)target);
    return true;
}

/* The handler runs next; false: its stack cannot be used. */
static bool handler_enter(struct exo_upcall_frame *frame, uint32_t signal, uint32_t code, uint64_t address)
{
    const struct linux_action action = signals.action[signal - 1];
    uint64_t fpu = (stack_of(frame, &action) - FPU_SIZE) & -64ull;
    uint64_t target = ((fpu - sizeof(struct signal_frame)) & -16ull) - 8;
    struct signal_frame pushed = {
        .restorer = action.restorer, .flags = UC_FP_XSTATE, .stack = signals.stack, .context = context_of(frame),
        .mask = signals.is_suspended ? signals.suspended : signal_mask,
        .information = { .signal = (int32_t)signal, .code = (int32_t)code, .address = address },
    };

    pushed.stack.flags = signals.stack.size ? (is_on_stack(frame->rsp) ? SS_ONSTACK : 0) : SS_DISABLE;
    pushed.context.fpu = fpu;
    pushed.context.old_mask = pushed.mask;
    if (!fpu_put(fpu) || user_copy((void *)target, &pushed, sizeof pushed))
        return false;
    signals.is_suspended = false;
    signal_mask |= action.mask & ~NEVER_BLOCKED;
    if (!(action.flags & SA_NODEFER))
        signal_mask |= BIT(signal);
    if (action.flags & (uint32_t)SA_RESETHAND)
        signals.action[signal - 1].handler = HANDLER_DEFAULT;
    *frame = (struct exo_upcall_frame){
        .rdi = signal, .rsi = target + __builtin_offsetof(struct signal_frame, information),
        .rdx = target + __builtin_offsetof(struct signal_frame, flags),
        .rip = action.handler, .rsp = target, .rflags = FLAGS_ALWAYS,
    };
    return true;
}

/* The call that the signal interrupted is made again, unless the handler says otherwise. */
static void call_settle(struct exo_upcall_frame *frame, bool again)
{
    if (!signals.is_restart)
        return;
    signals.is_restart = false;
    if (!again) {
        frame->rax = (uint64_t)-EINTR;
        return;
    }
    frame->rax = signals.restart;
    frame->rip -= 2;
}

void signal_take(struct exo_upcall_frame *frame)
{
    uint32_t signal = (uint32_t)server_ask(UNIX_SIGNAL_TAKE, signal_mask, 0, 0);

    if (signal == 0)
        return;
    const struct linux_action *action = &signals.action[signal - 1];
    if (is_ignored(signal)) {
        if (signals.is_suspended && !signals.is_restart) {
            signal_mask = signals.suspended; /* of a ppoll that it ended */
            signals.is_suspended = false;
        }
        call_settle(frame, true);
        return;
    }
    if (action->handler == HANDLER_DEFAULT)
        process_die(signal);
    call_settle(frame, action->flags & SA_RESTART && !signals.is_suspended);
    if (!handler_enter(frame, signal, SI_USER, 0))
        process_die(SIGSEGV);
}

void signal_raise(struct exo_upcall_frame *frame, uint32_t signal, uint32_t code, uint64_t address)
{
    if (signals.action[signal - 1].handler <= HANDLER_IGNORE || signal_mask & BIT(signal) ||
        !handler_enter(frame, signal, code, address))
        process_die(signal);
}

void signal_reset(void)
{
    for (uint32_t i = 0; i < SIGNALS; i++)
        if (signals.action[i].handler != HANDLER_IGNORE)
            signals.action[i] = (struct linux_action){ 0 };
    signals.stack = (struct signal_stack){ 0 };
    signals.is_suspended = false;
}

int64_t signal_return(struct exo_upcall_frame *frame)
{
    static uint8_t fpu[FPU_SIZE] __attribute__((aligned(64)));
    struct signal_frame pushed;

    if (user_copy(&pushed, (const void *)(frame->rsp - 8), sizeof pushed) ||
        user_copy(fpu, (const void *)pushed.context.fpu, sizeof fpu))
        process_die(SIGSEGV);
    context_enter(frame, &pushed.context);
    signal_mask = pushed.mask & ~NEVER_BLOCKED;
    fpu_load(fpu);
    return (int64_t)frame->rax;
}
