#include "archive.h"
#include <stdbool.h>
#include <stddef.h>
#include <exo/text.h>

enum { HEADER_SIZE = 110, FIELD_SIZE = 54, FIELD_NAME_SIZE = 94 };

static const char *archive;
static uint64_t archive_size;

void archive_open(const void *bytes, uint64_t size)
{
    archive = bytes;
    archive_size = size;
}

static uint64_t field_read(const char *at)
{
    char digits[11] = "0x";
    const char *text = digits;

    memcpy(digits + 2, at, 8);
    return exo_text_number(&text);
}

static bool name_fits(const char *name, const char *wanted)
{
    size_t length = exo_text_length(name);
    return wanted ? exo_text_equals(name, wanted) : length > 4 && exo_text_equals(name + length - 4, ".sql");
}

static uint64_t text_length(void)
{
    uint64_t length = 0;
    while (length < archive_size && archive[length])
        length++;
    return length;
}

const char *archive_find(const char *wanted, uint64_t *ret_size)
{
    if (archive_size < HEADER_SIZE)
        return 0;
    if (memcmp(archive, "070701", 6)) {
        *ret_size = text_length();
        return wanted ? 0 : archive;
    }
    for (uint64_t at = 0; at + HEADER_SIZE < archive_size && !memcmp(archive + at, "070701", 6);) {
        uint64_t size = field_read(archive + at + FIELD_SIZE), name_size = field_read(archive + at + FIELD_NAME_SIZE);
        uint64_t data = (at + HEADER_SIZE + name_size + 3) & ~3ull;
        if (!name_size || data > archive_size || size > archive_size - data || archive[at + HEADER_SIZE + name_size - 1])
            return 0;
        if (name_fits(archive + at + HEADER_SIZE, wanted)) {
            *ret_size = size;
            return archive + data;
        }
        at = (data + size + 3) & ~3ull;
    }
    return 0;
}
