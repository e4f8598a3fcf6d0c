/*
 * The `system` file: one line a thing, `key=value` words, made by the exo command, which has checked it. Unknown keys and
 * things are refused, so that a root never starts half of what a newer manifest asks for.
 */
#include "root.h"
#include <exo/text.h>

enum { MS = 1000000 }; /* ns */

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

/* NUMBER:NUMBER:NUMBER,... */
static const char *triples_read(struct plan *plan, const char *key, const char *value, uint32_t *count, uint32_t (*triples)[3])
{
    while (*value) {
        if (*count == RANGES_MAX)
            return PROBLEM("%s has more than %u %s", plan->name, RANGES_MAX, key);
        for (uint32_t i = 0; i < 3; i++) {
            triples[*count][i] = (uint32_t)exo_text_number(&value);
            if (*value && *value != (i < 2 ? ':' : ','))
                return PROBLEM("%s has %s that are not NUMBER:NUMBER:NUMBER,...", plan->name, key);
            value += *value != 0;
        }
        ++*count;
    }
    return 0;
}

static const char *word_read(struct plan *plan, const char *key, const char *value)
{
    uint32_t number = (uint32_t)exo_text_number(&(const char *){ value });
    struct { const char *key; uint32_t *value; } numbers[] = {
        { "memory", &plan->memory }, { "kept", &plan->kept }, { "give", &plan->give },
        { "programs", &plan->programs },
        { "flow", &plan->flow }, { "flows", &plan->flows }, { "position", &plan->position }, { "positions", &plan->positions },
    };
    struct { const char *key; bool *value; } flags[] = {
        { "wait", &plan->wait }, { "restart", &plan->restart }, { "console", &plan->console }, { "terminal", &plan->terminal }, { "trace", &plan->trace },
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
    if (exo_text_equals(key, "slots"))
        return triples_read(plan, key, value, &plan->range_count, (uint32_t(*)[3])plan->range);
    if (exo_text_equals(key, "extents"))
        return triples_read(plan, key, value, &plan->extent_count, (uint32_t(*)[3])plan->extent);
    return PROBLEM("unknown key %s", key);
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

static const char *flow_read(char *words)
{
    if (!flow_add())
        return "too many flows";
    while (*words) {
        char *word = word_take(&words, false), *value = word;
        while (*value && *value != '=')
            value++;
        if (*value)
            *value++ = 0;
        if (*word && !flow_word(word, value))
            return PROBLEM("a flow's %s is wrong", word);
    }
    return 0;
}

/* A word NAME:MS of a loan's turns, comma after comma. */
static const char *turns_read(char *value)
{
    while (*value) {
        char *name = value;
        while (*value && *value != ':')
            value++;
        if (!*value)
            return "a loan's turns are not NAME:MILLISECONDS,...";
        *value++ = 0;
        const char *digits = value;
        uint64_t at = exo_text_number(&digits);
        value = (char *)digits + (*digits == ',');
        if (!loan_turn(name, at * MS))
            return PROBLEM("a loan goes to %s, which is none of the environments above, or has too many turns", name);
    }
    return 0;
}

static const char *loan_read(char *words)
{
    const char *value[3] = { 0, 0, 0 }, *const keys[3] = { "memory=", "within=", "turns=" };

    for (uint32_t i = 0; i < 3; i++) {
        char *word = word_take(&words, false);
        size_t length = exo_text_length(keys[i]);
        if (memcmp(word, keys[i], length))
            return PROBLEM("a loan lacks %s", keys[i]);
        value[i] = word + length;
    }
    if (!loan_add((uint32_t)exo_text_number(&value[0]), exo_text_number(&value[1]) * MS))
        return "too many loans";
    return turns_read((char *)value[2]);
}

const char *manifest_read(const char *text, size_t size)
{
    const char *end = text + size;
    char line[1024];

    while (text < end) {
        if (!line_take(&text, end, line, sizeof line))
            continue;
        char *at = line;
        const char *thing = word_take(&at, false), *error = 0;
        if (exo_text_equals(thing, "environment"))
            error = environment_read(at);
        else if (exo_text_equals(thing, "flow"))
            error = flow_read(at);
        else if (exo_text_equals(thing, "loan"))
            error = loan_read(at);
        else if (exo_text_equals(thing, "report"))
            root.report = true;
        else if (!exo_text_equals(thing, "machine"))
            error = PROBLEM("unknown thing %s", thing);
        if (error)
            return error;
    }
    return root.member_count ? 0 : "it has no environment";
}
