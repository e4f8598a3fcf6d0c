/*
 * A warm call site jumps to a *stub* of its own, which tells entry.S where to go on. It gets there in one of two ways, neither of
 * which moves the `syscall` or anything behind it, or touches the program's stack:
 *
 * HOP: the two bytes of `syscall` become a short jump into the operand of an 8-byte `nop` that the compiler left near by for
 *      alignment; there stands a long jump to the stub. The nop stays a nop. Nothing has to be known of the code around, and a branch
 *      straight to the site arrives as well.
 * MOVE: `mov $number, %eax` right before the site becomes a long jump of the same length; the stub does what it did. The `syscall` stays
 *      for those who branch to it. That the five bytes are that instruction is sure only if no other can end where they end:
 *      see move_is_sure.
 *
 * Only pages that the program cannot write are rewritten; they become copies of this process's own. Before one can be written,
 * sites_undo gives it its bytes back. What the table says is only a hint: pages come and go, so the bytes in memory decide.
 */
#include "site.h"
#include "call.h"
#include "inherit.h"
#include "inherit.h"
#include "memory.h"
#include "pool.h"
#include "region.h"
#include <exo/program.h>
#include <exo/text.h>

enum { STUB_SIZE = 64, SITES = SITE_PAGES * EXO_FRAME_SIZE / STUB_SIZE, WARM = 4, SYSCALL_SIZE = 2, MOVE_SIZE = 5, HOP_MOST = 127,
       PAD_SIZE = 8, PAD_JUMP = 3, JUMP_SIZE = 5, BEFORE_MOST = 16 };

#define SITES_END (UNIX_SITES_ADDRESS + SITE_PAGES * EXO_FRAME_SIZE)

enum way { WAY_NONE, WAY_HOP, WAY_MOVE, WAY_REFUSED };

/* All that is known of a site fits in a word: its address, how often it trapped, how it is rewritten, how far away the pad is. */
struct site {
    uint64_t address : 47, way : 2, count : 7, distance : 8;
};
_Static_assert(sizeof(struct site) == 8, "struct site");

static struct site sites[SITES] EXO_EAGER;
static uint64_t rewritten_low EXO_EAGER, rewritten_high EXO_EAGER; /* no rewritten site is outside */

static const uint8_t syscall_bytes[SYSCALL_SIZE] = { 0x0f, 0x05 };
static const uint8_t pad_bytes[PAD_SIZE] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }; /* nopl 0(%rax, %rax, 1): Intel SDM 2B, NOP */

static struct site *site_find(uint64_t address)
{
    uint32_t index = (uint32_t)(address * 0x9e3779b97f4a7c15ull >> 32) % SITES;

    for (uint32_t i = 0; i < SITES; i++) {
        struct site *site = &sites[(index + i) % SITES];
        if (!site->address)
            site->address = address;
        if (site->address == address)
            return site;
    }
    return 0;
}

static uint64_t address_of(const struct site *site)
{
    return site->address;
}

static uint64_t stub_of(const struct site *site)
{
    return UNIX_SITES_ADDRESS + (uint64_t)(site - sites) * STUB_SIZE;
}

/* ---- pages that are executed */

/* Present, now or from before the fork. */
static bool page_is_here(uint64_t page)
{
    return page_is_present(page) || inherit_bind(page);
}

/* A copy of a page, or a cleared one, with other bytes at some place: in its stead, or nothing has changed. */
struct patch {
    uint32_t offset, size;
    const uint8_t *bytes;
};

static bool page_patch(uint64_t page, const struct patch *patch, uint32_t patches)
{
    uint32_t old = page_is_here(page) ? exo_entry_frame(exo_space_entry(&kin.space, page)) : 0;
    uint8_t *copy;
    uint32_t frame = page_copy_begin(old ? page : 0, &copy);

    if (!frame)
        return false;
    for (uint32_t i = 0; i < patches; i++)
        memcpy(copy + patch[i].offset, patch[i].bytes, patch[i].size);
    page_copy_end();
    inherit_forget(); /* it shall begin with what was rewritten */
    return page_exchange(page, old, frame, EXO_MAP_READ | EXO_MAP_EXECUTE);
}

