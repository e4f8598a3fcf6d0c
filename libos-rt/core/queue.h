/* Tasks by a number, the lowest first: a binary heap. A task knows its place, so that it can be taken out of the middle. */
#pragma once
#include <exo/rt.h>

struct queue {
    uint32_t count;
    struct { uint64_t number; struct rt_task *task; } entry[RT_TASKS_MAX];
};

void queue_put(struct queue *queue, struct rt_task *task, uint64_t number);
/* The last entry, no longer counted, goes to the empty `place`, or where it belongs from there. */
void queue_close(struct queue *queue, uint32_t place);
static inline void queue_remove(struct queue *queue, struct rt_task *task)
{
    if (task->place != --queue->count)
        queue_close(queue, task->place);
}

static inline bool queue_is_due(const struct queue *queue, uint64_t now)
{
    return queue->count && queue->entry[0].number <= now;
}

static inline struct rt_task *queue_first(const struct queue *queue)
{
    return queue->count ? queue->entry[0].task : 0;
}
