/* calls: flags and errors of system calls, each as it answers: the same on Linux and here, or one of them is wrong. In a folder of its own. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void show(const char *name, long result)
{
    printf("%s: %ld%s%s\n", name, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
}

#define SHOW(call) do { errno = 0; show(#call, (long)(call)); } while (0)
/* Only whether it succeeds: the value is the system's own. */
#define DOES(call) do { errno = 0; long result = (long)(call); show(#call, result < 0 ? -1 : 0); } while (0)

static void *const bad = (void *)8;

static void descriptors(void)
{
    int ends[2], file;
    char text[8] = "";

    SHOW(open("nosuch", O_RDONLY));
    SHOW(open("/tmp/none/there", O_RDONLY));
    SHOW(open(".", O_WRONLY));
    SHOW(open("case.sh/x", O_RDONLY));
    SHOW(open("case.sh", O_CREAT | O_EXCL, 0644));
    SHOW(open("case.sh", O_DIRECTORY));
    SHOW(open("", O_RDONLY));
    SHOW(syscall(SYS_open, bad, O_RDONLY));
    SHOW(file = open("f", O_CREAT | O_RDWR, 0640));
    SHOW(write(file, "hello", 5));
    SHOW(lseek(file, -6, SEEK_CUR));
    SHOW(lseek(file, 1, 9));
    SHOW(lseek(file, 100, SEEK_SET));
    SHOW(read(file, text, 1));
    SHOW(pread(file, text, 3, 1));
    SHOW(pread(file, text, 3, -1));
    SHOW(pwrite(file, "J", 1, 0));
    SHOW(pread(file, bad, 3, 0));
    SHOW(write(file, bad, 3));
    SHOW(read(99, text, 1));
    SHOW(close(99));
    SHOW(ftruncate(file, -1));
    SHOW(ftruncate(file, 3));
    SHOW(lseek(file, 0, SEEK_END));
    SHOW(truncate("f", 7));
    SHOW(truncate("nosuch", 7));
    SHOW(truncate(".", 7));
    SHOW(fcntl(file, F_GETFD));
    SHOW(fcntl(file, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(file, F_GETFD));
    SHOW(fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    SHOW(fcntl(file, F_SETFL, O_APPEND));
    SHOW(fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    SHOW(fcntl(file, F_DUPFD, 50));
    SHOW(fcntl(50, F_GETFD));
    SHOW(fcntl(file, F_DUPFD_CLOEXEC, 60));
    SHOW(fcntl(60, F_GETFD));
    SHOW(fcntl(file, F_DUPFD, -1));
    SHOW(fcntl(file, 9999, 0));
    SHOW(fcntl(99, F_GETFD));
    SHOW(dup2(file, 70));
    SHOW(dup2(99, 70));
    SHOW(dup2(70, 70));
    SHOW(dup3(70, 70, 0));
    SHOW(dup3(70, 71, O_CLOEXEC));
    SHOW(dup3(70, 71, 7));
    SHOW(syscall(SYS_dup2, 70, -1));
    SHOW(isatty(file));
    SHOW(ioctl(file, FIONREAD, text));
    SHOW(ioctl(file, TIOCGWINSZ, text));
    SHOW(fsync(file));
    SHOW(fdatasync(file));
    SHOW(fsync(99));
    SHOW(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL));
    SHOW(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    SHOW(fcntl(ends[0], F_GETFD));
    SHOW(fcntl(ends[0], F_GETFL));
    SHOW(read(ends[0], text, 1));
    SHOW(write(ends[0], text, 1));
    SHOW(lseek(ends[0], 0, SEEK_SET));
    SHOW(fsync(ends[0]));
    SHOW(pread(ends[0], text, 1, 0));
    SHOW(ftruncate(ends[1], 0));
    SHOW(syscall(SYS_pipe2, ends, 1));
    SHOW(syscall(SYS_pipe, bad));
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(ends[1], text, 1));
}

static void vectors(void)
{
    struct iovec parts[3] = { { "one ", 4 }, { NULL, 0 }, { "two", 3 } };
    char a[3], b[10];
    struct iovec into[2] = { { a, sizeof a }, { b, sizeof b } };
    int file = open("v", O_CREAT | O_RDWR | O_TRUNC, 0600);

    SHOW(writev(file, parts, 3));
    SHOW(writev(file, parts, -1));
    SHOW(writev(file, parts, 0));
    SHOW(lseek(file, 0, SEEK_SET));
    SHOW(readv(file, into, 2));
    printf("%.3s %.4s\n", a, b);
    SHOW(readv(file, bad, 1));
    close(file);
}

static void names(void)
{
    struct stat info;
    char text[64] = "";

    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("none/d", 0755));
    SHOW(mkdir("case.sh/d", 0755));
    SHOW(rmdir("nosuch"));
    SHOW(rmdir("case.sh"));
    SHOW(rmdir("d/."));
    SHOW(unlink("d"));
    SHOW(unlink("nosuch"));
    SHOW(close(open("d/x", O_CREAT | O_WRONLY, 0600)));
    SHOW(rmdir("d"));
    SHOW(rename("d", "d/y"));
    SHOW(rename("nosuch", "y"));
    SHOW(rename("d", "case.sh"));
    SHOW(rename("case.sh", "d"));
    SHOW(rename("d/x", "d/x"));
    SHOW(rename("d/x", "d/z"));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "d/z", AT_FDCWD, "case.sh", 1));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "d/z", AT_FDCWD, "d/w", 1));
    SHOW(link("d/w", "l"));
    SHOW(link("d", "l2"));
    SHOW(link("d/w", "l"));
    SHOW(linkat(AT_FDCWD, "d/w", AT_FDCWD, "l3", 0x40));
    SHOW(symlink("d/w", "s"));
    SHOW(symlink("", "s2"));
    SHOW(symlink("a", "s"));
    SHOW(symlink("loop", "loop"));
    SHOW(open("loop", O_RDONLY));
    SHOW(open("s", O_RDONLY | O_NOFOLLOW));
    SHOW(stat("loop", &info));
    SHOW(lstat("loop", &info));
    SHOW(readlink("s", text, sizeof text));
    SHOW(readlink("s", text, 2));
    SHOW(readlink("s", text, 0));
    SHOW(readlink("d", text, 9));
    SHOW(readlink("nosuch", text, 9));
    SHOW(stat("d/w", &info));
    printf("%o %ld %ld\n", info.st_mode, (long)info.st_nlink, (long)info.st_size);
    SHOW(stat("d/w/", &info));
    SHOW(stat("", &info));
    SHOW(syscall(SYS_stat, "d", bad));
    SHOW(fstat(99, &info));
    SHOW(fstatat(AT_FDCWD, "", &info, AT_EMPTY_PATH));
    SHOW(fstatat(99, "x", &info, 0));
    SHOW(access("d/w", R_OK | W_OK));
    SHOW(access("d/w", X_OK));
    SHOW(access("d/w", 16));
    SHOW(access("nosuch", F_OK));
    SHOW(chmod("d/w", 04755));
    SHOW(access("d/w", X_OK));
    SHOW(chmod("nosuch", 0));
    SHOW(fchmod(99, 0));
    SHOW(chown("d/w", 5, 6));
    stat("d/w", &info);
    printf("%d %d\n", info.st_uid, info.st_gid);
    SHOW(chdir("case.sh"));
    SHOW(chdir("nosuch"));
    SHOW(fchdir(99));
    SHOW(getcwd(text, 2) ? 0 : -1);
    SHOW(unlinkat(AT_FDCWD, "d", 0x55));
    SHOW(mknod("file", S_IFREG | 0600, 0));
    SHOW(mknod("file", S_IFREG | 0600, 0));
    SHOW(umask(077));
    SHOW(umask(022));
    SHOW(utimensat(AT_FDCWD, "d/w", (const struct timespec[2]){ { 5, 6 }, { 7, 8 } }, 0));
    stat("d/w", &info);
    printf("%ld %ld\n", (long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    SHOW(utimensat(AT_FDCWD, "nosuch", NULL, 0));
}

static void memory(void)
{
    char *page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *more;
    int file = open("m", O_CREAT | O_RDWR | O_TRUNC, 0600);

    SHOW(page == MAP_FAILED ? -1 : 0);
    SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED ? -1 : 0);
    SHOW((long)syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 1L));
    SHOW(mmap(page + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mmap(page, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0) == MAP_FAILED ? -1 : 0);
    SHOW(munmap(page + 1, PAGE));
    SHOW(munmap(page, 0));
    SHOW(syscall(SYS_mprotect, page + 1, (long)PAGE, (long)PROT_READ));
    SHOW(mprotect(page, PAGE, 64));
    SHOW(mprotect((void *)0x100000000000, PAGE, PROT_READ));
    SHOW(madvise(page + 1, PAGE, MADV_DONTNEED));
    page[PAGE] = 7;
    SHOW(madvise(page + PAGE, PAGE, MADV_DONTNEED));
    SHOW(page[PAGE]);
    memset(page, 5, 3 * PAGE);
    SHOW(mremap(page + 1, PAGE, PAGE, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(page, PAGE, 0, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(page, PAGE, 2 * PAGE, 0) == MAP_FAILED ? -1 : 0);
    SHOW(mremap(page, PAGE, PAGE, MREMAP_FIXED) == MAP_FAILED ? -1 : 0);
    SHOW(mremap((void *)0x100000000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    more = mremap(page, 3 * PAGE, 200 * PAGE, MREMAP_MAYMOVE);
    SHOW(more == MAP_FAILED ? -1 : more[3 * PAGE - 1] + more[3 * PAGE]);
    SHOW(mremap(more, 200 * PAGE, 2 * PAGE, 0) == more);
    SHOW(more[2 * PAGE - 1]);
    SHOW(msync(more, PAGE, MS_SYNC));
    SHOW(msync(more + 1, PAGE, MS_SYNC));
    SHOW(msync(more, PAGE, MS_SYNC | MS_ASYNC));
    SHOW(write(file, "contents", 8));
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    printf("%.8s\n", page);
    page[0] = 'C';
    SHOW(pread(file, more, 1, 0));
    printf("%c\n", more[0]);
    SHOW(brk(0) == 0 ? 0 : -1);
}

static volatile int caught;

static void note(int signal)
{
    caught = signal;
}

static void act(int signal, int flags)
{
    struct sigaction action = { .sa_handler = note, .sa_flags = flags };

    sigaction(signal, &action, NULL);
}

static void signals(void)
{
    struct timespec limit = { 0, 20000000 }, rest = { 9, 9 };
    struct itimerval timer = { { 0, 0 }, { 0, 20000 } }, old;
    siginfo_t information;
    sigset_t set, had;
    int ends[2], status;
    char byte;

    SHOW(sigaction(SIGKILL, &(struct sigaction){ .sa_handler = note }, NULL));
    SHOW(sigaction(0, NULL, &(struct sigaction){ 0 }));
    SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    SHOW(syscall(SYS_rt_sigprocmask, 9, &set, NULL, 8));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 65));
    SHOW(kill(99999, 0));
    SHOW(kill(-99999, 0));
    SHOW(syscall(SYS_tgkill, getpid(), 0, 0));
    SHOW(syscall(SYS_tkill, -1, 0));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    act(SIGUSR1, 0);
    SHOW(raise(SIGUSR1));
    SHOW(caught);
    sigpending(&had);
    SHOW(sigismember(&had, SIGUSR1));
    SHOW(sigtimedwait(&set, &information, &limit));
    SHOW(information.si_signo);
    SHOW(sigtimedwait(&set, &information, &limit));
    SHOW(kill(getpid(), SIGUSR1));
    sigpending(&had);
    SHOW(sigismember(&had, SIGUSR1));
    caught = 0;
    SHOW(sigprocmask(SIG_UNBLOCK, &set, NULL));
    SHOW(caught == SIGUSR1);
    act(SIGALRM, 0);
    caught = 0;
    SHOW(setitimer(ITIMER_REAL, &timer, &old));
    limit.tv_nsec = 500000000;
    SHOW(nanosleep(&limit, &rest));
    SHOW(caught == SIGALRM);
    SHOW(rest.tv_sec == 0 && rest.tv_nsec > 100000000 && rest.tv_nsec < 500000000);
    SHOW(getitimer(ITIMER_REAL, &old));
    SHOW(old.it_value.tv_sec + old.it_value.tv_usec);
    SHOW(alarm(100));
    SHOW(alarm(0));
    SHOW(setitimer(9, &timer, NULL));
    SHOW(pipe(ends));
    act(SIGALRM, 0);
    setitimer(ITIMER_REAL, &timer, NULL);
    SHOW(read(ends[0], &byte, 1));
    setitimer(ITIMER_REAL, &timer, NULL);
    SHOW(poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, -1));
    act(SIGALRM, SA_RESTART);
    if (fork() == 0) {
        usleep(100000);
        _exit(write(ends[1], "x", 1) != 1);
    }
    setitimer(ITIMER_REAL, &timer, NULL);
    SHOW(read(ends[0], &byte, 1));
    DOES(wait(&status));
    SHOW(status);
    limit.tv_nsec = 2000000000;
    SHOW(nanosleep(&limit, NULL));
    SHOW(clock_nanosleep(99, 0, &rest, NULL));
    SHOW(syscall(SYS_restart_syscall));
    SHOW(sigaltstack(&(stack_t){ .ss_sp = &status, .ss_size = 16 }, NULL));
}

static void waiting(void)
{
    struct rusage usage;
    siginfo_t information = { 0 };
    int status = 0;
    pid_t child;

    SHOW(wait(NULL));
    SHOW(waitpid(-1, NULL, 0x1000));
    SHOW(waitid(P_ALL, 0, &information, WEXITED));
    SHOW(waitid(P_ALL, 0, &information, 0));
    if ((child = fork()) == 0)
        _exit(9);
    SHOW(waitid(P_PID, (id_t)child, &information, WEXITED | WNOWAIT));
    SHOW(information.si_status);
    SHOW(information.si_code);
    SHOW(wait4(child, &status, 0, &usage) == child);
    SHOW(WEXITSTATUS(status));
    if ((child = fork()) == 0)
        for (;;)
            pause();
    SHOW(waitpid(child, &status, WNOHANG));
    SHOW(kill(child, SIGSTOP));
    SHOW(waitpid(child, &status, WUNTRACED) == child);
    SHOW(WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
    SHOW(kill(child, SIGCONT));
    SHOW(waitpid(child, &status, WCONTINUED) == child);
    SHOW(WIFCONTINUED(status));
    SHOW(setpgid(child, child));
    SHOW(getpgid(child) == child);
    SHOW(setpgid(child, 99999));
    SHOW(setpgid(99999, 0));
    SHOW(getpgid(99999));
    SHOW(getsid(99999));
    SHOW(kill(-child, SIGTERM));
    SHOW(waitpid(-child, &status, 0) == child);
    SHOW(WTERMSIG(status));
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0)
        _exit(1);
    SHOW(wait(&status));
    signal(SIGCHLD, SIG_DFL);
    if ((child = fork()) == 0) {
        if (setsid() != getpid() || getpgrp() != getpid() || setsid() != -1 || setpgid(0, 0) != -1)
            _exit(1);
        _exit(open("/dev/tty", O_RDWR) >= 0);
    }
    SHOW(waitpid(child, &status, 0) == child);
    SHOW(status);
}

static void selecting(void)
{
    struct timeval limit = { 0, 20000 };
    fd_set reads, writes;
    int ends[2];

    SHOW(pipe(ends));
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(ends[0], &reads);
    FD_SET(ends[1], &writes);
    SHOW(select(ends[1] + 1, &reads, &writes, NULL, NULL));
    SHOW(FD_ISSET(ends[0], &reads) + 2 * FD_ISSET(ends[1], &writes));
    FD_SET(ends[0], &reads);
    SHOW(select(ends[0] + 1, &reads, NULL, NULL, &limit));
    SHOW(limit.tv_sec + limit.tv_usec);
    SHOW(write(ends[1], "x", 1));
    FD_SET(ends[0], &reads);
    SHOW(pselect(ends[0] + 1, &reads, NULL, NULL, NULL, NULL));
    FD_ZERO(&reads);
    FD_SET(100, &reads); /* within Linux's table, which 70 made that large; what is behind it is not looked at there */
    SHOW(select(101, &reads, NULL, NULL, NULL));
    SHOW(select(-1, NULL, NULL, NULL, NULL));
    SHOW(poll(&(struct pollfd){ 99, POLLIN, 0 }, 1, 0));
    SHOW(poll(&(struct pollfd){ -1, POLLIN, 0 }, 1, 0));
    SHOW(poll(NULL, 0, 1));
    SHOW(close(ends[1]));
    struct pollfd poll_end = { ends[0], POLLIN, 0 };
    SHOW(poll(&poll_end, 1, 0));
    SHOW(poll_end.revents);
}

static void others(void)
{
    struct timespec time;
    struct utsname name;
    struct rlimit limit;
    struct statfs files;
    struct rusage usage;
    struct tms ticks;
    uint32_t word = 5;

    SHOW(clock_gettime(CLOCK_MONOTONIC, &time));
    SHOW(clock_gettime(99, &time));
    SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad));
    SHOW(clock_getres(CLOCK_MONOTONIC, &time));
    SHOW(time.tv_nsec);
    SHOW(clock_getres(99, &time));
    SHOW(syscall(SYS_gettimeofday, bad, NULL));
    SHOW(uname(&name));
    SHOW(strcmp(name.sysname, "Linux"));
    SHOW(strcmp(name.machine, "x86_64"));
    SHOW(syscall(SYS_uname, bad));
    SHOW(getrlimit(RLIMIT_NOFILE, &limit));
    SHOW(getrlimit(99, &limit));
    SHOW(getrusage(RUSAGE_SELF, &usage));
    SHOW(getrusage(99, &usage));
    DOES(times(&ticks));
    SHOW(statfs(".", &files));
    SHOW(statfs("nosuch", &files));
    SHOW(getuid() + geteuid() + getgid() + getegid());
    SHOW(setuid(0));
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(sched_yield());
    SHOW(syscall(SYS_futex, &word, 0, 4, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &word, 0, 5, &(struct timespec){ 0, 1000000 }, NULL, 0));
    SHOW(syscall(SYS_futex, &word, 1, 1, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, (char *)&word + 1, 1, 1, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, bad, 0, 1, NULL, NULL, 0));
    SHOW(syscall(SYS_getrandom, &word, 4, 0));
    SHOW(syscall(SYS_getrandom, &word, 4, 99));
    SHOW(syscall(SYS_getrandom, bad, 4, 0));
    SHOW(syscall(9999));
    DOES(syscall(SYS_set_tid_address, &word));
    SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
    SHOW(execve("nosuch", NULL, NULL));
    SHOW(execve(".", NULL, NULL));
    SHOW(execve("case.sh", (char *[]){ "x", NULL }, NULL));
    SHOW(syscall(SYS_execve, bad, NULL, NULL));
}