/* ---- what is written */

static uint8_t *put(uint8_t *at, uint64_t bytes, uint32_t size)
{
    memcpy(at, &bytes, size);
    return at + size;
}

/* jmp target: at stands `address` in the end. */
static uint8_t *put_jump(uint8_t *at, uint64_t address, uint64_t target)
{
    *at++ = 0xe9;
    return put(at, target - (address + JUMP_SIZE), 4);
}

/* movabs $address, %r11 */
static uint8_t *put_return(uint8_t *at, uint64_t address)
{
    return put(put(at, 0xbb49, 2), address, 8);
}

/* Where a call's whole result stands in memory: 0: it is not one of those. */
static uint64_t word_of(uint64_t number)
{
    static const uint32_t zero;

    switch (number) {
    case 39:
    case 186:
        return UNIX_STATE_ADDRESS + __builtin_offsetof(struct unix_state, pid);
    case 110:
        return UNIX_STATE_ADDRESS + __builtin_offsetof(struct unix_state, parent);
    case 111:
        return UNIX_STATE_ADDRESS + __builtin_offsetof(struct unix_state, group);
    case 102:
    case 104:
    case 107:
    case 108:
        return (uint64_t)&zero;
    default:
        return 0;
    }
}

/* mov word, %eax; and on */
static uint8_t *put_word(uint8_t *at, const uint8_t *code, uint64_t stub, uint64_t word, uint64_t next)
{
    at = put(put(at, 0x25048b, 3), word, 4);
    at = put_return(at, next);
    return put_jump(at, stub + (uint64_t)(at - code), (uint64_t)site_count);
}

static uint8_t *put_entry(uint8_t *at, const uint8_t *code, uint64_t stub, uint64_t next)
{
    at = put_return(at, next);
    return put_jump(at, stub + (uint64_t)(at - code), (uint64_t)site_entry);
}

/*
 * HOP does not know the number for sure: `lea -number(%rax), %rcx; jrcxz` looks, without changing a flag. MOVE keeps the number at the end of
 * the stub, for sites_undo.
 */
static void stub_make(const struct site *site, enum way way, uint32_t number, uint8_t code[STUB_SIZE])
{
    enum { NOT_THE_NUMBER = JUMP_SIZE + 10 };
    uint64_t stub = stub_of(site), next = address_of(site) + SYSCALL_SIZE, word = word_of(number);
    uint8_t *at = code;

    memset(code, 0xcc, STUB_SIZE);
    if (way == WAY_MOVE && word) {
        at = put_word(at, code, stub, word, next);
    } else if (way == WAY_MOVE) {
        at = put(put(at, 0xb8, 1), number, 4);
        at = put_entry(at, code, stub, next);
    } else if (word) {
        at = put(put(at, 0x888d48, 3), (uint64_t)-(int64_t)number, 4);
        at = put(put(at, 0xe3, 1), NOT_THE_NUMBER, 1);
        at = put_entry(at, code, stub, next);
        at = put_word(at, code, stub, word, next);
    } else {
        at = put_entry(at, code, stub, next);
    }
    put(code + STUB_SIZE - 4, number, 4);
}

static bool stub_put(const struct site *site, enum way way, uint32_t number)
{
    uint8_t code[STUB_SIZE];
    uint64_t stub = stub_of(site);

    stub_make(site, way, number, code);
    return page_patch(stub & -(uint64_t)EXO_FRAME_SIZE, &(struct patch){ stub % EXO_FRAME_SIZE, STUB_SIZE, code }, 1);
}

/* ---- which way */

static bool is_near(uint64_t from, uint64_t to)
{
    int64_t distance = (int64_t)(to - from);
    return distance == (int32_t)distance;
}

/* The page of a site may be executed and not written, and holds all of what is looked at. */
static bool page_is_sound(uint64_t site)
{
    const struct region *region = region_find(site);

    return region && region->protection & PROT_EXEC && !(region->protection & PROT_WRITE) &&
           region_find(site + SYSCALL_SIZE - 1) == region && is_near(UNIX_SITES_ADDRESS, site + EXO_FRAME_SIZE) &&
           is_near(site - EXO_FRAME_SIZE, SITES_END);
}

