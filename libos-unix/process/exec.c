/*
 * ELF images: static executables and static PIE for x86-64. Segments become regions; their pages come when they are touched. The
 * arguments wait in the window while the old memory goes.
 */
#include "exec.h"
#include "memory.h"
#include "region.h"
#include "signal.h"
#include <exo/elf.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

#define PIE_BASE       0x10000000ull
#define OWN_EXECUTABLE "/proc/self/exe"

enum { PROGRAMS_MAX = 32, WORDS_MAX = 2048, AUXV_MAX = 40, CLOCK_TICKS = 100 };

/* What is known of the new program before the old one goes. */
static struct {
    uint32_t node;
    uint64_t size;
    struct exo_elf_header header;
    struct exo_elf_program program[PROGRAMS_MAX];
    uint64_t base, headers_at, end;
    uint32_t argument_count, environment_count, used; /* texts in the window's data, ended by zeros */
    uint64_t random[2];
    char name[PATH_SIZE];
    uint64_t words[WORDS_MAX]; /* argc and what follows it on the stack */
} image __attribute__((aligned(EXO_FRAME_SIZE))); /* so that little of it is touched, mostly */

/* The first page of the file, where its headers must be, comes to the window's page, and stays there until the next fault that asks for one. */
static int64_t first_page(void)
{
    int64_t size = server_ask(UNIX_PAGE, image.node, 0, 0);

    if (size < 4)
        return -ENOEXEC;
    memset(WINDOW->page + size, 0, EXO_FRAME_SIZE - (size_t)size);
    return 0;
}

static bool segment_is_sound(const struct exo_elf_program *program)
{
    uint64_t start = image.base + program->address, end = start + program->memory_size;

    return program->file_size <= program->memory_size && program->offset <= image.size &&
           program->file_size <= image.size - program->offset && end >= start && program->memory_size < (1ull << 40) &&
           (program->address - program->offset) % EXO_FRAME_SIZE == 0 && start >= 0x20000 &&
           (end <= BREAK_TOP || start >= UNIX_RUNTIME_END) && end < MAP_TOP;
}

static int64_t headers_read(const uint8_t *page)
{
    struct exo_elf_header *header = &image.header;
    uint64_t size;

    memcpy(header, page, sizeof *header);
    size = header->program_count * sizeof(struct exo_elf_program);
    if (memcmp(header->identity, "\177ELF\2\1", 6) || header->machine != EXO_ELF_X86_64 ||
        (header->type != EXO_ELF_EXECUTABLE && header->type != EXO_ELF_SHARED) || header->program_size != sizeof(struct exo_elf_program) ||
        header->program_count > PROGRAMS_MAX || header->program_offset > EXO_FRAME_SIZE ||
        size > EXO_FRAME_SIZE - header->program_offset)
        return -ENOEXEC;
    memcpy(image.program, page + header->program_offset, size);
    image.base = header->type == EXO_ELF_SHARED ? PIE_BASE : 0;
    image.end = image.headers_at = 0;
    for (uint32_t i = 0; i < header->program_count; i++) {
        const struct exo_elf_program *program = &image.program[i];
        if (program->type == EXO_ELF_INTERPRETER)
            return -ENOEXEC;
        if (program->type != EXO_ELF_LOAD)
            continue;
        if (!segment_is_sound(program))
            return -ENOEXEC;
        uint64_t end = image.base + program->address + program->memory_size;
        image.end = end > image.end ? end : image.end;
        if (header->program_offset - program->offset < program->file_size)
            image.headers_at = image.base + program->address + header->program_offset - program->offset;
    }
    return image.end ? 0 : -ENOEXEC;
}

static int64_t text_add(const char *text, uint64_t length)
{
    if (image.used + length + 1 > WINDOW_DATA_SIZE)
        return -E2BIG;
    memcpy(WINDOW->data + image.used, text, length);
    WINDOW->data[image.used + length] = 0;
    image.used += (uint32_t)length + 1;
    return 0;
}

/* A list of texts of the old program, from the n-th on. */
static int64_t texts_add(uint64_t list, uint32_t first, uint32_t *ret_count)
{
    for (uint32_t i = first; list; i++) {
        uint64_t address;
        if (user_copy(&address, (const void *)(list + 8 * i), 8))
            return -EFAULT;
        if (!address)
            return 0;
        uint64_t room = WINDOW_DATA_SIZE - image.used;
        int64_t result = user_text((char *)WINDOW->data + image.used, address, room);
        if (result < 0)
            return result == -EFAULT ? result : -E2BIG;
        image.used += (uint32_t)exo_text_length((char *)WINDOW->data + image.used) + 1;
        ++*ret_count;
    }
    return 0;
}

