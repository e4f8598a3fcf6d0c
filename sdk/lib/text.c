/* Strings, formatting, the console (see exo/text.h). */
#include <exo/text.h>
#include <exo/calls.h>
#include <exo/errors.h>
#include <exo/program.h>
#include <exo/upcall.h>

void *memcpy(void *restrict target, const void *restrict source, size_t size)
{
    void *result = target;
    size_t words = size / 8;
    size %= 8;
    __asm__ volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(size) : : "memory");
    return result;
}

void *memset(void *target, int byte, size_t size)
{
    void *result = target;
    size_t words = size / 8;
    size %= 8;
    uint64_t word = (uint8_t)byte * 0x0101010101010101ull;
    __asm__ volatile("rep stosq" : "+D"(target), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(size) : "a"(word) : "memory");
    return result;
}

void *memmove(void *target, const void *source, size_t size)
{
    uint8_t *to = target;
    const uint8_t *from = source;
    if (to <= from || to >= from + size)
        return memcpy(target, source, size);
    while (size--)
        to[size] = from[size];
    return target;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

size_t exo_text_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

bool exo_text_equals(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

void exo_text_copy(char *target, const char *source, size_t size)
{
    size_t i = 0;
    for (; i + 1 < size && source[i]; i++)
        target[i] = source[i];
    target[i] = 0;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

uint64_t exo_text_number(const char **text)
{
    const char *at = *text;
    uint64_t base = 10, value = 0;
    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    for (; (uint64_t)digit_value(*at) < base; at++)
        value = value * base + (uint64_t)digit_value(*at);
    *text = at;
    return value;
}

struct output {
    char *text;
    size_t size, length;
};

static void output_character(struct output *output, char c)
{
    if (output->length + 1 < output->size)
        output->text[output->length++] = c;
}

static void output_text(struct output *output, const char *text, int width)
{
    for (; *text; text++, width--)
        output_character(output, *text);
    for (; width > 0; width--)
        output_character(output, ' ');
}

static void output_number(struct output *output, uint64_t value, uint64_t base, int width, char pad)
{
    char digit[20];
    int count = 0;
    do
        digit[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    for (; width > count; width--)
        output_character(output, pad);
    while (count)
        output_character(output, digit[--count]);
}

/* One conversion behind its '%'; returns what follows it. */
static const char *output_conversion(struct output *output, const char *format, va_list *list)
{
    char pad = ' ';
    int width = 0, wide = 0, prefix = 0;
    for (; *format == '-' || *format == '#' || *format == '0'; format++) {
        pad = *format == '0' ? '0' : pad;
        prefix |= *format == '#';
    }
    for (; *format >= '0' && *format <= '9'; format++)
        width = width * 10 + *format - '0';
    for (; *format == 'l'; format++)
        wide = 1;
    int64_t number = 0;
    if (*format == 'd')
        number = wide ? va_arg(*list, int64_t) : va_arg(*list, int);
    else if (*format == 'u' || *format == 'x')
        number = (int64_t)(wide ? va_arg(*list, uint64_t) : va_arg(*list, unsigned));
    switch (*format) {
    case 's':
        output_text(output, va_arg(*list, const char *), width);
        break;
    case 'c':
        output_character(output, (char)va_arg(*list, int));
        break;
    case 'd':
        if (number < 0)
            output_character(output, '-');
        output_number(output, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, width, pad);
        break;
    case 'u':
        output_number(output, (uint64_t)number, 10, width, pad);
        break;
    case 'x':
        if (prefix)
            output_text(output, "0x", 0);
        output_number(output, (uint64_t)number, 16, width, pad);
        break;
    case '%':
        output_character(output, '%');
        break;
    default:
        return format;
    }
    return format + 1;
}

size_t exo_format_list(char *out, size_t size, const char *format, va_list list)
{
    struct output output = { out, size, 0 };
    va_list copy;
    va_copy(copy, list);
    while (*format)
        if (*format != '%')
            output_character(&output, *format++);
        else
            format = output_conversion(&output, format + 1, &copy);
    va_end(copy);
    out[output.length] = 0;
    return output.length;
}

size_t exo_format(char *out, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    size_t length = exo_format_list(out, size, format, list);
    va_end(list);
    return length;
}

uint16_t exo_console;

void exo_print(const char *format, ...)
{
    char line[256];
    va_list list;
    va_start(list, format);
    size_t length = exo_format_list(line, sizeof line, format, list);
    va_end(list);
    line[length++] = '\n';
    bool blocked = exo_events_block();
    uint16_t slot = exo_console ? exo_console : exo_start_slot(EXO_KIND_CONSOLE, 0);
    int64_t written = 1;
    for (size_t done = 0; done < length && written > 0; done += (size_t)written) {
        memcpy(EXO_CONTEXT->batch, line + done, length - done);
        written = exo_console_write(slot, (uint32_t)(length - done));
    }
    exo_events_restore(blocked);
}

const char *exo_status_name(int64_t status)
{
    uint64_t index = status < 0 ? -(uint64_t)status : 0;
    return index < sizeof exo_status_names / sizeof exo_status_names[0] ? exo_status_names[index] : "unknown status";
}
