/* Instructions that user code must not have: a table of functions and what each is, ended by 0. */
    .text
.macro try name, text
    .text
1:  \text
    ret
    .section .rodata
2:  .asciz "\name"
    .section .data.instructions, "aw"
    .quad 1b, 2b
.endm
    .section .data.instructions, "aw"
    .balign 8
    .globl instructions
instructions:
    try "cli", "cli"
    try "sti", "sti"
    try "hlt", "hlt"
    try "in", "inb $0x60, %al"
    try "in dx", "movw $0x3f8, %dx; inb %dx, %al"
    try "out", "outb %al, $0xf4"
    try "out dx", "movw $0xf4, %dx; outl %eax, %dx"
    try "outs", "movw $0x3f8, %dx; outsb"
    try "mov from cr0", "movq %cr0, %rax"
    try "mov to cr0", "xorl %eax, %eax; movq %rax, %cr0"
    try "mov from cr3", "movq %cr3, %rax"
    try "mov to cr3", "xorl %eax, %eax; movq %rax, %cr3"
    try "mov from cr4", "movq %cr4, %rax"
    try "mov to cr4", "xorl %eax, %eax; movq %rax, %cr4"
    try "mov to cr8", "xorl %eax, %eax; movq %rax, %cr8"
    try "mov from dr7", "movq %dr7, %rax"
    try "mov to dr0", "xorl %eax, %eax; movq %rax, %dr0"
    try "clts", "clts"
    try "lgdt", "lgdt -64(%rsp)"
    try "lidt", "lidt -64(%rsp)"
    try "lldt", "xorl %eax, %eax; lldt %ax"
    try "ltr", "movw $0x28, %ax; ltr %ax"
    try "lmsw", "movw $0, %ax; lmsw %ax"
    try "sgdt under UMIP", "sgdt -64(%rsp)"
    try "sidt under UMIP", "sidt -64(%rsp)"
    try "sldt under UMIP", "sldt %eax"
    try "str under UMIP", "str %eax"
    try "smsw under UMIP", "smsw %eax"
    try "rdmsr", "movl $0xc0000082, %ecx; rdmsr"
    try "wrmsr", "movl $0xc0000082, %ecx; xorl %eax, %eax; xorl %edx, %edx; wrmsr"
    try "invlpg", "invlpg (%rsp)"
    try "invd", "invd"
    try "wbinvd", "wbinvd"
    try "swapgs", "swapgs"
    try "sysret", "xorl %ecx, %ecx; sysretq"
    try "xsetbv", "xorl %ecx, %ecx; movl $7, %eax; xorl %edx, %edx; xsetbv"
    try "rdpmc", "xorl %ecx, %ecx; rdpmc"
    try "int 0x80", "int $0x80"
    try "int of the page fault", "int $14"
    try "int of the double fault", "int $8"
    try "int of the timer", "int $0x20"
    try "int 0xff", "int $0xff"
    try "iret to the kernel", "pushq $0; pushq %rsp; pushq $2; pushq $8; pushq $0x400000; iretq"
    try "far return to the kernel", "pushq $8; pushq $0x400000; lretq"
    try "the kernel's data segment", "movw $0x10, %ax; movw %ax, %ss"
    try "clac", "clac"
    try "stac", "stac"
    try "invalid opcode", "ud2"
    try "breakpoint", "int3"
    .section .data.instructions, "aw"
    .quad 0, 0
    .section .note.GNU-stack, "", @progbits
