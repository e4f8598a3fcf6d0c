#include "generate.h"
#include "assemble.h"
#include "runner.h"

/* r0 to r5 hold numbers, r6 the context, r7 the packet, r8 its end, r9 pointers that have moved. */

enum { BODY = GENERATED_MAX - 24, CONTEXT = 6, PACKET = 7, END = 8, MOVED = 9, FRAME_POINTER = 10 };

struct generator {
    uint64_t *seed;
    struct code_instruction *slot;
    uint32_t count;
    uint32_t leave[GENERATED_MAX];      /* jumps to the end, whose distance comes last */
    uint32_t leaves;
};

uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t below(struct generator *g, uint32_t limit)
{
    return (uint32_t)(random_next(g->seed) >> 32) % limit;
}

static bool once_in(struct generator *g, uint32_t times)
{
    return below(g, times) == 0;
}

static uint8_t pick(struct generator *g, const uint8_t *from, uint32_t count)
{
    return from[below(g, count)];
}

static void put(struct generator *g, struct code_instruction instruction)
{
    g->slot[g->count++] = instruction;
}

static void put_leave(struct generator *g, struct code_instruction instruction)
{
    g->leave[g->leaves++] = g->count;
    put(g, instruction);
}

static uint8_t number(struct generator *g)
{
    return (uint8_t)below(g, 6);
}

static uint8_t any_size(struct generator *g)
{
    static const uint8_t sizes[] = { SIZE_B, SIZE_H, SIZE_W, SIZE_DW };

    return pick(g, sizes, 4);
}

/* Mostly small, or around the borders of signs and halves. */
static int32_t immediate(struct generator *g)
{
    static const int32_t edges[] = { 0, 1, -1, 7, 8, 31, 32, 63, 64, 255, 2047, 2048, INT32_MAX, INT32_MIN, 0xffff, -8 };

    if (once_in(g, 2))
        return edges[below(g, 16)] + (int32_t)below(g, 2);
    return once_in(g, 4) ? (int32_t)random_next(g->seed) : (int32_t)below(g, 80);
}

static uint8_t comparison(struct generator *g)
{
    static const uint8_t operations[] = { JMP_JEQ, JMP_JGT, JMP_JGE, JMP_JSET, JMP_JNE, JMP_JSGT, JMP_JSGE, JMP_JLT, JMP_JLE,
                                          JMP_JSLT, JMP_JSLE };

    return pick(g, operations, sizeof(operations));
}

static struct code_instruction compare(struct generator *g, uint8_t a, int16_t distance)
{
    uint8_t class = once_in(g, 2) ? CLASS_JMP : CLASS_JMP32, operation = comparison(g);

    if (once_in(g, 3))
        return SLOT(class | operation | SOURCE_X, a, number(g), distance, 0);
    return SLOT(class | operation | SOURCE_K, a, 0, distance, immediate(g));
}

static void number_fresh(struct generator *g, uint8_t name)
{
    static const uint8_t sizes[] = { SIZE_DW, SIZE_W, SIZE_H, SIZE_B };

    if (once_in(g, 4))
        put(g, SET(name, immediate(g)));
    else
        put(g, LOAD(pick(g, sizes, 4), name, CONTEXT, offsetof(struct runner_context, word) + 8 * below(g, RUNNER_WORDS)));
}

static void arithmetic(struct generator *g)
{
    static const uint8_t operations[] = { ALU_ADD, ALU_SUB, ALU_MUL, ALU_DIV, ALU_OR, ALU_AND, ALU_LSH, ALU_RSH, ALU_MOD, ALU_XOR,
                                          ALU_MOV, ALU_ARSH, ALU_ADD, ALU_AND };
    static const uint8_t widths[] = { 16, 32, 64 };
    uint8_t class = once_in(g, 2) ? CLASS_ALU64 : CLASS_ALU, to = number(g), operation = pick(g, operations, sizeof(operations));
    bool divides = operation == ALU_DIV || operation == ALU_MOD;

    if (once_in(g, 12))
        put(g, SLOT(class | ALU_NEG, to, 0, 0, 0));
    else if (once_in(g, 12))
        put(g, SLOT(class | ALU_END | (class == CLASS_ALU && once_in(g, 2) ? SOURCE_X : 0), to, 0, 0, pick(g, widths, 3)));
    else if (operation == ALU_MOV && once_in(g, 2))
        put(g, SLOT(class | operation | SOURCE_X, to, number(g), (int16_t)(8 << below(g, class == CLASS_ALU64 ? 3 : 2)), 0));
    else if (once_in(g, 2))
        put(g, SLOT(class | operation | SOURCE_X, to, number(g), divides && once_in(g, 3), 0));
    else
        put(g, SLOT(class | operation | SOURCE_K, to, 0, divides && once_in(g, 3), immediate(g)));
}

