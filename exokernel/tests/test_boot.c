/* Making the root from a boot module, which here is a small ELF image with two segments and its note. */
#include "unit.h"
#include <boot.h>
#include <elf.h>
#include <slice.h>
#include <stdio.h>
#include <string.h>

enum {
    BOOT_FRAMES = 320, PAGE = EXO_FRAME_SIZE,
    MODULE = 20, MODULE_PAGES = 3,                /* headers, code, data */
    FREE_FIRST = 4, LARGEST = 24, LARGEST_END = 304, /* free: [4, 20) and [24, 304) */
    TRACE_FRAME = 304, TRACE_FRAMES = 4, PROCESSORS = 2,
    CODE_ADDRESS = 0x400000, DATA_ADDRESS = 0x401000, ENTRY = CODE_ADDRESS + 0x10,
    HEADERS_MAX = 66, NOTE_AT = PAGE - 64,
    MODULE_ADDRESS = 0x10000000, ROOT_CONTEXT_ADDRESS = 0x10000,
    CODE = 0, DATA = 1, NOTE = 2,                 /* program headers */
};

static union {
    uint8_t bytes[MODULE_PAGES * PAGE];
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr program[HEADERS_MAX];
    };
} image __attribute__((aligned(4096)));
static struct boot boot;

static void note_put(uint32_t major, uint32_t minor)
{
    memcpy(image.bytes + NOTE_AT, (const uint32_t[]){4, 8, 1, 0x006f7845, major, minor}, 24);
}

static void image_make(void)
{
    image.header = (Elf64_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_EXEC, .e_machine = EM_X86_64,
        .e_version = EV_CURRENT, .e_entry = ENTRY, .e_phoff = sizeof(Elf64_Ehdr), .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
    };
    image.program[CODE] = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = PAGE, .p_vaddr = CODE_ADDRESS, .p_filesz = PAGE, .p_memsz = PAGE,
    };
    image.program[DATA] = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 2 * PAGE, .p_vaddr = DATA_ADDRESS, .p_filesz = 100, .p_memsz = PAGE,
    };
    image.program[NOTE] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 24, .p_memsz = 24};
    note_put(EXO_ABI_MAJOR, EXO_ABI_MINOR);
}

/* What the machine says at boot; the tables are zero but for the kernel's frames. */
static void setup(void)
{
    machine_reset(BOOT_FRAMES, PROCESSORS);
    memset(machine.frame, 0, sizeof machine.frame);
    memset(&machine.system, 0, sizeof machine.system);
    for (frame_name frame = 0; frame < FREE_FIRST; frame++)
        frame_at(frame)->kind = EXO_FRAME_KERNEL;
    image_make();
    machine_module = image.bytes;
    boot = (struct boot){
        .frame_count = BOOT_FRAMES, .range_count = 2,
        .range = {{FREE_FIRST, MODULE - FREE_FIRST}, {LARGEST, LARGEST_END - LARGEST}},
        .module_frame = MODULE, .module_size = sizeof image, .trace_frame = TRACE_FRAME, .trace_frames = TRACE_FRAMES,
        .random_seed = 11, .tsc_base = 12, .tsc_multiplier = 13, .xsave_size = 14,
    };
}

/* The kernel stops with these words; what it had made by then does not matter. */
static void panics(const char *words)
{
    jmp_buf panicked;

    machine_panicked = &panicked;
    if (!setjmp(panicked))
        kernel_start(&boot);
    ck_assert_msg(machine_log.panic && strstr(machine_log.panic, words), "\"%s\" instead of \"%s\"",
                  machine_log.panic ? machine_log.panic : "no panic", words);
    machine_reset(BOOT_FRAMES, PROCESSORS);
}

static const struct exo_start *root_start(void)
{
    frame_name environment = machine.system.root;

    return (const struct exo_start *)context_page(environment_page(environment)->vcpu[0].context)->batch;
}

