/* x86-64 instructions as bytes: the few forms that downloaded code needs (compile.c only).
   Code is written into `byte` as far as `capacity` reaches and counted beyond, so that one pass measures what the next
   one writes. Registers are numbered as in the machine's own encoding (Intel SDM 2, 2.1.5). */
#ifndef ENCODE_H
#define ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Conditions, as in the low half of jcc and cmovcc; the lowest bit inverts. */
enum { IF_BELOW = 0x2, IF_NOT_BELOW, IF_EQUAL, IF_NOT_EQUAL, IF_NOT_ABOVE, IF_ABOVE, IF_LESS = 0xc, IF_NOT_LESS, IF_NOT_GREATER, IF_GREATER };

/* Opcodes of `op r/m, r`; of `op r/m, imm32` and `op r/m` the number in the reg field, below. */
enum {
    OP_ADD = 0x01, OP_OR = 0x09, OP_AND = 0x21, OP_SUB = 0x29, OP_XOR = 0x31, OP_CMP = 0x39, OP_TEST = 0x85, OP_MOV = 0x89,
    OP_LOAD = 0x8b, OP_LOAD_SUB = 0x2b, OP_LOAD_CMP = 0x3b, OP_LEA = 0x8d, OP_XCHG = 0x87,
    OP_MOVSXD = 0x63, OP_MOVZX8 = 0x0fb6, OP_MOVZX16 = 0x0fb7, OP_MOVSX8 = 0x0fbe, OP_MOVSX16 = 0x0fbf,
    OP_CMOV = 0x0f40, OP_IMUL = 0x0faf, OP_XADD = 0x0fc1, OP_CMPXCHG = 0x0fb1, OP_STORE8 = 0x88,
};
enum { DIGIT_ADD = 0, DIGIT_OR = 1, DIGIT_AND = 4, DIGIT_SUB = 5, DIGIT_XOR = 6, DIGIT_CMP = 7 };
enum { DIGIT_NEG = 3, DIGIT_DIV = 6, DIGIT_IDIV = 7 };
enum { DIGIT_ROR = 1, DIGIT_SHL = 4, DIGIT_SHR = 5, DIGIT_SAR = 7 };
enum { PREFIX_16 = 0x66, PREFIX_LOCK = 0xf0 };

struct encoder {
    uint8_t *byte;
    size_t capacity;
    size_t size;
};

/* What an instruction reaches in memory. */
struct operand {
    uint8_t base;
    int32_t displacement;
};

static inline void encode_byte(struct encoder *e, uint8_t byte)
{
    if (e->size < e->capacity)
        e->byte[e->size] = byte;
    e->size++;
}

static inline void encode_number(struct encoder *e, uint64_t number, uint32_t bytes)
{
    if (e->size + bytes <= e->capacity)
        __builtin_memcpy(e->byte + e->size, &number, bytes); /* the machine's own order of bytes */
    e->size += bytes;
}

/* REX and opcode. `bytes`: a register may be named by its low byte, which needs REX for four of them. */
static inline void encode_opcode(struct encoder *e, bool wide, bool bytes, uint32_t opcode, uint32_t reg, uint32_t rm)
{
    uint8_t rex = 0x40 | wide << 3 | (reg >> 3) << 2 | rm >> 3;
    if (rex != 0x40 || bytes)
        encode_byte(e, rex);
    if (opcode > 0xff)
        encode_byte(e, opcode >> 8);
    encode_byte(e, opcode);
}

static inline bool opcode_has_bytes(uint32_t opcode)
{
    return opcode == OP_STORE8 || opcode == OP_MOVZX8 || opcode == OP_MOVSX8;
}

static inline void encode_registers(struct encoder *e, bool wide, uint32_t opcode, uint32_t reg, uint32_t rm)
{
    encode_opcode(e, wide, opcode_has_bytes(opcode), opcode, reg, rm);
    encode_byte(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void encode_memory(struct encoder *e, bool wide, uint32_t opcode, uint32_t reg, struct operand at)
{
    bool near = at.displacement == (int8_t)at.displacement;
    encode_opcode(e, wide, opcode_has_bytes(opcode), opcode, reg, at.base);
    encode_byte(e, (near ? 0x40 : 0x80) | (reg & 7) << 3 | (at.base & 7));
    if ((at.base & 7) == RSP)
        encode_byte(e, 0x24);
    encode_number(e, at.displacement, near ? 1 : 4);
}

/* add, or, and, sub, xor, cmp: `digit` says which. The number is sign-extended. */
static inline void encode_immediate(struct encoder *e, bool wide, uint32_t digit, uint32_t rm, int32_t number)
{
    bool near = number == (int8_t)number;
    encode_registers(e, wide, near ? 0x83 : 0x81, digit, rm);
    encode_number(e, number, near ? 1 : 4);
}

static inline void encode_memory_immediate(struct encoder *e, bool wide, uint32_t digit, struct operand at, int32_t number)
{
    encode_memory(e, wide, 0x81, digit, at);
    encode_number(e, number, 4);
}

static inline void encode_move(struct encoder *e, bool wide, uint32_t to, uint32_t from)
{
    encode_registers(e, wide, OP_MOV, from, to);
}

static inline void encode_clear(struct encoder *e, uint32_t reg)
{
    encode_registers(e, false, OP_XOR, reg, reg);
}

static inline void encode_constant(struct encoder *e, uint32_t reg, uint64_t number)
{
    if (number == (uint64_t)(int32_t)number && number >> 32) {
        encode_registers(e, true, 0xc7, 0, reg);
        encode_number(e, number, 4);
    } else {
        encode_opcode(e, number >> 32, false, 0xb8 + (reg & 7), 0, reg);
        encode_number(e, number, number >> 32 ? 8 : 4);
    }
}

static inline void encode_shift(struct encoder *e, bool wide, uint32_t digit, uint32_t reg, uint8_t count)
{
    encode_registers(e, wide, 0xc1, digit, reg);
    encode_byte(e, count);
}

static inline void encode_push(struct encoder *e, uint32_t reg)
{
    encode_opcode(e, false, false, 0x50 + (reg & 7), 0, reg);
}

static inline void encode_pop(struct encoder *e, uint32_t reg)
{
    encode_opcode(e, false, false, 0x58 + (reg & 7), 0, reg);
}

static inline void encode_jump(struct encoder *e, size_t target)
{
    encode_byte(e, 0xe9);
    encode_number(e, target - (e->size + 4), 4);
}

static inline void encode_jump_if(struct encoder *e, uint32_t condition, size_t target)
{
    encode_byte(e, 0x0f);
    encode_byte(e, 0x80 | condition);
    encode_number(e, target - (e->size + 4), 4);
}

/* A short jump forward, to where encode_land is called with what this returns: at most 127 bytes on. */
static inline size_t encode_skip_if(struct encoder *e, uint32_t condition)
{
    encode_byte(e, 0x70 | condition);
    encode_byte(e, 0);
    return e->size;
}

static inline size_t encode_skip(struct encoder *e)
{
    encode_byte(e, 0xeb);
    encode_byte(e, 0);
    return e->size;
}

static inline void encode_land(struct encoder *e, size_t skip)
{
    if (skip <= e->capacity)
        e->byte[skip - 1] = e->size - skip;
}

#endif
