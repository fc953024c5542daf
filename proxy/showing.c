/* Stores that no other thread waits for. */
#include "proxy/showing.h"

#include "proxy/worker.h"

static void set(struct worker *worker, enum showing_item item, uint64_t value)
{
    atomic_store_explicit(&worker->showing.at[item], value, memory_order_relaxed);
}

static void show_lanes(struct worker *worker)
{
    const struct sessions *sessions = &worker->sessions;

    for (unsigned way = ROUTE_LANE_SMALL; way < ROUTE_LANE_COUNT; way++) {
        unsigned index = way - ROUTE_LANE_SMALL;
        set(worker, SHOWING_LANES_SMALL + index, sessions->lanes[way]);
        set(worker, SHOWING_CHANGES_SMALL + index, sessions->totals.ways[way]);
    }
}

static void show_shelf(struct worker *worker, enum showing_item used,
                       const struct pool_shelf *shelf, unsigned max)
{
    set(worker, used, shelf->count - shelf->free_count);
    set(worker, used + 1, shelf->free_count);
    set(worker, used + 2, max);
}

void showing_update(struct worker *worker)
{
    const struct pool *pool = &worker->sessions.pool;
    struct ring_figures figures;

    ring_figures(worker->ring, &figures);
    show_lanes(worker);
    show_shelf(worker, SHOWING_PIPES_USED, &pool->shelves[POOL_PIPE], pool->pipes_max);
    show_shelf(worker, SHOWING_BUFFERS_USED, &pool->shelves[POOL_BUFFER], POOL_ITEMS_MAX);
    set(worker, SHOWING_RECEIVE_USED, figures.buffers_held);
    set(worker, SHOWING_RECEIVE_FREE, figures.buffers_offered);
    set(worker, SHOWING_RECEIVE_MAX, figures.buffers_max);
    set(worker, SHOWING_SESSIONS_MAX, worker->sessions_max);
    set(worker, SHOWING_KEPT, worker->kept_count);
    set(worker, SHOWING_OPERATIONS, figures.in_flight);
    set(worker, SHOWING_TURNS, figures.turns);
    set(worker, SHOWING_OVERFLOWS, figures.overflows);
}
