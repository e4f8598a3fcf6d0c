/* Instructions of RFC 9669 as C expressions, to write programs down in tests. */
#ifndef ASSEMBLE_H
#define ASSEMBLE_H

#include <code.h>
#include <opcode.h>

#define SLOT(op, to, from, off, imm)                                                                                   \
    ((struct code_instruction){.opcode = (op), .registers = (to) | (from) << 4, .offset = (off), .immediate = (imm)})
#define ALU64_K(op, to, imm) SLOT(CLASS_ALU64 | (op) | SOURCE_K, to, 0, 0, imm)
#define ALU64_X(op, to, from) SLOT(CLASS_ALU64 | (op) | SOURCE_X, to, from, 0, 0)
#define ALU32_K(op, to, imm) SLOT(CLASS_ALU | (op) | SOURCE_K, to, 0, 0, imm)
#define ALU32_X(op, to, from) SLOT(CLASS_ALU | (op) | SOURCE_X, to, from, 0, 0)
#define SET(to, imm) ALU64_K(ALU_MOV, to, imm)
#define COPY(to, from) ALU64_X(ALU_MOV, to, from)
#define LDDW(to, value) SLOT(OPCODE_LDDW, to, 0, 0, (int32_t)(value)), SLOT(0, 0, 0, 0, (int32_t)((uint64_t)(value) >> 32))
#define LOAD(size, to, from, off) SLOT(CLASS_LDX | MODE_MEM | (size), to, from, off, 0)
#define LOAD_SIGNED(size, to, from, off) SLOT(CLASS_LDX | MODE_MEMSX | (size), to, from, off, 0)
#define STORE(size, to, off, from) SLOT(CLASS_STX | MODE_MEM | (size), to, from, off, 0)
#define STORE_K(size, to, off, imm) SLOT(CLASS_ST | MODE_MEM | (size), to, 0, off, imm)
#define ATOMIC(size, op, to, off, from) SLOT(CLASS_STX | MODE_ATOMIC | (size), to, from, off, op)
#define JUMP_K(op, to, imm, off) SLOT(CLASS_JMP | (op) | SOURCE_K, to, 0, off, imm)
#define JUMP_X(op, to, from, off) SLOT(CLASS_JMP | (op) | SOURCE_X, to, from, off, 0)
#define JUMP32_K(op, to, imm, off) SLOT(CLASS_JMP32 | (op) | SOURCE_K, to, 0, off, imm)
#define JUMP32_X(op, to, from, off) SLOT(CLASS_JMP32 | (op) | SOURCE_X, to, from, off, 0)
#define JUMP(off) SLOT(OPCODE_JA, 0, 0, off, 0)
#define INVOKE(helper) SLOT(OPCODE_CALL, 0, 0, 0, helper)
#define EXIT SLOT(OPCODE_EXIT, 0, 0, 0, 0)

#endif
