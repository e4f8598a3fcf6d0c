/*
 * pipes: what pipes promise, told line by line, each in use for so long before that an end which a process may move by itself is moved by
 * it. Linux must say the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM = 100, STREAM = 3 << 20, RECORD = 100, RECORDS = 2000, MOST = 100000, LONG = 5000 };

static int there[2], back[2];
static pid_t child;
static volatile int noted;
static char block[MOST];

static void note(int signal)
{
    (void)signal;
    noted++;
}

static void handle(int signal, int flags)
{
    struct sigaction action = { 0 };

    action.sa_handler = note;
    action.sa_flags = flags;
    sigaction(signal, &action, NULL);
    noted = 0;
}

static void tell(const char *what, long value)
{
    printf("%s: %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerror(errno) : "");
    fflush(stdout);
}

static void echo(void)
{
    ssize_t size;

    while ((size = read(there[0], block, sizeof block)) > 0)
        if (write(back[1], block, (size_t)size) != size)
            _exit(1);
    _exit(0);
}

static long echoed(int rounds)
{
    long sum = 0;

    for (int i = 0; i < rounds; i++) {
        unsigned char byte = (unsigned char)i;
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            return -1;
        sum += byte;
    }
    return sum;
}

static void ends_close(void)
{
    close(there[0]);
    close(there[1]);
    close(back[0]);
    close(back[1]);
}

/* Two pipes and a child at their other ends; with `tidy` each keeps only what it uses. */
static void begin(void work(void), int tidy)
{
    if (pipe(there) || pipe(back))
        exit(1);
    child = fork();
    if (child == 0) {
        if (tidy) {
            close(there[1]);
            close(back[0]);
        }
        work();
        _exit(0);
    }
    if (tidy) {
        close(there[0]);
        close(back[1]);
    }
}

static void end(const char *what)
{
    int status = 0;

    ends_close();
    waitpid(child, &status, 0);
    tell(what, status);
}

static void rounds(void)
{
    for (int tidy = 0; tidy < 2; tidy++) {
        begin(echo, tidy);
        tell("rounds", echoed(2 * WARM));
        if (!tidy)
            kill(child, SIGKILL);
        end("rounds end");
    }
}

static uint32_t stream_next(uint32_t seed)
{
    return seed * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
}

static void stream_write(void)
{
    uint32_t seed = 7;

    for (long done = 0; done < STREAM;) {
        size_t size = 1 + (seed >> 8) % 9000, left = (size_t)(STREAM - done);
        if (size > left)
            size = left;
        for (size_t i = 0; i < size; i++)
            block[i] = (char)((done + (long)i) * 31 >> 3);
        if (write(back[1], block, size) != (ssize_t)size)
            _exit(1);
        done += (long)size;
        seed = stream_next(seed);
    }
}

static void stream(void)
{
    long done = 0, wrong = 0;
    uint32_t seed = 9;
    ssize_t size;

    begin(stream_write, 1);
    while ((size = read(back[0], block, 1 + (seed >> 8) % 70000)) > 0) {
        for (ssize_t i = 0; i < size; i++)
            wrong += block[i] != (char)((done + i) * 31 >> 3);
        done += size;
        seed = stream_next(seed);
    }
    tell("stream", done);
    tell("stream wrong", wrong);
    end("stream end");
}

static void listener_leaves(void)
{
    for (int i = 0; i < WARM; i++)
        if (read(there[0], block, 1) != 1)
            _exit(1);
}

static void broken(void)
{
    long done = 0;

    handle(SIGPIPE, 0);
    begin(listener_leaves, 1);
    for (int i = 0; i < WARM; i++)
        done += write(there[1], "x", 1);
    tell("broken before", done);
    waitpid(child, NULL, 0);
    tell("broken after", write(there[1], "x", 1));
    tell("broken signals", noted);
    ends_close();
    begin(listener_leaves, 1);
    do
        done = write(there[1], block, 50000);
    while (done == 50000);
    tell("broken while full", done < 50000);
    tell("broken signals", noted > 1);
    end("broken end");
}

static void interrupted(void)
{
    char byte;

    begin(echo, 1);
    tell("interrupted warm", echoed(WARM));
    handle(SIGALRM, 0);
    ualarm(20000, 0);
    tell("interrupted", read(back[0], &byte, 1));
    tell("interrupted signals", noted);
    handle(SIGALRM, SA_RESTART);
    ualarm(20000, 20000);
    if (fork() == 0) {
        usleep(90000);
        _exit(write(there[1], "y", 1) != 1);
    }
    tell("interrupted, again", read(back[0], &byte, 1));
    ualarm(0, 0);
    tell("interrupted signals", noted > 1);
    tell("interrupted byte", byte);
    wait(NULL);
    tell("interrupted after", echoed(WARM));
    end("interrupted end");
}

static void nonblocking(void)
{
    long done = 0, part;

    begin(echo, 1);
    tell("nonblocking warm", echoed(WARM));
    fcntl(back[0], F_SETFL, O_NONBLOCK);
    tell("nonblocking read", read(back[0], block, 1));
    fcntl(back[0], F_SETFL, 0);
    tell("blocking again", echoed(WARM));
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    fcntl(there[1], F_SETFL, O_NONBLOCK);
    while ((part = write(there[1], block, 4096)) > 0)
        done += part;
    tell("nonblocking write", part);
    tell("nonblocking written", done);
    ioctl(there[1], FIONREAD, &done);
    tell("nonblocking held", (int)done);
    kill(child, SIGCONT);
    for (done = 0; done < 65536; done += part)
        part = read(back[0], block, sizeof block);
    tell("nonblocking back", done);
    end("nonblocking end");
}

