/* Runs programs twice, interpreted and compiled, on equal memory, and tells what differs. Executable memory is never
   writable. The kind of these programs has all that a kind can have: fields, two regions, helpers of each sort. */
#ifndef RUNNER_H
#define RUNNER_H

#include <code.h>

enum { RUNNER_PACKET = 2048, RUNNER_SHARED = 64, RUNNER_WORDS = 4, RUNNER_LOG = 16 };
enum { HELPER_FILL, HELPER_LOG, HELPER_SUM, HELPER_SHARED, RUNNER_HELPERS }; /* C cannot call 0 */

struct runner_context {
    uint64_t start, end;               /* of region 0: 0 to 2048 bytes, writable */
    uint64_t shared, shared_end;       /* of region 1: 64 bytes, writable, atomic */
    uint64_t word[RUNNER_WORDS];       /* writable */
    uint32_t half;                     /* read-only */
    uint8_t byte;                      /* read-only */
};

/* All that a run may leave behind; no padding. */
struct outcome {
    uint64_t result, budget, spent, word[RUNNER_WORDS], log[RUNNER_LOG], logged;
    uint8_t packet[RUNNER_PACKET], shared[RUNNER_SHARED];
};

extern const struct code_kind runner_kind;

/* Verified, or the reason is in `runner_refusal`. The notes live until the next call. */
bool runner_verify(struct code_program *program, const struct code_instruction *instructions, uint32_t count);
extern struct code_refusal runner_refusal;

/* Compiled, or null. The code lives until the next call. */
code_entry *runner_compile(const struct code_program *program, size_t *ret_size);

struct outcome runner_interpret(const struct code_program *program, const struct outcome *before, uint32_t packet_size,
                                struct code_trace *ret_trace);
struct outcome runner_call(code_entry *entry, const struct outcome *before, uint32_t packet_size);

/* Nothing was written beside the regions in the last run. */
bool runner_guards_are_whole(void);

/* Both ways; null if they agree, else what differs. */
const char *runner_compare(const struct code_program *program, const struct outcome *before, uint32_t packet_size,
                           struct outcome *ret_after);

#endif
