/*
 * The archive behind the root's image in the boot module: cpio in the `newc` format, whose first member is `system`.
 * It begins at a page boundary.
 */
#include "root.h"
#include <exo/program.h>
#include <exo/text.h>

enum { HEADER_SIZE = 110, FIELD_SIZE = 54, FIELD_NAME_SIZE = 94 };

struct member_file {
    const char *name;
    const uint8_t *data;
    size_t size, next; /* next: where the following member begins, from the module's start */
};

static const uint8_t *module_bytes(void)
{
    return (const uint8_t *)exo_start.module_address;
}

static uint32_t field_read(const uint8_t *at)
{
    char digits[11] = "0x";
    const char *text = digits;

    memcpy(digits + 2, at, 8);
    return (uint32_t)exo_text_number(&text);
}

static bool member_read(size_t offset, struct member_file *ret_member)
{
    const uint8_t *at = module_bytes() + offset;

    if (offset + HEADER_SIZE > exo_start.module_size || memcmp(at, "070701", 6))
        return false;
    size_t name_size = field_read(at + FIELD_NAME_SIZE), size = field_read(at + FIELD_SIZE);
    size_t data = (offset + HEADER_SIZE + name_size + 3) & ~3ul;
    if (name_size == 0 || name_size > 256 || data > exo_start.module_size || size > exo_start.module_size - data ||
        at[HEADER_SIZE + name_size - 1])
        return false;
    *ret_member = (struct member_file){
        (const char *)at + HEADER_SIZE, module_bytes() + data, size, (data + size + 3) & ~3ul,
    };
    return true;
}

static size_t archive_start(void)
{
    struct member_file file;

    for (size_t offset = 0; offset < exo_start.module_size; offset += EXO_FRAME_SIZE)
        if (member_read(offset, &file) && exo_text_equals(file.name, "system"))
            return offset;
    return exo_start.module_size;
}

const void *archive_find(const char *name, size_t *ret_size)
{
    struct member_file file;

    for (size_t offset = archive_start(); member_read(offset, &file); offset = file.next) {
        if (!exo_text_equals(file.name, name))
            continue;
        *ret_size = file.size;
        return file.data;
    }
    return 0;
}