static int64_t file_open(const char *path)
{
    uint64_t words[7] = { UNIX_EXEC_OPEN };

    if (exo_text_equals(path, OWN_EXECUTABLE))
        path = runtime.executable;
    exo_text_copy(WINDOW->path[0], path, PATH_SIZE);
    int64_t node = server_call(words);
    if (node < 0)
        return node;
    image.node = (uint32_t)node;
    image.size = words[1];
    return 0;
}

/* `#!interpreter argument`: both go before the script's name. */
static int64_t script_read(const uint8_t *page, char *path, size_t size)
{
    char line[256];
    uint32_t at = 2, start, length = 0;

    while (length + 1 < sizeof line && page[2 + length] != '\n' && page[2 + length])
        length++;
    memcpy(line, page + 2, length);
    line[length] = 0;
    for (at = 0; line[at] == ' ' || line[at] == '\t'; at++)
        ;
    for (start = at; line[at] && line[at] != ' ' && line[at] != '\t'; at++)
        ;
    int64_t result = text_add(line + start, at - start);
    image.argument_count = 1;
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        line[--length] = 0;
    uint32_t rest = at;
    while (line[rest] == ' ' || line[rest] == '\t')
        rest++;
    if (result == 0 && rest < length) {
        result = text_add(line + rest, length - rest);
        image.argument_count++;
    }
    if (result == 0)
        result = text_add(path, exo_text_length(path));
    image.argument_count++;
    line[at] = 0;
    exo_text_copy(path, line + start, size);
    return result == 0 && !*path ? -ENOEXEC : result;
}

/* Find the program and read its headers; texts before the arguments are in the window then. first: arguments that these replace. */
static int64_t image_open(char path[PATH_SIZE], uint32_t *ret_first)
{
    int64_t result = file_open(path);

    *ret_first = 0;
    if (result == 0)
        result = first_page();
    if (result == 0 && WINDOW->page[0] == '#' && WINDOW->page[1] == '!') {
        *ret_first = 1;
        if ((result = script_read(WINDOW->page, path, PATH_SIZE)) == 0 && (result = file_open(path)) == 0)
            result = first_page();
    }
    return result == 0 ? headers_read(WINDOW->page) : result;
}

static bool segment_map(const struct exo_elf_program *program)
{
    uint64_t start = image.base + program->address, mask = EXO_FRAME_SIZE - 1;
    struct region region = {
        .start = start & ~mask, .end = (start + program->memory_size + mask) & ~mask,
        .protection = (program->flags & EXO_ELF_READ ? PROT_READ : 0) | (program->flags & EXO_ELF_WRITE ? PROT_WRITE : 0) |
                      (program->flags & EXO_ELF_EXECUTE ? PROT_EXEC : 0),
        .node = program->file_size ? image.node : 0, .offset = program->offset & ~mask,
        .file_end = start + program->file_size,
    };
    return region_is_empty(region.start, region.end) && region_add(&region);
}

static void memory_make(void)
{
    const struct region stack = { .start = STACK_TOP - STACK_SIZE, .end = STACK_TOP, .protection = PROT_READ | PROT_WRITE };
    bool done = region_add(&stack);

    for (uint32_t i = 0; i < image.header.program_count; i++)
        if (image.program[i].type == EXO_ELF_LOAD && image.program[i].memory_size)
            done = done && segment_map(&image.program[i]);
    memory_state.break_start = memory_state.break_end = (image.end + EXO_FRAME_SIZE - 1) & -(uint64_t)EXO_FRAME_SIZE;
    if (!done)
        process_die(SIGSEGV);
}

static uint32_t auxv_make(uint64_t auxv[AUXV_MAX], uint64_t random, uint64_t name)
{
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    const uint64_t values[] = {
        AT_PHDR, image.headers_at, AT_PHENT, sizeof(struct exo_elf_program), AT_PHNUM, image.header.program_count,
        AT_PAGESZ, EXO_FRAME_SIZE, AT_BASE, 0, AT_FLAGS, 0, AT_ENTRY, image.base + image.header.entry, AT_UID, 0, AT_EUID, 0,
        AT_GID, 0, AT_EGID, 0, AT_HWCAP, edx, AT_CLKTCK, CLOCK_TICKS, AT_SECURE, 0, AT_RANDOM, random, AT_EXECFN, name,
        AT_SYSINFO_EHDR, (uint64_t)vdso_image, AT_NULL, 0,
    };
    memcpy(auxv, values, sizeof values);
    return sizeof values / 8;
}

