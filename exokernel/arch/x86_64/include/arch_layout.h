/*
 * The kernel's half of every address space. Read by the assembler too: numbers only.
 *
 *   0xffff800000000000  PML4 256  direct map of all RAM (the kernel's code in it is read-only)
 *   0xffffff0000000000  PML4 510  the machine's tables as every environment reads them (the ABI's addresses)
 *   0xffffffff80000000  PML4 511  the kernel's image, at its physical address
 *   0xffffffffc0000000            the same tables, writable, where 32-bit displacements reach: frames, at most 256 MiB,
 *   0xffffffffd0000000            and all others, at most 2 MiB
 *   0xffffffffe0000000            the window: downloaded programs, executable, never writable here
 *   0xffffffffff800000            registers of devices, at most 2 MiB
 *   0xffffffffffc00000            the local APIC
 */
#pragma once
#define DIRECT_BASE 0xffff800000000000
#define FRAMES_BASE 0xffffffffc0000000
#define TABLES_BASE 0xffffffffd0000000
#define KERNEL_BASE 0xffffffff80000000
#define WINDOW_BASE 0xffffffffe0000000
#define DEVICE_BASE 0xffffffffff800000
#define DEVICE_END 0xffffffffffa00000
#define APIC_ADDRESS 0xffffffffffc00000

#define CPU_CONTEXT 16 /* and its context page */
#define CPU_VCPU 24    /* and its struct vcpu */
#define CPU_INFO 32    /* and struct exo_processor */
#define CPU_ROOT 72    /* and the loaded PML4's frame */
#define CPU_BARRIER 76
#define CPU_NUMBER 64  /* struct cpu's number, through %gs */
#define CPU_RUNNING 48 /* and its struct processor, whose first field is what runs */
#define CPU_CHECKS 80 /* and its notes of checked capabilities: id, generation */
#define CHECK_COUNT 16
