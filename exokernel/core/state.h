/*
 * The kernel's own structures: what stands in the pages that environments donate, and in the tables of the
 * machine. Flat: indices and names instead of pointers, so that the state can be copied, hashed and proved.
 * What environments see of it is in the ABI (struct exo_frame, exo_slot, exo_processor, exo_system).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <exo/abi.h>
#include <limits_of.h>

/* Names. 0 is no name: frame 0 is never given to anyone. */
typedef uint32_t frame_name;      /* physical address / 4096 */
typedef uint32_t binding_name;    /* table frame * TABLE_ENTRIES + index */
typedef uint32_t capability_name; /* table frame * CAPABILITIES_PER_TABLE + position */
typedef uint32_t vcpu_name;       /* environment * VCPUS_PER_ENVIRONMENT + index */
typedef uint32_t gate_name;       /* environment * GATES_PER_ENVIRONMENT + index */
typedef int64_t exo_result;       /* a status, or a result above zero */

enum capability_state { CAPABILITY_EMPTY, CAPABILITY_LIVE, CAPABILITY_CLOSING };

/* Position 0 of a table is its header (struct capability_header). */
struct capability {
    uint64_t id;            /* unique for ever; 0: none; once all of a CLOSING one is swept: the flush epoch to wait for */
    uint64_t source_id;     /* the id of the capability it was derived from */
    capability_name source; /* and its name; 0: the root's own, derived from nothing */
    uint32_t first;         /* the range; while CLOSING: what is still to be swept */
    uint32_t count;
    uint8_t kind;
    uint8_t rights;
    uint8_t depth; /* derivations from the root's */
    uint8_t state;
};

struct capability_header {
    frame_name environment; /* whose table this is */
    uint32_t index;         /* which of its tables */
    uint32_t live;          /* 0 once the environment is dying: every capability here is invalid */
    uint32_t reserved[5];
};

struct capability_table {
    struct capability_header header;
    struct capability slot[CAPABILITIES_PER_TABLE - 1]; /* position p is slot[p - 1] */
};

enum vcpu_resume {
    RESUME_EVENT,  /* enter the event entry with what is pending */
    RESUME_CALLER, /* return from gate_call to .place with .message */
};

/* Where user code goes on: all that a control transfer changes of the registers. */
struct place {
    uint64_t rflags, rip, rsp, rax, rdi;
};

enum { MESSAGE_REGISTERS = 11 }; /* rsi, rdx, r10, r8, r9, rbx, rbp, r12 to r15 */

/* A wakeup predicate that a virtual processor sleeps on: of which program, over which frame, read under which capability. */
struct watch {
    uint64_t id;       /* the program's */
    uint64_t deadline; /* ns: then it wakes, whatever the predicate says */
    uint32_t program;  /* 0: it sleeps without one */
    frame_name frame;
    uint16_t slot;     /* of the capability, in its environment's tables */
};

struct vcpu {
    uint8_t state;  /* exo_vcpu_state */
    uint8_t resume; /* enum vcpu_resume */
    uint8_t depth;  /* gate calls between it and a virtual processor that nobody called; at most DEPTH_MAX */
    uint8_t stop;   /* 1: to be taken off its processor for good (vcpu_stop_now) */
    frame_name context;
    uint32_t wake;    /* events that end its sleep */
    vcpu_name callee; /* whom it called, while CALLING; who changes it to 0 by compare-and-swap ends the call */
    vcpu_name caller; /* whom it serves, or 0 */
    struct place start; /* its event entry, with the address of its context page in its own space */
    struct place place; /* where gate_call returns to; rax is OK unless the call was ended (vcpu_end_call) */
    uint64_t entry[2];  /* exception, foreign */
    uint64_t timer;     /* ns; EXO_NEVER */
    uint64_t excess_ns; /* used past slice ends, not repaid */
    uint64_t message[MESSAGE_REGISTERS]; /* with RESUME_CALLER: the reply */
    struct watch watch; /* while ASLEEP or WAITING */
} __attribute__((aligned(256))); /* its size: an index is a shift */

struct gate {
    uint64_t stamp; /* id of the capability that opened it; 0: closed */
    uint64_t entry, stack;
    capability_name capability;
    uint32_t vcpu; /* index */
};

enum revocation_state { REVOCATION_NONE, REVOCATION_ASKED, REVOCATION_IMPERATIVE };

