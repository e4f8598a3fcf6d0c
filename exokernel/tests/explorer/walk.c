/*
 * Random walks over the explorer's scopes: long paths, where breadth-first search sees all short ones. In each step a kind of step and
 * then one of its arguments are drawn. Invariants are checked after every CHECK_EVERY-th step that changed something and at the
 * end of each walk; a call that fails must leave everything as it was, which is checked for one in FAILURES_EVERY.
 */
#include "../invariants.h"
#include "scope.h"
#include "world_state.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEPS_MIN = 200, STEPS_MAX_WALK = 1000, CHECK_EVERY = 4, FAILURES_EVERY = 64 };

static struct options {
    uint64_t calls;
    double seconds;
    uint64_t seed;
    uint32_t jobs;
    bool first; /* stop at the first violation, in whatever scope */
    const char *scope;
} options = {.calls = 500000000, .seconds = 600, .seed = 1, .jobs = 2};

static struct state start, before;
static uint64_t random_state;
static uint32_t path[STEPS_MAX_WALK], path_length;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1dull;
}

static uint32_t random_below(uint32_t limit)
{
    return (uint32_t)((random_next() >> 32) * limit >> 32);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t step_draw(void)
{
    uint32_t kind = random_below(kind_count);
    return kind_first[kind] + random_below(kind_first[kind + 1] - kind_first[kind]);
}

static const char *walk(uint32_t length, uint64_t *calls)
{
    uint32_t changes = 0;
    bool must_stay;
    const char *broken;

    state_load(&start);
    for (path_length = 0; path_length < length;) {
        uint32_t step = step_draw();
        path[path_length++] = step;
        bool compared = random_below(FAILURES_EVERY) == 0;
        if (compared) {
            state_save(&before);
            step_prepare();
        }
        step_take(&steps[step], &must_stay);
        (*calls)++;
        if (compared && must_stay && !state_is_present(&before) && !state_is_flushed(&before))
            return "a call that failed changed something";
        if (must_stay)
            continue;
        if (compared && (broken = step_check(&steps[step], &before)))
            return broken;
        if (++changes % CHECK_EVERY == 0 && (broken = invariants_check()))
            return broken;
    }
    return invariants_check();
}

/* The last steps of the walk that changed something. */
static void path_print(uint32_t number, const char *broken, uint64_t calls)
{
    enum { SHOWN = 24 };
    uint32_t shown[STEPS_MAX_WALK], changes = 0;
    exo_result result[STEPS_MAX_WALK];
    bool must_stay;

    state_load(&start);
    for (uint32_t i = 0; i < path_length; i++) {
        result[i] = step_take(&steps[path[i]], &must_stay);
        if (!must_stay || i + 1 == path_length)
            shown[changes++] = i;
    }
    printf("# VIOLATION in walk %u after %llu calls: %s\n", number, (unsigned long long)calls, broken);
    for (uint32_t i = changes > SHOWN ? changes - SHOWN : 0; i < changes; i++) {
        step_print(&steps[path[shown[i]]]);
        printf("#     gives %lld\n", (long long)result[shown[i]]);
    }
    state_print();
    fflush(stdout);
}

static uint32_t scope_number;

static void crash_report(int signal_number)
{
    printf("# the core crashed (signal %d) in a walk of %u steps; the last:\n", signal_number, path_length);
    if (path_length)
        step_print(&steps[path[path_length - 1]]);
    fflush(stdout);
    _exit(3);
}

/* Returns the number of calls made; 0 if an invariant was broken. */
static uint64_t scope_walk(uint64_t calls_wanted, double deadline, uint64_t *ret_walks)
{
    uint64_t calls = 0, walks = 0;
    while (calls < calls_wanted && (walks % 64 || now() < deadline)) {
        uint32_t length = STEPS_MIN + random_below(STEPS_MAX_WALK - STEPS_MIN);
        const char *broken = walk(length, &calls);
        walks++;
        if (broken) {
            path_print((uint32_t)walks, broken, calls);
            return 0;
        }
    }
    *ret_walks = walks;
    return calls;
}

/* One process walks every jobs-th scope's share of calls in all scopes, from its own seed. */
static int job_run(uint32_t job, int results)
{
    uint32_t chosen = 0;
    signal(SIGSEGV, crash_report);
    signal(SIGABRT, crash_report);
    for (uint32_t i = 0; i < scope_count; i++)
        chosen += !options.scope || !strcmp(options.scope, scopes[i].name);
    double began = now();
    for (uint32_t i = 0; i < scope_count; i++) {
        uint64_t walks = 0, report[3] = {i};
        if (options.scope && strcmp(options.scope, scopes[i].name))
            continue;
        scope_number = i;
        random_state = options.seed * 0x9e3779b97f4a7c15ull + job * 0xbf58476d1ce4e5b9ull + i + 1;
        scope_enter(&scopes[i]);
        state_save(&start);
        report[1] = scope_walk(options.calls / options.jobs / chosen + 1, began + options.seconds, &walks);
        report[2] = walks;
        fflush(stdout);
        if (write(results, report, sizeof report) != sizeof report)
            return 1;
        if (!report[1] && options.first)
            return 1;
    }
    return 0;
}

static void options_lengthen(void)
{
    options.calls = 5000000000;
    options.seconds = 7200;
}

static void options_read(int count, char **word)
{
    if (getenv("EXO_LONG"))
        options_lengthen();
    for (int i = 1; i < count; i++) {
        if (!strcmp(word[i], "--long"))
            options_lengthen();
        else if (!strcmp(word[i], "--first"))
            options.first = true;
        else if (!strcmp(word[i], "--calls") && i + 1 < count)
            options.calls = strtoull(word[++i], NULL, 0);
        else if (!strcmp(word[i], "--seconds") && i + 1 < count)
            options.seconds = atof(word[++i]);
        else if (!strcmp(word[i], "--seed") && i + 1 < count)
            options.seed = strtoull(word[++i], NULL, 0);
        else if (!strcmp(word[i], "--jobs") && i + 1 < count)
            options.jobs = (uint32_t)atoi(word[++i]);
        else if (!strcmp(word[i], "--scope") && i + 1 < count)
            options.scope = word[++i];
        else
            fprintf(stderr, "usage: %s [--long] [--first] [--calls N] [--seconds S] [--seed N] [--jobs N] [--scope NAME]\n", word[0]), exit(2);
    }
}

int main(int count, char **word)
{
    options_read(count, word);
    int results[2], status;
    uint64_t report[3], calls = 0, scope_calls[16] = {0}, scope_walks[16] = {0};
    uint32_t failed = 0, broken[16] = {0}, number = 0;
    double began = now();

    if (pipe(results))
        return 1;
    for (uint32_t job = 0; job < options.jobs; job++) {
        if (fork() == 0)
            _exit(job_run(job, results[1]));
    }
    close(results[1]);
    while (read(results[0], report, sizeof report) == sizeof report) {
        broken[report[0]] += report[1] == 0;
        scope_calls[report[0]] += report[1];
        scope_walks[report[0]] += report[2];
        calls += report[1];
    }
    while (wait(&status) > 0)
        failed += status != 0;
    for (uint32_t i = 0; i < scope_count; i++) {
        if (options.scope && strcmp(options.scope, scopes[i].name))
            continue;
        bool good = !broken[i] && scope_calls[i];
        failed += !good;
        printf("%sok %u - %s: %llu calls in %llu walks of %d to %d steps\n", good ? "" : "not ", ++number, scopes[i].name,
               (unsigned long long)scope_calls[i], (unsigned long long)scope_walks[i], STEPS_MIN, STEPS_MAX_WALK);
    }
    bool enough = calls >= options.calls * 95 / 100;
    printf("%sok %u - %llu calls in all\n", enough ? "" : "not ", ++number, (unsigned long long)calls);
    printf("1..%u\n", number);
    printf("# %llu calls in %.0f s on %u processes: %.1fM calls/s\n", (unsigned long long)calls, now() - began, options.jobs,
           (double)calls / (now() - began) / 1e6);
    return failed || !enough;
}
