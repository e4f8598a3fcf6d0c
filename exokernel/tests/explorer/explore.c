/*
 * Exhaustive exploration of the core in small scopes: breadth first over every step from every state reached, states told
 * apart by their hash, invariants checked in each new one. A state is kept as the step that led to it from its parent
 * and made again by repeating its path, so that memory holds tens of millions. Workers are processes that share the tables.
 */
#include "../invariants.h"
#include "scope.h"
#include "world_state.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_LIMIT = 256, CHUNK = 16, JOBS_MAX = 16, MESSAGE_MAX = 200 };

struct node {
    uint32_t parent;
    uint32_t step;
};

/* What the workers share. */
struct shared {
    _Atomic uint64_t states;      /* nodes in use */
    _Atomic uint64_t cursor;      /* next node of this level to expand */
    _Atomic uint64_t transitions; /* steps that changed something */
    _Atomic uint64_t attempts;
    _Atomic uint32_t violations;
    _Atomic uint32_t stop;
    uint32_t bad_parent, bad_step;
    char message[MESSAGE_MAX];
};

static struct options {
    uint64_t states;
    double seconds;
    uint32_t jobs;
    const char *scope;
} options = {.states = 10600000, .seconds = 600, .jobs = 2}; /* good with 95 % of them: 10 million */

static struct shared *shared;
static struct node *nodes;
static _Atomic uint64_t *seen;
static uint64_t seen_size, quota;
static struct state start;
static double scope_deadline;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *memory_share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return memory;
}

/* True if the hash was not there before. */
static bool seen_insert(uint64_t hash)
{
    for (uint64_t i = hash & (seen_size - 1);; i = (i + 1) & (seen_size - 1)) {
        uint64_t old = atomic_load_explicit(&seen[i], memory_order_relaxed);
        if (old == 0 && atomic_compare_exchange_strong(&seen[i], &old, hash))
            return true;
        if (old == hash)
            return false;
    }
}

static uint32_t path_of(uint32_t node, uint32_t path[DEPTH_LIMIT])
{
    uint32_t depth = 0;
    for (uint32_t n = node; n; n = nodes[n].parent)
        path[depth++] = nodes[n].step;
    return depth;
}

static void node_load(uint32_t node)
{
    uint32_t path[DEPTH_LIMIT], depth = path_of(node, path);
    bool must_stay;
    state_load(&start);
    while (depth)
        step_take(&steps[path[--depth]], &must_stay);
}

static void violation_report(uint32_t parent, uint32_t step, const char *message)
{
    if (atomic_fetch_add(&shared->violations, 1) == 0) {
        shared->bad_parent = parent;
        shared->bad_step = step;
        snprintf(shared->message, MESSAGE_MAX, "%s", message);
    }
    shared->stop = 1;
}

static void node_add(uint32_t parent, uint32_t step)
{
    uint64_t node = atomic_fetch_add(&shared->states, 1);
    if (node + 1 >= quota)
        shared->stop = 1;
    if (node < quota)
        nodes[node] = (struct node){parent, step};
}

static void node_expand(uint32_t node)
{
    static struct state before;
    uint64_t changed = 0;
    bool must_stay;

    node_load(node);
    state_save(&before);
    step_prepare();
    for (uint32_t i = 0; i < step_count; i++) {
        step_take(&steps[i], &must_stay);
        if (state_is_present(&before)) {
            state_load_notes(&before);
            continue;
        }
        changed++;
        const char *broken = must_stay && !state_is_flushed(&before) ? "a call that failed changed something" : NULL;
        if (!broken)
            broken = step_check(&steps[i], &before);
        if (!broken && seen_insert(state_hash())) {
            broken = invariants_check();
            node_add(node, i);
        }
        if (broken) {
            violation_report(node, i, broken);
            return;
        }
        state_load(&before);
    }
    atomic_fetch_add(&shared->transitions, changed);
    atomic_fetch_add(&shared->attempts, step_count);
}

static void level_work(uint64_t end)
{
    while (!shared->stop) {
        uint64_t first = atomic_fetch_add(&shared->cursor, CHUNK);
        for (uint64_t node = first; node < first + CHUNK && node < end && !shared->stop; node++)
            node_expand((uint32_t)node);
        if (first + CHUNK >= end)
            return;
        if (now() > scope_deadline)
            shared->stop = 1;
    }
}