static struct flock part(int type, long start, long size)
{
    return (struct flock){ .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = size };
}

/* What stands in the way of a lock, as another process sees it. */
static void lock_look(int file, long start, long size)
{
    struct flock lock = part(F_WRLCK, start, size);

    if (fork() == 0) {
        int result = fcntl(file, F_GETLK, &lock);
        printf("[%ld, %ld): %d type %d start %ld size %ld ours %d\n", start, start + size, result, lock.l_type, (long)lock.l_start, (long)lock.l_len,
               lock.l_pid == getppid());
        exit(0);
    }
    wait(NULL);
}

static int lock_try(int file, int command, int type, long start, long size)
{
    struct flock lock = part(type, start, size);
    return fcntl(file, command, &lock);
}

/* Two wait for each other: one of them is told. */
static void lock_cross(int file)
{
    int ends[2];
    char byte;

    SHOW(pipe(ends));
    SHOW(lock_try(file, F_SETLK, F_WRLCK, 0, 1));
    pid_t child = fork();
    if (child == 0) {
        lock_try(file, F_SETLKW, F_WRLCK, 1, 1);
        write(ends[1], "x", 1);
        _exit(lock_try(file, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 5 : 6);
    }
    read(ends[0], &byte, 1);
    usleep(50000);
    SHOW(lock_try(file, F_SETLKW, F_WRLCK, 1, 1));
    SHOW(lock_try(file, F_SETLK, F_UNLCK, 0, 0));
    int status;
    SHOW(waitpid(child, &status, 0) == child);
    SHOW(WEXITSTATUS(status));
    close(ends[0]);
    close(ends[1]);
}

static void locks(void)
{
    int file = open("locked", O_CREAT | O_RDWR, 0600), reader = open("locked", O_RDONLY), other = open("locked", O_RDWR), status;
    struct flock odd = part(F_WRLCK, 0, 0);

    lock_look(file, 0, 100);
    SHOW(lock_try(file, F_SETLK, F_WRLCK, 10, 20));
    SHOW(lock_try(file, F_SETLK, F_WRLCK, 30, 10));
    lock_look(file, 0, 100);
    lock_look(file, 0, 10);
    lock_look(file, 39, 1);
    lock_look(file, 40, 1);
    SHOW(lock_try(file, F_SETLK, F_UNLCK, 20, 5));
    lock_look(file, 20, 5);
    lock_look(file, 15, 10);
    lock_look(file, 22, 100);
    SHOW(lock_try(file, F_SETLK, F_RDLCK, 25, 5));
    lock_look(file, 25, 3);
    SHOW(lock_try(file, F_SETLK, F_UNLCK, 0, 0));
    SHOW(lock_try(file, F_SETLK, F_WRLCK, 50, -10));
    SHOW(lock_try(file, F_SETLK, F_WRLCK, 5, -10));
    SHOW(lock_try(file, F_SETLK, F_WRLCK, -5, 10));
    lock_look(file, 0, 100);
    SHOW(lock_try(file, F_SETLK, F_WRLCK, 1000, 0));
    lock_look(file, 5000, 1);
    SHOW(lock_try(reader, F_SETLK, F_WRLCK, 0, 1));
    SHOW(lock_try(file, F_SETLK, 7, 0, 1));
    SHOW(lock_try(99, F_SETLK, F_WRLCK, 0, 1));
    odd.l_whence = 9;
    SHOW(fcntl(file, F_SETLK, &odd));
    SHOW(fcntl(file, F_SETLK, bad));
    SHOW(lock_try(file, F_GETLK, F_UNLCK, 0, 1));
    if (fork() == 0)
        _exit(lock_try(file, F_SETLK, F_WRLCK, 45, 1) == 0 ? 1 : errno == EAGAIN ? 2 : 3);
    wait(&status);
    SHOW(WEXITSTATUS(status));
    close(reader); /* any descriptor of the file: all of the process's locks go */
    lock_look(file, 0, 0);
    SHOW(lock_try(file, F_OFD_SETLK, F_WRLCK, 0, 10));
    SHOW(lock_try(other, F_OFD_SETLK, F_WRLCK, 5, 1));
    SHOW(lock_try(other, F_SETLK, F_RDLCK, 5, 1));
    SHOW(lock_try(other, F_OFD_SETLK, F_WRLCK, 10, 1));
    lock_look(file, 0, 10);
    odd = part(F_WRLCK, 0, 1);
    odd.l_pid = 1;
    SHOW(fcntl(file, F_OFD_SETLK, &odd));
    SHOW(lock_try(file, F_OFD_SETLK, F_UNLCK, 0, 0));
    SHOW(lock_try(other, F_OFD_SETLK, F_UNLCK, 0, 0));
    lock_cross(file);
    if (fork() == 0) {
        lock_try(file, F_SETLK, F_WRLCK, 0, 0);
        usleep(50000);
        _exit(0);
    }
    usleep(20000);
    SHOW(lock_try(file, F_SETLKW, F_WRLCK, 0, 0)); /* when the other has ended */
    wait(NULL);
    close(other);
    close(file);
}

static void holes(void)
{
    int file = open("holes", O_CREAT | O_RDWR, 0600), folder = open(".", O_RDONLY);

    SHOW(lseek(file, 0, SEEK_DATA));
    SHOW(pwrite(file, "x", 1, 5 * PAGE + 7));
    SHOW(lseek(file, 0, SEEK_DATA));
    SHOW(lseek(file, 5 * PAGE + 3, SEEK_DATA));
    SHOW(lseek(file, 0, SEEK_HOLE));
    SHOW(lseek(file, 5 * PAGE, SEEK_HOLE));
    SHOW(ftruncate(file, 9 * PAGE));
    SHOW(lseek(file, 5 * PAGE, SEEK_HOLE));
    SHOW(lseek(file, 6 * PAGE, SEEK_DATA));
    SHOW(lseek(file, 9 * PAGE, SEEK_HOLE));
    SHOW(lseek(file, -1, SEEK_DATA));
    SHOW(lseek(folder, 0, SEEK_DATA));
    SHOW(lseek(folder, 0, SEEK_END));
    close(file);
    close(folder);
}

/* Names go while their folder is read: each is found once, and the folder is empty then. */
static void reading(void)
{
    enum { FILES = 700, NAME = 120 };
    char name[NAME + 8];
    struct dirent *entry;
    int found = 0;

    mkdir("many", 0755);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "many/%0*d", NAME, i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *folder = opendir("many");
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            found += unlinkat(dirfd(folder), entry->d_name, 0) == 0;
    SHOW(found);
    closedir(folder);
    SHOW(rmdir("many"));
}

static void advice(void)
{
    char *page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    SHOW(madvise(page, PAGE, 99));
    SHOW(madvise(page, PAGE, -1));
    SHOW(madvise(page, PAGE, MADV_WILLNEED));
    SHOW(madvise(page, PAGE, MADV_SEQUENTIAL));
    SHOW(madvise(page, PAGE, MADV_FREE));
    SHOW(madvise(page, 0, MADV_DONTNEED));
    SHOW(madvise(page, -1, MADV_DONTNEED));
    page[0] = page[2 * PAGE] = 5;
    SHOW(munmap(page + PAGE, PAGE));
    SHOW(madvise(page, 3 * PAGE, MADV_DONTNEED));
    SHOW(page[0] + page[2 * PAGE]);
}

static void limits(void)
{
    struct rlimit limit = { 20, 30 };
    int file = open("limited", O_CREAT | O_RDWR, 0600), status;

    signal(SIGXFSZ, note);
    SHOW(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 30, 20 }));
    SHOW(setrlimit(99, &limit));
    SHOW(syscall(SYS_setrlimit, RLIMIT_NOFILE, bad));
    SHOW(syscall(SYS_prlimit64, 99999, RLIMIT_NOFILE, NULL, &limit));
    if (fork() == 0) {
        limit = (struct rlimit){ 20, 30 };
        SHOW(setrlimit(RLIMIT_NOFILE, &limit));
        SHOW(fcntl(file, F_DUPFD, 19) );
        SHOW(fcntl(file, F_DUPFD, 20));
        SHOW(dup2(file, 20));
        while (dup(file) >= 0)
            ;
        show("too many", errno == EMFILE);
        SHOW(prlimit(getpid(), RLIMIT_NOFILE, NULL, &limit));
        printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
        exit(0);
    }
    wait(&status);
    SHOW(dup2(file, 100));
    limit = (struct rlimit){ 10, RLIM_INFINITY };
    SHOW(setrlimit(RLIMIT_FSIZE, &limit));
    SHOW(write(file, "0123456", 7));
    SHOW(write(file, "0123456", 7));
    caught = 0;
    SHOW(write(file, "0123456", 7));
    SHOW(caught);
    SHOW(pwrite(file, "0123456", 7, 8));
    SHOW(pwrite(file, "0123456", 7, 10));
    SHOW(ftruncate(file, 10));
    SHOW(ftruncate(file, 11));
    if (fork() == 0)
        _exit(write(file, "x", 1) == -1 && errno == EFBIG ? 4 : 5);
    wait(&status);
    SHOW(WEXITSTATUS(status));
    limit.rlim_cur = RLIM_INFINITY;
    SHOW(setrlimit(RLIMIT_FSIZE, &limit));
    SHOW(write(file, "0123456", 7));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    descriptors();
    vectors();
    names();
    memory();
    signals();
    waiting();
    selecting();
    others();
    locks();
    holes();
    reading();
    advice();
    limits();
    puts("all asked");
    return 0;
}
