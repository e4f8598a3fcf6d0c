/*
 * sites [rewritten]: call sites of every form, made often enough to be warm. Each must go on answering as the kernel would, with registers,
 * flags and red zone kept; with the word, those that can be rewritten must have been, and those that only look alike must not.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 20, GETPID = 39, GETPPID = 110, PAGE = 4096, SIGNALS = 100 };

static int right, checks, must_be_rewritten;

static void check(const char *name, int holds)
{
    checks++;
    right += holds;
    printf("%s %s\n", holds ? "ok" : "NOT OK", name);
}

/* Nothing here has a nop near by but where one is written; int3 fills the gaps. */
__asm__(".pushsection .text.sites, \"ax\", @progbits\n"
        ".balign 4096, 0xcc\n"
        ".fill 64, 1, 0xcc\n"
        "move: mov $39, %eax\n"
        "move_site: syscall\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "branch: push $110\n"
        "pop %rax\n"
        "jmp move_site\n"
        ".fill 160, 1, 0xcc\n"
        "late: mov $39, %eax\n" /* warm in a child only, beside sites that it inherits */
        "syscall\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "hop: mov %edi, %eax\n"
        "nopl 0(%rax, %rax, 1)\n"
        ".byte 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n"
        "hop_site: syscall\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "bare: push $39\n"
        "pop %rax\n"
        "bare_site: syscall\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "other: push $39\n"
        "pop %rax\n"
        "mov $39, %r8d\n"
        "other_site: syscall\n"
        "add %r8, %rax\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "address: push $39\n"
        "pop %rax\n"
        ".byte 0x48, 0x8d, 0xb8, 39, 0, 0, 0\n" /* lea 39(%rax), %rdi */
        "address_site: syscall\n"
        "add %rdi, %rax\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "constant: push $39\n"
        "pop %rax\n"
        ".byte 0xc7, 0x44, 0x24, 0xb8, 39, 0, 0, 0\n" /* movl $39, -72(%rsp) */
        "constant_site: syscall\n"
        "add -72(%rsp), %eax\n"
        "ret\n"
        ".fill 160, 1, 0xcc\n"
        "quick_zero: xor %eax, %eax\n"
        "quick_pad: .byte 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n"
        "syscall\n"
        "ret\n"
        ".balign 4096, 0xcc\n"
        ".fill 4090, 1, 0xcc\n"
        "edge: mov $39, %eax\n" /* the page ends in the middle of syscall */
        "edge_site: syscall\n"
        "ret\n"
        ".balign 4096, 0xcc\n"
        ".fill 4093, 1, 0xcc\n"
        "split: mov $39, %eax\n" /* the page ends in the middle of mov */
        "split_site: syscall\n"
        "ret\n"
        ".balign 4096, 0xcc\n"
        ".popsection\n");
long move(void), late(void), branch(void), hop(long number), bare(void), other(void), address(void), constant(void), edge(void), split(void);
long quick_zero(int file, void *target, size_t size);
void move_site(void), hop_site(void), bare_site(void), other_site(void), address_site(void), constant_site(void), edge_site(void),
    split_site(void);

/* Is it what the program says at this place? */
static int is_as_written(void (*place)(void))
{
    const uint8_t *volatile where = (const uint8_t *)place; /* the compiler knows only a function there */
    const uint8_t *site = where;

    return site[0] == 0x0f && site[1] == 0x05 && site[-5] != 0xe9;
}

static void sites_of_every_form(void)
{
    static const struct {
        const char *name;
        long (*call)(void);
        void (*site)(void);
        long more;
        int rewritten;
    } forms[] = {
        { "mov before the site", move, move_site, 0, 1 },
        { "no mov, no nop", bare, bare_site, 0, 0 },
        { "mov to r8d", other, other_site, GETPID, 0 },
        { "lea", address, address_site, 2 * GETPID, 0 },
        { "a constant behind a displacement", constant, constant_site, GETPID, 0 },
        { "the page ends in syscall", edge, edge_site, 0, 1 },
        { "the page ends in mov", split, split_site, 0, 0 },
    };
    long pid = getpid();

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int same = 1;
        for (int round = 0; round < ROUNDS; round++)
            same &= forms[i].call() == pid + forms[i].more;
        check(forms[i].name, same && (!must_be_rewritten || is_as_written(forms[i].site) == !forms[i].rewritten));
    }
    check("a branch to the syscall itself", branch() == getppid() && move() == pid);
}

static void site_with_a_nop(void)
{
    long pid = getpid();
    int same = 1;

    for (int round = 0; round < ROUNDS; round++)
        same &= hop(GETPID) == pid && hop(GETPPID) == getppid() && hop(102) == getuid() && hop(9999) == -38;
    check("a nop near by, any number", same && (!must_be_rewritten || !is_as_written(hop_site)));
}

