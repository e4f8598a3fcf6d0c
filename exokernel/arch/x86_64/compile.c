/* Downloaded code as x86-64 machine code (the contract: code.h). Two passes over the program, after a survey: the first measures
   where each slot's code will lie, the second writes. Jumps always take the long form, so both are of the same size.
   What the verifier noted of a memory access is not believed: an access is compiled such that it lies in the noted memory
   on every path, or the program is not compiled. Arguments of helpers are the exception: they are as verified.

   Machine stack of a run, downwards: what the caller keeps; the program's stack, as deep as it is used, cleared; a sink
   of 8 bytes at rsp, where accesses outside of their memory land. rcx, rdx and r11 hold nothing from slot to slot. */
#include <code.h>
#include <opcode.h>
#include "encode.h"

enum { RUN = R12, SINK_SIZE = 8 };

static const uint8_t machine_register[CODE_REGISTERS] = {RAX, RSI, RDI, R10, R8, R9, RBX, R13, R14, R15, RBP};
static const uint8_t kept_by_caller[] = {RBX, RBP, R12, R13, R14, R15};

enum pass { PASS_SURVEY, PASS_MEASURE, PASS_WRITE, PASS_DONE };

struct code_compiler {
    struct encoder e;
    const struct code_program *program;
    uint8_t *code;     /* where it goes, and how much fits there */
    size_t capacity;
    enum pass pass;
    uint32_t slot;     /* the next one */
    size_t spent_at;   /* where a run ends whose budget does not suffice for the charge in rcx */
    uint32_t used;     /* the program's registers, one bit each */
    uint32_t kept;     /* the machine's registers that are pushed, one bit each */
    uint32_t kept_count;
    uint32_t depth;    /* of the program's stack, in bytes */
    bool broken;       /* the program is none that the verifier accepts */
    uint32_t at[];     /* by slot: where its code starts */
};

static struct operand run_field(size_t offset)
{
    return (struct operand){RUN, offset};
}

static struct operand region_field(uint32_t region, size_t offset)
{
    return run_field(offsetof(struct code_run, memory) + region * sizeof(struct code_memory) + offset);
}

static uint32_t width_of(uint8_t opcode)
{
    switch (OPCODE_SIZE(opcode)) {
    case SIZE_B: return 1;
    case SIZE_H: return 2;
    case SIZE_W: return 4;
    default: return 8;
    }
}

/* ---- entering and leaving */

static uint32_t frame_size(const struct code_compiler *c)
{
    uint32_t words = 1 + c->kept_count + (c->depth + SINK_SIZE) / 8;
    return c->depth + SINK_SIZE + words % 2 * 8;
}

static void compile_prologue(struct code_compiler *c)
{
    for (uint32_t i = 0; i < sizeof(kept_by_caller); i++)
        if (c->kept & 1 << kept_by_caller[i])
            encode_push(&c->e, kept_by_caller[i]);
    encode_immediate(&c->e, true, DIGIT_SUB, RSP, frame_size(c));
    encode_move(&c->e, true, RUN, RDI);
    if (c->used & 1 << 10)
        encode_memory(&c->e, true, OP_LEA, RBP, (struct operand){RSP, frame_size(c)});
    /* What the kernel left behind is seen by no wrongly predicted path either. */
    if (c->depth) { /* rep stosq, upwards: the caller left the direction as its ABI says */
        encode_memory(&c->e, true, OP_LEA, RDI, (struct operand){RBP, -(int32_t)c->depth});
        encode_constant(&c->e, RCX, c->depth / 8);
        encode_clear(&c->e, RAX);
        encode_number(&c->e, 0xab48f3, 3);
    }
    for (uint32_t i = 0; i < 10; i++)
        if (i != 1 && c->used & 1 << i)
            encode_clear(&c->e, machine_register[i]);
    encode_memory(&c->e, true, OP_LOAD, RSI, run_field(offsetof(struct code_run, context)));
}

static void compile_epilogue(struct code_compiler *c)
{
    encode_immediate(&c->e, true, DIGIT_ADD, RSP, frame_size(c));
    for (uint32_t i = sizeof(kept_by_caller); i-- > 0;)
        if (c->kept & 1 << kept_by_caller[i])
            encode_pop(&c->e, kept_by_caller[i]);
    encode_byte(&c->e, 0xc3);
    encode_byte(&c->e, 0xcc); /* some processors predict past a return */
}