/* Kept by who asks: nobody else can be in the way. */
struct revocation {
    uint64_t deadline;
    uint64_t victim_id; /* the asked capability */
    capability_name victim;
    uint32_t count; /* still wanted */
    uint32_t state;
    uint32_t reserved;
};

enum environment_state { ENVIRONMENT_ALIVE = 1, ENVIRONMENT_DYING };

struct environment {
    uint32_t state;
    frame_name root;    /* TABLE4, or 0 */
    frame_name creator; /* environment that is told of faults, or 0 */
    uint32_t reaped;    /* while dying: nothing rests on slots below this; beyond them, processors that lend it nothing */
    uint64_t epoch;     /* while dying: the flush epoch at which nothing rested on any slot; 0: not yet */
    frame_name tables[TABLES_PER_ENVIRONMENT];
    struct revocation revocation[REVOCATIONS_PER_ENVIRONMENT]; /* that it asked for */
    struct gate gate[GATES_PER_ENVIRONMENT];
    frame_name ring[DISK_LIMIT]; /* the kernel's half of the ring to each disk, or 0 */
    struct vcpu vcpu[VCPUS_PER_ENVIRONMENT] __attribute__((aligned(sizeof(struct vcpu) * VCPUS_PER_ENVIRONMENT)));
};

/* A frame's `closing`: nothing new binds to or in it. */
enum closing { CLOSING_BY_SWEEP = 1, CLOSING_BY_FORCE };

/* A page table's shadow: the bindings of one frame form a list through these. */
struct shadow_entry {
    binding_name next, previous; /* 0: none */
};

/* Checks that a processor made lately for `caller`; good while nothing anywhere ceased to be valid (kernel.generation). */
struct recent_gate {
    uint64_t slot; /* of the GATE capability */
    uint64_t generation;
    vcpu_name caller;
    vcpu_name vcpu;     /* that serves the gate */
    struct place place; /* where it is entered */
};

struct recent_target {
    uint64_t slot, index; /* of the ENVIRONMENT capability, and of one of its virtual processors */
    uint64_t generation;
    vcpu_name caller;
    vcpu_name vcpu; /* that one */
};

enum passed { PASSED_OWNER = 1, PASSED_BORROWER = 2 };

/* What a processor does, beside what struct exo_processor shows. */
struct processor {
    vcpu_name running; /* 0: idle */
    vcpu_name payer;   /* whose time it is */
    uint32_t slot;     /* name of the current slot */
    uint32_t passed;   /* who gave up the rest of this slot: PASSED_ bits */
    uint32_t traced;   /* records ever written to its trace ring */
    uint8_t ending;    /* not 0: the end upcall was given; grace is the deadline. 2: of a loan, and the lender owns this slot, too */
    uint8_t idle;      /* 1: it halts; since idle_since */
    uint64_t slot_end; /* ns */
    uint64_t grace;    /* ns */
    uint64_t armed;    /* what its timer was last set to, ns; EXO_NEVER once it fired */
    uint64_t asked;    /* when it was last interrupted for a flush, ns */
    uint64_t idle_since; /* ns; idle time before it is in the processor's table entry */
    struct recent_gate gate[RECENT_MAX];     /* GATE capabilities with EXECUTE, by slot */
    struct recent_target target[RECENT_MAX]; /* ENVIRONMENT capabilities with RUN, by slot */
    uint8_t rest[192]; /* its size is 1,024 bytes: a number is a shift */
};

/* What a capability was found to allow; good while nothing anywhere ceased to be valid (kernel.generation), and so 0 is never good. */
struct allowed {
    uint64_t generation;
    uint64_t stamp; /* of claims that it reaches; 0: none was asked for */
    uint32_t first, count;
    uint16_t slot, rights;
};

/* The kernel's half of a disk ring, in a donated frame. The other half is its libOS's to write: nothing here depends on it. */
struct queue {
    frame_name environment, ring;
    uint32_t disk, vcpu;
    uint32_t started, completed; /* submissions ever taken up, completions ever written */
    uint32_t in_flight;
    uint32_t is_listed;
    frame_name next, previous; /* queues of the same disk that wait for a turn; 0: none */
    struct allowed extent, frames; /* what the last request was made under */
};

