/*
 * The processes of the instance: what they share and what outlives them. A process's memory is its own affair; here are its
 * environment, its descriptors, its family and its signals. One that has ended while others still see memory that it owns stays
 * as a *holder*: its environment without a virtual processor.
 */
#pragma once
#include "file.h"
#include <exo/child.h>
#include <unix/linux.h>
#include <unix/protocol.h>

enum { PROCESSES_MAX = 64, MISSING_MAX = 8 };

enum process_state { PROCESS_NONE, PROCESS_BUILDING, PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_HOLDER };

struct missing {
    uint32_t number, count;
    uint64_t address;
};

struct process {
    enum process_state state;
    bool has_environment;
    uint32_t runnable;       /* read by the schedulers */
    uint64_t deadline;       /* when it is runnable again (ns) */
    const void *waiting_on;
    const void *lock_owner;  /* whose lock it waits for, if it waits for one */
    uint32_t pid, group, session; /* unix_state tells it the same */
    struct process *parent;
    uint32_t umask;
    struct linux_limit limit[RLIMITS];
    int status;              /* as wait4 tells it */
    uint16_t slot;           /* its environment, in our tables */
    uint32_t frame;
    uint32_t state_frame, window_frame; /* the window's, and behind it the data's */
    struct unix_state *shared;
    struct unix_window *window;
    uint8_t *data;           /* of its runtime: what a fork copies */
    uint32_t chunk_count, file_count, view_count;
    struct {
        struct pipe *pipe;        /* 0: unused */
        enum pipe_side side;
        struct unix_pipe *shared; /* read by the schedulers; 0: it asks */
    } direct[PIPES_DIRECT];      /* its direct ends of pipes, */
    uint32_t direct_count;       /* so many */
    struct node *directory;
    uint32_t missing_count;
    uint64_t requests;
    uint64_t ignored;        /* signals that it ignores */
    uint32_t child_flags;    /* of its SIGCHLD: SA_NOCLDSTOP, SA_NOCLDWAIT, UNIX_CHILD_CAUGHT */
    uint32_t stopped;        /* the signal that stopped it, or 0 */
    bool may_stop;           /* it has taken a signal that stops, and no SIGCONT came since */
    bool tells_stop, tells_continue; /* what its parent has not waited for yet */
    bool executed;           /* it has called exec since it was forked */
    uint64_t alarm, alarm_again; /* when SIGALRM comes (ns), or 0; and how long after that again */
    uint64_t terminal_until; /* of a read with a time limit (ns), or 0 */
    char name[16];
    uint32_t command_size;
    uint64_t started;        /* ns */
    uint32_t descriptor_end; /* from here on none is open */
    struct descriptor descriptor[DESCRIPTORS_MAX]; /* all empty in a place that is free */
    /* as far as the counts above say: */
    struct unix_range chunk[CHUNKS_MAX]; /* frames that it may take */
    struct unix_range file[FILES_MAX];   /* files that it may map */
    struct unix_range view[VIEWS_MAX];   /* others' chunks that it sees */
    struct missing missing[MISSING_MAX];
    char command[256];                   /* the words of its command line, each ended by a zero */
};

struct instance {
    bool over;
    int status;
    uint32_t created, peak;
    uint64_t requests;
    struct unix_counts counts; /* of those that have ended */
    uint32_t serving;     /* a request: what runs on virtual processor 0 may be interrupted in its middle */
    uint32_t event_child; /* a process may have stopped for a fault */
};
extern struct instance instance;
extern struct process processes[PROCESSES_MAX];
extern uint32_t processes_end; /* all from here on are PROCESS_NONE */

/* The signals that it blocks and does not wait for. */
static inline uint64_t process_mask(const struct process *process)
{
    const volatile struct unix_wait *wait = &process->window->wait;
    return wait->mask & ~wait->awaited;
}

struct process *process_badged(uint64_t badge);
struct process *process_numbered(uint64_t pid);
/* A new one with an environment and its capabilities; with a parent also with an address space. 0: there is no room. */
struct process *process_create(struct process *parent);
/* The first one: the runtime's image and its start. */
int64_t process_build(struct process *process);
/* Its state and its virtual processor, as a copy of the parent where that asks for it. */
int64_t process_copy(struct process *process, const struct process *parent, struct unix_fork *fork);
/* Pages of the runtime's data that are state. */
uint32_t process_data_pages(void);
/* All of the runtime that is bound and not taken: text, constants, state, window; and where it begins. */
int64_t process_runtime_map(struct exo_space *space, const struct process *process);
uint64_t process_runtime_entry(void);
int64_t process_image_load(void);
int64_t process_image_grant(const struct process *process);
/* Undo one that never ran. */
void process_undo(struct process *process);
/* It has ended; status as wait4 tells it. */
void process_end(struct process *process, int status);
/* Take it from the table after its parent has waited for it. */
void process_forget(struct process *process);
/* What a child that is being forked sees: the files of its parent, and the chunks of the owners that the parent names. */
int64_t process_views_grant(struct process *child, struct process *parent, const struct unix_fork *fork);
/* Its group and session, where it sees them too. */
void process_belongs(struct process *process, uint32_t group, uint32_t session);
/* The program is gone, and with it what it mapped. */
void process_views_drop(struct process *process);
/* One chunk more, or a file whose frames lie in a row; 0 or a status. */
int64_t process_chunk_grant(struct process *process);
int64_t process_file_grant(struct process *process, struct node *node, const struct unix_range **ret_range);
/* End a capability that it holds. */
void process_drop(const struct process *process, uint16_t slot);

/* Those that wait on it, or on any, may go on. */
extern const char process_any_channel[];
void process_wake(const void *channel);
void process_signal(struct process *process, uint32_t signal);
/* SIGALRM to those whose time has come. */
void process_alarms_pass(void);
