/* Programs for the tests: ANN loads them into her frames. The root gives ANN pages of the window. */
#pragma once
#include "code/assemble.h"
#include "scene.h"

enum {
    OWN_PROGRAMS = 3, ROOT_PROGRAMS = 22, /* slots */
    ANN_PAGE = 8, ANN_PAGES = 16,         /* of the window */
    CODE = ANN + 16, COUNT = 6,           /* frames: one for machine code, five for the rest */
    SPENT_BUDGET = 64,
};

void programs_setup(void);
/* Write a program into ANN's frames, taken, behind the first one. */
void program_write(uint32_t kind, const struct code_instruction *slots, uint32_t count);
#define WRITE(...)                                                                                                     \
    program_write(EXO_CODE_PREDICATE, (const struct code_instruction[]){__VA_ARGS__},                                  \
                  sizeof((const struct code_instruction[]){__VA_ARGS__}) / sizeof(struct code_instruction))
/* Time passes, and processors flush that were asked to. */
void settle(void);
/* Load it to ANN_PAGE; until it is ready, or why not. */
exo_result program_loaded(void);
exo_result program_continued(uint32_t page);
exo_result program_unloaded(uint32_t page);
