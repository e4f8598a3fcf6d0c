/*
 * The machine's console and its end. Each line begins with the label of the capability that it was written under, so
 * that no environment can speak in another's name.
 */
#include <arch.h>
#include <capability.h>
#include <dispatch.h>

enum { LABEL_LENGTH = 8, CONSOLE_WRITE_MAX = 256, TAKE_MOST = 128 /* of them in one call */ };

static struct {
    uint64_t label; /* of the line that is being written */
    bool in_line;
} console;

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

/* Part of one line, at most up to its end. */
static void line_write(uint64_t label, const char *text, uint32_t length)
{
    if (console.in_line && console.label != label) {
        arch_console_write("\n", 1);
        console.in_line = false;
    }
    if (!console.in_line)
        label_write(label);
    arch_console_write(text, length);
    console.label = label;
    console.in_line = text[length - 1] != '\n';
}

/* Nothing that moves the cursor, so that no text can hide the label. */
static inline bool is_harmless(char character)
{
    return ((uint8_t)character >= ' ' && character != 0x7f) || character == '\n' || character == '\t';
}

/* What may be printed of one line; all of it by who drives the terminal. */
static uint32_t line_take(const volatile char *source, uint32_t length, bool drives, char text[TAKE_MOST])
{
    uint32_t most = length < TAKE_MOST ? length : TAKE_MOST, taken = 0;
    char character;

    do {
        character = source[taken];
        text[taken++] = drives || is_harmless(character) ? character : '?';
    } while (taken < most && character != '\n');
    return taken;
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
    char text[TAKE_MOST];
    bool drives = capability.rights & EXO_RIGHT_READ;
    uint32_t taken = line_take((const volatile char *)context_here()->batch, length, drives, text);
    line_write(label, text, taken);
    return taken;
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
