/*
 * forks ROUNDS: processes are forked, both sides see their own memory from then on, 64 KiB come through a pipe intact, and a
 * grandchild outlives its parent with what it inherited.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STREAM_WORDS = 16384, TABLE_WORDS = 8192, CHUNK_WORDS = 128, CHILD_STATUS = 7, STRIDE = 1024 };

static uint64_t table[TABLE_WORDS]; /* 16 pages that both sides change */

static uint64_t initial[TABLE_WORDS] = { 1 }; /* 16 pages of the file, of which the parent changes some */

static uint32_t stream_next(uint32_t seed)
{
    return seed * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
}

static uint64_t table_sum(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < TABLE_WORDS; i++)
        sum = sum * 31 + table[i];
    return sum;
}

static void table_fill(uint64_t first, uint64_t step)
{
    for (uint32_t i = 0; i < TABLE_WORDS; i++)
        table[i] = first + step * i;
}

static void table_mark(uint32_t round)
{
    for (uint32_t i = 0; i < TABLE_WORDS; i += STRIDE)
        table[i] = round;
}

static void all_write(int to, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = write(to, (const char *)data + done, size - done);
        if (written <= 0)
            _exit(99);
        done += (size_t)written;
    }
}

static int all_read(int from, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(from, (char *)data + done, size - done);
        if (got <= 0)
            return 0;
        done += (size_t)got;
    }
    return 1;
}

/* Pages that the parent changed lie between some that it did not. */
static void initial_mark(uint64_t value)
{
    for (uint32_t i = STRIDE; i < TABLE_WORDS; i += 3 * STRIDE)
        initial[i] = value;
}

static int initial_is(uint64_t value)
{
    int right = initial[0] == 1;

    for (uint32_t i = STRIDE; i < TABLE_WORDS; i += STRIDE)
        right &= initial[i] == (i / STRIDE % 3 == 1 ? value : 0);
    return right;
}

static uint8_t shared[3 * 4096];

/* A page that is copied at its first write: meanwhile nothing else changes, neither its other bytes nor the registers that copying may use. */
static int vectors_stay(void)
{
    uint8_t before[8 * 32], after[8 * 32];
    int whole = 1;

    if (!__builtin_cpu_supports("avx"))
        return 1;
    for (unsigned i = 0; i < sizeof before; i++)
        before[i] = (uint8_t)(i * 7 + 1);
    volatile uint8_t *page = (volatile uint8_t *)(((uintptr_t)shared + 4096) & -4096);
    __asm__ volatile("vmovups 0(%0), %%ymm0\n vmovups 32(%0), %%ymm1\n vmovups 64(%0), %%ymm2\n vmovups 96(%0), %%ymm3\n"
                     "vmovups 128(%0), %%ymm4\n vmovups 160(%0), %%ymm5\n vmovups 192(%0), %%ymm6\n vmovups 224(%0), %%ymm7\n"
                     "movb $9, (%2)\n"
                     "vmovups %%ymm0, 0(%1)\n vmovups %%ymm1, 32(%1)\n vmovups %%ymm2, 64(%1)\n vmovups %%ymm3, 96(%1)\n"
                     "vmovups %%ymm4, 128(%1)\n vmovups %%ymm5, 160(%1)\n vmovups %%ymm6, 192(%1)\n vmovups %%ymm7, 224(%1)\n vzeroupper"
                     : : "r"(before), "r"(after), "r"(page) : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    whole &= !memcmp(before, after, sizeof before) && page[0] == 9;
    for (uint32_t i = 1; i < 4096; i++)
        whole &= page[i] == 3;
    return whole;
}

/* The child: what it inherited, then what it wrote itself, then the stream. */
static void child_main(uint32_t round, int to)
{
    uint64_t sums[2] = { table_sum(), 0 };
    uint32_t seed = round, words[CHUNK_WORDS];

    if (!initial_is(round) || !vectors_stay())
        _exit(98);
    table_mark(round);
    sums[1] = table_sum();
    all_write(to, sums, sizeof sums);
    for (uint32_t i = 0; i < STREAM_WORDS; i++) {
        seed = stream_next(seed);
        words[i % CHUNK_WORDS] = seed;
        if (i % CHUNK_WORDS == CHUNK_WORDS - 1)
            all_write(to, words, sizeof words);
    }
    _exit(CHILD_STATUS);
}

static int stream_is_intact(uint32_t round, int from)
{
    static uint32_t words[STREAM_WORDS];
    uint32_t seed = round, wrong = 0;
    char more;

    if (!all_read(from, words, sizeof words) || read(from, &more, 1) != 0)
        return 0;
    for (uint32_t i = 0; i < STREAM_WORDS; i++) {
        seed = stream_next(seed);
        wrong += words[i] != seed;
    }
    return wrong == 0;
}

static int round_run(uint32_t round)
{
    uint64_t sums[2];
    int ends[2], status = -1;

    table_fill(round, 3);
    initial_mark(round);
    if (pipe(ends))
        return 0;
    pid_t child = fork();
    if (child < 0)
        return 0;
    if (child == 0) {
        close(ends[0]);
        child_main(round, ends[1]);
    }
    initial_mark(7);
    table_fill(1000 * round, 5); /* the child must not see this */
    close(ends[1]);
    int told = all_read(ends[0], sums, sizeof sums), intact = stream_is_intact(round, ends[0]);
    int own = table[1] == 1000 * round + 5 && table[STRIDE] == 1000 * round + 5 * STRIDE;
    close(ends[0]);
    pid_t waited = waitpid(child, &status, 0);
    table_fill(round, 3);
    own &= told && sums[0] == table_sum();
    table_mark(round);
    own &= told && sums[1] == table_sum();
    printf("round %u: child ended with %d: memory %s, 64 KiB through the pipe %s\n", round, WEXITSTATUS(status),
           own ? "its own" : "MIXED UP", intact ? "intact" : "DAMAGED");
    return own && intact && waited == child && WIFEXITED(status) && WEXITSTATUS(status) == CHILD_STATUS;
}

/* The child in the middle ends first: what the last one inherited through it must still be there. */
static int orphan_is_whole(void)
{
    int ends[2], whole = 0;

    table_fill(77, 7);
    uint64_t sum = table_sum(), seen = 0;
    if (pipe(ends))
        return 0;
    pid_t child = fork();
    if (child == 0) {
        table_mark(5);
        if (fork() == 0) {
            while (getppid() != 1)
                usleep(1000);
            seen = table_sum();
            all_write(ends[1], &seen, sizeof seen);
        }
        _exit(0);
    }
    close(ends[1]);
    waitpid(child, NULL, 0);
    whole = all_read(ends[0], &seen, sizeof seen);
    close(ends[0]);
    int kept = table_sum() == sum;
    table_mark(5);
    whole &= kept && seen == table_sum();
    printf("a grandchild without its parent: %s\n", whole ? "whole" : "DAMAGED");
    return whole;
}

int main(int count, char **words)
{
    uint32_t rounds = count > 1 ? (uint32_t)atoi(words[1]) : 3, well = 0;

    memset(shared, 3, sizeof shared);
    for (uint32_t round = 1; round <= rounds; round++)
        well += (uint32_t)round_run(round);
    well += (uint32_t)orphan_is_whole();
    printf("%u forks, %u as they must be\n", rounds + 1, well);
    return well == rounds + 1 ? 0 : 1;
}
