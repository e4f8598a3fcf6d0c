#include <verify.h>
#include <opcode.h>

/* Each instruction by itself: known, reserved fields 0, registers there, jumps to instructions. And which registers are live. */

static bool writes_register(uint32_t name)
{
    return name < FRAME;
}

static bool reads_register(uint32_t name)
{
    return name <= FRAME;
}

bool instruction_is_jump(struct code_instruction i)
{
    uint8_t class = OPCODE_CLASS(i.opcode);

    return (class == CLASS_JMP || class == CLASS_JMP32) && i.opcode != OPCODE_CALL && i.opcode != OPCODE_EXIT;
}

bool instruction_is_conditional(struct code_instruction i)
{
    return instruction_is_jump(i) && OPCODE_OPERATION(i.opcode) != JMP_JA;
}

/* Wraps for distances out of the program; then it is not in the program either. */
uint32_t instruction_target(struct code_instruction i, uint32_t at)
{
    return at + 1 + (uint32_t)(i.opcode == OPCODE_JA32 ? i.immediate : i.offset);
}

uint32_t instruction_size(struct code_instruction i)
{
    switch (OPCODE_SIZE(i.opcode)) {
    case SIZE_B:
        return 1;
    case SIZE_H:
        return 2;
    case SIZE_W:
        return 4;
    default:
        return 8;
    }
}

static bool source_is_plain(struct code_instruction i)
{
    return i.opcode & SOURCE_X ? i.immediate == 0 : code_source(i) == 0;
}

static uint32_t check_registers(struct code_instruction i, bool writes)
{
    if (!reads_register(code_destination(i)) || !reads_register(code_source(i)))
        return CODE_BAD_REGISTER;
    return writes && !writes_register(code_destination(i)) ? CODE_BAD_REGISTER : CODE_FINE;
}

static bool end_is_known(struct code_instruction i)
{
    bool width = i.immediate == 16 || i.immediate == 32 || i.immediate == 64;
    bool swap = OPCODE_CLASS(i.opcode) == CLASS_ALU64;

    return width && i.offset == 0 && code_source(i) == 0 && !(swap && i.opcode & SOURCE_X);
}

static bool move_is_known(struct code_instruction i)
{
    if (i.offset == 0)
        return source_is_plain(i);
    if (!(i.opcode & SOURCE_X) || i.immediate)
        return false;
    return i.offset == 8 || i.offset == 16 || (i.offset == 32 && OPCODE_CLASS(i.opcode) == CLASS_ALU64);
}

static bool arithmetic_is_known(struct code_instruction i)
{
    switch (OPCODE_OPERATION(i.opcode)) {
    case ALU_END:
        return end_is_known(i);
    case ALU_MOV:
        return move_is_known(i);
    case ALU_DIV:
    case ALU_MOD:
        return (i.offset == 0 || i.offset == 1) && source_is_plain(i);
    case ALU_NEG:
        return i.offset == 0 && !(i.opcode & SOURCE_X) && code_source(i) == 0 && i.immediate == 0;
    default:
        return OPCODE_OPERATION(i.opcode) <= ALU_ARSH && i.offset == 0 && source_is_plain(i);
    }
}

static bool atomic_is_known(struct code_instruction i)
{
    if (OPCODE_SIZE(i.opcode) != SIZE_W && OPCODE_SIZE(i.opcode) != SIZE_DW)
        return false;
    switch (i.immediate & ~ATOMIC_FETCH) {
    case ATOMIC_ADD:
    case ATOMIC_OR:
    case ATOMIC_AND:
    case ATOMIC_XOR:
        return true;
    default:
        return i.immediate == ATOMIC_XCHG || i.immediate == ATOMIC_CMPXCHG;
    }
}

static uint32_t check_memory(struct code_instruction i)
{
    uint8_t class = OPCODE_CLASS(i.opcode), mode = OPCODE_MODE(i.opcode);
    bool known = mode == MODE_MEM;

    if (class == CLASS_LDX)
        known = (known || (mode == MODE_MEMSX && OPCODE_SIZE(i.opcode) != SIZE_DW)) && i.immediate == 0;
    else if (class == CLASS_ST)
        known = known && code_source(i) == 0;
    else
        known = known ? i.immediate == 0 : mode == MODE_ATOMIC && atomic_is_known(i);
    if (!known)
        return CODE_BAD_OPCODE;
    if (mode == MODE_ATOMIC && i.immediate & ATOMIC_FETCH && i.immediate != ATOMIC_CMPXCHG && !writes_register(code_source(i)))
        return CODE_BAD_REGISTER;
    return check_registers(i, class == CLASS_LDX);
}

static uint32_t check_call(const struct code_verifier *verifier, struct code_instruction i)
{
    if (i.registers || i.offset)
        return CODE_BAD_OPCODE;
    return (uint32_t)i.immediate < verifier->program->kind->helper_count ? CODE_FINE : CODE_BAD_CALL;
}

static uint32_t check_jump(const struct code_verifier *verifier, struct code_instruction i)
{
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    bool plain = !i.registers && !(i.opcode & SOURCE_X);

    if (i.opcode == OPCODE_CALL)
        return check_call(verifier, i);
    if (i.opcode == OPCODE_EXIT)
        return i.registers || i.offset || i.immediate ? CODE_BAD_OPCODE : CODE_FINE;
    if (i.opcode == OPCODE_JA32)
        return plain && i.offset == 0 ? CODE_FINE : CODE_BAD_OPCODE;
    if (operation == JMP_JA)
        return plain && i.immediate == 0 ? CODE_FINE : CODE_BAD_OPCODE;
    if (operation == JMP_CALL || operation == JMP_EXIT || operation > JMP_JSLE || !source_is_plain(i))
        return CODE_BAD_OPCODE;
    return check_registers(i, false);
}