START_TEST(root_is_told_what_it_has)
{
    kernel_start(&boot);
    const struct exo_start *start = root_start();
    ck_assert_uint_eq(start->magic, EXO_START_MAGIC);
    ck_assert_uint_eq(start->size, sizeof *start);
    ck_assert_str_eq(start->name, "root");
    ck_assert_uint_eq(start->environment, machine.system.root);
    ck_assert_uint_eq(start->context_address, ROOT_CONTEXT_ADDRESS);
    ck_assert_uint_eq(start->module_address, MODULE_ADDRESS);
    ck_assert_uint_eq(start->module_size, sizeof image);
    ck_assert_uint_eq(start->free_address, DATA_ADDRESS + PAGE);
    ck_assert_uint_eq(start->capability_count, 7);
    ck_assert_uint_eq(start->table1_count, 3); /* the context page, the image, the module */
    ck_assert_uint_eq(environment_page(start->environment)->root, start->table4);
}
END_TEST

START_TEST(root_holds_everything)
{
    kernel_start(&boot);
    const struct exo_start_capability *held = root_start()->capability;
    static const uint8_t kind[] = {EXO_KIND_FRAMES, EXO_KIND_SLOTS, EXO_KIND_ENVIRONMENT, EXO_KIND_CONSOLE, EXO_KIND_MACHINE,
                                   EXO_KIND_PROGRAMS, EXO_KIND_FLOWS};
    for (uint32_t i = 0; i < 7; i++) {
        const struct capability *capability = unit_capability(environment_page(machine.system.root)->tables[0], held[i].slot);
        ck_assert_uint_eq(held[i].kind, kind[i]);
        ck_assert_uint_eq(capability->kind, kind[i]);
        ck_assert_uint_eq(capability->source, 0);
        ck_assert_uint_eq(capability->first, held[i].first);
        ck_assert_uint_eq(capability->count, held[i].count);
    }
    ck_assert_uint_eq(held[0].count, BOOT_FRAMES);
    ck_assert_uint_eq(held[1].count, PROCESSORS * SLOTS_PER_PROCESSOR);
    for (uint32_t slot = 0; slot < SLOTS_PER_PROCESSOR; slot++)
        ck_assert_uint_eq(slot_at(slot)->owner, machine.system.root);
    ck_assert_uint_eq(slot_at(SLOTS_PER_PROCESSOR)->owner, 0);
}
END_TEST

START_TEST(every_frame_has_its_kind)
{
    kernel_start(&boot);
    for (frame_name frame = 0; frame < FREE_FIRST; frame++)
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_KERNEL);
    for (frame_name frame = FREE_FIRST; frame < MODULE; frame++)
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_FREE);
    for (frame_name frame = MODULE; frame < MODULE + MODULE_PAGES; frame++)
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_DATA);
    ck_assert_uint_eq(frame_at(LARGEST - 1)->kind, EXO_FRAME_ABSENT);
    ck_assert_uint_eq(frame_at(LARGEST)->kind, EXO_FRAME_FREE);
    ck_assert_uint_eq(frame_at(LARGEST_END - 1)->kind, EXO_FRAME_ENVIRONMENT); /* from the end of the largest range */
    for (frame_name frame = TRACE_FRAME; frame < TRACE_FRAME + PROCESSORS * TRACE_FRAMES; frame++)
        ck_assert_uint_eq(frame_at(frame)->kind, EXO_FRAME_TRACE);
}
END_TEST

START_TEST(machine_is_described)
{
    kernel_start(&boot);
    const struct exo_system *system = &machine.system;
    ck_assert_uint_eq(system->abi_major, EXO_ABI_MAJOR);
    ck_assert_uint_eq(system->abi_minor, EXO_ABI_MINOR);
    ck_assert_uint_eq(system->frame_count, BOOT_FRAMES);
    ck_assert_uint_eq(system->processor_count, PROCESSORS);
    ck_assert_uint_eq(system->kernel_frames, FREE_FIRST);
    ck_assert_uint_eq(system->module_frame, MODULE);
    ck_assert_uint_eq(system->module_size, sizeof image);
    ck_assert_uint_eq(system->trace_frame, TRACE_FRAME);
    ck_assert_uint_eq(system->trace_frames, TRACE_FRAMES);
    ck_assert_uint_eq(system->random_seed, 11);
    ck_assert_uint_eq(system->tsc_base, 12);
    ck_assert_uint_eq(system->tsc_multiplier, 13);
    ck_assert_uint_eq(system->xsave_size, 14);
}
END_TEST

