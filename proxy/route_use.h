/* What the sessions of a route come to, over all workers: counted where they begin and end, read by
 * who shows it. By the route's name, so that it goes on where the configuration is read anew.
 *
 * References are counted; what nobody refers to is forgotten, but for a drained route. Of any
 * thread.
 */
#pragma once

#include "proxy/bucket.h"
#include "proxy/rate.h"
#include "proxy/source_use.h"
#include "proxy/tally.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct route_uses;
struct target_use;

struct route_use {
    struct route_uses *uses;
    struct route_use *next;
    char *name;
    unsigned references;        /* of route_uses.mutex */
    struct target_use *targets; /* of the same */
    atomic_bool drained;        /* an operator wants nobody to listen for it */
    atomic_uint sessions;
    atomic_uint waiting;      /* of those, that wait for a guest to be reached */
    atomic_uint turn;         /* of the next session that chooses a target */
    struct bucket buckets[2]; /* of its bandwidth: to the targets, and from them */
    struct rate rate;
    atomic_uint_fast64_t awaited;     /* by these workers: a session that ends (proxy/room.h) */
    struct source_uses *sources;      /* there before any session of a route that limits them */
    atomic_uint_fast64_t turned_away; /* connections that `allow` and `deny` refused */
    struct tally tally;
};

struct route_uses {
    pthread_mutex_t mutex;
    struct route_use *first; /* in the order of their names */
    unsigned workers;        /* that count bytes; set before the first; 0: one */
};

void route_uses_init(struct route_uses *uses);
void route_uses_deinit(struct route_uses *uses);

/* A reference; NULL: out of memory. */
struct route_use *route_use_get(struct route_uses *uses, const char *name);

/* The same where it is known; NULL: it is not. */
struct route_use *route_use_find(struct route_uses *uses, const char *name);
void route_use_put(struct route_use *use);

bool route_use_is_drained(struct route_uses *uses, const char *name);

/* Each, in the order of their names; none comes or goes meanwhile. */
void route_uses_visit(struct route_uses *uses,
                      void (*visit)(void *argument, const struct route_use *use), void *argument);

/* Its sources are counted from here on. false: out of memory. */
bool route_use_count_sources(struct route_use *use);
