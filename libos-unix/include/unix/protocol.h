/*
 * Between a process and its instance's server: one gate, eleven words. Word 0 is the request, a Linux call's number or one of those
 * below, words 1 to 6 its arguments; the answer's word 0 is the result as Linux would return it, or UNIX_WAIT. What does not fit
 * lies in the window: memory that both see. The server trusts nothing in it and reads each thing once.
 */
#pragma once
#include <exo/abi.h>
#include <stdint.h>

#define UNIX_RUNTIME_ADDRESS 0x3c000000ull /* the process's own part of libos-unix, up to UNIX_RUNTIME_END */
#define UNIX_PROGRAM_ADDRESS 0x400000ull   /* where static programs mostly are: 2 MiB with a page table that is always there */
#define UNIX_WINDOW_ADDRESS  0x3c100000ull /* in the same 2 MiB: one page table */
#define UNIX_STATE_ADDRESS   0x3c110000ull /* struct unix_state, read-only */
#define UNIX_COPY_ADDRESS    0x3c120000ull /* one page: where a frame is filled */
#define UNIX_SITES_ADDRESS   0x3c130000ull /* SITE_PAGES: code that rewritten call sites jump to */
#define UNIX_PIPES_ADDRESS   0x3c140000ull /* PIPES_DIRECT struct unix_pipe, PIPE_STRIDE apart: see struct unix_pipe */
#define UNIX_READY_ADDRESS   0x3c1c0000ull /* READY_PAGES: frames of the process's own, to be filled before they come to their places */
#define UNIX_VIEW_ADDRESS    0x3fa00000ull /* the process's page tables, readable */
#define UNIX_RUNTIME_END     0x40000000ull

enum {
    WINDOW_PAGES = 9,
    SITE_PAGES = 4,
    READY_PAGES = 16,
    PATH_SIZE = 4096,
    WINDOW_DATA_SIZE = 6 * 4096 - 64,
    DESCRIPTORS_MAX = 256,
    PAGE_BYTES = 4096,
    CHUNK_FRAMES = 32, /* of a forked process's first chunk: the kernel looks at each frame of it when it ends */
    CHUNK_MORE = 128,  /* of others; every fourth twice as large */
    CHUNKS_MAX = 24,
    FILES_MAX = 8,
    OWNERS_MAX = 8,
    VIEWS_MAX = 64,
    RUNS_MAX = 1024,
    SKIPS = 6,
    PIPES_DIRECT = 4, /* ends of pipes that a process may have direct at once */
    PIPE_PAGES = 18,
    PIPE_STRIDE = 0x20000,
    PIPE_SIZE = 65536,
    PIPE_ATOMIC = 4096, /* up to so many bytes are written whole or not at all */
    SLOT_SERVER = 1,    /* in a process's tables: the gate to the server */
    SLOT_WINDOW = 3,    /* the window, and behind it the runtime's data */
    SLOT_STATE = 4,     /* struct unix_state */
    SLOT_RUNTIME = 5,   /* the runtime's text and constants: read and execute */
    SLOT_SHELL = 6,     /* the page tables that the server made, and the context page */
    SLOT_TEMPORARY = 8, /* the server's, while a child's views are made */
    SLOT_FILES = 9,     /* files that it has mapped, FILES_MAX: read and execute */
    SLOT_POOL = 20,     /* its chunks, CHUNKS_MAX: the frames that it may take */
    SLOT_VIEWS = 48,    /* chunks of the processes whose memory it was forked with, VIEWS_MAX: read and execute */
    SLOT_PIPES = 112,   /* of each direct end, three: the reader's page, the writer's pages, the peer (an environment, to yield to) */
    SLOTS_OF_PIPE = 3,
};

/* The program's calls since its process began: that trapped into the kernel, and that did not. */
struct unix_counts {
    uint64_t trapped, direct;
};

/* What the process does with direct ends of pipes: one more than the index of the end whose other side it waits for, and of the one that
 * it moves now; else 0. The signals that are blocked, which end no waiting. Those of them that it waits for itself, which end it. */
struct unix_wait {
    uint32_t pipe, moving;
    uint64_t mask, awaited;
    uint64_t reserved[3];
};

struct unix_window {
    char path[2][PATH_SIZE];
    uint8_t data[WINDOW_DATA_SIZE];
    struct unix_counts counts;
    struct unix_wait wait;
    uint8_t page[PAGE_BYTES]; /* apart, since a page fault may come while other things are copied */
};

/* Is a byte of it zero? */
static inline uint64_t unix_text_end(uint64_t word)
{
    return (word - 0x0101010101010101) & ~word & 0x8080808080808080;
}

/* Frames in a row that a process holds a capability for. */
struct unix_range {
    uint32_t first, count;
    uint32_t slot;
    uint32_t of; /* a view: the environment that owns them; a file: its node */
};

/* What a process may do with a descriptor without asking: reading gives zeros, or the end; what is written is gone; it is this end of the
 * direct pipe whose number stands from QUICK_PIPE_SHIFT on. */
enum unix_quick { QUICK_READ_ZERO = 1, QUICK_READ_END = 2, QUICK_WRITE_AWAY = 4, QUICK_DEVICE = 7, QUICK_PIPE_READ = 8, QUICK_PIPE_WRITE = 16,
                  QUICK_PIPE_SHIFT = 6 };

