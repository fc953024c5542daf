/* A worker: a thread with its own ring, resolver, sessions and listeners. Nothing relayed crosses
 * workers; a connection that one accepts and another has more room for is handed over before its
 * session starts.
 *
 *   WAITING --accept--> RUNNING --drain--> DRAINING --no sessions left, or end--> ENDING --> ended
 *
 *   WAITING   until all workers are there
 *   RUNNING   accepts and relays
 *   DRAINING  listeners are closed, sessions go on
 *   ENDING    what is left is ended; over when nothing is in flight
 */
#pragma once

#include "config/config.h"
#include "proxy/answering.h"
#include "proxy/checks.h"
#include "proxy/listener.h"
#include "proxy/mailbox.h"
#include "proxy/resolver.h"
#include "proxy/session.h"
#include "proxy/showing.h"
#include "ring/ring.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct workers;

enum worker_state {
    WORKER_WAITING,
    WORKER_RUNNING,
    WORKER_DRAINING,
    WORKER_ENDING,
};

/* A connection that waits for room. */
struct kept {
    struct kept *next;
    struct arrival arrival; /* with a reference to its opening */
};

struct worker {
    struct workers *workers;
    struct ring *ring;
    struct resolver *resolver;
    struct sessions sessions;
    struct answering answering;
    struct checks checks;       /* of the first worker */
    struct listener *listeners; /* bound, and running once the worker is */
    struct listener *closing;   /* those that are to go */
    struct kept *kept;          /* the one who came first before the others */
    size_t kept_count;
    enum worker_state state;
    struct ring_timer room_timer; /* until time makes room */
    uint64_t room_ns;             /* when that is */
    struct ring_op mail;
    struct ring_op cancel;

    size_t sessions_max;
    bool refuses;      /* connections, for want of room, since the latest session ended */
    bool refused;      /* its ring could not be had */
    bool deaf;         /* its listeners are closed, which has been told */
    bool asked_closed; /* tells when those that are to go are closed */

    struct showing showing;

    struct mailbox mailbox; /* of any thread, as what follows */
    atomic_size_t load;     /* sessions, and arrivals on their way to it */
};

struct worker_options {
    struct workers *workers;
    struct ring_options ring;
    unsigned index; /* of all workers, from 0 */
    size_t sessions_max;
    unsigned pipes_max;
};

/* Called by the worker's own thread, all of them but worker_reserve(). 0 or negative errno: of the
 * ring where worker->refused. */
int worker_init(struct worker *worker, const struct worker_options *options);

/* Turns until ordered to end, or to drain and no session is left. Negative errno: the ring broke.
 */
int worker_run(struct worker *worker);

/* Of any thread: one more is on its way to it; false: it has no room. */
bool worker_reserve(struct worker *worker);

/* After worker_run(). */
void worker_deinit(struct worker *worker);