static void compile_charge(struct code_compiler *c, uint32_t cost)
{
    encode_constant(&c->e, RCX, cost);
    encode_memory(&c->e, true, OP_SUB, RCX, run_field(offsetof(struct code_run, budget)));
    encode_jump_if(&c->e, IF_BELOW, c->spent_at);
}

static void compile_spent(struct code_compiler *c)
{
    c->spent_at = c->e.size;
    encode_memory(&c->e, true, OP_ADD, RCX, run_field(offsetof(struct code_run, budget)));
    encode_memory(&c->e, false, 0xc6, 0, run_field(offsetof(struct code_run, spent)));
    encode_byte(&c->e, true);
    encode_constant(&c->e, RAX, c->program->kind->spent);
    compile_epilogue(c);
}

/* ---- arithmetic */

static void compile_byte_order(struct code_compiler *c, struct code_instruction i, uint32_t to)
{
    bool swapped = OPCODE_CLASS(i.opcode) == CLASS_ALU64 || (i.opcode & SOURCE_X);
    if (i.immediate == 16) {
        if (swapped) {
            encode_byte(&c->e, PREFIX_16);
            encode_shift(&c->e, false, DIGIT_ROR, to, 8);
        }
        encode_registers(&c->e, false, OP_MOVZX16, to, to);
    } else if (swapped) {
        encode_opcode(&c->e, i.immediate == 64, false, 0x0fc8 + (to & 7), 0, to);
    } else if (i.immediate == 32) {
        encode_move(&c->e, false, to, to);
    }
}

static void compile_move(struct code_compiler *c, struct code_instruction i, bool wide, uint32_t to, uint32_t from)
{
    if (!(i.opcode & SOURCE_X))
        encode_constant(&c->e, to, wide ? (uint64_t)(int64_t)i.immediate : (uint32_t)i.immediate);
    else if (i.offset == 8)
        encode_registers(&c->e, wide, OP_MOVSX8, to, from);
    else if (i.offset == 16)
        encode_registers(&c->e, wide, OP_MOVSX16, to, from);
    else if (i.offset == 32)
        encode_registers(&c->e, wide, OP_MOVSXD, to, from);
    else
        encode_move(&c->e, wide, to, from);
}

/* The machine takes the count modulo 32 or 64, as the RFC does. */
static void compile_shift(struct code_compiler *c, struct code_instruction i, bool wide, uint32_t digit, uint32_t to, uint32_t from)
{
    if (i.opcode & SOURCE_X) {
        encode_move(&c->e, false, RCX, from);
        encode_registers(&c->e, wide, 0xd3, digit, to);
    } else {
        encode_shift(&c->e, wide, digit, to, i.immediate & (wide ? 63 : 31));
    }
}

static void compile_multiplication(struct code_compiler *c, struct code_instruction i, bool wide, uint32_t to, uint32_t from)
{
    if (i.opcode & SOURCE_X) {
        encode_registers(&c->e, wide, OP_IMUL, to, from);
    } else {
        encode_registers(&c->e, wide, 0x69, to, to);
        encode_number(&c->e, (uint32_t)i.immediate, 4);
    }
}

/* The machine divides rdx:rax, by neither 0 nor -1: the latter overflows (Intel SDM 2A, IDIV). */
static void compile_quotient(struct code_compiler *c, bool wide, bool has_sign, uint32_t result, uint32_t to)
{
    if (to != RAX)
        encode_move(&c->e, true, R11, RAX);
    if (to != RAX)
        encode_move(&c->e, wide, RAX, to);
    if (has_sign)
        encode_opcode(&c->e, wide, false, 0x99, 0, 0);
    else
        encode_clear(&c->e, RDX);
    encode_registers(&c->e, wide, 0xf7, has_sign ? DIGIT_IDIV : DIGIT_DIV, RCX);
    if (to != result)
        encode_move(&c->e, wide, to, result);
    if (to != RAX)
        encode_move(&c->e, true, RAX, R11);
}

