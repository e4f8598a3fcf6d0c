/*
 * Real-time tasks: the attributes by which one is asked for, the schedulers, admission, mutexes with a ceiling, and what
 * may happen to a job. Pure but for what <exo/rt_run.h> adds: all of it also runs on an ordinary computer. Time is in
 * nanoseconds. A task is a sequence of jobs; each is *released* at a time, may use `runtime` of the processor, and is to be
 * over by its release + `deadline`; releases are `period` apart (sporadic tasks: at least that).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    RT_TASKS_MAX = 64,
    RT_SECTIONS_MAX = 4, /* mutexes that one task may lock */
    RT_BUCKETS = 64,     /* of a histogram */
};

/* Returned negative; the numbers are Linux's. */
enum rt_error { RT_EPERM = 1, RT_E2BIG = 7, RT_ENOMEM = 12, RT_EBUSY = 16, RT_EINVAL = 22, RT_EDEADLK = 35 };

/* Fields and layout of Linux's struct sched_attr, first version. */
struct rt_attribute {
    uint32_t size; /* of this structure */
    uint32_t sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;      /* 0 */
    uint32_t sched_priority; /* RT_SCHED_FIFO: 1 to 99, the higher runs; else 0 */
    uint64_t sched_runtime, sched_deadline, sched_period; /* runtime <= deadline <= period; a period of 0 is the deadline */
};
enum rt_sched { RT_SCHED_FIFO = 1, RT_SCHED_DEADLINE = 6 }; /* sched_policy */
enum rt_limit {
    RT_RUNTIME_LEAST = 1024,            /* as Linux has it */
    RT_PERIOD_LEAST = 10000,            /* Linux: 100 us, unless it is told otherwise */
};
#define RT_PERIOD_MOST 4194304000ull    /* as Linux has it */

/* ---- what the analysis sees */

/* A mutex that a task locks, and how long it holds it at most. */
struct rt_section {
    uint32_t mutex;
    uint64_t longest;
};

struct rt_claim {
    uint64_t runtime, deadline, period;
    uint64_t level; /* the lower is more urgent: by it one preempts another */
    uint32_t section_count;
    struct rt_section section[RT_SECTIONS_MAX];
};

/* What kernel and library cost, counted into the analysis. */
struct rt_overhead {
    uint64_t release;   /* each release, before whatever runs */
    uint64_t switching; /* one change of the running task; each job has two */
    uint64_t blocking;  /* the longest time for which a release may be ignored */
};

/* Which slots are owned, of a pattern that repeats. */
struct rt_supply {
    uint64_t slot;      /* length of one */
    uint32_t positions; /* how many there are, up to 64 */
    uint64_t owned;     /* bit by position */
    uint64_t late;      /* lost at the beginning of an owned slot when the one before is another's */
    uint64_t tick;      /* lost at the beginning of any other owned slot */
};

enum rt_reason {
    RT_ADMITTED,
    RT_OVERLOAD,    /* the tasks together need more than the slots give for ever */
    RT_DEMAND,      /* EDF: in a window of `at` ns, `demand` is needed and `supply` is sure */
    RT_RESPONSE,    /* fixed priority: task `task` may need `demand` to be over, its deadline is `supply` */
    RT_TOO_LONG,    /* not decided within a bounded number of steps: refused */
};

struct rt_verdict {
    enum rt_reason reason;
    uint32_t task; /* the index; of RT_DEMAND: one whose deadline ends that window */
    uint64_t at, demand, supply;
    uint64_t response[RT_TASKS_MAX]; /* of admitted tasks, fixed priority: the worst; EDF: 0 */
};

/* ---- schedulers */

struct rt_task;

/* A scheduler. Jobs run by the lowest key; a task's level says which mutexes' ceilings it is above. */
struct rt_policy {
    const char *name;
    bool (*takes)(const struct rt_attribute *attribute); /* beyond what holds for all */
    uint64_t (*level)(const struct rt_attribute *attribute);
    uint64_t (*key)(const struct rt_task *task); /* of the released job */
    void (*admit)(const struct rt_claim *claim, uint32_t count, const struct rt_supply *supply,
                  const struct rt_overhead *overhead, struct rt_verdict *verdict);
};
extern const struct rt_policy rt_edf;   /* earliest deadline first; admission by processor demand */
extern const struct rt_policy rt_fixed; /* fixed priority, by deadline or as given; by response times */

/* ---- tasks */

