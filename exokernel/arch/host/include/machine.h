/*
 * The host machine: what the machine contract needs, made of arrays. `machine`, `machine_contexts` and `kernel` together are
 * the whole state, flat and without pointers: tests copy, compare and hash them. A frame's bytes are kept apart by
 * what they mean. `machine_log` records what left the machine. Time, touches of user memory, timers and interrupts
 * happen when a test says so.
 */
#pragma once
#include <setjmp.h>
#include <state.h>
#include <machine_size.h>

/* The words of a frame as a page table or as a shadow: what user code writes into a frame is seen here. */
union machine_words {
    uint64_t table[TABLE_ENTRIES];
    struct shadow_entry shadow[TABLE_ENTRIES];
};

/* A translation that a processor remembers. */
struct machine_translation {
    uint64_t page;     /* address / 4096 */
    frame_name frame;  /* 0: none */
    uint32_t flags;    /* EXO_MAP_ */
    uint32_t table;    /* where it was read: the leaf table's frame */
    uint32_t dirty;
    capability_name capability; /* what justified it then, for the invariants: name and id */
    capability_name above[DEPTH_MAX]; /* and what that was derived from, up to the root's */
    uint64_t id;
};

struct machine_processor {
    uint64_t timer; /* ns; EXO_NEVER */
    vcpu_name vcpu; /* as arch_switch was told */
    frame_name root;
    uint32_t interrupt; /* 1: asked for by another processor, not delivered yet */
    uint32_t next;      /* translation to be replaced next */
    frame_name walked;  /* the leaf table that the paging-structure cache holds, or 0 (Intel SDM 3A 4.10.3) */
    uint32_t walked_region;  /* for address / 2 MiB */
    uint64_t walked_stamp;   /* the claim that the table was owned under when it was read */
    struct machine_translation translation[MACHINE_TRANSLATIONS];
};

/* A disk: what core handed over, by place; what it answers is the test's choice. */
struct machine_disk {
    uint32_t present;
    uint32_t restart; /* what a restart answers: enum device_restart */
    uint32_t kicks, agains, restarts;
    uint32_t order;   /* counts what was handed over */
    struct exo_disk info;
    struct {
        uint32_t order;  /* when it was handed over; 0: not in the device */
        uint32_t answer; /* 1 + the order among answers; 0: none yet */
        int64_t status;
        struct disk_place request;
        uint64_t stamp; /* the claim of its first frame then */
    } place[DISK_PLACES];
    uint32_t answers, nonsense; /* nonsense 1: the next answer names no place; 2 + place: a place, whether it is in use or not */
};

struct machine {
    uint64_t time;
    uint32_t current; /* the processor that executes */
    uint32_t locked;
    struct exo_system system;
    struct exo_processor info[PROCESSOR_LIMIT];
    struct machine_processor processor[PROCESSOR_LIMIT];
    struct exo_slot slot[PROCESSOR_LIMIT * SLOTS_PER_PROCESSOR];
    struct exo_program program[PROGRAM_PAGES];
    frame_name window[PROGRAM_PAGES]; /* what is mapped there; 0: nothing */
    struct exo_flow flow[FLOW_LIMIT];
    struct exo_shape shape[SHAPE_LIMIT];
    struct exo_frame frame[MACHINE_FRAMES];
    union machine_words words[MACHINE_FRAMES];
    struct capability_table capabilities[MACHINE_CAPABILITY_FRAMES];
    struct environment environment[MACHINE_ENVIRONMENT_FRAMES];
    struct queue queue[MACHINE_RING_FRAMES];
    struct exo_disk disk[DISK_LIMIT];
    struct machine_disk disk_device[DISK_LIMIT];
};

/* What a processor remembers of a check (core/arch.h). No part of the state proper: forgetting it must change nothing. */
struct machine_note {
    uint64_t id, generation;
};

struct machine_log {
    const char *broken; /* the first misuse of the contract by core, or NULL */
    const char *panic;  /* what core panicked with, or NULL */
    uint32_t exited;
    uint32_t exit_code;
    uint64_t interrupts, page_flushes, flushes, switches, fpu_saves, cleared;
    uint64_t packets; /* sent to the network; the last one: */
    uint32_t packet_length;
    uint8_t packet[EXO_PACKET_MOST];
    uint32_t coming, coming_length; /* packets that come from the network, all the same */
    const uint8_t *coming_bytes;
    uint32_t is_heard, agains;
    uint32_t console_length;
    char console[4096];
    const char *input; /* what the console's user types */
};

extern struct machine machine;
extern struct machine_note machine_notes[PROCESSOR_LIMIT][MACHINE_NOTES];
extern struct exo_context machine_contexts[MACHINE_FRAMES];
extern struct exo_ring machine_rings[MACHINE_RING_FRAMES];
extern struct exo_trace_record machine_traces[MACHINE_TRACE_FRAMES][EXO_FRAME_SIZE / sizeof(struct exo_trace_record)];
extern struct machine_log machine_log;
/* The bytes of frames that packets are in, and the frames of rings. */
extern uint8_t machine_bytes[MACHINE_FRAMES][EXO_FRAME_SIZE];
extern struct exo_net_ring machine_net_rings[MACHINE_FRAMES];
extern struct net_queue machine_net_queues[MACHINE_FRAMES];
extern uint64_t machine_tick; /* ns that pass at each look at the clock */
extern uint32_t machine_looks; /* so often a timer is looked at until it is due */
extern int machine_network; /* packets that the network device still takes; -1: there is none */
extern const uint8_t *machine_module; /* the boot module's bytes */
extern jmp_buf *machine_panicked;     /* where a panic goes on; NULL: it ends the program */

/* An empty machine: frame 0 is the kernel's, all others are free; every processor is online. frames <= MACHINE_FRAMES. */
void machine_reset(uint32_t frames, uint32_t processors);

/* The running virtual processor of `processor` reads, writes or executes at a user address (access: one EXO_MAP_ bit). Uses and
 * fills the modelled TLB and sets accessed and dirty bits as hardware does. Returns the frame, or 0 at a page fault.
 * A write leaves user bytes in the frame that look like present page-table entries. */
frame_name machine_touch(uint32_t processor, uint64_t address, uint32_t access);

/* Whether a frame holds no bytes of anyone. */
bool machine_frame_is_clear(frame_name frame);

/* NULL, or the first way in which core broke the machine contract. */
const char *machine_check(void);

void machine_broke(const char *what);
