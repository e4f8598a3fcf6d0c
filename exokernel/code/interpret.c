#include <code.h>
#include <opcode.h>

/* The oracle: says what a program does, straight from RFC 9669, and checks each access, jump and charge by itself. It is as
   simple as it can be, and trusts neither the verifier nor its notes. Host builds only. */

struct machine {
    const struct code_program *program;
    struct code_run *run;
    struct code_trace *trace;
    uint64_t registers[CODE_REGISTERS];
    uint8_t stack[CODE_STACK] __attribute__((aligned(8)));
    uint32_t at;
    bool over;
};

/* What registers and stack held before: a program that sees it is found out by running it again elsewhere. */
static uint64_t junk(const struct machine *machine, uint64_t n)
{
    return ((uint64_t)machine + n) * 0x9e3779b97f4a7c15;
}

static void fail(struct machine *machine, enum code_fault fault)
{
    machine->trace->fault = fault;
    machine->trace->instruction = machine->at;
    machine->over = true;
}

static bool charge(struct machine *machine, uint64_t cost)
{
    struct code_run *run = machine->run;

    if (run->budget < cost) {
        run->spent = true;
        machine->over = true;
        machine->registers[0] = machine->program->kind->spent;
        return false;
    }
    run->budget -= cost;
    return true;
}

static bool lies_in(uint64_t address, uint64_t size, uint64_t start, uint64_t length)
{
    return address >= start && length >= size && address - start <= length - size;
}

static bool field_allows(const struct code_kind *kind, uint64_t offset, uint64_t size, bool write)
{
    for (uint32_t n = 0; n < kind->field_count; n++) {
        const struct code_field *field = &kind->fields[n];

        if (lies_in(offset, size, field->offset, field->size))
            return !write || field->writable;
    }
    return false;
}

static bool may_touch(const struct machine *machine, uint64_t address, uint64_t size, bool write)
{
    const struct code_kind *kind = machine->program->kind;
    uint64_t context = (uint64_t)machine->run->context;

    if (lies_in(address, size, (uint64_t)machine->stack, CODE_STACK))
        return true;
    if (lies_in(address, size, context, kind->context_size))
        return field_allows(kind, address - context, size, write);
    for (uint32_t n = 0; n < kind->region_count; n++)
        if (lies_in(address, size, machine->run->memory[n].start, machine->run->memory[n].size))
            return !write || kind->regions[n].flags & CODE_REGION_WRITE;
    return false;
}

static uint32_t size_of(uint8_t opcode)
{
    static const uint8_t sizes[] = { 4, 2, 1, 8 };

    return sizes[OPCODE_SIZE(opcode) >> 3];
}

/* ---- memory, by bytes: alignment does not matter */

static uint64_t memory_read(uint64_t address, uint32_t size)
{
    const volatile uint8_t *bytes = (const volatile uint8_t *)address;
    uint64_t value = 0;

    for (uint32_t n = 0; n < size; n++)
        value |= (uint64_t)bytes[n] << 8 * n;
    return value;
}

static void memory_write(uint64_t address, uint32_t size, uint64_t value)
{
    volatile uint8_t *bytes = (volatile uint8_t *)address;

    for (uint32_t n = 0; n < size; n++)
        bytes[n] = (uint8_t)(value >> 8 * n);
}

static uint64_t sign_extend(uint64_t value, uint32_t bits)
{
    uint64_t sign = 1ull << (bits - 1);

    value &= sign | (sign - 1);
    return (value ^ sign) - sign;
}

static void do_load(struct machine *machine, struct code_instruction i)
{
    uint64_t address = machine->registers[code_source(i)] + (uint64_t)(int64_t)i.offset, value;
    uint32_t size = size_of(i.opcode);

    if (!may_touch(machine, address, size, false)) {
        fail(machine, CODE_FAULT_MEMORY);
        return;
    }
    value = memory_read(address, size);
    machine->registers[code_destination(i)] = OPCODE_MODE(i.opcode) == MODE_MEMSX ? sign_extend(value, 8 * size) : value;
}

static uint64_t atomic_result(int32_t operation, uint64_t old, uint64_t operand, uint64_t expected)
{
    if (operation == ATOMIC_XCHG)
        return operand;
    if (operation == ATOMIC_CMPXCHG)
        return old == expected ? operand : old;
    switch (operation & ~ATOMIC_FETCH) {
    case ATOMIC_ADD:
        return old + operand;
    case ATOMIC_OR:
        return old | operand;
    case ATOMIC_AND:
        return old & operand;
    default:
        return old ^ operand;
    }
}