static void compile_division(struct code_compiler *c, struct code_instruction i, bool wide, uint32_t to, uint32_t from)
{
    bool modulo = OPCODE_OPERATION(i.opcode) == ALU_MOD, has_sign = i.offset == 1;
    size_t minus_one = 0;
    if (i.opcode & SOURCE_X)
        encode_move(&c->e, wide, RCX, from);
    else
        encode_constant(&c->e, RCX, wide ? (uint64_t)(int64_t)i.immediate : (uint32_t)i.immediate);
    encode_registers(&c->e, wide, OP_TEST, RCX, RCX);
    size_t zero = encode_skip_if(&c->e, IF_EQUAL);
    if (has_sign) {
        encode_immediate(&c->e, wide, DIGIT_CMP, RCX, -1);
        minus_one = encode_skip_if(&c->e, IF_EQUAL);
    }
    compile_quotient(c, wide, has_sign, modulo ? RDX : RAX, to);
    size_t divided = encode_skip(&c->e), negated = 0;
    if (has_sign) {
        encode_land(&c->e, minus_one);
        if (modulo)
            encode_clear(&c->e, to);
        else
            encode_registers(&c->e, wide, 0xf7, DIGIT_NEG, to);
        negated = encode_skip(&c->e);
    }
    encode_land(&c->e, zero);
    if (!modulo)
        encode_clear(&c->e, to);
    else if (!wide)
        encode_move(&c->e, false, to, to);
    encode_land(&c->e, divided);
    if (has_sign)
        encode_land(&c->e, negated);
}

static void compile_simple(struct code_compiler *c, struct code_instruction i, bool wide, uint32_t opcode, uint32_t to, uint32_t from)
{
    if (i.opcode & SOURCE_X)
        encode_registers(&c->e, wide, opcode, from, to);
    else
        encode_immediate(&c->e, wide, opcode >> 3, to, i.immediate); /* the digits are the opcodes' upper bits */
}

static void compile_arithmetic(struct code_compiler *c, struct code_instruction i)
{
    bool wide = OPCODE_CLASS(i.opcode) == CLASS_ALU64;
    uint32_t to = machine_register[code_destination(i)], from = machine_register[code_source(i)];
    switch (OPCODE_OPERATION(i.opcode)) {
    case ALU_ADD: compile_simple(c, i, wide, OP_ADD, to, from); break;
    case ALU_SUB: compile_simple(c, i, wide, OP_SUB, to, from); break;
    case ALU_OR: compile_simple(c, i, wide, OP_OR, to, from); break;
    case ALU_AND: compile_simple(c, i, wide, OP_AND, to, from); break;
    case ALU_XOR: compile_simple(c, i, wide, OP_XOR, to, from); break;
    case ALU_MUL: compile_multiplication(c, i, wide, to, from); break;
    case ALU_DIV:
    case ALU_MOD: compile_division(c, i, wide, to, from); break;
    case ALU_LSH: compile_shift(c, i, wide, DIGIT_SHL, to, from); break;
    case ALU_RSH: compile_shift(c, i, wide, DIGIT_SHR, to, from); break;
    case ALU_ARSH: compile_shift(c, i, wide, DIGIT_SAR, to, from); break;
    case ALU_NEG: encode_registers(&c->e, wide, 0xf7, DIGIT_NEG, to); break;
    case ALU_MOV: compile_move(c, i, wide, to, from); break;
    case ALU_END: compile_byte_order(c, i, to); break;
    default: c->broken = true;
    }
}

/* ---- memory */

static struct operand compile_fixed(struct code_compiler *c, const struct code_note *note, uint32_t width)
{
    const struct code_kind *kind = c->program->kind;
    int64_t end = (int64_t)note->offset + width;
    if (note->memory == CODE_NOTE_STACK) {
        c->broken |= note->offset < -CODE_STACK || end > 0;
        return (struct operand){RBP, note->offset};
    }
    c->broken |= note->offset < 0;
    if (note->memory == CODE_NOTE_CONTEXT) {
        c->broken |= end > kind->context_size;
        encode_memory(&c->e, true, OP_LOAD, RCX, run_field(offsetof(struct code_run, context)));
        return (struct operand){RCX, note->offset};
    }
    c->broken |= end > kind->regions[note->region].size_max;
    encode_memory(&c->e, true, OP_LOAD, RCX, region_field(note->region, offsetof(struct code_memory, start)));
    if (end <= kind->regions[note->region].size_min)
        return (struct operand){RCX, note->offset};
    encode_immediate(&c->e, true, DIGIT_ADD, RCX, note->offset);
    encode_memory_immediate(&c->e, true, DIGIT_CMP, region_field(note->region, offsetof(struct code_memory, size)), end);
    encode_registers(&c->e, true, OP_CMOV | IF_BELOW, RCX, RSP);
    return (struct operand){RCX, 0};
}

