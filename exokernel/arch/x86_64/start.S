/*
 * From the boot loader (PVH, or multiboot2) or from real mode (the other processors) to C in long mode. Builds tables for
 * the first 4 GiB at 0 and at DIRECT_BASE, and the first GiB at KERNEL_BASE; they serve until paging_load, and again
 * as the other processors start. Enters *start_function(magic, info) on start_stack.
 */
#include "offset.h"

#define PHYSICAL(symbol) (symbol - KERNEL_BASE)
#define MULTIBOOT2_MAGIC 0xe85250d6

    .section .multiboot, "a"
    .balign 8
multiboot_header:
    .long MULTIBOOT2_MAGIC
    .long 0 /* i386 */
    .long multiboot_end - multiboot_header
    .long -(MULTIBOOT2_MAGIC + (multiboot_end - multiboot_header))
    .short 6, 0 /* page-aligned modules */
    .long 8
    .short 0, 0
    .long 8
multiboot_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYSICAL(start)

    .section .text
    .code32
    .globl start
start:
    cli
    cld
    movl %eax, %edi
    movl %ebx, %esi
    movl $PHYSICAL(boot_directories), %ebx
    movl $0x83, %eax /* present, writable, 2 MiB */
    xorl %ecx, %ecx
1:  movl %eax, (%ebx,%ecx,8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $2048, %ecx
    jne 1b
    movl $PHYSICAL(boot_pointers), %edx
    leal 3(%ebx), %eax
    movl %eax, (%edx)
    movl %eax, 4096 + 510 * 8(%edx)
    addl $4096, %eax
    movl %eax, 8(%edx)
    addl $4096, %eax
    movl %eax, 16(%edx)
    addl $4096, %eax
    movl %eax, 24(%edx)
    leal 3(%edx), %eax
    movl $PHYSICAL(boot_root), %ecx
    movl %eax, (%ecx)
    movl %eax, 256 * 8(%ecx)
    addl $4096, %eax
    movl %eax, 511 * 8(%ecx)
    lgdtl PHYSICAL(boot_gdt_pointer)

/* In: edi, esi: the arguments; boot_gdt loaded. */
start_long_mode:
    movl %cr4, %eax
    orl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $PHYSICAL(boot_root), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER: LME, NXE */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_KERNEL_CODE, $PHYSICAL(start_low)
    .code64
start_low:
    movq $start_high, %rax
    jmp *%rax
start_high:
    lgdt boot_gdt_pointer_high
    movl $SELECTOR_KERNEL_DATA, %eax
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movq start_stack, %rsp
    xorl %ebp, %ebp
    call *start_function
1:  hlt
    jmp 1b

/* Copied to TRAMPOLINE; the other processors start here in real mode. */
    .section .rodata
    .globl trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl TRAMPOLINE + trampoline_gdt_pointer - trampoline_start
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x18, $(TRAMPOLINE + trampoline_protected - trampoline_start)
    .code32
trampoline_protected:
    movw $SELECTOR_KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $PHYSICAL(start_long_mode), %eax
    jmp *%eax
    .balign 4
trampoline_gdt_pointer:
    .short 4 * 8 - 1
    .long PHYSICAL(boot_gdt)
trampoline_end:

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 0x08: 64-bit code */
    .quad 0x00cf93000000ffff /* 0x10: data */
    .quad 0x00cf9b000000ffff /* 0x18: 32-bit code */
boot_gdt_pointer:
    .short 4 * 8 - 1
    .long PHYSICAL(boot_gdt)
boot_gdt_pointer_high:
    .short 4 * 8 - 1
    .quad boot_gdt

    .section .bss
    .balign 4096
boot_root: .skip 4096
boot_pointers: .skip 2 * 4096
boot_directories: .skip 4 * 4096

    .section .note.GNU-stack, "", @progbits
