/*
 * The verifier, and what accepted programs do, against those of Linux, where root may load programs there: generated programs over a
 * packet, without loops, since Linux wants loops proved and this verifier meters them, and without pointers as numbers, which Linux allows
 * to those who may move packet pointers at all (CAP_PERFMON). They are loaded as traffic classifiers. Results of what both accept must be equal. Where verdicts differ, the
 * difference must be of a class that is explained below; each class is counted. Skipped, and said so, where bpf() is refused.
 */
#include "assemble.h"
#include "generate.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROGRAMS = 2000, PROGRAMS_LONG = 20000, SLOTS_MAX = 64, PACKET = 96, LOG = 1 << 16, CONTEXT_DATA = 76, CONTEXT_END = 80 };

/* ---- what both know */

struct context {
    uint64_t start, end;
};

static const struct code_field fields[] = {
    {.offset = 0, .size = 8, .type = CODE_FIELD_START}, {.offset = 8, .size = 8, .type = CODE_FIELD_END},
};
static const struct code_region regions[] = {{.size_min = 0, .size_max = 0xffff, .flags = CODE_REGION_WRITE}};
static const struct code_kind kind = {
    .name = "packet", .fields = fields, .field_count = 2, .regions = regions, .region_count = 1, .context_size = sizeof(struct context),
};

/* Why one may accept what the other refuses. */
struct class {
    const char *sign, *why; /* in the last line of Linux's log; or this verifier's reason */
    uint32_t reason, count;
};

static struct class linux_refuses[] = {
    {"offset is outside of the packet", "Linux knows the reach of a pointer only from the comparison of that very pointer", 0, 0},
    {"invalid access to packet", "the same", 0, 0},
    {"unbounded min value", "Linux wants an offset bounded when it is added, this verifier where memory is accessed", 0, 0},
    {"pointer be out of bounds", "the same", 0, 0},
    {"min value is negative", "the same", 0, 0},
    {"math between pkt pointer", "the same", 0, 0},
    {"pkt pointer offset", "the same", 0, 0},
    {"misaligned stack access", "Linux wants the stack aligned", 0, 0},
    {"!read_ok", "the path is dead for this verifier", 0, 0},
};

static struct class exo_refuses[] = {
    {NULL, "offsets are given up where they are not bounded, or beyond 2^29", CODE_POINTER_STRAYS, 0},
    {NULL, "Linux finds a bound that this verifier does not", CODE_OUT_OF_BOUNDS, 0},
    {NULL, "the path is dead for Linux", CODE_UNINITIALISED, 0},
};

#define COUNT(list) (sizeof list / sizeof *list)

/* ---- Linux */

static char log_text[LOG];

static int linux_call(int command, union bpf_attr *attributes)
{
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int linux_load(const struct code_instruction *slots, uint32_t count)
{
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (uintptr_t)slots, .insn_cnt = count, .license = (uintptr_t)"GPL",
        .log_buf = (uintptr_t)log_text, .log_size = sizeof log_text, .log_level = 1,
    };
    log_text[0] = 0;
    return linux_call(BPF_PROG_LOAD, &attributes);
}

/* The result, and the packet as it is left. */
static bool linux_run(int program, uint8_t *packet, uint32_t *ret_result)
{
    uint8_t after[PACKET];
    union bpf_attr attributes = {.test = {
        .prog_fd = (uint32_t)program, .data_in = (uintptr_t)packet, .data_size_in = PACKET, .data_out = (uintptr_t)after,
        .data_size_out = PACKET, .repeat = 1,
    }};
    if (linux_call(BPF_PROG_TEST_RUN, &attributes) < 0)
        return false;
    memcpy(packet, after, PACKET);
    *ret_result = attributes.test.retval;
    return true;
}

/* Keep what loading needs. */
static bool privileges_drop(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return false;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t kept = i == CAP_NET_ADMIN / 32 ? 1u << CAP_NET_ADMIN % 32 : 0;
        kept |= i == CAP_BPF / 32 ? 1u << CAP_BPF % 32 | 1u << CAP_PERFMON % 32 : 0;
        data[i].effective = data[i].permitted = data[i].permitted & kept;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) == 0;
}

/* The line before the summary. */
static const char *log_last(void)
{
    char *end = strstr(log_text, "\nprocessed ");
    if (end)
        *end = 0;
    char *last = strrchr(log_text, '\n');
    return last ? last + 1 : log_text;
}

/* ---- programs: r2 and r3 are the packet's start and end */

struct maker {
    struct code_instruction slot[SLOTS_MAX];
    uint32_t count;
    uint64_t seed;
};

static uint64_t any(struct maker *m, uint64_t limit)
{
    return random_next(&m->seed) % limit;
}

static void put(struct maker *m, struct code_instruction instruction)
{
    m->slot[m->count++] = instruction;
}

