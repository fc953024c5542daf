/* A first-in first-out queue of times, for what is planned and not done yet. Grows up to QUEUE_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_MAX (1U << 22)

struct queue {
    uint64_t *at;
    size_t room; /* a power of two, or 0 */
    size_t first;
    size_t count;
};

/* false: full, or out of memory. */
bool queue_push(struct queue *queue, uint64_t ns);

/* Not on an empty queue. */
uint64_t queue_pop(struct queue *queue);
void queue_deinit(struct queue *queue);
