/* See isolation.c. */
#pragma once

struct state;
struct step;

/* NULL, or what the call did to an environment that it has no business with, by what step_prepare found in the state before. */
const char *isolation_check(const struct step *step, const struct state *before);
