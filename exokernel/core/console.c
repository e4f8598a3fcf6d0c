/*
 * The machine's console and its end. Each line begins with the label of the capability that it was written under, so
 * that no environment can speak in another's name.
 */
#include <arch.h>
#include <capability.h>
#include <dispatch.h>

enum { LABEL_LENGTH = 8, CONSOLE_WRITE_MAX = 256, LINE_WORDS = 16, LINE_MAX = LINE_WORDS * 8 /* bytes, of them in one call */ };

static struct {
    uint64_t label; /* of the line that is being written */
    bool in_line;
} console;

/* Part of one line, at most up to its end: words, since a byte at a time would take as long as the longest of other calls. */
struct line {
    uint64_t word[LINE_WORDS];
    uint32_t length; /* bytes */
    bool is_ended;
};

static void label_write(uint64_t label)
{
    char text[LABEL_LENGTH + 2];
    uint32_t length = 0;

    for (uint32_t i = 0; i < LABEL_LENGTH; i++) {
        char character = label >> 8 * i;
        if (character > ' ' && character <= '~')
            text[length++] = character;
    }
    text[length++] = '|';
    text[length++] = ' ';
    if (label)
        arch_console_write(text, length);
}

static void line_write(uint64_t label, const struct line *line)
{
    if (console.in_line && console.label != label) {
        arch_console_write("\n", 1);
        console.in_line = false;
    }
    if (!console.in_line)
        label_write(label);
    arch_console_write((const char *)line->word, line->length);
    console.label = label;
    console.in_line = !line->is_ended;
}

static inline uint64_t each(uint8_t byte)
{
    return byte * 0x0101010101010101u;
}

/* Which bytes are this one: the highest bit of each. */
static inline uint64_t bytes_that_are(uint64_t word, uint8_t byte)
{
    uint64_t other = word ^ each(byte);

    return ~(((other & each(0x7f)) + each(0x7f)) | other | each(0x7f));
}

/* How many bytes there are up to the first of those, itself included; 8 if there are none. */
static inline uint32_t bytes_up_to(uint64_t those)
{
    return (((those & -those) - 1) & each(1)) * each(1) >> 56;
}

/* Nothing that moves the cursor, so that no text can hide the label: each control character but newline and tab becomes '?'. */
static inline uint64_t harmless(uint64_t word)
{
    uint64_t control = bytes_that_are(word & each(0xe0), 0) | bytes_that_are(word, 0x7f);
    uint64_t bad = control & ~bytes_that_are(word, '\n') & ~bytes_that_are(word, '\t');
    uint64_t mask = bad | (bad - (bad >> 7));

    return (word & ~mask) | (each('?') & mask);
}

/* What may be printed of one line; all of it by who drives the terminal. */
static void line_take(const volatile uint64_t *source, uint32_t length, bool drives, struct line *ret_line)
{
    uint32_t most = length < LINE_MAX ? length : LINE_MAX, taken = 0;
    uint64_t ends;

    do {
        uint64_t word = source[taken / 8];
        ends = bytes_that_are(word, '\n');
        ret_line->word[taken / 8] = drives ? word : harmless(word);
        taken += bytes_up_to(ends);
    } while (taken < most && !ends);
    ret_line->is_ended = ends && taken <= most;
    ret_line->length = taken < most ? taken : most;
}

exo_result call_console_write(const struct caller *caller, uint16_t slot, uint32_t length)
{
    struct capability capability;

    exo_result result = capability_use(caller->environment, slot, EXO_KIND_CONSOLE, EXO_RIGHT_WRITE, &capability);
    if (result < 0)
        return result;
    if (length == 0 || length > CONSOLE_WRITE_MAX)
        return EXO_BAD_ARGUMENT;

    uint64_t label = capability.first | (uint64_t)capability.count << 32;
    struct line line;
    line_take((const volatile uint64_t *)context_here()->batch, length, capability.rights & EXO_RIGHT_READ, &line);
    line_write(label, &line);
    return line.length;
}

exo_result call_console_read(const struct caller *caller, uint16_t slot)
{
    struct capability capability;

    exo_result result = capability_use(caller->environment, slot, EXO_KIND_CONSOLE, EXO_RIGHT_READ, &capability);
    if (result < 0)
        return result;
    int character = arch_console_read();
    return character < 0 ? EXO_AGAIN : character;
}

exo_result call_machine_exit(const struct caller *caller, uint16_t slot, uint8_t code)
{
    struct capability capability;

    exo_result result = capability_use(caller->environment, slot, EXO_KIND_MACHINE, EXO_RIGHT_TAKE, &capability);
    if (result < 0)
        return result;
    arch_exit(code);
    return EXO_OK;
}
