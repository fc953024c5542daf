/* A worker: a thread with its own ring, resolver, sessions and listeners.
 *
 *   RUNNING --stop--> DRAINING --no sessions left, drain-timeout, or stop again--> ENDING --> ended
 *
 *   RUNNING   accepts and relays
 *   DRAINING  listeners are closed, sessions go on
 *   ENDING    what is left is ended; over when nothing is in flight
 */
#pragma once

#include "config/config.h"
#include "proxy/listener.h"
#include "proxy/resolver.h"
#include "proxy/session.h"
#include "ring/ring.h"

#include <stdbool.h>
#include <stddef.h>

enum worker_state {
    WORKER_RUNNING,
    WORKER_DRAINING,
    WORKER_ENDING,
};

struct worker {
    struct ring *ring;
    struct resolver *resolver;
    struct sessions sessions;
    struct listener *listeners;
    size_t listener_count;
    size_t listener_max;
    enum worker_state state;
    uint64_t drain_timeout_ns;
    struct ring_timer drain;
    int signals; /* signalfd, or -1 */
    struct ring_op signal;
    struct ring_op cancel;
};

struct worker_options {
    struct ring *ring; /* owned by the worker from here on */
    size_t sessions_max;
    size_t listener_max;
    uint64_t drain_timeout_ns;
    int signals; /* signalfd that means stop; owned by the worker from here on */
};

int worker_init(struct worker *worker, const struct worker_options *options);

/* Owns *bound from here on; at most listener_max times. */
void worker_listen(struct worker *worker, const struct route *route, uint32_t peer_cid,
                   const struct bound *bound);

/* Turns until a stop has been carried out. Negative errno: the ring broke. */
int worker_run(struct worker *worker);

/* After worker_run(). */
void worker_deinit(struct worker *worker);
