#include "signal.h"
#include <exo/program.h>
#include <exo/text.h>

enum { SS_ONSTACK = 1, SS_DISABLE = 2, RED_ZONE = 128, HANDLER_DEFAULT = 0, HANDLER_IGNORE = 1 };
enum { FLAGS_OF_PROGRAM = 0x250dd5, FLAGS_ALWAYS = 0x202, SELECTOR_CODE = 0x33, UC_FP_XSTATE = 1 };

#define BIT(signal) (1ull << ((signal) - 1))
#define NEVER_BLOCKED (BIT(SIGKILL) | BIT(SIGSTOP))

struct signals signals EXO_EAGER;
uint64_t signals_own EXO_EAGER;

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
_Static_assert(UNIX_WINDOW_ADDRESS + __builtin_offsetof(struct unix_window, wait.mask) == 0x3c107fc0 + 24, "entry.S");
_Static_assert(sizeof(struct signal_information) == 128, "siginfo_t");
_Static_assert(sizeof(struct signal_context) == 256, "struct sigcontext");

void signal_block(uint64_t mask)
{
    signal_mask = mask & ~NEVER_BLOCKED;
    if (!(mask & BIT(SIGCHLD)))
        signals.children = STATE->children; /* it was ignored, as there is no handler */
}

void signal_child_look(void)
{
    uint32_t children = STATE->children;

    if (children != signals.children && signal_mask & BIT(SIGCHLD))
        signals_own |= BIT(SIGCHLD);
    signals.children = children;
}

bool signal_is_ready(void)
{
    return (STATE->pending | signals_own) & ~signal_mask;
}

static const uint64_t harmless = BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT);
static const uint64_t stopping = BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);

static bool is_ignored(uint32_t signal)
{
    uint64_t handler = signals.action[signal - 1].handler;
    return handler == HANDLER_IGNORE || (handler == HANDLER_DEFAULT && harmless & BIT(signal));
}

static bool is_stop(uint32_t signal)
{
    return signals.action[signal - 1].handler == HANDLER_DEFAULT && stopping & BIT(signal);
}

/* Stand still until SIGCONT, unless the server says that it must not be. */
static void stop_obey(uint32_t signal)
{
    int64_t result = server_ask(UNIX_STOP, signal, 0, 0);

    while (result == UNIX_WAIT) {
        processor_give_up();
        result = server_ask(UNIX_STOP, 0, 0, 0);
    }
}

bool signal_interrupts(void)
{
    uint64_t ready;

    for (; (ready = signals_own & ~signal_mask); signals_own &= ~(ready & -ready)) {
        uint32_t signal = (uint32_t)__builtin_ctzll(ready) + 1;
        if (!is_ignored(signal) && !is_stop(signal))
            return true;
    }
    while ((ready = STATE->pending & ~signal_mask)) {
        uint32_t signal = (uint32_t)__builtin_ctzll(ready) + 1;
        if (!is_ignored(signal) && !is_stop(signal))
            return true;
        if (server_ask(UNIX_SIGNAL_TAKE, ~BIT(signal), 0, 0) && is_stop(signal))
            stop_obey(signal);
    }
    return false;
}

void signal_policy_tell(void)
{
    const struct linux_action *child = &signals.action[SIGCHLD - 1];
    uint64_t ignored = 0, flags = child->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);

    if (child->handler > HANDLER_IGNORE)
        flags |= UNIX_CHILD_CAUGHT;
    for (uint64_t rest = BIT(SIGCHLD) | stopping; rest; rest &= rest - 1)
        if (signals.action[__builtin_ctzll(rest)].handler == HANDLER_IGNORE)
            ignored |= rest & -rest;
    if (ignored == signals.told_ignored && flags == signals.told_flags)
        return;
    signals.told_ignored = ignored;
    signals.told_flags = flags;
    server_ask(UNIX_POLICY, ignored, flags, 0);
}

/* Word by word: what lies in between belongs to the program's stack. */
static void context_leave(struct signal_context *context, const struct exo_upcall_frame *frame)
{
#define LEAVE(name) context->name = frame->name
    LEAVE(r8), LEAVE(r9), LEAVE(r10), LEAVE(r11), LEAVE(r12), LEAVE(r13), LEAVE(r14), LEAVE(r15), LEAVE(rdi), LEAVE(rsi);
    LEAVE(rbp), LEAVE(rbx), LEAVE(rdx), LEAVE(rax), LEAVE(rcx), LEAVE(rsp), LEAVE(rip), LEAVE(rflags);
    LEAVE(error), LEAVE(vector), LEAVE(address);
#undef LEAVE
    context->cs = SELECTOR_CODE;
    context->gs = context->fs = context->ss = 0;
}