/* The address is in rcx, and again in rdx: compares its distance from the region's start with the last one allowed. */
static void compile_region_limit(struct code_compiler *c, const struct code_note *note, uint32_t width)
{
    struct operand size = region_field(note->region, offsetof(struct code_memory, size));
    encode_memory(&c->e, true, OP_LOAD_SUB, RDX, region_field(note->region, offsetof(struct code_memory, start)));
    if (width == 1) {
        encode_memory(&c->e, true, OP_LOAD_CMP, RDX, size);
        return;
    }
    encode_memory(&c->e, true, OP_LOAD, R11, size);
    encode_immediate(&c->e, true, DIGIT_SUB, R11, width - 1);
    if (c->program->kind->regions[note->region].size_min < width - 1)
        encode_registers(&c->e, true, OP_CMOV | IF_BELOW, RCX, RSP);
    encode_registers(&c->e, true, OP_CMP, R11, RDX);
}

static struct operand compile_masked(struct code_compiler *c, const struct code_note *note, struct operand wanted, uint32_t width)
{
    encode_memory(&c->e, true, OP_LEA, RCX, wanted);
    encode_move(&c->e, true, RDX, RCX);
    if (note->memory == CODE_NOTE_REGION) {
        compile_region_limit(c, note, width);
    } else {
        c->broken |= note->memory != CODE_NOTE_STACK;
        encode_registers(&c->e, true, OP_SUB, RBP, RDX);
        encode_immediate(&c->e, true, DIGIT_ADD, RDX, CODE_STACK);
        encode_immediate(&c->e, true, DIGIT_CMP, RDX, CODE_STACK - width + 1);
    }
    encode_registers(&c->e, true, OP_CMOV | IF_NOT_BELOW, RCX, RSP);
    return (struct operand){RCX, 0};
}

/* What slot `slot` reaches by `pointer`. */
static struct operand compile_operand(struct code_compiler *c, uint32_t slot, uint8_t pointer, uint32_t width)
{
    const struct code_note *note = &c->program->notes[slot];
    struct operand wanted = {machine_register[pointer], c->program->instructions[slot].offset};
    if (note->memory == CODE_NOTE_NONE || (note->memory == CODE_NOTE_REGION && note->region >= c->program->kind->region_count)) {
        c->broken = true;
        return wanted;
    }
    return note->fixed ? compile_fixed(c, note, width) : compile_masked(c, note, wanted, width);
}

static void compile_load(struct code_compiler *c, uint32_t slot)
{
    struct code_instruction i = c->program->instructions[slot];
    uint32_t width = width_of(i.opcode), to = machine_register[code_destination(i)];
    struct operand from = compile_operand(c, slot, code_source(i), width);
    bool extended = OPCODE_MODE(i.opcode) == MODE_MEMSX;
    static const uint16_t plain[] = {OP_MOVZX8, OP_MOVZX16, OP_LOAD, OP_LOAD};
    static const uint16_t sign_extended[] = {OP_MOVSX8, OP_MOVSX16, OP_MOVSXD, OP_LOAD};
    uint32_t kind = __builtin_ctz(width);
    encode_memory(&c->e, width == 8 || extended, (extended ? sign_extended : plain)[kind], to, from);
}

static void compile_store(struct code_compiler *c, uint32_t slot)
{
    struct code_instruction i = c->program->instructions[slot];
    uint32_t width = width_of(i.opcode);
    struct operand to = compile_operand(c, slot, code_destination(i), width);
    if (width == 2)
        encode_byte(&c->e, PREFIX_16);
    if (OPCODE_CLASS(i.opcode) == CLASS_STX) {
        encode_memory(&c->e, width == 8, width == 1 ? OP_STORE8 : OP_MOV, machine_register[code_source(i)], to);
    } else {
        encode_memory(&c->e, width == 8, width == 1 ? 0xc6 : 0xc7, 0, to);
        encode_number(&c->e, (uint32_t)i.immediate, width < 4 ? width : 4);
    }
}

