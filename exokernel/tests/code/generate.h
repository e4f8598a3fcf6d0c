/* Programs made from a seed, for the kind of runner.h: most of them mean something and about half are accepted. They index
   memory by numbers that they have just bounded, rightly or wrongly, so that a verifier that errs by one is found. */
#ifndef GENERATE_H
#define GENERATE_H

#include <code.h>

enum { GENERATED_MAX = 128 };

uint64_t random_next(uint64_t *seed);

/* Returns the number of slots. */
uint32_t generate_program(uint64_t *seed, struct code_instruction instructions[GENERATED_MAX]);

#endif
