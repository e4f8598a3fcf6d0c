/*
 * Building an environment: create it, grant it capabilities, make its address space from its own frames, fill it, start
 * it, end it. In this order:
 *
 *     exo_child_create, exo_child_grant (a FRAMES capability and others), exo_child_memory, exo_child_load or
 *     exo_child_fill, exo_child_start, … exo_child_end
 *
 * While it is built, the builder reaches the child's frames through a *window*: a capability that the child,
 * by its builder's hand, derives for it from its own, and that is dropped before the child runs.
 */
#pragma once
#include <stddef.h>
#include <exo/frames.h>
#include <exo/space.h>

/* Where the builder maps up to EXO_BATCH_MAX pages of a child at once. */
#define EXO_WINDOW_ADDRESS 0x3fe00000ull

struct exo_child {
    struct exo_space *own;    /* the builder's space */
    uint16_t slot;            /* of the ENVIRONMENT capability, in the builder's tables */
    uint16_t window;          /* likewise, of the window */
    uint16_t next_slot;       /* next empty one in the child's tables */
    uint32_t frame;           /* its name */
    struct exo_frames frames; /* its memory */
    struct exo_space space;
    struct exo_start start;
};

/* Both slots must be empty. */
int64_t exo_child_create(struct exo_child *child, struct exo_space *own, uint16_t slot, uint16_t window,
                         const char *name);
/* Instead: one that another created, whose capability (with CONTROL and GRANT) is in the slot; child->start is then for the caller to
 * fill in. */
void exo_child_adopt(struct exo_child *child, struct exo_space *own, uint16_t slot, uint16_t window, uint32_t frame);
/* Derive for the child from an own capability of this kind; noted in its exo_start. ret_slot may be 0. */
int64_t exo_child_grant(struct exo_child *child, uint16_t own_slot, enum exo_kind kind, uint32_t rights,
                        uint32_t first, uint32_t count, uint16_t *ret_slot);
/* Leave a slot of the child empty and note it in its exo_start: one that its builder fills later. With rights 0 if it is to begin empty. */
uint16_t exo_child_promise(struct exo_child *child, enum exo_kind kind, uint32_t rights, uint32_t first, uint32_t count);
/* Use this FRAMES capability of the child for its address space and its pages. */
int64_t exo_child_memory(struct exo_child *child, uint16_t child_slot);
/* count pages of its own at address, with the size bytes of source at their beginning. */
int64_t exo_child_fill(struct exo_child *child, uint64_t address, uint32_t count, uint32_t flags, const void *source,
                       size_t size);
/* An ELF image. Returns 0 and its entry, or what is wrong with it (valid until the next call). */
const char *exo_child_load(struct exo_child *child, const void *image, size_t size, uint64_t *ret_entry);
/* Pages that an image fills when it is loaded; 0 if it is no image. */
uint32_t exo_image_pages(const void *image, size_t size);
/* Virtual processor 0 with its entry points, its context page with exo_start, which is complete now. */
int64_t exo_child_prepare(struct exo_child *child, uint64_t entry, uint64_t exception_entry);
/* Drops the window; it runs. */
int64_t exo_child_release(struct exo_child *child);
/* Both. */
int64_t exo_child_start(struct exo_child *child, uint64_t entry);
/* Instead of loading and starting an image: a copy of this program, which goes on where this call returns 0; here it
 * returns 1 or an error. */
int64_t exo_child_fork(struct exo_child *child);
/* Destroy and reap an environment and those it created. */
int64_t exo_child_end(uint16_t slot, uint32_t frame);
/* End a capability that derives from that in the own slot, by calls until it is done; environments owned under it are reaped. */
int64_t exo_withdraw(uint16_t slot, uint32_t victim, uint16_t victim_slot);
/* Drop an own capability; or, as a subject, that of its environment. */
int64_t exo_drop(uint16_t slot);
int64_t exo_drop_of(uint16_t subject, uint32_t environment, uint16_t slot);
