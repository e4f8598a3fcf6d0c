/* The instruction set of RFC 9669 as numbers: an opcode is a class (3 bits) with either an operation and a source, or a
   mode and a size. Conformance groups: base32, base64, divmul32, divmul64, atomic32, atomic64. */
#ifndef CODE_OPCODE_H
#define CODE_OPCODE_H

enum { CLASS_LD, CLASS_LDX, CLASS_ST, CLASS_STX, CLASS_ALU, CLASS_JMP, CLASS_JMP32, CLASS_ALU64 };

enum { SOURCE_K = 0x00, SOURCE_X = 0x08 };

/* Offset 1 makes DIV and MOD signed; offset 8, 16 or 32 makes MOV extend the sign. */
enum {
    ALU_ADD = 0x00, ALU_SUB = 0x10, ALU_MUL = 0x20, ALU_DIV = 0x30, ALU_OR = 0x40, ALU_AND = 0x50, ALU_LSH = 0x60,
    ALU_RSH = 0x70, ALU_NEG = 0x80, ALU_MOD = 0x90, ALU_XOR = 0xa0, ALU_MOV = 0xb0, ALU_ARSH = 0xc0, ALU_END = 0xd0,
};

enum {
    JMP_JA = 0x00, JMP_JEQ = 0x10, JMP_JGT = 0x20, JMP_JGE = 0x30, JMP_JSET = 0x40, JMP_JNE = 0x50, JMP_JSGT = 0x60,
    JMP_JSGE = 0x70, JMP_CALL = 0x80, JMP_EXIT = 0x90, JMP_JLT = 0xa0, JMP_JLE = 0xb0, JMP_JSLT = 0xc0, JMP_JSLE = 0xd0,
};

enum { SIZE_W = 0x00, SIZE_H = 0x08, SIZE_B = 0x10, SIZE_DW = 0x18 };
enum { MODE_IMM = 0x00, MODE_MEM = 0x60, MODE_MEMSX = 0x80, MODE_ATOMIC = 0xc0 };

/* In the immediate of an atomic instruction. */
enum { ATOMIC_ADD = 0x00, ATOMIC_OR = 0x40, ATOMIC_AND = 0x50, ATOMIC_XOR = 0xa0, ATOMIC_FETCH = 0x01,
       ATOMIC_XCHG = 0xe1, ATOMIC_CMPXCHG = 0xf1 };

#define OPCODE_LDDW (CLASS_LD | MODE_IMM | SIZE_DW)   /* two slots: the second one holds the upper half */
#define OPCODE_CALL (CLASS_JMP | JMP_CALL)
#define OPCODE_EXIT (CLASS_JMP | JMP_EXIT)
#define OPCODE_JA (CLASS_JMP | JMP_JA)
#define OPCODE_JA32 (CLASS_JMP32 | JMP_JA)            /* the distance is in the immediate */

#define OPCODE_CLASS(opcode) ((opcode) & 0x07)
#define OPCODE_OPERATION(opcode) ((opcode) & 0xf0)
#define OPCODE_SIZE(opcode) ((opcode) & 0x18)
#define OPCODE_MODE(opcode) ((opcode) & 0xe0)

#endif