/* OR, AND and XOR that return the old value: the machine has none, so they are tried until nobody came between. Each
   further try costs 1 of the budget. */
static void compile_tried(struct code_compiler *c, uint32_t opcode, bool wide, uint32_t with, struct operand at)
{
    encode_move(&c->e, true, R11, RAX);
    encode_memory(&c->e, wide, OP_LOAD, RAX, at);
    size_t retry = c->e.size;
    encode_move(&c->e, wide, RDX, RAX);
    encode_registers(&c->e, wide, opcode, with == RAX ? R11 : with, RDX);
    encode_byte(&c->e, PREFIX_LOCK);
    encode_memory(&c->e, wide, OP_CMPXCHG, RDX, at);
    size_t done = encode_skip_if(&c->e, IF_EQUAL);
    encode_memory_immediate(&c->e, true, DIGIT_CMP, run_field(offsetof(struct code_run, budget)), 1);
    size_t paid = encode_skip_if(&c->e, IF_NOT_BELOW);
    encode_clear(&c->e, RCX);
    encode_jump(&c->e, c->spent_at);
    encode_land(&c->e, paid);
    encode_memory_immediate(&c->e, true, DIGIT_SUB, run_field(offsetof(struct code_run, budget)), 1);
    encode_jump(&c->e, retry);
    encode_land(&c->e, done);
    if (with != RAX) {
        encode_move(&c->e, wide, with, RAX);
        encode_move(&c->e, true, RAX, R11);
    }
}

static void compile_atomic(struct code_compiler *c, uint32_t slot)
{
    struct code_instruction i = c->program->instructions[slot];
    uint32_t width = width_of(i.opcode), with = machine_register[code_source(i)], opcode = OP_ADD;
    bool wide = width == 8;
    struct operand at = compile_operand(c, slot, code_destination(i), width);
    switch (i.immediate) {
    case ATOMIC_ADD | ATOMIC_FETCH: opcode = OP_XADD; break;
    case ATOMIC_XCHG: encode_memory(&c->e, wide, OP_XCHG, with, at); return;
    case ATOMIC_CMPXCHG: opcode = OP_CMPXCHG; break;
    case ATOMIC_OR | ATOMIC_FETCH: compile_tried(c, OP_OR, wide, with, at); return;
    case ATOMIC_AND | ATOMIC_FETCH: compile_tried(c, OP_AND, wide, with, at); return;
    case ATOMIC_XOR | ATOMIC_FETCH: compile_tried(c, OP_XOR, wide, with, at); return;
    case ATOMIC_OR: opcode = OP_OR; break;
    case ATOMIC_AND: opcode = OP_AND; break;
    case ATOMIC_XOR: opcode = OP_XOR; break;
    case ATOMIC_ADD: break;
    default: c->broken = true;
    }
    encode_byte(&c->e, PREFIX_LOCK);
    encode_memory(&c->e, wide, opcode, with, at);
    if (i.immediate == ATOMIC_CMPXCHG && !wide)
        encode_move(&c->e, false, RAX, RAX);
}

/* ---- control */

static void compile_jump(struct code_compiler *c, uint32_t slot, int64_t target)
{
    if (target < 0 || target >= c->program->count) {
        c->broken = true;
        return;
    }
    if (target <= slot)
        compile_charge(c, slot + 1 - target);
    encode_jump(&c->e, c->at[target]);
}

static uint32_t condition_of(uint8_t opcode)
{
    switch (OPCODE_OPERATION(opcode)) {
    case JMP_JEQ: return IF_EQUAL;
    case JMP_JNE: case JMP_JSET: return IF_NOT_EQUAL;
    case JMP_JGT: return IF_ABOVE;
    case JMP_JGE: return IF_NOT_BELOW;
    case JMP_JLT: return IF_BELOW;
    case JMP_JLE: return IF_NOT_ABOVE;
    case JMP_JSGT: return IF_GREATER;
    case JMP_JSGE: return IF_NOT_LESS;
    case JMP_JSLT: return IF_LESS;
    default: return IF_NOT_GREATER;
    }
}