/* One end of a pipe: written by who has it, be it a process or the server. */
struct unix_pipe_end {
    uint64_t moved;  /* bytes since ever */
    uint32_t waits;  /* who has it waits for the other end */
    uint32_t notify; /* the server is to be told when it moves: others wait for it */
    uint8_t rest[PAGE_BYTES - 16];
};

/*
 * A pipe's memory. Who alone has an end may see it: the reader writes the first page, the writer all others. Each believes of the other's
 * count only how far it is from its own, and not more than PIPE_SIZE of that.
 */
struct unix_pipe {
    struct unix_pipe_end reader, writer;
    uint8_t bytes[PIPE_SIZE];
};
_Static_assert(sizeof(struct unix_pipe) == PIPE_PAGES * PAGE_BYTES, "pages of their own");

static inline uint64_t unix_pipe_held(const struct unix_pipe *pipe)
{
    uint64_t held = __atomic_load_n(&pipe->writer.moved, __ATOMIC_ACQUIRE) - __atomic_load_n(&pipe->reader.moved, __ATOMIC_ACQUIRE);
    return held < PIPE_SIZE ? held : PIPE_SIZE;
}

/* What of size bytes from a count on lies in one piece. */
static inline uint64_t unix_pipe_piece(uint64_t moved, uint64_t size)
{
    uint64_t room = PIPE_SIZE - moved % PIPE_SIZE;
    return size < room ? size : room;
}

/* What the server tells a process without being asked. */
struct unix_state {
    uint32_t pid, parent, group, session;
    uint64_t pending; /* signals: bit n - 1 */
    uint32_t viewers; /* processes that see some of this one's memory */
    uint32_t children; /* how often SIGCHLD came while it was blocked and had no handler: it is not among those that are pending */
    uint8_t quick[DESCRIPTORS_MAX];
};

/* The result of a call that has to wait: yield, and call again once run. */
enum { UNIX_WAIT = -512 };

/* Beside SA_NOCLDSTOP and SA_NOCLDWAIT among the flags of UNIX_POLICY: there is a handler for SIGCHLD. */
enum { UNIX_CHILD_CAUGHT = 0x100 };

/* Requests beside Linux's. */
enum unix_request {
    UNIX_EXEC_OPEN = 1000, /* path 0: node of a file that may be executed; word 1: its size */
    UNIX_PAGE,             /* node, page: its bytes to the window's page; how many */
    UNIX_MAP,              /* node: 0 and, as words 1 to 3, slot, first frame and count of its frames, if they lie in a row; else -ENODEV */
    UNIX_MORE,             /* one chunk more: words 1 to 3 as above */
    UNIX_EXEC_DONE,        /* bytes of the arguments, in data: the old memory is gone: views end, descriptors close */
    UNIX_FORK,             /* a copy of this process, data: struct unix_fork: its pid */
    UNIX_SIGNAL_TAKE,      /* mask of those that are blocked: the next signal, or 0 */
    UNIX_MISSING,          /* call number, its address: a call that is not there was made */
    UNIX_START,            /* the first process: path 0 the program, data the arguments; word 1 their size, 2 and 3 random, 4: is there a terminal? */
    UNIX_END,              /* a signal's number: it ends the process */
    UNIX_FILE_NODE,        /* descriptor: node of the regular file, for a mapping */
    UNIX_SLEEP,            /* until when (ns) */
    UNIX_BROKEN,           /* vector, instruction, address: the runtime itself faulted */
    UNIX_NO_START,         /* errno: the first program cannot be run */
    UNIX_STOP,             /* a signal that stops: UNIX_WAIT until the process may go on; 0: may it now? */
    UNIX_NO_MEMORY,        /* address: there is no frame for a page that the program may use: it is killed, and that is told */
    UNIX_PIPE,             /* descriptor of a direct pipe, how: 0: it moved and others wait for that; 1: it cannot be used directly */
    UNIX_POLICY,           /* signals that are ignored, flags of SIGCHLD's action: they changed */
    UNIX_REQUESTS,
};

/* Pages of the program in a row, on frames in a row. */
struct unix_run {
    uint64_t page;
    uint32_t frame, count;
};

/*
 * A parent tells whose memory its child is to see, and which pages it has; the child finds the rest filled in: its views of it, its first
 * chunk, and what else a new environment must know.
 */
struct unix_fork {
    uint32_t owner_count;
    uint32_t owner[OWNERS_MAX];
    struct {
        uint32_t start, end; /* bytes of the runtime's state, from its beginning, that the child does without; in ascending order */
    } skip[SKIPS];
    uint32_t view_count;
    struct unix_range view[VIEWS_MAX];
    uint32_t code_count; /* executable pages of such views that are bound, in the 2 MiB of UNIX_PROGRAM_ADDRESS and in UNIX_SITES_ADDRESS, by who was here before */
    struct unix_range chunk;
    struct exo_start start;
    uint32_t run_count;
    struct unix_run run[RUNS_MAX];
};
_Static_assert(sizeof(struct unix_fork) <= WINDOW_DATA_SIZE, "it goes through the window");