/* Registers but rax, rcx, r11, the flags, and 128 bytes below the stack pointer are as before; rcx is where the call returned to. */
static int is_kept(long number, long a0, long a1, long a2)
{
    static uint64_t before[8], after[8];
    long result, flags, red, returned, rdi = a0, rsi = a1, rdx = a2;

    for (int i = 0; i < 8; i++)
        before[i] = (uint64_t)rand() << 20 ^ (uint64_t)rand();
    __asm__ volatile("mov %[before], %%r10\n"
                     "mov 0(%%r10), %%r8\n mov 8(%%r10), %%r9\n mov 16(%%r10), %%r12\n mov 24(%%r10), %%r13\n"
                     "mov 32(%%r10), %%r14\n mov 40(%%r10), %%r15\n mov 48(%%r10), %%rbx\n"
                     "sub $256, %%rsp\n"
                     "movq %%r8, -8(%%rsp)\n movq %%r9, -64(%%rsp)\n movq %%r12, -128(%%rsp)\n"
                     "cmp %%r8, %%r9\n stc\n"
                     "pushfq\n pop 8(%%rsp)\n lea -8(%%rsp), %%rsp\n lea 8(%%rsp), %%rsp\n"
                     "movq %%r8, -8(%%rsp)\n"
                     "nopl 0(%%rax, %%rax, 1)\n .byte 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n"
                     "syscall\n"
                     "1: lea 1b(%%rip), %%r11\n mov %%r11, 16(%%rsp)\n mov %%rcx, 24(%%rsp)\n"
                     "mov -8(%%rsp), %%r11\n mov %%r11, 32(%%rsp)\n"
                     "pushfq\n pop 40(%%rsp)\n"
                     "mov %[after], %%rcx\n"
                     "mov %%r8, 0(%%rcx)\n mov %%r9, 8(%%rcx)\n mov %%r12, 16(%%rcx)\n mov %%r13, 24(%%rcx)\n"
                     "mov %%r14, 32(%%rcx)\n mov %%r15, 40(%%rcx)\n mov %%rbx, 48(%%rcx)\n mov %%r10, 56(%%rcx)\n"
                     "mov 8(%%rsp), %%r11\n xor 40(%%rsp), %%r11\n mov %%r11, %%r12\n"
                     "mov 32(%%rsp), %%r13\n mov -64(%%rsp), %%r14\n mov -128(%%rsp), %%r15\n"
                     "mov 16(%%rsp), %%rbx\n sub 24(%%rsp), %%rbx\n"
                     "add $256, %%rsp\n"
                     "xor %%r8, %%r13\n xor %%r9, %%r14\n or %%r14, %%r13\n"
                     "mov 16(%%rcx), %%r14\n xor %%r14, %%r15\n or %%r15, %%r13\n"
                     "mov %%r12, %[flags]\n mov %%r13, %[red]\n mov %%rbx, %[returned]\n"
                     : "=a"(result), [flags] "=m"(flags), [red] "=m"(red), [returned] "=m"(returned), "+D"(rdi), "+S"(rsi), "+d"(rdx)
                     : "0"(number), [before] "i"(before), [after] "i"(after)
                     : "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rbx", "memory", "cc");
    (void)result;
    return flags == 0 && red == 0 && returned == 0 && rdi == a0 && rsi == a1 && rdx == a2 && !memcmp(before, after, 7 * 8) &&
           after[7] == (uint64_t)before;
}

static void state_is_kept(void)
{
    static const long numbers[] = { GETPID, GETPPID, 102, 228, 0, 1, 201, 9999, 95, 8 };
    struct timespec time;
    char byte;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int kept = 1;
        long number = numbers[i];
        for (int round = 0; round < ROUNDS; round++)
            kept &= number == 228 ? is_kept(number, 1, (long)&time, 0) : number == 201 ? is_kept(number, 0, 0, 0) :
                    is_kept(number, number == 0 ? 3 : number == 1 ? 4 : 18, (long)&byte, 1);
        char name[64];
        snprintf(name, sizeof name, "registers, flags and red zone of call %ld", number);
        check(name, kept);
    }
}

/* dup2'd to known descriptors by main: 3 is /dev/zero, 4 is /dev/null. */
static void devices(void)
{
    char bytes[40];
    int same = 1;

    for (int round = 0; round < ROUNDS; round++) {
        memset(bytes, 7, sizeof bytes);
        same &= quick_zero(3, bytes + 1, 37) == 37 && bytes[0] == 7 && bytes[38] == 7 && bytes[1] == 0 && bytes[37] == 0;
        same &= quick_zero(3, (void *)16, 8) == -14 && quick_zero(77, bytes, 1) == -9 && quick_zero(4, bytes, 1) == -9;
        same &= write(4, bytes, sizeof bytes) == sizeof bytes && write(3, bytes, 1) == -1;
    }
    int copy = dup(3);
    same &= quick_zero(copy, bytes, 1) == 1 && close(copy) == 0 && quick_zero(copy, bytes, 1) == -9;
    check("/dev/zero and /dev/null, wrong descriptors and addresses", same);
}

