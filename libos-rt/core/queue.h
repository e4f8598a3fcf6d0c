/* Tasks by a number, the lowest first: a binary heap. A task knows its place, so that it can be taken out of the middle. */
#pragma once
#include <exo/rt.h>

struct queue {
    uint32_t count;
    struct { uint64_t number; struct rt_task *task; } entry[RT_TASKS_MAX];
};

void queue_put(struct queue *queue, struct rt_task *task, uint64_t number);
void queue_remove(struct queue *queue, struct rt_task *task);

static inline struct rt_task *queue_first(const struct queue *queue)
{
    return queue->count ? queue->entry[0].task : 0;
}
