/*
 * Wakeup predicates: programs that say of a sleeper whether it shall wake, from the time and the words of one frame. Evaluated
 * without the lock, by whoever has a reason to: what a predicate rests on is checked each time.
 */
#pragma once
#include <arch.h>

/* A sleeper on a predicate? Says nothing of one that runs. */
bool predicate_is_slept_on(const struct vcpu *vcpu);
/* Shall it wake? Also if what the predicate rests on is gone. If not: when to look again, `now` being too late by GRACE_NS. */
bool predicate_holds(vcpu_name name, uint64_t now, uint64_t *ret_until);
/* If it sleeps on a predicate that holds: PREDICATE is pending, and true; who calls wakes it. Else its timer is set for the next look. */
bool predicate_look(vcpu_name name, uint64_t now);
/* The same, and it is READY. */
void predicate_wake(vcpu_name name, uint64_t now);
