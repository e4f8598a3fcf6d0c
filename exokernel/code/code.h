/* Downloaded code: programs in the standard bytecode of RFC 9669, verified before they run, so that they run in the kernel.
   A program has a kind, which says what it may see: a context structure, regions of memory, helpers. code_verify accepts
   only programs that touch nothing else; code_interpret and code_compile run what was accepted, within a budget.
   Nothing here allocates, recurses or knows the kernel: the caller gives all memory, which the loader must not be able to
   write meanwhile. The argument why this is safe: docs/downloaded_code.md. */
#ifndef CODE_CODE_H
#define CODE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CODE_INSTRUCTIONS = 4096,   /* slots of a program; LDDW takes two */
    CODE_STACK = 512,           /* bytes below r10 */
    CODE_REGISTERS = 11,
    CODE_ARGUMENTS = 5,
    CODE_REGIONS = 8,
    CODE_FIELDS = 64,
    CODE_HELPERS = 64,
    CODE_REACH = 1 << 29,       /* a pointer never strays further from its region's start */
};

struct code_instruction {
    uint8_t opcode;
    uint8_t registers;          /* destination in the low half, source in the high one */
    int16_t offset;
    int32_t immediate;
};

static inline uint8_t code_destination(struct code_instruction i)
{
    return i.registers & 0x0f;
}

static inline uint8_t code_source(struct code_instruction i)
{
    return i.registers >> 4;
}

/* ---- what a program is for */

enum code_field_type {
    CODE_FIELD_SCALAR,
    CODE_FIELD_START,           /* 8 bytes, read-only: where region `region` starts */
    CODE_FIELD_END,             /* 8 bytes, read-only: its first byte that is not there */
};

/* A part of the context. Loads and stores lie wholly in one field; those of a pointer are of all its 8 bytes. */
struct code_field {
    uint16_t offset;
    uint16_t size;
    uint8_t type;
    uint8_t region;
    bool writable;              /* scalars only */
};

enum { CODE_REGION_WRITE = 1, CODE_REGION_ATOMIC = 2 };

/* Memory with a start and a size that are fixed while a program runs, but may differ from run to run. Its bytes may be
   changed by others at any time. It lies more than 2 * CODE_REACH away from both ends of the address space. With
   CODE_REGION_ATOMIC the start is aligned to 8 bytes. */
struct code_region {
    uint32_t size_min;
    uint32_t size_max;          /* at most CODE_REACH */
    uint32_t flags;
};

enum code_argument_type {
    CODE_ARGUMENT_NONE,
    CODE_ARGUMENT_SCALAR,       /* unsigned, at most `limit` unless that is 0 */
    CODE_ARGUMENT_CONTEXT,
    CODE_ARGUMENT_READ,         /* `limit` bytes of the stack or a region; if 0, as many as the next argument says */
    CODE_ARGUMENT_WRITE,
    CODE_ARGUMENT_SIZE,         /* of the memory before it: 0 to `limit` bytes */
};

struct code_argument {
    uint8_t type;
    uint32_t limit;
};

enum code_result_type {
    CODE_RESULT_SCALAR,
    CODE_RESULT_REGION,         /* the start of region `region`, or 0 */
};

struct code_run;

