/* What the verifier says of a program that it refuses, in words. */
#include <exo/code.h>
#include <exo/errors.h>
#include <exo/text.h>

enum { REGISTERS = sizeof(((struct exo_refusal *)0)->registers) / sizeof(struct exo_known), LINE = 200 };
enum known_type { KNOWN_NOTHING, KNOWN_NUMBER, KNOWN_CONTEXT, KNOWN_STACK, KNOWN_REGION, KNOWN_REGION_OR_NULL, KNOWN_END };

/* What stands in `places` of the slot: the last line that begins at it or before it. Its length, or 0. */
static size_t place_find(const char *places, uint32_t slot, const char **ret_place)
{
    size_t length = 0;

    while (*places && exo_text_number(&places) <= slot) {
        const char *end = ++places; /* behind the space */

        while (*end != '\n')
            end++;
        *ret_place = places;
        length = (size_t)(end - places);
        places = end + 1;
    }
    return length;
}

size_t exo_refusal_text(char *out, size_t size, const char *places, const struct exo_refusal *refusal)
{
    char place[LINE] = "";
    const char *found;
    size_t length = place_find(places, refusal->instruction, &found);
    bool is_known = refusal->reason < sizeof exo_refused_texts / sizeof *exo_refused_texts;
    size_t used = exo_format(out, size, "slot %u: %s", refusal->instruction,
                             is_known ? exo_refused_texts[refusal->reason] : "An unknown reason.");

    if (refusal->culprit < REGISTERS)
        used += exo_format(out + used, size - used, " (r%u)", refusal->culprit);
    if (length)
        exo_text_copy(place, found, length < LINE ? length + 1 : LINE);
    return used + (length ? exo_format(out + used, size - used, " %s", place) : 0);
}

/* A set of numbers: what is there to say of it. */
static size_t numbers_text(char *out, size_t size, const struct exo_known *known)
{
    if (known->low == known->high)
        return exo_format(out, size, "%ld", (int64_t)known->low);
    if (known->low == 0 && known->high == UINT64_MAX && known->unknown == UINT64_MAX && (int64_t)known->least == INT64_MIN &&
        (int64_t)known->most == INT64_MAX && known->low32 == 0 && known->high32 == UINT32_MAX)
        return exo_format(out, size, "any");
    size_t used = (int64_t)known->least < 0 && (int64_t)known->most >= 0
                      ? exo_format(out, size, "%ld to %ld, signed", (int64_t)known->least, (int64_t)known->most)
                      : exo_format(out, size, "%lu to %lu", known->low, known->high);
    if (known->low32 != (uint32_t)known->low || known->high32 != (uint32_t)known->high)
        used += exo_format(out + used, size - used, ", lower half %u to %u", known->low32, known->high32);
    if (known->bits || (known->unknown & (known->unknown + 1)))
        used += exo_format(out + used, size - used, ", bits 0x%lx where not 0x%lx", known->bits, known->unknown);
    return used;
}

size_t exo_known_text(char *out, size_t size, const struct exo_known *known)
{
    static const char *const names[] = {
        [KNOWN_NOTHING] = "nothing", [KNOWN_NUMBER] = "number", [KNOWN_CONTEXT] = "context", [KNOWN_STACK] = "stack", [KNOWN_REGION] = "region",
        [KNOWN_REGION_OR_NULL] = "0 or region", [KNOWN_END] = "end of region",
    };
    uint32_t type = known->type <= KNOWN_END ? known->type : KNOWN_NOTHING;
    size_t used = exo_format(out, size, "%s", names[type]);

    if (type >= KNOWN_REGION)
        used += exo_format(out + used, size - used, " %u", known->region);
    if (type >= KNOWN_CONTEXT && type <= KNOWN_REGION)
        used += exo_format(out + used, size - used, " %s%d", (int32_t)known->offset < 0 ? "" : "+", (int32_t)known->offset);
    if (type != KNOWN_NUMBER && !(type >= KNOWN_CONTEXT && type <= KNOWN_REGION && known->id))
        return used;
    used += exo_format(out + used, size - used, type == KNOWN_NUMBER ? " " : " + ");
    return used + numbers_text(out + used, size - used, known);
}

void exo_refusal_print(const char *name, const char *places, const struct exo_refusal *refusal)
{
    char line[LINE];

    exo_refusal_text(line, sizeof line, places, refusal);
    exo_print("%s is refused: %s", name, line);
    for (uint32_t i = 0; i < REGISTERS; i++)
        if (refusal->registers[i].type != KNOWN_NOTHING) {
            exo_known_text(line, sizeof line, &refusal->registers[i]);
            exo_print("%s is refused: r%u is %s", name, i, line);
        }
}
