/*
 * The root environment: starts a system from its manifest and watches it. It holds every resource at first; who gets
 * what is its decision, and only its.
 */
#pragma once
#include <stdbool.h>
#include <exo/child.h>

#define MEMBERS_MAX 24 /* environments of a system */
#define RANGES_MAX  8  /* of slots, of one environment */

struct slot_range {
    uint32_t processor, first, count;
};

struct extent {
    uint32_t disk, first, count; /* blocks */
};

/* What the manifest says of an environment. */
struct plan {
    char name[16], image[64], archive[64], lend[128];
    char arguments[232];
    uint32_t memory, kept; /* frames */
    uint32_t programs;     /* pages of the window of downloaded programs */
    uint32_t flow, flows, position, positions; /* of the flow table: those it has, and where it may claim others */
    uint32_t give;         /* frames that are asked back after a while */
    bool wait, restart, console, terminal, trace;
    uint32_t range_count;
    struct slot_range range[RANGES_MAX];
    uint32_t extent_count;
    struct extent extent[RANGES_MAX];
};

enum member_state { MEMBER_REFUSED, MEMBER_BUILT, MEMBER_RUNNING, MEMBER_ENDED };

/* An environment of the system. */
struct member {
    struct plan plan;
    enum member_state state;
    int status;
    uint64_t started;       /* ns */
    uint32_t program;       /* its first page of the window */
    uint32_t first;         /* its frames: memory of them, the last kept of which are guaranteed */
    uint16_t memory_slot;   /* in its tables: the FRAMES capability without KEPT, or 0 */
    uint16_t slots[RANGES_MAX];
    uint8_t borrows;        /* the virtual processor that lent time on processor 0 is for; 0: all is for 0 */
    uint16_t lends_back;    /* in its tables: the capability by which it lends slots to the root, or 0 */
    uint64_t entry;
    struct exo_child child;
};

struct root {
    struct exo_frames frames; /* its own memory */
    struct exo_space space;
    bool report; /* who has how much memory when */
    uint32_t member_count;
    struct member member[MEMBERS_MAX];
};
extern struct root root;

/* archive.c: a file of the boot module's archive, or 0. */
const void *archive_find(const char *name, size_t *ret_size);

/* manifest.c: fills root.member[].plan. Returns 0 or what is wrong with the text. */
const char *manifest_read(const char *text, size_t size);

/* member.c: false when it was refused, which was reported. */
bool member_build(struct member *member);

/* lend.c: by plan.lend, `NAME` or `NAME:FIRST:COUNT`, comma after comma, later ones first. */
bool plan_lends(const struct plan *plan, const char *name);
/* Who runs in a position of a vector of slots while its owner sleeps: a member, root_borrows, or 0. */
#define root_borrows (&root.member[MEMBERS_MAX])
struct member *plan_borrower(const struct plan *plan, uint32_t position);
void member_lend(struct member *member);
void member_borrow(struct member *borrower, uint8_t first);
void member_bequeath(const struct member *member);
/* What the member lends to the root, at once: the root may own no slot any more. */
int64_t slot_lend_back(struct member *member, uint16_t capability, uint32_t slot);
bool member_start(struct member *member);
void member_end(struct member *member);

/* The first of a run of free frames that is nobody's yet; 0: there is none. */
uint32_t memory_find(uint32_t count);
struct member *member_named(const char *name);

/* loan.c: a loan of the manifest, and its turns; false: too many. Then all are given their frames, and granted. */
bool loan_add(uint32_t frames, uint64_t within);
bool loan_turn(const char *name, uint64_t at);
void loans_place(void);
int64_t loans_grant(struct member *member);
bool loan_covers(uint32_t frame);
/* Frames of loans that are its own now. */
uint32_t loans_owned(const struct member *member);
/* Does what is due; until when nothing is. */
uint64_t loans_look(void);

/* report.c: likewise; and what was seen. */
uint64_t report_look(void);
void report_print(void);

/* network.c: a flow of the manifest, and its words; false: too many, or wrong. Then all are claimed, and granted. */
bool flow_add(void);
bool flow_word(const char *key, const char *value);
void flows_make(void);
int64_t flows_grant(struct member *member);

/* watch.c: until all are finished; the highest status. */
int watch(void);
