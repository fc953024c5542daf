/* Times in their order. */
#include "perf/queue.h"

#include <assert.h>
#include <stdlib.h>

static bool grow(struct queue *queue)
{
    size_t room = queue->room ? queue->room * 2 : 16;
    uint64_t *at = room <= QUEUE_MAX ? malloc(room * sizeof(*at)) : NULL;

    if (!at)
        return false;
    for (size_t i = 0; i < queue->count; i++)
        at[i] = queue->at[(queue->first + i) & (queue->room - 1)];
    free(queue->at);
    queue->at = at;
    queue->room = room;
    queue->first = 0;
    return true;
}

bool queue_push(struct queue *queue, uint64_t ns)
{
    if (queue->count == queue->room && !grow(queue))
        return false;
    queue->at[(queue->first + queue->count++) & (queue->room - 1)] = ns;
    return true;
}

uint64_t queue_pop(struct queue *queue)
{
    assert(queue->count > 0);
    uint64_t ns = queue->at[queue->first];
    queue->first = (queue->first + 1) & (queue->room - 1);
    queue->count--;
    return ns;
}

void queue_deinit(struct queue *queue)
{
    free(queue->at);
    *queue = (struct queue){0};
}
