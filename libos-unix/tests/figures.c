/*
 * figures: what operations cost, in ticks of the processor's clock: under counted instructions these are instructions. Medians, less
 * what an empty pair of readings takes. The same binary runs on Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* Forks are so many that neither the first ones, in which call sites are rewritten, nor one that the end of a time slice divides, make the median. */
enum { ROUNDS = 64, FORKS = 15, PAGE = 4096, BULK = 65536, ROUNDS_MOST = ROUNDS };

static volatile char *pages;
static char *one_page;
static int zero, null, file, ends[4];
static char *self, bulk[BULK];
static uint64_t empty;

/* Fenced, so that nothing of the operation is left out on a real processor. */
static uint64_t now(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static int is_less(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t median(unsigned rounds, void operation(unsigned))
{
    uint64_t took[ROUNDS_MOST];

    for (unsigned i = 0; i < rounds; i++) {
        uint64_t start = now();
        operation(i);
        took[i] = now() - start;
    }
    qsort(took, rounds, sizeof *took, is_less);
    return took[rounds / 2];
}

static void show(const char *name, unsigned rounds, void operation(unsigned))
{
    printf("bench %s %lu instructions\n", name, (unsigned long)(median(rounds, operation) - empty));
    fflush(stdout);
}

static void must(int holds)
{
    if (!holds)
        _exit(2);
}

static void nothing(unsigned i)
{
    (void)i;
}

static void get_pid(unsigned i)
{
    (void)i;
    getpid();
}

static void get_time(unsigned i)
{
    struct timespec time;

    (void)i;
    clock_gettime(CLOCK_MONOTONIC, &time);
}

static void read_zero(unsigned i)
{
    char byte;

    (void)i;
    must(read(zero, &byte, 1) == 1);
}

static void write_null(unsigned i)
{
    (void)i;
    must(write(null, "", 1) == 1);
}

static void read_file(unsigned i)
{
    (void)i;
    must(pread(file, bulk, PAGE, 0) == PAGE);
}

static void open_close(unsigned i)
{
    (void)i;
    must(close(open("/test/figures", O_RDONLY)) == 0);
}

static void stat_file(unsigned i)
{
    struct stat info;

    (void)i;
    must(stat("/test/figures", &info) == 0);
}

static void create_write_unlink(unsigned i)
{
    int made = open("/tmp/figures", O_CREAT | O_WRONLY, 0600);

    (void)i;
    must(write(made, bulk, PAGE) == PAGE && close(made) == 0 && unlink("/tmp/figures") == 0);
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
    syscall(SYS_kill, getpid(), SIGUSR1);
}

/* A write whose fault the handler may step over. */
void poke(volatile char *address);
extern char poked[];
__asm__(".globl poke, poked\n"
        "poke: movb $1, (%rdi)\n"
        "poked: ret\n");

static void step_over(int signal, siginfo_t *information, void *context)
{
    (void)signal;
    (void)information;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = (greg_t)poked;
}

static void segv(unsigned i)
{
    (void)i;
    poke((volatile char *)16);
}

static void unprotect(int signal)
{
    (void)signal;
    mprotect(one_page, PAGE, PROT_READ | PROT_WRITE);
}

static void protect_trap_unprotect(unsigned i)
{
    (void)i;
    mprotect(one_page, PAGE, PROT_READ);
    poke(one_page);
}

static void protect(unsigned i)
{
    must(mprotect(one_page, PAGE, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ) == 0);
}

static void map_unmap(unsigned i)
{
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    page[0] = (char)i;
    munmap(page, PAGE);
}

static void pipe_round(unsigned i)
{
    char byte = (char)i;

    must(write(ends[1], &byte, 1) == 1 && read(ends[2], &byte, 1) == 1);
}

static void pipe_bulk(unsigned i)
{
    size_t done = 0;

    (void)i;
    must(write(ends[1], bulk, BULK / 2) == BULK / 2 && write(ends[1], bulk, BULK / 2) == BULK / 2);
    while (done < BULK) {
        ssize_t part = read(ends[2], bulk, BULK - done);
        must(part > 0);
        done += (size_t)part;
    }
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

static void handle(int signal, void (*handler)(int), void (*detailed)(int, siginfo_t *, void *))
{
    struct sigaction action = { 0 };

    action.sa_handler = handler;
    if (detailed) {
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = detailed;
    }
    sigaction(signal, &action, NULL);
}

static void echo(void)
{
    static char held[BULK];
    ssize_t part;

    while ((part = read(ends[0], held, BULK)) > 0)
        if (write(ends[3], held, (size_t)part) != part)
            break;
    _exit(0);
}

/* With a second process that sees our memory, and echoes. */
static void show_with_child(void)
{
    must(pipe(ends) == 0 && pipe(ends + 2) == 0);
    pid_t child = fork();
    must(child >= 0); /* kill would take an error for everybody */
    if (child == 0)
        echo();
    show("pf_cow", ROUNDS, touch);
    show("pipe_rt", ROUNDS, pipe_round);
    show("pipe_bw_64k", ROUNDS, pipe_bulk);
    kill(child, SIGKILL);
    wait(NULL);
}

static void prepare(void)
{
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    file = open("/test/figures", O_RDONLY);
    pages = mmap(NULL, ROUNDS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    one_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    one_page[0] = 1;
    memset(bulk, 1, sizeof bulk);
    must(zero >= 0 && null >= 0 && file >= 0);
    empty = median(ROUNDS, nothing);
}

int main(int count, char **words)
{
    if (count > 1)
        _exit(0);
    self = words[0];
    prepare();
    show("getpid", ROUNDS, get_pid);
    show("clock_gettime", ROUNDS, get_time);
    show("read1_zero", ROUNDS, read_zero);
    show("write1_null", ROUNDS, write_null);
    handle(SIGSEGV, NULL, step_over);
    show("segv_trap", ROUNDS, segv);
    handle(SIGUSR1, noted, NULL);
    show("kill_self", ROUNDS, kill_self);
    show("pf_anon", ROUNDS, touch);
    show("mmap_munmap_1p", ROUNDS, map_unmap);
    show("mprotect_1p", ROUNDS, protect);
    handle(SIGSEGV, unprotect, NULL);
    show("prot1_trap_unprot", ROUNDS, protect_trap_unprotect);
    show("pread4k", ROUNDS, read_file);
    show("open_close", ROUNDS, open_close);
    show("stat", ROUNDS, stat_file);
    show("creat_w4k_unlink_mem", ROUNDS, create_write_unlink);
    show("fork_exit_wait", FORKS, fork_exit_wait);
    show("fork_exec_wait", FORKS, fork_exec_wait);
    show_with_child();
    return 0;
}
