/*
 * kills ROUNDS: groups of processes that fork, write files and talk through pipes, short and long, are killed at random moments. What they shared with the
 * living must be whole: pipes end, files and folders can be read, made and removed, nothing is left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_US = 6000, BLOCK = 3000, TALK = 60 };

static unsigned seed = 1;

static unsigned chance(unsigned below)
{
    seed = seed * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
    return (seed >> 8) % below;
}

static void file_work(unsigned n)
{
    char name[64], other[64], block[BLOCK];

    memset(block, (int)('a' + n % 26), sizeof block);
    snprintf(name, sizeof name, "f%u", n % 7);
    snprintf(other, sizeof other, "g%u", n % 5);
    int file = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
    if (file < 0)
        _exit(10);
    if (write(file, block, sizeof block) != sizeof block)
        _exit(11);
    rename(name, other);
    if (n % 3 == 0)
        unlink(other);
    mkdir("d", 0755);
    symlink("d", "s");
    link(other, "d/l");
    unlink("d/l");
    rmdir("d");
    unlink("s");
    close(file);
}

/* A child that sends back what it gets, until it is killed. */
static void talk_begin(int *to, int *from)
{
    int there[2], back[2];
    char byte;

    if (pipe(there) || pipe(back))
        _exit(14);
    pid_t child = fork();
    if (child < 0)
        _exit(15);
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        while (read(there[0], &byte, 1) == 1)
            write(back[1], &byte, 1);
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    *to = there[1];
    *from = back[0];
}

/* So much that a process may come to move its ends of the pipes by itself; and what it did goes to somebody who lives. */
static void talk(int to, int from, int told)
{
    for (int i = 0; i < TALK; i++) {
        char byte = (char)i, answer;
        if (write(to, &byte, 1) != 1 || read(from, &answer, 1) != 1 || answer != byte)
            _exit(16);
        write(told, &byte, 1);
    }
}

/* Never ends by itself: children, pipes and files until it is killed. */
static void storm(int to)
{
    char block[BLOCK] = { 0 };
    int there, back;

    talk_begin(&there, &back);
    for (unsigned n = chance(1000);; n++) {
        int ends[2];
        if (pipe(ends))
            _exit(12);
        pid_t child = fork();
        if (child < 0)
            _exit(13);
        if (child == 0) {
            file_work(n);
            write(ends[1], block, sizeof block);
            _exit(0);
        }
        close(ends[1]);
        file_work(n + 1);
        talk(there, back, to);
        write(to, block, 100);
        while (read(ends[0], block, sizeof block) > 0)
            ;
        close(ends[0]);
        while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
            ;
    }
}

static int round_run(void)
{
    char block[BLOCK];
    int ends[2], status;
    struct timespec pause = { 0, (long)chance(LONGEST_US) * 1000 };

    if (pipe(ends))
        return 0;
    seed += 77;
    pid_t child = fork();
    if (child < 0)
        exit(3); /* kill would take an error for everybody */
    if (child == 0) {
        setpgid(0, 0);
        close(ends[0]);
        storm(ends[1]);
    }
    setpgid(child, child);
    close(ends[1]);
    nanosleep(&pause, NULL);
    if (kill(-child, SIGKILL) && kill(child, SIGKILL))
        return 0;
    pid_t waited = waitpid(child, &status, 0);
    while (read(ends[0], block, sizeof block) > 0) /* ends only when all writers are gone */
        ;
    close(ends[0]);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* orphans of the group, if we are the first process */
        ;
    return waited == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Every name leads to a node, every file can be read whole and removed, and then the folder is empty. */
static int folder_is_whole(void)
{
    struct dirent *entry;
    struct stat stat;
    char block[BLOCK];
    int whole = 1;
    DIR *folder = opendir(".");

    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (lstat(entry->d_name, &stat)) {
            whole = 0;
            continue;
        }
        if (S_ISREG(stat.st_mode)) {
            int file = open(entry->d_name, O_RDONLY);
            long size = 0, got;
            while ((got = read(file, block, sizeof block)) > 0)
                size += got;
            whole &= size == stat.st_size && size <= BLOCK && got == 0;
            close(file);
        }
    }
    closedir(folder);
    for (unsigned i = 0; i < 7; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%u", i);
        unlink(name);
        name[0] = 'g';
        unlink(name);
    }
    unlink("d/l");
    rmdir("d");
    unlink("s");
    return whole && chdir("..") == 0 && rmdir("kills") == 0;
}

int main(int count, char **words)
{
    unsigned rounds = count > 1 ? (unsigned)atoi(words[1]) : 50, well = 0;

    if (chdir("/tmp") || mkdir("kills", 0755) || chdir("kills"))
        return 2;
    for (unsigned round = 0; round < rounds; round++)
        well += (unsigned)round_run();
    int whole = folder_is_whole();
    printf("%u of %u groups killed, their files are %s\n", well, rounds, whole ? "whole" : "DAMAGED");
    return well == rounds && whole ? 0 : 1;
}