static void context_enter(struct exo_upcall_frame *frame, const struct signal_context *context)
{
#define ENTER(name) frame->name = context->name
    ENTER(r8), ENTER(r9), ENTER(r10), ENTER(r11), ENTER(r12), ENTER(r13), ENTER(r14), ENTER(r15), ENTER(rdi), ENTER(rsi);
    ENTER(rbp), ENTER(rbx), ENTER(rdx), ENTER(rax), ENTER(rcx), ENTER(rsp), ENTER(rip);
#undef ENTER
    frame->rflags = (context->rflags & FLAGS_OF_PROGRAM) | FLAGS_ALWAYS;
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

/* The handler runs next; false: its stack cannot be used. */
static bool handler_enter(struct exo_upcall_frame *frame, uint32_t signal, uint32_t code, uint64_t address)
{
    struct linux_action *action = &signals.action[signal - 1];
    uint64_t fpu = (stack_of(frame, action) - FPU_SIZE) & -64ull, handler = action->handler;
    struct signal_frame *pushed = (struct signal_frame *)(((fpu - sizeof *pushed) & -16ull) - 8);

    if (user_signal_put((void *)fpu, pushed, (uint64_t *)(pushed + 1) - 1))
        return false;
    pushed->restorer = action->restorer;
    pushed->flags = UC_FP_XSTATE;
    pushed->link = 0;
    pushed->stack.address = signals.stack.address;
    pushed->stack.size = signals.stack.size;
    pushed->stack.flags = !signals.stack.size ? SS_DISABLE : is_on_stack(frame->rsp) ? SS_ONSTACK : 0;
    context_leave(&pushed->context, frame);
    pushed->mask = pushed->context.old_mask = signals.is_suspended ? signals.suspended : signal_mask;
    pushed->context.fpu = fpu;
    pushed->information = (struct signal_information){ .signal = (int32_t)signal, .code = (int32_t)code, .address = address };
    signals.is_suspended = false;
    signal_mask |= action->mask & ~NEVER_BLOCKED;
    if (!(action->flags & SA_NODEFER))
        signal_mask |= BIT(signal);
    if (action->flags & (uint32_t)SA_RESETHAND)
        action->handler = HANDLER_DEFAULT;
    frame->rdi = signal;
    frame->rsi = (uint64_t)&pushed->information;
    frame->rdx = (uint64_t)&pushed->flags;
    frame->rax = 0;
    frame->rip = handler;
    frame->rsp = (uint64_t)pushed;
    frame->rflags = FLAGS_ALWAYS;
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

bool signal_self(uint64_t signal)
{
    if (signal - 1 >= SIGNALS || signals.action[signal - 1].handler <= HANDLER_IGNORE || (stopping | BIT(SIGCONT) | BIT(SIGKILL)) & BIT(signal))
        return false;
    signals_own |= BIT(signal);
    return true;
}

/* The lowest first, whoever sent it. */
static uint32_t signal_next(void)
{
    uint64_t own = signals_own & ~signal_mask, first = own & -own;

    if (!own || STATE->pending & ~signal_mask & (first - 1))
        return (uint32_t)server_ask(UNIX_SIGNAL_TAKE, signal_mask, 0, 0);
    signals_own &= ~first;
    return (uint32_t)__builtin_ctzll(first) + 1;
}

void signal_take(struct exo_upcall_frame *frame)
{
    uint32_t signal = signal_next();

    if (signal == 0)
        return;
    const struct linux_action *action = &signals.action[signal - 1];
    if (is_ignored(signal) || is_stop(signal)) {
        if (is_stop(signal))
            stop_obey(signal);
        if (signals.is_suspended && !signals.is_restart) {
            signal_block(signals.suspended); /* of a ppoll that it ended */
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
    signal_policy_tell();
}

int64_t signal_return(struct exo_upcall_frame *frame)
{
    const struct signal_frame *pushed = (const struct signal_frame *)(frame->rsp - 8);

    if (user_signal_get(&pushed->context.fpu, pushed, &pushed->mask))
        process_die(SIGSEGV);
    signal_block(pushed->mask);
    context_enter(frame, &pushed->context);
    return (int64_t)frame->rax;
}