static void do_atomic(struct machine *machine, struct code_instruction i, uint64_t address, uint32_t size)
{
    uint64_t mask = size == 4 ? UINT32_MAX : UINT64_MAX, old;
    uint64_t operand = machine->registers[code_source(i)] & mask, expected = machine->registers[0] & mask;

    if (address % size) {
        fail(machine, CODE_FAULT_MEMORY);
        return;
    }
    old = memory_read(address, size);
    memory_write(address, size, atomic_result(i.immediate, old, operand, expected));
    if (i.immediate == ATOMIC_CMPXCHG)
        machine->registers[0] = old;
    else if (i.immediate & ATOMIC_FETCH)
        machine->registers[code_source(i)] = old;
}

static void do_store(struct machine *machine, struct code_instruction i)
{
    uint64_t address = machine->registers[code_destination(i)] + (uint64_t)(int64_t)i.offset;
    uint32_t size = size_of(i.opcode);

    if (!may_touch(machine, address, size, true))
        fail(machine, CODE_FAULT_MEMORY);
    else if (OPCODE_CLASS(i.opcode) == CLASS_ST)
        memory_write(address, size, (uint64_t)(int64_t)i.immediate);
    else if (OPCODE_MODE(i.opcode) == MODE_ATOMIC)
        do_atomic(machine, i, address, size);
    else
        memory_write(address, size, machine->registers[code_source(i)]);
}

/* ---- arithmetic */

static uint64_t swap(uint64_t value, uint32_t bits)
{
    return __builtin_bswap64(value) >> (64 - bits);
}

static uint64_t convert(struct code_instruction i, uint64_t value)
{
    uint32_t bits = (uint32_t)i.immediate;
    uint64_t cut = bits == 64 ? value : value & ((1ull << bits) - 1);

    return OPCODE_CLASS(i.opcode) == CLASS_ALU64 || i.opcode & SOURCE_X ? swap(cut, bits) : cut;
}

/* The least number divided by -1 is itself, and leaves nothing. */
static uint64_t divide(int64_t a, int64_t b, bool remainder)
{
    if (b == 0)
        return remainder ? (uint64_t)a : 0;
    if (b == -1)
        return remainder ? 0 : -(uint64_t)a;
    return (uint64_t)(remainder ? a % b : a / b);
}

static uint64_t divide_unsigned(uint64_t a, uint64_t b, bool remainder)
{
    if (b == 0)
        return remainder ? a : 0;
    return remainder ? a % b : a / b;
}

static uint64_t calculate(struct code_instruction i, uint64_t a, uint64_t b, uint32_t width)
{
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    uint32_t by = (uint32_t)b & (width - 1);

    switch (operation) {
    case ALU_ADD:
        return a + b;
    case ALU_SUB:
        return a - b;
    case ALU_MUL:
        return a * b;
    case ALU_OR:
        return a | b;
    case ALU_AND:
        return a & b;
    case ALU_XOR:
        return a ^ b;
    case ALU_LSH:
        return a << by;
    case ALU_RSH:
        return a >> by;
    case ALU_ARSH:
        return (uint64_t)((int64_t)sign_extend(a, width) >> by);
    case ALU_NEG:
        return -a;
    case ALU_MOV:
        return i.offset ? sign_extend(b, (uint32_t)i.offset) : b;
    default:
        if (i.offset == 1)
            return divide((int64_t)sign_extend(a, width), (int64_t)sign_extend(b, width), operation == ALU_MOD);
        return divide_unsigned(a, b, operation == ALU_MOD);
    }
}

static void do_arithmetic(struct machine *machine, struct code_instruction i)
{
    uint32_t width = OPCODE_CLASS(i.opcode) == CLASS_ALU64 ? 64 : 32;
    uint64_t *a = &machine->registers[code_destination(i)];
    uint64_t b = i.opcode & SOURCE_X ? machine->registers[code_source(i)] : (uint64_t)(int64_t)i.immediate;

    if (OPCODE_OPERATION(i.opcode) == ALU_END)
        *a = convert(i, *a);
    else if (width == 64)
        *a = calculate(i, *a, b, width);
    else
        *a = (uint32_t)calculate(i, (uint32_t)*a, (uint32_t)b, width);
}

/* ---- jumps */

