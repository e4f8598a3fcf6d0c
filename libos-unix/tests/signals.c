/* signals: handlers, masks, restart, alternate stacks, faults and bad pointers. One line a check; the last one counts them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned good, all;
static volatile sig_atomic_t came, nested;
static volatile uintptr_t address;
static volatile int code, on_other_stack;
static sigjmp_buf back;
static char other_stack[16384];
static volatile char *volatile wild = (volatile char *)16;
static volatile int endless = 1;

static void check(const char *what, int holds)
{
    all++;
    good += holds != 0;
    printf("%s %s\n", holds ? "ok" : "NOT OK", what);
}

static void note(int signal)
{
    came++;
    (void)signal;
}

static void noted(int signal, siginfo_t *info, void *context)
{
    char here;

    (void)context;
    came = signal;
    code = info->si_code;
    address = (uintptr_t)info->si_addr;
    on_other_stack = &here >= other_stack && &here < other_stack + sizeof other_stack;
    siglongjmp(back, 1);
}

static void inner(int signal)
{
    (void)signal;
    nested++;
    if (nested == 1) {
        raise(SIGUSR1); /* blocked while it is handled */
        came = nested;
    }
}

static void set(int signal, void handler(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static void fault_set(int signal, int flags)
{
    struct sigaction action = { .sa_sigaction = noted, .sa_flags = SA_SIGINFO | flags };
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static void masks(void)
{
    sigset_t set_of, old, pending_now;

    set(SIGUSR1, note, 0);
    came = 0;
    raise(SIGUSR1);
    check("a handler runs", came == 1);
    sigemptyset(&set_of);
    sigaddset(&set_of, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set_of, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    check("a blocked one waits", came == 1);
    sigsuspend(&old);
    check("sigsuspend lets it in once", came == 2);
    sigprocmask(SIG_BLOCK, NULL, &pending_now);
    check("and brings the mask back", sigismember(&pending_now, SIGUSR1) == 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    set(SIGUSR1, inner, 0);
    came = 0;
    raise(SIGUSR1);
    check("it does not interrupt its own handler", came == 1 && nested == 2);
    set(SIGUSR1, note, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    check("SA_RESETHAND", now.sa_handler == SIG_DFL);
}

/* A child without handlers, so that none of them leads it back into the parent's checks; never an error, which kill would take for
 * everybody. */
static pid_t child_of_all(void)
{
    pid_t child = fork();

    if (child < 0)
        exit(2);
    if (child == 0)
        for (int i = 1; i < 32; i++)
            signal(i, SIG_DFL);
    return child;
}

static void later(int signal, pid_t to, unsigned us)
{
    if (child_of_all() == 0) {
        usleep(us);
        kill(to, signal);
        _exit(0);
    }
}

static void restarts(void)
{
    char byte = 0;
    int ends[2];

    if (pipe(ends))
        exit(2);
    set(SIGUSR1, note, 0);
    came = 0;
    later(SIGUSR1, getpid(), 20000);
    check("a read is interrupted", read(ends[0], &byte, 1) == -1 && errno == EINTR && came == 1);
    wait(NULL);
    set(SIGUSR1, note, SA_RESTART);
    pid_t self = getpid();
    if (child_of_all() == 0) {
        usleep(20000);
        kill(self, SIGUSR1);
        usleep(20000);
        _exit(write(ends[1], "x", 1) != 1);
    }
    check("SA_RESTART goes on with it", read(ends[0], &byte, 1) == 1 && byte == 'x' && came == 2);
    wait(NULL);
    close(ends[0]);
    set(SIGPIPE, note, 0);
    came = 0;
    check("EPIPE and SIGPIPE", write(ends[1], "x", 1) == -1 && errno == EPIPE && came == 1);
    close(ends[1]);
    set(SIGCHLD, note, SA_RESTART);
    came = 0;
    if (child_of_all() == 0)
        _exit(3);
    int status = 0;
    wait(&status);
    check("SIGCHLD and wait", came == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 3);
    set(SIGCHLD, SIG_DFL, 0);
}

static int is_pending(int signal)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, signal);
}

static void child_and_wait(unsigned microseconds)
{
    if (child_of_all() == 0) {
        usleep(microseconds);
        _exit(0);
    }
    if (!microseconds)
        wait(NULL);
}

/* SIGCHLD while there is no handler for it. */
static void blocked_children(void)
{
    struct timespec second = { .tv_sec = 1 };
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    child_and_wait(0);
    check("SIGCHLD without a handler is nothing", !is_pending(SIGCHLD));
    sigprocmask(SIG_BLOCK, &child, NULL);
    check("nor later", !is_pending(SIGCHLD));
    child_and_wait(0);
    check("but pends while it is blocked", is_pending(SIGCHLD));
    sigprocmask(SIG_UNBLOCK, &child, NULL);
    sigprocmask(SIG_BLOCK, &child, NULL);
    check("until it is not", !is_pending(SIGCHLD));
    child_and_wait(0);
    set(SIGCHLD, note, 0);
    came = 0;
    sigprocmask(SIG_UNBLOCK, &child, NULL);
    check("or meets a handler that came meanwhile", came == 1);
    set(SIGCHLD, SIG_DFL, 0);
    sigprocmask(SIG_BLOCK, &child, NULL);
    child_and_wait(0);
    check("sigtimedwait takes it", sigtimedwait(&child, NULL, &second) == SIGCHLD && !is_pending(SIGCHLD));
    child_and_wait(5000);
    check("and waits for it", sigtimedwait(&child, NULL, &second) == SIGCHLD && wait(NULL) > 0 && !is_pending(SIGCHLD));
    sigprocmask(SIG_UNBLOCK, &child, NULL);
    child_and_wait(5000);
    check("it ends no sleep", nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL) == 0 && wait(NULL) > 0);
}

static int deep(volatile char *before)
{
    volatile char here[4096];

    here[0] = before ? before[0] : 1;
    return endless ? deep(here) + here[0] : 0;
}

static void faults(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof other_stack };

    fault_set(SIGSEGV, 0);
    came = 0;
    if (!sigsetjmp(back, 1))
        *wild = 1;
    check("a wild write", came == SIGSEGV && address == 16 && code == SEGV_MAPERR);
    mprotect(pages, 4096, PROT_READ);
    if (!sigsetjmp(back, 1))
        pages[5] = 1;
    check("a write to what may be read", address == (uintptr_t)pages + 5 && code == SEGV_ACCERR);
    mprotect(pages, 4096, PROT_READ | PROT_WRITE);
    pages[5] = 7;
    check("it may be written again", pages[5] == 7);
    munmap(pages + 4096, 4096);
    if (!sigsetjmp(back, 1))
        pages[4096] = 1;
    check("what was unmapped is gone", address == (uintptr_t)pages + 4096);
    fault_set(SIGILL, 0);
    if (!sigsetjmp(back, 1))
        __asm__ volatile("ud2");
    check("SIGILL", came == SIGILL);
    fault_set(SIGFPE, 0);
    if (!sigsetjmp(back, 1))
        __asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" : : : "eax", "ecx", "edx");
    check("SIGFPE", came == SIGFPE);
    sigaltstack(&stack, NULL);
    fault_set(SIGSEGV, SA_ONSTACK);
    if (!sigsetjmp(back, 1))
        deep(NULL);
    check("an overflow of the stack, on another stack", came == SIGSEGV && on_other_stack);
}

static void pointers(void)
{
    char name[] = "/etc/motd";
    int file = open(name, O_RDONLY);

    check("EFAULT for a target", read(file, (void *)16, 10) == -1 && errno == EFAULT);
    check("EFAULT for a name", open((const char *)16, O_RDONLY) == -1 && errno == EFAULT);
    check("EFAULT for a source", write(1, (const void *)(uintptr_t)0xdead0000000, 4) == -1 && errno == EFAULT);
    close(file);
    check("ENOSYS for what is not there", syscall(9999) == -1 && errno == ENOSYS);
}

/* What a killed or faulting child tells. */
static void deaths(void)
{
    int status = 0;

    if (child_of_all() == 0) {
        *wild = 1;
        _exit(0);
    }
    wait(&status);
    check("a child that faults", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    pid_t child = child_of_all();
    if (child == 0)
        for (;;)
            ;
    usleep(5000);
    kill(child, SIGTERM);
    wait(&status);
    check("one that computes is ended by SIGTERM", WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Whatever a program does to the part of its address space where libos-unix has its own data (on Linux nothing is there): it is the
 * program's own end, and nobody else's. */
static void vandals(void)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < 16; i++) {
        int status = 0;
        pid_t child = child_of_all();
        if (child == 0) {
            volatile char *target = (volatile char *)(uintptr_t)(0x3c010000 + 0x2800 * i);
            for (unsigned n = 0; n < 0x3000; n++)
                target[n] = (char)(i * 37 + n);
            for (;;)
                getppid();
        }
        usleep(3000);
        kill(child, SIGKILL);
        ended += waitpid(child, &status, 0) == child && WIFSIGNALED(status);
    }
    check("programs that destroy their own runtime end alone", ended == 16);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    masks();
    restarts();
    blocked_children();
    faults();
    pointers();
    deaths();
    vandals();
    printf("%u of %u checks hold\n", good, all);
    return good == all ? 0 : 1;
}
