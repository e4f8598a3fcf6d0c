#include "line.h"
#include <exo/text.h>

enum { MARK_END = 0x100, MARK_EOF = 0x200, DELETE = 0x7f, TAB = 8 };

static bool has(uint32_t flags, uint32_t flag)
{
    return flags & flag;
}

/* Is it the character for this purpose? 0 stands for none. */
static bool is_for(const struct line *line, uint8_t byte, enum termios_character purpose)
{
    return byte && line->termios.characters[purpose] == byte;
}

void line_open(struct line *line)
{
    *line = (struct line){
        .termios = {
            .input = ICRNL | IXON, .output = OPOST | ONLCR, .control = 0x4bf, /* 38400 baud, 8 bits, receiver on, hang up */
            .local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            .characters = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = DELETE, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17,
                            [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [13] = 15, [VWERASE] = 23, [VLNEXT] = 22 },
        },
    };
}

static bool is_control(uint8_t byte)
{
    return (byte < ' ' && byte != '\t') || byte == DELETE;
}

static bool is_continuation(const struct line *line, uint8_t byte)
{
    return has(line->termios.input, IUTF8) && (byte & 0xc0) == 0x80;
}

static uint32_t column_after(const struct line *line, uint8_t byte, uint32_t column)
{
    if (byte == '\t')
        return (column | (TAB - 1)) + 1;
    if (is_control(byte))
        return column + (has(line->termios.local, ECHOCTL) ? 2 : 0);
    return column + !is_continuation(line, byte);
}

void line_follow(struct line *line, const uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            line->column = 0;
        else if (text[i] == '\b')
            line->column -= line->column != 0;
        else if (text[i] == '\t' || !is_control(text[i]))
            line->column = column_after(line, text[i], line->column);
    }
}

static void echo(struct line *line, const char *text, size_t size)
{
    line_echo(text, size);
    line_follow(line, (const uint8_t *)text, size);
}

static void echo_byte(struct line *line, uint8_t byte)
{
    const char shown[2] = { '^', (char)(byte ^ 0x40) };

    if (is_control(byte) && byte != '\n' && has(line->termios.local, ECHOCTL))
        echo(line, shown, 2);
    else
        echo(line, (const char *)&byte, 1);
}

static void type_echo(struct line *line, uint8_t byte)
{
    if (has(line->termios.local, ECHO) || (byte == '\n' && has(line->termios.local, ICANON) && has(line->termios.local, ECHONL)))
        echo_byte(line, byte);
}

bool line_has_room(const struct line *line)
{
    return line->written - line->read + line->length + 1 < READY_MOST;
}

static void ready_put(struct line *line, uint16_t item)
{
    line->ready[line->written++ % READY_MOST] = item;
    line->ends += (item & (MARK_END | MARK_EOF)) != 0;
}

/* What was typed may be read; item: its last character, with a mark. */
static void line_push(struct line *line, uint16_t item)
{
    for (uint32_t i = 0; i < line->length; i++)
        ready_put(line, line->text[i]);
    line->length = 0;
    if (item)
        ready_put(line, item);
    line_wake();
}

/* The column behind the first `length` bytes of what was typed. */
static uint32_t column_of(const struct line *line, uint32_t length)
{
    uint32_t column = line->start_column;

    for (uint32_t i = 0; i < length; i++)
        column = column_after(line, line->text[i], column);
    return column;
}

static void screen_erase(struct line *line, uint32_t columns, bool tab)
{
    for (uint32_t i = 0; i < columns; i++)
        echo(line, tab ? "\b" : "\b \b", tab ? 1 : 3);
}

/* The last character, of one or more bytes. */
static void erase_one(struct line *line)
{
    uint32_t before = column_of(line, line->length);

    while (line->length > 1 && is_continuation(line, line->text[line->length - 1]))
        line->length--;
    uint8_t byte = line->text[--line->length];
    if (!has(line->termios.local, ECHO))
        return;
    if (!has(line->termios.local, ECHOE))
        echo_byte(line, line->termios.characters[VERASE]);
    else
        screen_erase(line, before - column_of(line, line->length), byte == '\t');
}

static bool is_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z') || byte == '_' || byte >= 0x80;
}

static void erase_word(struct line *line)
{
    while (line->length && !is_word(line->text[line->length - 1]))
        erase_one(line);
    while (line->length && is_word(line->text[line->length - 1]))
        erase_one(line);
}

static void erase_all(struct line *line)
{
    const uint32_t local = line->termios.local;

    if (has(local, ECHO) && (!has(local, ECHOK) || !has(local, ECHOKE) || !has(local, ECHOE))) {
        line->length = 0;
        echo_byte(line, line->termios.characters[VKILL]);
        if (has(local, ECHOK))
            echo(line, "\n", 1);
        return;
    }
    while (line->length)
        erase_one(line);
}