static void some_read(void)
{
    char byte;

    for (int i = 0; i < WARM; i++)
        if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
            _exit(1);
}

/* Several processes at the same ends: all bytes come to somebody, once. */
static void shared(void)
{
    long sum = 0, expected = 0;

    begin(some_read, 0);
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            some_read();
            _exit(0);
        }
    for (int i = 0; i < 4 * WARM; i++) {
        unsigned char byte = (unsigned char)(i * 7);
        expected += byte;
        if (write(there[1], &byte, 1) != 1)
            exit(1);
        if (i % 3 == 0 || i > 3 * WARM)
            continue;
        if (read(back[0], &byte, 1) != 1)
            exit(1);
        sum += byte;
    }
    close(back[1]);
    for (unsigned char byte; read(back[0], &byte, 1) == 1;)
        sum += byte;
    tell("shared", sum - expected);
    while (wait(NULL) > 0)
        ;
    ends_close();
}

static void records_write(char letter)
{
    char record[RECORD];

    memset(record, letter, sizeof record);
    for (int i = 0; i < RECORDS; i++)
        if (write(back[1], record, sizeof record) != sizeof record)
            _exit(1);
}

static void records_twice(void)
{
    pid_t other;

    records_write('a');
    other = fork();
    records_write(other ? 'b' : 'c');
    if (!other)
        _exit(0);
    waitpid(other, NULL, 0);
}

/* Short writes of several are never mixed. */
static void atomic(void)
{
    long whole = 0, torn = 0;
    char record[RECORD];
    ssize_t size;

    begin(records_twice, 1);
    for (size_t held = 0; (size = read(back[0], record + held, sizeof record - held)) > 0;) {
        held += (size_t)size;
        if (held < sizeof record)
            continue;
        held = 0;
        whole++;
        for (int i = 1; i < RECORD; i++)
            torn += record[i] != record[0];
    }
    tell("atomic", whole);
    tell("atomic torn", torn);
    end("atomic end");
}

static void slow_write(void)
{
    for (int i = 0; i < WARM; i++)
        if (write(back[1], "z", 1) != 1)
            _exit(1);
    for (int i = 0; i < 3; i++) {
        usleep(20000);
        if (write(back[1], "z", 1) != 1)
            _exit(1);
    }
    usleep(20000);
}

static void polled(void)
{
    struct pollfd poll_one = { 0 };

    begin(slow_write, 1);
    for (int i = 0; i < WARM; i++)
        if (read(back[0], block, 1) != 1)
            exit(1);
    poll_one = (struct pollfd){ back[0], POLLIN, 0 };
    tell("polled, nothing", poll(&poll_one, 1, 0));
    for (int i = 0; i < 3; i++) {
        tell("polled", poll(&poll_one, 1, 5000));
        tell("polled events", poll_one.revents);
        tell("polled read", read(back[0], block, 10));
    }
    tell("polled end", poll(&poll_one, 1, 5000));
    tell("polled events", poll_one.revents);
    tell("polled read", read(back[0], block, 10));
    end("polled end");
}

static void duplicated(void)
{
    int other, third;

    begin(echo, 1);
    tell("duplicated warm", echoed(WARM));
    other = dup(back[0]);
    third = dup(there[1]);
    tell("duplicated", echoed(WARM));
    tell("duplicated write", write(third, "abc", 3));
    tell("duplicated read", read(other, block, 1));
    tell("duplicated read", read(back[0], block + 1, 1));
    dup2(other, back[0]);
    tell("duplicated read", read(back[0], block + 2, 1));
    tell("duplicated same", memcmp(block, "abc", 3));
    close(other);
    close(third);
    tell("duplicated after", echoed(WARM));
    end("duplicated end");
}

static void killed(void)
{
    begin(echo, 1);
    tell("killed warm", echoed(WARM));
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    tell("killed, stopped", write(there[1], "x", 1));
    kill(child, SIGCONT);
    tell("killed, goes on", read(back[0], block, 1));
    tell("killed again", echoed(WARM));
    kill(child, SIGKILL);
    tell("killed read", read(back[0], block, 1));
    waitpid(child, NULL, 0);
    handle(SIGPIPE, 0);
    tell("killed write", write(there[1], "x", 1));
    ends_close();
}

static void bad(void)
{
    struct iovec parts[3] = { { block, 3 }, { block + 3, 0 }, { block + 3, 5 } };

    begin(echo, 1);
    tell("bad warm", echoed(WARM));
    tell("bad write", write(there[1], (char *)16, 10));
    tell("bad empty write", write(there[1], block, 0));
    tell("bad empty read", read(back[0], block, 0));
    tell("bad good write", write(there[1], "gone?", 5));
    tell("bad read", read(back[0], (char *)16, 5));
    tell("bad good read", read(back[0], block, 5));
    tell("bad same", memcmp(block, "gone?", 5));
    for (int i = 0; i < 2 * LONG; i++)
        block[i] = (char)(i % 251);
    tell("bad long write", write(there[1], (char *)16, LONG));
    tell("bad good long write", write(there[1], block, LONG));
    tell("bad long read", read(back[0], (char *)16, LONG));
    tell("bad good long read", read(back[0], block + LONG, LONG));
    tell("bad same", memcmp(block, block + LONG, LONG));
    tell("bad side", read(there[1], block, 1));
    tell("bad other side", write(back[0], block, 1));
    tell("bad parts", writev(there[1], parts, 3));
    for (long done = 0; done < 8;)
        done += readv(back[0], parts, 3);
    tell("bad after", echoed(WARM));
    end("bad end");
}

int main(void)
{
    rounds();
    stream();
    broken();
    interrupted();
    nonblocking();
    shared();
    atomic();
    polled();
    duplicated();
    killed();
    bad();
    return 0;
}