START_TEST(root_runs_at_its_entry_in_its_own_space)
{
    kernel_start(&boot);
    slice_start(&world_registers[0]);
    ck_assert_uint_eq(kernel.processor[0].running, machine.system.root * VCPUS_PER_ENVIRONMENT);
    ck_assert_uint_eq(world_registers[0].rip, ENTRY);
    ck_assert_uint_eq(world_registers[0].rax, ROOT_CONTEXT_ADDRESS);
    ck_assert_uint_eq(machine_touch(0, CODE_ADDRESS, EXO_MAP_EXECUTE), MODULE + 1);
    ck_assert_uint_eq(machine_touch(0, CODE_ADDRESS, EXO_MAP_WRITE), 0);
    ck_assert_uint_eq(machine_touch(0, DATA_ADDRESS, EXO_MAP_WRITE), MODULE + 2);
    ck_assert_uint_eq(machine_touch(0, DATA_ADDRESS, EXO_MAP_EXECUTE), 0);
    ck_assert_uint_eq(machine_touch(0, ROOT_CONTEXT_ADDRESS, EXO_MAP_WRITE), root_start()->context);
    for (uint64_t i = 0; i < MODULE_PAGES; i++)
        ck_assert_uint_eq(machine_touch(0, MODULE_ADDRESS + i * PAGE, EXO_MAP_READ), MODULE + i);
    ck_assert_uint_eq(machine_touch(0, MODULE_ADDRESS, EXO_MAP_WRITE), 0);
    GIVES(CALL(FRAME_TAKE, ROOT_FRAMES, FREE_FIRST, 2), 2);
}
END_TEST

START_TEST(module_of_another_size_is_mapped_to_its_last_page)
{
    boot.module_size = 2 * PAGE + 101;
    kernel_start(&boot);
    ck_assert_uint_eq(root_start()->module_size, 2 * PAGE + 101);
    ck_assert_uint_eq(frame_at(MODULE + 2)->kind, EXO_FRAME_DATA);
}
END_TEST

START_TEST(machine_without_module_or_memory_is_refused)
{
    boot.module_size = 0;
    panics("no boot module");
    setup();
    boot.range_count = 0;
    panics("nothing to run");
}
END_TEST

START_TEST(too_little_memory_is_told)
{
    boot.range[1].count = 3;
    boot.range[0].count = 5;
    panics("the largest range of memory is too small for the root environment");
}
END_TEST

START_TEST(text_is_no_root)
{
    memcpy(image.bytes, "#!/bin/sh\necho root", 19);
    panics("does not begin with a static x86-64 ELF executable");
}
END_TEST

START_TEST(image_for_another_machine_is_refused)
{
    image.header.e_machine = EM_AARCH64;
    panics("does not begin with a static x86-64 ELF executable");
}
END_TEST

START_TEST(image_that_is_no_static_executable_is_refused)
{
    image.header.e_type = ET_DYN;
    panics("does not begin with a static x86-64 ELF executable");
}
END_TEST

START_TEST(image_with_other_program_headers_is_refused)
{
    image.header.e_phentsize = 32;
    panics("does not begin with a static x86-64 ELF executable");
}
END_TEST