/* Texts on top, below them argc, the two lists and the auxiliary vector. Returns the stack pointer. */
static uint64_t stack_fill(void)
{
    uint64_t *words = image.words;
    uint64_t texts = (STACK_TOP - 64 - image.used) & -16ull, random = texts - 16, at = texts, name = STACK_TOP - 64;
    uint32_t count = 0, total = image.argument_count + image.environment_count;

    if (total + AUXV_MAX + 8 > WORDS_MAX)
        process_die(SIGSEGV);
    words[count++] = image.argument_count;
    for (uint32_t i = 0; i < total; i++) {
        if (i == image.argument_count)
            words[count++] = 0;
        if (i == 0)
            name = at;
        words[count++] = at;
        at += exo_text_length((const char *)WINDOW->data + (at - texts)) + 1;
    }
    words[count++] = 0;
    if (!image.environment_count)
        words[count++] = 0;
    count += auxv_make(words + count, random, name);
    uint64_t stack = (random - 8ull * count) & -16ull;
    if (user_copy((void *)texts, WINDOW->data, image.used) || user_copy((void *)random, image.random, 16) ||
        user_copy((void *)stack, words, 8ull * count))
        process_die(SIGSEGV);
    return stack;
}

/* Bytes of the first texts in the window. */
static uint64_t arguments_size(void)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < image.argument_count; i++)
        size += exo_text_length((const char *)WINDOW->data + size) + 1;
    return size;
}

/* No way back from here. */
static void image_enter(const char *path, const char *called, struct exo_upcall_frame *frame)
{
    const char *name = called;

    for (const char *at = called; *at; at++)
        if (*at == '/')
            name = at + 1;
    exo_text_copy(WINDOW->path[1], name, NAME_OF_PROCESS);
    memory_clear();
    server_ask(UNIX_EXEC_DONE, arguments_size(), 0, 0);
    kin.view_count = 0;
    memory_collect();
    signal_reset();
    exo_text_copy(runtime.executable, path, sizeof runtime.executable);
    exo_threads[0].base = 0;
    fpu_reset();
    memory_make();
    *frame = (struct exo_upcall_frame){ .rip = image.base + image.header.entry, .rsp = stack_fill(), .rflags = 0x202 };
}

/* Relative names stay as they are: /proc/self/exe is then right only in the same directory. */
int64_t process_exec(uint64_t path, uint64_t arguments, uint64_t environment, struct exo_upcall_frame *frame)
{
    char *const name = image.name;
    uint32_t first;
    int64_t result = user_text(name, path, PATH_SIZE);

    image.used = image.argument_count = image.environment_count = 0;
    if (result == 0)
        result = image_open(name, &first);
    if (result == 0)
        result = texts_add(arguments, first, &image.argument_count);
    if (result == 0)
        result = texts_add(environment, 0, &image.environment_count);
    if (result < 0)
        return result;
    bool again = exo_text_equals(name, OWN_EXECUTABLE);
    if (again)
        exo_text_copy(name, runtime.executable, PATH_SIZE);
    image.random[0] ^= exo_ticks() * 0x9e3779b97f4a7c15;
    image.random[1] ^= exo_ticks() * 0xbf58476d1ce4e5b9;
    image_enter(name, again ? OWN_EXECUTABLE : name, frame);
    return 0;
}

int64_t process_first(uint64_t size, const uint64_t random[2], bool terminal)
{
    char *const name = image.name;
    const char *const environment[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", terminal ? "TERM=linux" : "TERM=dumb" };
    uint32_t first;

    memcpy(image.random, random, sizeof image.random);
    exo_text_copy(name, (const char *)WINDOW->data, PATH_SIZE);
    int64_t result = size ? image_open(name, &first) : -ENOENT;
    if (result < 0)
        return result;
    image.used = (uint32_t)size;
    for (uint64_t at = 0; at < size; at += exo_text_length((const char *)WINDOW->data + at) + 1)
        image.argument_count++;
    for (uint32_t i = 0; i < sizeof environment / sizeof *environment; i++, image.environment_count++)
        text_add(environment[i], exo_text_length(environment[i]));
    image_enter(name, name, &system_frame);
    return 0;
}
