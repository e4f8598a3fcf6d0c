/*
 * Listing the steps of a scope: domains of values for each argument of each call. All functions add to the scope being entered.
 */
#pragma once
#include "scope.h"

struct domain {
    uint32_t count;
    uint64_t value[12];
};

/* Who may call: what runs on the processor, as itself or as the subject in a slot; LATE: and the timer is due when the call looks. */
struct actor {
    uint8_t processor;
    uint16_t subject;
};

void list_actors(const struct actor *list, uint32_t count);
void list_call(uint32_t number, const struct domain *const domain[6]);
/* space_bind and its like: addresses, tables, frames, capabilities, flags. */
void list_batch(uint32_t number, const struct domain *const domain[5]);
/* On every processor. */
void list_action(uint32_t action, const struct domain *first, const struct domain *second);

/* A time so many ns after the step is taken. */
#define AFTER(ns) (1ull << 62 | (ns))
#define OF(...) (&(const struct domain){sizeof((const uint64_t[]){__VA_ARGS__}) / 8, {__VA_ARGS__}})
#define LIST(name, ...) list_call(EXO_CALL_##name, (const struct domain *const[6]){__VA_ARGS__})
#define LIST_BATCH(name, ...) list_batch(EXO_CALL_##name, (const struct domain *const[5]){__VA_ARGS__})
#define LIST_ACTION(name, first, second) list_action(ACTION_##name, first, second)
#define LIST_ACTORS(...)                                                                                               \
    list_actors((const struct actor[]){__VA_ARGS__}, sizeof((const struct actor[]){__VA_ARGS__}) / sizeof(struct actor))
