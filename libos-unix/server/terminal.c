#include "terminal.h"
#include "job.h"
#include <exo/calls.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum { KEYS_NS = 10000000, KEYS_MOST = 1024, KEYS_AT_ONCE = 16, ROWS = 24, COLUMNS = 80, WRITE_MOST = 128, TENTH = 100000000 };

const char terminal_channel[1];

static struct {
    uint16_t slot; /* the console's capability; 0: there is no terminal */
    uint32_t session, foreground; /* groups by number; 0: none */
    struct linux_window_size size;
    struct line line;
} terminal;

static struct {
    uint8_t byte[KEYS_MOST];
    uint32_t written, read; /* since ever; each has one writer */
    uint64_t due;
} keys;

bool terminal_exists(void)
{
    return terminal.slot;
}

bool file_is_terminal(const struct file *file)
{
    return terminal.slot && file->kind == FILE_NODE && node_is(file->node, S_IFCHR) &&
           (file->node->device == DEVICE_TTY || file->node->device == DEVICE_CONSOLE);
}

void terminal_open(struct process *first)
{
    for (uint32_t n = 0; exo_start_slot(EXO_KIND_CONSOLE, n); n++)
        if (exo_start_capability(exo_start_slot(EXO_KIND_CONSOLE, n))->rights & EXO_RIGHT_READ)
            terminal.slot = exo_start_slot(EXO_KIND_CONSOLE, n);
    terminal.session = terminal.foreground = first->pid;
    terminal.size = (struct linux_window_size){ ROWS, COLUMNS, 0, 0 };
    line_open(&terminal.line);
}

bool terminal_keys_look(void)
{
    uint64_t now = exo_time();
    uint32_t came = 0;
    int64_t byte = 0;

    if (!terminal.slot || now < keys.due)
        return false;
    while (came < KEYS_AT_ONCE && keys.written - __atomic_load_n(&keys.read, __ATOMIC_SEQ_CST) < KEYS_MOST &&
           (byte = exo_console_read(terminal.slot)) >= 0) {
        keys.byte[keys.written % KEYS_MOST] = (uint8_t)byte;
        __atomic_store_n(&keys.written, keys.written + 1, __ATOMIC_SEQ_CST);
        came++;
    }
    keys.due = now + (came ? KEYS_NS / 10 : KEYS_NS); /* where some are, more may follow */
    return __atomic_load_n(&keys.read, __ATOMIC_SEQ_CST) != keys.written;
}

uint64_t terminal_keys_due(void)
{
    return terminal.slot ? keys.due : EXO_NEVER;
}

void terminal_keys_take(void)
{
    while (keys.read != __atomic_load_n(&keys.written, __ATOMIC_SEQ_CST) && line_has_room(&terminal.line)) {
        uint8_t byte = keys.byte[keys.read % KEYS_MOST];
        __atomic_store_n(&keys.read, keys.read + 1, __ATOMIC_SEQ_CST);
        line_type(&terminal.line, byte);
    }
}