enum rt_trouble { RT_OVERRUN, RT_MISS }; /* the runtime is used up; the deadline has passed */
enum rt_action {
    RT_LOG,   /* count it and go on */
    RT_SKIP,  /* the job goes on in the place of the next one, which is skipped: with its release, runtime and deadline */
    RT_ABORT, /* the job ends here; the task goes on with its next release */
};
typedef enum rt_action rt_handler(struct rt_task *task, enum rt_trouble trouble, void *argument);

struct rt_histogram {
    uint64_t count, sum, least, most;
    uint64_t width;              /* of a bucket; the last one holds all that is longer */
    uint32_t bucket[RT_BUCKETS];
};

enum rt_state { RT_IDLE, RT_READY };

struct rt_task {
    /* set by who makes it */
    const char *name;
    void (*job)(void *argument);
    void *argument;
    struct rt_attribute attribute;
    bool sporadic;              /* released by rt_release, not by time */
    uint64_t phase;             /* the first release, counted from the start */
    enum rt_action on_overrun, on_miss; /* RT_LOG by itself: then it is counted at the job's end at the latest, and costs no alarm */
    rt_handler *handler;        /* asked instead, if there is one */
    uint32_t section_count;
    struct rt_section section[RT_SECTIONS_MAX]; /* what it locks: mutexes by number */
    void *stack;
    uint64_t stack_size;
    uint16_t give_to;           /* not 0: its jobs run in another environment, by directed yield to its virtual processor 0: this is
                                 * the slot of the ENVIRONMENT capability, with RUN. That one ends the job by slice_yield, and is trusted to */
    void *fpu;                  /* an XSAVE area, 64-byte aligned, if its code uses floating point; else 0 */

    /* the schedule's */
    enum rt_state state;
    union {
        struct {
            bool aborted;       /* its job must begin anew at the next release */
            bool preempted;     /* it did not leave by itself: its state is in frame */
            bool watched;       /* something is done when its runtime is used up or its deadline passes, so there is an alarm */
            bool given;         /* give_to is not 0 */
        };
        uint32_t is_odd;        /* not 0: one of these, so that going on with it is more than a switch */
    };
    bool late;                  /* its job's deadline passed and was told */
    bool overrun;               /* its runtime is used up, and that was told */
    bool asked;                 /* released once more while its job lasted (sporadic) */
    uint64_t release, deadline; /* of the job, or of the next one */
    uint64_t used;              /* by the job */
    uint64_t limit;             /* of that: its runtime; more if it is the one after a job that was skipped */
    uint64_t key, level;
    uint32_t place;             /* in the queue that it is in */
    uint64_t jobs, misses, overruns, skips, aborts; /* counted */
    uint64_t most_used;
    struct rt_histogram latency;  /* release to first instruction */
    struct rt_histogram response; /* release to end */

    /* the machine's */
    uint64_t resume;            /* where its state lies while it does not run, if it left by itself */
    uint64_t frame[18];         /* struct exo_registers; but see machine/state.h for the last word */
};

/* 0 or -RT_EINVAL, -RT_E2BIG: what sched_setattr would say to the attribute alone; a period of 0 is filled in. */
int rt_attribute_check(struct rt_attribute *attribute, const struct rt_policy *policy);
/* 0; -RT_EINVAL, -RT_E2BIG (verdict->task says which task); -RT_EBUSY: not feasible, the verdict says why. Changes no task. */
int rt_admit(struct rt_task *const *task, uint32_t count, const struct rt_policy *policy, const struct rt_supply *supply,
             const struct rt_overhead *overhead, struct rt_verdict *verdict);

void rt_histogram_open(struct rt_histogram *histogram, uint64_t width);
static inline void rt_histogram_note(struct rt_histogram *histogram, uint64_t value)
{
    uint64_t bucket = histogram->width ? value / histogram->width : 0;

    histogram->bucket[bucket < RT_BUCKETS ? bucket : RT_BUCKETS - 1]++;
    histogram->count++;
    histogram->sum += value;
    histogram->least = value < histogram->least ? value : histogram->least;
    histogram->most = value > histogram->most ? value : histogram->most;
}

/* ---- mutexes: priority ceiling, as the stack resource policy has it: a job waits before it begins, at most once, and never later */

struct rt_mutex {
    uint32_t number;         /* by which tasks' sections name it */
    uint64_t ceiling;        /* the lowest level of those who lock it: set at the start */
    uint64_t before;         /* the ceiling of the schedule when it was locked */
    struct rt_task *holder;
    struct rt_mutex *under;  /* what was locked before */
};
