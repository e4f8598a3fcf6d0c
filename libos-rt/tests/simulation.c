#include "simulation.h"

enum { NOBODY = RT_TASKS_MAX };

struct job {
    uint64_t release, deadline; /* of the current or next one */
    uint64_t done;              /* ticks of its runtime */
    bool pending;
};

struct game {
    const struct play *play;
    struct job job[RT_TASKS_MAX];
    uint64_t now, overhead; /* ticks of overhead that come first */
    uint64_t blocked;       /* ticks for which the kernel serves others */
    uint32_t last;          /* who ran */
};

static uint64_t chance_state = 1;

void chance_seed(uint64_t seed)
{
    chance_state = seed * 0x9e3779b97f4a7c15ull + 1;
}

uint32_t chance(uint32_t below)
{
    chance_state = chance_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((chance_state >> 33) * below >> 31);
}

static bool tick_is_given(const struct play *play, uint64_t now)
{
    const struct rt_supply *supply = play->supply;
    uint64_t at = (now + play->offset) % (supply->slot * supply->positions);
    uint32_t position = (uint32_t)(at / supply->slot), before = (position + supply->positions - 1) % supply->positions;

    if (!(supply->owned >> position & 1))
        return false;
    return at % supply->slot >= (supply->owned >> before & 1 ? supply->tick : supply->late);
}

/* The section that the job is in, or -1. */
static int section_of(const struct game *game, uint32_t task)
{
    const struct rt_claim *claim = &game->play->claim[task];

    for (uint32_t k = 0; k < claim->section_count; k++) {
        uint64_t begin = game->play->place[task][k];
        if (game->job[task].done > begin && game->job[task].done < begin + claim->section[k].longest)
            return (int)k;
    }
    return -1;
}

static uint64_t ceiling_of(const struct game *game, uint32_t mutex)
{
    uint64_t ceiling = UINT64_MAX;

    for (uint32_t i = 0; i < game->play->count; i++)
        for (uint32_t k = 0; k < game->play->claim[i].section_count; k++)
            if (game->play->claim[i].section[k].mutex == mutex && game->play->claim[i].level < ceiling)
                ceiling = game->play->claim[i].level;
    return ceiling;
}

static bool is_before(const struct game *game, uint32_t a, uint32_t b)
{
    if (game->play->edf)
        return game->job[a].deadline < game->job[b].deadline;
    return game->play->claim[a].level < game->play->claim[b].level;
}

/* Who runs: the most urgent, unless it has not begun and somebody holds a mutex with a ceiling as urgent as it is. */
static uint32_t choose(const struct game *game)
{
    uint32_t first = NOBODY, holder = NOBODY;
    uint64_t ceiling = UINT64_MAX;

    for (uint32_t i = 0; i < game->play->count; i++) {
        if (!game->job[i].pending)
            continue;
        if (first == NOBODY || is_before(game, i, first))
            first = i;
        int section = section_of(game, i);
        uint64_t own = section < 0 ? UINT64_MAX : ceiling_of(game, game->play->claim[i].section[section].mutex);
        if (own < ceiling) {
            ceiling = own;
            holder = i;
        }
    }
    if (holder != NOBODY && holder != first && game->play->claim[first].level >= ceiling)
        return holder;
    return first;
}

static void releases_come(struct game *game)
{
    for (uint32_t i = 0; i < game->play->count; i++) {
        struct job *job = &game->job[i];
        if (job->pending || job->release > game->now)
            continue;
        job->pending = true;
        job->done = 0;
        job->deadline = job->release + game->play->claim[i].deadline;
        game->overhead += game->play->overhead->release;
    }
}

static bool anything_is_late(const struct game *game)
{
    for (uint32_t i = 0; i < game->play->count; i++)
        if (game->job[i].pending && game->now >= game->job[i].deadline)
            return true;
    return false;
}

static void run(struct game *game, uint32_t task)
{
    struct job *job = &game->job[task];

    if (++job->done < game->play->claim[task].runtime)
        return;
    job->pending = false;
    job->release += game->play->claim[task].period + (game->play->jitter ? chance(game->play->jitter + 1) : 0);
}

/* One tick that the slots give. */
static void tick(struct game *game)
{
    uint32_t task = choose(game);

    if (game->blocked) {
        game->blocked--;
        return;
    }
    if (task != NOBODY && task != game->last) {
        game->overhead += game->play->overhead->switching;
        game->last = task;
    }
    if (game->overhead)
        game->overhead--;
    else if (task != NOBODY)
        run(game, task);
}

static bool is_idle(const struct game *game)
{
    for (uint32_t i = 0; i < game->play->count; i++)
        if (game->job[i].pending)
            return false;
    return !game->overhead;
}

bool play_misses(const struct play *play)
{
    struct game game = {.play = play, .last = NOBODY};

    for (uint32_t i = 0; i < play->count; i++)
        game.job[i].release = play->first[i];
    for (; game.now < play->ticks; game.now++) {
        releases_come(&game);
        if (anything_is_late(&game))
            return true;
        if (tick_is_given(play, game.now))
            tick(&game);
        if (play->overhead->blocking && !game.blocked && is_idle(&game) && chance(2))
            game.blocked = play->overhead->blocking; /* a path of others that has just begun */
    }
    return false;
}