static uint32_t number_register(struct maker *m)
{
    static const uint8_t numbers[] = {0, 4, 5, 6};
    return numbers[any(m, sizeof numbers)];
}

static int32_t number(struct maker *m)
{
    static const int32_t odd[] = {0, 1, -1, 7, 8, 63, 64, 255, INT32_MAX, INT32_MIN, 0xffff};
    return any(m, 2) ? odd[any(m, COUNT(odd))] : (int32_t)any(m, 128);
}

static void put_arithmetic(struct maker *m)
{
    static const uint8_t operations[] = {ALU_ADD, ALU_SUB, ALU_MUL, ALU_OR, ALU_AND, ALU_XOR, ALU_MOV, ALU_DIV, ALU_MOD, ALU_LSH, ALU_RSH, ALU_ARSH};
    uint8_t operation = operations[any(m, sizeof operations)];
    uint32_t to = number_register(m), from = number_register(m), wide = any(m, 2) ? CLASS_ALU64 : CLASS_ALU;
    bool shifts = operation == ALU_LSH || operation == ALU_RSH || operation == ALU_ARSH;
    bool divides = operation == ALU_DIV || operation == ALU_MOD; /* Linux refuses a constant 0 */
    int32_t k = shifts ? (int32_t)any(m, 32) : divides ? 1 + (int32_t)any(m, 9) : number(m);

    if (any(m, 2) && !shifts)
        put(m, SLOT(wide | operation | SOURCE_X, to, from, 0, 0));
    else
        put(m, SLOT(wide | operation | SOURCE_K, to, 0, 0, k));
}

static void put_branch(struct maker *m)
{
    static const uint8_t operations[] = {JMP_JEQ, JMP_JNE, JMP_JGT, JMP_JGE, JMP_JLT, JMP_JLE, JMP_JSGT, JMP_JSGE, JMP_JSLT, JMP_JSLE, JMP_JSET};
    uint32_t class = any(m, 2) ? CLASS_JMP : CLASS_JMP32;

    put(m, SLOT(class | operations[any(m, sizeof operations)] | SOURCE_K, number_register(m), 0, (int16_t)(1 + any(m, 3)), number(m)));
}

static uint32_t any_size(struct maker *m)
{
    static const uint8_t sizes[] = {SIZE_B, SIZE_H, SIZE_W, SIZE_DW};
    return sizes[any(m, sizeof sizes)];
}

static void put_access(struct maker *m, uint32_t pointer, int16_t offset)
{
    uint32_t size = any_size(m);
    if (any(m, 4))
        put(m, LOAD(size, number_register(m), pointer, offset));
    else
        put(m, STORE(size, pointer, offset, number_register(m)));
}

/* r7 = packet + a bounded number, compared with the end at `reach`, then used, mostly within. */
static void put_packet(struct maker *m)
{
    uint32_t from = number_register(m), reach = 8 + (uint32_t)any(m, 16), bits = (uint32_t)any(m, 6);

    if (any(m, 16))
        put(m, ALU64_K(ALU_AND, from, (1 << bits) - 1));
    put(m, COPY(7, 2));
    if (any(m, 3))
        put(m, ALU64_X(ALU_ADD, 7, from));
    put(m, COPY(8, 7));
    put(m, ALU64_K(ALU_ADD, 8, (int32_t)reach));
    put(m, JUMP_X(any(m, 8) ? JMP_JGT : JMP_JGE, 8, 3, 1));
    put_access(m, 7, (int16_t)(any(m, 16) ? any(m, reach - 7) : any(m, 40)));
}

static void put_stack(struct maker *m)
{
    put_access(m, 10, (int16_t)(-8 * (int32_t)(1 + any(m, 4)) + (any(m, 12) ? 0 : (int32_t)any(m, 8))));
}

static void program_make(struct maker *m, uint64_t seed)
{
    *m = (struct maker){.seed = seed * 0x2545f4914f6cdd1d + 1};
    put(m, LOAD(SIZE_DW, 2, 1, 0)); /* the context's fields: put right for each of both */
    put(m, LOAD(SIZE_DW, 3, 1, 8));
    static const uint8_t numbers[] = {0, 4, 5, 6};
    for (uint32_t i = 0; i < sizeof numbers; i++)
        put(m, SET(numbers[i], number(m)));
    for (uint32_t i = 0; i < 4; i++)
        put(m, STORE(SIZE_DW, 10, (int16_t)(-8 * (int32_t)(i + 1)), 4));
    while (m->count < SLOTS_MAX - 14) {
        uint64_t choice = any(m, 10);
        if (choice < 4)
            put_arithmetic(m);
        else if (choice < 6)
            put_branch(m);
        else if (choice < 9)
            put_packet(m);
        else
            put_stack(m);
    }
    for (uint32_t i = 0; i < 4; i++)
        put(m, ALU64_X(ALU_XOR, 0, numbers[i]));
    put(m, EXIT);
}

/* ---- both */

