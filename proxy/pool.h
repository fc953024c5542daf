/* What lanes borrow to move much at a time: pipes to splice through, and large buffers to copy
 * through. A worker's own, bounded; taken last in, first out, so that few of them stay hot.
 *
 * Those that nobody needed for POOL_REVIEW_NS are freed.
 */
#pragma once

#include "ring/pipe.h"
#include "ring/ring.h"

#define POOL_ITEMS_MAX 64 /* of each kind; of pipes fewer where descriptors are few */
#define POOL_REVIEW_NS UINT64_C(1000000000)

enum pool_kind {
    POOL_PIPE,
    POOL_BUFFER,
    POOL_KINDS,
};

struct pool_item {
    struct pool_item *next;
    struct ring_pipe pipe; /* POOL_PIPE */
    uint32_t offset;       /* POOL_BUFFER: the bytes in it that have not gone */
    uint32_t length;
    char bytes[]; /* POOL_BUFFER */
};

struct pool_shelf {
    struct pool_item *free;
    unsigned free_count;
    unsigned free_min; /* since the latest review */
    unsigned count;    /* free and borrowed */
};

struct pool {
    struct ring *ring;
    size_t item_bytes[POOL_KINDS]; /* that one holds */
    unsigned pipes_max;
    struct pool_shelf shelves[POOL_KINDS];
    struct ring_timer review;
};

void pool_init(struct pool *pool, struct ring *ring, size_t pipe_bytes, size_t buffer_bytes);

/* Nothing may be borrowed. */
void pool_deinit(struct pool *pool);

/* NULL: all are borrowed, or no more can be had. */
struct pool_item *pool_take(struct pool *pool, enum pool_kind kind);

/* A pipe that holds bytes is freed, not kept. */
void pool_give(struct pool *pool, enum pool_kind kind, struct pool_item *item);
