/* Listeners: bound sockets that accept, for as many sessions as there is room for.
 *
 * A multishot accept runs ahead of its handler by as many connections as the completion queue
 * holds, so near the bound connections are accepted one at a time, and at the bound none: they wait
 * in the backlog. Only what a VMM hands over is accepted all the same, and refused: it would hold
 * up its guest. Where descriptors or memory ran out all the same, accepting pauses for
 * LISTENER_PAUSE_NS, whatever the kind: that passes, and the backlog has room for more than a VMM
 * opens. A descriptor kept to accept and refuse with would not do: other workers, and where the
 * whole system has none other processes, take it when it is closed.
 */
#pragma once

#include "proxy/bind.h"
#include "proxy/opening.h"
#include "proxy/session.h"
#include "ring/ring.h"

#include <stdbool.h>

#define LISTENER_PAUSE_NS UINT64_C(100000000)

/* A connection that the route admits; its descriptor is the owner's from here on. */
typedef void listener_accepted(void *owner, const struct arrival *arrival);

/* How many more connections may be accepted. */
typedef size_t listener_room(void *owner, const struct opening *opening);

struct listener_options {
    struct ring *ring;
    struct opening *opening; /* a reference, the listener's from here on, as is the socket */
    struct bound bound;
    listener_accepted *accepted;
    listener_room *room;
    void *owner;
};

struct listener {
    struct listener *next; /* of its owner's */
    struct ring *ring;
    struct opening *opening;
    struct bound bound;
    listener_accepted *accepted;
    listener_room *room;
    void *owner;
    bool multishot;
    bool paused; /* has been told */
    bool stopping;
    struct ring_op accept;
    struct ring_timer pause;
    struct ring_timer telling; /* of those that were turned away */
};

/* The listener stays at its address until it is stopped. It does not accept yet. */
void listener_init(struct listener *listener, const struct listener_options *options);

/* Accepts: for the first time, or because there may be room again. */
void listener_resume(struct listener *listener);

/* true: nothing is in flight, its socket is closed and its file removed; it may be freed. Else call
 * again later. */
bool listener_stop(struct listener *listener);
