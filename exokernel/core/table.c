/*
 * Page tables as frames: donating them and taking them back. Their entries are space.c's.
 */
#include <arch.h>
#include <capability.h>
#include <dispatch.h>
#include <flush.h>
#include <frame.h>
#include <space.h>

exo_result call_table_create(const struct caller *caller, uint16_t capability, uint32_t frame, uint32_t shadow, uint8_t level)
{
    frame_name environment = caller->environment;

    if (level < 1 || level > TABLE_LEVELS || frame == shadow)
        return EXO_BAD_ARGUMENT;
    exo_result result = frame_may_be_taken(environment, capability, EXO_RIGHT_WRITE, frame);
    if (result < 0)
        return result;
    result = frame_may_be_taken(environment, capability, EXO_RIGHT_WRITE, shadow);
    if (result < 0)
        return result;

    frame_claim(environment, capability, frame, TABLE_KIND_BASE + level);
    frame_claim(environment, capability, shadow, EXO_FRAME_SHADOW);
    frame_at(frame)->link = shadow;
    frame_at(shadow)->link = frame;
    if (level == TABLE_LEVELS)
        arch_fill_root_table(frame);
    return EXO_OK;
}

exo_result call_table_free(const struct caller *caller, uint32_t frame)
{
    const struct exo_frame *info = frame_named(frame);

    if (!info)
        return EXO_BAD_NAME;
    uint32_t level = table_level(info);
    if (!level)
        return EXO_WRONG_KIND;
    if (info->owner != caller->environment || info->closing)
        return EXO_NO_RIGHT;
    if (info->bindings || environment_page(caller->environment)->root == frame || !arch_table_is_empty(frame, level))
        return EXO_BOUND;

    frame_name shadow = info->link;
    flush_begin();
    frame_release(shadow);
    frame_release(frame);
    return EXO_OK;
}