static uint64_t work[1 << 17];
static struct code_note notes[SLOTS_MAX];
static uint32_t both, neither, exo_only, linux_only;

static void packet_make(uint8_t *packet)
{
    for (uint32_t i = 0; i < PACKET; i++)
        packet[i] = (uint8_t)(i * 89 + 3);
}

/* What this verifier accepts, in the interpreter; its result and the packet as it is left. False: it escapes. */
static bool exo_run(const struct code_program *program, uint8_t *packet, uint32_t *ret_result)
{
    struct context context = {(uintptr_t)packet, (uintptr_t)packet + PACKET};
    struct code_run run = {.memory = {{(uintptr_t)packet, PACKET}}, .context = &context, .budget = 10000};
    struct code_trace trace;

    *ret_result = (uint32_t)code_interpret(program, &run, &trace);
    if (trace.fault)
        printf("# a program escapes\n");
    return !trace.fault;
}

/* loaded: by Linux, too; else negative. */
static bool results_agree(struct maker *m, const struct code_program *program, int loaded)
{
    static uint8_t mine[PACKET] __attribute__((aligned(16)));
    uint8_t theirs[PACKET];
    uint32_t value, result = 0;

    packet_make(mine);
    packet_make(theirs);
    if (!exo_run(program, mine, &value))
        return false;
    if (loaded < 0)
        return true;
    if (!linux_run(loaded, theirs, &result)) {
        printf("# Linux does not run what it accepted: %s\n", strerror(errno));
        return false;
    }
    if (value != result || memcmp(mine, theirs, PACKET)) {
        printf("# seed %llu: result %u, of Linux %u; packets %s\n", (unsigned long long)m->seed, value, result,
               memcmp(mine, theirs, PACKET) ? "differ" : "agree");
        return false;
    }
    return true;
}

static bool explained(const char *last, uint32_t reason, struct class *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (last ? strstr(last, list[i].sign) != NULL : list[i].reason == reason) {
            list[i].count++;
            return true;
        }
    printf("# not explained: %s\n", last ? last : code_reason_text(reason));
    return false;
}

static bool verdicts_agree(uint64_t seed)
{
    struct maker m;
    struct code_refusal refusal;

    program_make(&m, seed);
    struct code_program program = {.kind = &kind, .instructions = m.slot, .count = m.count, .notes = notes};
    bool mine = code_verify((struct code_verifier *)work, sizeof work, &program, 100000, &refusal) == CODE_ACCEPTED;
    struct code_instruction theirs[SLOTS_MAX];
    memcpy(theirs, m.slot, sizeof theirs);
    theirs[0] = (struct code_instruction)LOAD(SIZE_W, 2, 1, CONTEXT_DATA);
    theirs[1] = (struct code_instruction)LOAD(SIZE_W, 3, 1, CONTEXT_END);
    int loaded = linux_load(theirs, m.count);
    bool fine = true;
    if (mine)
        fine = results_agree(&m, &program, loaded);
    if (mine && loaded < 0)
        fine &= explained(log_last(), 0, linux_refuses, COUNT(linux_refuses));
    else if (!mine && loaded >= 0)
        fine = explained(NULL, refusal.reason, exo_refuses, COUNT(exo_refuses));
    both += mine && loaded >= 0;
    neither += !mine && loaded < 0;
    exo_only += mine && loaded < 0;
    linux_only += !mine && loaded >= 0;
    if (loaded >= 0)
        close(loaded);
    return fine;
}

static void classes_print(const char *who, const struct class *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i].count)
            printf("# only %s accepts, %u times: %s (%s)\n", who, list[i].count, list[i].why,
                   list[i].sign ? list[i].sign : code_reason_text(list[i].reason));
}

int main(void)
{
    static const struct code_instruction least[] = {SET(0, 0), EXIT};
    int loaded = privileges_drop() ? linux_load(least, 2) : -1;

    uint32_t count = getenv("EXO_LONG") ? PROGRAMS_LONG : PROGRAMS;

    if (loaded < 0) {
        bool refused = errno == EPERM || errno == EACCES || errno == ENOSYS;
        printf("1..1\n%s 1 - verdicts_and_results_agree_with_those_of_linux%s bpf(): %s\n", refused ? "ok" : "not ok",
               refused ? " # SKIP" : "\n#", strerror(errno));
        return !refused;
    }
    close(loaded);
    bool fine = true;
    for (uint64_t seed = 1; seed <= count; seed++)
        fine &= verdicts_agree(seed);
    printf("# of %u programs both accept %u and refuse %u\n", count, both, neither);
    classes_print("Exo", linux_refuses, COUNT(linux_refuses));
    classes_print("Linux", exo_refuses, COUNT(exo_refuses));
    fine &= both >= count / 20 && neither;
    printf("%s 1 - verdicts_and_results_agree_with_those_of_linux\n1..1\n", fine ? "ok" : "not ok");
    return !fine;
}
