/*
 * Capabilities: unforgeable entries of donated tables. A capability is valid while it and everything it was
 * derived from are live; the walk up is bounded by DEPTH_MAX. A claim is a capability's name and id, noted in what is owned
 * under it.
 */
#pragma once
#include <arch.h>
#include <stddef.h>

enum reach {
    REACH_NOTHING, /* the capability is not valid */
    REACH_ROOT,    /* valid */
    REACH_STAMP,   /* valid, and the stamp is its id or that of one above it */
};

/* The name of a slot, or 0 if the environment has no such slot. */
capability_name capability_lookup(frame_name environment, uint32_t slot);
struct capability *capability_at(capability_name name);
/* What stands in the slot of a living environment, whatever it is; NULL if it has no such slot. */
_Static_assert(sizeof(struct capability_header) == sizeof(struct capability), "position 0 is the header");
static inline struct capability *capability_of(frame_name environment, uint32_t slot)
{
    uint32_t table = slot / CAPABILITIES_PER_TABLE, position = slot % CAPABILITIES_PER_TABLE;

    if (table >= TABLES_PER_ENVIRONMENT || position == 0)
        return NULL;
    frame_name frame = environment_page(environment)->tables[table % TABLES_PER_ENVIRONMENT]; /* also under speculation */
    return frame ? (struct capability *)capability_page(frame) + position : NULL;
}

/* The capability there if it is LIVE in a live table, else NULL. Says nothing of those above it. */
struct capability *capability_live(capability_name name);
/* Whose table the name is in, and as which slot. */
frame_name capability_holder(capability_name name);
uint32_t capability_slot(capability_name name);

enum reach capability_reach(capability_name name, uint64_t id, uint64_t stamp);
bool claim_is_live(capability_name name, uint64_t stamp);
bool capability_covers(const struct capability *capability, uint32_t name);
/* Do capabilities of this kind name a range of things that are owned under them? */
static inline bool kind_is_of_ranges(uint32_t kind)
{
    return kind == EXO_KIND_FRAMES || kind == EXO_KIND_SLOTS || kind == EXO_KIND_PROGRAMS || kind == EXO_KIND_FLOWS;
}

/* What a libOS may count on that owns it (TAKE): it is taken back after a revocation only. */
static inline bool kind_is_revocable(uint32_t kind)
{
    return kind_is_of_ranges(kind) || kind == EXO_KIND_EXTENT;
}

/* Valid, of this kind, with these rights? BAD_CAPABILITY or NO_RIGHT if not. Stores a copy. */
exo_result capability_use(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights,
                          struct capability *ret_copy);
/* The same for one thing: it must cover name, and (NO_RIGHT) reach the stamp that the thing is claimed by; stamp 0: unclaimed. */
exo_result capability_check(frame_name environment, uint32_t slot, uint32_t kind, uint32_t rights, uint32_t name,
                            uint64_t stamp);
/* The living environment that an ENVIRONMENT capability names; slot 0: the environment itself. */
exo_result capability_environment(frame_name environment, uint32_t slot, uint32_t rights, frame_name *ret_environment);

/* May something new be put into the slot? It holds nothing, or what is not valid any more and owned nothing. */
exo_result capability_slot_is_free(frame_name environment, uint32_t slot);
/* End this very capability, if it is still there and live, without a sweep: nothing is bound under it. */
void capability_end(capability_name name, uint64_t id);
/* A capability ceased to be valid: forget what was checked before (struct recent). To be called after the change. */
void capability_forget(void);
/* Put a new capability, derived from source, into a slot that is free. Returns its id. */
uint64_t capability_mint(capability_name name, capability_name source, uint32_t kind, uint32_t rights, uint32_t first,
                         uint32_t count);
