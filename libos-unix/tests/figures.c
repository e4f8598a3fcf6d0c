/* figures: what operations cost, in nanoseconds of the program's own clock: under counted instructions these are instructions. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 64, FORKS = 8, PAGE = 4096 };

static volatile char *pages;
static volatile char *volatile wild = (volatile char *)16;
static int zero, ends[4];
static char *self;

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void show(const char *name, unsigned rounds, void operation(unsigned))
{
    uint64_t least = UINT64_MAX, sum = 0;

    for (unsigned i = 0; i < rounds; i++) {
        uint64_t start = now(), took;
        operation(i);
        took = now() - start;
        least = took < least ? took : least;
        sum += took;
    }
    printf("%-16s least %8lu mean %8lu\n", name, (unsigned long)least, (unsigned long)(sum / rounds));
}

static void nothing(unsigned i)
{
    (void)i;
}

static void get_pid(unsigned i)
{
    (void)i;
    syscall(SYS_getpid);
}

static void read_zero(unsigned i)
{
    char byte;

    (void)i;
    if (read(zero, &byte, 1) != 1)
        exit(2);
}

static void touch(unsigned i)
{
    pages[i * PAGE] = 1;
}

static void noted(int signal)
{
    (void)signal;
}

static void kill_self(unsigned i)
{
    (void)i;
    raise(SIGUSR1);
}

static sigjmp_buf back;

static void fault(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static void segv(unsigned i)
{
    (void)i;
    if (!sigsetjmp(back, 1))
        *wild = 1;
}

static void pipe_round(unsigned i)
{
    char byte = (char)i;

    if (write(ends[1], &byte, 1) != 1 || read(ends[2], &byte, 1) != 1)
        exit(2);
}

static void map_unmap(unsigned i)
{
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    page[0] = (char)i;
    munmap(page, PAGE);
}

static void fork_exit_wait(unsigned i)
{
    (void)i;
    if (fork() == 0)
        _exit(0);
    wait(NULL);
}

static void fork_exec_wait(unsigned i)
{
    (void)i;
    if (fork() == 0) {
        execl(self, self, "nothing", (char *)NULL);
        _exit(1);
    }
    wait(NULL);
}

static void echo(void)
{
    char byte;

    while (read(ends[0], &byte, 1) == 1)
        if (write(ends[3], &byte, 1) != 1)
            break;
    _exit(0);
}

int main(int count, char **words)
{
    if (count > 1)
        _exit(0);
    self = words[0];
    zero = open("/dev/zero", O_RDONLY);
    pages = mmap(NULL, ROUNDS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGUSR1, noted);
    signal(SIGSEGV, fault);
    show("nothing", ROUNDS, nothing);
    show("getpid", ROUNDS, get_pid);
    show("read1_zero", ROUNDS, read_zero);
    show("pf_anon", ROUNDS, touch);
    show("mmap_munmap_1p", ROUNDS, map_unmap);
    show("kill_self", ROUNDS, kill_self);
    show("segv_trap", ROUNDS, segv);
    show("fork_exit_wait", FORKS, fork_exit_wait);
    show("fork_exec_wait", FORKS, fork_exec_wait);
    if (pipe(ends) || pipe(ends + 2))
        return 2;
    pid_t child = fork();
    if (child < 0)
        return 2; /* kill would take an error for everybody */
    if (child == 0)
        echo();
    show("pf_cow", ROUNDS, touch);
    show("pipe_rt", ROUNDS, pipe_round);
    kill(child, SIGKILL);
    wait(NULL);
    return 0;
}