START_TEST(image_cut_off_in_its_header_is_refused)
{
    boot.module_size = 40;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(image_cut_off_in_its_program_headers_is_refused)
{
    boot.module_size = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    image.program[CODE].p_type = image.program[DATA].p_type = PT_NULL;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(program_headers_outside_the_image_are_refused)
{
    image.header.e_phoff = UINT64_MAX - 7;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(program_headers_out_of_line_are_refused)
{
    image.header.e_phoff = 66;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(segment_beyond_the_end_is_refused)
{
    boot.module_size = 2 * PAGE;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(segment_of_endless_length_is_refused)
{
    image.program[CODE].p_filesz = UINT64_MAX - PAGE + 1;
    image.program[CODE].p_memsz = UINT64_MAX - PAGE + 1;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(segment_that_begins_in_a_page_is_refused)
{
    image.program[CODE].p_vaddr += 16;
    image.program[CODE].p_offset += 16;
    panics("segments must be whole pages");
}
END_TEST

START_TEST(segment_with_more_memory_than_the_image_is_refused)
{
    image.program[DATA].p_memsz = PAGE + 1;
    panics("segments must be whole pages, .bss included");
}
END_TEST

START_TEST(overlapping_segments_are_refused)
{
    image.program[DATA].p_vaddr = CODE_ADDRESS;
    panics("its image overlaps itself");
}
END_TEST

START_TEST(segment_over_the_module_or_the_context_page_is_refused)
{
    image.program[DATA].p_vaddr = MODULE_ADDRESS + PAGE;
    panics("overlaps itself, the module or the context page");
}
END_TEST

START_TEST(segment_in_the_context_pages_place_is_refused)
{
    image.program[DATA].p_vaddr = ROOT_CONTEXT_ADDRESS;
    panics("overlaps itself, the module or the context page");
}
END_TEST

START_TEST(segment_that_can_be_written_and_executed_is_refused)
{
    image.program[DATA].p_flags = PF_R | PF_W | PF_X;
    panics("writable and executable");
}
END_TEST

START_TEST(segment_outside_the_first_gigabyte_is_refused)
{
    image.program[DATA].p_vaddr = 1ull << 30;
    panics("outside the first GiB");
}
END_TEST

START_TEST(segment_in_the_kernels_half_is_refused)
{
    image.program[DATA].p_vaddr = 0xffffffff80000000;
    panics("outside the first GiB");
}
END_TEST

START_TEST(image_of_too_many_regions_is_refused)
{
    for (uint32_t i = 3; i < HEADERS_MAX; i++) {
        image.program[i] = image.program[CODE];
        image.program[i].p_vaddr = (uint64_t)i << 21;
    }
    image.header.e_phnum = HEADERS_MAX;
    panics("too large for the root's first page tables");
}
END_TEST

START_TEST(image_without_a_note_is_refused)
{
    image.header.e_phnum = 2;
    panics("has no note of its ABI version");
}
END_TEST

START_TEST(note_that_is_too_short_is_none)
{
    image.program[NOTE].p_filesz = 20;
    panics("has no note of its ABI version");
}
END_TEST

START_TEST(note_of_another_name_is_none)
{
    image.bytes[NOTE_AT + 12] = 'G';
    panics("has no note of its ABI version");
}
END_TEST

START_TEST(note_beyond_the_end_is_refused)
{
    image.program[NOTE].p_offset = sizeof image - 8;
    image.program[NOTE].p_filesz = UINT64_MAX - 7;
    panics("cut off or its headers are misplaced");
}
END_TEST

START_TEST(image_for_another_abi_is_refused_with_both_versions)
{
    char words[80];

    note_put(7, 4294967295);
    snprintf(words, sizeof words, "was built for ABI 7.4294967295, the kernel has ABI %d.%d", EXO_ABI_MAJOR, EXO_ABI_MINOR);
    panics(words);
}
END_TEST

START_TEST(entry_that_is_no_user_address_is_refused)
{
    image.header.e_entry = EXO_USER_LIMIT;
    panics("entry point is no user address");
}
END_TEST

START_TEST(image_without_an_entry_is_refused)
{
    image.header.e_entry = 0;
    panics("cannot start the root");
}
END_TEST

UNIT_SUITE(boot, setup, root_is_told_what_it_has, root_holds_everything, every_frame_has_its_kind,
           machine_is_described, root_runs_at_its_entry_in_its_own_space,
           module_of_another_size_is_mapped_to_its_last_page, machine_without_module_or_memory_is_refused,
           too_little_memory_is_told, text_is_no_root, image_for_another_machine_is_refused,
           image_that_is_no_static_executable_is_refused, image_with_other_program_headers_is_refused,
           image_cut_off_in_its_header_is_refused, image_cut_off_in_its_program_headers_is_refused,
           program_headers_outside_the_image_are_refused, program_headers_out_of_line_are_refused,
           segment_beyond_the_end_is_refused, segment_of_endless_length_is_refused,
           segment_that_begins_in_a_page_is_refused, segment_with_more_memory_than_the_image_is_refused,
           overlapping_segments_are_refused, segment_over_the_module_or_the_context_page_is_refused,
           segment_in_the_context_pages_place_is_refused, segment_that_can_be_written_and_executed_is_refused,
           segment_outside_the_first_gigabyte_is_refused, segment_in_the_kernels_half_is_refused,
           image_of_too_many_regions_is_refused, image_without_a_note_is_refused, note_that_is_too_short_is_none,
           note_of_another_name_is_none, note_beyond_the_end_is_refused,
           image_for_another_abi_is_refused_with_both_versions, entry_that_is_no_user_address_is_refused,
           image_without_an_entry_is_refused)