static void compile_branch(struct code_compiler *c, uint32_t slot)
{
    struct code_instruction i = c->program->instructions[slot];
    bool wide = OPCODE_CLASS(i.opcode) == CLASS_JMP, tests = OPCODE_OPERATION(i.opcode) == JMP_JSET;
    uint32_t left = machine_register[code_destination(i)], right = machine_register[code_source(i)];
    int64_t target = (int64_t)slot + 1 + i.offset;
    if (i.opcode & SOURCE_X) {
        encode_registers(&c->e, wide, tests ? OP_TEST : OP_CMP, right, left);
    } else if (tests) {
        encode_registers(&c->e, wide, 0xf7, 0, left);
        encode_number(&c->e, (uint32_t)i.immediate, 4);
    } else {
        encode_immediate(&c->e, wide, DIGIT_CMP, left, i.immediate);
    }
    if (target > slot && target < c->program->count) {
        encode_jump_if(&c->e, condition_of(i.opcode), c->at[target]);
        return;
    }
    size_t not_taken = encode_skip_if(&c->e, condition_of(i.opcode) ^ 1);
    compile_jump(c, slot, target);
    encode_land(&c->e, not_taken);
}

static bool helper_has_memory(const struct code_helper *helper)
{
    bool found = false;
    for (uint32_t i = 0; i < CODE_ARGUMENTS; i++)
        found |= helper->argument[i].type == CODE_ARGUMENT_READ || helper->argument[i].type == CODE_ARGUMENT_WRITE;
    return found;
}

static void compile_call(struct code_compiler *c, struct code_instruction i)
{
    const struct code_kind *kind = c->program->kind;
    if ((uint32_t)i.immediate >= kind->helper_count) {
        c->broken = true;
        return;
    }
    const struct code_helper *helper = &kind->helpers[i.immediate];
    if (helper->cost)
        compile_charge(c, helper->cost);
    if (helper_has_memory(helper))
        encode_number(&c->e, 0xe8ae0f, 3); /* lfence */
    encode_move(&c->e, true, RDX, machine_register[2]);
    encode_move(&c->e, true, RCX, machine_register[3]);
    encode_move(&c->e, true, RDI, RUN);
    encode_constant(&c->e, R11, (uintptr_t)helper->call);
    encode_registers(&c->e, false, 0xff, 2, R11);
    for (uint32_t argument = 1; argument <= CODE_ARGUMENTS; argument++)
        if (c->used & 1 << argument)
            encode_clear(&c->e, machine_register[argument]);
}

/* ---- the program */

static void compile_slot(struct code_compiler *c, uint32_t slot)
{
    struct code_instruction i = c->program->instructions[slot];
    switch (i.opcode) {
    case OPCODE_LDDW:
        encode_constant(&c->e, machine_register[code_destination(i)],
                        (uint32_t)i.immediate | (uint64_t)(uint32_t)c->program->instructions[slot + 1].immediate << 32);
        return;
    case OPCODE_CALL: compile_call(c, i); return;
    case OPCODE_EXIT: compile_epilogue(c); return;
    case OPCODE_JA: compile_jump(c, slot, (int64_t)slot + 1 + i.offset); return;
    case OPCODE_JA32: compile_jump(c, slot, (int64_t)slot + 1 + i.immediate); return;
    }
    switch (OPCODE_CLASS(i.opcode)) {
    case CLASS_LDX: compile_load(c, slot); break;
    case CLASS_ST: compile_store(c, slot); break;
    case CLASS_STX: OPCODE_MODE(i.opcode) == MODE_ATOMIC ? compile_atomic(c, slot) : compile_store(c, slot); break;
    case CLASS_ALU: case CLASS_ALU64: compile_arithmetic(c, i); break;
    case CLASS_JMP: case CLASS_JMP32: compile_branch(c, slot); break;
    default: c->broken = true;
    }
}

static void compile_next(struct code_compiler *c)
{
    const struct code_program *program = c->program;
    uint32_t slot = c->slot++;
    c->at[slot] = c->e.size;
    if (!program->notes[slot].reached) {
        encode_clear(&c->e, RCX);
        encode_jump(&c->e, c->spent_at);
        return;
    }
    compile_slot(c, slot);
    if (program->instructions[slot].opcode == OPCODE_LDDW)
        c->at[c->slot++] = c->e.size;
}

