/*
 * Who had how much memory when (the manifest's `report`): samples of the exposed frame table, at a distance that doubles whenever there are
 * too many of them.
 */
#include "root.h"
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/text.h>

enum { SAMPLES_MAX = 24, FIRST_DISTANCE_NS = 250000000, COLUMN = 9, LINE_MAX = 16 + COLUMN * MEMBERS_MAX };

struct sample {
    uint64_t time;
    uint32_t frames[MEMBERS_MAX];
};

static struct sample samples[SAMPLES_MAX];
static uint32_t sample_count;
static uint64_t distance = FIRST_DISTANCE_NS, due;

static uint32_t frames_owned(const struct member *member)
{
    uint32_t owned = loans_owned(member);

    for (uint32_t i = 0; i < member->plan.memory && member->state == MEMBER_RUNNING; i++) {
        const volatile struct exo_frame *frame = exo_frame_info(member->first + i);
        owned += frame->kind != EXO_FRAME_FREE && frame->owner != exo_start.environment;
    }
    return owned;
}

static void samples_thin(void)
{
    for (uint32_t i = 0; i < SAMPLES_MAX / 2; i++)
        samples[i] = samples[2 * i];
    sample_count = SAMPLES_MAX / 2;
    distance *= 2;
}

uint64_t report_look(void)
{
    if (!root.report)
        return EXO_NEVER;
    if (exo_time() < due)
        return due;
    if (sample_count == SAMPLES_MAX)
        samples_thin();
    struct sample *sample = &samples[sample_count++];
    sample->time = exo_time();
    for (uint32_t i = 0; i < root.member_count; i++)
        sample->frames[i] = frames_owned(&root.member[i]);
    due = sample->time + distance;
    return due;
}

/* At the right end of a column. */
static char *cell(char *at, const char *text)
{
    for (size_t length = exo_text_length(text); length < COLUMN; length++)
        *at++ = ' ';
    while (*text)
        *at++ = *text++;
    *at = 0;
    return at;
}

static char *cell_number(char *at, uint64_t number)
{
    char text[24];

    exo_format(text, sizeof text, "%lu", number);
    return cell(at, text);
}

/* Each switch is an upcall: a slice that begins, or an event. */
static void processors_print(void)
{
    for (uint32_t i = 0; i < exo_system_info()->processor_count; i++) {
        const volatile struct exo_processor *processor = exo_processor_info(i);
        exo_print("processor %u: %lu upcalls at a switch, %lu states saved by force, %lu of %lu ms idle", i, processor->switches, processor->forced,
                  processor->idle_ns / 1000000, exo_time() / 1000000);
    }
}

void report_print(void)
{
    char line[LINE_MAX], *at = cell(line, "KiB at ms");

    if (!root.report)
        return;
    for (uint32_t i = 0; i < root.member_count; i++)
        at = cell(at, root.member[i].plan.name);
    exo_print("%s", line);
    for (uint32_t n = 0; n < sample_count; n++) {
        at = cell_number(line, samples[n].time / 1000000);
        for (uint32_t i = 0; i < root.member_count; i++)
            at = cell_number(at, (uint64_t)samples[n].frames[i] * (EXO_FRAME_SIZE / 1024));
        exo_print("%s", line);
    }
    processors_print();
}
