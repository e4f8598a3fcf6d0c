#include "queue.h"

static void entry_set(struct queue *queue, uint32_t place, uint64_t number, struct rt_task *task)
{
    queue->entry[place].number = number;
    queue->entry[place].task = task;
    task->place = place;
}

/* Put it at the place, or where it belongs above that. */
static void queue_raise(struct queue *queue, uint32_t place, uint64_t number, struct rt_task *task)
{
    while (place && queue->entry[(place - 1) / 2].number > number) {
        entry_set(queue, place, queue->entry[(place - 1) / 2].number, queue->entry[(place - 1) / 2].task);
        place = (place - 1) / 2;
    }
    entry_set(queue, place, number, task);
}

void queue_put(struct queue *queue, struct rt_task *task, uint64_t number)
{
    queue_raise(queue, queue->count++, number, task);
}

void queue_close(struct queue *queue, uint32_t place)
{
    uint32_t count = queue->count;
    uint64_t number = queue->entry[count].number;
    struct rt_task *last = queue->entry[count].task;

    for (uint32_t below; (below = 2 * place + 1) < count; place = below) {
        if (below + 1 < count && queue->entry[below + 1].number < queue->entry[below].number)
            below++;
        if (queue->entry[below].number >= number)
            break;
        entry_set(queue, place, queue->entry[below].number, queue->entry[below].task);
    }
    queue_raise(queue, place, number, last);
}
