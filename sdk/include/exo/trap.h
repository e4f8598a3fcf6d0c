/*
 * The `syscall` instruction as calls of the exokernel use it: exo_trapN(word, N arguments) gives the result in rax.
 * The kernel gives the argument registers back as zero and the hardware destroys rcx and r11.
 * The stubs in <exo/calls.h> are made of these; programs use the stubs.
 */
#pragma once
#include <stdint.h>

#define EXO_TRAP_INLINE static inline __attribute__((always_inline))

EXO_TRAP_INLINE int64_t exo_trap6(uint64_t word, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                  uint64_t a5)
{
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    register uint64_t r9 __asm__("r9") = a5;
    __asm__ volatile("syscall"
                     : "+a"(word), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    return (int64_t)word;
}

EXO_TRAP_INLINE int64_t exo_trap5(uint64_t word, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    __asm__ volatile("syscall"
                     : "+a"(word), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10), "+r"(r8)
                     :
                     : "rcx", "r11", "r9", "memory");
    return (int64_t)word;
}

EXO_TRAP_INLINE int64_t exo_trap4(uint64_t word, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    register uint64_t r10 __asm__("r10") = a3;
    __asm__ volatile("syscall"
                     : "+a"(word), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10)
                     :
                     : "rcx", "r11", "r8", "r9", "memory");
    return (int64_t)word;
}

EXO_TRAP_INLINE int64_t exo_trap3(uint64_t word, uint64_t a0, uint64_t a1, uint64_t a2)
{
    __asm__ volatile("syscall"
                     : "+a"(word), "+D"(a0), "+S"(a1), "+d"(a2)
                     :
                     : "rcx", "r11", "r8", "r9", "r10", "memory");
    return (int64_t)word;
}

EXO_TRAP_INLINE int64_t exo_trap2(uint64_t word, uint64_t a0, uint64_t a1)
{
    __asm__ volatile("syscall"
                     : "+a"(word), "+D"(a0), "+S"(a1)
                     :
                     : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory");
    return (int64_t)word;
}

EXO_TRAP_INLINE int64_t exo_trap1(uint64_t word, uint64_t a0)
{
    __asm__ volatile("syscall"
                     : "+a"(word), "+D"(a0)
                     :
                     : "rcx", "r11", "rsi", "rdx", "r8", "r9", "r10", "memory");
    return (int64_t)word;
}

EXO_TRAP_INLINE int64_t exo_trap0(uint64_t word)
{
    __asm__ volatile("syscall"
                     : "+a"(word)
                     :
                     : "rcx", "r11", "rdi", "rsi", "rdx", "r8", "r9", "r10", "memory");
    return (int64_t)word;
}
