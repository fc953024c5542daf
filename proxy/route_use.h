/* What the sessions of a route come to, over all workers: counted where they begin and end, read by
 * who shows it. By the route's name, so that it goes on where the configuration is read anew.
 *
 * References are counted; what nobody refers to is forgotten. Of any thread.
 */
#pragma once

#include "proxy/reason.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* How many took at most so long. */
#define ROUTE_USE_TIMES 8
extern const double route_use_seconds[ROUTE_USE_TIMES];

struct route_times {
    atomic_uint_fast64_t counts[ROUTE_USE_TIMES + 1]; /* the last: longer than all */
    atomic_uint_fast64_t sum_ns;
};

struct route_uses;

struct route_use {
    struct route_uses *uses;
    struct route_use *next;
    char *name;
    unsigned references; /* of route_uses.mutex */
    atomic_uint sessions;
    atomic_uint_fast64_t rate_ns; /* when the latest session would have begun at the even pace */
    atomic_uint_fast64_t turned_away; /* connections that `allow` and `deny` refused */
    atomic_uint_fast64_t ended[REASON_COUNT];
    atomic_uint_fast64_t bytes_there; /* to the targets, of sessions that have ended */
    atomic_uint_fast64_t bytes_back;
    struct route_times connecting; /* from the accepting to the target, as far as it was reached */
    struct route_times lasting;    /* from the accepting to the end */
};

struct route_uses {
    pthread_mutex_t mutex;
    struct route_use *first; /* in the order of their names */
};

void route_uses_init(struct route_uses *uses);
void route_uses_deinit(struct route_uses *uses);

/* A reference; NULL: out of memory. */
struct route_use *route_use_get(struct route_uses *uses, const char *name);
void route_use_put(struct route_use *use);

/* Each, in the order of their names; none comes or goes meanwhile. */
void route_uses_visit(struct route_uses *uses,
                      void (*visit)(void *argument, const struct route_use *use), void *argument);

/* A session more, at `now_ns` of a monotonic clock. REASON_NONE; or the limit that it exceeds (0:
 * none), and it is counted as one that is open all the same: who begins it ends it. */
enum reason route_use_enter(struct route_use *use, uint32_t sessions_max, uint32_t rate_max,
                            uint64_t now_ns);

void route_times_add(struct route_times *times, uint64_t ns);