/* Code that the program writes itself: what it finds there is what it wrote. */
static void code_that_is_written(void)
{
    static const uint8_t code[] = { 0xb8, GETPID, 0, 0, 0, 0x0f, 0x05, 0xc3 };
    uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    uint8_t *place = (uint8_t *)0x20000000;
    long (*call)(void) = (long (*)(void))(place + 64);
    int same = 1;

    munmap(page, PAGE);
    page = mmap(place, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(page + 64, code, sizeof code);
    mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    for (int round = 0; round < ROUNDS; round++)
        same &= call() == getpid();
    int rewritten = page[64] == 0xe9;
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    same &= memcmp(page + 64, code, sizeof code) == 0;
    page[65] = GETPPID;
    mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    for (int round = 0; round < ROUNDS; round++)
        same &= call() == getppid();
    check("code that is written anew", same && (!must_be_rewritten || rewritten));
    munmap(page, PAGE);
    page = mmap(place, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(page + 64, code, sizeof code);
    same = 1;
    for (int round = 0; round < ROUNDS; round++) {
        page[65] = round % 2 ? GETPID : GETPPID;
        same &= call() == (round % 2 ? getpid() : getppid());
    }
    check("code that changes while it can be executed", same && page[64] == 0xb8);
    munmap(page, PAGE);
}

static void page_that_goes(void)
{
    long pid = getpid();
    int same = madvise((void *)((uintptr_t)move_site & -PAGE), PAGE, MADV_DONTNEED) == 0;

    for (int round = 0; round < ROUNDS; round++)
        same &= move() == pid && hop(GETPID) == pid;
    check("a page of sites that is dropped", same && (!must_be_rewritten || !is_as_written(move_site)));
}

static void children(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        int own = move() == getpid() && hop(GETPID) == getpid() && hop(GETPPID) == getppid() && edge() == getpid();
        for (int round = 0; round < ROUNDS; round++)
            own &= late() == getpid() && bare() == getpid() && write(4, "", 1) == 1 && edge() == getpid();
        _exit(own && getpid() != getppid() ? 5 : 6);
    }
    check("a child", waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5 && move() == getpid());
}

static volatile int taken, wrong;

static void noted(int signal)
{
    (void)signal;
    taken++;
    wrong += move() != hop(GETPID) || write(4, "", 1) != 1;
}

/* Signals come at any instruction: none is lost at the end, and no call answers wrong. */
static void signals_in_the_middle(void)
{
    struct sigaction action = { .sa_handler = noted, .sa_flags = SA_RESTART };
    struct timespec time;
    int ends[2], status;
    char byte = 1;

    sigaction(SIGUSR1, &action, NULL);
    taken = wrong = 0;
    if (pipe(ends))
        exit(2);
    pid_t pid = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < SIGNALS; i++) {
            kill(pid, SIGUSR1);
            nanosleep(&(struct timespec){ 0, i % 7 * 10000 }, NULL);
        }
        write(ends[1], "x", 1);
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        for (int i = 0; i < 50; i++)
            wrong += move() != pid || hop(GETPID) != pid || quick_zero(3, &byte, 1) != 1 || byte != 0 || write(4, &byte, 1) != 1 ||
                     clock_gettime(CLOCK_MONOTONIC, &time) != 0;
    int before = taken;
    kill(pid, SIGUSR1);
    check("signals in the middle of calls", wrong == 0 && taken == before + 1 && taken > SIGNALS / 20);
    if (read(ends[0], &byte, 1) != 1 || byte != 'x')
        wrong++;
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
            kill(pid, SIGUSR1);
        }
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
        write(ends[1], "y", 1);
        _exit(0);
    }
    before = taken;
    int got = quick_zero(ends[0], &byte, 1) == 1 && byte == 'y';
    waitpid(child, &status, 0);
    check("a read that signals interrupt begins again", got && taken > before && wrong == 0);
}

int main(int count, char **words)
{
    (void)words;
    must_be_rewritten = count > 1;
    int zero = open("/dev/zero", 0), null = open("/dev/null", 1);
    if (dup2(zero, 20) < 0 || dup2(null, 21) < 0)
        return 2;
    close(zero);
    close(null);
    dup2(20, 3);
    dup2(21, 4);
    sites_of_every_form();
    site_with_a_nop();
    devices();
    state_is_kept();
    code_that_is_written();
    page_that_goes();
    children();
    signals_in_the_middle();
    printf("%d of %d checks hold\n", right, checks);
    return right == checks ? 0 : 1;
}