/* The distance from behind the site to the jump in a pad of its page; 0: there is none. */
static int32_t pad_find(uint64_t site)
{
    const uint8_t *page = (const uint8_t *)(site & -(uint64_t)EXO_FRAME_SIZE);
    int32_t after = (int32_t)(site % EXO_FRAME_SIZE) + SYSCALL_SIZE;
    int32_t least = after - HOP_MOST - 1 - PAD_JUMP, most = after + HOP_MOST - PAD_JUMP;

    if (after > (int32_t)EXO_FRAME_SIZE)
        return 0;
    for (int32_t at = least > 0 ? least : 0; at <= most && at + PAD_SIZE <= (int32_t)EXO_FRAME_SIZE; at++)
        if (page[at + 1] == pad_bytes[1] && !memcmp(page + at, pad_bytes, PAD_SIZE))
            return at + PAD_JUMP - after;
    return 0;
}

/*
 * The bytes before the site are b8 and the number that rax had when it trapped, zero-extended. That is the instruction, unless another one
 * ends here. Those that begin inside of it address memory through rax, below 0x20000, where nothing is ever mapped (`enter` begins with c8).
 * Those that begin before it, and have b8 as ModRM, SIB or displacement, or are part of a longer constant, are given away by what stands before: some
 * sites are refused that would have been right (Intel SDM 2A, chapter 2 and appendix A).
 */
static bool move_is_sure(uint64_t site, uint64_t number)
{
    static const struct {
        uint8_t before, mask, value;
    } doubt[] = {
        { 6, 0xf1, 0x41 },                      /* REX.B: mov to r8d */
        { 6, 0xff, 0x8d },                      /* b8 is ModRM: lea touches no memory */
        { 6, 0xfe, 0xf6 },                      /* idiv changes rax */
        { 7, 0xff, 0x0f }, { 8, 0xff, 0x0f },   /* two and three bytes of opcode */
        { 7, 0xf1, 0x41 },                      /* REX.B: through r8 */
        { 9, 0xff, 0xc4 }, { 10, 0xff, 0x62 },  /* VEX, EVEX: through r8 */
        { 8, 0xff, 0xc5 },
        { 6, 0xc7, 0x84 },                      /* b8 is SIB */
        { 7, 0xff, 0xc7 }, { 7, 0xff, 0x81 }, { 7, 0xff, 0x69 }, { 7, 0xff, 0xf7 }, /* b8 is a displacement before a constant */
        { 8, 0xff, 0xc7 }, { 8, 0xff, 0x81 }, { 8, 0xff, 0x69 }, { 8, 0xff, 0xf7 }, /* the same with SIB */
        { 9, 0xf8, 0xb8 }, { 9, 0xfc, 0xa0 },   /* a constant of 8 bytes, an address of 8 bytes */
    };
    const uint8_t *code = (const uint8_t *)site;
    uint32_t constant;

    if (site % EXO_FRAME_SIZE < BEFORE_MOST || code[-MOVE_SIZE] != 0xb8 || number >= 512 || (number & 0xff) == 0xc8)
        return false;
    memcpy(&constant, code - MOVE_SIZE + 1, 4);
    if (constant != number)
        return false;
    for (uint32_t i = 0; i < sizeof doubt / sizeof *doubt; i++)
        if ((code[-doubt[i].before] & doubt[i].mask) == doubt[i].value)
            return false;
    return true;
}

static bool site_hop(const struct site *site, int32_t distance, uint32_t number)
{
    uint64_t pad = address_of(site) + SYSCALL_SIZE + (uint64_t)(int64_t)distance;
    uint8_t hop[SYSCALL_SIZE] = { 0xeb, (uint8_t)distance }, jump[JUMP_SIZE];
    const struct patch patches[] = {
        { address_of(site) % EXO_FRAME_SIZE, sizeof hop, hop }, { pad % EXO_FRAME_SIZE, sizeof jump, jump },
    };

    put_jump(jump, pad, stub_of(site));
    return stub_put(site, WAY_HOP, number) && page_patch(address_of(site) & -(uint64_t)EXO_FRAME_SIZE, patches, 2);
}

