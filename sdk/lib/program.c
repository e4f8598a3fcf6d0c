/* The start and the end of a program (see exo/program.h). */
#include <exo/program.h>
#include <exo/calls.h>
#include <exo/text.h>
#include <exo/upcall.h>

struct exo_start exo_start EXO_EAGER;

/* The ABI that this program was built for; loaders refuse another (docs of the note: sdk/abi/exo.toml). */
struct image_note {
    uint32_t name_size, size, type;
    char name[4];
    uint32_t major, minor;
};
static const struct image_note image_note __attribute__((section(".note.exo"), used, aligned(4))) = {
    4, 8, 1, "Exo", EXO_ABI_MAJOR, EXO_ABI_MINOR,
};

void exo_program_adopt(void)
{
    memcpy(&exo_start, EXO_CONTEXT->batch, sizeof exo_start);
    exo_vcpu_entry(0, 0, EXO_ENTRY_EXCEPTION, (uint64_t)exo_exception_entry);
}

void exo_program_begin(void)
{
    exo_program_adopt();
    if (exo_start.magic != EXO_START_MAGIC || exo_start.size != sizeof exo_start)
        exo_exit(EXO_EXIT_START);
    exo_exit(main());
}

/* A full inbox empties when the root runs. */
void exo_exit(int status)
{
    uint16_t gate = exo_start_slot(EXO_KIND_GATE, 0);
    exo_events_block();
    while (gate && exo_gate_send(gate, EXO_REQUEST_EXIT, (uint32_t)status, 0, 0, 0) == EXO_BUSY)
        exo_yield();
    for (;;)
        exo_sleep(EXO_NEVER, 0, false);
}

uint16_t exo_start_slot(enum exo_kind kind, uint32_t n)
{
    for (uint32_t i = 0; i < exo_start.capability_count && i < EXO_START_CAPABILITIES; i++)
        if (exo_start.capability[i].kind == kind && n-- == 0)
            return exo_start.capability[i].slot;
    return 0;
}

const struct exo_start_capability *exo_start_loan(uint32_t n)
{
    bool is_memory = true; /* the first is what it lives in */

    for (uint32_t i = 0; i < exo_start.capability_count && i < EXO_START_CAPABILITIES; i++) {
        const struct exo_start_capability *held = &exo_start.capability[i];
        bool is_loan = !held->rights || (held->rights & EXO_RIGHT_TAKE && !(held->rights & EXO_RIGHT_KEPT));

        if (held->kind != EXO_KIND_FRAMES)
            continue;
        if (!is_memory && is_loan && n-- == 0)
            return held;
        is_memory = false;
    }
    return 0;
}

const struct exo_start_capability *exo_start_capability(uint16_t slot)
{
    for (uint32_t i = 0; i < exo_start.capability_count && i < EXO_START_CAPABILITIES; i++)
        if (exo_start.capability[i].slot == slot)
            return &exo_start.capability[i];
    return 0;
}

/* The text behind `name=` in the arguments, which are separated by spaces; or 0. */
static const char *argument_find(const char *name)
{
    size_t length = exo_text_length(name);
    for (const char *at = exo_start.arguments; *at;) {
        if (!memcmp(at, name, length) && at[length] == '=')
            return at + length + 1;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return 0;
}

uint64_t exo_argument(const char *name, uint64_t otherwise)
{
    const char *at = argument_find(name);
    return at ? exo_text_number(&at) : otherwise;
}

bool exo_argument_is(const char *name, const char *value)
{
    const char *at = argument_find(name);
    size_t length = exo_text_length(value);
    return at && !memcmp(at, value, length) && (at[length] == 0 || at[length] == ' ');
}