static uint32_t check_wide(const struct code_verifier *verifier, uint32_t at, struct code_instruction i)
{
    const struct code_instruction *second = &verifier->program->instructions[at + 1];

    if (i.opcode != OPCODE_LDDW || code_source(i) || i.offset || at + 1 >= verifier->program->count)
        return CODE_BAD_OPCODE;
    if (second->opcode || second->registers || second->offset)
        return CODE_BAD_OPCODE;
    return check_registers(i, true);
}

static uint32_t check_alone(const struct code_verifier *verifier, uint32_t at, struct code_instruction i)
{
    switch (OPCODE_CLASS(i.opcode)) {
    case CLASS_LD:
        return check_wide(verifier, at, i);
    case CLASS_ALU:
    case CLASS_ALU64:
        return arithmetic_is_known(i) ? check_registers(i, true) : CODE_BAD_OPCODE;
    case CLASS_JMP:
    case CLASS_JMP32:
        return check_jump(verifier, i);
    default:
        return check_memory(i);
    }
}

static void mark_target(struct code_verifier *verifier, uint32_t at, uint32_t target)
{
    struct code_slot *slot = &verifier->slots[target];

    verifier->targets_left += !(slot->flags & SLOT_TARGET);
    verifier->loops |= target <= at;
    slot->flags |= SLOT_TARGET | (target <= at ? SLOT_LOOP : 0);
}

uint32_t program_check(struct code_verifier *verifier, uint32_t at)
{
    struct code_instruction i = verifier->program->instructions[at];
    uint32_t count = verifier->program->count;
    uint32_t reason = check_alone(verifier, at, i);
    uint32_t next = at + (i.opcode == OPCODE_LDDW ? 2 : 1);
    bool jumps = instruction_is_jump(i);

    if (reason)
        return reason;
    verifier->slots[at].flags |= SLOT_START;
    if (jumps && instruction_target(i, at) >= count)
        return CODE_BAD_JUMP;
    if (jumps)
        mark_target(verifier, at, instruction_target(i, at));
    if (next >= count && i.opcode != OPCODE_EXIT && !(jumps && !instruction_is_conditional(i)))
        return CODE_BAD_JUMP;
    verifier->cursor = next;
    return CODE_FINE;
}

uint32_t program_check_jump(const struct code_verifier *verifier, uint32_t at)
{
    struct code_instruction i = verifier->program->instructions[at];

    if (!(verifier->slots[at].flags & SLOT_START) || !instruction_is_jump(i))
        return CODE_FINE;
    return verifier->slots[instruction_target(i, at)].flags & SLOT_START ? CODE_FINE : CODE_BAD_JUMP;
}

/* ---- liveness: too much of it costs precision only; too little makes the verifier refuse */

static uint16_t call_reads(const struct code_kind *kind, struct code_instruction i)
{
    const struct code_helper *helper = &kind->helpers[i.immediate];
    uint16_t reads = 0;

    for (uint32_t n = 0; n < CODE_ARGUMENTS; n++)
        if (helper->argument[n].type != CODE_ARGUMENT_NONE)
            reads |= 2u << n;
    return reads;
}

static uint16_t instruction_reads(const struct code_kind *kind, struct code_instruction i)
{
    uint16_t destination = 1u << code_destination(i), source = 1u << code_source(i);

    switch (OPCODE_CLASS(i.opcode)) {
    case CLASS_LD:
        return 0;
    case CLASS_LDX:
        return source;
    case CLASS_ST:
        return destination;
    case CLASS_STX:
        return destination | source | (OPCODE_MODE(i.opcode) == MODE_ATOMIC ? 1 : 0);
    case CLASS_JMP:
        if (i.opcode == OPCODE_CALL)
            return call_reads(kind, i);
        if (i.opcode == OPCODE_EXIT)
            return 1;
        break;
    case CLASS_ALU:
    case CLASS_ALU64:
        if (OPCODE_OPERATION(i.opcode) == ALU_MOV)
            return i.opcode & SOURCE_X ? source : 0;
        if (OPCODE_OPERATION(i.opcode) == ALU_END)
            return destination;
    }
    if (instruction_is_jump(i) && !instruction_is_conditional(i))
        return 0;
    return destination | (i.opcode & SOURCE_X ? source : 0);
}

static uint16_t instruction_writes(struct code_instruction i)
{
    switch (OPCODE_CLASS(i.opcode)) {
    case CLASS_LD:
    case CLASS_LDX:
    case CLASS_ALU:
    case CLASS_ALU64:
        return 1u << code_destination(i);
    case CLASS_JMP:
        return i.opcode == OPCODE_CALL ? 0x3f : 0;     /* r0 to r5 */
    default:
        return 0;
    }
}

static uint16_t live_after(const struct code_verifier *verifier, uint32_t at, struct code_instruction i)
{
    const struct code_slot *slots = verifier->slots;
    uint16_t live = 0;

    if (i.opcode == OPCODE_EXIT)
        return 0;
    if (instruction_is_jump(i))
        live = slots[instruction_target(i, at)].live;
    if (!instruction_is_jump(i) || instruction_is_conditional(i))
        live |= slots[at + (i.opcode == OPCODE_LDDW ? 2 : 1)].live;
    return live;
}

void program_live(struct code_verifier *verifier, uint32_t at)
{
    struct code_instruction i = verifier->program->instructions[at];
    struct code_slot *slot = &verifier->slots[at];
    uint16_t live;

    if (!(slot->flags & SLOT_START))
        return;
    live = (live_after(verifier, at, i) & ~instruction_writes(i)) | instruction_reads(verifier->program->kind, i);
    verifier->changed |= live != slot->live;
    slot->live = live;
}