/* Which registers the program uses and how deep its stack is: all of it if that is not plain to see. */
static void survey_next(struct code_compiler *c)
{
    const struct code_program *program = c->program;
    uint32_t slot = c->slot++, depth = 0;
    struct code_instruction i = program->instructions[slot];
    const struct code_note *note = &program->notes[slot];
    c->at[slot] = 0;
    if (!note->reached)
        return;
    c->broken |= code_destination(i) >= CODE_REGISTERS || code_source(i) >= CODE_REGISTERS
                 || (i.opcode == OPCODE_LDDW && slot + 1 == program->count);
    c->used |= 1 << code_destination(i) | 1 << code_source(i);
    if (note->memory == CODE_NOTE_STACK)
        depth = note->fixed ? -(uint32_t)note->offset : CODE_STACK;
    else if (i.opcode == OPCODE_CALL && (uint32_t)i.immediate < program->kind->helper_count)
        depth = helper_has_memory(&program->kind->helpers[i.immediate]) ? CODE_STACK : 0;
    c->depth = depth > c->depth ? depth : c->depth;
}

static void survey_end(struct code_compiler *c)
{
    c->depth = (c->depth + 7) / 8 * 8;
    c->broken |= c->depth > CODE_STACK;
    c->used |= c->depth ? 1 << 10 : 0;
    c->kept = 1 << RUN;
    c->kept_count = 1;
    for (uint32_t i = 6; i < CODE_REGISTERS; i++) {
        if (!(c->used & 1 << i))
            continue;
        c->kept |= 1 << machine_register[i];
        c->kept_count++;
    }
}

static void pass_start(struct code_compiler *c, enum pass pass)
{
    c->pass = pass;
    c->slot = 0;
    c->e = (struct encoder){.byte = c->code, .capacity = pass == PASS_WRITE ? c->capacity : 0};
    compile_prologue(c);
    compile_charge(c, c->program->count);
}

static void pass_end(struct code_compiler *c)
{
    if (c->pass == PASS_SURVEY) {
        survey_end(c);
        if (!c->broken)
            pass_start(c, PASS_MEASURE);
        return;
    }
    compile_spent(c);
    if (c->pass == PASS_MEASURE && c->e.size <= c->capacity)
        pass_start(c, PASS_WRITE);
    else
        c->pass = PASS_DONE;
}

size_t code_compiler_size(uint32_t count)
{
    return sizeof(struct code_compiler) + count * sizeof(uint32_t);
}

void code_compile_start(struct code_compiler *compiler, const struct code_program *program, uint8_t *code, size_t size)
{
    *compiler = (struct code_compiler){.program = program, .code = code, .capacity = size};
}

/* A slot, and a byte of its code, at most. */
enum { COST_SLOT = 90, COST_BYTE = 16 };

enum code_verdict code_compile_step(struct code_compiler *c, uint32_t effort, size_t *ret_size)
{
    for (size_t spent = 0, before; spent < effort && c->pass != PASS_DONE && !c->broken;
         spent += COST_SLOT + (c->e.size > before ? c->e.size - before : 0) * COST_BYTE) {
        before = c->slot == c->program->count ? 0 : c->e.size;
        if (c->slot == c->program->count)
            pass_end(c);
        else if (c->pass == PASS_SURVEY)
            survey_next(c);
        else
            compile_next(c);
    }
    if (c->pass != PASS_DONE && !c->broken)
        return CODE_AGAIN;
    *ret_size = c->broken ? 0 : c->e.size;
    return !c->broken && c->e.size <= c->capacity ? CODE_ACCEPTED : CODE_REFUSED;
}

enum code_verdict code_compile(struct code_compiler *compiler, const struct code_program *program, uint8_t *code, size_t size,
                               size_t *ret_size)
{
    enum code_verdict verdict = CODE_AGAIN;
    code_compile_start(compiler, program, code, size);
    while (verdict == CODE_AGAIN)
        verdict = code_compile_step(compiler, UINT32_MAX, ret_size);
    return verdict;
}