static void bound(struct generator *g, uint8_t name)
{
    static const int32_t limits[] = { 7, 8, 31, 31, 15, 16, 48, 56, 63, 2040 };

    if (once_in(g, 2))
        put(g, SLOT((once_in(g, 2) ? CLASS_ALU64 : CLASS_ALU) | ALU_AND, name, 0, 0, limits[below(g, 10)]));
    else if (!once_in(g, 6))
        put_leave(g, SLOT((once_in(g, 2) ? CLASS_JMP : CLASS_JMP32) | (once_in(g, 8) ? JMP_JSGT : JMP_JGT), name, 0, 0,
                          limits[below(g, 10)]));
    else
        put_leave(g, compare(g, name, 0));
}

/* Somewhere around 0 and the size of the memory. */
static int16_t distance(struct generator *g, uint8_t base)
{
    static const int16_t shared[] = { 0, 1, 8, 48, 56, 60, 62, 63, 64, -1, -8 };

    if (base == FRAME_POINTER)
        return (int16_t)-(int32_t)(8 + 8 * below(g, 9) + (once_in(g, 8) ? below(g, 8) : 0));
    return once_in(g, 6) ? shared[below(g, 11)] : (int16_t)(8 * below(g, 2));
}

static void touch(struct generator *g, uint8_t base, int16_t at)
{
    uint8_t size = any_size(g), signs = pick(g, (const uint8_t[]){ SIZE_B, SIZE_H, SIZE_W }, 3);
    static const uint8_t atomics[] = { ATOMIC_ADD, ATOMIC_OR, ATOMIC_AND, ATOMIC_XOR, ATOMIC_ADD | ATOMIC_FETCH,
                                       ATOMIC_XOR | ATOMIC_FETCH, ATOMIC_XCHG, ATOMIC_CMPXCHG };

    switch (below(g, 6)) {
    case 0:
        put(g, STORE(size, base, at, number(g)));
        break;
    case 1:
        put(g, STORE_K(size, base, at, immediate(g)));
        break;
    case 2:
        put(g, ATOMIC(once_in(g, 2) ? SIZE_W : SIZE_DW, pick(g, atomics, sizeof(atomics)), base, at & (once_in(g, 8) ? ~0 : ~7), number(g)));
        break;
    case 3:
        put(g, LOAD_SIGNED(signs, number(g), base, at));
        break;
    default:
        put(g, LOAD(size, number(g), base, at));
    }
}

static void packet(struct generator *g)
{
    int16_t room = (int16_t)(8 + below(g, 60));

    put(g, COPY(MOVED, PACKET));
    if (once_in(g, 2)) {
        uint8_t index = number(g);

        bound(g, index);
        put(g, ALU64_X(once_in(g, 16) ? ALU_SUB : ALU_ADD, MOVED, index));
    }
    put(g, COPY(0, MOVED));
    put(g, ALU64_K(ALU_ADD, 0, room));
    put_leave(g, JUMP_X(once_in(g, 6) ? comparison(g) : JMP_JGT, 0, END, 0));
    put(g, SET(0, immediate(g)));
    for (uint32_t n = below(g, 3); n < 3; n++)
        touch(g, MOVED, (int16_t)(once_in(g, 8) ? room - (int16_t)below(g, 10) : (room - 8) & ~7));
}

static void shared(struct generator *g)
{
    if (once_in(g, 2)) {
        put(g, LOAD(SIZE_DW, MOVED, CONTEXT, offsetof(struct runner_context, shared)));
    } else {
        put(g, COPY(1, number(g)));
        put(g, INVOKE(HELPER_SHARED));
        put(g, COPY(MOVED, 0));
        if (!once_in(g, 10))
            put_leave(g, JUMP_K(once_in(g, 10) ? JMP_JNE : JMP_JEQ, once_in(g, 2) ? MOVED : 0, 0, 0));
        for (uint8_t name = 0; name < 6; name++)
            number_fresh(g, name);
    }
    if (once_in(g, 2)) {
        uint8_t index = number(g);

        bound(g, index);
        put(g, ALU64_X(ALU_ADD, MOVED, index));
    }
    touch(g, MOVED, distance(g, MOVED));
}