/* All nodes of a level, by all workers. A worker that dies was killed by a fault in core. */
static void level_expand(uint64_t first, uint64_t end)
{
    shared->cursor = first;
    for (uint32_t job = 0; job < options.jobs; job++) {
        if (fork() == 0) {
            level_work(end);
            _exit(0);
        }
    }
    int status;
    while (wait(&status) > 0)
        if (status)
            violation_report(0, 0, "a worker died");
}

static void path_print(void)
{
    uint32_t path[DEPTH_LIMIT], depth = path_of(shared->bad_parent, path);
    bool must_stay;
    state_load(&start);
    while (depth) {
        step_print(&steps[path[--depth]]);
        printf("#     gives %lld\n", (long long)step_take(&steps[path[depth]], &must_stay));
    }
    step_print(&steps[shared->bad_step]);
    printf("#     gives %lld\n", (long long)step_take(&steps[shared->bad_step], &must_stay));
    state_print();
}

static void scope_explore(const struct scope *scope, uint32_t number, uint64_t *left)
{
    double began = now();
    uint64_t first = 0, end = 1;
    uint32_t depth = 0;

    *shared = (struct shared){.states = 1};
    memset((void *)seen, 0, seen_size * sizeof *seen);
    scope_enter(scope);
    state_save(&start);
    seen_insert(state_hash());
    const char *broken = invariants_check();
    if (broken)
        violation_report(0, 0, broken);
    while (first < end && !shared->stop && depth < DEPTH_LIMIT - 1) {
        level_expand(first, end);
        first = end;
        end = shared->states < quota ? shared->states : quota;
        depth++;
    }
    double seconds = now() - began;
    uint64_t states = shared->states < quota ? shared->states : quota;
    *left -= states < *left ? states : *left;
    printf("%sok %u - %s: %llu states%s, depth %u, %u kinds of step each, %.1fM steps tried, %.1fM changed the state, %.0f s, %.0f states/s\n",
           shared->violations ? "not " : "", number, scope->name, (unsigned long long)states, shared->stop ? "" : " (all there are)", depth,
           step_count, (double)shared->attempts / 1e6, (double)shared->transitions / 1e6, seconds, (double)states / seconds);
    if (shared->violations) {
        printf("# VIOLATION: %s\n", shared->message);
        path_print();
    }
    fflush(stdout);
}

static void options_lengthen(void)
{
    options.states = 100000000;
    options.seconds = 7200;
}

static void options_read(int count, char **word)
{
    if (getenv("EXO_LONG"))
        options_lengthen();
    for (int i = 1; i < count; i++) {
        if (!strcmp(word[i], "--long"))
            options_lengthen();
        else if (!strcmp(word[i], "--states") && i + 1 < count)
            options.states = strtoull(word[++i], NULL, 0);
        else if (!strcmp(word[i], "--seconds") && i + 1 < count)
            options.seconds = atof(word[++i]);
        else if (!strcmp(word[i], "--jobs") && i + 1 < count)
            options.jobs = (uint32_t)atoi(word[++i]);
        else if (!strcmp(word[i], "--scope") && i + 1 < count)
            options.scope = word[++i];
        else
            fprintf(stderr, "usage: %s [--long] [--states N] [--seconds S] [--jobs N] [--scope NAME]\n", word[0]), exit(2);
    }
}

int main(int count, char **word)
{
    options_read(count, word);
    double began = now(), deadline = began + options.seconds;
    uint64_t left = options.states;
    uint32_t scopes_left = options.scope ? 1 : scope_count, number = 0, failed = 0;

    for (seen_size = 1 << 20; seen_size < options.states * 2; seen_size *= 2)
        ;
    shared = memory_share(sizeof *shared);
    seen = memory_share(seen_size * sizeof *seen);
    nodes = memory_share(options.states * sizeof *nodes);
    printf("1..%u\n", scopes_left + !options.scope);
    fflush(stdout);
    for (uint32_t i = 0; i < scope_count; i++) {
        if (options.scope && strcmp(options.scope, scopes[i].name))
            continue;
        quota = left / scopes_left;
        scope_deadline = now() + (deadline - now()) / scopes_left;
        scopes_left--;
        scope_explore(&scopes[i], ++number, &left);
        failed += shared->violations != 0;
    }
    double seconds = now() - began;
    uint64_t states = options.states - left;
    if (!options.scope)
        printf("%sok %u - %llu states in all\n", states * 100 < options.states * 95 ? "not " : "", ++number, (unsigned long long)states);
    printf("# %llu states in %.0f s on %u processes: %.0f states/s\n", (unsigned long long)states, seconds, options.jobs, (double)states / seconds);
    return failed || (!options.scope && states * 100 < options.states * 95);
}