static bool site_move(const struct site *site, uint32_t number)
{
    uint64_t move = address_of(site) - MOVE_SIZE;
    uint8_t jump[JUMP_SIZE];

    put_jump(jump, move, stub_of(site));
    return stub_put(site, WAY_MOVE, number) &&
           page_patch(move & -(uint64_t)EXO_FRAME_SIZE, &(struct patch){ move % EXO_FRAME_SIZE, sizeof jump, jump }, 1);
}

static enum way site_rewrite(struct site *site, uint64_t number)
{
    if (!page_is_sound(address_of(site)))
        return WAY_REFUSED;
    int32_t distance = pad_find(address_of(site));
    if (distance) {
        site->distance = (uint8_t)distance;
        return site_hop(site, distance, (uint32_t)number) ? WAY_HOP : WAY_REFUSED;
    }
    if (move_is_sure(address_of(site), number))
        return site_move(site, (uint32_t)number) ? WAY_MOVE : WAY_REFUSED;
    return WAY_REFUSED;
}

/* Does it jump to its stub? */
static bool site_is_rewritten(const struct site *site)
{
    int8_t distance = (int8_t)site->distance;
    const uint8_t *at = (const uint8_t *)address_of(site);

    if (site->way == WAY_NONE || site->way == WAY_REFUSED)
        return false;
    at += site->way == WAY_HOP ? SYSCALL_SIZE + distance : -MOVE_SIZE;
    uint8_t jump[JUMP_SIZE];
    put_jump(jump, (uint64_t)at, stub_of(site));
    return page_is_here(address_of(site) & -(uint64_t)EXO_FRAME_SIZE) && !memcmp(at, jump, JUMP_SIZE);
}

void site_note(const struct exo_upcall_frame *frame)
{
    struct site *site = site_find(frame->rip - SYSCALL_SIZE);

    if (!site || site->way == WAY_REFUSED || ++site->count < WARM)
        return;
    site->count = 0;
    if (site_is_rewritten(site))
        return; /* somebody branched to its `syscall` */
    site->way = site_rewrite(site, frame->rax);
    if (site->way == WAY_REFUSED)
        return;
    if (!rewritten_high || address_of(site) < rewritten_low)
        rewritten_low = address_of(site);
    if (address_of(site) > rewritten_high)
        rewritten_high = address_of(site);
}

/* Refused from now on: who writes code once does it again. */
static void site_undo(struct site *site)
{
    uint64_t page = address_of(site) & -(uint64_t)EXO_FRAME_SIZE;
    uint64_t at = address_of(site) + SYSCALL_SIZE + (uint64_t)(int64_t)(int8_t)site->distance;
    uint8_t move[MOVE_SIZE] = { 0xb8 };
    bool done;

    memcpy(move + 1, (const uint8_t *)stub_of(site) + STUB_SIZE - 4, 4);
    if (site->way == WAY_MOVE)
        done = page_patch(page, &(struct patch){ (address_of(site) - MOVE_SIZE) % EXO_FRAME_SIZE, MOVE_SIZE, move }, 1);
    else
        done = page_patch(page, (const struct patch[]){ { address_of(site) % EXO_FRAME_SIZE, SYSCALL_SIZE, syscall_bytes },
                                                        { at % EXO_FRAME_SIZE, JUMP_SIZE, pad_bytes + PAD_JUMP } }, 2);
    if (!done)
        process_die(SIGBUS); /* no memory: better than code that is wrong */
    site->way = WAY_REFUSED;
}

void sites_undo(uint64_t start, uint64_t end)
{
    if (end <= (rewritten_low & -(uint64_t)EXO_FRAME_SIZE) || start > rewritten_high)
        return;
    for (uint32_t i = 0; i < SITES; i++)
        if (address_of(&sites[i]) + EXO_FRAME_SIZE > start && address_of(&sites[i]) < end && site_is_rewritten(&sites[i]))
            site_undo(&sites[i]);
}

void sites_reset(void)
{
    memset(sites, 0, sizeof sites);
    rewritten_low = rewritten_high = 0;
}
