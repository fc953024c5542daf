/* What a worker shows of itself: as of its latest turn, written by its thread alone, read by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct worker;

enum showing_item {
    SHOWING_LANES_SMALL, /* now */
    SHOWING_LANES_SPLICE,
    SHOWING_LANES_COPY,
    SHOWING_CHANGES_SMALL, /* of lanes to this way */
    SHOWING_CHANGES_SPLICE,
    SHOWING_CHANGES_COPY,
    SHOWING_PIPES_USED, /* borrowed */
    SHOWING_PIPES_FREE,
    SHOWING_PIPES_MAX,
    SHOWING_BUFFERS_USED,
    SHOWING_BUFFERS_FREE,
    SHOWING_BUFFERS_MAX,
    SHOWING_RECEIVE_USED, /* receive buffers that hold bytes */
    SHOWING_RECEIVE_FREE,
    SHOWING_RECEIVE_MAX,
    SHOWING_SESSIONS_MAX,
    SHOWING_KEPT,       /* connections that wait for room */
    SHOWING_OPERATIONS, /* in flight */
    SHOWING_TURNS,
    SHOWING_OVERFLOWS, /* turns that found more completions than the queue holds */
    SHOWING_COUNT,
};

struct showing {
    atomic_uint_fast64_t at[SHOWING_COUNT];
};

/* After each turn. */
void showing_update(struct worker *worker);
