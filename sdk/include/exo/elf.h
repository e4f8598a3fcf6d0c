/*
 * What ELF64 files for x86-64 begin with (System V ABI, chapters 4 and 5; its AMD64 supplement): programs are looked at in this form. Offsets and
 * sizes are bytes, and whatever a file says: who reads one checks them.
 */
#pragma once
#include <stdint.h>

enum exo_elf_type { EXO_ELF_EXECUTABLE = 2, EXO_ELF_SHARED = 3 };
enum exo_elf_machine { EXO_ELF_X86_64 = 62 };
enum exo_elf_program_type { EXO_ELF_LOAD = 1, EXO_ELF_INTERPRETER = 3, EXO_ELF_NOTE = 4 };
enum exo_elf_flags { EXO_ELF_EXECUTE = 1, EXO_ELF_WRITE = 2, EXO_ELF_READ = 4 };

struct exo_elf_header {
    uint8_t identity[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t header_size, program_size, program_count, section_size, section_count, section_names;
};

struct exo_elf_program {
    uint32_t type, flags;
    uint64_t offset, address, physical_address, file_size, memory_size, alignment;
};