void line_echo(const char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = size - done < WRITE_MOST ? size - done : WRITE_MOST;
        memcpy(EXO_CONTEXT->batch, text + done, part);
        int64_t written = exo_console_write(terminal.slot, (uint32_t)part);
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

void line_signal(uint32_t signal)
{
    if (terminal.foreground)
        group_signal(terminal.foreground, signal);
}

void line_wake(void)
{
    process_wake(terminal_channel);
}

void terminal_put(const void *text, size_t size)
{
    line_echo(text, size);
    line_follow(&terminal.line, text, size);
}

bool terminal_may_read(void)
{
    return line_is_ready(&terminal.line, 1);
}

static bool is_in_background(const struct process *process)
{
    return process->session == terminal.session && process->group != terminal.foreground;
}

/* One in the background is stopped, unless it has seen to it: 0, -EIO, or UNIX_WAIT with the signal on its way. */
static int64_t background_check(struct request *request, uint32_t signal)
{
    struct process *process = request->process;
    uint64_t bit = 1ull << (signal - 1);
    bool is_proof = (process_mask(process) | process->ignored) & bit;

    if (!is_in_background(process) || (is_proof && signal == SIGTTOU))
        return 0;
    if (is_proof || group_is_orphaned(process->group))
        return -EIO;
    group_signal(process->group, signal);
    return request_wait_on(request, terminal_channel);
}

/* VMIN 0: what there is, after VTIME tenths of a second. */
static int64_t timed_wait(struct request *request)
{
    struct process *process = request->process;
    uint64_t tenths = terminal.line.termios.characters[VTIME], now = exo_time();

    if (!process->terminal_until)
        process->terminal_until = now + tenths * TENTH;
    if (now >= process->terminal_until) {
        process->terminal_until = 0;
        return 0;
    }
    process->deadline = process->terminal_until;
    return request_wait_on(request, terminal_channel);
}

int64_t terminal_read(struct request *request, struct file *file)
{
    size_t size = request->a[2] < WINDOW_DATA_SIZE ? request->a[2] : WINDOW_DATA_SIZE;
    const struct linux_termios *termios = &terminal.line.termios;
    bool raw = !(termios->local & ICANON);

    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    int64_t result = background_check(request, SIGTTIN);
    if (result != 0 || !size)
        return result;
    if (line_is_ready(&terminal.line, size) || (raw && file->flags & O_NONBLOCK && line_waiting(&terminal.line))) {
        request->process->terminal_until = 0;
        return (int64_t)line_read(&terminal.line, request->window->data, size);
    }
    if (raw && !termios->characters[VMIN])
        return timed_wait(request);
    return file->flags & O_NONBLOCK || request->a[4] ? -EAGAIN : request_wait_on(request, terminal_channel);
}

int64_t terminal_write(struct request *request)
{
    return terminal.line.termios.local & TOSTOP ? background_check(request, SIGTTOU) : 0;
}

static int64_t answer(struct request *request, const void *data, size_t size)
{
    memcpy(request->window->data, data, size);
    request->more[0] = size;
    return 0;
}

static int64_t settings_set(struct request *request, uint64_t how)
{
    struct linux_termios termios;
    int64_t result = background_check(request, SIGTTOU);

    if (result != 0)
        return result;
    memcpy(&termios, request->window->data, sizeof termios);
    if (how == TCSETSF)
        line_flush(&terminal.line);
    line_set(&terminal.line, &termios);
    return 0;
}

static int64_t size_set(struct request *request)
{
    struct linux_window_size size;

    memcpy(&size, request->window->data, sizeof size);
    if (memcmp(&size, &terminal.size, sizeof size) && terminal.foreground) {
        terminal.size = size;
        group_signal(terminal.foreground, SIGWINCH);
    }
    return 0;
}

static int64_t foreground_set(struct request *request)
{
    const struct process *process = request->process;
    int32_t group;

    memcpy(&group, request->window->data, sizeof group);
    if (process->session != terminal.session)
        return -ENOTTY;
    int64_t result = background_check(request, SIGTTOU);
    if (result != 0)
        return result;
    if (group < 0)
        return -EINVAL;
    if (!group_is_in(group, terminal.session))
        return group_is_in(group, 0) ? -EPERM : -ESRCH;
    terminal.foreground = (uint32_t)group;
    return 0;
}

static int64_t session_take(struct request *request)
{
    const struct process *process = request->process;

    if (process->session == terminal.session)
        return 0;
    if (process->session != process->pid || terminal.session)
        return -EPERM;
    terminal.session = process->pid;
    terminal.foreground = process->group;
    return 0;
}

static int64_t session_drop(struct request *request)
{
    const struct process *process = request->process;

    if (process->session != terminal.session)
        return -ENOTTY;
    if (process->session == process->pid)
        terminal_leave(process);
    return 0;
}

/* a: -, what, a number; the window has what goes in, and what comes out: more[0] bytes. */
int64_t terminal_ioctl(struct request *request)
{
    bool is_ours = request->process->session == terminal.session;
    uint32_t waiting = (uint32_t)line_waiting(&terminal.line);

    switch (request->a[1]) {
    case TCGETS:
        return answer(request, &terminal.line.termios, sizeof terminal.line.termios);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return settings_set(request, request->a[1]);
    case TIOCGWINSZ:
        return answer(request, &terminal.size, sizeof terminal.size);
    case TIOCSWINSZ:
        return size_set(request);
    case TIOCGPGRP:
        return is_ours ? answer(request, &terminal.foreground, sizeof terminal.foreground) : -ENOTTY;
    case TIOCSPGRP:
        return foreground_set(request);
    case TIOCGSID:
        return is_ours ? answer(request, &terminal.session, sizeof terminal.session) : -ENOTTY;
    case TIOCSCTTY:
        return session_take(request);
    case TIOCNOTTY:
        return session_drop(request);
    case FIONREAD:
        return answer(request, &waiting, sizeof waiting);
    case TIOCOUTQ:
        return answer(request, &(uint32_t){ 0 }, sizeof(uint32_t));
    case TCFLSH:
        if (request->a[2] != 1)
            line_flush(&terminal.line);
        return request->a[2] > 2 ? -EINVAL : 0;
    case TCSBRK:
    case TCSBRKP:
    case TCXONC:
        return 0; /* output is written at once */
    default:
        return -ENOTTY;
    }
}

int64_t terminal_enter(struct process *process, const struct node *node, uint32_t flags)
{
        uint32_t device = node_is(node, S_IFCHR) ? node->device : 0;

    if (device == DEVICE_TTY && (!terminal.slot || process->session != terminal.session))
        return -ENXIO;
    if (device == DEVICE_CONSOLE && terminal.slot && !terminal.session && process->session == process->pid && !(flags & O_NOCTTY)) {
        terminal.session = process->pid;
        terminal.foreground = process->group;
    }
    return 0;
}

void terminal_leave(const struct process *process)
{
    uint32_t group = terminal.foreground;

    if (!terminal.session || process->session != terminal.session || process->pid != terminal.session)
        return;
    terminal.session = terminal.foreground = 0;
    if (group) {
        group_signal(group, SIGHUP);
        group_signal(group, SIGCONT);
    }
}