static bool compare(uint8_t operation, uint64_t a, uint64_t b)
{
    int64_t x = (int64_t)a, y = (int64_t)b;

    switch (operation) {
    case JMP_JEQ:
        return a == b;
    case JMP_JNE:
        return a != b;
    case JMP_JGT:
        return a > b;
    case JMP_JGE:
        return a >= b;
    case JMP_JLT:
        return a < b;
    case JMP_JLE:
        return a <= b;
    case JMP_JSET:
        return a & b;
    case JMP_JSGT:
        return x > y;
    case JMP_JSGE:
        return x >= y;
    case JMP_JSLT:
        return x < y;
    default:
        return x <= y;
    }
}

static bool is_taken(const struct machine *machine, struct code_instruction i)
{
    uint64_t a = machine->registers[code_destination(i)];
    uint64_t b = i.opcode & SOURCE_X ? machine->registers[code_source(i)] : (uint64_t)(int64_t)i.immediate;
    uint8_t operation = OPCODE_OPERATION(i.opcode);
    bool is_signed = (operation >= JMP_JSGT && operation <= JMP_JSGE) || operation >= JMP_JSLT;

    if (operation == JMP_JA)
        return true;
    if (OPCODE_CLASS(i.opcode) == CLASS_JMP)
        return compare(operation, a, b);
    return is_signed ? compare(operation, sign_extend(a, 32), sign_extend(b, 32)) : compare(operation, (uint32_t)a, (uint32_t)b);
}

static void do_jump(struct machine *machine, struct code_instruction i)
{
    int64_t to = (int64_t)machine->at + 1 + (i.opcode == OPCODE_JA32 ? i.immediate : i.offset);

    if (!is_taken(machine, i)) {
        machine->at++;
        return;
    }
    if (to <= (int64_t)machine->at && !charge(machine, (uint64_t)(machine->at + 1 - to)))
        return;
    machine->at = (uint32_t)to;
}

static void do_call(struct machine *machine, struct code_instruction i)
{
    const struct code_helper *helper = &machine->program->kind->helpers[i.immediate];
    uint64_t *r = machine->registers;

    if (!charge(machine, helper->cost))
        return;
    r[0] = helper->call(machine->run, r[1], r[2], r[3], r[4], r[5]);
    for (uint32_t name = 1; name <= CODE_ARGUMENTS; name++)
        r[name] = junk(machine, name);
}

static void do_wide(struct machine *machine, struct code_instruction i)
{
    uint64_t upper = (uint32_t)machine->program->instructions[machine->at + 1].immediate;

    machine->registers[code_destination(i)] = upper << 32 | (uint32_t)i.immediate;
    machine->at++;
}

static void execute(struct machine *machine, struct code_instruction i)
{
    switch (OPCODE_CLASS(i.opcode)) {
    case CLASS_LD:
        do_wide(machine, i);
        break;
    case CLASS_LDX:
        do_load(machine, i);
        break;
    case CLASS_ST:
    case CLASS_STX:
        do_store(machine, i);
        break;
    case CLASS_ALU:
    case CLASS_ALU64:
        do_arithmetic(machine, i);
        break;
    default:
        if (i.opcode == OPCODE_EXIT)
            machine->over = true;
        else if (i.opcode == OPCODE_CALL)
            do_call(machine, i);
        else {
            do_jump(machine, i);
            return;
        }
    }
    machine->at++;
}

uint64_t code_interpret(const struct code_program *program, struct code_run *run, struct code_trace *ret_trace)
{
    struct machine machine = { .program = program, .run = run, .trace = ret_trace };
    uint64_t budget = run->budget;

    *ret_trace = (struct code_trace) { .fault = CODE_NO_FAULT };
    run->spent = false;
    for (uint32_t name = 0; name < CODE_REGISTERS; name++)
        machine.registers[name] = junk(&machine, name);
    for (uint32_t byte = 0; byte < CODE_STACK; byte++)
        machine.stack[byte] = (uint8_t)(junk(&machine, byte) >> 32);
    machine.registers[1] = (uint64_t)run->context;
    machine.registers[10] = (uint64_t)(machine.stack + CODE_STACK);
    charge(&machine, program->count);
    while (!machine.over) {
        if (machine.at >= program->count || !program->notes[machine.at].reached)
            fail(&machine, CODE_FAULT_INSTRUCTION);
        else if (++ret_trace->executed > budget)
            fail(&machine, CODE_FAULT_BUDGET);
        else
            execute(&machine, program->instructions[machine.at]);
    }
    return machine.registers[0];
}
