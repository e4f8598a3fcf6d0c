/*
 * How much time owned slots give for sure. A pattern of slots repeats; in each owned one, time is given from its beginning (but
 * for what is lost there) to its end. supply_least(t) is the least that any window of t ns gives.
 */
#pragma once
#include <exo/rt.h>

struct supply {
    uint64_t slot, cycle;
    uint32_t positions, ends;
    uint64_t given[65];  /* before each position */
    uint64_t from[64];   /* where time is given in it, counted from its beginning; slot: nowhere */
    uint64_t end[64];    /* where stretches of time end: the worst windows begin there */
    uint64_t before[64]; /* given up to that */
};

void supply_open(struct supply *supply, const struct rt_supply *given);
uint64_t supply_least(const struct supply *supply, uint64_t window);
/* The shortest window that gives so much; UINT64_MAX if none does. */
uint64_t supply_window(const struct supply *supply, uint64_t amount);
