/*
 * The `system` file: one line a thing, `key=value` words, made by the exo command, which has checked it. Unknown keys and
 * things are refused, so that a root never starts half of what a newer manifest asks for.
 */
#include "root.h"
#include <exo/text.h>

static char problem[120];

#define PROBLEM(...) (exo_format(problem, sizeof problem, __VA_ARGS__), problem)

/* A line of the text, without its end. Empty at the end of the text. */
static size_t line_take(const char **text, const char *end, char *line, size_t size)
{
    size_t length = 0;

    for (; *text < end && **text != '\n'; (*text)++)
        if (length + 1 < size)
            line[length++] = **text;
    if (*text < end)
        (*text)++;
    line[length] = 0;
    return length;
}

/* Cuts the next word off *at; with to_end, the rest of the line. */
static char *word_take(char **at, bool to_end)
{
    while (**at == ' ')
        (*at)++;
    char *word = *at;
    while (**at && (to_end || **at != ' '))
        (*at)++;
    if (**at)
        *(*at)++ = 0;
    return word;
}

static const char *ranges_read(struct plan *plan, const char *value)
{
    while (*value) {
        if (plan->range_count == RANGES_MAX)
            return PROBLEM("%s has more than %u ranges of slots", plan->name, RANGES_MAX);
        struct slot_range *range = &plan->range[plan->range_count++];
        range->processor = (uint32_t)exo_text_number(&value);
        value += *value == ':';
        range->first = (uint32_t)exo_text_number(&value);
        value += *value == ':';
        range->count = (uint32_t)exo_text_number(&value);
        if (*value && *value != ',')
            return PROBLEM("%s has slots that are not PROCESSOR:FIRST:COUNT,...", plan->name);
        value += *value == ',';
    }
    return 0;
}

static const char *word_read(struct plan *plan, const char *key, const char *value)
{
    uint32_t number = (uint32_t)exo_text_number(&(const char *){ value });
    struct { const char *key; uint32_t *value; } numbers[] = {
        { "memory", &plan->memory }, { "kept", &plan->kept }, { "give", &plan->give },
    };
    struct { const char *key; bool *value; } flags[] = {
        { "wait", &plan->wait }, { "restart", &plan->restart }, { "console", &plan->console }, { "trace", &plan->trace },
    };
    struct { const char *key; char *value; size_t size; } texts[] = {
        { "name", plan->name, sizeof plan->name }, { "image", plan->image, sizeof plan->image },
        { "archive", plan->archive, sizeof plan->archive }, { "lend", plan->lend, sizeof plan->lend }, { "arguments", plan->arguments, sizeof plan->arguments },
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (exo_text_equals(key, numbers[i].key))
            return *numbers[i].value = number, (const char *)0;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (exo_text_equals(key, flags[i].key))
            return *flags[i].value = number, (const char *)0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (exo_text_equals(key, texts[i].key))
            return exo_text_copy(texts[i].value, value, texts[i].size), (const char *)0;
    return exo_text_equals(key, "slots") ? ranges_read(plan, value) : PROBLEM("unknown key %s", key);
}

static const char *environment_read(char *words)
{
    if (root.member_count == MEMBERS_MAX)
        return PROBLEM("more than %u environments", MEMBERS_MAX);
    struct plan *plan = &root.member[root.member_count++].plan;

    *plan = (struct plan){ .wait = true, .console = true };
    while (*words) {
        bool is_last = !memcmp(words, "arguments=", 10);
        char *word = word_take(&words, is_last), *value = word;
        while (*value && *value != '=')
            value++;
        if (!*value)
            return *word ? PROBLEM("%s is no key=value", word) : 0;
        *value++ = 0;
        const char *error = word_read(plan, word, value);
        if (error)
            return error;
    }
    if (!*plan->name || !*plan->image || plan->kept > plan->memory)
        return PROBLEM("environment %u lacks a name or an image, or keeps more than its memory", root.member_count);
    return 0;
}

const char *manifest_read(const char *text, size_t size)
{
    const char *end = text + size;
    char line[512];

    while (text < end) {
        if (!line_take(&text, end, line, sizeof line))
            continue;
        char *at = line;
        const char *thing = word_take(&at, false), *error = 0;
        if (exo_text_equals(thing, "environment"))
            error = environment_read(at);
        else if (!exo_text_equals(thing, "machine"))
            error = PROBLEM("unknown thing %s", thing);
        if (error)
            return error;
    }
    return root.member_count ? 0 : "it has no environment";
}