static void reprint(struct line *line)
{
    if (!has(line->termios.local, ECHO))
        return;
    echo_byte(line, line->termios.characters[VREPRINT]);
    echo(line, "\n", 1);
    for (uint32_t i = 0; i < line->length; i++)
        echo_byte(line, line->text[i]);
}

static void line_add(struct line *line, uint8_t byte)
{
    if (line->length == LINE_MOST - 1)
        return;
    if (!line->length)
        line->start_column = line->column;
    type_echo(line, byte);
    line->text[line->length++] = byte;
}

/* True if it was a character that edits. */
static bool line_edit(struct line *line, uint8_t byte)
{
    bool extended = has(line->termios.local, IEXTEN);

    if (is_for(line, byte, VERASE)) {
        if (line->length)
            erase_one(line);
    } else if (is_for(line, byte, VKILL)) {
        erase_all(line);
    } else if (extended && is_for(line, byte, VWERASE)) {
        erase_word(line);
    } else if (extended && is_for(line, byte, VREPRINT)) {
        reprint(line);
    } else if (extended && is_for(line, byte, VLNEXT)) {
        line->literal = true;
        if (has(line->termios.local, ECHO) && has(line->termios.local, ECHOCTL))
            echo(line, "^\b", 2);
    } else {
        return false;
    }
    return true;
}

static void type_canonical(struct line *line, uint8_t byte)
{
    if (line_edit(line, byte))
        return;
    if (is_for(line, byte, VEOF)) {
        line_push(line, MARK_EOF);
    } else if (byte == '\n' || is_for(line, byte, VEOL) || is_for(line, byte, VEOL2)) {
        type_echo(line, byte);
        line_push(line, MARK_END | byte);
    } else {
        line_add(line, byte);
    }
}

static uint32_t signal_of(const struct line *line, uint8_t byte)
{
    if (!has(line->termios.local, ISIG))
        return 0;
    return is_for(line, byte, VINTR) ? SIGINT : is_for(line, byte, VQUIT) ? SIGQUIT : is_for(line, byte, VSUSP) ? SIGTSTP : 0;
}

static void type_signal(struct line *line, uint8_t byte, uint32_t signal)
{
    if (!has(line->termios.local, NOFLSH))
        line_flush(line);
    if (has(line->termios.local, ECHO))
        echo_byte(line, byte);
    line_signal(signal);
}

static void type_plain(struct line *line, uint8_t byte)
{
    if (has(line->termios.local, ICANON)) {
        line_add(line, byte);
        return;
    }
    type_echo(line, byte);
    ready_put(line, byte);
    line_wake();
}

void line_type(struct line *line, uint8_t byte)
{
    const uint32_t input = line->termios.input;
    uint32_t signal;

    if (line->literal) {
        line->literal = false;
        type_plain(line, byte);
        return;
    }
    if (has(input, ISTRIP))
        byte &= 0x7f;
    if (byte == '\r' && has(input, IGNCR))
        return;
    if (byte == '\r' && has(input, ICRNL))
        byte = '\n';
    else if (byte == '\n' && has(input, INLCR))
        byte = '\r';
    if (has(input, IXON) && (is_for(line, byte, VSTART) || is_for(line, byte, VSTOP)))
        return;
    if ((signal = signal_of(line, byte)))
        type_signal(line, byte, signal);
    else if (has(line->termios.local, ICANON))
        type_canonical(line, byte);
    else
        type_plain(line, byte);
}

size_t line_waiting(const struct line *line)
{
    if (has(line->termios.local, ICANON) && !line->ends)
        return 0;
    return line->written - line->read;
}

bool line_is_ready(const struct line *line, size_t size)
{
    size_t least = line->termios.characters[VMIN];

    if (has(line->termios.local, ICANON))
        return line->ends;
    if (!least || line->termios.characters[VTIME])
        least = 1;
    return line->written - line->read >= (least < size ? least : size);
}

size_t line_read(struct line *line, uint8_t *target, size_t size)
{
    bool canonical = has(line->termios.local, ICANON);
    size_t taken = 0;

    while (taken < size && line->read != line->written) {
        uint16_t item = line->ready[line->read++ % READY_MOST];
        line->ends -= (item & (MARK_END | MARK_EOF)) != 0;
        if (!(item & MARK_EOF))
            target[taken++] = (uint8_t)item;
        if (canonical && item & (MARK_END | MARK_EOF))
            break;
    }
    return taken;
}

void line_set(struct line *line, const struct linux_termios *termios)
{
    bool was = has(line->termios.local, ICANON);

    line->termios = *termios;
    if (was && !has(termios->local, ICANON))
        line_push(line, 0);
    if (!was && has(termios->local, ICANON) && line->read != line->written && !line->ends) {
        line->ready[(line->written - 1) % READY_MOST] |= MARK_END; /* what was typed is a line by itself */
        line->ends++;
    }
}

void line_flush(struct line *line)
{
    line->length = line->ends = 0;
    line->read = line->written;
    line->literal = false;
}