static void stack(struct generator *g)
{
    uint8_t index = number(g);
    int16_t at = distance(g, FRAME_POINTER);

    if (once_in(g, 3)) {
        put(g, COPY(MOVED, FRAME_POINTER));
        put(g, ALU64_K(ALU_ADD, MOVED, -64));
        bound(g, index);
        put(g, ALU64_X(ALU_ADD, MOVED, index));
        touch(g, MOVED, distance(g, MOVED));
    } else if (once_in(g, 3)) {
        put(g, STORE(SIZE_DW, FRAME_POINTER, at & ~7, pick(g, (const uint8_t[]){ CONTEXT, PACKET, END, MOVED }, 4)));
        put(g, LOAD(once_in(g, 8) ? SIZE_W : SIZE_DW, MOVED, FRAME_POINTER, at & ~7));
        touch(g, MOVED, distance(g, MOVED));
    } else {
        touch(g, FRAME_POINTER, at);
    }
}

static void call(struct generator *g)
{
    put(g, COPY(1, FRAME_POINTER));
    put(g, ALU64_K(ALU_ADD, 1, -64 - (int32_t)(once_in(g, 4) ? below(g, 64) : 0)));
    if (once_in(g, 2)) {
        put(g, INVOKE(HELPER_FILL));
    } else {
        if (once_in(g, 2))
            put(g, SET(2, (int32_t)below(g, 66)));
        else
            bound(g, 2);
        put(g, SET(4, (int32_t)below(g, 11)));
        put(g, INVOKE(once_in(g, 8) ? HELPER_LOG : HELPER_SUM));
    }
    for (uint8_t name = 1; name < 6; name++)
        number_fresh(g, name);
}

static void jump(struct generator *g)
{
    int32_t back = (int32_t)below(g, 12);

    if (once_in(g, 3) && back + 16 < (int32_t)g->count)
        put(g, compare(g, number(g), (int16_t)(-1 - back)));
    else
        put(g, compare(g, number(g), (int16_t)below(g, 6)));
}

static void part(struct generator *g)
{
    switch (below(g, 12)) {
    case 0:
    case 1:
        packet(g);
        break;
    case 2:
        shared(g);
        break;
    case 3:
    case 4:
        stack(g);
        break;
    case 5:
        call(g);
        break;
    case 6:
        jump(g);
        break;
    case 7:
        put(g, STORE(any_size(g), CONTEXT, (int16_t)(offsetof(struct runner_context, word) + 8 * below(g, RUNNER_WORDS)), number(g)));
        break;
    case 8:
        number_fresh(g, number(g));
        break;
    default:
        arithmetic(g);
    }
}

static void start(struct generator *g)
{
    put(g, COPY(CONTEXT, 1));
    put(g, LOAD(SIZE_DW, PACKET, CONTEXT, offsetof(struct runner_context, start)));
    put(g, LOAD(SIZE_DW, END, CONTEXT, offsetof(struct runner_context, end)));
    put(g, COPY(MOVED, FRAME_POINTER));
    for (uint8_t name = 0; name < 6; name++)
        number_fresh(g, name);
    for (int16_t at = 8; at <= 80 && !once_in(g, 10); at += 8)
        put(g, STORE_K(SIZE_DW, FRAME_POINTER, -at, immediate(g)));
}

/* At the end a register is given back that may be a pointer on some paths; then it must be refused. */
static void finish(struct generator *g)
{
    uint32_t end = g->count;

    if (once_in(g, 2))
        put(g, SET(0, immediate(g)));
    else if (once_in(g, 3))
        put(g, COPY(0, 1 + below(g, 9)));
    else
        put(g, ALU64_X(ALU_ADD, 0, 3));
    put(g, EXIT);
    for (uint32_t n = 0; n < g->leaves; n++)
        g->slot[g->leave[n]].offset = (int16_t)(end - g->leave[n] - 1);
}

static void mutate(struct generator *g)
{
    struct code_instruction *slot = &g->slot[below(g, g->count)];

    switch (below(g, 4)) {
    case 0:
        slot->registers = (uint8_t)(below(g, 11) | below(g, 11) << 4);
        break;
    case 1:
        slot->offset = (int16_t)(slot->offset + (int32_t)below(g, 5) - 2);
        break;
    case 2:
        slot->immediate += (int32_t)below(g, 5) - 2;
        break;
    default:
        slot->opcode = (uint8_t)random_next(g->seed);
    }
}

uint32_t generate_program(uint64_t *seed, struct code_instruction instructions[GENERATED_MAX])
{
    struct generator g = { .seed = seed, .slot = instructions };
    uint32_t length;

    start(&g);
    length = g.count + below(&g, below(&g, 2) ? 20 : BODY - g.count);
    while (g.count < length)
        part(&g);
    finish(&g);
    while (once_in(&g, 6))
        mutate(&g);
    return g.count;
}
