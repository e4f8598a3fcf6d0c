/*
 * What routines of the core promise, so that the prover can show each once and take its word where it is called.
 * For a routine f: pre_f is asked for at its calls, modifies_f names what it may change (and then all claims of invariant.c
 * hold where it is called and where it returns), post_f says what holds then, same_f when it changed nothing; loop_f is what
 * holds at the head of its loop, same_loop_f when no round has changed anything. Names of parameters are those of the core.
 */
#include <arch.h>
#include <capability.h>
#include <flush.h>

void havoc(const volatile void *place);
uint32_t any_name(void);

/* ---- capabilities */

static bool name_exists(capability_name name)
{
    frame_name frame = name / CAPABILITIES_PER_TABLE;

    return frame < kernel.frame_count && name % CAPABILITIES_PER_TABLE && frame_at(frame)->kind == EXO_FRAME_CAPABILITIES;
}

static bool name_is_live(capability_name name, uint64_t id)
{
    return name_exists(name) && capability_page(name / CAPABILITIES_PER_TABLE)->header.live &&
           capability_at(name)->state == CAPABILITY_LIVE && capability_at(name)->id == id;
}

bool post_capability_walk(capability_name name, uint64_t id, uint64_t stamp, enum reach result)
{
    return result <= REACH_STAMP && (result == REACH_NOTHING || name_is_live(name, id));
}

bool loop_capability_walk(capability_name name, uint64_t id, capability_name name_addr, uint64_t id_addr, uint32_t depth)
{
    return depth ? name_is_live(name, id) : name == name_addr && id == id_addr;
}