/* Called by `call IMMEDIATE`, the immediate being its index. Memory in regions may change while the helper works. */
struct code_helper {
    const char *name;
    uint64_t (*call)(struct code_run *run, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
    struct code_argument argument[CODE_ARGUMENTS];
    uint8_t result;
    uint8_t region;
    uint32_t cost;              /* taken from the budget at each call */
};

struct code_kind {
    const char *name;
    const struct code_field *fields;        /* ascending, disjoint */
    const struct code_region *regions;
    const struct code_helper *helpers;
    uint32_t field_count, region_count, helper_count;
    uint32_t context_size;
    uint64_t spent;                         /* the result of a program whose budget is spent */
};

/* ---- running */

struct code_memory {
    uint64_t start;
    uint64_t size;
};

/* One run. The context's pointer fields hold what `memory` says; its memory is the kernel's own. */
struct code_run {
    struct code_memory memory[CODE_REGIONS];
    void *context;              /* r1 at the start */
    uint64_t budget;            /* in instructions; afterwards what is left */
    bool spent;                 /* set if the budget did not suffice: the result is the kind's `spent` */
    void *owner;                /* for the helpers */
};

/* The budget: a run is charged `count` (all slots of the program) at its start; a jump from slot `at` that is taken to slot
   `to` <= `at` is charged at + 1 - to; a call is charged its helper's cost before it. Whatever runs again lies under such a
   jump, so no run executes more instructions than it was charged. When a charge exceeds what is left, the run ends there,
   `budget` stays as it is before the charge, and effects up to there remain. */

/* ---- verifying */

enum code_type {
    CODE_NOTHING,               /* not initialised */
    CODE_SCALAR,
    CODE_CONTEXT,
    CODE_STACK_POINTER,
    CODE_POINTER,               /* into a region */
    CODE_POINTER_OR_NULL,       /* a region's start, or 0 */
    CODE_END,                   /* a region's end */
};

/* A set of numbers: those that meet all five descriptions. Signed and unsigned, of all 64 bits and of the lower 32;
   `bits` are the values of those bits that are 0 in `unknown`. */
struct code_scalar {
    uint64_t low, high;
    int64_t least, most;
    uint64_t bits, unknown;
    uint32_t low32, high32;
    int32_t least32, most32;
};

/* What is known of a register or of 8 bytes of the stack. A pointer is start + variable + offset: `variable` is in `scalar`
   and 0 if `id` is 0. Values with the same type and id (not 0) have the same number, or the same variable.
   `range`: the region has at least variable + range bytes (id not 0). Offsets of the stack count from r10. */
struct code_value {
    uint8_t type;
    uint8_t region;
    uint32_t id;
    int32_t offset;
    int32_t range;
    struct code_scalar scalar;
};

enum code_reason {
    CODE_FINE,
    CODE_BAD_COUNT,             /* no instruction, or too many */
    CODE_BAD_OPCODE,            /* not of the supported groups, or reserved fields set */
    CODE_BAD_REGISTER,          /* register 11 and above, or r10 written */
    CODE_BAD_JUMP,              /* outside of the program or into the middle of LDDW; or the program runs off its end */
    CODE_BAD_CALL,              /* no such helper */
    CODE_UNINITIALISED,         /* register or stack read before it was written */
    CODE_NOT_SCALAR,            /* a pointer where a number is needed: arithmetic, comparison, result */
    CODE_NOT_POINTER,           /* memory accessed by a number */
    CODE_MAYBE_NULL,            /* used before it was compared with 0 */
    CODE_POINTER_STORED,        /* a pointer would be seen by others */
    CODE_POINTER_STRAYS,        /* offset of a pointer unbounded, or beyond CODE_REACH */
    CODE_OUT_OF_BOUNDS,         /* memory outside of stack, context field or what is known of the region */
    CODE_NOT_WRITABLE,
    CODE_NOT_ALIGNED,           /* atomic operations, pointers on the stack */
    CODE_BAD_ARGUMENT,          /* of a helper: other type, or out of its limit */
    CODE_MIXED_MEMORY,          /* one instruction reaches two kinds of memory */
    CODE_TOO_LARGE,             /* the loader's memory is too small: one state for each jump target at least */
    CODE_TOO_COMPLEX,           /* more instructions to visit than the loader pays for */
    CODE_TOO_MANY_SPILLS,       /* pointers on the stack, more than the verifier follows */
    CODE_REASONS,
};

struct code_refusal {
    uint32_t reason;
    uint32_t instruction;       /* slot */
    uint32_t culprit;           /* register; CODE_REGISTERS if none */
    struct code_value registers[CODE_REGISTERS];    /* before the instruction */
};

/* For the compiler, one a slot. The memory that an instruction reaches: the same each time it runs.
   Speculation: a wrongly predicted branch must not carry an access anywhere else. So compiled code never uses the program's
   register as an address by itself. If `fixed`, the address is the base that the compiler keeps of this memory (context,
   r10, or the region's start in code_run) + `offset`, the same on all paths. Otherwise it is brought into the memory by data
   flow (conditional move or mask, no branch), with start and size from code_run, or the stack; what it reads or writes on
   a wrong path may be any place in there, or a sink. A call with memory arguments comes after a fence.
   Instructions with `reached` unset are never executed; the compiler may put anything in their place that ends the run. */
enum code_note_memory { CODE_NOTE_NONE, CODE_NOTE_CONTEXT, CODE_NOTE_STACK, CODE_NOTE_REGION };

struct code_note {
    uint8_t memory;
    uint8_t region;
    bool fixed;
    bool reached;
    int32_t offset;             /* if fixed: from the start of context or region, from r10 for the stack */
};

struct code_program {
    const struct code_kind *kind;
    const struct code_instruction *instructions;
    uint32_t count;
    struct code_note *notes;    /* `count` of them, written by the verifier */
};

struct code_verifier;           /* verify.h */

enum code_verdict { CODE_REFUSED = -1, CODE_ACCEPTED = 0, CODE_AGAIN = 1 };

/* The work area: aligned to 8 bytes; code_verify_size says how much this program needs at least, with `states` places to
   keep states in (more make it more precise, up to some 16 a jump target). `visits`: instructions to look at before
   giving up; from half of that on states are merged at once, so that even long programs end. */
size_t code_verify_size(uint32_t count, uint32_t states);
enum code_verdict code_verify_start(struct code_verifier *verifier, size_t size, struct code_program *program,
                                    uint64_t visits, struct code_refusal *ret_refusal);

/* About `effort` more machine instructions, and at most CODE_PIECE beyond them. CODE_AGAIN until it is decided. */
enum { CODE_PIECE = 2000 };
enum code_verdict code_verify_step(struct code_verifier *verifier, uint32_t effort, struct code_refusal *ret_refusal);

/* All at once. */
enum code_verdict code_verify(struct code_verifier *verifier, size_t size, struct code_program *program, uint64_t visits,
                              struct code_refusal *ret_refusal);

const char *code_reason_text(uint32_t reason);

/* ---- running what was accepted */

/* The oracle of the host tests: checks every access against `memory`, context and stack, whatever the verifier said. */
enum code_fault { CODE_NO_FAULT, CODE_FAULT_MEMORY, CODE_FAULT_STACK, CODE_FAULT_INSTRUCTION, CODE_FAULT_BUDGET };

struct code_trace {
    enum code_fault fault;      /* any but CODE_NO_FAULT: the verifier is wrong */
    uint32_t instruction;       /* where */
    uint64_t executed;
};

uint64_t code_interpret(const struct code_program *program, struct code_run *run, struct code_trace *ret_trace);

/* Machine code for an accepted program, independent of its address, to be called as code_entry. The work area: aligned to
   8 bytes, code_compiler_size bytes. Writes to `code` only when it is known to fit. */
typedef uint64_t code_entry(struct code_run *run);

struct code_compiler;

size_t code_compiler_size(uint32_t count);
void code_compile_start(struct code_compiler *compiler, const struct code_program *program, uint8_t *code, size_t size);

/* About `effort` more machine instructions, as in code_verify_step. CODE_AGAIN until it is decided; then *ret_size is the code's size. Refused if that is more than `size`; or, with size 0, if no verifier would have accepted the program. */
enum code_verdict code_compile_step(struct code_compiler *compiler, uint32_t effort, size_t *ret_size);

/* All at once. */
enum code_verdict code_compile(struct code_compiler *compiler, const struct code_program *program, uint8_t *code, size_t size,
                               size_t *ret_size);

#endif
