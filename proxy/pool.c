/* Borrowing and giving back. */
#include "proxy/pool.h"

#include <assert.h>
#include <stdlib.h>

static void item_free(struct pool *pool, enum pool_kind kind, struct pool_item *item)
{
    if (kind == POOL_PIPE)
        ring_pipe_deinit(&item->pipe);
    free(item);
    pool->shelves[kind].count--;
}

static struct pool_item *item_new(struct pool *pool, enum pool_kind kind)
{
    size_t bytes = kind == POOL_BUFFER ? pool->item_bytes[kind] : 0;
    struct pool_item *item = malloc(sizeof(*item) + bytes);

    if (!item)
        return NULL;
    if (kind == POOL_PIPE && ring_pipe_init(&item->pipe, pool->item_bytes[kind]) < 0) {
        free(item);
        return NULL;
    }
    pool->shelves[kind].count++;
    return item;
}

static struct pool_item *shelf_pop(struct pool_shelf *shelf)
{
    struct pool_item *item = shelf->free;

    shelf->free = item->next;
    shelf->free_count--;
    if (shelf->free_count < shelf->free_min)
        shelf->free_min = shelf->free_count;
    return item;
}

static void review(struct ring_timer *timer);

static void plan_review(struct pool *pool)
{
    if (!ring_timer_armed(&pool->review))
        ring_timer_arm(pool->ring, &pool->review, ring_now_ns(pool->ring) + POOL_REVIEW_NS, review);
}

static void review(struct ring_timer *timer)
{
    struct pool *pool = (void *)((char *)timer - offsetof(struct pool, review));

    for (enum pool_kind kind = 0; kind < POOL_KINDS; kind++) {
        struct pool_shelf *shelf = &pool->shelves[kind];
        for (unsigned unneeded = shelf->free_min; unneeded > 0; unneeded--)
            item_free(pool, kind, shelf_pop(shelf));
        shelf->free_min = shelf->free_count;
        if (shelf->count > 0)
            plan_review(pool);
    }
}

void pool_init(struct pool *pool, struct ring *ring, size_t pipe_bytes, size_t buffer_bytes)
{
    *pool = (struct pool){
        .ring = ring,
        .item_bytes = {[POOL_PIPE] = pipe_bytes, [POOL_BUFFER] = buffer_bytes},
        .pipes_max = POOL_ITEMS_MAX,
    };
}

void pool_deinit(struct pool *pool)
{
    ring_timer_disarm(pool->ring, &pool->review);
    for (enum pool_kind kind = 0; kind < POOL_KINDS; kind++) {
        struct pool_shelf *shelf = &pool->shelves[kind];
        while (shelf->free)
            item_free(pool, kind, shelf_pop(shelf));
        assert(shelf->count == 0);
    }
}

struct pool_item *pool_take(struct pool *pool, enum pool_kind kind)
{
    struct pool_shelf *shelf = &pool->shelves[kind];
    struct pool_item *item = NULL;

    if (shelf->free)
        item = shelf_pop(shelf);
    else if (shelf->count < (kind == POOL_PIPE ? pool->pipes_max : POOL_ITEMS_MAX))
        item = item_new(pool, kind);
    if (!item)
        return NULL;
    item->offset = 0;
    item->length = 0;
    return item;
}

void pool_give(struct pool *pool, enum pool_kind kind, struct pool_item *item)
{
    struct pool_shelf *shelf = &pool->shelves[kind];

    if (kind == POOL_PIPE && item->pipe.bytes > 0) {
        item_free(pool, kind, item);
        return;
    }
    item->next = shelf->free;
    shelf->free = item;
    shelf->free_count++;
    plan_review(pool);
}