enum place_state {
    PLACE_FREE,
    PLACE_IN_DEVICE,
    PLACE_AGAIN, /* the device was reset: to be checked and handed over anew */
};

/* A request that a disk works on. It begins as the submission does. */
struct disk_place {
    uint64_t tag;
    uint32_t block;   /* its name */
    frame_name frame; /* the first */
    uint16_t count, extent, frames;
    uint8_t operation, reserved;
    uint8_t state;    /* enum place_state */
    uint8_t tries;    /* how often it was handed over anew */
    frame_name queue; /* whose it is; 0: nobody's any more */
    frame_name environment; /* whose it was; it may be gone */
    uint64_t stamp;   /* the flush epoch at which it was handed over, and 1 */
    uint64_t since;   /* when, ns */
};

enum disk_state {
    DISK_NONE,
    DISK_WORKING,
    DISK_RESETTING, /* it may still touch what its requests name */
    DISK_CUT_OFF,   /* it answers no more, and touches nothing */
};

/* Places are used in turn: those from `ended` to `begun` (both count for ever) hold requests, or are free again. */
struct disk {
    uint8_t state; /* enum disk_state */
    uint32_t number; /* of its device */
    uint32_t begun, ended;
    uint32_t again;  /* after a reset: the next to be handed over anew; else begun */
    uint32_t oldest; /* the oldest that names frames or blocks */
    frame_name first, last; /* queues that wait for a turn */
    struct disk_place place[DISK_PLACES];
};

struct kernel {
    uint64_t next_id;    /* of a capability */
    uint64_t generation; /* counts when capabilities ceased to be valid */
    uint32_t frame_count;
    uint32_t processor_count;
    struct processor processor[PROCESSOR_LIMIT];
    uint64_t in_flight[DEVICE_MAX]; /* by device: the stamp of the oldest request that names frames or blocks; 0: there is none */
    uint64_t watch; /* when devices are looked at next, ns; 0: they have nothing to do */
    struct disk disk[DISK_LIMIT];
};
extern struct kernel kernel;

enum { HEADER_WORDS = EXO_HEADER_SIZE / 8, SHAPE_LIMIT = EXO_SHAPE_LIMIT, FLOW_BUCKETS = 1 << FLOW_BUCKETS_BITS };

/* The kernel's half of a ring for packets, in a NET_QUEUE. */
struct net_queue {
    uint64_t stamp; /* unique for ever: the ring's own */
    uint64_t memory_stamp;
    capability_name memory;         /* the FRAMES capability, and its range */
    frame_name first;
    uint32_t count;
    vcpu_name vcpu;                 /* that is told */
    uint64_t generation;            /* as in struct exo_flow: the capability was valid */
    uint32_t receive_done, transmit_done;
    frame_name window;              /* of the handlers of its flows: so many frames */
    uint32_t window_count;
    uint64_t slot;                  /* time / EXO_SLOT_NS when something last came from the network, */
    uint64_t spent_ns;              /* and what that cost since that slot began */
};

/* A word of a header each, then the shape, and the lower half of the sum. */
enum { KEY_SHAPE = HEADER_WORDS, KEY_LOW, KEYS };

/* What the network needs beside its tables of flows and shapes. A bucket is a flow's position + 1, or 0. */
struct network {
    uint64_t key[KEYS];         /* what patterns are hashed with; nobody else knows them */
    uint64_t born;              /* openings ever begun */
    uint64_t slot, spent_ns;    /* the present slot, and what was spent in it on packets that came */
    uint32_t is_deaf;           /* 1: that was enough; the device is heard again in the next slot */
    uint32_t flow_end;          /* positions from here on were never used */
    uint32_t order_count;
    uint8_t order[SHAPE_LIMIT]; /* shapes of open flows, from the narrowest */
    uint32_t is_short;          /* a bit for each of them: it looks at nothing behind the ports of IPv4 */
    uint16_t bucket[FLOW_BUCKETS];
    uint8_t packet[(EXO_PACKET_MOST + 7) / 8 * 8] __attribute__((aligned(8))); /* that a handler looks at */
    uint32_t packet_end;        /* zeros from here on */
};
extern struct network network;

/* Who calls: filled in once by the dispatcher, after the subject was checked. */
struct caller {
    vcpu_name vcpu;         /* the virtual processor that called */
    frame_name self;        /* its environment */
    frame_name environment; /* that the call acts as: alive */
};
